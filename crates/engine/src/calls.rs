//! Marketo calls as state: today's count and the last window outlive the process, because the quota does.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base::{Clock, Timestamp, time::since};
use store::{
    Batch, Store, StoreError, StoreExt,
    record::{CallCount, Fact},
};
use wire::Pace;

/// The fact that holds the start times of the last window.
const WINDOW_FACT: &str = "marketo_window";

/// Marketo's day runs from midnight to midnight US Central (Adobe, "REST API").
const MARKETO_ZONE: &str = "America/Chicago";

/// Counts calls by day and kind, on top of what earlier processes counted.
#[derive(Debug)]
pub struct CallLedger {
    clock: Clock,
    pace: Pace,
    state: Mutex<Counted>,
}

#[derive(Debug)]
struct Counted {
    day: String,
    /// Counts of the day, saved by now.
    saved: BTreeMap<String, u64>,
    /// What the pace's own counters showed when they were last looked at.
    seen: BTreeMap<&'static str, u64>,
}

impl CallLedger {
    /// Reads the last window and today's counts, and puts both into the pace.
    ///
    /// # Errors
    /// When the state can't be read.
    pub async fn load(store: &dyn Store, clock: &Clock, pace: Pace, daily_calls: u64) -> Result<Self, StoreError> {
        let now = clock.now();
        if let Some(fact) = store.read_one::<Fact>(WINDOW_FACT.into()).await? {
            let starts: Vec<i64> = serde_json::from_value(fact.value).unwrap_or_default();
            let ages: Vec<Duration> =
                starts.into_iter().filter_map(|ms| Timestamp::from_millisecond(ms).ok()).map(|at| since(at, now)).collect();
            pace.remember(&ages);
        }
        let day = marketo_day(now);
        let counts = store.list::<CallCount>(format!("{day} ").as_bytes(), None, 1_000).await?;
        let saved: BTreeMap<String, u64> = counts.into_iter().map(|count| (count.call, count.count)).collect();
        let used: u64 = saved.values().sum();
        pace.set_budget(Some(daily_calls.saturating_sub(used)));
        Ok(Self { clock: clock.clone(), pace, state: Mutex::new(Counted { day, saved, seen: BTreeMap::new() }) })
    }

    /// The pace's own counters have been set back.
    pub fn forget_seen(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seen.clear();
    }

    /// Puts today's counts and the last window into a batch.
    pub fn save(&self, batch: &mut Batch) {
        let now = self.clock.now();
        let today = marketo_day(now);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = self.pace.counts();
        if counts == state.seen {
            return;
        }
        if today != state.day {
            state.day = today;
            state.saved.clear();
        }
        for (call, count) in &counts {
            let fresh = count.saturating_sub(state.seen.get(call).copied().unwrap_or_default());
            if fresh > 0 {
                let total = state.saved.entry((*call).to_owned()).or_default();
                *total += fresh;
                batch.put(&CallCount { day: state.day.clone(), call: (*call).to_owned(), count: state.saved[*call] });
            }
        }
        state.seen = counts;
        let starts: Vec<i64> = self.pace.recent().into_iter().map(|age| base::time::earlier(now, age).as_millisecond()).collect();
        batch.put(&Fact { name: WINDOW_FACT.into(), value: starts.into() });
    }
}

/// The day, by Marketo's clock, that `at` belongs to: `2026-03-01`.
#[must_use]
pub fn marketo_day(at: Timestamp) -> String {
    let zone = jiff::tz::TimeZone::get(MARKETO_ZONE).unwrap_or(jiff::tz::TimeZone::UTC);
    zone.to_datetime(at).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marketos_day_follows_summer_time() {
        let day = |text: &str| marketo_day(text.parse().unwrap());
        assert_eq!(day("2026-01-15T05:59:59Z"), "2026-01-14");
        assert_eq!(day("2026-01-15T06:00:00Z"), "2026-01-15");
        assert_eq!(day("2026-07-15T04:59:59Z"), "2026-07-14");
        assert_eq!(day("2026-07-15T05:00:00Z"), "2026-07-15");
    }
}
