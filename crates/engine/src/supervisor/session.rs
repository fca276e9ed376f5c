//! One open bridge: its passes as they fall due, and what is asked meanwhile, until it has to be closed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::{Timestamp, time::since};
use futures::FutureExt;
use store::StoreError;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    PassKind, Served,
    handle::{Asked, NotDone, Running, Trigger, Work},
    schedule::{Due, PAUSE_FIRST, When, pause},
    view::{Phase, View},
};
use crate::{
    bridge::Bridge,
    calls::next_reset,
    cycle,
    error::SyncError,
    options::RunOptions,
    pause::{pause_since, set_paused},
    progress::Progress,
    summary::{Outcome, Summary},
};

/// How often the clock is looked at while a time of day is waited for: a machine may have slept.
const LOOK: Duration = Duration::from_secs(60);

/// How long nothing falls due, where nothing does.
const LONG: Duration = Duration::from_secs(86_400);

/// What is done with the bridge once it is closed.
pub(super) enum After {
    /// It is opened as this says.
    Become(Box<Served>),
    /// It is opened again.
    Open,
    /// It can't go on; it is opened again later.
    Lost {
        /// Why.
        why: String,
    },
    /// Nothing.
    End,
}

/// The passes of one kind.
#[derive(Debug)]
struct Lane {
    due: Due,
    running: bool,
    /// One was asked for while one was running.
    again: bool,
    failures: u32,
}

/// What a pass came to.
type Ended = (Summary, Option<SyncError>);

/// What one of the tasks was, and what it came to.
enum Done {
    Pass(PassKind, Result<Box<Ended>, JoinError>),
    Work(Result<(), JoinError>),
}

