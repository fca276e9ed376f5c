//! Rows that Dynamics has deleted: told by the feed, or found by their absence from a full list.

use std::collections::BTreeMap;

use base::{Guid, Object, RecordId, Table};
use store::{
    Batch, Record, StoreExt,
    record::{
        Alias, AliasKind, DirtyRoles, Fact, Link, LinkFlags, Outbox, OutboxState, Refetch, RoleName, RoleSource, Seen, SourceKind,
        alias::AliasOf,
        link::links_of,
        record_key,
        role::{SourceBy, SourceIndex},
    },
};

use crate::{
    bridge::Bridge,
    capture::{Context, apply::TEAM_FACT, left::Left},
    defect::{Defect, has},
    dynamics::Presence,
    error::{Side, SyncError},
    held::{Dismissal, dismissed},
    push::all_role_names,
    task::{Join, Task, Why},
};

/// Rows that are asked for by their id before absent ones count as deleted.
const PROBES_MAX: usize = 20;

/// Records read from the state at a time.
const PAGE: usize = 1_000;

/// Forgets which rows of a table an earlier, unfinished walk has met.
pub(super) async fn forget_seen(context: &Context<'_>, table: Table) -> Result<(), SyncError> {
    loop {
        let seen = context.bridge.store.list::<Seen>(&links_of(table), None, PAGE).await?;
        if seen.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for seen in &seen {
            batch.remove::<Seen>(seen.key());
        }
        context.bridge.commit(batch).await?;
    }
}

/// Whether the state holds anything that came from rows of a table.
pub(super) async fn knows_any(bridge: &Bridge, table: Table) -> Result<bool, SyncError> {
    let store = &bridge.store;
    Ok(match table {
        Table::Connection => !store.list::<RoleSource>(&[], None, 1).await?.is_empty(),
        Table::ConnectionRole => !store.list::<RoleName>(&[], None, 1).await?.is_empty(),
        Table::Team => !store.list::<Fact>(TEAM_FACT.as_bytes(), None, 1).await?.is_empty(),
        Table::SystemUser | Table::Account | Table::Lead | Table::Contact | Table::Opportunity => {
            !store.list::<Link>(&links_of(table), None, 1).await?.is_empty()
        }
    })
}

/// Treats as deleted what is known of a table and was not met; whether there was any.
pub(super) async fn handle_unseen(context: &mut Context<'_>, table: Table) -> Result<bool, SyncError> {
    let unseen = match table {
        Table::Connection => unseen_connections(context).await?,
        Table::ConnectionRole => unseen_role_names(context).await?,
        Table::Team => unseen(context, table, context.administered_teams()).await?,
        Table::SystemUser | Table::Account | Table::Lead | Table::Contact | Table::Opportunity => unseen_links(context, table).await?,
    };
    let absent = really_gone(context, table, unseen).await?;
    context.bridge.count(|summary| summary.captured(table).deleted += absent.len() as u64);
    let bridge = context.bridge;
    for chunk in absent.chunks(PAGE) {
        let _links = bridge.links.lock().await;
        context.apply_deleted(table, chunk).await?;
    }
    forget_seen(context, table).await?;
    Ok(!absent.is_empty())
}

/// Those of `ids` that the sweep under way has not met.
async fn unseen(context: &Context<'_>, table: Table, ids: Vec<Guid>) -> Result<Vec<Guid>, SyncError> {
    let keys: Vec<_> = ids.iter().map(|id| record_key(RecordId::new(table, *id))).collect();
    let seen = context.bridge.store.read::<Seen>(&keys).await?;
    Ok(ids.into_iter().zip(seen).filter(|(_, seen)| seen.is_none()).map(|(id, _)| id).collect())
}

/// Those that are deleted and not merely out of our role's reach: a role that was narrowed must not look like a deletion. Some are asked for
/// by their id, the more telling the fewer there are; one that is hidden, or there after all, and nothing of this table counts as deleted.
async fn really_gone(context: &Context<'_>, table: Table, absent: Vec<Guid>) -> Result<Vec<Guid>, SyncError> {
    if absent.is_empty() {
        return Ok(absent);
    }
    let plan = context.prepared.table(table)?;
    let step = absent.len().div_ceil(PROBES_MAX).max(1);
    for id in absent.iter().step_by(step) {
        let presence = context.bridge.dynamics.presence(&plan.table, *id).await;
        match presence.map_err(|error| SyncError::of_call(Side::Dynamics, error))? {
            Presence::Gone => {}
            Presence::There | Presence::Hidden => {
                context.bridge.count(|summary| {
                    summary.warn(format!(
                        "{} known rows of {table} are not listed any more, and {id} is not deleted: the application user's role may no longer \
                         reach them; nothing of {table} counts as deleted until it reads all rows again (organization level)",
                        absent.len()
                    ));
                });
                return Ok(Vec::new());
            }
        }
    }
    Ok(absent)
}

