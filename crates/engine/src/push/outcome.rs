//! What a call that failed as a whole means for the records in it, and when a kind of call is given up.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use wire::{CallError, Class};

use crate::error::{Side, SyncError};

/// Whole calls of one kind that may be refused in a row while none has got through in this cycle: enough to find out whether it is the
/// records, and far fewer than it would take to try each on its own.
const REFUSALS_MAX: u32 = 30;

/// The same once some have got through: bad records that stand side by side are all found.
const REFUSALS_BETWEEN_MAX: u32 = 300;

/// Calls of one kind that may be refused in a row as wrong requests: that is hardly ever due to a record.
const BUGS_MAX: u32 = 3;

/// Calls of one kind that may remain without answer in a row.
const SILENCES_MAX: u32 = 8;

/// What to do with a batch whose call failed.
#[derive(Debug)]
pub(super) enum Whole {
    /// Send its halves: one record spoils it, or it is too big. A single record has failed with these words.
    Halve(Failure),
    /// Nobody knows what was done: look. Where Marketo answered, its words; then one of the records may be to blame.
    LookAgain(Option<Failure>),
    /// Nothing more can be sent now.
    Stop(SyncError),
}

/// Why Marketo didn't do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Its code.
    pub(super) code: String,
    /// Its words.
    pub(super) message: String,
    /// Whether it will be the same until something changes. Otherwise Marketo blames itself.
    pub(super) lasting: bool,
    /// Whether nothing else of its kind got through in this cycle: then it says nothing about this record.
    pub(super) alone: bool,
}

/// Counts failures in a row of one kind of call. A refusal of one record's data can come for a whole call, so that batches are taken
/// apart; when nothing at all gets through any more, the fault is not in the records.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    any_success: AtomicBool,
}

impl Breaker {
    /// Something got through.
    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.any_success.store(true, Ordering::Relaxed);
    }

    /// Whether anything has got through in this cycle.
    pub(super) fn any_success(&self) -> bool {
        self.any_success.load(Ordering::Relaxed)
    }

    /// One more failed; whether that is enough.
    fn failed(&self, max: u32) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= max
    }
}

/// Decides it. `replayable` says whether the same call may be made twice.
///
/// A refusal of one record's data can come for the whole call (718 of an opportunity's owner, 1003), as can one for its size, and a
/// system error may be due to one record (611): halving isolates them all. Halves of what can't be repeated are only sent once it is
/// known what the whole did.
pub(super) fn judge(error: CallError, replayable: bool, breaker: &Breaker) -> Whole {
    let answered = error.is_answered_in_doubt();
    let refusals_max = if breaker.any_success() { REFUSALS_BETWEEN_MAX } else { REFUSALS_MAX };
    let failure = |lasting| Failure::of(&error, lasting, breaker);
    let (whole, failures_max) = match error.class() {
        Some(Class::Bug) => (Whole::Halve(failure(true)), BUGS_MAX),
        Some(Class::Record | Class::Split | Class::Missing) => (Whole::Halve(failure(true)), refusals_max),
        Some(Class::Doubtful) if answered && replayable => (Whole::Halve(failure(false)), refusals_max),
        Some(Class::Doubtful) if answered => (Whole::LookAgain(Some(failure(false))), refusals_max),
        Some(Class::Doubtful) | None if !replayable && error.may_have_acted() => (Whole::LookAgain(None), SILENCES_MAX),
        Some(Class::Auth | Class::Transient | Class::Doubtful | Class::Throttled | Class::Crowded | Class::Quota | Class::Config)
        | None => {
            return Whole::Stop(SyncError::of_call(Side::Marketo, error));
        }
    };
    if breaker.failed(failures_max) { Whole::Stop(SyncError::of_call(Side::Marketo, error)) } else { whole }
}

impl Failure {
    fn of(error: &CallError, lasting: bool, breaker: &Breaker) -> Self {
        let code = if error.code().is_empty() { "refused" } else { error.code() };
        let message = error.refusal().map_or_else(|| error.to_string(), |refusal| refusal.message.clone());
        Self { code: code.to_owned(), message, lasting, alone: !breaker.any_success() }
    }
}
