//! MSI fields from Marketo to Dynamics (rule R10).
//!
//! Who to look at comes from [`due`]; what to write comes from a fresh read, compared with what Dynamics was seen to hold ([`rows`]). A person
//! leaves the list only when its row is right. Those with whom something has just happened have a list of their own and go first.

mod allowance;
mod due;
mod rows;
mod seen;

pub(crate) use due::everybody;
pub(crate) use seen::{Seen, fields, save_seen, seen};

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use base::{RecordId, Table};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::{Map, Value};
use store::{
    Record, StoreExt,
    record::{Link, MsiDue, MsiUrgent},
};
use tokio_util::sync::CancellationToken;
use wire::CallError;

use allowance::Allowance;
use rows::{Write, compare, save, take_up, writable};

use crate::{
    bridge::Bridge,
    dynamics::RowFate,
    error::{Side, SyncError},
    import,
    marketo::People,
    prepare::Prepared,
    progress::Step,
};

/// People read in one call (Adobe, "Leads": filter values).
const PEOPLE_PER_CALL: usize = 300;

/// How often it is looked whether the list fills a call.
const LOOK: Duration = Duration::from_secs(1);

/// Messages that are written at a time. Dynamics' own limits are kept by the client; more than these would only hold rows in memory.
const WRITES_AT_ONCE: usize = 8;

/// Messages in a row that must go well before they grow again.
const GOOD_MESSAGES: u32 = 10;

/// Messages in a row that may go unanswered before it isn't their size that is to blame.
const SHRINK_MAX: u32 = 3;

/// Which of the lists is gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    /// People with whom something has just happened.
    Urgent,
    /// Everybody else.
    Due,
    /// The same, but for the last of them, who don't fill a call.
    DueInFullCalls,
}

/// People who were looked at in this cycle and stay on a list: Marketo doesn't show them, or Dynamics doesn't take their row. They aren't read again in
/// it.
pub(crate) type Left = BTreeSet<RecordId>;

/// Brings the MSI columns up to date: first of those with whom something has just happened, then of everybody whose turn it is, but for those who
/// were looked at in this cycle and are `left`.
///
/// # Errors
/// When a side can't be reached or the state can't be written. What was written is saved.
pub(crate) async fn write_back(bridge: &Bridge, prepared: &Prepared, mut left: Left) -> Result<(), SyncError> {
    if !bridge.options.write_back.enabled {
        return Ok(());
    }
    let turn = bridge.writing_back.lock().await;
    due::from_the_map(bridge, prepared).await?;
    due::from_the_sweep(bridge).await?;
    drop(turn);
    to_its_end(bridge, prepared, &mut left).await
}

/// Goes through both lists. Whoever becomes urgent meanwhile is seen to first, also by another pass.
async fn to_its_end(bridge: &Bridge, prepared: &Prepared, left: &mut Left) -> Result<(), SyncError> {
    loop {
        let _turn = bridge.writing_back.lock().await;
        go_through(bridge, prepared, List::Urgent, left).await?;
        if go_through(bridge, prepared, List::Due, left).await? == Ended::Whole {
            return Ok(());
        }
    }
}

/// Goes through the list in full calls while others put people on it, until `filled`: calls that nobody else has a use for. Gives who was looked at
/// and stays on it.
///
/// # Errors
/// As [`write_back`].
pub(crate) async fn meanwhile(bridge: &Bridge, prepared: &Prepared, filled: &CancellationToken) -> Result<Left, SyncError> {
    let mut left = Left::new();
    if !bridge.options.write_back.enabled {
        return Ok(left);
    }
    loop {
        // Also where nothing can be done just now: no column to write to, or no rows left today.
        tokio::select! {
            () = filled.cancelled() => return Ok(left),
            () = tokio::time::sleep(LOOK) => {}
        }
        let due = List::Due.count(bridge).await?.saturating_sub(left.len() as u64);
        // People who come by import are read with that.
        if due >= PEOPLE_PER_CALL as u64 && !import::Note::any(bridge).await? {
            let _turn = bridge.writing_back.lock().await;
            go_through(bridge, prepared, List::DueInFullCalls, &mut left).await?;
        }
    }
}

