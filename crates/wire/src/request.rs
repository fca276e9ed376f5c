//! Requests and answers as plain data.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::{call::Replay, error::CallError, pace::Lane};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Below the service's address: a path that starts with a slash, with its query, percent-encoded.
    Below(String),
    /// A complete address that the service itself gave us (a next link or a delta link), to be used as it is.
    Given(String),
}

/// One HTTP request, not yet sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it does, for counting, spans and errors: `leads.sync`. One name for each kind of call.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// Where to.
    pub target: Target,
    /// Headers of its own; the pipeline adds the token.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long to wait for the whole answer; longer than the server's own limit.
    pub timeout: Duration,
    /// Whether it may be sent again when nobody knows what became of it.
    pub replay: Replay,
    /// What it is for, which decides who goes first where calls wait.
    pub lane: Lane,
    /// Whether it is about many records that can be sent in smaller pieces: then a failure that the service blames on itself may be one
    /// record's fault, and repeating the whole of it more than once is a waste.
    pub divisible: bool,
}

impl Request {
    /// A request without body that changes nothing and may be repeated; 60 s to answer.
    #[must_use]
    pub fn get(name: &'static str, path: impl Into<String>) -> Self {
        Self {
            name,
            method: Method::GET,
            target: Target::Below(path.into()),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(60),
            replay: Replay::Safe,
            lane: Lane::default(),
            divisible: false,
        }
    }

    /// A JSON request; 120 s to answer. Whether it may be repeated is for the caller to say.
    ///
    /// # Errors
    /// [`CallError::Unwritable`] when the body can't be written as JSON.
    pub fn json(
        name: &'static str,
        method: Method,
        path: impl Into<String>,
        body: &impl serde::Serialize,
        replay: Replay,
    ) -> Result<Self, CallError> {
        let body = serde_json::to_vec(body).map_err(|e| CallError::Unwritable(e.to_string()))?;
        let mut request = Self::get(name, path).header("content-type", "application/json");
        request.method = method;
        request.body = body.into();
        request.timeout = Duration::from_secs(120);
        request.replay = replay;
        Ok(request)
    }

    /// The same with one more header; a value that no header can carry is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
}

impl Response {
    /// A header's value, when it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
