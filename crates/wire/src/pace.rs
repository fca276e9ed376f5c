//! How fast, how many at once, how many a day: exact limits, as pure state with a thin gate.
//!
//! The window is a log of the last starts, not a refilling bucket: a bucket lets twice its size into one window.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service, ServiceExt};

use crate::{
    error::{CallError, Class},
    request::{Request, Response},
};

/// What is added to the vendor's window, so that it also holds where the calls arrive, whatever the network does to their spacing.
pub const WINDOW_MARGIN: Duration = Duration::from_millis(250);

/// Limits of one service. All tasks of a process share them.
#[derive(Debug, Clone)]
pub struct PaceOptions {
    /// Calls that may start in any `window`; `None`: no limit.
    pub calls_max: Option<usize>,
    /// The rolling window.
    pub window: Duration,
    /// Calls in flight at any moment; at least 1.
    pub in_flight_max: usize,
    /// Calls that may still start today; `None`: no cap.
    pub budget: Option<u64>,
    /// The daily cap that `budget` is what is left of, for the error's text.
    pub cap: u64,
    /// How long everybody waits after "too fast" when the service doesn't say.
    pub throttle_wait: Duration,
}

impl Default for PaceOptions {
    fn default() -> Self {
        Self {
            calls_max: None,
            window: Duration::from_secs(20),
            in_flight_max: 8,
            budget: None,
            cap: 0,
            throttle_wait: Duration::from_secs(20),
        }
    }
}

/// The gate. Cheap to clone; clones share the limits.
#[derive(Debug, Clone)]
pub struct Pace {
    options: Arc<PaceOptions>,
    in_flight: Arc<Semaphore>,
    /// Held while waiting for the window, so that calls start in the order in which they came.
    turn: Arc<tokio::sync::Mutex<()>>,
    state: Arc<Mutex<State>>,
    stopped: CancellationToken,
}

/// Where starts are noted before they happen, so that a process that takes over after a sudden death knows of all of them.
#[async_trait]
pub trait Journal: Send + Sync + std::fmt::Debug {
    /// Saves the starts of `pace` until now, and that up to `starts` more may happen.
    ///
    /// # Errors
    /// Why it could not be saved; then no call begins.
    async fn ahead(&self, pace: &Pace, starts: usize) -> Result<(), String>;
}

/// Starts that are noted at a time, at most; a tenth of the window where that is less, because after a sudden death they count as made.
const AHEAD_MAX: usize = 8;

#[derive(Debug, Default)]
struct State {
    window: Window,
    paused_until: Option<Instant>,
    budget_left: Option<u64>,
    counts: BTreeMap<&'static str, u64>,
    journal: Option<Arc<dyn Journal>>,
    /// Starts that are noted ahead and have not happened.
    noted: usize,
}

impl Pace {
    /// A gate with these limits and an empty window.
    #[must_use]
    pub fn new(options: PaceOptions) -> Self {
        let state = State { budget_left: options.budget, ..State::default() };
        Self {
            in_flight: Arc::new(Semaphore::new(options.in_flight_max.max(1))),
            turn: Arc::default(),
            stopped: CancellationToken::new(),
            state: Arc::new(Mutex::new(state)),
            options: Arc::new(options),
        }
    }

    /// Puts the starts of an earlier process into the window, given by their ages.
    pub fn remember(&self, ages: &[Duration]) {
        let now = Instant::now();
        let mut starts: Vec<Instant> = ages.iter().filter_map(|age| now.checked_sub(*age)).collect();
        starts.sort();
        self.with(|state| state.window.0.extend(starts));
    }

