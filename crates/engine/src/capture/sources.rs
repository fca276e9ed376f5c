//! What yields opportunity roles: connections, the names of their roles, and primary contacts (rule R8).

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Values};
use planner::{
    Row,
    reference::primary_contact,
    role::{Kind, RoleTexts, connection},
};
use store::{
    Batch, StoreExt,
    record::{DirtyRoles, RoleName, RoleSource, SourceKind, role::SourceIndex},
};

use crate::{capture::Context, error::SyncError, prepare::TablePlan, push::all_role_names};

impl Context<'_> {
    pub(super) async fn apply_role_names(&mut self, plan: &TablePlan, rows: &[Values], batch: &mut Batch) -> Result<(), SyncError> {
        let before: BTreeMap<Guid, String> = all_role_names(self.bridge).await?.into_iter().collect();
        let mut after = before.clone();
        for row in rows.iter().map(Row) {
            let Some(id) = row.guid(&plan.table.primary_id) else { continue };
            let name = row.text("name").unwrap_or_default().to_owned();
            batch.put(&RoleName { id, name: name.clone() });
            after.insert(id, name);
        }
        self.dirty_by_texts(before, after).await
    }

    /// The text of a role depends on the names of all: whatever has another text now is derived again.
    pub(super) async fn dirty_by_texts(&self, before: BTreeMap<Guid, String>, after: BTreeMap<Guid, String>) -> Result<(), SyncError> {
        let (before, after) = (RoleTexts::new(before), RoleTexts::new(after));
        let changed: BTreeSet<Guid> = after.changed_since(&before).collect();
        if changed.is_empty() {
            return Ok(());
        }
        // Rare enough to look through all of them.
        let mut sources = self.bridge.store.pages::<RoleSource>(Vec::new(), 1_000);
        loop {
            let page = sources.next_page().await?;
            if page.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::new();
            for source in page.iter().filter(|source| source.role.is_some_and(|role| changed.contains(&role))) {
                batch.put(&DirtyRoles { opportunity: source.opportunity });
            }
            self.bridge.commit(batch).await?;
        }
    }

    pub(super) async fn apply_connections(&mut self, plan: &TablePlan, rows: &[Values], batch: &mut Batch) -> Result<(), SyncError> {
        let rows: BTreeMap<Guid, Row<'_>> = rows.iter().map(Row).filter_map(|row| Some((row.guid(&plan.table.primary_id)?, row))).collect();
        let keys: Vec<_> = rows.keys().map(|id| RoleSource::key_of(*id)).collect();
        let known = self.bridge.store.read::<RoleSource>(&keys).await?;
        for ((id, row), known) in rows.into_iter().zip(known) {
            let source = connection(row).map(|read| RoleSource {
                id,
                kind: match read.kind {
                    Kind::Connection => SourceKind::Connection,
                    Kind::Mirror => SourceKind::Mirror,
                    Kind::Inactive => SourceKind::Inactive,
                    Kind::Primary => SourceKind::Primary,
                },
                opportunity: read.opportunity,
                contact: read.contact,
                role: read.role,
                related: read.related,
            });
            self.change_source(known, source, batch);
        }
        Ok(())
    }

    /// Replaces a role source; the roles of both opportunities are derived again.
    fn change_source(&self, known: Option<RoleSource>, source: Option<RoleSource>, batch: &mut Batch) {
        if known == source {
            return;
        }
        if let Some(known) = &known {
            self.drop_source(known, batch);
        }
        if let Some(source) = &source {
            batch.put(source);
            for entry in SourceIndex::all(source) {
                batch.put(&entry);
            }
            batch.put(&DirtyRoles { opportunity: source.opportunity });
        }
    }

    pub(super) async fn apply_primary_contacts(&self, rows: &BTreeMap<Guid, Row<'_>>, batch: &mut Batch) -> Result<(), SyncError> {
        let keys: Vec<_> = rows.keys().map(|id| RoleSource::key_of(*id)).collect();
        let known = self.bridge.store.read::<RoleSource>(&keys).await?;
        for ((id, row), known) in rows.iter().zip(known) {
            let source = primary_contact(*row).map(|contact| RoleSource {
                id: *id,
                kind: SourceKind::Primary,
                opportunity: *id,
                contact,
                role: None,
                related: None,
            });
            self.change_source(known, source, batch);
        }
        Ok(())
    }
}
