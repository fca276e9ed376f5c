//! How many rows may still be written today.

use base::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use store::{Batch, StoreExt, record::Fact};

use super::List;
use crate::{bridge::Bridge, error::SyncError};

/// The fact that holds how many rows were written on which day.
const WRITES_FACT: &str = "dynamics_writes";

/// The part of a day's rows that is kept for people with whom something happens: a tenth.
const KEPT: u64 = 10;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Written {
    /// The day, in UTC.
    day: String,
    rows: u64,
}

/// Rows of today: those that were written, and how many may be.
#[derive(Debug)]
pub(super) struct Allowance {
    written: Written,
    most: u64,
}

impl Allowance {
    /// That of a list.
    pub(super) async fn load(bridge: &Bridge, list: List) -> Result<Self, SyncError> {
        let all = bridge.options.daily_writes.0;
        let most = match list {
            List::Urgent => all,
            List::Due | List::DueInFullCalls => all - all / KEPT,
        };
        let day = day(bridge.clock.now());
        let written = bridge.store.read_one::<Fact>(WRITES_FACT.into()).await?;
        let written = written.and_then(|fact| serde_json::from_value::<Written>(fact.value).ok()).filter(|written| written.day == day);
        Ok(Self { written: written.unwrap_or(Written { day, rows: 0 }), most })
    }

    /// Whether no more rows may be written today.
    pub(super) fn is_used_up(&mut self, now: Timestamp) -> bool {
        self.turn(now);
        self.written.rows >= self.most
    }

    /// A new day begins with none.
    fn turn(&mut self, now: Timestamp) {
        let day = day(now);
        if self.written.day != day {
            self.written = Written { day, rows: 0 };
        }
    }

    /// Takes up to so many rows; gives how many may be written.
    pub(super) fn take(&mut self, rows: usize, now: Timestamp) -> usize {
        self.turn(now);
        let left = usize::try_from(self.most.saturating_sub(self.written.rows)).unwrap_or(usize::MAX);
        let taken = rows.min(left);
        self.written.rows += taken as u64;
        taken
    }

    /// Gives back rows that weren't written after all.
    pub(super) fn give_back(&mut self, rows: usize) {
        self.written.rows = self.written.rows.saturating_sub(rows as u64);
    }

    /// Saves how many were written.
    pub(super) fn note(&self, batch: &mut Batch) {
        batch.put(&Fact { name: WRITES_FACT.into(), value: serde_json::to_value(&self.written).unwrap_or_default() });
    }
}

fn day(now: Timestamp) -> String {
    TimeZone::UTC.to_datetime(now).date().to_string()
}
