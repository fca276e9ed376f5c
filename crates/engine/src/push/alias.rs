//! Which records stand for another, and which stand for them (rule R4).

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, RecordId, Table, Values};
use planner::{Row, reference::origin};
use store::{
    Record, StoreExt,
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

/// Entries between the first and the last of several records, for each of these, that are cheaper to look through than to ask for each.
const BETWEEN_EACH: usize = 4;

/// Entries looked through at once.
const BETWEEN_PAGE: usize = 100;

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
    // Whose aliases are asked for, and a record on the way down from it.
    let mut level: BTreeSet<(RecordId, RecordId)> = ids.iter().map(|id| (*id, *id)).collect();
    let mut met = level.clone();
    for _ in 0..HOPS_MAX {
        let direct = direct(bridge, &level.iter().map(|(_, survivor)| *survivor).collect()).await?;
        let below = |(of, survivor)| direct.get(&survivor).into_iter().flatten().map(move |alias| (of, *alias));
        level = level.into_iter().flat_map(below).filter(|pair| met.insert(*pair)).collect();
        if level.is_empty() {
            break;
        }
        level.iter().for_each(|(of, alias)| found.entry(*of).or_default().push(alias.id));
    }
    Ok(found)
}

/// The records that stand directly for each of these.
async fn direct(bridge: &Bridge, survivors: &BTreeSet<RecordId>) -> Result<BTreeMap<RecordId, Vec<RecordId>>, SyncError> {
    let listed = listed(bridge, survivors).await?;
    let keys: Vec<_> = listed.iter().map(|entry| Alias::key_of(entry.alias)).collect();
    let aliases = bridge.store.read::<Alias>(&keys).await?;
    let aliases: Vec<Alias> =
        listed.iter().zip(aliases).filter_map(|(entry, alias)| alias.filter(|alias| alias.survivor == entry.survivor)).collect();
    let links = load_links(bridge, &aliases.iter().map(|alias| alias.alias).collect()).await?;
    let mut direct: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    for alias in aliases.iter().filter(|alias| counts(alias, &links)) {
        direct.entry(alias.survivor).or_default().push(alias.alias);
    }
    Ok(direct)
}

/// What is listed under these survivors. Where they lie next to each other, as those of a page of the outbox do, what lies between the first and
/// the last of a table is looked through; else each is asked for on its own.
async fn listed(bridge: &Bridge, survivors: &BTreeSet<RecordId>) -> Result<Vec<AliasOf>, SyncError> {
    let mut listed = Vec::new();
    for table in Table::ALL {
        let ids: BTreeSet<RecordId> = survivors.iter().copied().filter(|id| id.table == table).collect();
        match between(bridge, &ids).await? {
            Some(between) => listed.extend(between.into_iter().filter(|entry| ids.contains(&entry.survivor))),
            None => {
                for id in ids {
                    listed.extend(bridge.store.list::<AliasOf>(&record_key(id), None, ALIASES_MAX).await?);
                }
            }
        }
    }
    Ok(listed)
}

/// What is listed from the first of these to the last, unless that is much more than there are of them.
async fn between(bridge: &Bridge, ids: &BTreeSet<RecordId>) -> Result<Option<Vec<AliasOf>>, SyncError> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(Some(Vec::new())) };
    if first == last {
        return Ok(None);
    }
    let mut between: Vec<AliasOf> = Vec::new();
    let mut after = record_key(*first);
    while between.len() <= ids.len() * BETWEEN_EACH {
        let page = bridge.store.list::<AliasOf>(&[first.table.code()], Some(&after), BETWEEN_PAGE).await?;
        let is_end = page.len() < BETWEEN_PAGE || page.last().is_some_and(|entry| entry.survivor > *last);
        between.extend(page);
        match between.last() {
            Some(entry) if !is_end => after = entry.key(),
            _ => return Ok(Some(between)),
        }
    }
    Ok(None)
}

/// Whether an alias counts: a lead stands for its contact only while it is qualified.
fn counts(alias: &Alias, links: &Links) -> bool {
    !alias.kind.needs_qualified() || links.get(&alias.alias).is_some_and(|link| link.flags.has(LinkFlags::QUALIFIED))
}
