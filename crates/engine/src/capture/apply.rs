//! A page of rows into the state: what differs goes to the outbox, and what others will need is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use base::{Guid, Object, RecordId, Table};
use planner::{
    Desired, Fingerprints, Row,
    diff::{Known as KnownAs, change, differs, doubted},
    reference::{AliasRef, CompanyRef, OwnerRef, alias, company, is_closed_lead, is_qualified, is_sales_user, origin, owner},
};
use serde_json::{Map, Value};
use store::{
    Batch, Record, StoreExt,
    record::{
        Alias, AliasKind, Dependent, Fact, Link, LinkFlags, MsiDue, Outbox, OutboxState, Refetch, alias::AliasOf, record_key,
        role::SourceBy,
    },
};

use crate::{
    bridge::Bridge,
    capture::gone::dirty_by,
    dynamics::FeedPage,
    error::SyncError,
    intent::{self, MaybeSent, maybe_sent},
    prepare::{Prepared, TablePlan},
    push::{PARENT_MISSING, desired_of},
};

/// Facts that hold the administrator of a team.
pub(super) const TEAM_FACT: &str = "team/";

/// What applying pages needs besides the state.
#[derive(Debug)]
pub struct Context<'a> {
    /// The bridge.
    pub bridge: &'a Bridge,
    /// Metadata and maps.
    pub prepared: &'a Prepared,
    /// Each team's administrator.
    teams: BTreeMap<Guid, Option<Guid>>,
    /// What may have been sent without anybody having heard of it.
    maybe_sent: MaybeSent,
    /// Those of them that are to become something else by now: what they may have been sent as is in their links.
    doubted: Mutex<MaybeSent>,
    /// Whether rows are being read again because of what they were mapped with.
    pub(super) rereading: bool,
    /// While they are: the account of each parent contact.
    pub(super) climbed: BTreeMap<Guid, Option<Guid>>,
}

/// What of the state a page's rows need.
struct Known {
    links: BTreeMap<Guid, Link>,
    outbox: BTreeMap<Guid, Outbox>,
    /// Of owners and accounts.
    parents: BTreeMap<RecordId, Link>,
    aliases: BTreeMap<RecordId, Alias>,
    /// Leads that contacts came from.
    origins: BTreeMap<Guid, Link>,
}

