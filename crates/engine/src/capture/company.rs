//! The account of a contact whose parent is another contact: climbed to, freshly read.

use std::collections::BTreeMap;

use base::{Guid, Table};
use planner::{
    Row,
    reference::{CompanyRef, company},
};

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    prepare::Prepared,
};

/// How many parents are climbed before the chain counts as having no account.
const HOPS_MAX: usize = 5;

/// Finds the account at the end of each chain of parent contacts. A chain that is longer than five, or a circle, has none.
pub(crate) async fn climb(bridge: &Bridge, prepared: &Prepared, starts: &[Guid]) -> Result<BTreeMap<Guid, Option<Guid>>, SyncError> {
    let plan = prepared.table(Table::Contact)?;
    let mut at: BTreeMap<Guid, Guid> = starts.iter().map(|start| (*start, *start)).collect();
    let mut found = BTreeMap::new();
    for _ in 0..HOPS_MAX {
        let mut ids: Vec<Guid> = at.values().copied().collect();
        ids.sort();
        ids.dedup();
        if ids.is_empty() {
            break;
        }
        let page = bridge.dynamics.by_ids(&plan.table, &plan.select, &ids).await;
        let rows = page.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows;
        let companies: BTreeMap<Guid, CompanyRef> =
            rows.iter().filter_map(|row| Some((Row(row).guid(&plan.table.primary_id)?, company(Table::Contact, Row(row))))).collect();
        let mut next = BTreeMap::new();
        for (start, contact) in at {
            match companies.get(&contact) {
                Some(CompanyRef::Account(account)) => drop(found.insert(start, Some(*account))),
                Some(CompanyRef::ViaContact(parent)) => drop(next.insert(start, *parent)),
                Some(CompanyRef::None) | None => drop(found.insert(start, None)),
            }
        }
        at = next;
    }
    found.extend(at.into_keys().map(|start| (start, None)));
    Ok(found)
}
