//! A page of rows into the state: what differs goes to the outbox, and what others will need is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base::{Guid, RecordId, Table, Values};
use planner::{
    Desired, Row,
    reference::{AliasRef, CompanyRef, OwnerRef, alias, company, is_inactive, is_untold, owner},
};
use serde_json::Value;
use store::{
    Batch, Record, StoreExt,
    record::{AliasKind, Cursor, Dependent, DirtyRoles, Fact, Json, Link, LinkFlags, Outbox, Refetch, Seen, record_key, role::SourceBy},
};

use crate::{
    bridge::Bridge,
    capture::{gone::dirty_by, left::Left},
    defect::{Defect, has},
    dynamics::Rows,
    error::SyncError,
    intent::{self, MaybeSent, maybe_sent},
    options::TeamOwner,
    prepare::{Prepared, TablePlan},
};

/// Facts that hold the administrator of a team.
pub(super) const TEAM_FACT: &str = "team/";

/// What applying rows needs besides the state. A clone is for a table that is read at the same time; what is learned is shared.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The bridge.
    pub bridge: &'a Bridge,
    /// Metadata and maps.
    pub prepared: &'a Prepared,
    shared: Arc<Mutex<Shared>>,
    /// Whether rows are being read again because of what they were mapped with.
    pub(super) rereading: bool,
    /// While they are: the account of each parent contact.
    pub(super) climbed: BTreeMap<Guid, Option<Guid>>,
}

/// What all tables' rows are applied with.
#[derive(Debug)]
struct Shared {
    /// Each team's administrator.
    teams: BTreeMap<Guid, Option<Guid>>,
    /// Tables that are read for the first time.
    first_loads: BTreeSet<Table>,
    /// What may have been sent without anybody having heard of it.
    maybe_sent: MaybeSent,
    /// Those of them that are to become something else by now: what they may have been sent as is in their links.
    doubted: MaybeSent,
}

