//! A list gone through once: people are read, and rows written, as many at a time as each side allows.

use std::collections::{BTreeMap, BTreeSet};

use base::{RecordId, Table};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::{Map, Value};
use store::{
    Record, StoreExt,
    record::{Link, MsiDue, MsiUrgent, record_key},
};
use wire::CallError;

use super::{
    Left, PEOPLE_PER_CALL,
    allowance::Allowance,
    rows::{Write, compare, put_back, save, take_up, writable},
    seen,
};
use crate::{
    bridge::Bridge,
    dynamics::RowFate,
    error::{Side, SyncError},
    marketo::People,
    prepare::Prepared,
    progress::Step,
};

/// Messages that are written at a time. Dynamics' own limits are kept by the client; more than these would only hold rows in memory.
const WRITES_AT_ONCE: usize = 8;

/// Messages in a row that must go well before they grow again.
const GOOD_MESSAGES: u32 = 10;

/// How often messages may become smaller without one that goes well, before it isn't their size that is to blame.
const SHRINK_MAX: u32 = 3;

/// Which of the lists is gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// People with whom something has just happened.
    Urgent,
    /// Everybody else.
    Due,
    /// The same, but for the last of them, who don't fill a call, and in calls that others go before.
    DueInFullCalls,
}

/// How a list was gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// To its end, or to the end of today's rows.
    Whole,
    /// Somebody has become urgent.
    Early,
}

impl List {
    pub(super) async fn count(self, bridge: &Bridge) -> Result<u64, SyncError> {
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

/// Goes through a list. Whoever holds the lists' turn may.
///
/// # Errors
/// When a side can't be reached or the state can't be written. What was written is saved, and who was urgent and isn't seen to is urgent again.
pub(super) async fn go_through(bridge: &Bridge, prepared: &Prepared, list: List, left: &mut Left) -> Result<Ended, SyncError> {
    if prepared.tables.values().all(|plan| plan.msi.targets.is_empty()) {
        // Who is on the list stays there until there is a column to write to.
        return Ok(Ended::Whole);
    }
    let total = list.count(bridge).await?;
    if total == 0 {
        return Ok(Ended::Whole);
    }
    let mut round = Round::new(bridge, prepared, list, total, left).await?;
    let outcome = round.run().await;
    let (interrupted, taken_up) = (round.interrupted, round.taken_up);
    if outcome.is_err() {
        put_back(bridge, &taken_up).await?;
    }
    outcome.map(|()| if interrupted { Ended::Early } else { Ended::Whole })
}

/// Writes rows that differ from what was read already.
///
/// # Errors
/// As [`go_through`].
pub(super) async fn write_rows(bridge: &Bridge, prepared: &Prepared, rows: Vec<Write>) -> Result<(), SyncError> {
    let mut left = Left::new();
    let mut round = Round::new(bridge, prepared, List::Due, rows.len() as u64, &mut left).await?;
    round.exhausted = true;
    round.add(rows);
    round.run().await
}

/// People who were read.
type WasRead = (BTreeMap<i64, Link>, Result<People, CallError>);

/// Rows that were written.
type Written = (Vec<Write>, Vec<RowFate>, Option<CallError>);

/// Calls under way.
#[derive(Default)]
struct UnderWay<'a> {
    reads: FuturesUnordered<BoxFuture<'a, WasRead>>,
    writes: FuturesUnordered<BoxFuture<'a, Written>>,
}

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
    /// How often they became smaller since one went well.
    shrunk: u32,
    /// Rows that may be written today.
    allowance: Allowance,
    /// Who was looked at and stays on the list.
    left: &'a mut Left,
    /// Who was urgent until this round took them up.
    taken_up: BTreeSet<RecordId>,
    /// How far the list has been gone through.
    after: Option<Vec<u8>>,
    exhausted: bool,
    /// Whether somebody has become urgent.
    interrupted: bool,
    /// Rows to be written.
    waiting: BTreeMap<Table, Vec<Write>>,
    looked: u64,
    written: u64,
    total: u64,
}

impl<'a> Round<'a> {
    async fn new(bridge: &'a Bridge, prepared: &'a Prepared, list: List, total: u64, left: &'a mut Left) -> Result<Self, SyncError> {
        let fields: BTreeSet<String> = seen::fields(prepared).chain(["id".to_owned()]).collect();
        let rows = usize::try_from(bridge.options.write_back.rows_per_message).unwrap_or(1).max(1);
        Ok(Self {
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
            taken_up: BTreeSet::new(),
            after: None,
            exhausted: false,
            interrupted: false,
            waiting: BTreeMap::new(),
            looked: 0,
            written: 0,
            total,
        })
    }

    async fn run(&mut self) -> Result<(), SyncError> {
        let mut under_way = UnderWay::default();
        let mut stop = None;
        loop {
            if stop.is_none() {
                stop = self.start(&mut under_way).await.err();
            }
            // What is under way is waited for whatever happens to the others, because its outcome must be saved.
            let absorbed = tokio::select! {
                biased;
                Some(written) = under_way.writes.next() => self.after_writing(written).await,
                Some(read) = under_way.reads.next() => self.after_reading(read).await,
                else => return stop.map_or(Ok(()), Err),
            };
            if let Err(error) = absorbed {
                stop.get_or_insert(error);
            }
            self.bridge.tell(Step::WrittenBack { read: self.looked, written: self.written, total: self.total });
        }
    }

