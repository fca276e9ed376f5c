//! What a pass does with what it would write: writes it, only notes it, or writes it if it was planned.

use std::sync::Arc;

use base::RecordId;
use serde_json::{Map, Value};

use super::{approval::Approval, asks::Asks, rehearsal::Rehearsal};
use crate::marketo::Verdict;

/// How free a pass is.
#[derive(Debug, Clone, Default)]
pub(crate) enum Hand {
    /// It writes what has to be written.
    #[default]
    Free,
    /// It writes nothing, and notes what it would have written.
    Rehearsing(Arc<Rehearsal>),
    /// It writes what a plan says and leaves everything else.
    Bound(Arc<Approval>),
}

impl Hand {
    /// Whether nothing is noted and nothing left out.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self, Self::Free)
    }

    /// Whether somebody may be created for the outbox record with this key.
    pub(crate) fn may_create(&self, key: &[u8]) -> bool {
        match self {
            Self::Free | Self::Rehearsing(_) => true,
            Self::Bound(approval) => approval.may_create(key),
        }
    }

    /// Whether this may be written for the outbox record with this key.
    pub(crate) fn may_write(&self, key: &[u8], asks: impl FnOnce() -> Asks) -> bool {
        match self {
            Self::Free | Self::Rehearsing(_) => true,
            Self::Bound(approval) => approval.may_write(key, &asks()),
        }
    }

    /// It was written.
    pub(crate) fn has_written(&self, key: &[u8], asks: impl FnOnce() -> Asks, verdict: &Verdict) {
        match self {
            Self::Free => {}
            Self::Rehearsing(rehearsal) => rehearsal.notes(key, &asks(), verdict),
            Self::Bound(approval) => approval.has_written(key, &asks(), verdict),
        }
    }

    /// Whether these columns of a row may be written.
    pub(crate) fn may_write_row(&self, record: RecordId, columns: &Map<String, Value>) -> bool {
        match self {
            Self::Free | Self::Rehearsing(_) => true,
            Self::Bound(approval) => approval.may_write_row(record, columns),
        }
    }

    /// A row was written.
    pub(crate) fn has_written_row(&self, record: RecordId, columns: &Map<String, Value>) {
        match self {
            Self::Free => {}
            Self::Rehearsing(rehearsal) => rehearsal.notes_row(record, columns),
            Self::Bound(approval) => approval.has_written_row(record),
        }
    }
}
