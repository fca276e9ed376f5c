//! The vendor's error codes that change what a caller does, each with its name in Microsoft's "Web service error codes" page.
//!
//! Codes are compared as numbers, because the service writes them in either case.

use wire::CallError;

use crate::fault::parse;

/// ExpiredVersionStamp: the delta token is older than the retention, or otherwise stale.
pub const EXPIRED_VERSION_STAMP: u32 = 0x8004_4352;
/// SqlError: two requests touched the same rows at once. Nothing was done.
pub const SQL_DEADLOCK: u32 = 0x8004_4150;
/// SqlTimeout. Nothing was done.
pub const SQL_TIMEOUT: u32 = 0x8004_4151;
/// ObjectDoesNotExist.
pub const DOES_NOT_EXIST: u32 = 0x8004_0217;
/// DuplicateRecord: the primary key is taken.
pub const DUPLICATE_KEY: u32 = 0x8004_0237;
/// DuplicateRecordEntityKey: an alternate key's value is taken.
pub const DUPLICATE_ALTERNATE_KEY: u32 = 0x8006_0892;
/// DuplicateRecordsFound: a duplicate-detection rule, which only runs on request.
pub const DUPLICATE_RULE: u32 = 0x8004_0333;
/// ConcurrencyVersionMismatch.
pub const VERSION_MISMATCH: u32 = 0x8006_0882;
/// The generic code of a query or a payload that OData can't use.
pub const ODATA_QUERY: u32 = 0x8006_0888;
/// The generic code of a resource that OData doesn't know.
pub const ODATA_RESOURCE: u32 = 0x8006_088a;
/// A payload that can't be parsed: a wrong navigation name, a wrong JSON type, an unknown property.
pub const PAYLOAD: u32 = 0x8004_8d19;
/// Not a member of the organization: the token is good, but there is no application user.
pub const NOT_A_MEMBER: u32 = 0x8007_2560;
/// InvalidArgument; also what writes to a closed row are refused with.
pub const INVALID_ARGUMENT: u32 = 0x8004_0203;
/// StringLengthTooLong.
pub const TEXT_TOO_LONG: u32 = 0x8004_4331;

/// The refusal's code as a number.
#[must_use]
pub fn code_of(error: &CallError) -> Option<u32> {
    parse(error.code())
}

/// The delta link is no longer good: everything has to be read again.
///
/// The status that goes with the code is not documented, so that any will do; the text is the one Microsoft's page prints.
#[must_use]
pub fn is_expired_delta(error: &CallError) -> bool {
    let Some(refusal) = error.refusal() else { return false };
    code_of(error) == Some(EXPIRED_VERSION_STAMP) || refusal.message.to_ascii_lowercase().contains("full sync")
}

/// The table's changes are not tracked. Code and text are not documented: any 4xx that speaks of change tracking, except the one that only
/// says which query options don't go with it.
#[must_use]
pub fn is_not_tracked(error: &CallError) -> bool {
    let Some(refusal) = error.refusal() else { return false };
    let message = refusal.message.to_ascii_lowercase();
    let letters: String = message.chars().filter(char::is_ascii_alphabetic).collect();
    (400..500).contains(&refusal.status)
        && (letters.contains("changetracking") || letters.contains("trackchanges") || letters.contains("changesarenottracked"))
        && !message.contains("query parameter")
        && !is_expired_delta(error)
}

/// The key of a row to be created is taken: after a create that carried its own key, the row is there.
#[must_use]
pub fn is_duplicate_key(error: &CallError) -> bool {
    matches!(code_of(error), Some(DUPLICATE_KEY | DUPLICATE_ALTERNATE_KEY))
        || error.refusal().is_some_and(|refusal| {
            let message = refusal.message.to_ascii_lowercase();
            refusal.status == 412 && (message.contains("duplicate key") || message.contains("matching key values already exists"))
        })
}

/// Two requests touched the same rows at once, or the database took too long. Nothing was done; smaller requests may get through.
#[must_use]
pub fn is_sql_conflict(error: &CallError) -> bool {
    matches!(code_of(error), Some(SQL_DEADLOCK | SQL_TIMEOUT))
}

/// The row was changed since the version that the write named.
#[must_use]
pub fn is_stale_version(error: &CallError) -> bool {
    code_of(error) == Some(VERSION_MISMATCH)
}

/// The row is closed and can't be written: a qualified or disqualified lead, a won or lost opportunity. Code and text are not documented;
/// the words are those of the vendor's tables' reference pages.
#[must_use]
pub fn is_closed(error: &CallError) -> bool {
    error.refusal().is_some_and(|refusal| {
        let message = refusal.message.to_ascii_lowercase();
        let mut words = message.split(|c: char| !c.is_alphanumeric() && c != '_');
        let says =
            message.contains("read-only") || message.contains("read only") || words.any(|word| matches!(word, "closed" | "inactive"));
        (400..500).contains(&refusal.status) && says
    })
}

#[cfg(test)]
mod tests {
    use wire::{Class, Refusal};

    use super::*;

    fn refused(status: u16, code: &str, message: &str) -> CallError {
        Refusal { status, code: code.into(), message: message.into(), class: Class::Record, wait: None, request_id: None }.into()
    }

    #[test]
    fn an_expired_token_shows_by_code_or_text() {
        assert!(is_expired_delta(&refused(400, "0x80044352", "")));
        assert!(is_expired_delta(&refused(500, "0X80044352", "")));
        let text = "Version stamp associated with the client has expired. Please perform a full sync.";
        assert!(is_expired_delta(&refused(410, "", text)));
        assert!(!is_expired_delta(&refused(400, "0x80060888", "bad token")));
        assert!(!is_expired_delta(&CallError::Stopped));
    }

    #[test]
    fn an_untracked_table_is_no_wrong_option() {
        assert!(is_not_tracked(&refused(400, "0x80060888", "Change tracking is not enabled for entity 'connection'.")));
        assert!(is_not_tracked(&refused(404, "", "change-tracking is off")));
        let option = r#"The "$filter" query parameter isn't supported when Change Tracking is enabled."#;
        assert!(!is_not_tracked(&refused(400, "0x80060888", option)));
        assert!(!is_not_tracked(&refused(500, "", "change tracking")));
    }

    #[test]
    fn a_closed_row_is_not_a_column_named_like_it() {
        assert!(is_closed(&refused(400, "0x80040203", "The lead is closed and can't be updated.")));
        assert!(is_closed(&refused(403, "", "Entity lead is read-only in this state")));
        assert!(!is_closed(&refused(400, "0x80044331", "The 'estimatedclosedate' attribute is out of range.")));
    }

    #[test]
    fn a_taken_key_shows_by_code_or_text() {
        assert!(is_duplicate_key(&refused(412, "0x80040237", "")));
        assert!(is_duplicate_key(&refused(412, "", "Cannot insert duplicate key.")));
        assert!(is_duplicate_key(&refused(412, "", "A record with matching key values already exists.")));
        assert!(!is_duplicate_key(&refused(412, "0x80060882", "version")));
        assert!(is_stale_version(&refused(412, "0x80060882", "version")));
    }
}
