//! What a cycle will send: records, calls, time, and how much of today's quota that is.
//!
//! Before a first load, from how many rows Dynamics says its tables have; else from the outbox, just before it is sent.

use std::{collections::BTreeMap, time::Duration};

use base::{Object, Table, Timestamp, time::later};
use planner::pack::RECORDS_MAX;
use serde::{Deserialize, Serialize};
use store::{
    Batch, Record, StoreExt,
    record::{DirtyRoles, Fact, MsiDue, MsiUrgent, Outbox},
};

use crate::{bridge::Bridge, error::SyncError, progress::Step, push::load_links};

/// The fact that holds the forecast of the cycle under way.
const FORECAST_FACT: &str = "forecast";

/// Records of the outbox that are looked at to tell how many are new. Their keys are random, so that the first are as good as any.
const SAMPLE: usize = 1_000;

/// Calls of a first look at Marketo besides those for records: describes, tokens, usage, spellings.
const BESIDES: u64 = 12;

/// What a cycle is expected to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// When it was made.
    pub at: Timestamp,
    /// Records to be sent, by object.
    pub records: BTreeMap<Object, u64>,
    /// People whose Sales Insight fields will be read.
    pub people_read: u64,
    /// Marketo calls, by kind.
    pub calls: BTreeMap<String, u64>,
    /// How long they take at the limits, in seconds.
    pub seconds: u64,
    /// The part of the calls that are left for us today; above 1, it goes on after Marketo's midnight.
    pub of_today: f64,
    /// When it should end, if today's calls last.
    pub ends: Timestamp,
}

/// How many records there are to be sent of an object, and how many of them Marketo doesn't have from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Work {
    records: u64,
    new: u64,
}

impl Forecast {
    /// All calls.
    #[must_use]
    pub fn calls_total(&self) -> u64 {
        self.calls.values().sum()
    }

    fn new(work: &BTreeMap<Object, Work>, read: u64, besides: u64, per_call: Duration, left: Option<u64>, at: Timestamp) -> Self {
        let calls = calls(work, read, besides);
        let total: u64 = calls.values().sum();
        let seconds = per_call.mul_f64(total as f64).as_secs();
        Self {
            at,
            records: work.iter().map(|(object, work)| (*object, work.records)).collect(),
            people_read: read,
            calls: calls.into_iter().map(|(kind, calls)| (kind.to_owned(), calls)).collect(),
            seconds,
            of_today: left.map_or(0.0, |left| total as f64 / left.max(1) as f64),
            ends: later(at, Duration::from_secs(seconds)),
        }
    }
}

/// The calls that this takes, by kind, when every one is full.
fn calls(work: &BTreeMap<Object, Work>, read: u64, besides: u64) -> BTreeMap<&'static str, u64> {
    let full = |records: u64| records.div_ceil(RECORDS_MAX as u64);
    let mut calls = BTreeMap::new();
    let mut add = |kind, number: u64| *calls.entry(kind).or_default() += number;
    for (object, work) in work {
        let kind = match object {
            Object::SalesPerson => "salespersons.sync",
            Object::Company => "companies.sync",
            // Who is new is looked up first.
            Object::Lead => {
                add("leads.get", full(work.new));
                "leads.sync"
            }
            Object::Opportunity => "opportunities.sync",
            Object::Role => "roles.sync",
        };
        add(kind, full(work.records));
    }
    add("leads.get", full(read));
    add("besides", besides);
    calls.retain(|_, number| *number > 0);
    calls
}

/// Forecasts a first load from the tables' sizes, which Dynamics may have counted up to a day ago. Where it can't say, there is none.
///
/// # Errors
/// When the state can't be written.
pub(crate) async fn of_first_load(bridge: &Bridge) -> Result<(), SyncError> {
    let tables = [Table::SystemUser, Table::Account, Table::Lead, Table::Contact, Table::Opportunity, Table::Connection];
    let counts = match bridge.dynamics.row_counts(&tables).await {
        Ok(counts) => counts,
        Err(error) => {
            tracing::info!(%error, "how many rows the tables have isn't known; there is no forecast");
            return Ok(());
        }
    };
    let mut work: BTreeMap<Object, Work> = BTreeMap::new();
    for (table, rows) in counts {
        // Connections are made in pairs.
        let (object, rows) = match table.object() {
            Some(object) => (object, rows),
            None => (Object::Role, rows / 2),
        };
        let of = work.entry(object).or_default();
        (of.records, of.new) = (of.records + rows, of.new + rows);
    }
    let people = work.get(&Object::Lead).map_or(0, |work| work.records);
    tell(bridge, &work, people, BESIDES).await
}

