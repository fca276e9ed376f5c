//! Watches both transports while the bridge works, and says when it breaks a rule: what holds always, not only in the end.
//!
//! It sees requests and answers as bytes, the emulators' rows, and what people did behind the bridge's back; nothing of the bridge itself.

mod call;
mod harm;
mod keys;
mod ledger;
mod limits;
mod order;
mod owned;
mod way_back;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use engine::Options;
use http::{Request, Response};
use sandbox::{
    Sandbox,
    control::{Operation, Side},
};
use tokio::time::Instant;
use tower::{ServiceExt, util::BoxCloneSyncService};
use wire::transport::{Transport, TransportError};

pub use ledger::Ledger;
pub use limits::Limits;
pub use owned::Owned;

use call::{Asked, Verdict, Write};
use harm::Harm;
use keys::InFlight;
use order::Gone;

/// Calls that one cycle may make: more means that it turns in a circle.
const CALLS_MAX: u64 = 3_000;

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule, in one word.
    pub rule: &'static str,
    /// What happened.
    pub what: String,
}

impl Violation {
    pub(super) fn new(rule: &'static str, what: impl Into<String>) -> Self {
        Self { rule, what: what.into() }
    }
}

/// The watcher. A clone is the same one.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<Inner>>);

struct Inner {
    sandbox: Sandbox,
    begun: Instant,
    trace: DefaultHasher,
    /// One line for each request and answer, while somebody wants to read them.
    lines: Option<Vec<String>>,
    broken: Vec<Violation>,
    next: u64,
    calls: u64,
    open: BTreeMap<u64, Asked>,
    ledger: Ledger,
    in_flight: InFlight,
    limits: Limits,
    gone: Gone,
    harm: Harm,
    /// Persons that belonged to nobody when the process began.
    free: BTreeSet<i64>,
    owned: Owned,
}

impl Watch {
    /// Watches a world that begins now. With `verbose`, it keeps a line for each request and answer.
    #[must_use]
    pub fn new(sandbox: Sandbox, limits: Limits, verbose: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            sandbox,
            begun: Instant::now(),
            trace: DefaultHasher::new(),
            lines: verbose.then(Vec::new),
            broken: Vec::new(),
            next: 0,
            calls: 0,
            open: BTreeMap::new(),
            ledger: Ledger::default(),
            in_flight: InFlight::default(),
            limits,
            gone: Gone::default(),
            harm: Harm::default(),
            free: BTreeSet::new(),
            owned: Owned::default(),
        })))
    }

    /// A process begins, which may do so much harm of each kind; without a number, any.
    pub fn process_begins(&self, options: &Options, limit: Option<u64>) {
        let mut inner = self.lock();
        inner.calls = 0;
        inner.limits.process_begins();
        inner.harm.process_begins(limit);
        inner.free = keys::free(&inner.sandbox);
        inner.owned = Owned::new(options, &inner.sandbox);
        inner.ledger.process_begins();
    }

    /// The machine's clock was set.
    pub fn clock_was_set(&self) {
        self.lock().limits.clock_was_set();
    }

    /// The process came to its end; or it died, or nobody knows.
    pub fn process_ends(&self, well: bool) {
        let mut inner = self.lock();
        inner.open.clear();
        inner.in_flight.clear();
        inner.ledger.process_ends();
        if !well {
            inner.ledger.process_died();
        }
    }

    /// Somebody does this now, or in the middle of the cycle that begins.
    pub fn notice(&self, operation: &Operation) {
        let mut inner = self.lock();
        let Inner { sandbox, ledger, gone, .. } = &mut *inner;
        gone.notice(sandbox, operation);
        ledger.notice(sandbox, operation);
    }

    /// Companies, sales persons and opportunities that others removed.
    #[must_use]
    pub fn removed(&self) -> std::collections::BTreeSet<base::Guid> {
        self.lock().gone.records()
    }

    /// What of a person's fields was sent last, and which marketing changed since.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.lock().ledger.clone()
    }

    /// Others made these persons.
    pub fn add_foreign(&self, persons: impl Iterator<Item = i64>) {
        self.lock().ledger.add_foreign(persons);
    }

    /// Rules that were broken.
    #[must_use]
    pub fn broken(&self) -> Vec<Violation> {
        self.lock().broken.clone()
    }

    /// Adds something to the trace that isn't a call.
    pub fn note(&self, what: &str) {
        self.lock().write(what.as_bytes());
        if let Some(lines) = &mut self.lock().lines {
            lines.push(what.to_owned());
        }
    }

    /// The fingerprint of everything until now.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.lock().trace.finish()
    }

    /// The lines, where they are kept.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lock().lines.clone().unwrap_or_default()
    }

    /// The same transport, watched.
    pub fn over(&self, side: Side, inner: Transport) -> Transport {
        let watch = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
            let (watch, inner) = (watch.clone(), inner.clone());
            async move {
                let number = watch.lock().asked(side, &request);
                // Who gives up waiting, or dies, drops this.
                let open = Open { watch: &watch, number };
                let answer = inner.oneshot(request).await;
                watch.lock().answered(number, &answer);
                drop(open);
                answer
            }
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that isn't answered yet.
struct Open<'a> {
    watch: &'a Watch,
    number: u64,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut inner = self.watch.lock();
        if let Some(asked) = inner.open.remove(&self.number) {
            inner.in_flight.answered(self.number);
            if asked.counts() {
                inner.limits.answered(&Verdict::Unknown);
            }
        }
    }
}

