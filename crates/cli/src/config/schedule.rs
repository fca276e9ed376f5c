//! `[schedule]`: when the passes of `serve` run.

use serde::Deserialize;

/// `[schedule]`: how long after the end of a pass of `serve` the next of its kind begins, as `5m` or `90s`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Schedule {
    changes: jiff::SignedDuration,
    moments: jiff::SignedDuration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { changes: jiff::SignedDuration::from_secs(300), moments: jiff::SignedDuration::from_secs(60) }
    }
}

impl From<Schedule> for engine::supervisor::Schedule {
    fn from(Schedule { changes, moments }: Schedule) -> Self {
        Self { changes: changes.unsigned_abs(), moments: moments.unsigned_abs() }
    }
}

impl Schedule {
    /// What is wrong with it.
    pub(super) fn mistake(&self) -> Option<String> {
        let short = [self.changes, self.moments].iter().any(|interval| *interval < jiff::SignedDuration::from_secs(1));
        short.then(|| "schedule.changes and schedule.moments must be at least 1s".into())
    }
}
