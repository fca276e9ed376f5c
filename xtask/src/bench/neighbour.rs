//! Another client of the same Marketo subscription: 50 calls in any 20 seconds, five in flight, refused or not.
//!
//! It knows nothing of the bridge and gives way to nobody, as tools of other makers do.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};

use super::http;

const CALLS: usize = 50;
const IN_FLIGHT: usize = 5;
/// A little more than Marketo's 20 seconds, so that what was sent in step also arrives in step.
const WINDOW: Duration = Duration::from_millis(20_250);

/// What it came to.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub calls: u64,
    /// Calls refused for rate or concurrency, by code.
    pub refused: BTreeMap<String, u64>,
    /// Calls that weren't answered.
    pub failed: u64,
}

impl Tally {
    pub fn json(&self) -> Value {
        json!({"calls": self.calls, "refused": self.refused, "failed": self.failed})
    }
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    tally: Mutex<Tally>,
    /// When the next calls may start: the starts of the last 50 calls, a window later.
    starts: Mutex<std::collections::VecDeque<Instant>>,
}

/// The client at work.
pub struct Neighbour {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Neighbour {
    /// What it asks for: nothing that the bridge ever asks for, so that the journal tells the two apart.
    pub const PATH: &str = "/rest/v1/lists.json";

    /// Starts it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(origin: &str, token: String) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let threads = (0..IN_FLIGHT).map(|_| {
            let (shared, origin, token) = (Arc::clone(&shared), origin.to_owned(), token.clone());
            thread::Builder::new().spawn(move || shared.work(&origin, &token))
        });
        Ok(Self { threads: threads.collect::<Result<_, _>>()?, shared })
    }

    /// Ends it and says what it came to.
    pub fn stop(self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let _panicked = thread.join();
        }
        self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn work(&self, origin: &str, token: &str) {
        while !self.stop.load(Ordering::Relaxed) {
            match self.turn() {
                Some(wait) => thread::sleep(wait),
                None => self.call(origin, token),
            }
        }
    }

    /// Takes a place in the window, or says how long to wait at most before asking again.
    fn turn(&self) -> Option<Duration> {
        let (now, mut starts) = (Instant::now(), self.starts.lock().unwrap_or_else(PoisonError::into_inner));
        while starts.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            starts.pop_front();
        }
        if starts.len() >= CALLS {
            return Some(Duration::from_millis(50));
        }
        starts.push_back(now);
        None
    }

    fn call(&self, origin: &str, token: &str) {
        let answer = http::ask(origin, "GET", Neighbour::PATH, Some(token), "");
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.calls += 1;
        match answer {
            Err(_) => tally.failed += 1,
            Ok(answer) => {
                let code = answer.pointer("/errors/0/code").and_then(Value::as_str);
                if let Some(code @ ("606" | "615")) = code {
                    *tally.refused.entry(code.to_owned()).or_default() += 1;
                }
            }
        }
    }
}