/// Begins a round in which everybody is looked at once, and goes through as much of it as one pass may; later passes go on with it.
///
/// # Errors
/// As [`write_back`].
pub async fn sweep(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    if !bridge.options.write_back.enabled || bridge.options.write_back.sweep_hours == 0 {
        return Ok(());
    }
    let turn = bridge.writing_back.lock().await;
    due::begin_round(bridge).await?;
    drop(turn);
    to_its_end(bridge, prepared, &mut Left::new()).await
}

/// Brings up to date the MSI columns of those with whom something has just happened.
///
/// # Errors
/// As [`write_back`].
pub async fn write_urgent(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    if !bridge.options.write_back.enabled {
        return Ok(());
    }
    let _turn = bridge.writing_back.lock().await;
    go_through(bridge, prepared, List::Urgent, &mut Left::new()).await.map(drop)
}

/// How a list was gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// To its end.
    Whole,
    /// Somebody has become urgent.
    Early,
}

async fn go_through(bridge: &Bridge, prepared: &Prepared, list: List, left: &mut Left) -> Result<Ended, SyncError> {
    if prepared.tables.values().all(|plan| plan.msi.targets.is_empty()) {
        // Who is on the list stays there until there is a column to write to.
        return Ok(Ended::Whole);
    }
    let total = list.count(bridge).await?;
    if total == 0 {
        return Ok(Ended::Whole);
    }
    let targets = prepared.tables.values().flat_map(|plan| plan.msi.targets.iter().map(|(_, name, _)| name.clone()));
    let fields: BTreeSet<String> = targets.chain(["id".to_owned()]).collect();
    let rows = usize::try_from(bridge.options.write_back.rows_per_message).unwrap_or(1).max(1);
    let mut round = Round {
        bridge,
        prepared,
        list,
        fields: fields.into_iter().collect(),
        rows,
        rows_max: rows,
        good: 0,
        shrunk: 0,
        allowance: Allowance::load(bridge, list).await?,
        left,
        after: None,
        exhausted: false,
        interrupted: false,
        waiting: BTreeMap::new(),
        reads: 0,
        writes: 0,
        looked: 0,
        written: 0,
        total,
    };
    let outcome = round.run().await;
    if round.allowance.is_used_up(bridge.clock.now()) && list != List::DueInFullCalls {
        let left = list.count(bridge).await?;
        bridge.count(|summary| summary.written_back.put_off += left);
    }
    outcome?;
    Ok(if round.interrupted { Ended::Early } else { Ended::Whole })
}

impl List {
    async fn count(self, bridge: &Bridge) -> Result<u64, SyncError> {
        let family = match self {
            Self::Urgent => MsiUrgent::FAMILY,
            Self::Due | Self::DueInFullCalls => MsiDue::FAMILY,
        };
        Ok(bridge.store.count(family, &[]).await?)
    }

    /// The next records on it.
    async fn next(self, bridge: &Bridge, after: Option<&[u8]>, limit: usize) -> Result<Vec<RecordId>, SyncError> {
        Ok(match self {
            Self::Urgent => bridge.store.list::<MsiUrgent>(&[], after, limit).await?.into_iter().map(|due| due.record).collect(),
            Self::Due | Self::DueInFullCalls => {
                bridge.store.list::<MsiDue>(&[], after, limit).await?.into_iter().map(|due| due.record).collect()
            }
        })
    }
}

/// A call that was answered.
enum Answered {
    /// These people were read.
    Read(BTreeMap<i64, Link>, Result<People, CallError>),
    /// These rows were written.
    Written(Vec<Write>, Vec<RowFate>, Option<CallError>),
}

