//! Rows to be read again by their id, because something that they were mapped with has changed.

use std::collections::BTreeMap;

use base::{Guid, Table};
use planner::{
    Row,
    reference::{CompanyRef, company},
};
use store::{Batch, Record, StoreExt, record::Refetch};

use crate::{
    capture::{Context, company::climb},
    dynamics::FeedPage,
    error::{Side, SyncError},
};

/// Rows read at a time.
const PAGE: usize = 200;

/// Reads and applies until nothing is left to be read again.
pub(super) async fn drain(context: &mut Context<'_>) -> Result<(), SyncError> {
    loop {
        let work = context.bridge.store.list::<Refetch>(&[], None, PAGE).await?;
        if work.is_empty() {
            return Ok(());
        }
        let mut by_table: BTreeMap<Table, Vec<Guid>> = BTreeMap::new();
        for refetch in &work {
            by_table.entry(refetch.record.table).or_default().push(refetch.record.id);
        }
        for (table, ids) in by_table {
            read(context, table, &ids).await?;
        }
        let mut batch = Batch::new();
        for refetch in &work {
            batch.remove::<Refetch>(refetch.key());
        }
        context.bridge.commit(batch).await?;
    }
}

async fn read(context: &mut Context<'_>, table: Table, ids: &[Guid]) -> Result<(), SyncError> {
    let (bridge, prepared) = (context.bridge, context.prepared);
    let Ok(plan) = prepared.table(table) else { return Ok(()) };
    let rows = bridge.dynamics.by_ids(&plan.table, &plan.select, ids).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
    let parents: Vec<Guid> = rows
        .iter()
        .filter_map(|row| match company(table, Row(row)) {
            CompanyRef::ViaContact(contact) => Some(contact),
            CompanyRef::Account(_) | CompanyRef::None => None,
        })
        .collect();
    context.climbed = climb(bridge, prepared, &parents).await?;
    let page = FeedPage { rows, ..FeedPage::default() };
    context.rereading = true;
    let applied = context.apply_page(table, plan, &page, false).await;
    context.rereading = false;
    context.climbed.clear();
    applied
}