    /// Starts what can be started: full messages first, what is left of them after the last read.
    async fn start(&mut self, under_way: &mut UnderWay<'a>) -> Result<(), SyncError> {
        loop {
            let last = self.exhausted && under_way.reads.is_empty();
            while under_way.writes.len() < WRITES_AT_ONCE
                && let Some((table, writes)) = self.message(if last { 1 } else { self.rows })
            {
                under_way.writes.push(self.write(table, writes)?);
            }
            let backlog: usize = self.waiting.values().map(Vec::len).sum();
            let is_full = under_way.reads.len() >= self.bridge.marketo.in_flight_max() || backlog >= self.rows * WRITES_AT_ONCE;
            // Who can't be written to today isn't read either.
            if self.exhausted || is_full || self.allowance.is_used_up(self.bridge.clock.now()) {
                return Ok(());
            }
            if self.list != List::Urgent && List::Urgent.count(self.bridge).await? > 0 {
                (self.interrupted, self.exhausted) = (true, true);
                // Reads that wait at the gate may do so for long; these people stay on the list.
                under_way.reads.clear();
                continue;
            }
            let people = self.next_people().await?;
            if !people.is_empty() {
                under_way.reads.push(self.read(people));
            }
        }
    }

    /// The next people whose rows can be written, as many as fill a call: who can't be written to costs no part of one.
    async fn next_people(&mut self) -> Result<BTreeMap<i64, Link>, SyncError> {
        let mut people = BTreeMap::new();
        while !self.exhausted && people.len() < PEOPLE_PER_CALL {
            let mut due = self.list.next(self.bridge, self.after.as_deref(), PEOPLE_PER_CALL - people.len()).await?;
            self.exhausted = due.is_empty();
            self.after = due.last().map(|record| record_key(*record)).or(self.after.take());
            self.looked += due.len() as u64;
            match self.list {
                List::Urgent => {
                    take_up(self.bridge, &due).await?;
                    self.taken_up.extend(&due);
                }
                List::Due | List::DueInFullCalls => due.retain(|record| !self.left.contains(record)),
            }
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

    fn read(&self, people: BTreeMap<i64, Link>) -> BoxFuture<'a, WasRead> {
        let (bridge, fields) = (self.bridge, self.fields.clone());
        let ids = people.keys().map(ToString::to_string).collect();
        async move {
            let found = bridge.marketo.people("id", ids, &fields).await;
            (people, found)
        }
        .boxed()
    }

    fn write(&self, table: Table, writes: Vec<Write>) -> Result<BoxFuture<'a, Written>, SyncError> {
        let (bridge, plan) = (self.bridge, self.prepared.table(table)?);
        let rows: Vec<(_, Map<String, Value>)> = writes.iter().map(|write| (write.link.record.id, write.changes.clone())).collect();
        let written = async move {
            let (fates, stop) = bridge.dynamics.write_rows(&plan.table, rows).await;
            let done = writes.iter().zip(&fates).filter(|(_, fate)| **fate == RowFate::Written);
            done.for_each(|(write, _)| bridge.hand.has_written_row(write.link.record, &write.changes));
            (writes, fates, stop)
        };
        Ok(written.boxed())
    }

    /// Those that may be written; the others stay on the list.
    fn add(&mut self, mut rows: Vec<Write>) {
        rows.retain(|write| self.bridge.hand.may_write_row(write.link.record, &write.changes));
        for write in rows {
            self.waiting.entry(write.link.record.table).or_default().push(write);
        }
    }

    async fn after_reading(&mut self, (people, found): WasRead) -> Result<(), SyncError> {
        let found = found.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
        let (writes, staying) = compare(self.bridge, self.prepared, people, found).await?;
        self.left.extend(staying.into_iter().chain(writes.iter().map(|write| write.link.record)));
        self.add(writes);
        Ok(())
    }

    async fn after_writing(&mut self, (writes, fates, stop): Written) -> Result<(), SyncError> {
        let untried = fates.iter().filter(|fate| **fate == RowFate::NotTried).count();
        self.allowance.give_back(untried);
        let goes_again = self.learn(writes.len(), stop.as_ref());
        let mut again = Vec::new();
        for (write, fate) in writes.iter().zip(&fates) {
            match fate {
                RowFate::Written | RowFate::Gone => drop(self.left.take(&write.link.record)),
                RowFate::NotTried if goes_again => again.push(write.clone()),
                RowFate::NotTried | RowFate::Refused { .. } => {}
            }
        }
        self.written += save(self.bridge, writes, fates, &self.allowance).await?;
        self.add(again);
        stop.filter(|_| !goes_again).map_or(Ok(()), |error| Err(SyncError::of_call(Side::Dynamics, error)))
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
