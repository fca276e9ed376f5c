//! `init`: writes the configuration. It asks for what it isn't given, tests each side's answers at once, and shows what both sides' fields allow.
//!
//! No secret is asked for, given or written: only where it is to be had. What is not on a terminal is never asked.

mod answers;
mod emulated;
mod place;
mod render;

use std::path::Path;

use engine::{
    check::{Finding, dynamics_alone, marketo_alone},
    draft::{Draft, GivenKeys, PersonKey, draft},
};
use miette::miette;
use serde_json::json;

use self::answers::Answers;
use crate::{
    args::init::Init,
    asker::Asker,
    command::check::{code_of, told},
    config::{Config, File},
    connect,
    exit::{CONFIGURATION, Failure, IN_STEP},
    out::Out,
};

/// Runs it.
pub(crate) async fn run(file: &Path, args: &Init) -> Result<u8, Failure> {
    place::is_free(file, args.force)?;
    answers::are_names(args)?;
    let mut run =
        Run { file, args, asker: if args.yes || args.sandbox { None } else { Asker::of_terminal() }, out: Out::here(), findings: vec![] };
    let mut answers = if args.sandbox { emulated::answers(file, args) } else { Answers::given(args) };
    if args.sandbox {
        // Nothing is left beside a configuration that can't be.
        run.parsed(&render::file(&answers, None))?;
        emulated::write_secrets(file, args.force)?;
    }
    if run.asker.is_none() {
        answers.are_complete()?;
    }
    let draft = match (args.untested, args.sandbox) {
        (true, _) => run.ask_all(&mut answers)?,
        (false, true) => run.look_at_emulators(&answers).await?,
        (false, false) => match run.test(&mut answers).await? {
            Some(draft) => draft,
            None => return run.given_up(),
        },
    };
    if let Some(draft) = &draft {
        run.decide(&mut answers, draft)?;
    }
    let text = render::file(&answers, draft.as_ref());
    // Not even half a configuration is left behind.
    run.parsed(&text)?;
    place::write(file, &text, args.force)?;
    run.written(&answers)?;
    Ok(IN_STEP)
}

/// One run of it.
struct Run<'a> {
    file: &'a Path,
    args: &'a Init,
    /// None where nobody can be asked.
    asker: Option<Asker>,
    out: Out,
    findings: Vec<Finding>,
}

