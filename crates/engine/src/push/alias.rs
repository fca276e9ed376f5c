//! Which records stand for another, and which stand for them (rule R4).

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, RecordId, Table};
use planner::pack::RECORDS_MAX;
use store::{
    StoreExt,
    record::{Alias, AliasKind, LinkFlags, alias::AliasOf, record_key},
};

use crate::{
    bridge::Bridge,
    error::SyncError,
    push::gate::{Links, load_links},
};

/// Which of these records stand for another: they are never created.
pub(super) async fn aliased(bridge: &Bridge, ids: &[RecordId], links: &Links) -> Result<BTreeSet<RecordId>, SyncError> {
    let keys: Vec<_> = ids.iter().map(|id| Alias::key_of(*id)).collect();
    let aliases = bridge.store.read::<Alias>(&keys).await?;
    let counts =
        |alias: &Alias| alias.kind != AliasKind::Origin || links.get(&alias.alias).is_some_and(|link| link.flags.has(LinkFlags::QUALIFIED));
    Ok(aliases.into_iter().flatten().filter(counts).map(|alias| alias.alias).collect())
}

/// The aliases of each of these records. The records are in the order of their ids.
pub(super) async fn aliases_of(bridge: &Bridge, ids: &[RecordId]) -> Result<BTreeMap<RecordId, Vec<Guid>>, SyncError> {
    let mut entries = Vec::new();
    for table in [Table::Lead, Table::Contact] {
        let of_table = || ids.iter().filter(|record| record.table == table);
        let (Some(first), Some(last)) = (of_table().min(), of_table().max()) else { continue };
        // The index is ordered like the page, so that one range holds all that matters.
        let mut after = base::Guid::from_u128(first.id.as_u128().saturating_sub(1));
        loop {
            let mut key = record_key(RecordId::new(table, after));
            key.extend([0xff; 17]);
            let page = bridge.store.list::<AliasOf>(&[table.code()], Some(&key), RECORDS_MAX).await?;
            let more = page.len() == RECORDS_MAX && page.last().is_some_and(|entry| entry.survivor.id <= last.id);
            entries.extend(page.iter().filter(|entry| entry.survivor.id <= last.id).copied());
            match page.last() {
                Some(entry) if more => after = entry.survivor.id,
                Some(_) | None => break,
            }
        }
    }
    let wanted: BTreeSet<RecordId> = ids.iter().copied().collect();
    entries.retain(|entry| wanted.contains(&entry.survivor));
    let keys: Vec<_> = entries.iter().map(|entry| Alias::key_of(entry.alias)).collect();
    let aliases: Vec<Alias> = bridge.store.read::<Alias>(&keys).await?.into_iter().flatten().collect();
    let links = load_links(bridge, &aliases.iter().map(|alias| alias.alias).collect()).await?;
    let mut by_survivor: BTreeMap<RecordId, Vec<Guid>> = BTreeMap::new();
    for alias in aliases {
        let qualified = || links.get(&alias.alias).is_some_and(|link| link.flags.has(LinkFlags::QUALIFIED));
        if alias.kind != AliasKind::Origin || qualified() {
            by_survivor.entry(alias.survivor).or_default().push(alias.alias.id);
        }
    }
    Ok(by_survivor)
}
