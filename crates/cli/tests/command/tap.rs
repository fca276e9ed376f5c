//! Between the sandbox and the program under test: every request passes here, is written down, and can be the program's last.
//!
//! It changes no byte. The emulators' own journal keeps no bodies, and what was sent twice can only be seen in the bodies.

use std::{
    process::Child,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use serde_json::Value;

/// The longest body that is looked at.
const BODY_MAX: usize = 256 << 20;

/// One record that Marketo was sent, and what it answered.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// The run of the program, from 1.
    pub(crate) run: u32,
    /// The position of its request among all of this run's writes to Marketo, from 0.
    pub(crate) write: usize,
    /// `leads`, `companies`, `salespersons`, `opportunities` or `opportunities/roles`.
    pub(crate) object: String,
    /// Marketo's id of the record; none where it was skipped.
    pub(crate) id: Option<String>,
}

/// When the program is to be killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    /// At this request of the run, of either side, from 1.
    pub(crate) request: u64,
    /// After it was applied; else before.
    pub(crate) applied: bool,
}

#[derive(Debug, Default)]
struct Notes {
    run: u32,
    requests: u64,
    answered: u64,
    writes: usize,
    /// The request that was this run's first write to Marketo.
    first_write: Option<u64>,
    death: Option<Death>,
    sent: Vec<Sent>,
    write_objects: Vec<(u32, usize, String)>,
    tokens: Vec<String>,
    codes: Vec<String>,
}

/// What passes.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    notes: Mutex<Notes>,
    /// The program, while a run is on that may be killed.
    pub(crate) child: Mutex<Option<Child>>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tap {
    /// The router with this in front.
    pub(crate) fn before(self: &Arc<Self>, router: Router) -> Router {
        let tap = Arc::clone(self);
        router.layer(middleware::from_fn(move |request: Request, next: Next| {
            let tap = Arc::clone(&tap);
            async move { tap.pass(request, next).await }
        }))
    }

    /// A new run begins.
    pub(crate) fn begin(&self, death: Option<Death>) {
        let mut notes = locked(&self.notes);
        notes.run += 1;
        (notes.requests, notes.answered, notes.writes, notes.first_write, notes.death) = (0, 0, 0, None, death);
    }

    /// Requests of this run until now.
    pub(crate) fn requests(&self) -> u64 {
        locked(&self.notes).requests
    }

    /// From the first write to Marketo on, so many requests were there before the end of this run.
    pub(crate) fn requests_while_writing(&self) -> u64 {
        let notes = locked(&self.notes);
        notes.first_write.map_or(0, |first| notes.requests - first + 1)
    }

    /// Requests of this run whose answer was never made, because the program had gone.
    pub(crate) fn unanswered(&self) -> u64 {
        let notes = locked(&self.notes);
        notes.requests - notes.answered
    }

    /// Waits until this run has made so many requests; false when that takes too long.
    pub(crate) fn wait_for(&self, requests: u64) -> bool {
        for _ in 0..3_000 {
            if self.requests() >= requests {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Every record sent to Marketo from run `run` on.
    pub(crate) fn sent_since(&self, run: u32) -> Vec<Sent> {
        locked(&self.notes).sent.iter().filter(|sent| sent.run >= run).cloned().collect()
    }

    /// The objects of a run's writes in their order.
    pub(crate) fn write_objects(&self, run: u32) -> Vec<String> {
        locked(&self.notes).write_objects.iter().filter(|(of, _, _)| *of == run).map(|(_, _, object)| object.clone()).collect()
    }

    /// The number of the run.
    pub(crate) fn run(&self) -> u32 {
        locked(&self.notes).run
    }

    /// Every access token that was handed out.
    pub(crate) fn tokens(&self) -> Vec<String> {
        locked(&self.notes).tokens.clone()
    }

    /// Every error code in Marketo's answers, response level.
    pub(crate) fn codes(&self) -> Vec<String> {
        locked(&self.notes).codes.clone()
    }

    async fn pass(&self, request: Request, next: Next) -> Response {
        let path = request.uri().path().to_owned();
        if path.starts_with("/_sandbox") {
            return next.run(request).await;
        }
        let (head, body) = request.into_parts();
        let body = to_bytes(body, BODY_MAX).await.unwrap_or_default();
        let (run, write, dies) = self.arrived(&path, head.uri.query().unwrap_or_default(), &body);
        if dies == Some(false) {
            self.kill();
        }
        let mut head = head;
        // The tap reads answers, so they must come as they are.
        head.headers.remove("accept-encoding");
        let response = next.run(Request::from_parts(head, Body::from(body))).await;
        let (head, body) = response.into_parts();
        let body = to_bytes(body, BODY_MAX).await.unwrap_or_default();
        self.answered(run, write, &path, &body);
        if dies == Some(true) {
            self.kill();
        }
        Response::from_parts(head, Body::from(body))
    }

    fn arrived(&self, path: &str, query: &str, body: &Bytes) -> (u32, Option<(usize, String)>, Option<bool>) {
        let mut notes = locked(&self.notes);
        notes.requests += 1;
        let object = path.strip_prefix("/rest/v1/").and_then(|rest| rest.strip_suffix(".json"));
        let is_object = object.is_some_and(|name| OBJECTS.contains(&name));
        let is_write =
            is_object && !query.contains("_method=") && serde_json::from_slice::<Value>(body).is_ok_and(|body| body["input"].is_array());
        let write = is_write.then(|| {
            let at = notes.writes;
            let (run, object) = (notes.run, object.unwrap_or_default().to_owned());
            notes.writes += 1;
            notes.first_write = notes.first_write.or(Some(notes.requests));
            notes.write_objects.push((run, at, object.clone()));
            (at, object)
        });
        let dies = notes.death.filter(|death| death.request == notes.requests).map(|death| death.applied);
        (notes.run, write, dies)
    }

    fn answered(&self, run: u32, write: Option<(usize, String)>, path: &str, body: &Bytes) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut notes = locked(&self.notes);
        notes.answered += 1;
        if path.ends_with("/token") {
            notes.tokens.extend(body["access_token"].as_str().map(str::to_owned));
        }
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        notes.codes.extend(errors.iter().filter_map(|error| error["code"].as_str().map(str::to_owned)));
        let Some((write, object)) = write else { return };
        for result in body["result"].as_array().into_iter().flatten() {
            let id = match (&result["status"], &result["id"], &result["marketoGUID"]) {
                (Value::String(status), _, _) if status == "skipped" => None,
                (_, Value::Null, guid) => guid.as_str().map(str::to_owned),
                (_, id, _) => Some(id.to_string()),
            };
            notes.sent.push(Sent { run, write, object: object.clone(), id });
        }
    }

    fn kill(&self) {
        if let Some(child) = locked(&self.child).as_mut() {
            // It may have ended by itself.
            let _ = child.kill();
        }
    }
}

/// What can be written to, in the order of rule R1.
pub(crate) const OBJECTS: [&str; 5] = ["salespersons", "companies", "leads", "opportunities", "opportunities/roles"];
