//! Refusals: status, Dataverse code, message, and their JSON shape.
//!
//! Codes and texts are those of Microsoft's Web API documentation; where only the community has seen one, it is used all the same.

use std::borrow::Cow;

use emulator::{Request, Response};

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `0x…`, or empty as some answers have it.
    pub code: Cow<'static, str>,
    /// What the client reads.
    pub message: String,
}

/// The outcome of something a client asked for.
pub type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    /// A refusal with these three.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code: Cow::Borrowed(code), message: message.into() }
    }

    /// 400 `0x80060888`: the generic OData error; the message carries the meaning.
    #[must_use]
    pub fn query(message: impl Into<String>) -> Self {
        Self::new(400, "0x80060888", message)
    }

    /// 400 `0x80048d19`: the payload can't be understood.
    #[must_use]
    pub fn payload(entity: &str, inner: impl AsRef<str>) -> Self {
        Self::new(
            400,
            "0x80048d19",
            format!(
                "Error identified in Payload provided by the user for Entity :'{entity}', For more information on this error please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  InnerException : Microsoft.OData.ODataException: {}",
                inner.as_ref()
            ),
        )
    }

    /// 404 `0x80040217`: the row isn't there.
    #[must_use]
    pub fn no_row(table: &str, id: impl std::fmt::Display) -> Self {
        Self::new(404, "0x80040217", format!("Entity '{table}' With Id = {id} Does Not Exist"))
    }

    /// 404 `0x8006088a`: no such set, function or property in the path.
    #[must_use]
    pub fn no_segment(segment: &str) -> Self {
        Self::new(404, "0x8006088a", format!("Resource not found for the segment '{segment}'."))
    }

    /// 400 `0x80060888`: no such property in a query.
    #[must_use]
    pub fn no_property(property: &str, table: &str) -> Self {
        Self::query(format!("Could not find a property named '{property}' on type 'Microsoft.Dynamics.CRM.{table}'."))
    }

    /// 405: the method makes no sense here.
    #[must_use]
    pub fn method(message: impl Into<String>) -> Self {
        Self::new(405, "0x8006088a", message)
    }

    /// The answer; error details as annotations when the request asked for them.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Response {
        let mut error = serde_json::Map::new();
        error.insert("code".to_owned(), self.code.as_ref().into());
        error.insert("message".to_owned(), self.message.clone().into());
        let details = [
            ("Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus", "0"),
            ("Microsoft.PowerApps.CDS.ErrorDetails.SubErrorCode", "2"),
            ("Microsoft.PowerApps.CDS.HelpLink", "http://go.microsoft.com/fwlink/?LinkID=398563"),
            ("Microsoft.PowerApps.CDS.TraceText", ""),
            ("Microsoft.PowerApps.CDS.InnerError.Message", self.message.as_str()),
        ];
        let wanted = crate::headers::Preferences::of(request).annotations;
        for (name, text) in details {
            if wanted.wants(name) {
                error.insert(format!("@{name}"), text.into());
            }
        }
        let body = serde_json::json!({ "error": error }).to_string();
        crate::headers::json(self.status, body)
    }
}
