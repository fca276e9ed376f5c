//! One bridge: both clients, the state, and what all parts of a cycle share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use base::Clock;
use store::{Batch, Fence, Store};

use crate::{
    calls::{CallLedger, Quota},
    dynamics::Dynamics,
    error::{Side, SyncError},
    marketo::Marketo,
    metadata::Metadata,
    options::{Options, RunOptions},
    progress::Progress,
    summary::Summary,
};

/// Everything that a pass works with. Only the holder of the lease has one, and the passes that it makes of it.
#[derive(Debug)]
pub struct Bridge {
    /// The Dynamics side.
    pub dynamics: Arc<Dynamics>,
    /// The Marketo side.
    pub marketo: Arc<Marketo>,
    /// The state.
    pub store: Arc<dyn Store>,
    /// The lease's number.
    pub fence: Fence,
    /// The time.
    pub clock: Clock,
    /// What people decided.
    pub options: Options,
    /// What this run is asked to do differently.
    pub run: RunOptions,
    /// Who watches.
    pub progress: Progress,
    /// Calls counted.
    pub ledger: Arc<CallLedger>,
    /// Held by the pass that writes links. Passes read a link, change their part of it and save the whole, so that two at once could
    /// overwrite each other: the second waits here, and nowhere else.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
    /// What Dynamics last said of its tables.
    pub(crate) metadata: Arc<Metadata>,
    summary: Mutex<Summary>,
    numbers: Arc<AtomicU64>,
    before: CallsBefore,
}

/// What both sides' counters showed when a pass began.
#[derive(Debug, Default)]
struct CallsBefore {
    dynamics: BTreeMap<&'static str, u64>,
    marketo: BTreeMap<&'static str, u64>,
}

/// What a bridge is made of.
#[derive(Debug)]
pub struct Parts {
    /// The Dynamics client.
    pub dynamics: dataverse::Client,
    /// The Marketo client.
    pub marketo: ::marketo::Client,
    /// The state.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// What people decided.
    pub options: Options,
    /// What this run is asked to do differently.
    pub run: RunOptions,
    /// Who watches.
    pub progress: Progress,
    /// How many Marketo calls a day may be made.
    pub quota: Quota,
}

impl Bridge {
    /// Takes the lease and loads what earlier processes of this bridge left: the calls of the last window and of today.
    ///
    /// # Errors
    /// When another process has the lease, or the state can't be read.
    pub async fn open(parts: Parts, holder: &str) -> Result<Self, SyncError> {
        let Parts { dynamics, marketo, store, clock, options, run, progress, quota } = parts;
        let fence = store.acquire(holder).await?;
        let ledger = CallLedger::load(store.clone(), fence, &clock, marketo.pace().clone(), quota).await?;
        Ok(Self {
            dynamics: Arc::new(Dynamics::new(dynamics)),
            marketo: Arc::new(Marketo::new(marketo)),
            store,
            fence,
            summary: Mutex::new(Summary::new(clock.now())),
            clock,
            options,
            run,
            progress,
            ledger: Arc::new(ledger),
            turn: Arc::default(),
            metadata: Arc::default(),
            numbers: Arc::default(),
            before: CallsBefore::default(),
        })
    }

    /// Gives the lease back; no pass goes on after that.
    ///
    /// # Errors
    /// When the state can't be written.
    pub async fn close(&self) -> Result<(), SyncError> {
        self.ledger.close().await?;
        Ok(self.store.release(self.fence).await?)
    }

    /// The same bridge for one pass: its own summary, options and watcher; clients, state, lease and counts are shared. Several passes may
    /// run at once. None may be left when the bridge is closed.
    #[must_use]
    pub fn pass(&self, run: RunOptions, progress: Progress) -> Self {
        Self {
            dynamics: self.dynamics.clone(),
            marketo: self.marketo.clone(),
            store: self.store.clone(),
            fence: self.fence,
            clock: self.clock.clone(),
            options: self.options.clone(),
            run,
            progress,
            ledger: self.ledger.clone(),
            turn: self.turn.clone(),
            metadata: self.metadata.clone(),
            summary: Mutex::new(Summary::new(self.clock.now())),
            numbers: self.numbers.clone(),
            before: CallsBefore { dynamics: self.dynamics.pace().counts(), marketo: self.marketo.pace().counts() },
        }
    }

    /// The same pass, whose Marketo calls go in this lane.
    #[must_use]
    pub fn in_lane(self, lane: wire::Lane) -> Self {
        Self { marketo: Arc::new(self.marketo.in_lane(lane)), ..self }
    }

    /// Calls made since this pass began, to Marketo and to Dynamics, by kind. Those of a pass that runs at the same time are among them.
    #[must_use]
    pub fn calls(&self) -> [BTreeMap<String, u64>; 2] {
        [(self.marketo.pace(), &self.before.marketo), (self.dynamics.pace(), &self.before.dynamics)].map(|(pace, before)| {
            let since = |(kind, count): (&'static str, u64)| {
                let count = count.saturating_sub(before.get(kind).copied().unwrap_or_default());
                (count > 0).then(|| (kind.to_owned(), count))
            };
            pace.counts().into_iter().filter_map(since).collect()
        })
    }

    /// Makes sure that Dynamics lets us in.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn greet_dynamics(&self) -> Result<(), SyncError> {
        self.dynamics.greet().await.map_err(|error| SyncError::of_call(Side::Dynamics, error))
    }

    /// Makes sure that Marketo lets us in, with a call that needs no permission.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn greet_marketo(&self) -> Result<(), SyncError> {
        self.marketo.usage().await.map_err(|error| SyncError::of_call(Side::Marketo, error)).map(drop)
    }

    /// Ends when no pass is writing links any more; none begins to while the guard lives. Passes take it themselves.
    pub async fn turn(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// From now on no call starts; those in flight are waited for and their outcomes saved.
    pub fn stop(&self) {
        self.marketo.pace().stop();
        self.dynamics.pace().stop();
    }

    /// Saves a batch, and with it how many calls were made until now.
    ///
    /// # Errors
    /// When the state can't be written, or the lease is gone.
    pub async fn commit(&self, batch: Batch) -> Result<(), SyncError> {
        Ok(self.ledger.commit(batch).await?)
    }

    /// A number that this process has not given out before.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Changes the summary.
    pub fn count(&self, act: impl FnOnce(&mut Summary)) {
        act(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The summary as it is now.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
