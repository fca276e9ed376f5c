//! What each user of a gate has of its own: its counts, its budget, and where its starts are noted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::time::Instant;

use super::{Budget, Journal, State, window::Window};
use crate::error::CallError;

/// The number of a user of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShareId(pub(super) u64);

/// A share for as long as somebody has it: bridges are opened again and again, and their gate stays.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: ShareId,
    gate: Weak<Mutex<State>>,
}

impl Held {
    pub(super) fn new(id: ShareId, gate: &Arc<Mutex<State>>) -> Arc<Self> {
        Arc::new(Self { id, gate: Arc::downgrade(gate) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(gate) = self.gate.upgrade() else { return };
        let gone = gate.lock().unwrap_or_else(PoisonError::into_inner).shares.remove(&self.id);
        // Only now, when the gate isn't locked: a journal may be anything.
        drop(gone);
    }
}

/// What became of a call, as far as it is seen from the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// It was answered.
    Answered,
    /// It was answered with a refusal.
    Refused,
    /// Nothing was answered that could be understood, or nothing at all.
    Failed,
}

impl Ended {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of<T>(answer: &Result<T, CallError>) -> Self {
        match answer {
            Ok(_) => Self::Answered,
            Err(CallError::Refused(_)) => Self::Refused,
            Err(
                CallError::Unsent(_)
                | CallError::Unanswered(_)
                | CallError::Garbled(_)
                | CallError::Unwritable(_)
                | CallError::OverCap { .. }
                | CallError::Closed { .. }
                | CallError::Stopped,
            ) => Self::Failed,
        }
    }
}

/// One user of a gate.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Its own starts.
    pub(super) starts: Window,
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) ended: BTreeMap<(&'static str, Ended), u64>,
    pub(super) budget: Option<Budget>,
    pub(super) journal: Option<Arc<dyn Journal>>,
    /// Starts that are noted ahead and have not happened.
    pub(super) noted: usize,
}

impl Share {
    /// Counts a start.
    pub(super) fn start(&mut self, at: Instant, keep: Option<usize>, name: &'static str) {
        if let Some(keep) = keep {
            self.starts.record(at, keep);
        }
        if let Some(budget) = &mut self.budget {
            budget.left = budget.left.saturating_sub(1);
        }
        *self.counts.entry(name).or_default() += 1;
        self.noted = self.noted.saturating_sub(1);
    }

    /// Ages of its starts that are younger than `span`, the oldest first.
    pub(super) fn recent(&self, now: Instant, span: Duration) -> Vec<Duration> {
        self.starts.recent(now, span).collect()
    }
}
