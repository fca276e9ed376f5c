//! One bridge: both clients, the state, and what all parts of a cycle share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use base::{Clock, RecordId};
use futures::{FutureExt, future::BoxFuture};
use store::{
    Batch, Fence, Record, Store, StoreError,
    record::{Family, Outbox},
};
use tokio_util::task::AbortOnDropHandle;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    calls::{CallLedger, Quota},
    dynamics::Dynamics,
    error::{Side, SyncError},
    marketo::Marketo,
    metadata::Metadata,
    options::{Options, RunOptions},
    plan::{Approval, Hand, Rehearsal},
    progress::{Progress, Step},
    push::Ahead,
    share::Share,
    summary::Summary,
};

/// A budget of more calls than that is none: nobody has set a limit.
const UNLIMITED: u64 = u64::MAX / 2;

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
    /// Held by the pass that decides who is linked to whom: one at a time.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
    /// Held while links are read, changed and saved by whoever may work beside others.
    pub(crate) links: Arc<tokio::sync::Mutex<()>>,
    /// Held while the feed of activities is read on.
    pub(crate) noticing: Arc<tokio::sync::Mutex<()>>,
    /// Held while the lists of the write-back are gone through.
    pub(crate) writing_back: Arc<tokio::sync::Mutex<()>>,
    /// What it does with what it would write.
    pub(crate) hand: Hand,
    /// What of links this one may change, where others work beside it.
    share: Option<Share>,
    /// What was sent early in this pass and is still to be sent: by its key, with a fingerprint of what Marketo shall hold.
    tried: Arc<Mutex<BTreeMap<Vec<u8>, u64>>>,
    /// Who is looked up ahead in this pass, and who was in vain.
    pub(crate) ahead: Arc<Ahead>,
    /// What Dynamics last said of its tables.
    pub(crate) metadata: Arc<Metadata>,
    summary: Arc<Mutex<Summary>>,
    numbers: Arc<AtomicU64>,
    before: CallsBefore,
}

/// What both sides' counters showed when a pass began.
#[derive(Debug, Clone, Default)]
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

/// Where batches go.
struct Saver {
    ledger: Arc<CallLedger>,
    /// A copy of the state, of a pass that writes nothing: calls are counted in the state itself.
    apart: Option<(Arc<dyn Store>, Fence)>,
}

impl Saver {
    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        match &self.apart {
            None => self.ledger.commit(batch).await,
            Some((store, fence)) => {
                self.ledger.commit(Batch::new()).await?;
                store.commit(*fence, batch).await
            }
        }
    }
}

