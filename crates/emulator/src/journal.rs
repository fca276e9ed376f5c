//! What an emulator was asked for, counted; and on wish the last exchanges themselves.
//!
//! Queries, headers and bodies are never kept: they carry secrets and personal data.

use std::collections::{BTreeMap, VecDeque};

use base::Timestamp;
use serde::Serialize;

/// Counts since the last reset.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Journal {
    /// Requests by operation, whatever became of them.
    pub counts: BTreeMap<String, u64>,
    /// All requests.
    pub total: u64,
    /// Requests that are being served now.
    pub in_flight: u64,
    /// The most that were served at one time.
    pub in_flight_max: u64,
    /// How many exchanges are kept; 0 at first.
    pub keep: usize,
    /// The last exchanges, oldest first.
    pub last: VecDeque<Exchange>,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exchange {
    /// When the request arrived.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The operation's name.
    pub operation: String,
    /// The HTTP status of the answer; none when the connection was broken instead.
    pub status: Option<u16>,
}

impl Journal {
    /// Starts counting again; how many exchanges are kept stays, and so do the requests that are being served now.
    pub fn reset(&mut self) {
        *self = Self { keep: self.keep, in_flight: self.in_flight, in_flight_max: self.in_flight, ..Self::default() };
    }

    /// Keeps the last `keep` exchanges from now on.
    pub fn keep(&mut self, keep: usize) {
        self.keep = keep;
        self.trim();
    }

    /// How often this operation was asked for.
    #[must_use]
    pub fn count(&self, operation: &str) -> u64 {
        self.counts.get(operation).copied().unwrap_or(0)
    }

    pub(crate) fn arrived(&mut self, operation: &str) {
        match self.counts.get_mut(operation) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(operation.to_owned(), 1)),
        }
        self.total += 1;
        self.in_flight += 1;
        self.in_flight_max = self.in_flight_max.max(self.in_flight);
    }

    pub(crate) fn left(&mut self, exchange: impl FnOnce() -> Exchange) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.keep > 0 {
            self.last.push_back(exchange());
            self.trim();
        }
    }

    fn trim(&mut self) {
        while self.last.len() > self.keep {
            self.last.pop_front();
        }
    }
}
