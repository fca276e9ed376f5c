//! How many calls were refused when: the sandbox's count of 606 and 615, looked at every half second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::Value;

use super::{http, measure::number};

const LOOK: Duration = Duration::from_millis(500);

/// Somebody who looks.
pub struct Refusals {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(f64, u64)>>,
}

impl Refusals {
    /// Begins to look at a sandbox's Marketo.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn watch(origin: &str) -> Result<Self> {
        let (origin, stop, begun) = (origin.to_owned(), Arc::<AtomicBool>::default(), Instant::now());
        let stopped = Arc::clone(&stop);
        let look = move || {
            let mut seen = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(errors) = http::ask(&origin, "GET", "/_sandbox/errors", None, "") {
                    let all = refused(&errors);
                    if seen.last().map_or(0, |(_, before)| *before) != all {
                        seen.push((begun.elapsed().as_secs_f64(), all));
                    }
                }
                thread::sleep(LOOK);
            }
            seen
        };
        Ok(Self { stop, thread: thread::Builder::new().spawn(look)? })
    }

    /// Ends it: seconds since it began, and how many calls were refused by then, whenever that number grew.
    pub fn stop(self) -> Vec<(f64, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Calls refused for rate or concurrency, anybody's.
pub fn refused(errors: &Value) -> u64 {
    number(errors, "/errors/606") + number(errors, "/errors/615")
}
