//! What can be asked of a bridge that is kept in step, and what can be seen of it.
//!
//! The control socket, metrics and whatever else shows or steers a bridge has a [`Handle`] and nothing more.

use std::{fmt, sync::Arc};

use base::Timestamp;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use super::{PassKind, Served, View};
use crate::bridge::Bridge;

/// Something to be done with the open bridge, beside its passes. Whoever writes links takes [`Bridge::turn`] first.
pub type Work = Box<dyn FnOnce(Arc<Bridge>) -> BoxFuture<'static, ()> + Send>;

/// What becomes of the passes and works that are running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// They go on to their end, and only no other begins.
    Ends,
    /// Calls in flight end and are saved; the rest goes on another time.
    Stops,
}

/// Everything that can be asked of a bridge.
pub enum Trigger {
    /// A pass of this kind begins now; where one is running, right after it.
    Run(PassKind),
    /// No pass begins any more, also after a restart, until [`Trigger::Resume`].
    Pause(Running),
    /// Passes begin again; those that were missed at once.
    Resume,
    /// This is done with the open bridge.
    Work(Work),
    /// What is running ends, and then the bridge is opened anew, as this says.
    Become(Box<Served>),
    /// It ends.
    Stop(Running),
}

impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(kind) => write!(f, "Run({})", kind.name()),
            Self::Pause(running) => write!(f, "Pause({running:?})"),
            Self::Resume => f.write_str("Resume"),
            Self::Work(_) => f.write_str("Work"),
            Self::Become(served) => write!(f, "Become({served:?})"),
            Self::Stop(running) => write!(f, "Stop({running:?})"),
        }
    }
}

/// Why a trigger had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The bridge isn't open.
    #[error("the bridge is not open: {why}; run the command again in a while, and see the log of serve if it stays so")]
    NotOpen {
        /// Why not.
        why: String,
    },
    /// A pass was asked of a bridge that is paused.
    #[error("the bridge is paused since {} UTC; resume it first, or run one sync", since.strftime("%Y-%m-%d %H:%M"))]
    Paused {
        /// Since when.
        since: Timestamp,
    },
    /// The state could not be written.
    #[error("the state could not be written: {why}; nothing has changed. Mend that, and run the command again")]
    State {
        /// What it said.
        why: String,
    },
    /// It is no longer kept in step.
    #[error("the bridge is no longer kept in step by this process; run the command again, which is then done without it")]
    Ended,
}

/// A trigger, and where it is said what came of it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) trigger: Trigger,
    pub(super) answer: oneshot::Sender<Result<(), NotDone>>,
}

/// What steers one bridge, and shows it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    name: Arc<str>,
    triggers: mpsc::Sender<Asked>,
    view: watch::Receiver<View>,
}

impl Handle {
    pub(super) fn new(name: Arc<str>, triggers: mpsc::Sender<Asked>, view: watch::Receiver<View>) -> Self {
        Self { name, triggers, view }
    }

    /// The bridge's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks for something, and ends when it has been taken up.
    ///
    /// # Errors
    /// Why it has no effect.
    pub async fn ask(&self, trigger: Trigger) -> Result<(), NotDone> {
        let (answer, answered) = oneshot::channel();
        self.triggers.send(Asked { trigger, answer }).await.map_err(|_| NotDone::Ended)?;
        answered.await.unwrap_or(Err(NotDone::Ended))
    }

    /// Where it stands now.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Ends when `holds` is true of where it stands; false when it is no longer kept in step, and that never came.
    pub async fn until(&self, mut holds: impl FnMut(&View) -> bool + Send) -> bool {
        self.view.clone().wait_for(|view| holds(view)).await.is_ok()
    }
}
