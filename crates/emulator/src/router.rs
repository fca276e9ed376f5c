//! Serves a state machine over HTTP: real latency, real limits, faults on request.
//!
//! The same router answers over a loopback socket and in process, where a paused Tokio clock makes waiting free.
//! It knows no vendor: names, refusals and limits are the [`Emulator`]'s. The emulator's lock is never held while waiting.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body};
use base::{Clock, Timestamp};
use http::{HeaderMap, Method, header};

use crate::{
    broken::Broken,
    compress,
    exchange::{Emulator, Request, Response},
    faults::{Effect, Fate, Faults, Level, Spoil},
    journal::{Exchange, Journal},
    record::Recorder,
};

/// The longest body that is read, in bytes; a longer one is refused with the vendor's 413.
pub const BODY_MAX: usize = 64 << 20;

/// An emulator with its clock, its faults and its journal. Cheap to clone; every clone is the same emulator.
pub struct Served<E>(Arc<Inner<E>>);

struct Inner<E> {
    emulator: Mutex<E>,
    clock: Clock,
    faults: Mutex<Faults>,
    journal: Mutex<Journal>,
    recorder: OnceLock<Recorder>,
}

impl<E> Clone for Served<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A panic in a test's closure must not make every later request fail as well.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E> Served<E> {
    /// The emulator's state. Don't hold it over an await, nor ask for it twice in one expression: both block for ever.
    pub fn state(&self) -> MutexGuard<'_, E> {
        locked(&self.0.emulator)
    }

    /// Its faults; to be held as briefly as [`Self::state`].
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        locked(&self.0.faults)
    }

    /// What it was asked for; to be held as briefly as [`Self::state`].
    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        locked(&self.0.journal)
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The time it has.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

impl<E: Emulator> Served<E> {
    /// Serves `emulator` by `clock`, with faults that take their chances from `seed`.
    #[must_use]
    pub fn new(emulator: E, clock: Clock, seed: u64) -> Self {
        let (faults, journal) = (Mutex::new(Faults::new(seed)), Mutex::new(Journal::default()));
        Self(Arc::new(Inner { emulator: Mutex::new(emulator), clock, faults, journal, recorder: OnceLock::new() }))
    }

    /// Writes the bodies of all requests and answers down from now on, as they are before compression. Only the first recorder counts.
    pub fn record(&self, recorder: Recorder) {
        let _already = self.0.recorder.set(recorder);
    }

    /// The router. HEAD is answered as GET without the body; answers of 1,024 bytes and more are compressed for clients that accept gzip,
    /// except under a path with `/bulk/`, whose files are sent as they are.
    pub fn router(&self) -> Router {
        let served = self.clone();
        Router::new().fallback(move |request: http::Request<Body>| {
            let served = served.clone();
            async move { served.answer(request).await }
        })
    }

    /// Answers one HTTP request.
    pub async fn answer(&self, request: http::Request<Body>) -> http::Response<Body> {
        let head = request.method() == Method::HEAD;
        let gzip = compress::accepted(request.headers()) && !request.uri().path().contains("/bulk/");
        let request = match received(request).await {
            Ok(request) => request,
            Err(Unread::TooLong) => return sent(self.state().refusal("413", None, self.now()), head, false),
            Err(Unread::Broken) => return sent(Response::empty(400), head, false),
        };
        let answer = self.exchange(&request).await;
        if let Some(recorder) = self.0.recorder.get() {
            recorder.body(&request.body);
            answer.iter().for_each(|answer| recorder.body(&answer.body));
        }
        answer.map_or_else(broken, |answer| sent(answer, head, gzip))
    }

    /// Lets one request pass: faults, limits, latency, the work. None means that the connection breaks without an answer.
    pub async fn exchange(&self, request: &Request) -> Option<Response> {
        let operation = self.state().operation(request);
        let fate = self.faults().decide(&operation, &request.method, &request.path);
        let mut visit = Visit::new(self, request, operation);
        let answer = self.fulfil(request, fate).await;
        visit.status = answer.as_ref().map(|answer| answer.status);
        answer
    }

    async fn fulfil(&self, request: &Request, fate: Fate) -> Option<Response> {
        let spoil = fate.spoil();
        let Fate { latency, effect, .. } = fate;
        match effect {
            None | Some(Effect::Latency(_) | Effect::Fail { level: Level::Record, .. }) => {
                Some(self.work(request, latency, spoil.as_ref()).await)
            }
            Some(Effect::Refuse { code, wait_s }) => {
                pause(latency).await;
                let (now, mut state) = (self.now(), self.state());
                state.refused(request, &code, now);
                Some(state.refusal(&code, wait_s, now))
            }
            Some(Effect::Fail { level: level @ (Level::Http | Level::Response), code, wait_s, .. }) => {
                pause(latency).await;
                let (now, mut state) = (self.now(), self.state());
                state.refused(request, &code, now);
                Some(state.failure(level, &code, wait_s, now))
            }
            Some(Effect::Html) => {
                pause(latency).await;
                Some(Response::new(
                    502,
                    "text/html",
                    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
                ))
            }
            Some(Effect::DropBefore) => {
                pause(latency).await;
                None
            }
            Some(Effect::DropAfter) => {
                self.work(request, latency, None).await;
                None
            }
            Some(Effect::Truncate) => {
                let answer = self.work(request, latency, None).await;
                let half = answer.body.slice(..answer.body.len() / 2);
                Some(answer.with_body(half))
            }
            Some(Effect::Hang { ms, applied }) => {
                if applied {
                    self.work(request, latency, None).await;
                }
                pause(Duration::from_millis(ms)).await;
                None
            }
        }
    }

