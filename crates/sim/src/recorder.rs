//! A transport that notes what was written, so that a test sees the bodies that the emulators throw away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tower::{ServiceExt, util::BoxCloneSyncService};
use wire::transport::Transport;

/// One request that carried JSON.
#[derive(Debug, Clone)]
pub struct Sent {
    pub path: String,
    pub body: Value,
}

/// What was sent, oldest first. A clone shows the same.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Sent>>>, Arc<Mutex<Vec<Instant>>>);

impl Recorder {
    /// The same transport, noting.
    pub fn over(&self, inner: Transport) -> Transport {
        let recorder = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Bytes>| {
            // Identity counts against no limit.
            if !request.uri().path().starts_with("/identity") {
                recorder.1.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            }
            if let Ok(body) = serde_json::from_slice(request.body()) {
                let sent = Sent { path: request.uri().path().to_owned(), body };
                recorder.lock().push(sent);
            }
            inner.clone().oneshot(request)
        }))
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    pub fn all(&self) -> Vec<Sent> {
        self.lock().clone()
    }

    /// When requests other than those for tokens were made, since the beginning.
    pub fn starts(&self) -> Vec<Instant> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The records of all writes to a path, such as `leads.json`.
    pub fn records(&self, path: &str) -> Vec<Map<String, Value>> {
        let sent = self.all();
        let inputs = sent.iter().filter(|sent| sent.path.ends_with(path)).filter_map(|sent| sent.body["input"].as_array());
        inputs.flatten().filter_map(Value::as_object).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
