//! How fast, how many at once, how many a day: limits as pure state with a thin gate.
//!
//! The gate admits one call after the other, those of an earlier [`Lane`] first: whoever is next has the next place in flight and the next
//! start, and nobody holds either while waiting for the other.
//!
//! The limits belong to the service. Several users in one process have one gate, and each a share in it: its own counts and budget, its own
//! journal, and its own stop.

mod adapt;
mod lane;
mod layer;
mod limits;
mod share;
mod window;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base::Timestamp;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{CallError, Class, Refusal},
    request::Response,
};

use adapt::Adaptive;
use lane::{Queue, Ticket};
use share::{Held, Share, ShareId};
use window::Window;

pub use lane::Lane;
pub use layer::{PaceLayer, Paced};
pub use limits::{Limits, Raised};
pub use share::Ended;

/// What is added to the vendor's window, so that it also holds where the calls arrive, whatever the network does to their spacing.
pub const WINDOW_MARGIN: Duration = Duration::from_millis(250);

/// Limits of one service. All tasks of a process share them.
#[derive(Debug, Clone)]
pub struct PaceOptions {
    /// Calls that may start in any `window`; `None`: no limit.
    pub calls_max: Option<usize>,
    /// The rolling window.
    pub window: Duration,
    /// Calls in flight at any moment, at least 1; until the service's hint says otherwise.
    pub in_flight_max: usize,
    /// How long everybody waits after "too fast" when the service doesn't say.
    pub throttle_wait: Duration,
    /// A header in which the service says how many calls at once are best, and how many are never exceeded whatever it says.
    pub hint: Option<(&'static str, usize)>,
}

impl Default for PaceOptions {
    fn default() -> Self {
        Self { calls_max: None, window: Duration::from_secs(20), in_flight_max: 8, throttle_wait: Duration::from_secs(20), hint: None }
    }
}

/// What may still be called today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Calls that may still start.
    pub left: u64,
    /// What is used up once none are left, for people.
    pub why: Arc<str>,
    /// When calls may start again then.
    pub until: Timestamp,
}

/// A share in a gate. Cheap to clone; clones are the same share.
#[derive(Debug, Clone)]
pub struct Pace {
    options: Arc<PaceOptions>,
    state: Arc<Mutex<State>>,
    /// Something changed for those who wait.
    changed: Arc<Notify>,
    share: Arc<Held>,
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

    /// Until when no call may start after this refusal for a used-up quota; none where that quota isn't one of calls.
    fn closed_until(&self, refusal: &Refusal) -> Option<(Duration, Timestamp)>;
}

/// Starts that are noted at a time, at most; a tenth of the window where that is less, because after a sudden death they count as made.
const AHEAD_MAX: usize = 8;

#[derive(Debug)]
struct State {
    queue: Queue,
    window: Window,
    /// Starts in a window; none without a limit.
    rate: Option<Adaptive>,
    places: Adaptive,
    limits: limits::Set,
    in_flight: usize,
    paused_until: Option<Instant>,
    /// Closed for a used-up quota.
    closed: Option<(Instant, Timestamp)>,
    refused: BTreeMap<String, u64>,
    /// How long answers have taken lately, the newest counting most.
    latency: Option<Duration>,
    shares: BTreeMap<ShareId, Share>,
    /// Whether somebody is about to note starts.
    noting: bool,
}

/// What a call that waits does next.
enum Next {
    Start,
    /// Until something changes, or until then.
    Wait(Option<Instant>),
    Note(Arc<dyn Journal>),
}

impl State {
    fn next(&mut self, ticket: Ticket, share: ShareId, now: Instant, options: &PaceOptions) -> Result<Next, CallError> {
        if let Some((_, until)) = self.closed.filter(|(at, _)| now < *at) {
            return Err(CallError::Closed { until });
        }
        if let Some(Budget { left: 0, why, until }) = &self.share(share).budget {
            return Err(CallError::OverCap { why: why.clone(), until: *until });
        }
        if !self.queue.is_first(ticket) || self.noting {
            return Ok(Next::Wait(None));
        }
        // After a closing one call goes first: the quota may not be back yet.
        let places = if self.closed.is_some() { 1 } else { self.places.allowed(now) };
        if self.in_flight >= places {
            return Ok(Next::Wait(self.places.grows_at().filter(|at| *at > now)));
        }
        let at = self.earliest(now, options);
        if at > now {
            let grows = self.rate.as_ref().and_then(Adaptive::grows_at).filter(|grows| *grows > now);
            return Ok(Next::Wait(Some(grows.map_or(at, |grows| grows.min(at)))));
        }
        let share = self.share(share);
        if let Some(journal) = share.journal.clone().filter(|_| share.noted == 0) {
            self.noting = true;
            return Ok(Next::Note(journal));
        }
        Ok(Next::Start)
    }

    fn earliest(&mut self, now: Instant, options: &PaceOptions) -> Instant {
        let by_window = self.rate.as_mut().map_or(now, |rate| {
            let allowed = rate.allowed(now);
            self.window.earliest(now, allowed, options.window + WINDOW_MARGIN)
        });
        by_window.max(self.paused_until.unwrap_or(now))
    }

