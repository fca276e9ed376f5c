//! Exit codes, and how a failure is told.
//!
//! 0 all in step · 1 anything else · 2 configuration or usage · 3 done but something is left · 4 a quota · 5 a side · 6 only shown.

use std::{fmt, process::ExitCode};

use engine::{SyncError, cycle::exit_code, supervisor::NotDone};
use store::StoreError;

use crate::printer;

/// All in step.
pub(crate) const IN_STEP: u8 = 0;
/// Anything else.
pub(crate) const OTHER: u8 = 1;
/// Configuration or usage.
pub(crate) const CONFIGURATION: u8 = 2;

/// Done, and something is left or wrong that people can put right.
pub(crate) const UNFINISHED: u8 = 3;
/// Shown, and nothing changed: the same command with `--yes` does it.
pub(crate) const ONLY_SHOWN: u8 = 6;

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration, with the place in the file.
    Configuration(miette::Report),
    /// A side, a quota, the state.
    Sync(SyncError),
    /// The process that serves the bridge can't be asked, or didn't do it.
    Control(String),
    /// It needs a process that serves the bridge, and there is none.
    NotServed(String),
    /// Anything else.
    Other(anyhow::Error),
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        Self::Sync(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Sync(error.into())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<NotDone> for Failure {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::NotOpen { .. } | NotDone::Paused { .. } | NotDone::State { .. } | NotDone::Ended => Self::Control(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    /// As it is told: with its code, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(report) => f.write_str(&told(&self.name(), &format!("{report:?}"))),
            Self::Sync(error) => write!(f, "error[{}]: {error}", error.code()),
            Self::Control(text) => write!(f, "error[control]: {text}"),
            Self::NotServed(text) => write!(f, "error[not-served]: {text}"),
            Self::Other(error) => write!(f, "error[failed]: {error:#}"),
        }
    }
}

/// A report with its code in front, as all failures have it. Rendered, the code stands alone above the message, which a mark begins.
fn told(code: &str, rendered: &str) -> String {
    let message =
        rendered.split_once("\n\n").filter(|(above, _)| above.contains(code)).map_or(rendered, |(_, message)| message).trim_start();
    let message = message.split_once(' ').filter(|(mark, _)| mark.contains('×') || *mark == "x").map_or(message, |(_, message)| message);
    format!("error[{code}]: {}", message.trim_end())
}

impl Failure {
    /// In one line, for a log.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Configuration(report) => report.to_string(),
            Self::Sync(error) => format!("{}: {error}", error.code()),
            Self::Control(text) | Self::NotServed(text) => text.clone(),
            Self::Other(error) => format!("{error:#}"),
        }
    }

    /// Its stable code, with a page in `docs/errors`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Configuration(report) => report.code().map_or_else(|| "configuration".into(), |code| code.to_string()),
            Self::Sync(error) => error.code().into(),
            Self::Control(_) => "control".into(),
            Self::NotServed(_) => "not-served".into(),
            Self::Other(_) => "failed".into(),
        }
    }

    /// The exit code that goes with it.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Configuration(_)
            | Self::NotServed(_)
            | Self::Sync(SyncError::Store(StoreError::Address { .. } | StoreError::NoFolder { .. })) => CONFIGURATION,
            Self::Sync(error) => exit_code(Some(error), false),
            Self::Control(_) | Self::Other(_) => OTHER,
        }
    }
}

/// Tells a failure and gives its exit code.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    printer::say(&failure.to_string());
    ExitCode::from(failure.code())
}
