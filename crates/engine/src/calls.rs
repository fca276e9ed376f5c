//! Marketo calls as state: today's count and the last window outlive the process, because the quota does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base::{Clock, Timestamp, time::since};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use store::{
    Batch, Fence, Store, StoreError, StoreExt,
    record::{CallCount, Fact},
};
use tokio_util::task::AbortOnDropHandle;
use wire::{Budget, Journal, Lane, Pace, Refusal};

use crate::marketo::Marketo;

/// The fact that holds the start times of the last window.
const WINDOW_FACT: &str = "marketo_window";

/// Marketo's day runs from midnight to midnight US Central (Adobe, "REST API").
const MARKETO_ZONE: &str = "America/Chicago";

/// The kind under which calls are counted of which only is known that they may have been made: the process died before it could say.
const UNACCOUNTED: &str = "unaccounted";

/// The fact that holds what Marketo last said of everybody's calls.
const USAGE_FACT: &str = "marketo_usage";

/// How long Marketo's word on everybody's calls is believed.
const USAGE_MAX_AGE: Duration = Duration::from_secs(3_600);

/// After how many calls of our own it is asked for again, at least.
const USAGE_CALLS: u64 = 500;

/// Where more are left than that, it is asked for after one in so many of them.
const USAGE_SHARE: u64 = 10;

/// Marketo's code for a used-up quota of calls (Adobe, "Error codes").
const QUOTA_USED_UP: &str = "607";

/// Whether the quota is back is asked this long after a reset that didn't bring it: nobody documents its time zone beyond "CST".
const ASK_AGAIN: Duration = Duration::from_secs(3_600);

/// How many calls a day may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Our own cap.
    pub daily_calls: u64,
    /// What the subscription has, for all integrations together.
    pub daily_quota: u64,
    /// What of that is kept for the others.
    pub reserve: u64,
}

impl Default for Quota {
    /// Adobe's usual 50,000 calls a day ("Integration best practices"), of which a tenth is kept for others.
    fn default() -> Self {
        Self { daily_calls: 40_000, daily_quota: 50_000, reserve: 5_000 }
    }
}

impl Quota {
    /// No limit of ours.
    pub const NONE: Self = Self { daily_calls: u64::MAX, daily_quota: u64::MAX, reserve: 0 };
}

/// What Marketo said of everybody's calls of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Usage {
    /// When it was asked.
    at: Timestamp,
    /// Calls of all integrations of that day; none when it didn't say.
    total: Option<u64>,
    /// How many of them were ours.
    ours: u64,
}

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
    quota: Quota,
    counted: Mutex<Counted>,
    turn: tokio::sync::Mutex<()>,
    /// Held while Marketo is asked for everybody's calls: who wants to know meanwhile waits for that answer.
    asking: tokio::sync::Mutex<()>,
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
    /// What Marketo last said of everybody's calls today.
    usage: Option<Usage>,
}

#[async_trait]
impl Journal for Book {
    async fn ahead(&self, pace: &Pace, starts: usize) -> Result<(), String> {
        self.commit(pace, starts, Batch::new()).await.map_err(|error| error.to_string())
    }

    fn closed_until(&self, refusal: &Refusal) -> Option<(Duration, Timestamp)> {
        let now = self.clock.now();
        let until = asked_again(now);
        (refusal.code == QUOTA_USED_UP).then(|| (since(now, until), until))
    }
}

impl CallLedger {
    /// Reads the last window and today's counts, and puts both into the pace. What a process that died had noted ahead counts as started
    /// just now, so that no window holds too many whatever it did.
    ///
    /// # Errors
    /// When the state can't be read.
    pub async fn load(store: Arc<dyn Store>, fence: Fence, clock: &Clock, pace: Pace, quota: Quota) -> Result<Self, StoreError> {
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
        let usage = store.read_one::<Fact>(USAGE_FACT.into()).await?.and_then(|fact| serde_json::from_value::<Usage>(fact.value).ok());
        let usage = usage.filter(|usage| marketo_day(usage.at) == day);
        let counted = Counted { day, saved, seen: BTreeMap::new(), unsaved, ahead: window.ahead, usage };
        pace.set_budget(Some(counted.budget(quota, counted.saved.values().sum(), now)));
        let book = Arc::new(Book {
            clock: clock.clone(),
            store,
            fence,
            quota,
            counted: Mutex::new(counted),
            turn: tokio::sync::Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        });
        pace.note_in(Some(book.clone()));
        Ok(Self { pace, book })
    }

