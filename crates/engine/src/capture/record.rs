//! One row: whose it is, where it belongs, whether it is in scope, and what of it has to be sent.

use base::{Guid, Object, RecordId, Table};
use planner::{
    Desired, FingerprintKey, Fingerprints, Row,
    diff::{Known as KnownAs, change, differs, doubted, unsure},
    reference::{AliasRef, CompanyRef, alias, company, is_closed_lead, is_inactive, is_qualified, is_sales_user},
};
use serde_json::Value;
use store::{
    Batch, Record,
    record::{Dependent, DirtyRoles, Fact, Json, Link, LinkFlags, MsiDue, Outbox, OutboxState, Refetch},
};

use crate::{
    capture::{Context, known::Known, left::Left, stands_for::has_another_survivor},
    defect::{Defect, has},
    error::SyncError,
    options::{InactivePerson, InactiveRecord, TeamOwner},
    prepare::TablePlan,
    push::PARENT_MISSING,
    task::{Join, Task, Why, is_merged},
};

/// Facts that hold the fingerprint of a sales person's e-mail.
pub(crate) const EMAIL_FACT: &str = "user-email/";

/// What a row belongs to.
struct Place {
    owner: Option<Guid>,
    team: Option<Guid>,
    company: Option<Guid>,
}

impl Context<'_> {
    #[allow(clippy::too_many_arguments)] // one record with all that is known of it
    pub(super) fn apply_record(
        &self,
        plan: &TablePlan,
        record: RecordId,
        row: Row<'_>,
        link: Option<Link>,
        mut left: Left,
        known: &mut Known,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let before = link.clone();
        let mut link = link.unwrap_or_else(|| Link::new(record));
        let table = record.table;
        self.note_flags(plan, row, before.is_none(), &mut link);
        let was_closed = before.as_ref().is_some_and(|before| before.flags.has(LinkFlags::CLOSED));
        if link.is_confirmed() && was_closed && !link.flags.has(LinkFlags::CLOSED) {
            batch.put(&MsiDue { record });
        }
        let stands_for_another = self.note_alias(record, row, before.as_ref(), known, batch);
        if !has(Defect::AliasSent) && stands_for_another && matches!(table, Table::Lead | Table::Contact) {
            if before.as_ref() != Some(&link) {
                batch.put(&link);
            }
            // It is looked up as well as the one that it stands for.
            self.bridge.ahead.offer(record.id);
            if has_another_survivor(record, row, known) {
                left.is_another_question(batch);
            }
            return self.stand_aside(&link, left, Task::Join(Join::Open), batch);
        }
        let (owner, team) = if table == Table::SystemUser { (None, None) } else { self.owner_of(row) };
        if let Some(team) = team {
            if owner.is_none() && self.bridge.options.owners.team == TeamOwner::Administrator {
                self.bridge.count(|summary| summary.flag("team-without-administrator"));
            }
            batch.put(&Dependent { parent: RecordId::new(Table::Team, team), child: record });
        }
        let parting = self.parting(&link, row);
        // What something in scope refers to stays, but for people who are deactivated: that is a decision about them.
        let yields = |why: Why| why == Why::Left || why == Why::Inactive && table == Table::Account;
        let is_wanted = |why: Why| link.flags.has(LinkFlags::WANTED) && yields(why);
        if let Some(why) = parting.filter(|why| !is_wanted(*why)) {
            if table == Table::Opportunity {
                batch.put(&DirtyRoles { opportunity: record.id });
            }
            if before.as_ref() != Some(&link) {
                batch.put(&link);
            }
            return self.stand_aside(&link, left, Task::Part(why), batch);
        }
        if let Some(owner) = owner {
            self.want(RecordId::new(Table::SystemUser, owner), known, batch);
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
        let company = company.and_then(|account| self.company_in_scope(record, account, known, batch));
        if link.flags.has(LinkFlags::DORMANT) && !link.flags.has(LinkFlags::WANTED) && !link.is_confirmed() {
            left.is_another_question(batch);
            if let Some(entry) = left.entry {
                batch.remove::<Outbox>(entry.key());
            }
            return Ok(());
        }
        let changed = before.is_some_and(|before| before.flags != link.flags);
        self.queue(row, &mut link, changed, left, Place { owner, team: team.filter(|_| owner.is_none()), company }, batch)
    }

    /// Why a row is no longer, or not at all, a record of ours on its own account.
    fn parting(&self, link: &Link, row: Row<'_>) -> Option<Why> {
        let (table, options) = (link.record.table, &self.bridge.options);
        if link.flags.has(LinkFlags::OUT) {
            return Some(Why::Left);
        }
        if table == Table::Account && matches!(alias(table, row), Some(AliasRef::Merged(_))) {
            return Some(Why::Deleted);
        }
        let stays = match table {
            Table::Lead | Table::Contact => options.on_inactive.person == InactivePerson::Sync,
            Table::Account => options.on_inactive.company == InactiveRecord::Sync,
            Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Opportunity | Table::Connection => true,
        };
        (link.flags.has(LinkFlags::INACTIVE) && !stays).then_some(Why::Inactive)
    }

    /// A record that isn't sent itself: where Marketo has it, or may have it, something is done with that.
    pub(super) fn stand_aside(&self, link: &Link, left: Left, task: Task, batch: &mut Batch) -> Result<(), SyncError> {
        let object = link.record.table.object().unwrap_or(Object::Lead);
        let entry = &left.entry;
        let is_there = link.is_confirmed() || entry.as_ref().is_some_and(|entry| self.may_be_sent(entry));
        let key = Outbox::key_of(object, link.record.id, "");
        if is_there && left.is_dismissed(&task.write(), link, self.prepared.key) {
            return Ok(());
        }
        match (is_there, left.asked_anew(batch)) {
            (true, Some(entry)) if is_same(&entry, &task) => {}
            (_, Some(entry)) if is_merged(&entry) => {}
            (true, entry) => {
                // What was sent without an answer may have arrived: nothing of it counts as confirmed any more.
                if let Some(entry) = entry.filter(|entry| link.is_confirmed() && self.may_be_sent(entry))
                    && let Task::Send(sent) = Task::of(&entry)?
                {
                    let map = self.prepared.map(link.record.table)?;
                    let confirmed = unsure(map, &sent, &Fingerprints::read(&link.confirmed), self.prepared.key).write();
                    batch.put(&Link { confirmed, ..link.clone() });
                }
                batch.put(&Outbox::ready(object, link.record, String::new(), task.write(), self.bridge.clock.now()));
            }
            (false, Some(_)) => batch.remove::<Outbox>(key),
            (false, None) => {}
        }
        Ok(())
    }

    /// The company of a row: the account at the end of its chain of merges; none where that is out of scope and stays so.
    fn company_in_scope(&self, child: RecordId, account: Guid, known: &mut Known, batch: &mut Batch) -> Option<Guid> {
        let named = RecordId::new(Table::Account, account);
        let account = known.masters.get(&named).copied().unwrap_or(named);
        // One that isn't known yet was made after the accounts were read, and may be out of scope on its own account.
        if !known.parents.contains_key(&account) {
            match self.bridge.options.policy.by_reference {
                true => self.want(account, known, batch),
                false => batch.put(&Dependent { parent: account, child }),
            }
        }
        if known.parents.get(&account).is_some_and(|link| link.flags.has(LinkFlags::DORMANT) && !link.flags.has(LinkFlags::WANTED)) {
            if !self.bridge.options.policy.by_reference {
                // When it comes into scope, this record belongs to it.
                batch.put(&Dependent { parent: account, child });
                return None;
            }
            self.want(account, known, batch);
        }
        Some(account.id)
    }

    fn queue(&self, row: Row<'_>, link: &mut Link, changed: bool, left: Left, place: Place, batch: &mut Batch) -> Result<(), SyncError> {
        let record = link.record;
        let (map, key) = (self.prepared.map(record.table)?, self.prepared.key);
        let mut mapped = map.map(row);
        if has(Defect::ConsentGiven) {
            mapped.fields.entry("unsubscribed".into()).and_modify(|value| *value = value.is_boolean().into());
        }
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
        let confirmed = Fingerprints::read(&link.confirmed);
        if link.is_confirmed() {
            map.leave_confirmed(&mut mapped, row, &confirmed, key);
        }
        let send_name = record.table == Table::Lead && self.bridge.options.policy.send_company_name;
        let company_name = row.text("companyname").filter(|_| send_name).map(str::to_owned);
        let desired = Desired { team: place.team, ..Desired::new(mapped, place.owner, place.company, company_name) };
        if let Some(entry) = &left.entry {
            self.settle_doubt(entry, &desired, link, batch)?;
        }
        if record.table == Table::SystemUser {
            note_email(record, &desired, key, batch);
        }
        let confirmed = Fingerprints::read(&link.confirmed);
        if desired.company.is_none() && link.is_confirmed() && confirmed.get(map.company_slot).is_some() {
            self.bridge.count(|summary| summary.flag("company-kept"));
        }
        // One whose key is in doubt has to be looked at, whatever its fields are.
        let unsent = has(Defect::EchoSent)
            || !link.is_confirmed()
            || link.flags.has(LinkFlags::KEY_IN_DOUBT)
            || differs(map, &desired, &confirmed, key);
        let written = Json::of(&desired);
        if link.is_confirmed() && !unsent {
            let settled = change(map, &desired, &confirmed, key, KnownAs::Confirmed).confirmed.write();
            if settled != link.confirmed {
                link.confirmed = settled;
                batch.put(link);
            }
        }
        // What was dismissed is still all that there would be to send. Other flags are another row.
        if unsent && !changed && left.is_dismissed(&written, link, key) {
            return Ok(());
        }
        match (unsent, left.asked_anew(batch)) {
            (false, None) => {}
            (false, Some(entry)) if is_merged(&entry) => {}
            (false, Some(entry)) => batch.remove::<Outbox>(entry.key()),
            // It is read again once the survivor was read back.
            (true, Some(entry)) if is_merged(&entry) => {}
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
                if fresh.object == Object::Lead {
                    self.bridge.ahead.offer(record.id);
                }
            }
        }
        Ok(())
    }

    /// What was asked for without an answer may have been done, also where nothing is confirmed yet. The link remembers it.
    fn settle_doubt(&self, entry: &Outbox, desired: &Desired, link: &mut Link, batch: &mut Batch) -> Result<(), SyncError> {
        if !self.is_in_doubt(entry, desired) || is_merged(entry) {
            return Ok(());
        }
        let (map, key) = (self.prepared.map(link.record.table)?, self.prepared.key);
        let before = link.clone();
        match Task::of(entry)? {
            Task::Send(sent) if link.is_confirmed() => {
                link.confirmed = doubted(map, &sent, desired, &Fingerprints::read(&link.confirmed), key).write();
            }
            // Whether it was created at all is still open: what it may have been created with first is remembered, and the note stays.
            Task::Send(sent) => {
                let first = Fingerprints::read(&link.confirmed);
                link.confirmed = doubted(map, &sent, desired, &first, key).or(&first).write();
                if *link != before {
                    batch.put(link);
                }
                return Ok(());
            }
            // Its person may have lost our key, be merged or be gone.
            Task::Join(_) | Task::Part(_) if map.object == Object::Lead && link.is_confirmed() => {
                link.flags = link.flags.with(LinkFlags::KEY_IN_DOUBT, true);
            }
            Task::Join(_) | Task::Part(_) => {
                link.flags = link.flags.with(LinkFlags::CONFIRMED, false);
                link.confirmed = Vec::new();
            }
        }
        self.remember_doubt(entry);
        if *link != before {
            batch.put(link);
        }
        Ok(())
    }

    fn note_flags(&self, plan: &TablePlan, row: Row<'_>, is_new: bool, link: &mut Link) {
        let table = link.record.table;
        let inactive = is_inactive(table, row);
        // While it was gone, the person that was kept for it may have been given to another.
        if link.flags.has(LinkFlags::GONE) && link.is_confirmed() && table.object() == Some(Object::Lead) {
            link.flags = link.flags.with(LinkFlags::KEY_IN_DOUBT, true);
        }
        link.flags = link
            .flags
            .with(LinkFlags::GONE, false)
            .with(LinkFlags::CLOSED, is_closed_lead(table, row))
            .with(LinkFlags::INACTIVE, inactive)
            .with(LinkFlags::QUALIFIED, table == Table::Lead && is_qualified(row));
        match plan.lets_in(row, link.is_confirmed()) {
            Ok(holds) => link.flags = link.flags.with(LinkFlags::OUT, !holds),
            Err(why) => {
                // What is known of it stays as it is; what isn't known yet stays out.
                tracing::debug!(record = %link.record, why, "the filter has no answer");
                self.bridge.count(|summary| summary.flag("filter-failed"));
                link.flags = link.flags.with(LinkFlags::OUT, is_new || link.flags.has(LinkFlags::OUT));
            }
        }
        let no_seller = table == Table::SystemUser && !is_sales_user(row);
        link.flags = link.flags.with(LinkFlags::DORMANT, no_seller || self.parting(link, row).is_some());
        if !link.flags.has(LinkFlags::CLOSED) {
            link.flags = link.flags.with(LinkFlags::NOT_WRITABLE, false);
        }
        if matches!(table, Table::Lead | Table::Contact) {
            link.msi = plan.msi.fingerprints(row, self.prepared.key).write();
        }
    }

    /// What something in scope refers to is in scope too: a user outside the filter is sent when it owns something.
    fn want(&self, record: RecordId, known: &mut Known, batch: &mut Batch) {
        let link = known.parents.entry(record).or_insert_with(|| Link::new(record));
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

/// Keeps a fingerprint of a sales person's e-mail, whatever its case: two with the same are told.
fn note_email(record: RecordId, desired: &Desired, key: FingerprintKey, batch: &mut Batch) {
    let email = desired.fields.get("email").and_then(Value::as_str).map(|email| Value::String(email.trim().to_lowercase()));
    let name = format!("{EMAIL_FACT}{}", record.id);
    match email.and_then(|email| key.of(&email)) {
        Some(print) => batch.put(&Fact { name, value: print.into() }),
        None => batch.remove::<Fact>(name.into()),
    }
}

fn is_same(entry: &Outbox, task: &Task) -> bool {
    entry.body.desired == task.write()
}

fn waits(state: &OutboxState) -> bool {
    match state {
        OutboxState::Waiting { .. } => true,
        OutboxState::Held { code, .. } => code == PARENT_MISSING,
        OutboxState::Ready => false,
    }
}
