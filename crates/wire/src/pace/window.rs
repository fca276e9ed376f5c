//! Exactly so many starts in any window: a log of the last ones, not a refilling bucket, which lets twice its size into one window.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The last starts, the oldest first; as many as are needed to judge the largest limit.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Instant>);

impl Window {
    /// The earliest instant, not before `now`, at which one more start leaves at most `max` in any `span`.
    pub(super) fn earliest(&self, now: Instant, max: usize, span: Duration) -> Instant {
        match self.0.len().checked_sub(max.max(1)).and_then(|at| self.0.get(at)) {
            Some(start) => (*start + span).max(now),
            None => now,
        }
    }

    /// Notes a start; the last `keep` are remembered.
    pub(super) fn record(&mut self, at: Instant, keep: usize) {
        self.0.push_back(at);
        while self.0.len() > keep.max(1) {
            self.0.pop_front();
        }
    }

    /// Puts the starts of an earlier process among them.
    pub(super) fn remember(&mut self, starts: Vec<Instant>) {
        self.0.extend(starts);
        self.0.make_contiguous().sort();
    }

    /// The starts that are younger than `span`.
    pub(super) fn recent(&self, now: Instant, span: Duration) -> impl Iterator<Item = Duration> + '_ {
        self.0.iter().map(move |start| now.duration_since(*start)).filter(move |age| *age < span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the arrivals, and however the limit changes meanwhile, no window ever holds more than the limit at its last start.
        #[test]
        fn no_window_holds_more_than_the_limit(calls in prop::collection::vec((0u64..5_000, 1usize..60), 1..400)) {
            let span = Duration::from_secs(20);
            let mut now = Instant::now();
            let mut window = Window::default();
            let mut starts: Vec<(Instant, usize)> = Vec::new();
            for (gap, max) in calls {
                now += Duration::from_millis(gap);
                now = now.max(window.earliest(now, max, span));
                window.record(now, 60);
                starts.push((now, max));
                let within = starts.iter().filter(|(start, _)| now.duration_since(*start) < span).count();
                prop_assert!(within <= max, "{within} of {max}");
            }
        }
    }
}