    fn start(&mut self, ticket: Ticket, share: ShareId, now: Instant, name: &'static str) {
        self.queue.leave(ticket);
        self.in_flight += 1;
        let keep = self.rate.as_ref().map(Adaptive::most);
        if let Some(keep) = keep {
            self.window.record(now, keep);
        }
        self.share(share).start(now, keep, name);
    }

    fn share(&mut self, share: ShareId) -> &mut Share {
        self.shares.entry(share).or_default()
    }

    fn refused(&mut self, refusal: &Refusal, share: ShareId, begun: Instant, now: Instant, options: &PaceOptions) {
        match refusal.class {
            Class::Throttled => {
                let resumed = now + refusal.wait.unwrap_or(options.throttle_wait);
                // While nobody starts, nothing is learnt: the limit rests until they do.
                self.rate.as_mut().unwrap_or(&mut self.places).refused(begun, now, resumed);
                self.pause(resumed);
            }
            Class::Crowded => self.places.refused(begun, now, now),
            Class::Quota => {
                let journal = self.share(share).journal.clone();
                if let Some((wait, until)) = journal.and_then(|journal| journal.closed_until(refusal)) {
                    self.closed = Some((now + wait, until));
                }
            }
            Class::Auth
            | Class::Transient
            | Class::Doubtful
            | Class::Split
            | Class::Missing
            | Class::Record
            | Class::Config
            | Class::Bug => {
                // A gateway that names a time means everybody.
                if let Some(wait) = refusal.wait.filter(|_| refusal.status == 503) {
                    self.pause(now + wait);
                }
            }
        }
        if matches!(refusal.class, Class::Throttled | Class::Crowded | Class::Quota) {
            let code = if refusal.code.is_empty() { refusal.status.to_string() } else { refusal.code.clone() };
            *self.refused.entry(code).or_default() += 1;
        }
    }

    fn pause(&mut self, until: Instant) {
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
    }
}

/// A place in the queue, given up when its call no longer waits.
struct Waiting<'a> {
    pace: &'a Pace,
    ticket: Ticket,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pace.change(|state| state.queue.leave(self.ticket));
    }
}

/// Starts are about to be noted; nobody starts meanwhile. Where that isn't brought to an end, none are noted.
struct Noting<'a> {
    pace: &'a Pace,
    done: bool,
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        self.pace.change(|state| {
            state.noting = false;
            if !self.done {
                state.share(self.pace.share.id).noted = 0;
            }
        });
    }
}

/// A call in flight.
#[derive(Debug)]
struct InFlight {
    pace: Pace,
    name: &'static str,
    begun: Instant,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.pace.change(|state| state.in_flight = state.in_flight.saturating_sub(1));
    }
}

impl Pace {
    /// A gate with these limits and an empty window.
    #[must_use]
    pub fn new(options: PaceOptions) -> Self {
        let state = State {
            queue: Queue::default(),
            window: Window::default(),
            limits: limits::Set::new(options.calls_max, options.in_flight_max),
            rate: options.calls_max.map(|max| Adaptive::new(max, options.window + WINDOW_MARGIN)),
            places: Adaptive::new(options.in_flight_max, options.window + WINDOW_MARGIN),
            in_flight: 0,
            paused_until: None,
            closed: None,
            refused: BTreeMap::new(),
            latency: None,
            shares: BTreeMap::new(),
            noting: false,
        };
        let (state, options) = (Arc::new(Mutex::new(state)), Arc::new(options));
        let share = Held::new(ShareId(0), &state);
        Self { options, state, changed: Arc::default(), share, stopped: CancellationToken::new() }
    }

    /// Another share in the same gate, with nothing counted and no budget. It goes with its last clone; its starts stay in the gate's window.
    #[must_use]
    pub fn share(&self) -> Self {
        let id = self.with(|state| {
            let id = ShareId(state.shares.keys().next_back().map_or(1, |last| last.0 + 1));
            state.shares.insert(id, Share::default());
            id
        });
        Self { share: Held::new(id, &self.state), stopped: CancellationToken::new(), ..self.clone() }
    }

    /// Counts what another share has called as this one's, so that it is saved with it.
    pub fn count_in(&self, other: &Self) {
        let counts = other.counts();
        self.with(|state| {
            let share = state.share(self.share.id);
            for (name, count) in counts {
                *share.counts.entry(name).or_default() += count;
                if let Some(budget) = &mut share.budget {
                    budget.left = budget.left.saturating_sub(count);
                }
            }
        });
    }

    /// Puts the starts of an earlier process into the window, given by their ages.
    pub fn remember(&self, ages: &[Duration]) {
        let now = Instant::now();
        let mut starts: Vec<Instant> = ages.iter().filter_map(|age| now.checked_sub(*age)).collect();
        starts.sort();
        self.with(|state| {
            state.share(self.share.id).starts.remember(starts.clone());
            state.window.remember(starts);
        });
    }

