//! The envelope around every answer, and the errors inside it.

use base::Timestamp;
use bytes::Bytes;
use emulator::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{options::Options, schema::Field, shape::code};

/// Media type of every JSON answer.
pub(crate) const JSON: &str = "application/json;charset=UTF-8";

/// Why a request failed, or why a record was skipped: a code as text and a message for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Reason {
    pub code: String,
    pub message: String,
}

impl Reason {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// The code with the text the vendor's page gives for it.
    pub(crate) fn of(code: &str) -> Self {
        Self::new(code, text_of(code))
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new("1002", format!("Missing value for required parameter '{parameter}'"))
    }

    pub(crate) fn no_field(name: &str) -> Self {
        Self::new("1006", format!("Field '{name}' not found"))
    }

    pub(crate) fn unsupported(name: &str) -> Self {
        Self::new("1011", format!("Field '{name}' is not supported for this operation"))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("1003", message)
    }

    pub(crate) fn no_lead(id: impl std::fmt::Display) -> Self {
        Self::new("1004", format!("Lead '{id}' not found"))
    }

    pub(crate) fn wrong_type(value: &Value, field: &Field) -> Self {
        Self::new(
            "1001",
            format!("Invalid value '{}' for field '{}'. Required of type '{}'", shown(value), field.name, field.data_type.name()),
        )
    }

    /// The record-level result that carries this reason.
    pub(crate) fn skipped(&self) -> Map<String, Value> {
        let mut result = Map::new();
        result.insert("status".into(), json!("skipped"));
        result.insert("reasons".into(), json!([self]));
        result
    }
}

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(64).collect()
}

/// What went right, before it is put into the envelope.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub result: Option<Vec<Value>>,
    pub next: Option<String>,
    pub more: Option<bool>,
    pub warnings: Vec<Value>,
}

impl Reply {
    pub(crate) fn of(result: Vec<Value>) -> Self {
        Self { result: Some(result), ..Self::default() }
    }

    pub(crate) fn one(result: Value) -> Self {
        Self::of(vec![result])
    }
}

/// What an endpoint gives back.
pub(crate) enum Outcome {
    /// An envelope with `success: true`.
    Reply(Reply),
    /// Anything else, such as a file.
    Raw(Response),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// Every endpoint's return type; an `Err` is the one error of a failed response.
pub(crate) type Answer = Result<Outcome, Reason>;

/// A request id as the vendor makes them: two hexadecimal numbers, the second of which is the time in milliseconds.
pub(crate) fn request_id(serial: u64, now: Timestamp) -> String {
    let scattered = (serial.wrapping_mul(40_503) ^ 0x9c1f) & 0xffff;
    format!("{scattered:x}#{:x}", now.as_millisecond().max(0))
}

/// The envelope of a success.
pub(crate) fn success(request_id: String, reply: Reply) -> Response {
    let mut body = Map::new();
    body.insert("requestId".into(), request_id.into());
    body.insert("success".into(), true.into());
    if let Some(result) = reply.result {
        body.insert("result".into(), result.into());
    }
    if let Some(next) = reply.next {
        body.insert("nextPageToken".into(), next.into());
    }
    if let Some(more) = reply.more {
        body.insert("moreResult".into(), more.into());
    }
    if !reply.warnings.is_empty() {
        body.insert("warnings".into(), reply.warnings.into());
    }
    Response::new(200, JSON, bytes(&Value::Object(body)))
}

/// The envelope of a failure: always exactly one error.
pub(crate) fn failure(request_id: &str, status: u16, reason: &Reason, options: &Options) -> Response {
    let error = json!({"code": code(&reason.code, options), "message": reason.message});
    let body = json!({"requestId": request_id, "success": false, "errors": [error]});
    Response::new(status, JSON, bytes(&body))
}

/// A short plain text, as gateways answer.
pub(crate) fn plain(status: u16, text: &str) -> Response {
    Response::new(status, "text/plain;charset=UTF-8", Bytes::from(text.to_owned()))
}

pub(crate) fn bytes(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}

/// The text Adobe's "error codes" page (or a recorded answer) has for a code.
pub(crate) fn text_of(code: &str) -> &'static str {
    match code {
        "500" => "Internal Server Error",
        "502" => "Bad Gateway",
        "600" => "Access token is empty",
        "601" => "Access token invalid",
        "602" => "Access token expired",
        "603" => "Access denied",
        "604" => "Request timed out",
        "605" => "HTTP Method not supported",
        "606" => "Max rate limit '100' exceeded with in '20' secs",
        "607" => "Daily quota reached",
        "608" => "API Temporarily Unavailable",
        "609" => "Invalid JSON",
        "610" => "Requested resource not found",
        "611" => "System error",
        "612" => "Invalid Content Type",
        "613" => "Invalid Multipart Request",
        "614" => "Invalid Subscription",
        "615" => "Concurrent access limit reached",
        "616" => "Invalid subscription type",
        "701" => "Field cannot be blank",
        "702" => "No data found for a given search scenario",
        "703" => "The feature is not enabled for the subscription",
        "704" => "Invalid date format",
        "709" => "Business Rule Violation",
        "712" => "Cannot Merge Person Account",
        "713" => "Transient Error",
        "714" => "Unable to find the default record type",
        "718" => "External Sales Person Id Not Found",
        "1001" => "Invalid value",
        "1002" => "Missing value for required parameter",
        "1003" => "Invalid data",
        "1004" => "Lead not found",
        "1005" => "Lead already exists",
        "1006" => "Field not found",
        "1007" => "Multiple lead match lookup criteria",
        "1008" => "Access to partition denied",
        "1009" => "Partition name must be specified",
        "1010" => "Partition update not allowed",
        "1011" => "Field not supported",
        "1012" => "Invalid cookie value",
        "1013" => "Object not found",
        "1014" => "Failed to create Object",
        "1015" => "Lead not in list",
        "1016" => "Too many imports",
        "1017" => "Object already exists",
        "1018" => "CRM Enabled",
        "1019" => "Import in progress",
        "1021" => "Company update not allowed",
        "1022" => "Object in use",
        "1029" => "Too many jobs in queue",
        "1035" => "Unsupported filter type for target subscription",
        "1036" => "Duplicate object found in input",
        "1076" => "Merge Leads call with mergeInCRM flag cannot be used for this subscription",
        "1077" => "Merge Leads call failed due to SFDC field length",
        "1078" => "Merge Leads call failed because of an entity mismatch",
        "1079" => "Merge Leads call failed due to a personalized URL conflict",
        "1080" => "Too many lead ids for Merge Leads call",
        _ => "System error",
    }
}
