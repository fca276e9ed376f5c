//! What was found, how bad it is, and what to do.

use serde::{Deserialize, Serialize};

use crate::error::SyncError;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Good.
    Green,
    /// It works, and something is lost, slow or to be known.
    Amber,
    /// It doesn't work until this is put right.
    Red,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How bad it is.
    pub grade: Grade,
    /// Whether it is good enough to sync.
    pub good: bool,
    /// What was found.
    pub text: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// A stable code, where it isn't green.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Where it is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

impl Finding {
    /// All is well.
    pub(crate) fn green(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { what: what.into(), grade: Grade::Green, good: true, text: text.into(), remedy: None, code: None, page: None }
    }

    /// It works, but.
    pub(crate) fn amber(what: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { grade: Grade::Amber, remedy: Some(remedy.into()), ..Self::green(what, text) }
    }

    /// It doesn't work.
    pub(crate) fn red(what: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { grade: Grade::Red, good: false, ..Self::amber(what, text, remedy) }
    }

    /// An error says it all; its remedy is in its words.
    pub(crate) fn failed(what: impl Into<String>, error: &SyncError) -> Self {
        let text = error.to_string();
        let (text, remedy) = match text.split_once("\n  what to do: ") {
            Some((text, remedy)) => (text.to_owned(), Some(remedy.to_owned())),
            None => (text, None),
        };
        Self { grade: Grade::Red, good: false, remedy, ..Self::green(what, text) }.coded(error.code())
    }

    /// With the code of an error page.
    pub(crate) fn coded(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), page: Some(format!("docs/errors/{code}.md")), ..self }
    }

    /// With a code that a page of the guide explains.
    pub(crate) fn explained(self, code: &str, page: &str) -> Self {
        Self { code: Some(code.to_owned()), page: Some(page.to_owned()), ..self }
    }
}
