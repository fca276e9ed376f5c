//! Questions on a terminal: each with its default in brackets, answered by a line.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use miette::miette;

use crate::exit::Failure;

/// Whoever sits at the terminal.
pub(crate) struct Asker {
    from: Box<dyn BufRead>,
    to: Box<dyn Write>,
}

impl Asker {
    /// None where nobody could answer, or see the question.
    pub(crate) fn of_terminal() -> Option<Self> {
        (stdin().is_terminal() && stderr().is_terminal()).then(|| Self { from: Box::new(stdin().lock()), to: Box::new(stderr()) })
    }

    /// A headline above some questions.
    pub(crate) fn headline(&mut self, text: &str) {
        let _ = writeln!(self.to, "\n{text}");
    }

    /// What is answered; the default where it is nothing. Without a default it is asked until something is.
    pub(crate) fn ask(&mut self, question: &str, default: Option<&str>) -> Result<String, Failure> {
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        loop {
            let answer = self.line(&format!("{question}{shown}: "))?;
            match default.filter(|_| answer.is_empty()) {
                Some(default) => return Ok(default.to_owned()),
                None if answer.is_empty() => {}
                None => return Ok(answer),
            }
        }
    }

    /// Whether it is answered with yes; no unless it is said.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<bool, Failure> {
        let answer = self.line(&format!("{question} [y/N]: "))?;
        Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
    }

    fn line(&mut self, prompt: &str) -> Result<String, Failure> {
        let _ = write!(self.to, "{prompt}").and_then(|()| self.to.flush());
        let mut line = String::new();
        match self.from.read_line(&mut line) {
            Ok(0) => Err(failed("there is no answer; nothing was done")),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) => Err(failed(format!("the answer can't be read ({error}); nothing was done"))),
        }
    }
}

fn failed(text: impl Into<String>) -> Failure {
    Failure::Configuration(miette!(code = "configuration", "{}", text.into()))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn asker(answers: &str) -> Asker {
        Asker { from: Box::new(Cursor::new(answers.to_owned())), to: Box::new(std::io::sink()) }
    }

    #[test]
    fn a_default_is_taken_for_nothing_and_without_one_it_is_asked_again() {
        assert_eq!(asker("\n").ask("x", Some("usual")).unwrap(), "usual");
        assert_eq!(asker("  other \n").ask("x", Some("usual")).unwrap(), "other");
        assert_eq!(asker("\n\nthis\n").ask("x", None).unwrap(), "this");
    }

    #[test]
    fn only_yes_is_yes_and_the_end_of_input_ends_it() {
        for (answer, yes) in [("y\n", true), ("YES\n", true), ("\n", false), ("n\n", false), ("yo\n", false)] {
            assert_eq!(asker(answer).confirm("x").unwrap(), yes, "{answer:?}");
        }
        assert!(asker("").ask("x", Some("usual")).is_err() && asker("").confirm("x").is_err());
    }
}
