//! Which records stand for another, and which stand for them (rule R4).

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, RecordId, Table, Values};
use planner::{Row, reference::origin};
use store::{
    StoreExt,
    record::{Alias, AliasKind, LinkFlags, alias::AliasOf, record_key},
};

use crate::{
    bridge::Bridge,
    chain::{self, Follow, HOPS_MAX},
    error::{Side, SyncError},
    options::Join as JoinPolicy,
    prepare::Prepared,
    push::gate::{Links, load_links},
};

/// Aliases of one record that are looked at.
const ALIASES_MAX: usize = 100;

/// Aliases between the first and the last of several records; where there are more, each record is asked for on its own.
const RANGE_MAX: usize = 1_000;

/// What a record's alias means for sending it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It stands for another record, and is never created.
    Alias,
    /// A lead from which a contact was made, and which is open again: a person has to decide.
    Reopened,
}

/// Which of these records stand for another.
pub(super) async fn standings(bridge: &Bridge, ids: &[RecordId], links: &Links) -> Result<BTreeMap<RecordId, Standing>, SyncError> {
    let keys: Vec<_> = ids.iter().map(|id| Alias::key_of(*id)).collect();
    let aliases: Vec<Alias> = bridge.store.read::<Alias>(&keys).await?.into_iter().flatten().collect();
    if aliases.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ends = chain::ends(bridge, aliases.iter().map(|alias| alias.alias).collect(), Follow::All).await?;
    let standing = |alias: &Alias| match counts(alias, links) {
        true => ends.contains_key(&alias.alias).then_some(Standing::Alias),
        false => Some(Standing::Reopened),
    };
    Ok(aliases.iter().filter_map(|alias| Some((alias.alias, standing(alias)?))).collect())
}

/// What is to be done with two Marketo persons of which one belongs to an alias.
pub(super) fn join_policy(bridge: &Bridge, alias: &Alias) -> JoinPolicy {
    let policy = &bridge.options.policy;
    match (alias.event, alias.kind) {
        (false, _) => policy.on_first_load,
        (true, AliasKind::Merged) => policy.on_merge,
        (true, AliasKind::Qualified | AliasKind::Origin | AliasKind::Heir) => policy.on_qualify,
    }
}

/// Those of these open leads that are still tied to a contact, by what both rows say now. The others are people of their own again.
pub(super) async fn still_tied(bridge: &Bridge, prepared: &Prepared, leads: &BTreeSet<RecordId>) -> Result<BTreeSet<RecordId>, SyncError> {
    let keys: Vec<_> = leads.iter().map(|lead| Alias::key_of(*lead)).collect();
    let aliases: Vec<Alias> = bridge.store.read::<Alias>(&keys).await?.into_iter().flatten().collect();
    let rows_of = async |table: Table, ids: Vec<Guid>| -> Result<BTreeMap<Guid, Values>, SyncError> {
        let plan = prepared.table(table)?;
        let page = bridge.dynamics.by_ids(&plan.table, &plan.select, &ids).await;
        let rows = page.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows;
        Ok(rows.into_iter().filter_map(|row| Some((Row(&row).guid(&plan.table.primary_id)?, row))).collect())
    };
    let contacts = rows_of(Table::Contact, aliases.iter().map(|alias| alias.survivor.id).collect()).await?;
    let rows = rows_of(Table::Lead, aliases.iter().map(|alias| alias.alias.id).collect()).await?;
    let is_tied = |alias: &&Alias| {
        let names_lead = contacts.get(&alias.survivor.id).and_then(|row| origin(Table::Contact, Row(row))) == Some(alias.alias.id);
        let names_contact = rows.get(&alias.alias.id).and_then(|row| Row(row).lookup("parentcontactid")).map(|(id, _)| id);
        names_lead || names_contact == Some(alias.survivor.id)
    };
    Ok(aliases.iter().filter(is_tied).map(|alias| alias.alias).collect())
}

/// The records that stand for each of these, directly or through others.
pub(crate) async fn aliases_of(bridge: &Bridge, ids: &[RecordId]) -> Result<BTreeMap<RecordId, Vec<Guid>>, SyncError> {
    let mut found: BTreeMap<RecordId, Vec<Guid>> = BTreeMap::new();
    for id in &have_any(bridge, ids).await? {
        let (mut level, mut met) = (vec![*id], BTreeSet::from([*id]));
        for _ in 0..HOPS_MAX {
            let mut next = Vec::new();
            for survivor in level {
                next.extend(direct(bridge, survivor).await?.into_iter().filter(|alias| met.insert(*alias)));
            }
            if next.is_empty() {
                break;
            }
            found.entry(*id).or_default().extend(next.iter().map(|alias| alias.id));
            level = next;
        }
    }
    Ok(found)
}

/// Those of these that any record stands for. A page of the outbox is looked through at once, because its ids lie next to each other.
async fn have_any(bridge: &Bridge, ids: &[RecordId]) -> Result<BTreeSet<RecordId>, SyncError> {
    if ids.len() == 1 {
        return Ok(ids.iter().copied().collect());
    }
    let mut tables: BTreeMap<Table, BTreeSet<RecordId>> = BTreeMap::new();
    for id in ids {
        tables.entry(id.table).or_default().insert(*id);
    }
    let mut any = BTreeSet::new();
    for ids in tables.into_values() {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { continue };
        let met = bridge.store.list::<AliasOf>(&[], Some(&record_key(*first)), RANGE_MAX).await?;
        if met.len() == RANGE_MAX && met.last().is_some_and(|alias| alias.survivor <= *last) {
            any.extend(ids);
        } else {
            any.extend(met.into_iter().map(|alias| alias.survivor).filter(|survivor| ids.contains(survivor)));
        }
    }
    Ok(any)
}

async fn direct(bridge: &Bridge, survivor: RecordId) -> Result<Vec<RecordId>, SyncError> {
    let entries = bridge.store.list::<AliasOf>(&record_key(survivor), None, ALIASES_MAX).await?;
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<_> = entries.iter().map(|entry| Alias::key_of(entry.alias)).collect();
    let aliases: Vec<Alias> =
        bridge.store.read::<Alias>(&keys).await?.into_iter().flatten().filter(|alias| alias.survivor == survivor).collect();
    let links = load_links(bridge, &aliases.iter().map(|alias| alias.alias).collect()).await?;
    Ok(aliases.iter().filter(|alias| counts(alias, &links)).map(|alias| alias.alias).collect())
}

/// Whether an alias counts: a lead stands for its contact only while it is qualified.
fn counts(alias: &Alias, links: &Links) -> bool {
    !alias.kind.needs_qualified() || links.get(&alias.alias).is_some_and(|link| link.flags.has(LinkFlags::QUALIFIED))
}
