//! What a call that failed as a whole means for the records in it.

use wire::{CallError, Class};

use crate::error::{Side, SyncError};

/// Marketo's server-side time-out (Adobe, "Error codes").
const TIMED_OUT: &str = "604";

/// What to do with a batch whose call failed.
#[derive(Debug)]
pub(super) enum Whole {
    /// Send its halves: one record spoils it, or it is too big. A single record is held with the refusal.
    Halve,
    /// Nobody knows what was done: look.
    LookAgain,
    /// Nothing more can be sent now.
    Stop(SyncError),
}

/// Decides it.
///
/// A refusal of one record's data can come for the whole call (718 of an opportunity's owner, 1003), as can one for its size, and a
/// system error may be due to one record (611): halving isolates them all.
pub(super) fn judge(error: CallError, replayable: bool) -> Whole {
    match error.class() {
        Some(Class::Record | Class::Split | Class::Missing) => Whole::Halve,
        Some(Class::Bug) => Whole::Halve,
        Some(Class::Doubtful) if error.refusal().is_some_and(|refusal| refusal.status < 400) => {
            // After a time-out a creating call may still be at work; after any other it is over, and what it did answers 1005 next time.
            if replayable || error.code() != TIMED_OUT { Whole::Halve } else { Whole::LookAgain }
        }
        Some(Class::Doubtful) | None if !replayable && may_have_acted(&error) => Whole::LookAgain,
        Some(Class::Auth | Class::Transient | Class::Doubtful | Class::Throttled | Class::Quota | Class::Config) | None => {
            Whole::Stop(SyncError::of_call(Side::Marketo, error))
        }
    }
}

fn may_have_acted(error: &CallError) -> bool {
    match error {
        CallError::Unanswered(_) | CallError::Garbled(_) => true,
        CallError::Refused(refusal) => refusal.class == Class::Doubtful,
        CallError::Unsent(_) | CallError::Unwritable(_) | CallError::OverCap { .. } | CallError::Stopped => false,
    }
}