    /// Ages of the starts that still count, the oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Duration> {
        let (now, span) = (Instant::now(), self.options.window + WINDOW_MARGIN);
        self.with(|state| state.window.0.iter().map(|start| now.duration_since(*start)).filter(|age| *age < span).collect())
    }

    /// Calls started since this gate was made, by kind.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.with(|state| state.counts.clone())
    }

    /// Counts from zero again.
    pub fn reset_counts(&self) {
        self.with(|state| state.counts.clear());
    }

    /// Calls that may be in flight at once.
    #[must_use]
    pub fn in_flight_max(&self) -> usize {
        self.options.in_flight_max.max(1)
    }

    /// From now on no call starts; those in flight go on. Who waits to try again stops waiting.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    /// Ends when calls were stopped.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// From now on starts are noted ahead, in small blocks, or no longer.
    pub fn note_in(&self, journal: Option<Arc<dyn Journal>>) {
        self.with(|state| {
            state.journal = journal;
            state.noted = 0;
        });
    }

    /// Starts that were noted ahead and have not happened.
    #[must_use]
    pub fn noted_ahead(&self) -> usize {
        self.with(|state| state.noted)
    }

    /// Nobody starts a call before `wait` has passed.
    pub fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        self.with(|state| state.paused_until = Some(state.paused_until.map_or(until, |known| known.max(until))));
    }

    /// Changes what may still be called today.
    pub fn set_budget(&self, left: Option<u64>) {
        self.with(|state| state.budget_left = left);
    }

    /// Waits for its turn, then counts the call as started.
    async fn start(&self, name: &'static str) -> Result<(), CallError> {
        let _turn = self.turn.lock().await;
        loop {
            let next = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if self.stopped.is_cancelled() {
                    return Err(CallError::Stopped);
                }
                if state.budget_left == Some(0) {
                    return Err(CallError::OverCap { cap: self.options.cap });
                }
                let now = Instant::now();
                let at = state.earliest(now, &self.options);
                match state.journal.clone().filter(|_| state.noted == 0) {
                    _ if at > now => Next::Wait(at),
                    Some(journal) => Next::Note(journal),
                    None => {
                        state.record(now, name, &self.options);
                        return Ok(());
                    }
                }
            };
            match next {
                Next::Wait(until) => tokio::select! {
                    () = sleep_until(until) => {}
                    () = self.stopped() => {}
                },
                Next::Note(journal) => {
                    let starts = self.options.calls_max.map_or(AHEAD_MAX, |max| (max / 10).clamp(1, AHEAD_MAX));
                    // Counted as noted from now on, so that whatever else is saved meanwhile says so too. Only who has the turn starts calls.
                    self.with(|state| state.noted = starts);
                    if let Err(why) = journal.ahead(self, starts).await {
                        self.with(|state| state.noted = 0);
                        return Err(CallError::Unwritable(format!("the call could not be noted first: {why}")));
                    }
                }
            }
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a call does before it starts.
enum Next {
    Wait(Instant),
    Note(Arc<dyn Journal>),
}

impl State {
    fn earliest(&self, now: Instant, options: &PaceOptions) -> Instant {
        let by_window = options.calls_max.map_or(now, |max| self.window.earliest(now, max, options.window + WINDOW_MARGIN));
        by_window.max(self.paused_until.unwrap_or(now))
    }

    fn record(&mut self, now: Instant, name: &'static str, options: &PaceOptions) {
        if let Some(max) = options.calls_max {
            self.window.record(now, max);
        }
        if let Some(left) = &mut self.budget_left {
            *left = left.saturating_sub(1);
        }
        *self.counts.entry(name).or_default() += 1;
        self.noted = self.noted.saturating_sub(1);
    }
}

/// The last starts, the oldest first.
#[derive(Debug, Default)]
struct Window(VecDeque<Instant>);

impl Window {
    /// The earliest instant, not before `now`, at which one more start leaves at most `max` in any `span`.
    fn earliest(&self, now: Instant, max: usize, span: Duration) -> Instant {
        let max = max.max(1);
        match self.0.len().checked_sub(max).and_then(|at| self.0.get(at)) {
            Some(start) => (*start + span).max(now),
            None => now,
        }
    }

    fn record(&mut self, at: Instant, max: usize) {
        self.0.push_back(at);
        while self.0.len() > max.max(1) {
            self.0.pop_front();
        }
    }
}

/// The layer of a [`Pace`].
#[derive(Debug, Clone)]
pub struct PaceLayer(pub Pace);

/// The service that [`PaceLayer`] makes.
#[derive(Debug, Clone)]
pub struct Paced<S> {
    pace: Pace,
    inner: S,
}

impl<S> Layer<S> for PaceLayer {
    type Service = Paced<S>;

    fn layer(&self, inner: S) -> Paced<S> {
        Paced { pace: self.0.clone(), inner }
    }
}

impl<S> Service<Request> for Paced<S>
where
    S: Service<Request, Response = Response, Error = CallError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Response, CallError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (pace, inner) = (self.pace.clone(), self.inner.clone());
        async move {
            let _place = pace.in_flight.clone().acquire_owned().await.map_err(|_| CallError::Stopped)?;
            pace.start(request.name).await?;
            let answer = inner.oneshot(request).await;
            if let Err(CallError::Refused(refusal)) = &answer {
                match (refusal.class, refusal.wait) {
                    (Class::Throttled, wait) => pace.pause(wait.unwrap_or(pace.options.throttle_wait)),
                    // A gateway that names a time means everybody.
                    (_, Some(wait)) if refusal.status == 503 => pace.pause(wait),
                    (_, _) => {}
                }
            }
            answer
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the arrivals, no window ever holds more than the limit.
        #[test]
        fn no_window_holds_more_than_the_limit(gaps in prop::collection::vec(0u64..5_000, 1..400), max in 1usize..60) {
            let span = Duration::from_secs(20);
            let mut now = Instant::now();
            let mut window = Window::default();
            let mut starts = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                let at = window.earliest(now, max, span);
                window.record(at, max);
                now = now.max(at);
                starts.push(at);
            }
            for (i, start) in starts.iter().enumerate() {
                let within = starts[i..].iter().take_while(|s| s.duration_since(*start) < span).count();
                prop_assert!(within <= max, "{within} of {max}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_one_window() {
        let pace = Pace::new(PaceOptions { calls_max: Some(10), in_flight_max: 100, ..PaceOptions::default() });
        let begin = Instant::now();
        let calls: Vec<_> = (0..35)
            .map(|_| {
                let pace = pace.clone();
                tokio::spawn(async move {
                    pace.start("x").await.unwrap();
                    Instant::now()
                })
            })
            .collect();
        let mut starts = Vec::new();
        for call in calls {
            starts.push(call.await.unwrap().duration_since(begin));
        }
        starts.sort();
        assert_eq!(starts.iter().filter(|s| **s < Duration::from_secs(20)).count(), 10);
        assert!(starts[30] >= Duration::from_secs(60), "{:?}", starts[30]);
        assert_eq!(pace.counts()["x"], 35);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_takes_over_counts_the_starts_before_it() {
        let first = Pace::new(PaceOptions { calls_max: Some(3), ..PaceOptions::default() });
        for _ in 0..3 {
            first.start("x").await.unwrap();
        }
        let second = Pace::new(PaceOptions { calls_max: Some(3), ..PaceOptions::default() });
        second.remember(&first.recent());
        let begin = Instant::now();
        second.start("x").await.unwrap();
        assert!(begin.elapsed() >= Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_wakes_who_waits() {
        let pace = Pace::new(PaceOptions { calls_max: Some(1), ..PaceOptions::default() });
        pace.start("x").await.unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let pace = pace.clone();
                tokio::spawn(async move { pace.start("x").await })
            })
            .collect();
        tokio::task::yield_now().await;
        let begin = Instant::now();
        pace.stop();
        for waiting in waiting {
            assert!(matches!(waiting.await.unwrap(), Err(CallError::Stopped)));
        }
        assert!(begin.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_daily_cap_and_a_stop_end_it_before_sending() {
        let pace = Pace::new(PaceOptions { budget: Some(1), cap: 40, ..PaceOptions::default() });
        pace.start("x").await.unwrap();
        assert!(matches!(pace.start("x").await, Err(CallError::OverCap { cap: 40 })));
        pace.set_budget(None);
        pace.stop();
        assert!(matches!(pace.start("x").await, Err(CallError::Stopped)));
    }
}
