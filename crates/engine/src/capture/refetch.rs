//! Rows to be read again by their id, because something that they were mapped with has changed.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, RecordId, Table};
use planner::{
    Row,
    reference::{CompanyRef, company},
};
use store::{Batch, Record, StoreExt, record::Refetch};

use crate::{
    capture::{Context, company::climb},
    dynamics::Rows,
    error::{Side, SyncError},
};

/// Rows read at a time.
const PAGE: usize = 200;

/// Reads and applies until nothing is left to be read again. Rows that can't be read stay on the list for the next cycle.
pub(super) async fn drain(context: &mut Context<'_>) -> Result<(), SyncError> {
    let mut unreadable: BTreeSet<RecordId> = BTreeSet::new();
    loop {
        let work = context.bridge.store.list::<Refetch>(&[], None, PAGE + unreadable.len()).await?;
        let work: Vec<RecordId> = work.into_iter().map(|refetch| refetch.record).filter(|record| !unreadable.contains(record)).collect();
        if work.is_empty() {
            return Ok(());
        }
        context.prepared.is_of_now(context.bridge).await?;
        let mut by_table: BTreeMap<Table, Vec<Guid>> = BTreeMap::new();
        for record in &work {
            by_table.entry(record.table).or_default().push(record.id);
        }
        for (table, ids) in by_table {
            let page = read(context, table, &ids).await?;
            let bad = page.unreadable.into_iter().flatten().map(|id| RecordId::new(table, id));
            unreadable.extend(bad);
        }
        let mut batch = Batch::new();
        for record in work.iter().filter(|record| !unreadable.contains(record)) {
            batch.remove::<Refetch>(Refetch { record: *record }.key());
        }
        context.bridge.commit(batch).await?;
    }
}

/// Reads rows by their ids and applies them; gives them back.
async fn read(context: &mut Context<'_>, table: Table, ids: &[Guid]) -> Result<Rows, SyncError> {
    let (bridge, prepared) = (context.bridge, context.prepared);
    let Ok(plan) = prepared.table(table) else { return Ok(Rows::default()) };
    let page = bridge.dynamics.by_ids(&plan.table, &plan.select, ids).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
    bridge.count(|summary| summary.captured(table).unreadable += page.unreadable.len() as u64);
    let parents: Vec<Guid> = page
        .rows
        .iter()
        .filter_map(|row| match company(table, Row(row)) {
            CompanyRef::ViaContact(contact) => Some(contact),
            CompanyRef::Account(_) | CompanyRef::None => None,
        })
        .collect();
    context.climbed = climb(bridge, prepared, &parents).await?;
    context.rereading = true;
    let applied = context.apply_rows(table, plan, &page).await;
    context.rereading = false;
    context.climbed.clear();
    applied.map(|()| page)
}