    /// Half of the latency lies before the work and half after it, so that a client that goes away in between finds both: applied and not.
    async fn work(&self, request: &Request, latency: Duration, spoil: Option<&Spoil>) -> Response {
        let admission = self.state().admit(request, self.now());
        if let Err(refusal) = admission {
            pause(latency).await;
            return refusal;
        }
        let _admitted = Admitted { served: self, request, since: self.now() };
        pause(latency / 2).await;
        let answer = match spoil {
            Some(spoil) => self.state().handle_spoilt(request, spoil, self.now()),
            None => self.state().handle(request, self.now()),
        };
        pause(latency / 2).await;
        answer
    }
}

/// Gives the admission back, also when the client goes away in the middle.
struct Admitted<'a, E: Emulator> {
    served: &'a Served<E>,
    request: &'a Request,
    since: Timestamp,
}

impl<E: Emulator> Drop for Admitted<'_, E> {
    fn drop(&mut self) {
        let now = self.served.now();
        self.served.state().release(self.request, now, base::time::since(self.since, now));
    }
}

/// Keeps the journal right, also when the client goes away in the middle.
struct Visit<'a, E> {
    served: &'a Served<E>,
    request: &'a Request,
    operation: String,
    at: Timestamp,
    status: Option<u16>,
}

impl<'a, E> Visit<'a, E> {
    fn new(served: &'a Served<E>, request: &'a Request, operation: String) -> Self {
        served.journal().arrived(&operation);
        Self { served, request, operation, at: served.now(), status: None }
    }
}

impl<E> Drop for Visit<'_, E> {
    fn drop(&mut self) {
        self.served.journal().left(|| Exchange {
            at: self.at,
            method: self.request.method.to_string(),
            path: self.request.path.clone(),
            operation: std::mem::take(&mut self.operation),
            status: self.status,
        });
    }
}

async fn pause(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}

enum Unread {
    TooLong,
    Broken,
}

/// The request as plain data. The origin is the absolute URI's, else the Host header's, with the scheme that a proxy in front says the
/// client used: links in answers must lead back the way the client came.
async fn received(request: http::Request<Body>) -> Result<Request, Unread> {
    let (head, body) = request.into_parts();
    let origin = match (head.uri.authority(), head.headers.get(header::HOST).and_then(|host| host.to_str().ok())) {
        (Some(authority), _) => format!("{}://{authority}", head.uri.scheme_str().unwrap_or("http")),
        (None, Some(host)) => {
            let scheme = head.headers.get("x-forwarded-proto").and_then(|scheme| scheme.to_str().ok());
            format!("{}://{host}", scheme.filter(|scheme| *scheme == "https").unwrap_or("http"))
        }
        (None, None) => "http://localhost".to_owned(),
    };
    let declared = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > BODY_MAX) {
        return Err(Unread::TooLong);
    }
    let body = http_body_util::BodyExt::collect(http_body_util::Limited::new(body, BODY_MAX)).await;
    let body = body.map_err(|error| if error.is::<http_body_util::LengthLimitError>() { Unread::TooLong } else { Unread::Broken })?;
    Ok(Request {
        method: if head.method == Method::HEAD { Method::GET } else { head.method },
        origin,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.to_bytes(),
    })
}

/// The answer as it goes out, with a Content-Length that fits it.
fn sent(answer: Response, head: bool, gzip: bool) -> http::Response<Body> {
    let Response { status, mut headers, mut body } = answer;
    if gzip && let Some(smaller) = compress::worthwhile(status, &headers, &body) {
        body = smaller;
        headers.insert(header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
        headers.append(header::VARY, http::HeaderValue::from_static("Accept-Encoding"));
    }
    let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    if !status.is_informational() && status != http::StatusCode::NO_CONTENT && status != http::StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_LENGTH, http::HeaderValue::from(body.len()));
    }
    assembled(status, headers, if head { Body::empty() } else { Body::from(body) })
}

/// An answer that fails as soon as it is read: over a socket the connection is closed, in process reading the body is an error.
fn broken() -> http::Response<Body> {
    assembled(http::StatusCode::OK, HeaderMap::new(), Body::new(Broken))
}

fn assembled(status: http::StatusCode, headers: HeaderMap, body: Body) -> http::Response<Body> {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
