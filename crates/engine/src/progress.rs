//! What a cycle is doing, for whoever watches.

use std::{fmt, sync::Arc};

use base::{Object, Table};
use serde::{Deserialize, Serialize};

use crate::forecast::Forecast;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Both sides' metadata are read.
    Preparing,
    /// What is expected.
    Forecast(Forecast),
    /// A table's changes are read; so many rows until now.
    Captured {
        /// The table.
        table: Table,
        /// Rows read so far in this cycle.
        rows: u64,
    },
    /// An object is being sent; so many records are settled of so many.
    Pushed {
        /// The object.
        object: Object,
        /// Settled so far: confirmed, held or waiting.
        done: u64,
        /// Records that were to be looked at.
        total: u64,
    },
    /// MSI fields are being read and written.
    WrittenBack {
        /// People looked at so far.
        read: u64,
        /// Rows written so far.
        written: u64,
        /// People to look at.
        total: u64,
    },
    /// An audit compares a table; so many rows until now.
    Audited {
        /// The table.
        table: Table,
        /// Rows read so far.
        rows: u64,
        /// How many there are, as Dynamics last counted them: up to a day ago. None where it doesn't say.
        total: Option<u64>,
    },
    /// So many Marketo calls may still be made today.
    Quota {
        /// Calls.
        left: u64,
    },
    /// It is over.
    Done,
}

/// Who watches. Cheap to clone.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Step) + Send + Sync>);

impl Progress {
    /// Calls `watch` for each step.
    pub fn new(watch: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Arc::new(watch))
    }

    /// The same, who is told only what is read.
    pub(crate) fn reading(&self) -> Self {
        let whole = self.clone();
        Self::new(move |step| match step {
            Step::Preparing | Step::Captured { .. } => whole.tell(step),
            Step::Forecast(_) | Step::Pushed { .. } | Step::WrittenBack { .. } | Step::Audited { .. } | Step::Done => {}
            Step::Quota { .. } => whole.tell(step),
        })
    }

    /// Nobody watches.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Tells a step.
    pub fn tell(&self, step: Step) {
        (self.0)(step);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
