//! What every request of the Web API has in common: headers, encoding, names, JSON.
//!
//! Headers are those of every example on Microsoft's "Compose HTTP requests and handle errors" page.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use wire::{CallError, Replay, Request, Response};

/// The Web API's path below the environment's address. The version is frozen: Microsoft does not change 9.2 when 9.3 appears.
pub(crate) const ROOT: &str = "/api/data/v9.2";

/// The longest address that the service reads, in characters, leaving room for the environment's own part.
const PATH_MAX: usize = 32_768 - 512;

/// What stays as it is in a query's value. The apostrophe does not: some URL libraries encode it and some don't, so that we do.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b'$')
    .remove(b':')
    .remove(b'*');

/// A value of a query option, or a key's value in a path.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// A set's, table's or navigation's name as it goes into a path.
pub(crate) fn name(name: &str) -> Result<&str, CallError> {
    let good = !name.is_empty() && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if good { Ok(name) } else { Err(CallError::Unwritable(format!("{name:?} is not the name of a table, set or column"))) }
}

/// A request that only reads. `If-None-Match: null`, as in Microsoft's examples, keeps what stands between from answering out of a cache;
/// writes go without, because there any such header may be taken for a condition.
pub(crate) fn get(what: &'static str, path: String) -> Result<Request, CallError> {
    if path.len() > PATH_MAX {
        return Err(CallError::Unwritable(format!("an address of {} characters; the service reads {PATH_MAX}", path.len())));
    }
    Ok(dressed(Request::get(what, path)).header("if-none-match", "null"))
}

/// A request with a JSON body.
pub(crate) fn send(what: &'static str, method: Method, path: String, body: &impl Serialize, replay: Replay) -> Result<Request, CallError> {
    Ok(dressed(Request::json(what, method, path, body, replay)?).header("content-type", "application/json; charset=utf-8"))
}

/// A request without body that removes something; removing it twice leaves what removing it once did.
pub(crate) fn delete(what: &'static str, path: String) -> Request {
    let mut request = dressed(Request::get(what, path));
    request.method = Method::DELETE;
    request.timeout = std::time::Duration::from_secs(120);
    request
}

/// The headers that all requests carry; also those that follow a link.
pub(crate) fn dressed(request: Request) -> Request {
    request.header("accept", "application/json").header("odata-version", "4.0").header("odata-maxversion", "4.0")
}

/// Reads an answer's body.
pub(crate) fn read<T: DeserializeOwned>(response: &Response) -> Result<T, CallError> {
    serde_json::from_slice(&response.body).map_err(garbled)
}

/// Not what Microsoft documents. Only the place is told, because the text may hold personal data.
#[expect(clippy::needless_pass_by_value, reason = "reads well in map_err")]
pub(crate) fn garbled(error: serde_json::Error) -> CallError {
    CallError::Garbled(format!("unexpected JSON at line {} column {}", error.line(), error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_a_query() {
        assert_eq!(encoded("name eq 'O''Neil & Co+50%'"), "name%20eq%20%27O%27%27Neil%20%26%20Co%2B50%25%27");
        assert_eq!(encoded("fullname,$select=(a)"), "fullname,$select%3D(a)");
    }

    #[test]
    fn names_do_not_break_out_of_a_path() {
        assert!(name("leads").is_ok());
        for bad in ["", "leads?x", "../leads", "a/b", "a b", "leads(1)"] {
            assert!(matches!(name(bad), Err(CallError::Unwritable(_))), "{bad}");
        }
    }
}
