//! What is left of a record before its row is read: an entry of the outbox, or the memory of one that somebody has dismissed.

use planner::FingerprintKey;
use store::{
    Batch,
    record::{Fact, Json, Link, Outbox},
};

use crate::held::Dismissal;

/// What is left of a record.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// What is asked for it.
    pub(super) entry: Option<Outbox>,
    /// What was asked for it and has been dismissed.
    pub(super) dismissed: Option<Dismissal>,
}

impl Left {
    /// Whether all that would be asked for is what has been dismissed: it stays so. What is in the outbox never is.
    pub(super) fn is_dismissed(&self, asked: &Json, link: &Link, key: FingerprintKey) -> bool {
        self.entry.is_none() && self.dismissed.as_ref().is_some_and(|dismissed| dismissed.is_about(asked, link.is_confirmed(), key))
    }

    /// What was dismissed isn't what would be asked for now, or nothing is asked for any more: that is over.
    pub(super) fn is_another_question(&mut self, batch: &mut Batch) {
        if let Some(dismissed) = self.dismissed.take() {
            batch.remove::<Fact>(dismissed.key());
        }
    }

    /// The entry, where it isn't dismissed.
    pub(super) fn asked_anew(mut self, batch: &mut Batch) -> Option<Outbox> {
        self.is_another_question(batch);
        self.entry
    }
}