impl Bridge {
    /// Takes the lease and loads what earlier processes of this bridge left: the calls of the last window and of today.
    ///
    /// # Errors
    /// When another process has the lease, or the state can't be read.
    pub fn open(parts: Parts, holder: &str) -> BoxFuture<'_, Result<Self, SyncError>> {
        async move {
            let Parts { dynamics, marketo, store, clock, options, run, progress, quota } = parts;
            let fence = store.acquire(holder).await?;
            let ledger = CallLedger::load(store.clone(), fence, &clock, marketo.pace().clone(), quota).await?;
            Ok(Self {
                dynamics: Arc::new(Dynamics::new(dynamics)),
                marketo: Arc::new(Marketo::new(marketo)),
                store,
                fence,
                summary: Arc::new(Mutex::new(Summary::new(clock.now()))),
                clock,
                options,
                run,
                progress,
                ledger: Arc::new(ledger),
                turn: Arc::default(),
                links: Arc::default(),
                noticing: Arc::default(),
                writing_back: Arc::default(),
                hand: Hand::Free,
                share: None,
                tried: Arc::default(),
                ahead: Arc::default(),
                metadata: Arc::default(),
                numbers: Arc::default(),
                before: CallsBefore::default(),
            })
        }
        .boxed()
    }

    /// Gives the lease back; no pass goes on after that.
    ///
    /// # Errors
    /// When the state can't be written.
    pub fn close(&self) -> BoxFuture<'_, Result<(), SyncError>> {
        async move {
            self.ledger.close().await?;
            Ok(self.store.release(self.fence).await?)
        }
        .boxed()
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
            links: self.links.clone(),
            noticing: self.noticing.clone(),
            writing_back: self.writing_back.clone(),
            hand: self.hand.clone(),
            share: None,
            tried: Arc::default(),
            ahead: Arc::default(),
            metadata: self.metadata.clone(),
            summary: Arc::new(Mutex::new(Summary::new(self.clock.now()))),
            numbers: self.numbers.clone(),
            before: CallsBefore { dynamics: self.dynamics.pace().counts(), marketo: self.marketo.pace().counts() },
        }
    }

    /// The same pass, as one part of it that works beside others and changes of links only its share.
    pub(crate) fn beside(&self, share: Share) -> Self {
        Self {
            summary: self.summary.clone(),
            before: self.before.clone(),
            tried: self.tried.clone(),
            ahead: self.ahead.clone(),
            share: Some(share),
            ..self.pass(self.run.clone(), self.progress.clone())
        }
    }

    /// A pass over a copy of the state, which writes to neither side; its calls are counted with all others.
    pub(crate) fn rehearsing(&self, store: Arc<dyn Store>, fence: Fence, rehearsal: Arc<Rehearsal>) -> Self {
        Self {
            dynamics: Arc::new(self.dynamics.rehearsing(rehearsal.clone())),
            marketo: Arc::new(self.marketo.rehearsing(rehearsal.clone())),
            store,
            fence,
            turn: Arc::default(),
            links: Arc::default(),
            noticing: Arc::default(),
            writing_back: Arc::default(),
            hand: Hand::Rehearsing(rehearsal),
            metadata: Arc::default(),
            ..self.pass(RunOptions { served: false, ..self.run.clone() }, self.progress.reading())
        }
    }

    /// The same pass, which writes only what was planned. It is in the turn of whoever makes it.
    pub(crate) fn bound(&self, approval: Arc<Approval>) -> Self {
        Self { hand: Hand::Bound(approval), turn: Arc::default(), ..self.pass(self.run.clone(), self.progress.clone()) }
    }

    /// The same pass, whose Marketo calls go in this lane.
    #[must_use]
    pub fn in_lane(self, lane: wire::Lane) -> Self {
        Self { marketo: Arc::new(self.marketo.in_lane(lane)), ..self }
    }

    /// The same pass, of which its watcher isn't told.
    #[must_use]
    pub(crate) fn unwatched(self) -> Self {
        Self { progress: Progress::silent(), ..self }
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

    /// Tells whoever watches what is done, and how many Marketo calls are left today where that is limited.
    pub(crate) fn tell(&self, step: Step) {
        if let Some(budget) = self.marketo.pace().budget().filter(|budget| budget.left < UNLIMITED) {
            self.progress.tell(Step::Quota { left: budget.left });
        }
        self.progress.tell(step);
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
    pub async fn commit(&self, mut batch: Batch) -> Result<(), SyncError> {
        let saver = self.saver();
        let Some(share) = self.share.filter(|_| batch.changes.iter().any(|(family, ..)| *family == Family::Link)) else {
            return Ok(saver.commit(batch).await?);
        };
        let (links, store) = (self.links.clone(), self.store.clone());
        // In a task of its own: who is given the links' turn must go on, also while whoever waits for it waits for another first.
        let task = tokio::spawn(async move {
            let _links = links.lock().await;
            share.limit(&*store, &mut batch).await?;
            saver.commit(batch).await
        });
        match AbortOnDropHandle::new(task).await {
            Ok(outcome) => Ok(outcome?),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::Fenced.into()),
        }
    }

    fn saver(&self) -> Saver {
        let apart = match self.hand {
            Hand::Rehearsing(_) => Some((self.store.clone(), self.fence)),
            Hand::Free | Hand::Bound(_) => None,
        };
        Saver { ledger: self.ledger.clone(), apart }
    }

    /// Whether a record is among those that this pass is for.
    pub(crate) fn means(&self, record: RecordId) -> bool {
        self.run.only.as_ref().is_none_or(|only| only.contains(&record))
    }

    /// Remembers what was tried in this pass, so that no push of it tries the same again.
    pub(crate) fn note_tried(&self, entries: &[Outbox]) {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.extend(entries.iter().map(|entry| (entry.key(), xxh3_64(entry.body.desired.text().as_bytes()))));
    }

    /// Whether the same was tried in this pass.
    pub(crate) fn was_tried(&self, entry: &Outbox) -> bool {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        !tried.is_empty() && tried.get(&entry.key()) == Some(&xxh3_64(entry.body.desired.text().as_bytes()))
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
