//! Both emulators with one clock and one seed.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::Router;
use base::{Clock, Timestamp, time};
use emulator::{Latency, Recorder, Served};
use serde_json::{Map, Value};

use crate::{
    control::{self, Side},
    organisation::{self, Census, Sink},
};

/// What a sandbox starts with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Leads and contacts in Dynamics; 0 starts with two empty systems. See [`organisation`] for everything that comes with them.
    pub people: u64,
    /// Where all chance comes from. The same seed and size give the same rows.
    pub seed: u64,
    /// Whether both vendors' limits refuse calls; they are counted in any case.
    pub enforce_limits: bool,
    /// How long every answer takes, in milliseconds.
    pub latency_ms: u64,
    /// Marketo's settings, client id and secret among them. `enforce_limits` above wins.
    pub marketo: marketo_emulator::Options,
    /// Dataverse's settings, tenant, client id and secret among them. `enforce_limits` above wins.
    pub dataverse: dataverse_emulator::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            people: 1000,
            seed: 1,
            enforce_limits: true,
            latency_ms: 0,
            marketo: marketo_emulator::Options::default(),
            dataverse: dataverse_emulator::Options::default(),
        }
    }
}

/// The rows of an organisation couldn't be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox can't be filled: {0}")]
pub struct FillError(pub String);

/// Both emulators. Cheap to clone; every clone is the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    /// Marketo.
    pub marketo: Served<marketo_emulator::State>,
    /// Dataverse.
    pub dataverse: Served<dataverse_emulator::State>,
    shared: Arc<Shared>,
}

struct Shared {
    census: Mutex<Census>,
    /// How far the sandbox's clock is ahead of the one it was given, in milliseconds.
    ahead_ms: Arc<AtomicU64>,
}

/// Rows go straight into both emulators.
struct Fill<'a> {
    dataverse: MutexGuard<'a, dataverse_emulator::State>,
    marketo: MutexGuard<'a, marketo_emulator::State>,
}

impl Sink for Fill<'_> {
    fn dynamics(&mut self, table: &'static str, row: Map<String, Value>, at: Timestamp) -> Result<(), String> {
        self.dataverse.insert(table, row, at).map(|_| ()).map_err(|reason| format!("{table}: {reason}"))
    }

    fn marketo(&mut self, lead: Map<String, Value>, at: Timestamp) -> Result<(), String> {
        self.marketo.insert_lead(lead, at);
        Ok(())
    }
}

impl Sandbox {
    /// Two emulators that go by `clock`, filled with an organisation.
    ///
    /// # Errors
    /// When a row of the organisation doesn't fit the emulators' schemas, because the options changed them.
    pub fn new(options: Options, clock: Clock) -> Result<Self, FillError> {
        let ahead_ms = Arc::new(AtomicU64::new(0));
        let clock = {
            let ahead_ms = Arc::clone(&ahead_ms);
            Clock::from_fn(move || time::later(clock.now(), Duration::from_millis(ahead_ms.load(Ordering::Relaxed))))
        };
        let Options { people, seed, enforce_limits, latency_ms, mut marketo, mut dataverse } = options;
        (marketo.enforce_limits, dataverse.enforce_limits) = (enforce_limits, enforce_limits);
        (marketo.seed, dataverse.seed) = (seed, seed);
        let now = clock.now();
        let sandbox = Self {
            marketo: Served::new(marketo_emulator::State::new(marketo, now), clock.clone(), seed),
            dataverse: Served::new(dataverse_emulator::State::new(dataverse, now), clock, seed.wrapping_add(1)),
            shared: Arc::new(Shared { census: Mutex::default(), ahead_ms }),
        };
        if latency_ms > 0 {
            let latency = Some(Latency::fixed(latency_ms as f64));
            sandbox.marketo.faults().set_latency(latency);
            sandbox.dataverse.faults().set_latency(latency);
        }
        sandbox.fill(people, seed)?;
        Ok(sandbox)
    }

    /// Empties both sides and fills them again; settings stay, tokens, faults and counts go.
    ///
    /// # Errors
    /// As [`Sandbox::new`].
    pub fn reset(&self, people: u64, seed: u64) -> Result<(), FillError> {
        let now = self.now();
        {
            let mut marketo = self.marketo.state();
            marketo.options_mut().seed = seed;
            marketo.reset(now);
        }
        {
            let mut dataverse = self.dataverse.state();
            dataverse.options_mut().seed = seed;
            dataverse.reset(now);
        }
        self.marketo.faults().clear();
        self.dataverse.faults().clear();
        self.marketo.journal().reset();
        self.dataverse.journal().reset();
        self.fill(people, seed)
    }

    fn fill(&self, people: u64, seed: u64) -> Result<(), FillError> {
        let census = match people {
            0 => Census::default(),
            _ => {
                let mut fill = Fill { dataverse: self.dataverse.state(), marketo: self.marketo.state() };
                organisation::generate(people, seed, self.now(), &mut fill).map_err(FillError)?
            }
        };
        *self.shared.census.lock().unwrap_or_else(PoisonError::into_inner) = census;
        Ok(())
    }

    /// What the organisation consisted of when it was made.
    #[must_use]
    pub fn census(&self) -> Census {
        self.shared.census.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sandbox's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.marketo.now()
    }

    /// Moves the time of both emulators ahead for good; a client's own clock doesn't notice.
    pub fn advance(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let ahead = &self.shared.ahead_ms;
        // Nothing else depends on the order of this store.
        let _previous = ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_add(ms)));
    }

    /// Lets Marketo's answers take a log-normal time, as [`Latency::log_normal`] says; Dataverse's stay as they are.
    pub fn spread_marketo_latency(&self, median_ms: f64, sigma: f64) {
        self.marketo.faults().set_latency(Some(Latency::log_normal(median_ms, sigma)));
    }

    /// Writes the bodies of both sides' requests and answers into a new file, as [`Recorder`] says.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn record(&self, path: &Path) -> io::Result<()> {
        let recorder = Recorder::create(path)?;
        self.marketo.record(recorder.clone());
        self.dataverse.record(recorder);
        Ok(())
    }

    /// Whether both sides agree, by the default rules.
    #[must_use]
    pub fn agreement(&self) -> crate::agreement::Agreement {
        let (dataverse, marketo) = (self.dataverse.state(), self.marketo.state());
        crate::agreement::agree(&dataverse, &marketo, &crate::agreement::Rules::default())
    }

    /// Marketo's API, and the control interface under `/_sandbox`.
    pub fn marketo_router(&self) -> Router {
        control::router(self.clone(), Side::Marketo).fallback_service(self.marketo.router())
    }

    /// Dataverse's API with its token endpoint, and the control interface under `/_sandbox`.
    pub fn dataverse_router(&self) -> Router {
        control::router(self.clone(), Side::Dataverse).fallback_service(self.dataverse.router())
    }
}
