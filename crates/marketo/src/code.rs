//! What each of the vendor's error codes means for us: one table, read once.
//!
//! Codes, meanings and advice are those of Adobe's "Error codes" page; where that page says "retry" without saying whether the failed
//! call may have been carried out, we say [`Class::Doubtful`].

use std::time::Duration;

use wire::Class;

/// Adobe's rate window: after "too fast" a full window is waited, because nobody documents whether refused calls prolong it.
const RATE_WAIT: Duration = Duration::from_secs(20);

/// After "too many at once": those in flight end within a moment.
const CONCURRENCY_WAIT: Duration = Duration::from_secs(2);

/// When a queue of jobs is full: jobs take minutes.
const QUEUE_WAIT: Duration = Duration::from_secs(60);

/// The server ran out of time; Adobe advises to ask for less.
pub const TIMED_OUT: &str = "604";
/// Nothing found: for a query that is an empty result.
pub const NOTHING_FOUND: &str = "702";
/// Data that don't fit the endpoint; of a query, also too many matches.
pub const INVALID_DATA: &str = "1003";
/// A record skipped because there is no such lead; after a delete, the lead was gone already.
pub const LEAD_NOT_FOUND: &str = "1004";
/// A record skipped because the lead is there already.
pub const LEAD_EXISTS: &str = "1005";
/// Several leads match one key.
pub const SEVERAL_LEADS: &str = "1007";
/// A record skipped because there is no such object; after a delete, it was gone already.
pub const OBJECT_NOT_FOUND: &str = "1013";
/// A record skipped because the object is there already.
pub const OBJECT_EXISTS: &str = "1017";
/// The native CRM integration is on: this instance refuses writes of these objects.
pub const NATIVE_CRM: &str = "1018";
/// Company fields may not be changed through a lead.
pub const COMPANY_FIELDS: &str = "1021";
/// A delete refused because something refers to the record.
pub const IN_USE: &str = "1022";
/// An opportunity names a sales person that is not there.
pub const UNKNOWN_SALES_PERSON: &str = "718";
/// Jobs of the bulk interfaces: three meanings, told apart only by their text.
pub const JOBS: &str = "1029";

/// What kind of refusal a code is, and how long to wait when the vendor says so. `message` decides where a code has several meanings.
#[must_use]
pub fn meaning(code: &str, message: &str) -> (Class, Option<Duration>) {
    let Ok(number) = code.trim().parse::<u32>() else { return (Class::Doubtful, None) };
    match number {
        600..=602 => (Class::Auth, None),
        603 | 616 | 703 | 1006 | 1008 | 1009 | 1011 | 1018 | 1035 => (Class::Config, None),
        604 | 611 | 500..=599 => (Class::Doubtful, None),
        606 => (Class::Throttled, Some(RATE_WAIT)),
        615 => (Class::Crowded, Some(CONCURRENCY_WAIT)),
        607 => (Class::Quota, None),
        413 | 414 | 1080 => (Class::Split, None),
        429 => (Class::Throttled, None),
        605 | 609 | 610 | 612 | 613 | 704 | 1002 => (Class::Bug, None),
        1003 if is_too_much(message) => (Class::Split, None),
        1004 | 1013 => (Class::Missing, None),
        1016 | 1019 => (Class::Transient, Some(QUEUE_WAIT)),
        1029 if is_export_quota(message) => (Class::Quota, None),
        1029 => (Class::Transient, Some(QUEUE_WAIT)),
        1014 => (Class::Transient, None),
        701 | 702 | 709..=712 | 714 | 718 | 719 => (Class::Record, None),
        617..=799 | 608 | 614 => (Class::Transient, None),
        _ => (Class::Record, None),
    }
}

/// Whether an answer to "enqueue this job" says that it is queued already, which is what was wanted.
#[must_use]
pub fn is_already_queued(code: &str, message: &str) -> bool {
    code == JOBS && message.to_ascii_lowercase().contains("already")
}

/// 1003 also means "too many results match the filter" and "too many records".
fn is_too_much(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    ["too many", "too large", "exceed", "maximum", "more than"].iter().any(|words| text.contains(words))
}

/// 1029 also means that the day's volume of exports is used up. It stops exports only, not calls.
fn is_export_quota(message: &str) -> bool {
    message.to_ascii_lowercase().contains("quota")
}

/// How much a class forbids: of several errors in one answer the highest counts.
pub(crate) const fn weight(class: Class) -> u8 {
    match class {
        Class::Config => 9,
        Class::Quota => 8,
        Class::Auth => 7,
        Class::Bug => 6,
        Class::Doubtful => 5,
        Class::Throttled | Class::Crowded => 4,
        Class::Transient => 3,
        Class::Split => 2,
        Class::Record => 1,
        Class::Missing => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_with_several_meanings_are_told_apart_by_their_text() {
        assert_eq!(meaning("1003", "Too many results match the filter").0, Class::Split);
        assert_eq!(meaning("1003", "Value for field 'x' is not updateable").0, Class::Record);
        assert_eq!(meaning("1029", "Export daily quota 500MB exceeded."), (Class::Quota, None));
        assert_eq!(meaning("1029", "Too many jobs (10) in queue"), (Class::Transient, Some(QUEUE_WAIT)));
        assert!(is_already_queued("1029", "Job already queued"));
    }

    #[test]
    fn unknown_codes_follow_their_hundred() {
        assert_eq!(meaning("699", "").0, Class::Transient);
        assert_eq!(meaning("777", "").0, Class::Transient);
        assert_eq!(meaning("1099", "").0, Class::Record);
        assert_eq!(meaning("E_ODD", "").0, Class::Doubtful);
    }
}
