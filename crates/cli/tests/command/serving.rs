//! A `serve` that runs while a test does other things, and whose log is read as it is written.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use crate::world::{Ran, World};

/// No line of the log is waited for longer.
const WAIT_MAX: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// A running `serve`.
pub(crate) struct Serving<'a> {
    world: &'a World,
    child: Child,
    log: Arc<Log>,
    reading: JoinHandle<()>,
}

impl<'a> Serving<'a> {
    /// Starts it.
    pub(crate) fn start(world: &'a World) -> Self {
        let mut child = world.start(&["serve"]);
        let (log, stderr) = (Arc::new(Log::default()), child.stderr.take().unwrap());
        let reading = std::thread::spawn({
            let log = log.clone();
            move || {
                for line in BufReader::new(stderr).lines() {
                    log.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.unwrap());
                    log.more.notify_all();
                }
            }
        });
        Self { world, child, log, reading }
    }

    /// Starts it and waits until commands reach it.
    pub(crate) fn ready(world: &'a World) -> Self {
        let serving = Self::start(world);
        serving.wait_for("commands are taken at", 1);
        serving
    }

    /// Waits until so many lines of the log contain this.
    #[track_caller]
    pub(crate) fn wait_for(&self, fragment: &str, count: usize) {
        let lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let few = |lines: &mut Vec<String>| lines.iter().filter(|line| line.contains(fragment)).count() < count;
        let (lines, waited) = self.log.more.wait_timeout_while(lines, WAIT_MAX, few).unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "never {count} × {fragment:?}:\n{}", lines.join("\n"));
    }

    /// The first line of the log that contains this.
    #[track_caller]
    pub(crate) fn line(&self, fragment: &str) -> String {
        self.wait_for(fragment, 1);
        self.log.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|line| line.contains(fragment)).unwrap().clone()
    }

    /// How many lines of the log contain this until now.
    pub(crate) fn count(&self, fragment: &str) -> usize {
        self.log.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|line| line.contains(fragment)).count()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success(), "it had ended before");
    }

    /// Asks it to stop, and waits for its end.
    pub(crate) fn stop(self) -> Ran {
        self.signal("-TERM");
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        let status = self.child.wait().unwrap();
        self.reading.join().unwrap();
        let stderr = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
        let ran = Ran { status, stdout: String::new(), stderr };
        self.world.check(&ran);
        ran
    }
}
