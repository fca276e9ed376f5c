//! When passes run: by intervals or by the calendar; and how long is waited after one that failed.

use std::time::Duration;

use base::{Dice, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Cron;

/// The first pause after a failure; each further one is twice as long.
pub(super) const PAUSE_FIRST: Duration = Duration::from_secs(60);

/// How long is waited at most after passes that fail, where they don't follow each other by an interval.
const PATIENCE: Duration = Duration::from_secs(900);

/// A kind of pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PassKind {
    /// The whole cycle, as [`crate::cycle::run`].
    Changes,
    /// The Sales Insight fields of those with whom something happened, as [`crate::cycle::moments`].
    Moments,
    /// The Sales Insight fields of those whom no activity tells of, as [`crate::cycle::sweep`].
    Sweep,
}

impl PassKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Changes, Self::Moments, Self::Sweep];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Moments => "moments",
            Self::Sweep => "sweep",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// When the passes of one kind run. A pass that is still running when the next would be due is never joined by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// So long after the end of the last.
    After(Duration),
    /// By the calendar.
    At(Cron),
    /// Only when somebody asks for it.
    Asked,
}

/// When passes run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The whole cycle.
    pub changes: When,
    /// Moments.
    pub moments: When,
    /// The sweep.
    pub sweep: When,
}

impl Default for Schedule {
    /// Marketo cuts the tiers of all people anew every night; by half past nine UTC it is half past three or four where its day is counted.
    fn default() -> Self {
        let every = |seconds| When::After(Duration::from_secs(seconds));
        Self { changes: every(300), moments: every(60), sweep: When::At(Cron::daily(9, 30)) }
    }
}

impl Schedule {
    /// When passes of this kind run.
    #[must_use]
    pub fn of(&self, kind: PassKind) -> &When {
        match kind {
            PassKind::Changes => &self.changes,
            PassKind::Moments => &self.moments,
            PassKind::Sweep => &self.sweep,
        }
    }
}

/// When a pass is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// After some time, whatever the clock says.
    In(Instant),
    /// By the clock.
    At(Timestamp),
    /// Not by itself.
    Never,
}

impl When {
    /// When the next pass is due, after one that ended now.
    pub(super) fn next(&self, now: Instant, clock: Timestamp) -> Due {
        match self {
            Self::After(interval) => Due::In(now + *interval),
            Self::At(cron) => cron.next(clock).map_or(Due::Never, Due::At),
            Self::Asked => Due::Never,
        }
    }

    /// How long is waited at most after passes that fail.
    pub(super) fn patience(&self) -> Duration {
        match self {
            Self::After(interval) => *interval,
            Self::At(_) | Self::Asked => PATIENCE,
        }
    }
}

/// One minute, doubled with each failure up to `most`, and up to a tenth more so that bridges don't come at once.
pub(super) fn pause(failures: u32, most: Duration, dice: &mut Dice) -> Duration {
    let longest = most.max(PAUSE_FIRST);
    let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(longest);
    pause.mul_f64(1.0 + dice.fraction() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_interval_and_no_further() {
        let mut dice = Dice::new(1);
        let minutes = [1, 2, 3, 4, 40].map(|failures| pause(failures, Duration::from_secs(300), &mut dice).as_secs() / 60);
        assert_eq!(minutes, [1, 2, 4, 5, 5]);
    }
}
