//! A tap on both transports: it notes every call, and acts at a point of the cycle that a test names: a change of somebody else's, or the death
//! of the process.
//!
//! It changes no request and no answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Request};
use sandbox::{
    Sandbox,
    control::{Operation, Side},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use tower::{ServiceExt, util::BoxCloneSyncService};
use wire::transport::Transport;

/// A point between two calls of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// This call is about to be made; the side hasn't heard of it.
    Before(Nth),
    /// The side has done what this call asked for; its answer hasn't arrived.
    After(Nth),
}

/// A call by its number in the cycle, from 1. Requests for tokens don't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nth {
    /// Of all calls to Marketo.
    Call(u64),
    /// Of the calls that write to Marketo.
    Write(u64),
    /// Of all calls to Dynamics.
    DynamicsCall(u64),
    /// Of the calls that write to Dynamics.
    DynamicsWrite(u64),
}

/// One call, as it went over the wire.
#[derive(Debug, Clone)]
pub struct Call {
    pub side: Side,
    pub method: Method,
    pub path: String,
    pub query: String,
    /// JSON, or a text where it is something else; nothing of a call that only asks.
    pub body: Value,
    /// Whether it changes anything.
    pub writes: bool,
    /// JSON, where there was an answer that is; none of a call that only asks.
    pub answer: Option<Value>,
}

/// What happens at a moment.
#[derive(Debug, Clone)]
pub enum Act {
    /// The process dies: this call never ends.
    Die,
    /// The program has a mistake: this call panics.
    Panic,
    /// Somebody else does this.
    Do(Vec<Operation>),
}

#[derive(Debug, Default)]
struct Inner {
    /// Whether calls are kept: their bodies and answers take memory.
    keeps: bool,
    calls: Vec<Call>,
    /// All and writing calls to Marketo, then to Dynamics.
    counts: [u64; 4],
    armed: Vec<(Moment, Act)>,
    failed: Vec<String>,
}

/// The tap. A clone is the same one.
#[derive(Debug, Clone, Default)]
pub struct Tap {
    inner: Arc<Mutex<Inner>>,
    dead: Arc<Notify>,
}

impl Tap {
    /// Starts counting anew, with this to be done, and keeps every call.
    pub fn arm(&self, armed: Vec<(Moment, Act)>) {
        *self.lock() = Inner { armed, keeps: true, ..Inner::default() };
    }

    /// Starts counting anew, with nothing to be done, and keeps no calls.
    pub fn disarm(&self) {
        *self.lock() = Inner::default();
    }

    /// All calls since then, in the order in which they were made.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// What couldn't be done when its moment came, in words.
    pub fn failures(&self) -> Vec<String> {
        self.lock().failed.clone()
    }

    /// Ends when the process has to die.
    pub async fn died(&self) {
        self.dead.notified().await;
    }

    /// The same transport, tapped.
    pub fn over(&self, side: Side, sandbox: Sandbox, inner: Transport) -> Transport {
        let tap = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
            let (tap, inner, sandbox) = (tap.clone(), inner.clone(), sandbox.clone());
            async move {
                let path = request.uri().path();
                if path.starts_with("/identity") || path.contains("/oauth2/") {
                    return inner.oneshot(request).await;
                }
                let (at, numbers) = tap.note(side, &request);
                tap.act(&sandbox, &numbers, Moment::Before).await;
                let answer = inner.oneshot(request).await;
                if let (Some(at), Ok(answer)) = (at, &answer) {
                    tap.answered(at, answer.body());
                }
                tap.act(&sandbox, &numbers, Moment::After).await;
                answer
            }
        }))
    }

    /// The call's place among those that are kept, and its numbers.
    fn note(&self, side: Side, request: &Request<Bytes>) -> (Option<usize>, Vec<Nth>) {
        let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
        let asks = request.method() == Method::GET || query.contains("_method=GET");
        // A batch of reads is asked for by POST too, and isn't JSON.
        let reads = path.ends_with("/$batch") && !request.body().windows(5).any(|part| part == b"PATCH");
        let writes = !asks && !reads;
        let mut inner = self.lock();
        let at = inner.keeps.then_some(inner.calls.len());
        if at.is_some() {
            let text = || Value::String(String::from_utf8_lossy(request.body()).into_owned());
            // Metadata and pages are long, and nobody looks at them here.
            let body = if writes { serde_json::from_slice(request.body()).unwrap_or_else(|_| text()) } else { Value::Null };
            inner.calls.push(Call { side, method: request.method().clone(), path, query, body, writes, answer: None });
        }
        let first = match side {
            Side::Marketo => 0,
            Side::Dataverse => 2,
        };
        inner.counts[first] += 1;
        inner.counts[first + 1] += u64::from(writes);
        let (all, written) = (inner.counts[first], inner.counts[first + 1]);
        let mut numbers = match side {
            Side::Marketo => vec![Nth::Call(all), Nth::Write(written)],
            Side::Dataverse => vec![Nth::DynamicsCall(all), Nth::DynamicsWrite(written)],
        };
        numbers.truncate(1 + usize::from(writes));
        (at, numbers)
    }

    fn answered(&self, at: usize, body: &Bytes) {
        if let Some(call) = self.lock().calls.get_mut(at).filter(|call| call.writes) {
            call.answer = serde_json::from_slice(body).ok();
        }
    }

    async fn act(&self, sandbox: &Sandbox, numbers: &[Nth], moment: fn(Nth) -> Moment) {
        let due: Vec<Act> = {
            let mut inner = self.lock();
            let now = |armed: &(Moment, Act)| numbers.iter().any(|number| moment(*number) == armed.0);
            let due = inner.armed.iter().filter(|armed| now(armed)).map(|(_, act)| act.clone()).collect();
            inner.armed.retain(|armed| !now(armed));
            due
        };
        for act in due {
            match act {
                Act::Do(operations) => {
                    let failed: Vec<String> = operations.into_iter().filter_map(|operation| operation.apply(sandbox).err()).collect();
                    self.lock().failed.extend(failed);
                }
                Act::Die => {
                    self.dead.notify_one();
                    std::future::pending::<()>().await;
                }
                Act::Panic => panic!("a mistake on purpose"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
