//! What the state says, without calling anybody and without the lease.

use std::collections::BTreeMap;

use base::{Object, Table, Timestamp};
use serde::Serialize;
use serde_json::Value;
use store::{
    Family, Store, StoreError, StoreExt,
    record::{CallCount, Cursor, Run, link::links_of},
};

use crate::{
    calls::marketo_day,
    forecast::{self, Forecast},
    held::dismissed,
    pause::pause_since,
    push::{Left, left},
    schema_change::{History, SchemaChange},
};

/// The state at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The last run, if there was one.
    pub last_run: Option<LastRun>,
    /// Rows known of each table.
    pub known: BTreeMap<String, u64>,
    /// What is left of each object.
    pub left: BTreeMap<Object, LeftView>,
    /// Fields that are left out because a side's schema changed, and fields that take shorter texts than they did, as the last pass saw them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schema_changes: Vec<SchemaChange>,
    /// What the cycle under way is expected to do; of one that was killed, until the next one ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Held records that somebody has dismissed.
    pub dismissed: u64,
    /// People whose MSI fields are yet to be read or written.
    pub msi_due: u64,
    /// Marketo calls of today, by kind.
    pub calls_today: BTreeMap<String, u64>,
    /// Feeds that have a position.
    pub cursors: Vec<String>,
    /// Since when the passes of `serve` are paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Timestamp>,
}

/// The last run in short.
#[derive(Debug, Clone, Serialize)]
pub struct LastRun {
    /// When it began.
    pub begun: Timestamp,
    /// When it ended; none when it was killed.
    pub ended: Option<Timestamp>,
    /// Its exit code.
    pub exit_code: Option<u8>,
    /// Its summary.
    pub summary: Value,
}

/// What is left of an object.
#[derive(Debug, Clone, Serialize)]
pub struct LeftView {
    /// To be sent.
    pub ready: u64,
    /// Waiting for something they refer to.
    pub waiting: u64,
    /// Held, by code.
    pub held: BTreeMap<String, u64>,
}

/// Reads the status.
///
/// # Errors
/// When the state can't be read.
pub async fn status(store: &dyn Store, now: Timestamp) -> Result<Status, StoreError> {
    let mut known = BTreeMap::new();
    for table in Table::ALL.into_iter().filter(|table| table.object().is_some()) {
        known.insert(table.name().to_owned(), store.count(Family::Link, &links_of(table)).await?);
    }
    known.insert("opportunity roles".into(), store.count(Family::Role, &[]).await?);
    let mut by_object = BTreeMap::new();
    for object in Object::ALL {
        let Left { ready, waiting, held, .. } = left(store, object).await?;
        by_object.insert(object, LeftView { ready, waiting, held });
    }
    let day = format!("{} ", marketo_day(now));
    let calls = store.list::<CallCount>(day.as_bytes(), None, 1_000).await?;
    let runs = store.list::<Run>(&[], None, 10_000).await?;
    Ok(Status {
        last_run: runs.last().map(|run| LastRun {
            begun: run.begun,
            ended: run.body.ended,
            exit_code: run.body.exit,
            summary: run.body.summary.clone(),
        }),
        known,
        forecast: forecast::current(store).await?,
        left: by_object,
        schema_changes: History::load(store).await?.left(now),
        dismissed: dismissed::count(store).await?,
        msi_due: store.count(Family::MsiDue, &[]).await? + store.count(Family::MsiUrgent, &[]).await?,
        calls_today: calls.into_iter().map(|count| (count.call, count.count)).collect(),
        cursors: store.list::<Cursor>(&[], None, 100).await?.into_iter().map(|cursor| cursor.name).collect(),
        paused: pause_since(store).await?,
    })
}
