//! What can be seen of a bridge that is kept in step.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::{Timestamp, time::since};
use serde::Serialize;

use super::PassKind;
use crate::{
    bridge::Bridge,
    summary::{Outcome, Summary},
};

/// Where a bridge stands. What is kept of its passes is since the process began, but for what the last whole cycle came to.
#[derive(Debug, Clone)]
pub struct View {
    /// Whether it is open.
    pub phase: Phase,
    /// Since when it is paused.
    pub paused: Option<Timestamp>,
    /// Its passes.
    pub passes: BTreeMap<PassKind, Passes>,
}

/// Whether a bridge is open.
#[derive(Debug, Clone)]
pub enum Phase {
    /// It is being opened for the first time.
    Opening,
    /// It could not be opened, or could not go on; it is tried again.
    NotReady {
        /// Why.
        why: String,
    },
    /// It is open, and this process has its lease.
    Open(Arc<Bridge>),
    /// It takes nothing more, and ends.
    Ending,
}

/// How the last pass of a kind ended.
#[derive(Debug, Clone, Default)]
pub enum Last {
    /// None has ended.
    #[default]
    None,
    /// By a mistake of the program, so that nobody knows what it came to.
    Broken,
    /// It came to this.
    Ended(Arc<Summary>),
}

impl Last {
    /// What it came to, where that is known.
    #[must_use]
    pub fn summary(&self) -> Option<&Arc<Summary>> {
        match self {
            Self::Ended(summary) => Some(summary),
            Self::None | Self::Broken => None,
        }
    }
}

/// The passes of one kind.
#[derive(Debug, Clone, Default)]
pub struct Passes {
    /// Since when one is running.
    pub running: Option<Timestamp>,
    /// The last one; of whole cycles, the last since the bridge was opened.
    pub last: Last,
    /// The last one that nothing stopped.
    pub finished: Option<Arc<Summary>>,
    /// How many ended how.
    pub ended: BTreeMap<Outcome, u64>,
    /// How long all of them took.
    pub took: Duration,
}

impl View {
    pub(super) fn new() -> Self {
        let passes = PassKind::ALL.into_iter().map(|kind| (kind, Passes::default())).collect();
        Self { phase: Phase::Opening, paused: None, passes }
    }

    /// It is open. What a whole cycle came to before says nothing of it: it may have another configuration.
    pub(super) fn open(&mut self, bridge: Arc<Bridge>, paused: Option<Timestamp>) {
        (self.phase, self.paused) = (Phase::Open(bridge), paused);
        self.passes.entry(PassKind::Changes).or_default().last = Last::None;
    }

    /// The bridge, where it is open.
    #[must_use]
    pub fn bridge(&self) -> Option<&Arc<Bridge>> {
        match &self.phase {
            Phase::Open(bridge) => Some(bridge),
            Phase::Opening | Phase::NotReady { .. } | Phase::Ending => None,
        }
    }

    /// Why it doesn't do its work; none where it does: it is open and not paused, and the last whole cycle reached both sides.
    #[must_use]
    pub fn not_ready(&self) -> Option<NotReady> {
        let not = |code: &str, why: String| Some(NotReady { code: code.into(), why });
        match &self.phase {
            Phase::Opening => return not("opening", "it is being opened".into()),
            Phase::NotReady { why } => return not("not-open", why.clone()),
            Phase::Ending => return not("ending", "it ends after what is running".into()),
            Phase::Open(_) => {}
        }
        if let Some(since) = self.paused {
            return not(
                "paused",
                format!("it is paused since {} UTC; resume begins its passes again", since.strftime("%Y-%m-%d %H:%M:%S")),
            );
        }
        match self.passes.get(&PassKind::Changes).map(|cycles| &cycles.last) {
            None | Some(Last::None) => not("first-cycle", "the first whole cycle since it was opened hasn't ended".into()),
            Some(Last::Broken) => {
                not("failed", "the last whole cycle ended by a mistake of the program; the log says more, and it is tried again".into())
            }
            // The error's words may hold people's data.
            Some(Last::Ended(last)) => {
                not(&last.error.as_ref()?.code, "the last whole cycle was stopped by this; status --json shows all of it".into())
            }
        }
    }
}

/// Why a bridge doesn't do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotReady {
    /// A stable word: of the phase, `paused`, `first-cycle`, or the code of an error.
    pub code: String,
    /// The same for people.
    pub why: String,
}

impl Passes {
    /// Takes in a pass that ended; none when only that is known of it.
    pub(super) fn take(&mut self, summary: Option<Arc<Summary>>) {
        self.running = None;
        let Some(summary) = summary else {
            *self.ended.entry(Outcome::Stopped).or_default() += 1;
            self.last = Last::Broken;
            return;
        };
        *self.ended.entry(summary.outcome).or_default() += 1;
        self.took += since(summary.begun, summary.ended);
        if summary.outcome != Outcome::Stopped {
            self.finished = Some(summary.clone());
        }
        self.last = Last::Ended(summary);
    }
}