/// A list, gone through once: people are read, and rows written, as many at a time as each side allows.
struct Round<'a> {
    bridge: &'a Bridge,
    prepared: &'a Prepared,
    list: List,
    /// Fields that are read.
    fields: Vec<String>,
    /// Rows of a message: fewer after one that took Dynamics too long.
    rows: usize,
    rows_max: usize,
    /// Messages that went well since their size was changed.
    good: u32,
    /// Messages in a row that were not answered.
    shrunk: u32,
    /// Rows that may be written today.
    allowance: Allowance,
    /// Who was looked at and stays on the list.
    left: &'a mut Left,
    /// How far the list has been gone through.
    after: Option<Vec<u8>>,
    exhausted: bool,
    /// Whether somebody has become urgent.
    interrupted: bool,
    /// Rows to be written.
    waiting: BTreeMap<Table, Vec<Write>>,
    reads: usize,
    writes: usize,
    looked: u64,
    written: u64,
    total: u64,
}

impl<'a> Round<'a> {
    async fn run(&mut self) -> Result<(), SyncError> {
        let mut under_way = FuturesUnordered::new();
        let mut stop = None;
        loop {
            if stop.is_none() {
                stop = self.start(&mut under_way).await.err();
            }
            let Some(answered) = under_way.next().await else {
                return stop.map_or(Ok(()), Err);
            };
            // What is under way is waited for whatever happens to the others, because its outcome must be saved.
            if let Err(error) = self.absorb(answered).await {
                stop.get_or_insert(error);
            }
            self.bridge.progress.tell(Step::WrittenBack { read: self.looked, written: self.written, total: self.total });
        }
    }

    /// Starts what can be started: full messages first, what is left of them after the last read.
    async fn start(&mut self, under_way: &mut FuturesUnordered<BoxFuture<'a, Answered>>) -> Result<(), SyncError> {
        loop {
            let last = self.exhausted && self.reads == 0;
            while self.writes < WRITES_AT_ONCE
                && let Some((table, writes)) = self.message(if last { 1 } else { self.rows })
            {
                self.writes += 1;
                under_way.push(self.write(table, writes)?);
            }
            let backlog: usize = self.waiting.values().map(Vec::len).sum();
            let is_full = self.reads >= self.bridge.marketo.in_flight_max() || backlog >= self.rows * WRITES_AT_ONCE;
            // Who can't be written to today isn't read either.
            if self.exhausted || is_full || self.allowance.is_used_up(self.bridge.clock.now()) {
                return Ok(());
            }
            if self.list != List::Urgent && !self.bridge.store.list::<MsiUrgent>(&[], None, 1).await?.is_empty() {
                (self.interrupted, self.exhausted) = (true, true);
                continue;
            }
            let people = self.next_people().await?;
            if !people.is_empty() {
                self.reads += 1;
                under_way.push(self.read(people));
            }
        }
    }

    /// The next people whose rows can be written, as many as fill a call: who can't be written to costs no part of one.
    async fn next_people(&mut self) -> Result<BTreeMap<i64, Link>, SyncError> {
        let mut people = BTreeMap::new();
        while !self.exhausted && people.len() < PEOPLE_PER_CALL {
            let due = self.list.next(self.bridge, self.after.as_deref(), PEOPLE_PER_CALL - people.len()).await?;
            self.exhausted = due.is_empty();
            self.after = due.last().map(|record| store::record::record_key(*record)).or(self.after.take());
            self.looked += due.len() as u64;
            if self.list == List::Urgent {
                take_up(self.bridge, &due).await?;
            }
            let due: Vec<RecordId> = due.into_iter().filter(|record| !self.left.contains(record)).collect();
            people.extend(writable(self.bridge, &due).await?);
        }
        if self.list == List::DueInFullCalls && people.len() < PEOPLE_PER_CALL {
            return Ok(BTreeMap::new());
        }
        Ok(people)
    }

