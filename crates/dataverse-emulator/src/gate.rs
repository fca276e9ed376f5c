//! Service protection limits: requests, execution time and concurrency of one user in a sliding window of five minutes
//! (Microsoft's "Service protection API limits" page).
//!
//! There is one application user, so there is one meter.

use std::{collections::VecDeque, time::Duration};

use base::{Timestamp, time::since};

/// The window: documented as 300 seconds.
const WINDOW: Duration = Duration::from_secs(300);

/// The longest wait named.
const WAIT_MAX_S: u64 = 300;

/// Which limit was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Requests,
    Time,
    Concurrency,
}

/// A refusal: the limit, and how long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub limit: Limit,
    pub wait_s: u64,
}

/// The limits in force.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub requests: usize,
    pub time_ms: u64,
    pub concurrent: usize,
}

/// The meter of one user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    arrivals: VecDeque<Timestamp>,
    served: VecDeque<(Timestamp, u64)>,
    served_ms: u64,
    running: usize,
    /// Refusals since the last admission: whoever keeps sending waits longer.
    refused: u64,
}

impl Gate {
    fn forget(&mut self, now: Timestamp) {
        while self.arrivals.front().is_some_and(|at| since(*at, now) >= WINDOW) {
            self.arrivals.pop_front();
        }
        while let Some((at, took)) = self.served.front().copied() {
            if since(at, now) < WINDOW {
                break;
            }
            self.served.pop_front();
            self.served_ms = self.served_ms.saturating_sub(took);
        }
    }

    /// Lets a request in, or says why not. Whatever is let in has to [`leave`](Self::leave).
    pub(crate) fn enter(&mut self, limits: Option<Limits>, now: Timestamp) -> Result<(), Full> {
        self.forget(now);
        if let Some(full) = limits.and_then(|limits| self.full(limits, now)) {
            self.refused += 1;
            return Err(full);
        }
        self.refused = 0;
        self.arrivals.push_back(now);
        self.running += 1;
        Ok(())
    }

    fn full(&self, limits: Limits, now: Timestamp) -> Option<Full> {
        let until = |at: Option<Timestamp>| {
            at.map_or(1, |at| WINDOW.saturating_sub(since(at, now)).as_millis().div_ceil(1000).try_into().unwrap_or(WAIT_MAX_S))
        };
        let (limit, wait_s) = if self.running >= limits.concurrent {
            (Limit::Concurrency, 1)
        } else if self.arrivals.len() >= limits.requests {
            (Limit::Requests, until(self.arrivals.get(self.arrivals.len().saturating_sub(limits.requests)).copied()))
        } else if self.served_ms >= limits.time_ms {
            (Limit::Time, until(self.enough_served(limits.time_ms)))
        } else {
            return None;
        };
        Some(Full { limit, wait_s: (wait_s + self.refused).min(WAIT_MAX_S) })
    }

    /// The time of the entry whose leaving brings the sum under the limit.
    fn enough_served(&self, limit_ms: u64) -> Option<Timestamp> {
        let mut left = self.served_ms;
        self.served.iter().find_map(|(at, took)| {
            left = left.saturating_sub(*took);
            (left < limit_ms).then_some(*at)
        })
    }

    /// The request has been served.
    pub(crate) fn leave(&mut self, now: Timestamp, took: Duration) {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.running = self.running.saturating_sub(1);
        self.served.push_back((now, took));
        self.served_ms = self.served_ms.saturating_add(took);
    }

    /// Requests and milliseconds left in the window.
    pub(crate) fn remaining(&self, limits: Limits) -> (usize, u64) {
        (limits.requests.saturating_sub(self.arrivals.len()), limits.time_ms.saturating_sub(self.served_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { requests: 3, time_ms: 1000, concurrent: 2 };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn each_limit_has_its_own_refusal_and_the_window_slides() {
        let mut gate = Gate::default();
        assert_eq!(gate.enter(Some(LIMITS), at(0)), Ok(()));
        assert_eq!(gate.enter(Some(LIMITS), at(0)), Ok(()));
        assert_eq!(gate.enter(Some(LIMITS), at(0)), Err(Full { limit: Limit::Concurrency, wait_s: 1 }));
        gate.leave(at(1), Duration::from_millis(400));
        gate.leave(at(1), Duration::from_millis(400));
        assert_eq!(gate.enter(Some(LIMITS), at(10)), Ok(()));
        gate.leave(at(11), Duration::from_millis(300));
        assert_eq!(gate.enter(Some(LIMITS), at(20)), Err(Full { limit: Limit::Requests, wait_s: 280 }));
        assert_eq!(gate.enter(Some(LIMITS), at(20)), Err(Full { limit: Limit::Requests, wait_s: 281 }), "the wait grows");
        assert_eq!(gate.enter(Some(LIMITS), at(300)), Err(Full { limit: Limit::Time, wait_s: 3 }), "two more refusals since");
        assert_eq!(gate.enter(Some(LIMITS), at(302)), Ok(()));
        assert_eq!(gate.enter(None, at(302)), Ok(()), "nothing is enforced without limits");
    }
}
