//! When passes run, and how long is waited after one that failed.

use std::time::Duration;

use base::Dice;
use serde::{Deserialize, Serialize};

/// The first pause after a failure; each further one is twice as long.
pub(super) const PAUSE_FIRST: Duration = Duration::from_secs(60);

/// A kind of pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PassKind {
    /// The whole cycle, as [`crate::cycle::run`].
    Changes,
    /// The Sales Insight fields of those with whom something happened, as [`crate::cycle::moments`].
    Moments,
}

impl PassKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Changes, Self::Moments];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Moments => "moments",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How long after the end of a pass the next of its kind begins.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The whole cycle.
    pub changes: Duration,
    /// Moments.
    pub moments: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { changes: Duration::from_secs(300), moments: Duration::from_secs(60) }
    }
}

impl Schedule {
    /// How long after the end of a pass the next of its kind begins.
    #[must_use]
    pub fn interval(&self, kind: PassKind) -> Duration {
        match kind {
            PassKind::Changes => self.changes,
            PassKind::Moments => self.moments,
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
