//! Limits that change while calls are made.

use std::{collections::BTreeMap, time::Duration};

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

impl Limits {
    /// The higher of both.
    fn or_higher(self, other: Self) -> Self {
        let calls_max = self.calls_max.zip(other.calls_max).map(|(one, other)| one.max(other));
        Self { calls_max, in_flight_max: self.in_flight_max.max(other.in_flight_max) }
    }
}

/// Limits as they are set, and those that are higher for a while.
#[derive(Debug)]
pub(super) struct Set {
    usual: Limits,
    raised: BTreeMap<u64, Limits>,
    next: u64,
}

impl Set {
    pub(super) fn new(calls_max: Option<usize>, in_flight_max: usize) -> Self {
        Self { usual: Limits { calls_max, in_flight_max }, raised: BTreeMap::new(), next: 0 }
    }
}

/// Higher limits, until this is dropped.
#[derive(Debug)]
pub struct Raised {
    pace: Pace,
    number: u64,
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.pace.set(|limits| {
            limits.raised.remove(&self.number);
        });
    }
}

impl Pace {
    /// What may be called at most.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.with(|state| Limits { calls_max: state.rate.as_ref().map(Adaptive::most), in_flight_max: state.places.most() })
    }

    /// Other limits, for all shares. Higher ones are reached in steps.
    pub fn limit(&self, limits: Limits) {
        self.set(|set| set.usual = limits);
    }

    /// Higher limits for a while, for all shares. Of several, the highest hold. Where nothing limits the calls of a window, nothing does.
    #[must_use]
    pub fn raise(&self, limits: Limits) -> Raised {
        let mut number = 0;
        self.set(|set| {
            number = set.next;
            set.next += 1;
            set.raised.insert(number, limits);
        });
        Raised { pace: self.clone(), number }
    }

    /// How long each of many calls takes of the whole, at the limits as they are set: what the window leaves, or the places and how long
    /// answers have taken lately.
    #[must_use]
    pub fn time_per_call(&self) -> Duration {
        let window = self.options.window + WINDOW_MARGIN;
        self.with(|state| {
            let by_window = state.rate.as_ref().map_or(Duration::ZERO, |rate| window.div_f64(rate.most().max(1) as f64));
            by_window.max(state.latency.unwrap_or_default().div_f64(state.places.most().max(1) as f64))
        })
    }

    fn set(&self, act: impl FnOnce(&mut Set)) {
        let now = Instant::now();
        self.change(|state| {
            act(&mut state.limits);
            let Limits { calls_max, in_flight_max } =
                state.limits.raised.values().fold(state.limits.usual, |most, raised| most.or_higher(*raised));
            match (&mut state.rate, calls_max) {
                (Some(rate), Some(max)) => rate.set_most(max, now),
                (rate, max) => *rate = max.map(|max| Adaptive::new(max, self.options.window + WINDOW_MARGIN)),
            }
            state.places.set_most(in_flight_max, now);
        });
    }
}
