//! Who goes first when calls have to wait.

use std::collections::BTreeSet;

/// What a call is for. Where calls wait, those of an earlier lane go before all others, whenever they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Lane {
    /// What somebody waits for right now.
    Urgent,
    /// What has changed today.
    #[default]
    Changes,
    /// What can wait until nothing else has to be called.
    Spare,
}

/// A place in the queue.
pub(super) type Ticket = (Lane, u64);

/// Those who wait: by lane, then in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeSet<Ticket>,
    next: u64,
}

impl Queue {
    /// Takes a place.
    pub(super) fn join(&mut self, lane: Lane) -> Ticket {
        let ticket = (lane, self.next);
        self.next += 1;
        self.waiting.insert(ticket);
        ticket
    }

    /// Whether nobody goes before.
    pub(super) fn is_first(&self, ticket: Ticket) -> bool {
        self.waiting.first() == Some(&ticket)
    }

    /// Gives a place up, or has had it.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }
}
