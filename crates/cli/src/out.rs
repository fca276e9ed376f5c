//! Where a command's words go: to this process's own terminal, or to the one that asked a serving process.

use std::sync::Arc;

use engine::{Progress, Step};
use serde::{Deserialize, Serialize};

use crate::{printer, watch};

/// One thing that a command says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    /// Data, for stdout.
    Data(String),
    /// Talk, for stderr.
    Talk(String),
    /// What a cycle is doing.
    Step(Step),
}

/// Where it goes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Out {
    say: Arc<dyn Fn(Said) + Send + Sync>,
    /// How wide the terminal is, where there is one.
    width: Option<u16>,
    /// Whether colours are seen there.
    coloured: bool,
}

impl Out {
    /// To this process's stdout and stderr.
    pub(crate) fn here() -> Self {
        let progress = watch::progress();
        Self { coloured: printer::coloured(), ..Self::new(printer::width(), move |said| print(said, &progress)) }
    }

    /// To wherever `say` takes it.
    pub(crate) fn new(width: Option<u16>, say: impl Fn(Said) + Send + Sync + 'static) -> Self {
        Self { say: Arc::new(say), width, coloured: false }
    }

    /// Something that another process said.
    pub(crate) fn pass(&self, said: Said) {
        (self.say)(said);
    }

    /// A line of data.
    pub(crate) fn data(&self, text: impl Into<String>) {
        (self.say)(Said::Data(text.into()));
    }

    /// A line of talk.
    pub(crate) fn talk(&self, text: impl Into<String>) {
        (self.say)(Said::Talk(text.into()));
    }

    /// How wide a table may be, where there is a limit.
    pub(crate) fn width(&self) -> Option<u16> {
        self.width
    }

    /// Text in a colour (an ANSI code such as `32`), where colours are seen.
    pub(crate) fn colour(&self, text: &str, code: &str) -> String {
        if self.coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// What a cycle tells of itself goes there, too.
    pub(crate) fn progress(&self) -> Progress {
        let say = self.say.clone();
        Progress::new(move |step| say(Said::Step(step)))
    }
}

/// Prints it as this process's own.
pub(crate) fn print(said: Said, progress: &Progress) {
    match said {
        Said::Data(text) => printer::data(&text),
        Said::Talk(text) => printer::say(&text),
        Said::Step(step) => progress.tell(step),
    }
}