async fn unseen_links(context: &Context<'_>, table: Table) -> Result<Vec<Guid>, SyncError> {
    let mut links = context.bridge.store.pages::<Link>(links_of(table), PAGE);
    let mut absent = Vec::new();
    loop {
        let page = links.next_page().await?;
        if page.is_empty() {
            return Ok(absent);
        }
        let ids = page.iter().filter(|link| !link.flags.has(LinkFlags::GONE) && was_read(link)).map(|link| link.record.id).collect();
        absent.extend(unseen(context, table, ids).await?);
    }
}

/// Whether a record's row was ever read; of others only is known that something refers to them.
fn was_read(link: &Link) -> bool {
    let only_wanted = Link { flags: LinkFlags::WANTED, ..Link::new(link.record) };
    *link != only_wanted
}

async fn unseen_connections(context: &Context<'_>) -> Result<Vec<Guid>, SyncError> {
    let mut sources = context.bridge.store.pages::<RoleSource>(Vec::new(), PAGE);
    let mut absent = Vec::new();
    loop {
        let page = sources.next_page().await?;
        if page.is_empty() {
            return Ok(absent);
        }
        let ids = page.iter().filter(|source| source.kind != SourceKind::Primary).map(|source| source.id).collect();
        absent.extend(unseen(context, Table::Connection, ids).await?);
    }
}

async fn unseen_role_names(context: &Context<'_>) -> Result<Vec<Guid>, SyncError> {
    let ids = all_role_names(context.bridge).await?.into_iter().map(|(id, _)| id).collect();
    unseen(context, Table::ConnectionRole, ids).await
}