/// One open bridge.
pub(super) struct Session<'a> {
    served: &'a mut Served,
    inbox: &'a mut mpsc::Receiver<Asked>,
    view: &'a watch::Sender<View>,
    bridge: Arc<Bridge>,
    lanes: BTreeMap<PassKind, Lane>,
    tasks: JoinSet<Done>,
    /// Set once nothing begins any more.
    after: Option<After>,
    /// Whether calls were stopped.
    stopped: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        served: &'a mut Served,
        inbox: &'a mut mpsc::Receiver<Asked>,
        view: &'a watch::Sender<View>,
        bridge: Arc<Bridge>,
    ) -> Self {
        let now = Instant::now();
        let lane = |kind: PassKind| {
            let due = match (kind, served.schedule.of(kind)) {
                (PassKind::Changes, When::After(_)) => Due::In(now),
                // The first whole cycle looks at moments, too.
                (_, when) => when.next(now, bridge.clock.now()),
            };
            (kind, Lane { due, running: false, again: false, failures: 0 })
        };
        let lanes = PassKind::ALL.into_iter().map(lane).collect();
        Self { served, inbox, view, bridge, lanes, tasks: JoinSet::new(), after: None, stopped: false }
    }

    /// Runs until nothing is to begin any more and everything has ended.
    pub(super) async fn run(mut self) -> After {
        let paused = match pause_since(&*self.bridge.store).await {
            Ok(paused) => paused,
            Err(error) => {
                // Nobody knows whether it is paused, so that nothing begins.
                tracing::error!(bridge = self.served.name, %error, "whether it is paused can't be read; it is tried again");
                return After::Lost { why: format!("whether it is paused can't be read: {error}") };
            }
        };
        if let Some(since) = paused {
            tracing::warn!(bridge = self.served.name, %since, "paused: no pass begins until it is resumed");
        }
        self.view.send_modify(|view| view.open(self.bridge.clone(), paused));
        loop {
            if let Some(after) = self.after.take_if(|_| self.tasks.is_empty()) {
                return after;
            }
            self.begin_what_is_due();
            let next = self.next_due();
            tokio::select! {
                asked = self.inbox.recv() => match asked {
                    Some(Asked { trigger, answer }) => {
                        let outcome = self.take(trigger).await;
                        // Whoever asked may have gone.
                        let _ = answer.send(outcome);
                    }
                    // Nobody can ask for anything any more, so that nobody could stop it either.
                    None => self.end(After::End, Running::Stops),
                },
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => match done {
                    Ok(Done::Pass(kind, outcome)) => self.passed(kind, outcome),
                    Ok(Done::Work(outcome)) => if let Err(error) = outcome {
                        tracing::error!(bridge = self.served.name, %error, "what was asked for ended by a mistake of the program");
                    },
                    // These tasks only wait for others.
                    Err(error) => tracing::error!(bridge = self.served.name, %error, "a pass ended by a mistake of the program"),
                },
                () = sleep(next) => {}
            }
        }
    }

    async fn take(&mut self, trigger: Trigger) -> Result<(), NotDone> {
        match trigger {
            Trigger::Stop(running) => self.end(After::End, running),
            Trigger::Become(served) => self.end(After::Become(served), Running::Ends),
            Trigger::Run(_) | Trigger::Pause(_) | Trigger::Resume | Trigger::Work(_) if self.after.is_some() => {
                return Err(NotDone::NotOpen { why: "it is about to be closed".into() });
            }
            Trigger::Run(kind) => match self.view.borrow().paused {
                Some(since) => return Err(NotDone::Paused { since }),
                None => {
                    if let Some(lane) = self.lanes.get_mut(&kind) {
                        (lane.due, lane.again) = (Due::In(Instant::now()), lane.running);
                    }
                }
            },
            Trigger::Pause(running) => {
                let since = self.view.borrow().paused.unwrap_or_else(|| self.bridge.clock.now());
                self.set_paused(Some(since)).await?;
                if running == Running::Stops && !self.tasks.is_empty() {
                    self.end(After::Open, running);
                }
            }
            Trigger::Resume => self.set_paused(None).await?,
            Trigger::Work(work) => self.work(work),
        }
        Ok(())
    }

    async fn set_paused(&self, since: Option<Timestamp>) -> Result<(), NotDone> {
        let Bridge { store, fence, .. } = &*self.bridge;
        set_paused(&**store, *fence, since).await.map_err(|error| NotDone::State { why: error.to_string() })?;
        self.view.send_modify(|view| view.paused = since);
        tracing::info!(bridge = self.served.name, "{}", if since.is_some() { "paused" } else { "resumed" });
        Ok(())
    }

    /// From now on nothing begins. What ends at once ends for good, whatever else is asked for.
    fn end(&mut self, after: After, running: Running) {
        if !(self.stopped && matches!(self.after, Some(After::End))) {
            self.after = Some(after);
        }
        self.view.send_modify(|view| {
            view.phase = match &self.after {
                Some(After::End) => Phase::Ending,
                Some(After::Become(_) | After::Open | After::Lost { .. }) | None => {
                    Phase::NotReady { why: "it is about to be opened anew".into() }
                }
            }
        });
        if running == Running::Stops {
            self.stopped = true;
            self.bridge.stop();
        }
    }

    fn begin_what_is_due(&mut self) {
        if self.after.is_some() || self.view.borrow().paused.is_some() {
            return;
        }
        let due = self.lanes.iter().filter(|(_, lane)| !lane.running && self.time_to(lane.due).is_zero());
        for kind in due.map(|(kind, _)| *kind).collect::<Vec<_>>() {
            self.begin(kind);
        }
    }

    /// How long until something may be due.
    fn next_due(&self) -> Duration {
        if self.after.is_some() || self.view.borrow().paused.is_some() {
            return LONG;
        }
        self.lanes.values().filter(|lane| !lane.running).map(|lane| self.time_to(lane.due)).min().unwrap_or(LONG)
    }

    /// How long until then, or until the clock is to be looked at again.
    fn time_to(&self, due: Due) -> Duration {
        match due {
            Due::In(at) => at.saturating_duration_since(Instant::now()),
            Due::At(at) => since(self.bridge.clock.now(), at).min(LOOK),
            Due::Never => LONG,
        }
    }

    fn begin(&mut self, kind: PassKind) {
        let pass = self.bridge.pass(RunOptions { served: true, ..RunOptions::default() }, Progress::silent());
        if let Some(lane) = self.lanes.get_mut(&kind) {
            (lane.running, lane.again) = (true, false);
        }
        let begun = pass.clock.now();
        self.view.send_modify(|view| view.passes.entry(kind).or_default().running = Some(begun));
        // In a task of its own, so that its panic is its own.
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            Box::new(match kind {
                PassKind::Changes => cycle::run(&pass).await,
                PassKind::Moments => cycle::moments(&pass.in_lane(wire::Lane::Urgent)).await,
                PassKind::Sweep => cycle::sweep(&pass).await,
            })
        }));
        self.tasks.spawn(task.map(move |outcome| Done::Pass(kind, outcome)));
    }

    fn work(&mut self, work: Work) {
        let task = AbortOnDropHandle::new(tokio::spawn(work(self.bridge.clone())));
        self.tasks.spawn(task.map(Done::Work));
    }

    /// Takes in how a pass ended: what is seen of it, and when the next is due.
    fn passed(&mut self, kind: PassKind, outcome: Result<Box<Ended>, JoinError>) {
        let when = self.served.schedule.of(kind);
        let (now, clock) = (Instant::now(), self.bridge.clock.now());
        let Some(lane) = self.lanes.get_mut(&kind) else { return };
        lane.running = false;
        let mut failed = |lane: &mut Lane| {
            lane.failures += 1;
            lane.due = Due::In(now + pause(lane.failures, when.patience(), &mut self.served.dice));
        };
        let mut lost = None;
        let summary = match outcome {
            Ok(ended) => {
                let (summary, error) = *ended;
                match error {
                    None => (lane.failures, lane.due) = (0, when.next(now, clock)),
                    Some(SyncError::Quota { until, .. }) => {
                        let until = until.or_else(|| self.bridge.marketo.pace().closed_until());
                        let until = until.unwrap_or_else(|| next_reset(self.bridge.clock.now()));
                        // Clocks differ, and one that stood still while the machine slept is behind.
                        lane.due = Due::At(base::time::later(until, pause(1, PAUSE_FIRST, &mut self.served.dice)));
                    }
                    // Another process has the lease: only a bridge that is opened anew can go on.
                    Some(SyncError::Store(error @ StoreError::Fenced)) => lost = Some(error.to_string()),
                    Some(
                        SyncError::Configuration(_) | SyncError::Side { .. } | SyncError::Store(_) | SyncError::Stale | SyncError::Stopped,
                    ) => failed(lane),
                }
                Some(Arc::new(summary))
            }
            Err(error) => {
                tracing::error!(bridge = self.served.name, pass = kind.name(), %error, "the pass ended by a mistake of the program; it is tried again");
                failed(lane);
                None
            }
        };
        if lane.again {
            lane.due = Due::In(now);
        }
        if let Some(why) = lost.filter(|_| self.after.is_none()) {
            self.end(After::Lost { why }, Running::Stops);
        }
        // Whoever reads of it in the log finds it in the view.
        self.view.send_modify(|view| view.passes.entry(kind).or_default().take(summary.clone()));
        if let Some(summary) = summary {
            tell(&self.served.name, kind, &summary);
        }
    }
}

/// A pass in one line. Its error's words stay in the summary: they may hold people's data.
fn tell(bridge: &str, kind: PassKind, summary: &Summary) {
    let took = since(summary.begun, summary.ended).as_secs();
    let (held, waiting) = summary.left();
    let captured: u64 = summary.captured.values().map(|captured| captured.rows).sum();
    let pushed: u64 = summary.pushed.values().map(|pushed| pushed.created + pushed.updated + pushed.removed).sum();
    let written_back = summary.written_back.written;
    let (pass, run) = (kind.name(), summary.begun.to_string());
    match summary.outcome {
        Outcome::InStep | Outcome::Unfinished => {
            tracing::info!(bridge, pass, run, took, captured, pushed, written_back, held, waiting, "pass ended");
        }
        Outcome::Stopped => {
            let code = summary.error.as_ref().map_or("", |error| error.code.as_str());
            tracing::warn!(bridge, pass, run, took, captured, pushed, written_back, code, "pass stopped; it goes on later");
        }
    }
}
