//! Limits that change while calls are made.

use tokio::time::Instant;

use super::{Adaptive, Pace, WINDOW_MARGIN};

/// Calls that may be made at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In a window; none: as many as there are places.
    pub calls_max: Option<usize>,
    /// At once.
    pub in_flight_max: usize,
}

impl Pace {
    /// What may be called at most.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.with(|state| Limits { calls_max: state.rate.as_ref().map(Adaptive::most), in_flight_max: state.places.most() })
    }

    /// Other limits, for all shares: as many calls in a window, and as many at once. Higher ones are reached in steps.
    pub fn limit(&self, calls_max: Option<usize>, in_flight_max: usize) {
        let now = Instant::now();
        self.change(|state| {
            match (&mut state.rate, calls_max) {
                (Some(rate), Some(max)) => rate.set_most(max, now),
                (rate, max) => *rate = max.map(|max| Adaptive::new(max, self.options.window + WINDOW_MARGIN)),
            }
            state.places.set_most(in_flight_max, now);
        });
    }
}
