//! What of the state a page's rows need, read at once.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table};
use planner::{
    Row,
    reference::{AliasRef, alias, origin},
};
use store::{
    StoreExt,
    record::{Alias, Fact, Link, LinkFlags, Outbox, record_key},
};

use crate::{
    bridge::Bridge,
    capture::Context,
    chain::{self, Follow},
    error::SyncError,
    held::{Dismissal, dismissed},
};

/// Facts that name a record which was erased on request: its row is passed over.
pub(crate) const ERASED_FACT: &str = "erased/";

/// What of the state a page's rows need.
pub(super) struct Known {
    pub(super) links: BTreeMap<Guid, Link>,
    pub(super) outbox: BTreeMap<Guid, Outbox>,
    /// Of owners and accounts.
    pub(super) parents: BTreeMap<RecordId, Link>,
    /// Where an account was merged into another: the one at the end.
    pub(super) masters: BTreeMap<RecordId, RecordId>,
    /// Of the rows, of the leads that they came from, and of what they stand for.
    pub(super) aliases: BTreeMap<RecordId, Alias>,
    /// Leads that contacts came from.
    pub(super) origins: BTreeMap<Guid, Link>,
    /// Contacts that leads name and Dynamics has deleted.
    pub(super) gone: BTreeSet<RecordId>,
    /// Rows that were erased on request.
    pub(super) erased: BTreeSet<Guid>,
    /// What was asked for the rows and has been dismissed.
    pub(super) dismissed: BTreeMap<Guid, Dismissal>,
}

impl Context<'_> {
    pub(super) async fn known(&self, table: Table, rows: &BTreeMap<Guid, Row<'_>>) -> Result<Known, SyncError> {
        let store = &self.bridge.store;
        // Until the first link of a table is saved the whole page would be looked for in vain.
        let any = !store.list::<Link>(&[table.code()], None, 1).await?.is_empty();
        let keys: Vec<_> = rows.keys().filter(|_| any).map(|id| record_key(RecordId::new(table, *id))).collect();
        let links: BTreeMap<Guid, Link> =
            store.read::<Link>(&keys).await?.into_iter().flatten().map(|link| (link.record.id, link)).collect();
        let object = table.object().unwrap_or(Object::Lead);
        // Nothing is asked for a record before its link is saved.
        let dismissed = dismissed::of(&**store, object, links.keys().copied()).await?;
        let keys: Vec<_> = links.keys().map(|id| Outbox::key_of(object, *id, "")).collect();
        let outbox = store.read::<Outbox>(&keys).await?.into_iter().flatten().map(|entry| (entry.record.id, entry)).collect();
        let owners = rows.values().filter_map(|row| self.owner_of(*row).0).map(|id| RecordId::new(Table::SystemUser, id));
        let accounts: BTreeSet<RecordId> =
            rows.values().filter_map(|row| self.account_of(table, *row)).map(|id| RecordId::new(Table::Account, id)).collect();
        let masters = chain::ends(self.bridge, accounts.clone(), Follow::Merged).await?;
        let parents: BTreeSet<RecordId> = owners.chain(accounts).chain(masters.values().copied()).collect();
        let keys: Vec<_> = parents.iter().map(|record| record_key(*record)).collect();
        let parents = store.read::<Link>(&keys).await?.into_iter().flatten().map(|link| (link.record, link)).collect();
        let leads: BTreeSet<RecordId> =
            rows.values().filter_map(|row| origin(table, *row)).map(|lead| RecordId::new(Table::Lead, lead)).collect();
        let keys: Vec<_> = leads.iter().map(|lead| record_key(*lead)).collect();
        let origins = store.read::<Link>(&keys).await?.into_iter().flatten().map(|link| (link.record.id, link)).collect();
        let survivors = rows.values().filter_map(|row| match alias(table, *row)? {
            AliasRef::Merged(survivor) | AliasRef::Qualified(survivor) => Some(survivor),
        });
        let survivors: BTreeSet<RecordId> = survivors.collect();
        let keys: Vec<_> = survivors.iter().map(|survivor| record_key(*survivor)).collect();
        let gone = store.read::<Link>(&keys).await?.into_iter().flatten().filter(|link| link.flags.has(LinkFlags::GONE));
        let gone = gone.map(|link| link.record).collect();
        let asked: BTreeSet<RecordId> = rows.keys().map(|id| RecordId::new(table, *id)).chain(leads).chain(survivors).collect();
        let keys: Vec<_> = asked.into_iter().map(Alias::key_of).collect();
        let aliases = store.read::<Alias>(&keys).await?.into_iter().flatten().map(|alias| (alias.alias, alias)).collect();
        let people = matches!(table, Table::Lead | Table::Contact);
        let erased = erased(self.bridge, rows.keys().copied().filter(|_| people).collect()).await?;
        Ok(Known { links, outbox, parents, masters, aliases, origins, gone, erased, dismissed })
    }
}

/// Those of these leads and contacts that were erased on request.
pub(crate) async fn erased(bridge: &Bridge, ids: Vec<Guid>) -> Result<BTreeSet<Guid>, SyncError> {
    // Few states have any.
    if bridge.store.list::<Fact>(ERASED_FACT.as_bytes(), None, 1).await?.is_empty() {
        return Ok(BTreeSet::new());
    }
    let keys: Vec<_> = ids.iter().map(|id| format!("{ERASED_FACT}{id}").into_bytes()).collect();
    let facts = bridge.store.read::<Fact>(&keys).await?;
    Ok(ids.into_iter().zip(facts).filter(|(_, fact)| fact.is_some()).map(|(id, _)| id).collect())
}
