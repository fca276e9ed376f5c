//! One bridge: both clients, the state, and what all parts of a cycle share.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use base::Clock;
use store::{Batch, Fence, Store};

use crate::{
    calls::{CallLedger, Quota},
    dynamics::Dynamics,
    error::{Side, SyncError},
    marketo::Marketo,
    options::{Options, RunOptions},
    progress::Progress,
    summary::Summary,
};

/// Everything that a cycle works with. Only the holder of the lease has one.
#[derive(Debug)]
pub struct Bridge {
    /// The Dynamics side.
    pub dynamics: Dynamics,
    /// The Marketo side.
    pub marketo: Marketo,
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
    pub ledger: CallLedger,
    summary: Mutex<Summary>,
    numbers: AtomicU64,
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
            dynamics: Dynamics::new(dynamics),
            marketo: Marketo::new(marketo),
            store,
            fence,
            summary: Mutex::new(Summary::new(clock.now())),
            clock,
            options,
            run,
            progress,
            ledger,
            numbers: AtomicU64::new(0),
        })
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// When the state can't be written.
    pub async fn close(self) -> Result<(), SyncError> {
        self.ledger.close().await?;
        Ok(self.store.release(self.fence).await?)
    }

    /// The same bridge for another run, with an empty summary. The lease is kept.
    ///
    /// # Errors
    /// When the state can't be read.
    pub async fn next_run(self, progress: Progress) -> Result<Self, SyncError> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&Summary::new(self.clock.now()));
        self.marketo.pace().reset_counts();
        self.dynamics.pace().reset_counts();
        self.ledger.forget_seen();
        Ok(Self { progress, ..self })
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