    /// Asks Marketo how many calls everybody has made today, where its last word is an hour or some hundred of our own calls old. One that
    /// doesn't answer stops nothing.
    ///
    /// # Errors
    /// When the state can't be written.
    pub async fn learn(&self, marketo: &Marketo) -> Result<(), StoreError> {
        // Where Marketo's day has turned, everything is counted from zero first.
        self.commit(Batch::new()).await?;
        let _asking = self.book.asking.lock().await;
        let now = self.book.clock.now();
        if !self.book.counted().is_stale(&self.pace, now) {
            return Ok(());
        }
        let asked = self.book.counted().ours(&self.pace);
        // Everybody who is about to call waits for this answer, whatever lane it was asked in.
        let told = match marketo.in_lane(Lane::Changes).usage().await {
            Ok(told) => told.filter(|(date, _)| date.to_string() == marketo_day(now)).map(|(_, total)| total),
            Err(error) => {
                tracing::info!(%error, "how many calls others have made isn't known");
                None
            }
        };
        let mut batch = Batch::new();
        {
            let mut counted = self.book.counted();
            let ours = counted.ours(&self.pace);
            // What it said before still holds, with what we have called since.
            let before = counted.usage.as_ref().and_then(|before| Some(before.total? + ours.saturating_sub(before.ours)));
            // Its numbers may be late; ours at least were made.
            let told = told.map(|total| total.max(asked) + ours.saturating_sub(asked));
            let usage = Usage { at: now, total: told.or(before), ours };
            batch.put(&Fact { name: USAGE_FACT.into(), value: serde_json::to_value(&usage).unwrap_or_default() });
            counted.usage = Some(usage);
            self.pace.set_budget(Some(counted.budget(self.book.quota, ours, now)));
        }
        self.commit(batch).await
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
        // Pages on which nothing had to be saved are many.
        if batch.is_empty() && batch.expects.is_empty() {
            return Ok(());
        }
        let saved = self.store.commit(self.fence, batch).await;
        if saved.is_err() {
            // Nothing of what was to be saved is: all of it is to be saved again, before any other call begins.
            let counted = &mut *self.counted();
            counted.unsaved.extend(counted.saved.keys().cloned());
            counted.ahead = usize::MAX;
        }
        saved
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
            counted.usage = None;
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
            pace.set_budget(Some(counted.budget(self.quota, counted.saved.values().sum(), now)));
        }
        counted.seen = counts;
        counted.ahead = ahead;
        let starts = pace.recent().into_iter().map(|age| base::time::earlier(now, age).as_millisecond()).collect();
        let window = SavedWindow { starts, ahead };
        batch.put(&Fact { name: WINDOW_FACT.into(), value: serde_json::to_value(window).unwrap_or_default() });
    }
}

impl Counted {
    /// Our own calls of today.
    fn ours(&self, pace: &Pace) -> u64 {
        let fresh =
            pace.counts().iter().map(|(call, count)| count.saturating_sub(self.seen.get(call).copied().unwrap_or_default())).sum::<u64>();
        self.saved.values().sum::<u64>() + fresh
    }

    fn is_stale(&self, pace: &Pace, now: Timestamp) -> bool {
        let left = pace.budget().map_or(0, |budget| budget.left);
        self.usage.as_ref().is_none_or(|usage| {
            since(usage.at, now) >= USAGE_MAX_AGE
                || self.ours(pace).saturating_sub(usage.ours) >= USAGE_CALLS.max(left / USAGE_SHARE)
                || marketo_day(usage.at) != self.day
        })
    }

