//! The vendor's limits on one call, and how large a record is in a body.
//!
//! Sources: Adobe's "Lead database", "Leads", "Activities" and "Error codes" pages.

use wire::{CallError, Class, Refusal, Request};

use crate::Record;

/// Records in one write or delete ("Lead database": 300).
pub const RECORDS_MAX: usize = 300;

/// Values of one filter ("Lead database": 300).
pub const FILTER_VALUES_MAX: usize = 300;

/// Rows on one page; also the vendor's own default.
pub const PAGE_ROWS_MAX: usize = 300;

/// Leads that one filter query may match altogether ("Leads": more are refused with 1003).
pub const MATCHES_MAX: usize = 1000;

/// Body of a call in bytes ("Error codes": over 1 MB is HTTP 413). Counted in the smaller kind of megabyte, to be safe.
pub const BODY_MAX_BYTES: usize = 1_000_000;

/// File of a bulk import in bytes ("Bulk lead import": under 10 MB), with room for the parts around it.
pub const IMPORT_MAX_BYTES: usize = 9_990_000;

/// Address with its query in bytes: the vendor refuses over 8 KB with HTTP 414; this leaves room for host and scheme.
pub const ADDRESS_MAX_BYTES: usize = 7_000;

/// Activity types of one query ("Activities": 10).
pub const ACTIVITY_TYPES_MAX: usize = 10;

/// Leads of one query of activities (Adobe's OpenAPI file: 30).
pub const ACTIVITY_LEADS_MAX: usize = 30;

/// Losers of one merge ("Leads": 25 since March 2026).
pub const LOSERS_MAX: usize = 25;

/// What a body holds around its records at most, in bytes.
pub const BODY_FRAME_BYTES: usize = 1_000;

/// How many bytes a record takes in a body, with the comma after it.
#[must_use]
pub fn encoded_len(record: &Record) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(1);
    match serde_json::to_writer(&mut count, record) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

/// Refuses a number of things that the vendor would refuse, without spending a call on it.
pub(crate) fn check(what: &str, number: usize, max: usize) -> Result<(), CallError> {
    if number == 0 || number > max {
        return Err(CallError::Unwritable(format!("{number} {what} in one call; Marketo takes 1 to {max}")));
    }
    Ok(())
}

/// Lets a request through unless its body is over the vendor's limit; then it is the refusal that the vendor would send.
pub(crate) fn fitting(request: Request, max: usize) -> Result<Request, CallError> {
    if request.body.len() <= max {
        return Ok(request);
    }
    let message = format!("a body of {} bytes; Marketo takes {max}", request.body.len());
    Err(Refusal { status: 413, code: "413".into(), message, class: Class::Split, wait: None, request_id: None }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_long_as_it_is_written() {
        let record: Record = serde_json::from_str(r#"{"a":"Zoë\n","b":null,"c":1.5}"#).unwrap();
        assert_eq!(encoded_len(&record), serde_json::to_string(&record).unwrap().len() + 1);
    }
}
