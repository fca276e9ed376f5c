//! The subscription's limits and its statistics: rate, concurrency, daily quota, calls and errors per day.
//!
//! Decides from counts and the time it is given; reads no clock and refuses nothing by itself.

use std::collections::{BTreeMap, VecDeque};

use base::Timestamp;
use jiff::civil::Date;

use crate::{options::Options, text::central_day};

/// One day of US Central Time.
#[derive(Debug, Default, Clone)]
pub(crate) struct Day {
    /// Calls by API user.
    pub users: BTreeMap<String, u64>,
    /// Calls of other integrations, as a test set them.
    pub others: u64,
    /// Failed calls by code.
    pub errors: BTreeMap<String, u64>,
    /// Bytes extracted.
    pub exported: u64,
}

impl Day {
    /// Calls of everybody.
    pub(crate) fn total(&self) -> u64 {
        self.users.values().sum::<u64>() + self.others
    }
}

/// Counters of one subscription.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// When each call of the current window was let in.
    window: VecDeque<Timestamp>,
    in_flight: u32,
    pub days: BTreeMap<Date, Day>,
    /// Requests by operation, refused ones included.
    pub calls: BTreeMap<String, u64>,
}

/// Days of statistics that are kept; "last 7 days" needs no more.
const DAYS_KEPT: usize = 8;

impl Gate {
    /// Lets a call in, or says which code refuses it. Refused calls take no place in the window, so being refused never makes it longer.
    pub(crate) fn enter(&mut self, options: &Options, now: Timestamp) -> Result<(), &'static str> {
        if options.enforce_limits {
            if self.in_flight >= options.concurrency_max {
                return Err("615");
            }
            if self.day(now).total() >= options.daily_quota {
                return Err("607");
            }
            self.forget(options, now);
            if self.window.len() >= options.rate_max {
                return Err("606");
            }
        }
        self.window.push_back(now);
        // Without enforcement nobody asks; keep the window from growing.
        while self.window.len() > options.rate_max.max(1) {
            self.window.pop_front();
        }
        self.in_flight += 1;
        Ok(())
    }

    /// Lets in a call that no limit applies to; it is in flight all the same.
    pub(crate) fn enter_free(&mut self) {
        self.in_flight += 1;
    }

    /// A call that was let in has left.
    pub(crate) fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn forget(&mut self, options: &Options, now: Timestamp) {
        let window = std::time::Duration::from_secs(options.rate_window_s);
        while self.window.front().is_some_and(|first| base::time::since(*first, now) >= window && *first <= now) {
            self.window.pop_front();
        }
    }

    /// Today's counters.
    pub(crate) fn day(&mut self, now: Timestamp) -> &mut Day {
        let today = central_day(now);
        while self.days.len() > DAYS_KEPT && self.days.first_key_value().is_some_and(|(day, _)| *day < today) {
            self.days.pop_first();
        }
        self.days.entry(today).or_default()
    }

    /// Counts one request.
    pub(crate) fn count(&mut self, operation: &str) {
        match self.calls.get_mut(operation) {
            Some(count) => *count += 1,
            None => {
                self.calls.insert(operation.to_owned(), 1);
            }
        }
    }

    /// Counts a request against the quota, and its error. Codes with a star in Adobe's table are free: the quota doesn't see them.
    pub(crate) fn charge(&mut self, user: &str, code: Option<&str>, now: Timestamp) {
        let free = code.is_some_and(is_free);
        let day = self.day(now);
        if let Some(code) = code {
            *day.errors.entry(code.to_owned()).or_default() += 1;
        }
        if !free {
            match day.users.get_mut(user) {
                Some(count) => *count += 1,
                None => {
                    day.users.insert(user.to_owned(), 1);
                }
            }
        }
    }
}

/// Codes that count neither against the quota nor against the rate.
pub(crate) fn is_free(code: &str) -> bool {
    matches!(code, "601" | "602" | "604" | "605" | "608" | "611")
}