    /// What may still be called today, `ours` having been made: the smaller of our own cap and of what the subscription has left for us.
    fn budget(&self, quota: Quota, ours: u64, now: Timestamp) -> Budget {
        let Quota { daily_calls, daily_quota, reserve } = quota;
        let until = next_reset(now);
        let own = Budget {
            left: daily_calls.saturating_sub(ours),
            why: format!("the configured cap of {daily_calls} Marketo calls a day (marketo.daily_calls) is used up").into(),
            until,
        };
        let Some((usage, total)) = self.usage.as_ref().and_then(|usage| Some((usage, usage.total?))) else { return own };
        let used = total.saturating_add(ours.saturating_sub(usage.ours));
        let others = total.saturating_sub(usage.ours);
        let why = format!(
            "of the subscription's {daily_quota} Marketo calls a day (marketo.daily_quota) others have made {others} today and we {ours}; the \
             last {reserve} are kept for them (marketo.reserve) until midnight US Central"
        );
        let shared = Budget { left: daily_quota.saturating_sub(reserve).saturating_sub(used), why: why.into(), until };
        if shared.left < own.left { shared } else { own }
    }
}

/// When Marketo's day ends.
#[must_use]
pub fn next_reset(now: Timestamp) -> Timestamp {
    let zone = marketo_zone();
    let midnight = zone.to_datetime(now).date().tomorrow().and_then(|date| zone.to_timestamp(date.at(0, 0, 0, 0)));
    midnight.unwrap_or(now)
}

/// When Marketo is asked again after it has said that the quota is used up: at its next midnight; where that has just been, in an hour.
fn asked_again(now: Timestamp) -> Timestamp {
    let later = base::time::later(now, ASK_AGAIN);
    let midnight = next_reset(base::time::earlier(now, ASK_AGAIN));
    if midnight <= now { later } else { midnight }
}

fn marketo_zone() -> TimeZone {
    TimeZone::get(MARKETO_ZONE).unwrap_or(TimeZone::UTC)
}

/// The day, by Marketo's clock, that `at` belongs to: `2026-03-01`.
#[must_use]
pub fn marketo_day(at: Timestamp) -> String {
    marketo_zone().to_datetime(at).date().to_string()
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
        let reset = |text: &str| next_reset(text.parse().unwrap()).to_string();
        assert_eq!(reset("2026-01-15T05:59:59Z"), "2026-01-15T06:00:00Z");
        assert_eq!(reset("2026-07-15T05:00:00Z"), "2026-07-16T05:00:00Z");
        // The day on which summer time begins has 23 hours.
        assert_eq!(reset("2026-03-08T06:00:00Z"), "2026-03-09T05:00:00Z");
    }

    #[test]
    fn a_reset_that_brings_nothing_is_asked_about_every_hour() {
        let asked = |text: &str| asked_again(text.parse().unwrap()).to_string();
        assert_eq!(asked("2026-01-15T05:59:59Z"), "2026-01-15T06:00:00Z");
        assert_eq!(asked("2026-01-15T06:00:03Z"), "2026-01-15T07:00:03Z");
        assert_eq!(asked("2026-01-15T07:30:00Z"), "2026-01-16T06:00:00Z");
    }

    #[test]
    fn the_smaller_of_our_cap_and_of_what_is_left_for_us_counts() {
        let now: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
        let left = |quota: Quota, total: Option<u64>, ours_then: u64, ours: u64| {
            let usage = Some(Usage { at: now, total, ours: ours_then });
            let counted =
                Counted { day: marketo_day(now), saved: BTreeMap::new(), seen: BTreeMap::new(), unsaved: BTreeSet::new(), ahead: 0, usage };
            let budget = counted.budget(quota, ours, now);
            (budget.left, budget.why.contains("marketo.reserve"))
        };
        let quota = Quota { daily_calls: 400, daily_quota: 1_000, reserve: 100 };
        assert_eq!(left(quota, None, 0, 10), (390, false));
        assert_eq!(left(quota, Some(300), 10, 10), (390, false));
        assert_eq!(left(quota, Some(800), 10, 10), (100, true));
        assert_eq!(left(quota, Some(800), 10, 110), (0, true));
        assert_eq!(left(quota, Some(5_000), 10, 10), (0, true));
        assert_eq!(left(Quota::NONE, Some(800), 10, 10), (u64::MAX - 800, true));
    }
}
