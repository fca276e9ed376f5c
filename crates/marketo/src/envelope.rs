//! The frame around every answer but those of identity and of files.
//!
//! Adobe's "REST API" page documents `requestId`, `success`, `result`, `errors`, `warnings`, `nextPageToken` and `moreResult`. `result`
//! can be absent on success; codes are texts there and numbers here; warnings are objects or plain texts. Members we don't know are
//! ignored.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use wire::{CallError, Response};

use crate::{Page, PageToken, code};

/// An answer's frame around rows of type `T`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// The vendor's id of the request, for its support.
    #[serde(default, deserialize_with = "text")]
    pub request_id: Option<String>,
    /// Whether the call as a whole was carried out; `None` in what is no envelope.
    #[serde(default)]
    pub success: Option<bool>,
    /// The rows; absent on failure and sometimes when there are none.
    #[serde(default = "Option::default")]
    pub result: Option<T>,
    /// Why it was not carried out.
    #[serde(default, deserialize_with = "nullable")]
    pub errors: Vec<ErrorItem>,
    /// Objects or plain texts.
    #[serde(default, deserialize_with = "one_or_many")]
    pub warnings: Vec<Value>,
    /// Where the next page begins.
    #[serde(default, deserialize_with = "text")]
    pub next_page_token: Option<String>,
    /// Whether there is a next page; not sent everywhere.
    #[serde(default)]
    pub more_result: Option<bool>,
}

/// One error of an envelope.
#[derive(Debug, Clone, Deserialize)]
pub struct ErrorItem {
    /// The code: documented as text, tolerated as a number.
    #[serde(default, deserialize_with = "text")]
    pub code: Option<String>,
    /// The message.
    #[serde(default, deserialize_with = "text")]
    pub message: Option<String>,
}

impl ErrorItem {
    /// The code, without blanks; empty when there is none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default().trim()
    }

    /// The message; empty when there is none.
    #[must_use]
    pub fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }
}

impl<T: DeserializeOwned> Envelope<T> {
    /// Reads an answer's frame.
    ///
    /// # Errors
    /// [`CallError::Garbled`] when it is none.
    pub fn read(response: &Response) -> Result<Self, CallError> {
        serde_json::from_slice(&response.body).map_err(|e| garbled(&e))
    }
}

impl<T> Envelope<T> {
    /// Whether it says "nothing found", which is an empty result.
    #[must_use]
    pub fn is_nothing_found(&self) -> bool {
        self.success == Some(false) && !self.errors.is_empty() && self.errors.iter().all(|error| error.code() == code::NOTHING_FOUND)
    }
}

impl<T> Envelope<Vec<T>> {
    /// Its rows and where the next page begins.
    ///
    /// A listing ends with its token. An empty page ends it too, as the vendor's own clients have it, unless it says that there is more.
    #[must_use]
    pub fn into_page(self) -> Page<T> {
        let rows = self.result.unwrap_or_default();
        let next = self.next_page_token.and_then(PageToken::new).filter(|_| !rows.is_empty() || self.more_result == Some(true));
        Page { rows, next }
    }
}

/// The rows of an answer.
///
/// # Errors
/// [`CallError::Garbled`] when it isn't an envelope around such rows.
pub fn rows<T: DeserializeOwned>(response: &Response) -> Result<Vec<T>, CallError> {
    Ok(Envelope::<Vec<T>>::read(response)?.result.unwrap_or_default())
}

/// The only row of an answer.
///
/// # Errors
/// [`CallError::Garbled`] when it has no row of that shape.
pub fn row<T: DeserializeOwned>(response: &Response) -> Result<T, CallError> {
    rows(response)?.into_iter().next().ok_or_else(|| CallError::Garbled("an answer without its only row".into()))
}

/// What serde says of an answer. Its text names places and types, not the values, except for texts it did not expect; those are cut.
pub(crate) fn garbled(error: &serde_json::Error) -> CallError {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data => "a member has another type than documented",
        serde_json::error::Category::Io => "it could not be read",
    };
    CallError::Garbled(format!("{kind} (line {}, column {})", error.line(), error.column()))
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Null => None,
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Some(other.to_string()),
    })
}

/// For serde: a list that may be null.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// For serde: what is documented as a list and may be a single value.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(values) => values,
        Value::Null => Vec::new(),
        one @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => vec![one],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::test::answer;

    #[test]
    fn codes_may_be_numbers_warnings_texts_and_lists_null() {
        let body = r#"{"requestId":"a#1","success":false,"errors":[{"code":604,"message":null}],"warnings":["old",{"code":1,"message":"m"}],"result":null,"new":{}}"#;
        let envelope = Envelope::<Vec<Value>>::read(&answer(body)).unwrap();
        assert_eq!((envelope.errors[0].code(), envelope.warnings.len()), ("604", 2));
        assert!(Envelope::<Vec<Value>>::read(&answer(r#"{"success":true,"errors":null,"warnings":null}"#)).unwrap().result.is_none());
        let odd = Envelope::<Vec<Value>>::read(&answer(r#"{"success":true,"warnings":"old","nextPageToken":7}"#)).unwrap();
        assert_eq!((odd.warnings.len(), odd.next_page_token.as_deref()), (1, Some("7")));
    }

    #[test]
    fn a_page_ends_with_its_token_or_when_it_is_empty_without_more() {
        let page = |body: &str| Envelope::<Vec<i64>>::read(&answer(body)).unwrap().into_page();
        assert!(page(r#"{"success":true,"result":[1],"nextPageToken":"T=="}"#).next.is_some());
        assert!(page(r#"{"success":true,"result":[1],"nextPageToken":""}"#).next.is_none());
        assert!(page(r#"{"success":true,"result":[],"nextPageToken":"T"}"#).next.is_none());
        assert!(page(r#"{"success":true,"result":[],"nextPageToken":"T","moreResult":true}"#).next.is_some());
    }
}