    /// Ages of this share's starts that still count, the oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Duration> {
        let (now, span) = (Instant::now(), self.options.window + WINDOW_MARGIN);
        self.with(|state| state.share(self.share.id).recent(now, span))
    }

    /// Calls of this share that have started, by kind.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.with(|state| state.share(self.share.id).counts.clone())
    }

    /// Calls of this share that have ended, by kind and by how.
    #[must_use]
    pub fn ended(&self) -> BTreeMap<(&'static str, Ended), u64> {
        self.with(|state| state.share(self.share.id).ended.clone())
    }

    /// What this share may still call today; none where there is no limit.
    #[must_use]
    pub fn budget(&self) -> Option<Budget> {
        self.with(|state| state.share(self.share.id).budget.clone())
    }

    /// Refusals as too fast, too many at once or over the quota since this gate was made, by the service's code.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        self.with(|state| state.refused.clone())
    }

    /// From now on no call of this share starts; those in flight go on. Who waits to try again stops waiting.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    /// Ends when calls were stopped.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// From now on starts are noted ahead, in small blocks, or no longer.
    pub fn note_in(&self, journal: Option<Arc<dyn Journal>>) {
        self.change(|state| {
            let share = state.share(self.share.id);
            share.journal = journal;
            share.noted = 0;
        });
    }

    /// Starts that were noted ahead and have not happened.
    #[must_use]
    pub fn noted_ahead(&self) -> usize {
        self.with(|state| state.share(self.share.id).noted)
    }

    /// Nobody starts a call before `wait` has passed.
    pub fn pause(&self, wait: Duration) {
        self.with(|state| state.pause(Instant::now() + wait));
    }

    /// Changes what may still be called today; none: there is no limit.
    pub fn set_budget(&self, budget: Option<Budget>) {
        self.change(|state| state.share(self.share.id).budget = budget);
    }

    /// Until when no call starts because the service says that its quota is used up.
    #[must_use]
    pub fn closed_until(&self) -> Option<Timestamp> {
        let now = Instant::now();
        self.with(|state| state.closed.filter(|(at, _)| now < *at).map(|(_, until)| until))
    }

    /// Waits for its turn, then counts the call as started.
    async fn admit(&self, name: &'static str, lane: Lane) -> Result<InFlight, CallError> {
        let waiting = Waiting { pace: self, ticket: self.with(|state| state.queue.join(lane)) };
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            if self.stopped.is_cancelled() {
                return Err(CallError::Stopped);
            }
            let now = Instant::now();
            let next = self.with(|state| {
                let next = state.next(waiting.ticket, self.share.id, now, &self.options)?;
                if let Next::Start = next {
                    state.start(waiting.ticket, self.share.id, now, name);
                }
                Ok::<_, CallError>(next)
            });
            match next? {
                Next::Start => return Ok(InFlight { pace: self.clone(), name, begun: now }),
                Next::Wait(until) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(until.unwrap_or(now)), if until.is_some() => {}
                    () = self.stopped() => {}
                },
                Next::Note(journal) => self.note(&*journal).await?,
            }
        }
    }

    async fn note(&self, journal: &dyn Journal) -> Result<(), CallError> {
        let mut noting = Noting { pace: self, done: false };
        // Counted as noted from now on, so that whatever else is saved meanwhile says so too. Nobody else starts calls.
        let starts = self.with(|state| {
            let starts = state.rate.as_ref().map_or(AHEAD_MAX, |rate| (rate.most() / 10).clamp(1, AHEAD_MAX));
            state.share(self.share.id).noted = starts;
            starts
        });
        let noted = journal.ahead(self, starts).await;
        noting.done = noted.is_ok();
        noted.map_err(|why| CallError::Unwritable(format!("the call could not be noted first: {why}")))
    }

    /// Takes in how a call ended.
    fn take_in(&self, flight: &InFlight, answer: &Result<Response, CallError>) {
        let now = Instant::now();
        self.with(|state| *state.share(self.share.id).ended.entry((flight.name, Ended::of(answer))).or_default() += 1);
        match answer {
            Ok(answer) => {
                let hint = self.options.hint.and_then(|(header, most)| Some((answer.header(header)?.trim().parse::<usize>().ok()?, most)));
                self.with(|state| {
                    let took = now.duration_since(flight.begun);
                    state.latency = Some(state.latency.map_or(took, |before| before.mul_f64(0.9) + took.mul_f64(0.1)));
                    // One that began before the closing says nothing of it.
                    state.closed = state.closed.filter(|(at, _)| flight.begun < *at);
                    if let Some((hint, most)) = hint {
                        state.places.set_most(hint.clamp(1, most), now);
                    }
                });
            }
            Err(CallError::Refused(refusal)) => self.with(|state| state.refused(refusal, self.share.id, flight.begun, now, &self.options)),
            Err(_) => {}
        }
    }

    /// Changes something that others may wait for.
    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let changed = self.with(act);
        self.changed.notify_waiters();
        changed
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod test;