impl Inner {
    fn write(&mut self, bytes: &[u8]) {
        self.trace.write(bytes);
        self.trace.write_u8(0xff);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn asked(&mut self, side: Side, request: &Request<Bytes>) -> u64 {
        let (number, ms) = (self.next, self.now_ms());
        self.next += 1;
        self.calls += 1;
        assert!(self.calls <= CALLS_MAX, "a cycle made more than {CALLS_MAX} calls");
        let asked = Asked::read(side, ms, request);
        self.write(format!("{number} {ms} {side:?} {} {}", asked.method, asked.address).as_bytes());
        self.write(request.body());
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{ms:>9} #{number} {}", asked.line()));
        }
        let mut broken = Vec::new();
        match side {
            Side::Marketo => {
                self.limits.asked(&asked, &mut broken);
                if let Some(write) = &asked.write {
                    self.harm.asked(write, &mut broken);
                    keys::check_adoption(&self.sandbox, write, &self.free, &mut broken);
                    self.owned.asked(&self.sandbox, write, &mut broken);
                    self.gone.check(&self.sandbox, write, &mut broken);
                    self.in_flight.asked(number, write, &mut broken);
                    self.ledger.asked(number, write, &mut broken);
                }
            }
            Side::Dataverse => way_back::check(request, &mut broken),
        }
        self.add(number, broken);
        self.open.insert(number, asked);
        number
    }

    fn answered(&mut self, number: u64, answer: &Result<Response<Bytes>, TransportError>) {
        let ms = self.now_ms();
        let (status, body) = match answer {
            Ok(answer) => (answer.status().as_u16(), answer.body().clone()),
            Err(_) => (0, Bytes::new()),
        };
        self.write(format!("{number} {ms} {status}").as_bytes());
        self.write(&body);
        let Some(asked) = self.open.remove(&number) else { return };
        let verdict = if asked.side == Side::Marketo { Verdict::read(status, &body) } else { Verdict::Unknown };
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{ms:>9} #{number} ← {}", verdict.line(status, &asked)));
        }
        if asked.side != Side::Marketo {
            return;
        }
        let mut broken = Vec::new();
        if asked.counts() {
            self.limits.answered(&verdict);
        }
        self.in_flight.answered(number);
        if let Some(write) = &asked.write {
            self.ledger.answered(number, write, &verdict);
            keys::check_twins(&self.sandbox, write, &self.ledger, &mut broken);
            self.gone.answered(write, &verdict);
        }
        self.add(number, broken);
    }

    fn add(&mut self, number: u64, broken: Vec<Violation>) {
        for violation in broken {
            if let Some(lines) = &mut self.lines {
                lines.push(format!("          #{number} BREAKS {}: {}", violation.rule, violation.what));
            }
            if self.broken.len() < 20 {
                self.broken.push(violation);
            }
        }
    }
}

/// A write as text, for messages.
fn shown(write: &Write) -> String {
    let text = format!("{write:?}");
    text.chars().take(600).collect()
}
