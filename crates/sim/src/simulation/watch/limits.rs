//! Marketo's limits as they are where calls arrive (section 5 of the design).

use std::collections::VecDeque;

use super::{
    Violation,
    call::{Asked, Verdict, Write},
};

/// Records in one call (Adobe, "Lead database").
const RECORDS_MAX: usize = 300;

/// Bytes in one call: 1 MB (the same page).
const BYTES_MAX: usize = 1 << 20;

/// The window of the rate, in milliseconds.
const WINDOW_MS: u64 = 20_000;

/// What is allowed, and what happens now.
#[derive(Debug, Clone)]
pub struct Limits {
    calls_per_20s: usize,
    in_flight_max: usize,
    starts: VecDeque<u64>,
    in_flight: usize,
    quota_reached: bool,
}

impl Limits {
    /// So many calls in any 20 seconds, and so many at once.
    #[must_use]
    pub fn new(calls_per_20s: usize, in_flight_max: usize) -> Self {
        Self { calls_per_20s, in_flight_max, starts: VecDeque::new(), in_flight: 0, quota_reached: false }
    }

    pub(super) fn process_begins(&mut self) {
        (self.in_flight, self.quota_reached) = (0, false);
    }

    /// The machine's clock was set between two processes: how long ago calls of the last one were can't be known any more.
    pub(super) fn clock_was_set(&mut self) {
        self.starts.clear();
    }

    pub(super) fn asked(&mut self, asked: &Asked, broken: &mut Vec<Violation>) {
        if !asked.counts() {
            return;
        }
        let mut add = |what: String| broken.push(Violation::new("limits", what));
        if self.quota_reached {
            add(format!("a call after the quota was reached: {}", asked.line()));
        }
        while self.starts.front().is_some_and(|start| start + WINDOW_MS <= asked.ms) {
            self.starts.pop_front();
        }
        self.starts.push_back(asked.ms);
        if self.starts.len() > self.calls_per_20s {
            add(format!("{} calls in 20 seconds", self.starts.len()));
        }
        self.in_flight += 1;
        if self.in_flight > self.in_flight_max {
            add(format!("{} calls at once", self.in_flight));
        }
        if asked.bytes > BYTES_MAX {
            add(format!("{} bytes in one call", asked.bytes));
        }
        if let Some(Write::Upsert { records, .. } | Write::Delete { records, .. }) = &asked.write
            && records.len() > RECORDS_MAX
        {
            add(format!("{} records in one call", records.len()));
        }
    }

    pub(super) fn answered(&mut self, verdict: &Verdict) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.quota_reached |= *verdict == Verdict::Refused("607".into());
    }
}
