//! Exit codes, and how a failure is told.
//!
//! 0 all in step · 1 anything else · 2 configuration or usage · 3 done but something is left · 4 a quota · 5 a side · 6 only shown.

use std::process::ExitCode;

use engine::{SyncError, cycle::exit_code};
use store::StoreError;

use crate::printer;

/// All in step.
pub(crate) const IN_STEP: u8 = 0;
/// Anything else.
pub(crate) const OTHER: u8 = 1;
/// Configuration or usage.
pub(crate) const CONFIGURATION: u8 = 2;

/// Shown, and nothing changed: the same command with `--yes` does it.
pub(crate) const ONLY_SHOWN: u8 = 6;

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration, with the place in the file.
    Configuration(miette::Report),
    /// A side, a quota, the state.
    Sync(SyncError),
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

/// A failure in words, for a log.
pub(crate) fn text(failure: &Failure) -> String {
    match failure {
        Failure::Configuration(report) => report.to_string(),
        Failure::Sync(error) => format!("{}: {error}", error.code()),
        Failure::Other(error) => format!("{error:#}"),
    }
}

/// Tells a failure and gives its exit code.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    let code = match failure {
        Failure::Configuration(report) => {
            printer::say(&format!("{report:?}"));
            CONFIGURATION
        }
        Failure::Sync(SyncError::Store(error @ (StoreError::Address { .. } | StoreError::NoFolder { .. }))) => {
            printer::error("state", &error.to_string());
            CONFIGURATION
        }
        Failure::Sync(error) => {
            printer::error(error.code(), &error.to_string());
            exit_code(Some(error), false)
        }
        Failure::Other(error) => {
            printer::error("failed", &format!("{error:#}"));
            OTHER
        }
    };
    ExitCode::from(code)
}