impl Context<'_> {
    /// Saves that these rows are gone. Ids that were never seen are ignored, as the feed may name such.
    pub(super) async fn apply_deleted(&mut self, table: Table, ids: &[Guid]) -> Result<(), SyncError> {
        if has(Defect::DeletionsForgotten) {
            return Ok(());
        }
        let mut batch = Batch::new();
        match table {
            Table::Connection => self.remove_sources(ids, &mut batch).await?,
            Table::ConnectionRole => {
                let before: BTreeMap<Guid, String> = all_role_names(self.bridge).await?.into_iter().collect();
                let mut after = before.clone();
                for id in ids {
                    batch.remove::<RoleName>(id.to_bytes().to_vec());
                    after.remove(id);
                }
                self.dirty_by_texts(before, after).await?;
            }
            Table::Team => {
                for id in ids {
                    self.set_team(*id, None, &mut batch).await?;
                }
            }
            Table::SystemUser | Table::Account | Table::Lead | Table::Contact | Table::Opportunity => {
                if table == Table::Opportunity {
                    self.remove_sources(ids, &mut batch).await?;
                }
                self.part_from_deleted(table, ids, &mut batch).await?;
            }
        }
        self.bridge.commit(batch).await
    }

    /// What Marketo has of deleted records is parted with by policy. One that stands for another is still to be joined with it.
    async fn part_from_deleted(&self, table: Table, ids: &[Guid], batch: &mut Batch) -> Result<(), SyncError> {
        let store = &self.bridge.store;
        let object = table.object().unwrap_or(Object::Lead);
        let keys: Vec<_> = ids.iter().map(|id| record_key(RecordId::new(table, *id))).collect();
        let links = store.read::<Link>(&keys).await?;
        let aliases = store.read::<Alias>(&keys).await?;
        let keys: Vec<_> = ids.iter().map(|id| Outbox::key_of(object, *id, "")).collect();
        let entries = store.read::<Outbox>(&keys).await?;
        let mut dismissed = dismissed::of(&**store, object, ids.iter().copied()).await?;
        let mut batch_of_aliases = Batch::new();
        for (((id, link), alias), entry) in ids.iter().zip(links).zip(aliases).zip(entries) {
            let record = RecordId::new(table, *id);
            let mut stands_for_another = alias.is_some_and(|alias| !alias.kind.needs_qualified() || is_qualified(link.as_ref()));
            if table == Table::Contact && !stands_for_another {
                // Also of one that was deleted before it was read: its lead names it.
                let freed = self.free_leads_of(record, &mut batch_of_aliases).await?;
                if link.as_ref().is_some_and(Link::is_confirmed) {
                    stands_for_another = self.leave_to(record, freed, &mut batch_of_aliases).await?;
                }
            }
            let Some(mut link) = link else { continue };
            if table == Table::Contact {
                dirty_by(self.bridge, SourceBy::Contact, *id).await?;
            }
            link.flags = link.flags.with(LinkFlags::GONE, true);
            batch.put(&link);
            if table == Table::Opportunity {
                batch.put(&DirtyRoles { opportunity: link.record.id });
            }
            let task = if stands_for_another && object == Object::Lead { Task::Join(Join::Open) } else { Task::Part(Why::Deleted) };
            self.stand_aside(&link, Left { entry, dismissed: dismissed.remove(id) }, task, batch)?;
        }
        batch.append(batch_of_aliases);
        Ok(())
    }

    /// Leads from which a contact that is gone was made stand for nobody any more, and are tried again at once. Gives them.
    async fn free_leads_of(&self, contact: RecordId, batch: &mut Batch) -> Result<Vec<RecordId>, SyncError> {
        let mut freed = Vec::new();
        let entries = self.bridge.store.list::<AliasOf>(&record_key(contact), None, usize::MAX).await?;
        let keys: Vec<_> = entries.iter().map(|entry| Alias::key_of(entry.alias)).collect();
        for alias in self.bridge.store.read::<Alias>(&keys).await?.into_iter().flatten() {
            if alias.survivor == contact && alias.kind != AliasKind::Merged {
                batch.remove::<Alias>(alias.key());
                batch.remove::<AliasOf>(AliasOf { survivor: contact, alias: alias.alias }.key());
                batch.put(&Refetch { record: alias.alias });
                batch.remove::<Fact>(Dismissal::key_of(Object::Lead, alias.alias.id, ""));
                freed.push(alias.alias);
                let entry = self.bridge.store.read_one::<Outbox>(Outbox::key_of(Object::Lead, alias.alias.id, "")).await?;
                if let Some(mut entry) = entry
                    && let OutboxState::Held { retry_at, .. } = &mut entry.body.state
                {
                    *retry_at = self.bridge.clock.now();
                    batch.put(&entry);
                }
            }
        }
        Ok(freed)
    }

    /// The person of a contact which is gone goes back to a lead that it came from, where that is there and has none of its own (rule R4).
    async fn leave_to(&self, contact: RecordId, leads: Vec<RecordId>, batch: &mut Batch) -> Result<bool, SyncError> {
        let keys: Vec<_> = leads.iter().map(|lead| record_key(*lead)).collect();
        let links = self.bridge.store.read::<Link>(&keys).await?.into_iter().flatten();
        let is_free = |link: &Link| !link.is_confirmed() && !link.flags.has(LinkFlags::GONE) && !link.flags.has(LinkFlags::DORMANT);
        let Some(heir) = links.filter(is_free).map(|link| link.record).min() else { return Ok(false) };
        batch.put(&Alias { alias: contact, survivor: heir, kind: AliasKind::Heir, event: true });
        batch.put(&AliasOf { survivor: heir, alias: contact });
        Ok(true)
    }

    /// Removes role sources, and has their opportunities' roles derived again.
    pub(super) async fn remove_sources(&self, ids: &[Guid], batch: &mut Batch) -> Result<(), SyncError> {
        let keys: Vec<_> = ids.iter().map(|id| RoleSource::key_of(*id)).collect();
        for source in self.bridge.store.read::<RoleSource>(&keys).await?.into_iter().flatten() {
            self.drop_source(&source, batch);
        }
        Ok(())
    }

    pub(super) fn drop_source(&self, source: &RoleSource, batch: &mut Batch) {
        batch.remove::<RoleSource>(source.key());
        for entry in SourceIndex::all(source) {
            batch.remove::<SourceIndex>(entry.key());
        }
        batch.put(&DirtyRoles { opportunity: source.opportunity });
    }
}

fn is_qualified(link: Option<&Link>) -> bool {
    link.is_some_and(|link| link.flags.has(LinkFlags::QUALIFIED))
}

/// Has the roles of all opportunities derived again whose sources name `of`. Saved page by page, before the change that causes it.
pub(crate) async fn dirty_by(bridge: &Bridge, by: SourceBy, of: Guid) -> Result<(), SyncError> {
    let mut entries = bridge.store.pages::<SourceIndex>(SourceIndex::prefix(by, of), PAGE);
    loop {
        let page = entries.next_page().await?;
        if page.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = page.iter().map(|entry| RoleSource::key_of(entry.source)).collect();
        let mut batch = Batch::new();
        for source in bridge.store.read::<RoleSource>(&keys).await?.into_iter().flatten() {
            batch.put(&DirtyRoles { opportunity: source.opportunity });
        }
        bridge.commit(batch).await?;
    }
}