/// Forecasts what the outbox takes.
///
/// # Errors
/// When the state can't be read or written.
pub(crate) async fn of_outbox(bridge: &Bridge) -> Result<(), SyncError> {
    let mut work = BTreeMap::new();
    for object in Object::ALL {
        let records = bridge.store.count(Outbox::FAMILY, &[object.code()]).await?;
        let sample = bridge.store.list::<Outbox>(&[object.code()], None, SAMPLE).await?;
        let links = load_links(bridge, &sample.iter().map(|entry| entry.record).collect()).await?;
        let unlinked = sample.iter().filter(|entry| links.get(&entry.record).is_none_or(|link| !link.is_confirmed())).count() as u64;
        let new = records * unlinked / (sample.len().max(1) as u64);
        if records > 0 {
            work.insert(object, Work { records, new });
        }
    }
    let dirty = bridge.store.count(DirtyRoles::FAMILY, &[]).await?;
    if dirty > 0 {
        work.entry(Object::Role).or_default().records += dirty;
    }
    let new = work.get(&Object::Lead).map_or(0, |work| work.new);
    let due = bridge.store.count(MsiDue::FAMILY, &[]).await? + bridge.store.count(MsiUrgent::FAMILY, &[]).await?;
    if work.is_empty() && due == 0 {
        return Ok(());
    }
    tell(bridge, &work, due + new, 0).await
}

async fn tell(bridge: &Bridge, work: &BTreeMap<Object, Work>, read: u64, besides: u64) -> Result<(), SyncError> {
    let pace = bridge.marketo.pace();
    let forecast = Forecast::new(work, read, besides, pace.time_per_call(), pace.budget().map(|budget| budget.left), bridge.clock.now());
    let mut batch = Batch::new();
    batch.put(&Fact { name: FORECAST_FACT.into(), value: serde_json::to_value(&forecast).unwrap_or_default() });
    bridge.commit(batch).await?;
    bridge.progress.tell(Step::Forecast(forecast.clone()));
    bridge.count(|summary| summary.forecast = Some(forecast));
    Ok(())
}

/// The cycle is over: nothing is expected of it any more.
///
/// # Errors
/// When the state can't be read or written.
pub(crate) async fn forget(bridge: &Bridge) -> Result<(), SyncError> {
    if bridge.store.read_one::<Fact>(FORECAST_FACT.into()).await?.is_none() {
        return Ok(());
    }
    let mut batch = Batch::new();
    batch.remove::<Fact>(FORECAST_FACT.into());
    bridge.commit(batch).await
}

/// The forecast of the cycle under way, or of one that was killed.
///
/// # Errors
/// When the state can't be read.
pub(crate) async fn current(store: &dyn store::Store) -> Result<Option<Forecast>, store::StoreError> {
    let fact = store.read_one::<Fact>(FORECAST_FACT.into()).await?;
    Ok(fact.and_then(|fact| serde_json::from_value(fact.value).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_full() {
        let work = BTreeMap::from([
            (Object::Company, Work { records: 301, new: 301 }),
            (Object::Lead, Work { records: 900, new: 600 }),
            (Object::Role, Work { records: 1, new: 1 }),
        ]);
        let forecast = Forecast::new(&work, 900, 4, Duration::from_millis(200), Some(26), Timestamp::UNIX_EPOCH);
        let expected = [("besides", 4), ("companies.sync", 2), ("leads.get", 5), ("leads.sync", 3), ("roles.sync", 1)];
        assert_eq!(forecast.calls, expected.map(|(kind, calls)| (kind.to_owned(), calls)).into());
        assert_eq!((forecast.calls_total(), forecast.seconds, forecast.ends.as_second()), (15, 3, 3));
        assert!((forecast.of_today - 15.0 / 26.0).abs() < 1e-9);
    }
}