impl<'a> Context<'a> {
    /// Loads the teams.
    pub(super) async fn load(bridge: &'a Bridge, prepared: &'a Prepared) -> Result<Self, SyncError> {
        let mut teams = BTreeMap::new();
        let mut facts = bridge.store.pages::<Fact>(TEAM_FACT.into(), 1_000);
        loop {
            let page = facts.next_page().await?;
            if page.is_empty() {
                break;
            }
            for fact in &page {
                if let Some(team) = fact.name.strip_prefix(TEAM_FACT).and_then(|id| id.parse().ok()) {
                    teams.insert(team, fact.value.as_str().and_then(|id| id.parse().ok()));
                }
            }
        }
        let cursors = bridge.store.read::<Cursor>(&Table::ALL.map(|table| table.name().into())).await?;
        let first_loads = Table::ALL.into_iter().zip(cursors).filter(|(_, cursor)| cursor.is_none()).map(|(table, _)| table).collect();
        let maybe_sent = still_in_outbox(bridge, maybe_sent(bridge).await?).await?;
        let shared = Shared { teams, first_loads, maybe_sent, doubted: MaybeSent::new() };
        Ok(Self { bridge, prepared, shared: Arc::new(Mutex::new(shared)), rereading: false, climbed: BTreeMap::new() })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the intents of records that have left the outbox, or that are to become something else by now and remember what they may have
    /// been sent as. Not while anything is being sent.
    pub(super) async fn keep_intents(&self) -> Result<(), SyncError> {
        let mut open = maybe_sent(self.bridge).await?;
        let doubted = std::mem::take(&mut self.shared().doubted);
        open.retain(|key| !doubted.contains(key));
        let open = still_in_outbox(self.bridge, open).await?;
        intent::keep(self.bridge, &open).await?;
        self.shared().maybe_sent = open;
        Ok(())
    }

    /// Whether what an entry asks for may have been done already, and that isn't remembered yet.
    pub(super) fn may_be_sent(&self, entry: &Outbox) -> bool {
        let (shared, key) = (self.shared(), entry.key());
        shared.maybe_sent.contains(&key) && !shared.doubted.contains(&key)
    }

    /// Whether a record may have been sent as something else than it is to be now, and that isn't remembered yet.
    pub(super) fn is_in_doubt(&self, entry: &Outbox, desired: &Desired) -> bool {
        self.may_be_sent(entry) && entry.body.desired != Json::of(desired)
    }

    /// What an entry may have been sent as is remembered from now on.
    pub(super) fn remember_doubt(&self, entry: &Outbox) {
        self.shared().doubted.insert(entry.key());
    }

    /// Whether a table's rows are read for the first time: what they say was so before.
    pub(super) fn is_first_load(&self, table: Table) -> bool {
        self.shared().first_loads.contains(&table)
    }

    /// Teams that have an administrator, as far as is known.
    pub(super) fn administered_teams(&self) -> Vec<Guid> {
        self.shared().teams.iter().filter(|(_, administrator)| administrator.is_some()).map(|(team, _)| *team).collect()
    }

    /// Applies rows first, then deletions. A row that could not be read is asked for again by its id, until it can be or is gone.
    pub(super) async fn apply_rows(&mut self, table: Table, plan: &TablePlan, page: &Rows) -> Result<(), SyncError> {
        let _links = self.bridge.links.lock().await;
        let mut batch = Batch::new();
        // Rows that come while all ids are being compared with what is known are there.
        if !self.bridge.store.list::<Seen>(&[table.code()], None, 1).await?.is_empty() {
            self.mark_seen(plan, &page.rows, &mut batch);
        }
        for id in page.unreadable.iter().flatten() {
            batch.put(&Refetch { record: RecordId::new(table, *id) });
        }
        match table {
            Table::Team => self.apply_teams(plan, &page.rows, &mut batch).await?,
            Table::ConnectionRole => self.apply_role_names(plan, &page.rows, &mut batch).await?,
            Table::Connection => self.apply_connections(plan, &page.rows, &mut batch).await?,
            Table::SystemUser | Table::Account | Table::Lead | Table::Contact | Table::Opportunity => {
                self.apply_records(table, plan, &page.rows, &mut batch).await?;
            }
        }
        self.bridge.commit(batch).await?;
        if page.deleted.is_empty() {
            return Ok(());
        }
        self.apply_deleted(table, &page.deleted).await
    }

    async fn apply_teams(&mut self, plan: &TablePlan, rows: &[Values], batch: &mut Batch) -> Result<(), SyncError> {
        for row in rows.iter().map(Row) {
            if let Some(id) = row.guid(&plan.table.primary_id) {
                self.set_team(id, row.lookup("administratorid").map(|(id, _)| id), batch).await?;
            }
        }
        Ok(())
    }

    /// Keeps a team's administrator; when it changes, what the team owns is mapped again (rule R6).
    pub(super) async fn set_team(&mut self, team: Guid, administrator: Option<Guid>, batch: &mut Batch) -> Result<(), SyncError> {
        if self.shared().teams.get(&team) == Some(&administrator) {
            return Ok(());
        }
        self.refetch_dependents(RecordId::new(Table::Team, team)).await?;
        self.shared().teams.insert(team, administrator);
        let value = administrator.map_or(Value::Null, |id| id.to_string().into());
        batch.put(&Fact { name: format!("{TEAM_FACT}{team}"), value });
        Ok(())
    }

    /// Has everything read again that was mapped with the help of `parent`, directly or through others. Circles end. Saved page by page,
    /// before the change that causes it, so that a process that dies in between does it again.
    async fn refetch_dependents(&self, parent: RecordId) -> Result<(), SyncError> {
        let (mut todo, mut met) = (vec![parent], BTreeSet::from([parent]));
        while let Some(parent) = todo.pop() {
            let mut dependents = self.bridge.store.pages::<Dependent>(record_key(parent), 1_000);
            loop {
                let page = dependents.next_page().await?;
                if page.is_empty() {
                    break;
                }
                let mut batch = Batch::new();
                for dependent in page {
                    batch.put(&Refetch { record: dependent.child });
                    // Only a contact hands on what it inherited.
                    if dependent.child.table == Table::Contact && met.insert(dependent.child) {
                        todo.push(dependent.child);
                    }
                }
                self.bridge.commit(batch).await?;
            }
        }
        Ok(())
    }

    async fn apply_records(&mut self, table: Table, plan: &TablePlan, rows: &[Values], batch: &mut Batch) -> Result<(), SyncError> {
        let rows: BTreeMap<Guid, Row<'_>> = rows.iter().map(Row).filter_map(|row| Some((row.guid(&plan.table.primary_id)?, row))).collect();
        let store = &self.bridge.store;
        let mut known = self.known(table, &rows).await?;
        if table == Table::Opportunity {
            self.apply_primary_contacts(&rows, batch).await?;
        }
        // While rows are read again because of their parents, the parents have already named all that depends on them. While contacts are read for the
        // first time, whoever depends on one that isn't there yet is read again anyway.
        let inherits = table == Table::Contact && !self.rereading && !self.is_first_load(table);
        let hands_on = inherits && !store.list::<Dependent>(&[table.code()], None, 1).await?.is_empty();
        for (id, row) in rows {
            let record = RecordId::new(table, id);
            if known.erased.contains(&id) {
                continue;
            }
            // Which table a lookup points to isn't told by every listing; a single row tells it.
            if !self.rereading && is_untold(table, row) {
                batch.put(&Refetch { record });
            }
            // The roles of a contact that is merged into another, or no longer is, are that one's, with those of whoever was merged into it.
            let merged = matches!(alias(table, row), Some(AliasRef::Merged(_)));
            if table == Table::Contact && merged != known.aliases.get(&record).is_some_and(|alias| alias.kind == AliasKind::Merged) {
                self.dirty_roles_of(record).await?;
            }
            let link = known.links.remove(&id);
            let is_new_account = link.is_none() && table == Table::Account && !self.bridge.options.policy.by_reference;
            if is_new_account || link.as_ref().is_some_and(|link| self.comes_back(plan, link, row)) {
                match table {
                    Table::Contact => dirty_by(self.bridge, SourceBy::Contact, id).await?,
                    Table::Opportunity => batch.put(&DirtyRoles { opportunity: id }),
                    Table::Account => self.refetch_dependents(record).await?,
                    Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Lead | Table::Connection => {}
                }
            }
            let left = Left { entry: known.outbox.remove(&id), dismissed: known.dismissed.remove(&id) };
            self.apply_record(plan, record, row, link, left, &mut known, batch)?;
            if hands_on {
                self.refetch_dependents(record).await?;
            }
        }
        Ok(())
    }

    async fn dirty_roles_of(&self, contact: RecordId) -> Result<(), SyncError> {
        dirty_by(self.bridge, SourceBy::Contact, contact.id).await?;
        for id in crate::push::aliases_of(self.bridge, &[contact]).await?.into_values().flatten() {
            dirty_by(self.bridge, SourceBy::Contact, id).await?;
        }
        Ok(())
    }

    /// The user that owns a row, and the team through which it does.
    pub(super) fn owner_of(&self, row: Row<'_>) -> (Option<Guid>, Option<Guid>) {
        match (owner(row), self.bridge.options.owners.team) {
            (OwnerRef::Team(_), _) if has(Defect::TeamsIgnored) => (None, None),
            (OwnerRef::User(user), _) => (Some(user), None),
            (OwnerRef::Team(team), TeamOwner::Administrator) => (self.shared().teams.get(&team).copied().flatten(), Some(team)),
            (OwnerRef::Team(team), TeamOwner::User(user)) => (Some(user), Some(team)),
            (OwnerRef::Team(team), TeamOwner::Hold) => (None, Some(team)),
            (OwnerRef::Nobody, _) => (None, None),
        }
    }

    /// Whether a row that was gone, out of scope or inactive is so no longer, or that matters no longer: what refers to it may become more.
    fn comes_back(&self, plan: &TablePlan, before: &Link, row: Row<'_>) -> bool {
        let is = |flag| before.flags.has(flag);
        is(LinkFlags::GONE)
            || is(LinkFlags::OUT) && plan.lets_in(row, before.is_confirmed()) == Ok(true)
            || is(LinkFlags::INACTIVE) && !is_inactive(before.record.table, row)
            || self.prepared.policy_changed && (is(LinkFlags::OUT) || is(LinkFlags::INACTIVE))
    }

    /// The account that a row names, as far as is known without reading others.
    pub(super) fn account_of(&self, table: Table, row: Row<'_>) -> Option<Guid> {
        match company(table, row) {
            CompanyRef::Account(account) => Some(account),
            CompanyRef::ViaContact(contact) => self.climbed.get(&contact).copied().flatten(),
            CompanyRef::None => None,
        }
    }
}

/// Those of these keys that are in the outbox: whatever has left it is known.
async fn still_in_outbox(bridge: &Bridge, keys: MaybeSent) -> Result<MaybeSent, SyncError> {
    let keys: Vec<Vec<u8>> = keys.into_iter().collect();
    let entries = bridge.store.read::<Outbox>(&keys).await?;
    Ok(keys.into_iter().zip(entries).filter(|(_, entry)| entry.is_some()).map(|(key, _)| key).collect())
}
