//! Dynamics' metadata, and how long they are believed.
//!
//! A column that can't be read any more comes as null, and must never blank a field in Marketo. So they are read anew in each cycle; under a
//! process that looks for changes all day they are read anew only when there are changes, before the first of them is taken in. What they are is kept
//! in the state for people who look into it; nothing is decided by that.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base::{Table, Timestamp, time::since};
use planner::{Column, ColumnKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Batch, Store, StoreError, StoreExt, record::Fact};
use tokio::sync::Mutex;

use crate::{
    bridge::Bridge,
    dynamics::DynamicsTable,
    error::{Side, SyncError},
};

/// How long they are believed while nothing changes.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// The fact that holds them for people.
const TABLES_FACT: &str = "dynamics_tables";

/// The tables as Dynamics describes them; one that the application user can't see isn't among them.
pub(crate) type Tables = BTreeMap<Table, DynamicsTable>;

/// What was read last, for all passes of a process.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    tables: Mutex<Option<(Timestamp, Arc<Tables>)>>,
    fields_doubted: AtomicBool,
}

impl Metadata {
    /// The tables, and whether they were read just now. Who reads them anew makes sure first that Dynamics lets us in.
    ///
    /// # Errors
    /// When they can't be read.
    pub(crate) async fn tables(&self, bridge: &Bridge) -> Result<(Arc<Tables>, bool), SyncError> {
        let mut known = self.tables.lock().await;
        let now = bridge.clock.now();
        if let Some((at, tables)) = known.as_ref().filter(|(at, _)| bridge.run.served && since(*at, now) < MAX_AGE) {
            tracing::trace!(%at, "Dynamics' metadata are believed");
            return Ok((tables.clone(), false));
        }
        let tables = Arc::new(read(bridge).await?);
        *known = Some((now, tables.clone()));
        Ok((tables, true))
    }

    /// Forgets them: the next pass reads them.
    pub(crate) async fn forget(&self) {
        *self.tables.lock().await = None;
    }

    /// Marketo has refused a record because of one of its fields: they may be others than its describe said.
    pub(crate) fn doubt_fields(&self) {
        self.fields_doubted.store(true, Ordering::Relaxed);
    }

    /// Whether that was so since it was asked last.
    pub(crate) fn were_fields_doubted(&self) -> bool {
        self.fields_doubted.swap(false, Ordering::Relaxed)
    }

    /// Reads them again; whether they are still the same as `before`. Otherwise all that was made of those is to be made anew. What was read
    /// last says nothing of that: a pass beside this one may have read them meanwhile.
    ///
    /// # Errors
    /// When they can't be read.
    pub(crate) async fn are_still(&self, bridge: &Bridge, before: &Tables) -> Result<bool, SyncError> {
        let mut known = self.tables.lock().await;
        let tables = read(bridge).await?;
        let same = *before == tables;
        *known = same.then(|| (bridge.clock.now(), Arc::new(tables)));
        Ok(same)
    }
}

/// What is kept of them.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Since when they have been so.
    since: Timestamp,
    tables: Value,
}

/// What is kept of a table.
#[derive(Serialize)]
struct KeptTable<'a> {
    set: &'a str,
    primary_id: &'a str,
    tracked: bool,
    columns: BTreeMap<&'a str, KeptColumn>,
}

/// What is kept of a column; what most columns are is left out.
#[derive(Serialize)]
struct KeptColumn {
    kind: ColumnKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<u32>,
    #[serde(skip_serializing_if = "is_usual")]
    unreadable: bool,
    #[serde(skip_serializing_if = "is_usual")]
    read_only: bool,
    #[serde(skip_serializing_if = "is_usual")]
    secured: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_usual(unusual: &bool) -> bool {
    !*unusual
}

impl KeptColumn {
    fn of(column: &Column) -> Self {
        let Column { kind, max_length, readable, updatable, secured, .. } = column;
        Self { kind: *kind, max_length: *max_length, unreadable: !readable, read_only: !updatable, secured: *secured }
    }
}

/// Keeps the tables as they are now, where they are other than before.
pub(crate) async fn keep(bridge: &Bridge, tables: &Tables, batch: &mut Batch) -> Result<(), StoreError> {
    let kept = tables.values().map(|table| {
        let columns = table.columns.iter().map(|(name, column)| (name.as_str(), KeptColumn::of(column))).collect();
        (table.table.name(), KeptTable { set: &table.set, primary_id: &table.primary_id, tracked: table.tracked, columns })
    });
    let tables = serde_json::to_value(kept.collect::<BTreeMap<_, _>>()).unwrap_or_default();
    let before = bridge.store.read_one::<Fact>(TABLES_FACT.into()).await?.map(|fact| fact.value);
    if before.as_ref().and_then(|before| before.get("tables")) != Some(&tables) {
        let kept = Kept { since: bridge.clock.now(), tables };
        batch.put(&Fact { name: TABLES_FACT.into(), value: serde_json::to_value(kept).unwrap_or_default() });
    }
    Ok(())
}

/// The tables as they were last kept: since when, and each with its columns.
pub(crate) async fn kept(store: &dyn Store) -> Result<Option<Value>, StoreError> {
    Ok(store.read_one::<Fact>(TABLES_FACT.into()).await?.map(|fact| fact.value))
}

async fn read(bridge: &Bridge) -> Result<Tables, SyncError> {
    let dynamics = |error| SyncError::of_call(Side::Dynamics, error);
    bridge.dynamics.greet().await.map_err(dynamics)?;
    let mut tables = Tables::new();
    let described = futures::future::join_all(Table::ALL.map(|table| bridge.dynamics.table(table))).await;
    for (table, described) in Table::ALL.into_iter().zip(described) {
        match described {
            Ok(described) => drop(tables.insert(table, described)),
            Err(error) if error.class() == Some(wire::Class::Missing) => bridge.count(|summary| {
                summary.warn(format!("Dynamics has no table {table} that the application user can see; it is left out"));
            }),
            Err(error) => return Err(dynamics(error)),
        }
    }
    Ok(tables)
}