impl Run<'_> {
    /// The bridge that a text describes.
    fn parsed(&self, text: &str) -> Result<Config, Failure> {
        File::of_text(self.file, text)?.bridge(None)
    }

    /// What both sides say; none where an answer is wrong and nobody can be asked for another.
    async fn test(&mut self, answers: &mut Answers) -> Result<Option<Option<Draft>>, Failure> {
        loop {
            if let Some(asker) = &mut self.asker {
                answers.ask_marketo(asker)?;
            }
            let looked = async {
                Ok(marketo_alone(connect::marketo(&self.parsed(&render::file(&answers.marketo_only(), None))?.impatient(), None)?).await)
            };
            if self.holds(looked.await)? {
                break;
            }
            if self.asker.is_none() {
                return Ok(None);
            }
        }
        loop {
            if let Some(asker) = &mut self.asker {
                answers.ask_dynamics(asker)?;
            }
            let looked = async { Ok(dynamics_alone(connect::dynamics(&self.parsed(&render::file(answers, None))?.impatient())?).await) };
            if self.holds(looked.await)? {
                break;
            }
            if self.asker.is_none() {
                return Ok(None);
            }
        }
        self.draft(answers).await.map(Some)
    }

    /// Tells what was found. Whether the answers are good: who is let in has given the right ones, whatever is still missing on that side.
    fn holds(&mut self, looked: Result<Vec<Finding>, Failure>) -> Result<bool, Failure> {
        match looked {
            Ok(findings) => {
                let good = findings.first().is_some_and(|greeting| greeting.good);
                self.found(findings);
                Ok(good)
            }
            Err(failure) if self.asker.is_some() => {
                self.out.talk(failure.to_string());
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    fn found(&mut self, findings: Vec<Finding>) {
        if !self.args.json {
            findings.iter().for_each(|finding| self.out.data(told(finding, &self.out)));
        }
        self.findings.extend(findings);
    }

    /// What both sides' metadata say; none where they can't be read, which is told and keeps nobody from going on.
    async fn draft(&mut self, answers: &Answers) -> Result<Option<Draft>, Failure> {
        let config = self.parsed(&render::file(answers, None))?;
        if self.asker.is_some() {
            self.out.talk("reading both sides' fields …");
        }
        let given = GivenKeys { person: answers.person_key.clone(), company: answers.company_key.clone() };
        match draft(connect::dynamics(&config)?, connect::marketo(&config, None)?, given).await {
            Ok(draft) => {
                self.found(draft.findings.clone());
                Ok(Some(draft))
            }
            Err(error) => {
                self.out.talk(Failure::from(error).to_string());
                self.out
                    .talk("the field maps are written without both sides' types; `insight-bridge map` shows them once this is put right");
                Ok(None)
            }
        }
    }

    /// All answers, without a test.
    fn ask_all(&mut self, answers: &mut Answers) -> Result<Option<Draft>, Failure> {
        if let Some(asker) = &mut self.asker {
            answers.ask_marketo(asker)?;
            answers.ask_dynamics(asker)?;
        }
        Ok(None)
    }

    /// The emulators' metadata, where they are being served.
    async fn look_at_emulators(&mut self, answers: &Answers) -> Result<Option<Draft>, Failure> {
        let config = self.parsed(&render::file(answers, None))?.impatient();
        let findings = [marketo_alone(connect::marketo(&config, None)?).await, dynamics_alone(connect::dynamics(&config)?).await].concat();
        if findings.iter().all(|finding| finding.good) {
            self.found(findings);
            return self.draft(answers).await;
        }
        self.out.talk(format!("no sandbox answers at {} yet; start one with `insight-bridge sandbox`", config.marketo.base_url));
        Ok(None)
    }

    /// What can only be proposed.
    fn decide(&mut self, answers: &mut Answers, draft: &Draft) -> Result<(), Failure> {
        if !draft.mistyped.is_empty() {
            return Err(wrong(format!("{}; a field that is yet to be made can be written with --untested", draft.mistyped.join("\n"))));
        }
        match (&draft.person_key, &mut self.asker) {
            (PersonKey::Standard | PersonKey::Given(_), _) => {}
            (PersonKey::New(field), Some(asker)) => {
                answers.person_key = Some(asker.ask("Marketo person field for the Dynamics GUID (REST name)", Some(field))?);
            }
            (PersonKey::New(field), None) => answers.person_key = Some(field.clone()).filter(|_| self.args.yes),
            (PersonKey::Custom { proposed: Some(field), .. }, Some(asker)) => {
                let question = format!("Write the Dynamics GUID to Marketo's person field {field}, over whatever it holds?");
                answers.person_key = asker.confirm(&question)?.then(|| field.clone());
            }
            // What a field that is there already holds belongs to somebody: --yes says nothing of it.
            (PersonKey::Custom { .. }, _) => {}
        }
        for guess in &draft.guesses {
            let [column] = guess.candidates.as_slice() else { continue };
            let taken = match &mut self.asker {
                Some(asker) => asker.confirm(&format!("Write {} to {column} of {}?", guess.field.label(), guess.table))?,
                None => self.args.yes,
            };
            if taken {
                answers.columns.insert((guess.table, guess.field), column.clone());
            }
        }
        Ok(())
    }

    /// Nothing is written.
    fn given_up(&self) -> Result<u8, Failure> {
        if self.args.json {
            self.json(false, &[])?;
        }
        self.out
            .talk(format!("{} was not written: correct what is named above, or write it untested with --untested", self.file.display()));
        let code = code_of(&self.findings);
        Ok(if code == IN_STEP { CONFIGURATION } else { code })
    }

    /// It is written: what comes next.
    fn written(&self, answers: &Answers) -> Result<(), Failure> {
        let next = self.next(answers);
        if self.args.json {
            return self.json(true, &next);
        }
        self.out.data(format!("\n{} is written. Next:\n", self.file.display()));
        next.iter().for_each(|line| self.out.data(format!("  {line}")));
        Ok(())
    }

    fn next(&self, answers: &Answers) -> Vec<String> {
        let named =
            if self.file == Path::new("insight-bridge.toml") { String::new() } else { format!(" --config {}", self.file.display()) };
        let mut next = Vec::new();
        if self.args.sandbox {
            next.push("insight-bridge sandbox      # in another terminal, unless it is running".into());
        }
        let unset: Vec<String> =
            answers.variables().filter(|name| std::env::var_os(name).is_none()).map(|name| format!("{name}=…")).collect();
        if !unset.is_empty() {
            next.push(format!("export {}", unset.join(" ")));
        }
        for (command, what) in
            [("check", "whether all is ready"), ("plan", "what a sync would send"), ("sync", "one cycle"), ("serve", "all day")]
        {
            next.push(format!("insight-bridge{named} {command:<12} # {what}"));
        }
        next
    }

    fn json(&self, written: bool, next: &[String]) -> Result<(), Failure> {
        let told = json!({ "file": self.file, "written": written, "findings": self.findings, "next": next });
        self.out.data(serde_json::to_string_pretty(&told).map_err(anyhow::Error::from)?);
        Ok(())
    }
}

/// A failure of whoever runs it.
fn wrong(text: impl Into<String>) -> Failure {
    Failure::Configuration(miette!(code = "configuration", "{}", text.into()))
}