impl<'a> Context<'a> {
    /// Loads the teams.
    pub(super) async fn load(bridge: &'a Bridge, prepared: &'a Prepared) -> Result<Self, SyncError> {
        let mut teams = BTreeMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let facts = bridge.store.list::<Fact>(TEAM_FACT.as_bytes(), after.as_deref(), 1_000).await?;
            let Some(last) = facts.last() else { break };
            after = Some(last.key());
            for fact in &facts {
                if let Some(team) = fact.name.strip_prefix(TEAM_FACT).and_then(|id| id.parse().ok()) {
                    teams.insert(team, fact.value.as_str().and_then(|id| id.parse().ok()));
                }
            }
        }
        let maybe_sent = still_in_outbox(bridge, maybe_sent(bridge).await?).await?;
        Ok(Self { bridge, prepared, teams, maybe_sent, doubted: Mutex::default(), rereading: false, climbed: BTreeMap::new() })
    }

    /// Forgets the intents of records that have left the outbox, or that are to become something else by now and remember what they may have
    /// been sent as.
    pub(super) async fn keep_intents(&mut self) -> Result<(), SyncError> {
        let doubted = std::mem::take(&mut *self.doubted.lock().unwrap_or_else(PoisonError::into_inner));
        self.maybe_sent.retain(|key| !doubted.contains(key));
        let open = still_in_outbox(self.bridge, std::mem::take(&mut self.maybe_sent)).await?;
        intent::keep(self.bridge, &open).await
    }

    /// Whether a record may have been sent as something else than it is to be now, and that isn't remembered yet.
    fn is_in_doubt(&self, entry: &Outbox, desired: &Desired) -> bool {
        self.maybe_sent.contains(&entry.key())
            && entry.body.desired != desired.write()
            && !self.doubted.lock().unwrap_or_else(PoisonError::into_inner).contains(&entry.key())
    }

    /// Teams that have an administrator, as far as is known.
    pub(super) fn administered_teams(&self) -> Vec<Guid> {
        self.teams.iter().filter(|(_, administrator)| administrator.is_some()).map(|(team, _)| *team).collect()
    }

    /// Applies a page: rows first, then deletions. A row that could not be read is asked for again by its id, until it can be or is gone.
    pub(super) async fn apply_page(&mut self, table: Table, plan: &TablePlan, page: &FeedPage) -> Result<(), SyncError> {
        let mut batch = Batch::new();
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

    async fn apply_teams(&mut self, plan: &TablePlan, rows: &[Map<String, Value>], batch: &mut Batch) -> Result<(), SyncError> {
        for row in rows.iter().map(Row) {
            if let Some(id) = row.guid(&plan.table.primary_id) {
                self.set_team(id, row.lookup("administratorid").map(|(id, _)| id), batch).await?;
            }
        }
        Ok(())
    }

    /// Keeps a team's administrator; when it changes, what the team owns is mapped again (rule R6).
    pub(super) async fn set_team(&mut self, team: Guid, administrator: Option<Guid>, batch: &mut Batch) -> Result<(), SyncError> {
        if self.teams.get(&team) == Some(&administrator) {
            return Ok(());
        }
        self.refetch_dependents(RecordId::new(Table::Team, team)).await?;
        self.teams.insert(team, administrator);
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

    async fn apply_records(
        &mut self,
        table: Table,
        plan: &TablePlan,
        rows: &[Map<String, Value>],
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let rows: BTreeMap<Guid, Row<'_>> = rows.iter().map(Row).filter_map(|row| Some((row.guid(&plan.table.primary_id)?, row))).collect();
        let store = &self.bridge.store;
        let mut known = self.known(table, &rows).await?;
        if table == Table::Opportunity {
            self.apply_primary_contacts(&rows, batch).await?;
        }
        // While rows are read again because of their parents, the parents have already named all that depends on them.
        let hands_on = table == Table::Contact && !self.rereading && !store.list::<Dependent>(&[table.code()], None, 1).await?.is_empty();
        for (id, row) in rows {
            // The roles of a contact that is merged into another, or no longer is, are that one's.
            let merged = matches!(alias(table, row), Some(AliasRef::Merged(_)));
            if table == Table::Contact
                && merged != known.aliases.get(&RecordId::new(table, id)).is_some_and(|alias| alias.kind == AliasKind::Merged)
            {
                dirty_by(self.bridge, SourceBy::Contact, id).await?;
            }
            let link = known.links.remove(&id);
            let entry = known.outbox.remove(&id);
            self.apply_record(plan, RecordId::new(table, id), row, link, entry, &mut known, batch)?;
            if hands_on {
                self.refetch_dependents(RecordId::new(table, id)).await?;
            }
        }
        Ok(())
    }

    async fn known(&self, table: Table, rows: &BTreeMap<Guid, Row<'_>>) -> Result<Known, SyncError> {
        let store = &self.bridge.store;
        let keys: Vec<_> = rows.keys().map(|id| record_key(RecordId::new(table, *id))).collect();
        let links = store.read::<Link>(&keys).await?.into_iter().flatten().map(|link| (link.record.id, link)).collect();
        let object = table.object().unwrap_or(Object::Lead);
        let keys: Vec<_> = rows.keys().map(|id| Outbox::key_of(object, *id, "")).collect();
        let outbox = store.read::<Outbox>(&keys).await?.into_iter().flatten().map(|entry| (entry.record.id, entry)).collect();
        let owners = rows.values().filter_map(|row| self.owner_of(*row).0).map(|id| RecordId::new(Table::SystemUser, id));
        let accounts = rows.values().filter_map(|row| self.account_of(table, *row)).map(|id| RecordId::new(Table::Account, id));
        let parents: BTreeSet<RecordId> = owners.chain(accounts).collect();
        let keys: Vec<_> = parents.iter().map(|record| record_key(*record)).collect();
        let parents = store.read::<Link>(&keys).await?.into_iter().flatten().map(|link| (link.record, link)).collect();
        let leads: BTreeSet<RecordId> =
            rows.values().filter_map(|row| origin(table, *row)).map(|lead| RecordId::new(Table::Lead, lead)).collect();
        let keys: Vec<_> = leads.iter().map(|lead| record_key(*lead)).collect();
        let origins = store.read::<Link>(&keys).await?.into_iter().flatten().map(|link| (link.record.id, link)).collect();
        let keys: Vec<_> =
            rows.keys().map(|id| Alias::key_of(RecordId::new(table, *id))).chain(leads.iter().map(|lead| Alias::key_of(*lead))).collect();
        let aliases = store.read::<Alias>(&keys).await?.into_iter().flatten().map(|alias| (alias.alias, alias)).collect();
        Ok(Known { links, outbox, parents, aliases, origins })
    }

    /// The user that owns a row, and the team through which it does.
    fn owner_of(&self, row: Row<'_>) -> (Option<Guid>, Option<Guid>) {
        match owner(row) {
            OwnerRef::User(user) => (Some(user), None),
            OwnerRef::Team(team) => (self.teams.get(&team).copied().flatten(), Some(team)),
            OwnerRef::Nobody => (None, None),
        }
    }

    /// The account that a row belongs to, as far as is known without reading others.
    fn account_of(&self, table: Table, row: Row<'_>) -> Option<Guid> {
        match company(table, row) {
            CompanyRef::Account(account) => Some(account),
            CompanyRef::ViaContact(contact) => self.climbed.get(&contact).copied().flatten(),
            CompanyRef::None => None,
        }
    }

    #[allow(clippy::too_many_arguments)] // one record with all that is known of it
    fn apply_record(
        &self,
        plan: &TablePlan,
        record: RecordId,
        row: Row<'_>,
        link: Option<Link>,
        entry: Option<Outbox>,
        known: &mut Known,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let before = link.clone();
        let mut link = link.unwrap_or_else(|| Link::new(record));
        let table = record.table;
        self.note_flags(plan, row, &mut link);
        if link.marketo_id.is_some()
            && before.as_ref().is_some_and(|before| before.flags.has(LinkFlags::CLOSED))
            && !link.flags.has(LinkFlags::CLOSED)
        {
            batch.put(&MsiDue { record });
        }
        self.note_alias(record, row, known, batch);
        let (owner, team) = if table == Table::SystemUser { (None, None) } else { self.owner_of(row) };
        if let Some(team) = team {
            batch.put(&Dependent { parent: RecordId::new(Table::Team, team), child: record });
        }
        if let Some(owner) = owner {
            self.want(RecordId::new(Table::SystemUser, owner), &mut known.parents, batch);
        }
        let company = match company(table, row) {
            CompanyRef::Account(account) => Some(Some(account)),
            CompanyRef::None => Some(None),
            CompanyRef::ViaContact(contact) => {
                batch.put(&Dependent { parent: RecordId::new(Table::Contact, contact), child: record });
                self.climbed.get(&contact).copied()
            }
        };
        let Some(company) = company else {
            // Its account is known only once the parent contact is read; until then nothing is said about it.
            batch.put(&Refetch { record });
            if before.as_ref() != Some(&link) {
                batch.put(&link);
            }
            return Ok(());
        };
        if before.as_ref() != Some(&link) {
            batch.put(&link);
        }
        // A merged account is a company only where something still belongs to it.
        if let Some(account) = company.map(|account| RecordId::new(Table::Account, account))
            && known.parents.get(&account).is_some_and(|link| link.flags.has(LinkFlags::DORMANT))
        {
            self.want(account, &mut known.parents, batch);
        }
        let dormant = link.flags.has(LinkFlags::DORMANT) && !link.flags.has(LinkFlags::WANTED);
        let key = Outbox::key_of(table.object().unwrap_or(Object::Lead), record.id, "");
        if dormant && !link.is_confirmed() {
            if entry.is_some() {
                batch.remove::<Outbox>(key);
            }
            return Ok(());
        }
        let changed = before.is_some_and(|before| before.flags != link.flags);
        self.queue(row, &mut link, changed, entry, owner, company, batch)
    }

    #[allow(clippy::too_many_arguments)] // as above
    fn queue(
        &self,
        row: Row<'_>,
        link: &mut Link,
        changed: bool,
        entry: Option<Outbox>,
        owner: Option<Guid>,
        company: Option<Guid>,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let record = link.record;
        let (map, key) = (self.prepared.map(record.table)?, self.prepared.key);
        let mapped = map.map(row);
        if !mapped.cut.is_empty() || !mapped.lost.is_empty() {
            for (field, why) in &mapped.lost {
                tracing::debug!(record = %record, field, why, "a value was left out");
            }
            self.bridge.count(|summary| {
                let line = summary.captured(record.table);
                line.cut += mapped.cut.len() as u64;
                line.lost += mapped.lost.len() as u64;
            });
        }
        let send_name = record.table == Table::Lead && self.bridge.options.policy.send_company_name;
        let company_name = row.text("companyname").filter(|_| send_name).map(str::to_owned);
        let desired = Desired::new(mapped, owner, company, company_name);
        // What was sent without an answer may have arrived, also where nothing is confirmed yet.
        if let Some(entry) = entry.as_ref().filter(|entry| self.is_in_doubt(entry, &desired)) {
            let before = Fingerprints::read(&link.confirmed);
            let after = doubted(map, &desired_of(entry)?, &desired, &before, key);
            self.doubted.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.key());
            if after != before {
                link.confirmed = after.write();
                batch.put(link);
            }
        }
        let unsent = !link.is_confirmed() || differs(map, &desired, &Fingerprints::read(&link.confirmed), key);
        let written = desired.write();
        if link.is_confirmed() && !unsent {
            let settled = change(map, &desired, &Fingerprints::read(&link.confirmed), key, KnownAs::Confirmed).confirmed.write();
            if settled != link.confirmed {
                link.confirmed = settled;
                batch.put(link);
            }
        }
        match (unsent, entry) {
            (false, None) => {}
            (false, Some(entry)) => batch.remove::<Outbox>(entry.key()),
            // The same again changes nothing: what waits goes on waiting, and what is held stays held, unless it is another thing now: a
            // lead that was closed.
            (true, Some(mut entry)) if entry.body.desired == written => {
                if let OutboxState::Held { code, retry_at, .. } = &mut entry.body.state
                    && code != PARENT_MISSING
                    && changed
                    && *retry_at > self.bridge.clock.now()
                {
                    *retry_at = self.bridge.clock.now();
                    batch.put(&entry);
                }
            }
            (true, entry) => {
                let mut fresh = Outbox::ready(map.object, record, String::new(), written, self.bridge.clock.now());
                // How long something waits isn't counted anew when its row changes.
                if let Some(entry) = entry.filter(|entry| waits(&entry.body.state)) {
                    fresh.body.state = entry.body.state;
                    fresh.body.since = entry.body.since;
                }
                batch.put(&fresh);
            }
        }
        Ok(())
    }

    fn note_flags(&self, plan: &TablePlan, row: Row<'_>, link: &mut Link) {
        let table = link.record.table;
        link.flags = link
            .flags
            .with(LinkFlags::GONE, false)
            .with(LinkFlags::DORMANT, is_dormant(table, row))
            .with(LinkFlags::CLOSED, is_closed_lead(table, row))
            .with(LinkFlags::QUALIFIED, table == Table::Lead && is_qualified(row));
        if !link.flags.has(LinkFlags::CLOSED) {
            link.flags = link.flags.with(LinkFlags::NOT_WRITABLE, false);
        }
        if matches!(table, Table::Lead | Table::Contact) {
            link.msi = plan.msi.fingerprints(row, self.prepared.key).write();
        }
    }

    /// Keeps what a row says about being the same as another (rule R4), and forgets what it no longer says.
    fn note_alias(&self, record: RecordId, row: Row<'_>, known: &Known, batch: &mut Batch) {
        let mut note = |alias: RecordId, survivor: RecordId, kind| {
            batch.put(&Alias { alias, survivor, kind });
            batch.put(&AliasOf { survivor, alias });
        };
        let before = known.aliases.get(&record);
        match alias(record.table, row) {
            Some(AliasRef::Merged(survivor)) => note(record, survivor, AliasKind::Merged),
            Some(AliasRef::Qualified(survivor)) => note(record, survivor, AliasKind::Qualified),
            None => {
                // A reopened lead keeps its alias: it is held, because its person is the contact's now.
                if let Some(before) = before.filter(|before| before.kind == AliasKind::Merged) {
                    batch.remove::<Alias>(before.key());
                }
            }
        }
        let Some(lead) = origin(record.table, row).map(|lead| RecordId::new(Table::Lead, lead)) else { return };
        // What the lead says of itself is worth more than what its contact says.
        if known.aliases.get(&lead).is_none_or(|alias| alias.kind == AliasKind::Origin) {
            batch.put(&Alias { alias: lead, survivor: record, kind: AliasKind::Origin });
            batch.put(&AliasOf { survivor: record, alias: lead });
        }
        // The leads were read before the contacts: this one may have been qualified in between.
        if known.origins.get(&lead.id).is_some_and(|link| !link.flags.has(LinkFlags::QUALIFIED)) {
            batch.put(&Refetch { record: lead });
        }
    }

    /// What something in scope refers to is in scope too: a user outside the filter is sent when it owns something.
    fn want(&self, record: RecordId, parents: &mut BTreeMap<RecordId, Link>, batch: &mut Batch) {
        let link = parents.entry(record).or_insert_with(|| Link::new(record));
        if link.flags.has(LinkFlags::WANTED) {
            return;
        }
        // A user that isn't known yet was created after the users were read, or can't be seen.
        let read_again = link.flags.has(LinkFlags::DORMANT) || *link == Link::new(record);
        link.flags = link.flags.with(LinkFlags::WANTED, true);
        batch.put(link);
        if read_again {
            batch.put(&Refetch { record });
        }
    }
}

/// Those of these keys that are in the outbox: whatever has left it is known.
async fn still_in_outbox(bridge: &Bridge, keys: MaybeSent) -> Result<MaybeSent, SyncError> {
    let keys: Vec<Vec<u8>> = keys.into_iter().collect();
    let entries = bridge.store.read::<Outbox>(&keys).await?;
    Ok(keys.into_iter().zip(entries).filter(|(_, entry)| entry.is_some()).map(|(key, _)| key).collect())
}

/// Whether a row becomes a record only when something refers to it: a user who is no sales person, an account merged into another.
fn is_dormant(table: Table, row: Row<'_>) -> bool {
    match table {
        Table::SystemUser => !is_sales_user(row),
        Table::Account => matches!(alias(table, row), Some(AliasRef::Merged(_))),
        Table::Team | Table::ConnectionRole | Table::Lead | Table::Contact | Table::Opportunity | Table::Connection => false,
    }
}

fn waits(state: &OutboxState) -> bool {
    match state {
        OutboxState::Waiting { .. } => true,
        OutboxState::Held { code, .. } => code == PARENT_MISSING,
        OutboxState::Ready => false,
    }
}