    /// A message of `at_least` rows, up to as many as one holds and as may be written today.
    fn message(&mut self, at_least: usize) -> Option<(Table, Vec<Write>)> {
        let (table, writes) = self.waiting.iter_mut().find(|(_, writes)| !writes.is_empty() && writes.len() >= at_least)?;
        let rows = self.allowance.take(writes.len().min(self.rows), self.bridge.clock.now());
        (rows > 0).then(|| (*table, writes.drain(..rows).collect()))
    }

    fn read(&self, people: BTreeMap<i64, Link>) -> BoxFuture<'a, Answered> {
        let (bridge, fields) = (self.bridge, self.fields.clone());
        let ids = people.keys().map(ToString::to_string).collect();
        async move {
            let found = bridge.marketo.people("id", ids, &fields).await;
            Answered::Read(people, found)
        }
        .boxed()
    }

    fn write(&self, table: Table, writes: Vec<Write>) -> Result<BoxFuture<'a, Answered>, SyncError> {
        let (bridge, plan) = (self.bridge, self.prepared.table(table)?);
        let rows: Vec<(_, Map<String, Value>)> = writes.iter().map(|write| (write.link.record.id, write.changes.clone())).collect();
        let written = async move {
            let (fates, stop) = bridge.dynamics.write_rows(&plan.table, rows).await;
            Answered::Written(writes, fates, stop)
        };
        Ok(written.boxed())
    }

    async fn absorb(&mut self, answered: Answered) -> Result<(), SyncError> {
        match answered {
            Answered::Read(people, found) => {
                self.reads -= 1;
                let found = found.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
                let (writes, staying) = compare(self.bridge, self.prepared, people, found).await?;
                self.left.extend(staying.into_iter().chain(writes.iter().map(|write| write.link.record)));
                for write in writes {
                    self.waiting.entry(write.link.record.table).or_default().push(write);
                }
                Ok(())
            }
            Answered::Written(writes, fates, stop) => {
                self.writes -= 1;
                let tried = fates.iter().filter(|fate| **fate != RowFate::NotTried).count();
                self.allowance.give_back(writes.len() - tried);
                let again = self.learn(writes.len(), stop.as_ref());
                let untried: Vec<Write> = writes
                    .iter()
                    .zip(&fates)
                    .filter(|(_, fate)| again && **fate == RowFate::NotTried)
                    .map(|(write, _)| write.clone())
                    .collect();
                let done: BTreeSet<RecordId> =
                    writes.iter().zip(&fates).filter(|(_, fate)| fate.is_done()).map(|(write, _)| write.link.record).collect();
                self.written += save(self.bridge, writes, fates, &self.allowance).await?;
                self.left.retain(|record| !done.contains(record));
                for write in untried {
                    self.waiting.entry(write.link.record.table).or_default().push(write);
                }
                stop.filter(|_| !again).map_or(Ok(()), |error| Err(SyncError::of_call(Side::Dynamics, error)))
            }
        }
    }

    /// Takes a lesson from a message of so many rows; whether its rows are to go again in smaller ones. Dynamics gives up on a message after
    /// two minutes, and how many rows it gets done in them depends on the customer's plug-ins.
    fn learn(&mut self, rows: usize, stop: Option<&CallError>) -> bool {
        match stop {
            None => {
                (self.good, self.shrunk) = (self.good + 1, 0);
                if self.good >= GOOD_MESSAGES && self.rows < self.rows_max {
                    (self.rows, self.good) = ((self.rows * 2).min(self.rows_max), 0);
                }
                false
            }
            // It was made before they became smaller.
            Some(error) if rows > self.rows && error.may_have_acted() => true,
            Some(error) if rows > 1 && self.shrunk < SHRINK_MAX && error.may_have_acted() => {
                (self.rows, self.good) = ((rows / 2).max(1).min(self.rows), 0);
                self.shrunk += 1;
                tracing::info!(%error, rows = self.rows, "Dynamics could not take so many rows at once; messages are smaller from now on");
                true
            }
            Some(_) => false,
        }
    }
}
