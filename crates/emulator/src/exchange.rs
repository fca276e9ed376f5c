//! One HTTP exchange as plain data, and what a state machine must offer to be served.

use std::time::Duration;

use base::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::faults::{Level, Spoil};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Scheme and authority under which the client reached us, without a slash at the end: `http://127.0.0.1:4001`. Links in answers start with it.
    pub origin: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// The query as sent, without the question mark, still percent-encoded; empty when there was none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A header's value, when it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Response {
    /// An answer without body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// An answer with a body of this media type.
    #[must_use]
    pub fn new(status: u16, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::empty(status).with("content-type", media_type).with_body(body)
    }

    /// The same with one more header; a value that no header can carry is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(HeaderName::from_static(name), value);
        }
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// A vendor's service as a state machine: time comes in, nothing waits.
///
/// The router calls [`admit`](Self::admit), lets the latency pass, calls [`handle`](Self::handle), and at the end
/// [`release`](Self::release), so that concurrency and rate limits see what a real gateway would see.
pub trait Emulator: Send + 'static {
    /// A short stable name of what the request asks for, such as `leads.sync` or `contact.list`; faults are aimed by it.
    fn operation(&self, request: &Request) -> String;

    /// The gateway's part: limits and quota. An `Err` is the answer, and nothing else is called for this request.
    ///
    /// # Errors
    /// The refusal to send back.
    #[expect(clippy::result_large_err, reason = "a refusal is an answer like any other, and is sent at once")]
    fn admit(&mut self, request: &Request, now: Timestamp) -> Result<(), Response>;

    /// Does what the request asks for.
    fn handle(&mut self, request: &Request, now: Timestamp) -> Response;

    /// The request that was admitted has left; it was served for `took`.
    fn release(&mut self, request: &Request, now: Timestamp, took: Duration);

    /// The refusal with this vendor's `code` (`606`, `429`, `503`, …) in this vendor's shape; `wait_s` where the shape has a place for it.
    fn refusal(&self, code: &str, wait_s: Option<u64>, now: Timestamp) -> Response;

    /// The same told at a level of choice; by default, and where the vendor has only one, as [`refusal`](Self::refusal).
    fn failure(&self, level: Level, code: &str, wait_s: Option<u64>, now: Timestamp) -> Response {
        let _any = level;
        self.refusal(code, wait_s, now)
    }

    /// This request was refused with `code` in the emulator's name and never gets here; for those who count. By default nobody does.
    fn refused(&mut self, request: &Request, code: &str, now: Timestamp) {
        let _nobody = (request, code, now);
    }

    /// Does what the request asks for, but for the records that `spoil` strikes. By default all of it.
    fn handle_spoilt(&mut self, request: &Request, spoil: &Spoil, now: Timestamp) -> Response {
        let _none = spoil;
        self.handle(request, now)
    }
}
