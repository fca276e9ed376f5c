//! Keeps bridges in step all day: passes of several kinds for each bridge, one after the other of a kind, until it is asked to stop.
//!
//! Bridges know nothing of each other: each has a keeper of its own, and one that fails, hangs or panics delays no other. How a bridge is
//! opened is given from outside, and all time is Tokio's and the bridge's clock, so that days pass in moments where a test pauses them.

mod cron;
mod handle;
mod keeper;
mod schedule;
mod session;
mod view;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base::Dice;
use futures::future::{BoxFuture, join_all};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::bridge::Bridge;

pub use cron::Cron;
pub use handle::{Handle, NotDone, Running, Trigger, Work};
pub use schedule::{PassKind, Schedule, When};
pub use view::{Last, NotReady, Passes, Phase, View};

use handle::Asked;
use keeper::Keeper;

/// How long calls in flight may take to end after a stop; service managers kill after 30 seconds.
const STOP_MAX: Duration = Duration::from_secs(25);

/// Triggers that may wait for a keeper; whoever asks more waits, too.
const TRIGGERS_MAX: usize = 16;

/// Opens a bridge, which takes its lease; an error is told as it is written.
pub type Open = Arc<dyn Fn() -> BoxFuture<'static, Result<Bridge, String>> + Send + Sync>;

/// One bridge to be kept in step.
#[derive(Clone)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// How it is opened.
    pub open: Open,
    /// When its passes run.
    pub schedule: Schedule,
    /// Where the chance in its pauses comes from.
    pub dice: Dice,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("name", &self.name).field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

/// All bridges of a process. When it is dropped, whatever they are doing is dropped: by that nothing is lost, because what was meant is
/// saved before it is sent.
pub struct Supervisor {
    kept: Mutex<BTreeMap<String, Kept>>,
    begun: Box<dyn Fn(Handle) + Send + Sync>,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("kept", &self.kept).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Kept {
    handle: Handle,
    task: AbortOnDropHandle<()>,
}

impl Supervisor {
    /// Begins to keep them in step. Names are different. `begun` is told of each bridge that is kept, also of those that come later.
    #[must_use]
    pub fn start(bridges: Vec<Served>, begun: impl Fn(Handle) + Send + Sync + 'static) -> Self {
        let supervisor = Self { kept: Mutex::default(), begun: Box::new(begun) };
        bridges.into_iter().for_each(|served| supervisor.keep(served));
        supervisor
    }

    /// The bridges, by name.
    #[must_use]
    pub fn handles(&self) -> Vec<Handle> {
        self.kept().values().map(|kept| kept.handle.clone()).collect()
    }

    /// From now on these bridges as they are described here: new ones begin, those that aren't named end, and the others are opened anew.
    /// The passes that are running end first, each bridge's for itself; this doesn't wait for them.
    pub async fn take_over(&self, bridges: Vec<Served>) {
        let before = self.handles();
        let gone = before.iter().filter(|handle| bridges.iter().all(|served| served.name != handle.name()));
        let gone = join_all(gone.map(|handle| async move {
            tracing::info!(bridge = handle.name(), "no longer configured; it ends after the passes that are running");
            // One that has ended already is no loss.
            let _ = handle.ask(Trigger::Stop(Running::Ends)).await;
        }));
        let taken_over = join_all(bridges.into_iter().map(|served| async {
            match before.iter().find(|handle| handle.name() == served.name) {
                Some(handle) if handle.ask(Trigger::Become(Box::new(served.clone()))).await.is_ok() => None,
                Some(_) | None => Some(served),
            }
        }));
        let (_, fresh) = futures::join!(gone, taken_over);
        for served in fresh.into_iter().flatten() {
            let ended = self.kept().remove(&served.name);
            if let Some(ended) = ended {
                // It has nothing left to do but to give its lease back.
                let _ = ended.task.await;
            }
            self.keep(served);
        }
        self.kept().retain(|_, kept| !kept.task.is_finished());
    }

    /// Ends all of them: no call starts any more, those in flight end and are saved. What hasn't ended 25 seconds later is dropped.
    pub async fn stop(&self) {
        let kept = std::mem::take(&mut *self.kept());
        let ended = kept.into_values().map(|Kept { handle, task }| async move {
            let _ = handle.ask(Trigger::Stop(Running::Stops)).await;
            task.await
        });
        if timeout(STOP_MAX, join_all(ended)).await.is_err() {
            tracing::warn!(
                "calls in flight did not end within {} s of the stop and were dropped; the next run looks at them",
                STOP_MAX.as_secs()
            );
        }
    }

    fn keep(&self, served: Served) {
        let name = served.name.clone();
        let kept = keep(served);
        (self.begun)(kept.handle.clone());
        self.kept().insert(name, kept);
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A keeper in a task of its own.
fn keep(served: Served) -> Kept {
    let (triggers, inbox) = mpsc::channel::<Asked>(TRIGGERS_MAX);
    let name: Arc<str> = served.name.as_str().into();
    let (keeper, view) = Keeper::new(served, inbox);
    let handle = Handle::new(name.clone(), triggers, view);
    let keeping = AbortOnDropHandle::new(tokio::spawn(keeper.run()));
    let task = tokio::spawn(async move {
        if let Err(error) = keeping.await {
            tracing::error!(bridge = &*name, %error, "no longer kept in step, by a mistake of the program; start it anew");
        }
    });
    Kept { handle, task: AbortOnDropHandle::new(task) }
}
