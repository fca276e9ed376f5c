//! Rows that Dynamics has deleted: told by the feed, or found by their absence from a full list.

use std::collections::BTreeMap;

use base::{Guid, Object, RecordId, Table};
use store::{
    Batch, Record, StoreExt,
    record::{
        Alias, AliasKind, DirtyRoles, Fact, Link, LinkFlags, Outbox, RoleName, RoleSource, Seen, SourceKind,
        link::links_of,
        record_key,
        role::{SourceBy, SourceIndex},
    },
};

use crate::{
    bridge::Bridge,
    capture::{Context, apply::TEAM_FACT},
    defect::{Defect, has},
    dynamics::Presence,
    error::{Side, SyncError},
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

/// Treats as deleted what is known of a table and was not met.
pub(super) async fn handle_unseen(context: &mut Context<'_>, table: Table) -> Result<(), SyncError> {
    match table {
        Table::Connection => unseen_connections(context).await?,
        Table::ConnectionRole => unseen_role_names(context).await?,
        Table::Team => unseen_teams(context).await?,
        Table::SystemUser | Table::Account | Table::Lead | Table::Contact | Table::Opportunity => unseen_links(context, table).await?,
    }
    forget_seen(context, table).await
}

/// Those of `ids` that the sweep under way has not met, as deleted.
async fn unseen(context: &mut Context<'_>, table: Table, ids: Vec<Guid>) -> Result<(), SyncError> {
    let keys: Vec<_> = ids.iter().map(|id| record_key(RecordId::new(table, *id))).collect();
    let seen = context.bridge.store.read::<Seen>(&keys).await?;
    let absent: Vec<Guid> = ids.into_iter().zip(seen).filter(|(_, seen)| seen.is_none()).map(|(id, _)| id).collect();
    let absent = really_gone(context, table, absent).await?;
    if absent.is_empty() {
        return Ok(());
    }
    context.bridge.count(|summary| summary.captured(table).deleted += absent.len() as u64);
    context.apply_deleted(table, &absent).await
}

/// Those that are deleted and not merely out of our role's reach: a role that was narrowed must not look like a deletion. Some are asked for
/// by their id, the more telling the fewer there are; one that is hidden, or there after all, and nothing of this table counts as deleted.
async fn really_gone(context: &Context<'_>, table: Table, absent: Vec<Guid>) -> Result<Vec<Guid>, SyncError> {
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

async fn unseen_links(context: &mut Context<'_>, table: Table) -> Result<(), SyncError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let links = context.bridge.store.list::<Link>(&links_of(table), after.as_deref(), PAGE).await?;
        let Some(last) = links.last() else { return Ok(()) };
        after = Some(last.key());
        let ids = links.iter().filter(|link| !link.flags.has(LinkFlags::GONE)).map(|link| link.record.id).collect();
        unseen(context, table, ids).await?;
    }
}

async fn unseen_connections(context: &mut Context<'_>) -> Result<(), SyncError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let sources = context.bridge.store.list::<RoleSource>(&[], after.as_deref(), PAGE).await?;
        let Some(last) = sources.last() else { return Ok(()) };
        after = Some(last.key());
        let ids = sources.iter().filter(|source| source.kind != SourceKind::Primary).map(|source| source.id).collect();
        unseen(context, Table::Connection, ids).await?;
    }
}

async fn unseen_role_names(context: &mut Context<'_>) -> Result<(), SyncError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let names = context.bridge.store.list::<RoleName>(&[], after.as_deref(), PAGE).await?;
        let Some(last) = names.last() else { return Ok(()) };
        after = Some(last.key());
        let ids = names.iter().map(|name| name.id).collect();
        unseen(context, Table::ConnectionRole, ids).await?;
    }
}

async fn unseen_teams(context: &mut Context<'_>) -> Result<(), SyncError> {
    let administered = context.administered_teams();
    unseen(context, Table::Team, administered).await
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
        for ((link, alias), entry) in links.into_iter().zip(aliases).zip(entries) {
            let Some(mut link) = link else { continue };
            let stands_for_another = alias.is_some_and(|alias| is_one_with(&alias, &link));
            link.flags = link.flags.with(LinkFlags::GONE, true);
            batch.put(&link);
            if table == Table::Opportunity {
                batch.put(&DirtyRoles { opportunity: link.record.id });
            }
            let task = if stands_for_another && object == Object::Lead { Task::Join(Join::Open) } else { Task::Part(Why::Deleted) };
            self.stand_aside(&link, entry, task, batch);
        }
        Ok(())
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

/// Whether a record's alias counts: a lead stands for its contact only while it is qualified.
fn is_one_with(alias: &Alias, link: &Link) -> bool {
    alias.kind == AliasKind::Merged || link.flags.has(LinkFlags::QUALIFIED)
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
