//! Rows that Dynamics has deleted: told by the feed, or found by their absence from a full list.

use base::{Guid, RecordId, Table};
use store::{
    Batch, Record, StoreExt,
    record::{
        DirtyRoles, Link, LinkFlags, Outbox, RoleName, RoleSource, Seen,
        link::links_of,
        record_key,
        role::{SourceBy, SourceIndex},
    },
};

use crate::{bridge::Bridge, capture::Context, error::SyncError};

/// What people are told when a record that Marketo has was deleted in Dynamics.
const STAYS: &str = "records were deleted in Dynamics; their sales persons, companies, people and opportunities stay in Marketo, because this \
                     version removes only roles there";

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

/// Treats as deleted what is known of a table and was not met.
pub(super) async fn handle_unseen(context: &mut Context<'_>, table: Table) -> Result<(), SyncError> {
    if table == Table::Connection {
        unseen_connections(context).await?;
    } else {
        unseen_links(context, table).await?;
    }
    forget_seen(context, table).await
}

async fn unseen_links(context: &mut Context<'_>, table: Table) -> Result<(), SyncError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let links = context.bridge.store.list::<Link>(&links_of(table), after.as_deref(), PAGE).await?;
        let Some(last) = links.last() else { return Ok(()) };
        after = Some(last.key());
        let keys: Vec<_> = links.iter().map(|link| record_key(link.record)).collect();
        let seen = context.bridge.store.read::<Seen>(&keys).await?;
        let absent = links.iter().zip(seen).filter(|(link, seen)| seen.is_none() && !link.flags.has(LinkFlags::GONE));
        let absent: Vec<Guid> = absent.map(|(link, _)| link.record.id).collect();
        if !absent.is_empty() {
            context.bridge.count(|summary| summary.captured(table).deleted += absent.len() as u64);
            context.apply_deleted(table, &absent).await?;
        }
    }
}

async fn unseen_connections(context: &mut Context<'_>) -> Result<(), SyncError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let sources = context.bridge.store.list::<RoleSource>(&[], after.as_deref(), PAGE).await?;
        let Some(last) = sources.last() else { return Ok(()) };
        after = Some(last.key());
        let connections: Vec<&RoleSource> = sources.iter().filter(|source| source.kind != store::record::SourceKind::Primary).collect();
        let keys: Vec<_> = connections.iter().map(|source| record_key(RecordId::new(Table::Connection, source.id))).collect();
        let seen = context.bridge.store.read::<Seen>(&keys).await?;
        let absent: Vec<Guid> = connections.iter().zip(seen).filter(|(_, seen)| seen.is_none()).map(|(source, _)| source.id).collect();
        if !absent.is_empty() {
            context.bridge.count(|summary| summary.captured(Table::Connection).deleted += absent.len() as u64);
            context.apply_deleted(Table::Connection, &absent).await?;
        }
    }
}

impl Context<'_> {
    /// Saves that these rows are gone. Ids that were never seen are ignored, as the feed may name such.
    pub(super) async fn apply_deleted(&mut self, table: Table, ids: &[Guid]) -> Result<(), SyncError> {
        let mut batch = Batch::new();
        match table {
            Table::Connection => self.remove_sources(ids, &mut batch).await?,
            Table::ConnectionRole => {
                for id in ids {
                    batch.remove::<RoleName>(id.to_bytes().to_vec());
                    dirty_by(self.bridge, SourceBy::Role, *id).await?;
                }
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
                let keys: Vec<_> = ids.iter().map(|id| record_key(RecordId::new(table, *id))).collect();
                for mut link in self.bridge.store.read::<Link>(&keys).await?.into_iter().flatten() {
                    if let Some(object) = table.object() {
                        batch.remove::<Outbox>(Outbox::key_of(object, link.record.id, ""));
                    }
                    if link.is_confirmed() && !link.flags.has(LinkFlags::GONE) {
                        self.bridge.count(|summary| summary.warn(STAYS.into()));
                    }
                    link.flags = link.flags.with(LinkFlags::GONE, true);
                    batch.put(&link);
                }
            }
        }
        self.bridge.commit(batch).await
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
