//! Marketo calls as state: today's count and the last window outlive the process, because the quota does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base::{Clock, Timestamp, time::since};
use serde::{Deserialize, Serialize};
use store::{
    Batch, Fence, Store, StoreError, StoreExt,
    record::{CallCount, Fact},
};
use tokio_util::task::AbortOnDropHandle;
use wire::{Journal, Pace};

/// The fact that holds the start times of the last window.
const WINDOW_FACT: &str = "marketo_window";

/// Marketo's day runs from midnight to midnight US Central (Adobe, "REST API").
const MARKETO_ZONE: &str = "America/Chicago";

/// The kind under which calls are counted of which only is known that they may have been made: the process died before it could say.
const UNACCOUNTED: &str = "unaccounted";

/// The last window as it is saved.
#[derive(Debug, Default, Serialize, Deserialize)]
struct SavedWindow {
    /// Starts, in milliseconds since 1970.
    starts: Vec<i64>,
    /// Starts that may have happened since.
    #[serde(default)]
    ahead: usize,
}

/// Counts calls by day and kind, on top of what earlier processes counted, and notes starts before they happen.
#[derive(Debug)]
pub struct CallLedger {
    pace: Pace,
    book: Arc<Book>,
}

/// What is written into the state.
#[derive(Debug)]
struct Book {
    clock: Clock,
    store: Arc<dyn Store>,
    fence: Fence,
    daily_calls: u64,
    counted: Mutex<Counted>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Counted {
    day: String,
    /// Counts of the day, saved by now.
    saved: BTreeMap<String, u64>,
    /// What the pace's own counters showed when they were last looked at.
    seen: BTreeMap<&'static str, u64>,
    /// Kinds whose counts are yet to be saved.
    unsaved: BTreeSet<String>,
    /// Starts noted ahead when it was last saved.
    ahead: usize,
}

#[async_trait]
impl Journal for Book {
    async fn ahead(&self, pace: &Pace, starts: usize) -> Result<(), String> {
        self.commit(pace, starts, Batch::new()).await.map_err(|error| error.to_string())
    }
}

impl CallLedger {
    /// Reads the last window and today's counts, and puts both into the pace. What a process that died had noted ahead counts as started
    /// just now, so that no window holds too many whatever it did.
    ///
    /// # Errors
    /// When the state can't be read.
    pub async fn load(store: Arc<dyn Store>, fence: Fence, clock: &Clock, pace: Pace, daily_calls: u64) -> Result<Self, StoreError> {
        let now = clock.now();
        let window = match store.read_one::<Fact>(WINDOW_FACT.into()).await? {
            // The first release saved nothing but the starts.
            Some(fact) if fact.value.is_array() => SavedWindow { starts: serde_json::from_value(fact.value).unwrap_or_default(), ahead: 0 },
            Some(fact) => serde_json::from_value(fact.value).unwrap_or_default(),
            None => SavedWindow::default(),
        };
        let starts = window.starts.into_iter().filter_map(|ms| Timestamp::from_millisecond(ms).ok()).map(|at| since(at, now));
        let ages: Vec<Duration> = starts.chain(std::iter::repeat_n(Duration::ZERO, window.ahead)).collect();
        pace.remember(&ages);
        let day = marketo_day(now);
        let counts = store.list::<CallCount>(format!("{day} ").as_bytes(), None, 1_000).await?;
        let mut saved: BTreeMap<String, u64> = counts.into_iter().map(|count| (count.call, count.count)).collect();
        let mut unsaved = BTreeSet::new();
        if window.ahead > 0 {
            *saved.entry(UNACCOUNTED.into()).or_default() += window.ahead as u64;
            unsaved.insert(UNACCOUNTED.to_owned());
        }
        pace.set_budget(Some(daily_calls.saturating_sub(saved.values().sum())));
        let counted = Mutex::new(Counted { day, saved, seen: BTreeMap::new(), unsaved, ahead: window.ahead });
        let book = Arc::new(Book { clock: clock.clone(), store, fence, daily_calls, counted, turn: tokio::sync::Mutex::default() });
        pace.note_in(Some(book.clone()));
        Ok(Self { pace, book })
    }

    /// The pace's own counters have been set back.
    pub fn forget_seen(&self) {
        self.book.counted().seen.clear();
    }

    /// Commits a batch together with today's counts and the last window.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let (book, pace) = (self.book.clone(), self.pace.clone());
        // In a task of its own: commits wait for each other, and who awaits one of several may poll none.
        let task = tokio::spawn(async move { book.commit(&pace, pace.noted_ahead(), batch).await });
        match AbortOnDropHandle::new(task).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::Fenced),
        }
    }

    /// Nothing starts any more: what was noted ahead didn't happen.
    ///
    /// # Errors
    /// When the state can't be written.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.pace.note_in(None);
        self.book.commit(&self.pace, 0, Batch::new()).await
    }
}

impl Book {
    /// Commits one batch after the other, each with the counts as they are then: a later one must not bring back earlier counts.
    async fn commit(&self, pace: &Pace, ahead: usize, mut batch: Batch) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.write(pace, ahead, &mut batch);
        self.store.commit(self.fence, batch).await
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, pace: &Pace, ahead: usize, batch: &mut Batch) {
        let now = self.clock.now();
        let today = marketo_day(now);
        let mut counted = self.counted();
        let counts = pace.counts();
        let turned = today != counted.day;
        if counts == counted.seen && !turned && ahead == counted.ahead && counted.unsaved.is_empty() {
            return;
        }
        if turned {
            counted.day = today;
            counted.saved.clear();
            counted.unsaved.clear();
        }
        for (call, count) in &counts {
            let fresh = count.saturating_sub(counted.seen.get(call).copied().unwrap_or_default());
            if fresh > 0 {
                *counted.saved.entry((*call).to_owned()).or_default() += fresh;
                counted.unsaved.insert((*call).to_owned());
            }
        }
        for call in std::mem::take(&mut counted.unsaved) {
            let count = counted.saved.get(&call).copied().unwrap_or_default();
            batch.put(&CallCount { day: counted.day.clone(), call, count });
        }
        if turned {
            pace.set_budget(Some(self.daily_calls.saturating_sub(counted.saved.values().sum())));
        }
        counted.seen = counts;
        counted.ahead = ahead;
        let starts = pace.recent().into_iter().map(|age| base::time::earlier(now, age).as_millisecond()).collect();
        let window = SavedWindow { starts, ahead };
        batch.put(&Fact { name: WINDOW_FACT.into(), value: serde_json::to_value(window).unwrap_or_default() });
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
