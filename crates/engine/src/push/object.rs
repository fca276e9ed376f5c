//! Sales persons, companies and opportunities: written by their own key.
//!
//! What is known to be there is only updated. Were it created as well where somebody has deleted it, it would have nothing but what changed, and
//! where the answer is lost nobody would know. So Marketo says that it isn't there, and it is sent as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::{Guid, Object, RecordId, Table};
use futures::{FutureExt, future::BoxFuture};
use planner::{
    Desired, FieldMap, Fingerprints,
    diff::{Change, Known, change, change_with_fill, needs_current},
    mapping::Owner,
    pack::{Packer, RECORDS_MAX},
};
use serde_json::{Map, Value};
use store::{
    Batch, Record,
    record::{Link, LinkFlags, Outbox},
};

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    intent::Intent,
    marketo::{SyncMode, key_field},
    plan::{Asks, What},
    prepare::Prepared,
    progress::Step,
    push::{
        absent::{absent, may_be_its_absence, may_be_its_parents},
        brake::Brake,
        email::Emails,
        flight::Flight,
        gate::{Gate, Links, forget_confirmed, hold, next_page, objection, parents, reference, refuse, sendable, settled},
        outcome::Breaker,
        pieces::{Fate, Item, Sent, send},
        role::doubt_roles,
        spelling::Spellings,
    },
};

/// One record on its way.
#[derive(Debug, Clone)]
struct Sendable {
    entry: Outbox,
    link: Link,
    /// How many fields change, links included.
    fields: usize,
    /// What is confirmed once it was sent.
    confirmed: Fingerprints,
    /// As it is sent.
    record: Arc<Map<String, Value>>,
    /// What it refers to.
    parents: Vec<RecordId>,
    /// Whether the brake has taken something out.
    held_back: bool,
}

impl Item for Sendable {
    fn key(&self) -> Vec<u8> {
        self.entry.key()
    }

    fn asks(&self) -> Asks {
        let Self { entry, record, .. } = self;
        Asks { object: entry.object, record: entry.record, part: String::new(), what: What::Send, person: None, fields: Map::clone(record) }
    }
}

/// Sends an object's outbox.
pub(super) async fn push(bridge: &Bridge, prepared: &Prepared, brake: &Brake, object: Object) -> Result<(), SyncError> {
    let total = bridge.store.count(Outbox::FAMILY, &[object.code()]).await?;
    if total == 0 {
        return Ok(());
    }
    let mut pusher = Pusher {
        bridge,
        prepared,
        object,
        table: object.tables().first().copied().unwrap_or(Table::Account),
        gate: Gate::new(bridge, prepared.retry_held),
        spellings: Spellings::load(bridge, object, key_field(object)).await?,
        create: Packer::new(RECORDS_MAX),
        update: Packer::new(RECORDS_MAX),
        breaker: Arc::default(),
        brake,
        emails: Emails::default(),
        gone: BTreeSet::new(),
        only: None,
        done: 0,
        total,
    };
    pusher.run().await?;
    let again: BTreeSet<RecordId> = pusher.emails.refused().chain(std::mem::take(&mut pusher.gone)).collect();
    if again.is_empty() {
        return Ok(());
    }
    pusher.only = Some(again);
    pusher.run().await
}

struct Pusher<'a> {
    bridge: &'a Bridge,
    prepared: &'a Prepared,
    object: Object,
    table: Table,
    gate: Gate<'a>,
    spellings: Option<Spellings>,
    create: Packer<Sendable>,
    update: Packer<Sendable>,
    breaker: Arc<Breaker>,
    brake: &'a Brake,
    emails: Emails,
    /// Records that were known and that somebody has deleted: they are sent once more.
    gone: BTreeSet<RecordId>,
    /// In the second round: those that are sent again.
    only: Option<BTreeSet<RecordId>>,
    done: u64,
    total: u64,
}

impl<'a> Pusher<'a> {
    async fn run(&mut self) -> Result<(), SyncError> {
        let mut flight = Flight::new(self.bridge.marketo.in_flight_max());
        let mut after: Option<Vec<u8>> = None;
        let (mut exhausted, mut stop) = (false, None);
        loop {
            while stop.is_none() && !exhausted && flight.has_room() {
                match self.next_batches(&mut after).await {
                    Ok((batches, last)) => {
                        exhausted = last;
                        batches.into_iter().for_each(|batch| flight.start(self.send(batch)));
                    }
                    // What is under way is waited for all the same, because its outcome must be saved.
                    Err(error) => stop = Some(error),
                }
            }
            let Some(answered) = flight.next().await else {
                return stop.map_or(Ok(()), Err);
            };
            let settled = self.settle(answered.fates, &answered.intent).await;
            if let Some(error) = settled.err().or(answered.stop) {
                flight.cancel_queued();
                stop.get_or_insert(error);
            }
        }
    }

    fn send(&self, batch: Vec<Sendable>) -> BoxFuture<'a, Sent<Sendable>> {
        let (bridge, object) = (self.bridge, self.object);
        let mode = match batch.first() {
            Some(sendable) if is_known(&sendable.link) => SyncMode::UpdateOnly,
            Some(_) | None => SyncMode::CreateOrUpdate,
        };
        let call =
            move |batch: &[Sendable]| bridge.marketo.sync(object, mode, batch.iter().map(|sendable| sendable.record.clone()).collect());
        send(bridge, self.breaker.clone(), true, batch, call).boxed()
    }

    /// The batches that the next page fills, and whether it was the last.
    async fn next_batches(&mut self, after: &mut Option<Vec<u8>>) -> Result<(Vec<Vec<Sendable>>, bool), SyncError> {
        let page = next_page(self.bridge, self.object, after.as_deref(), RECORDS_MAX).await?;
        let Some(last) = page.last() else {
            return Ok((self.create.take().into_iter().chain(self.update.take()).collect(), true));
        };
        *after = Some(last.key());
        Ok((self.prepare_page(page).await?, false))
    }

    /// Sorts a page: what rests, what waits, what is already as it should be, and what is sent.
    async fn prepare_page(&mut self, page: Vec<Outbox>) -> Result<Vec<Vec<Sendable>>, SyncError> {
        let now = self.bridge.clock.now();
        let is_meant = |entry: &Outbox| self.only.as_ref().is_none_or(|only| only.contains(&entry.record));
        let entries = sendable(page, |entry| is_meant(entry) && self.gate.may_try(entry, now))?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut links = self.gate.links(&entries).await?;
        let mut batch = Batch::new();
        let mut ready = Vec::new();
        for (entry, desired) in entries {
            match Gate::missing_parent(&desired, &links) {
                Some(parent) => {
                    self.gate.wait(&entry, parent, now, &mut batch);
                    self.done += 1;
                }
                None => match objection(self.bridge, &desired, self.object == Object::Opportunity) {
                    Some((code, reason)) => {
                        batch.put(&hold(&entry, code, reason, now));
                        self.done += 1;
                    }
                    None => ready.push((entry, desired)),
                },
            }
        }
        self.learn_spellings(&ready, &mut links).await?;
        let current = self.current(&ready, &links).await?;
        let map = self.prepared.map(self.table)?;
        let mut batches = Vec::new();
        for (entry, desired) in ready {
            let link = links.get(&entry.record).cloned().unwrap_or_else(|| Link::new(entry.record));
            let mut change = self.change(map, &desired, &link, current.get(&entry.record.id));
            self.emails.leave_out(entry.record, &mut change);
            let before = Fingerprints::read(&link.confirmed);
            let held_back = link.is_confirmed() && change.hold_back(map, &before, |harm| self.brake.stops(harm));
            if held_back && change.is_empty() {
                self.done += 1;
                continue;
            }
            if change.is_empty() && link.is_confirmed() {
                self.emails.confirmed(&entry, &Map::new(), false, &mut batch);
                self.confirm_unsent(&entry, link, change, &mut batch);
                continue;
            }
            let (fields, parents) = (change.len(), parents(&desired).collect());
            let (record, confirmed) = self.record(&link, change, &links);
            let bytes = serde_json::to_vec(&record).map_or(0, |bytes| bytes.len());
            let packer = if is_known(&link) { &mut self.update } else { &mut self.create };
            batches.extend(packer.push(Sendable { entry, link, fields, confirmed, record: Arc::new(record), parents, held_back }, bytes));
        }
        self.bridge.commit(batch).await?;
        self.tell();
        Ok(batches)
    }

    fn confirm_unsent(&mut self, entry: &Outbox, mut link: Link, change: Change, batch: &mut Batch) {
        link.confirmed = change.confirmed.write();
        batch.put(&link);
        batch.remove::<Outbox>(entry.key());
        self.done += 1;
    }

    fn change(&self, map: &FieldMap, desired: &Desired, link: &Link, current: Option<&Map<String, Value>>) -> Change {
        let (key, confirmed) = (self.prepared.key, Fingerprints::read(&link.confirmed));
        match (link.is_confirmed(), current) {
            (true, None) => change(map, desired, &confirmed, key, Known::Confirmed),
            (true, Some(current)) => change_with_fill(map, desired, &confirmed, key, current),
            (false, None) => change(map, desired, &confirmed, key, Known::Nothing),
            (false, Some(current)) => change(map, desired, &confirmed, key, Known::Current(current)),
        }
    }

    /// At the first link-up: whether Marketo stores these keys in another spelling.
    async fn learn_spellings(&mut self, ready: &[(Outbox, Desired)], links: &mut Links) -> Result<(), SyncError> {
        let new: Vec<Guid> = ready
            .iter()
            .map(|(entry, _)| entry.record)
            .filter(|record| links.get(record).is_none_or(|link| !link.is_confirmed()))
            .map(|record| record.id)
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let field = key_field(self.object);
        let spellings = match self.spellings.take() {
            Some(spellings) => spellings,
            None => Spellings::sample(self.bridge, self.object, field, &new).await?,
        };
        for (id, stored) in spellings.stored_keys(self.bridge, self.object, field, &new).await? {
            if let Some(link) = links.get_mut(&RecordId::new(self.table, id)) {
                link.stored_key = Some(stored);
            }
        }
        self.spellings = Some(spellings);
        Ok(())
    }

    /// What Marketo holds of the records for which that decides: fields that are sent only on creation, or only where it has nothing.
    async fn current(&self, ready: &[(Outbox, Desired)], links: &Links) -> Result<BTreeMap<Guid, Map<String, Value>>, SyncError> {
        let map = self.prepared.map(self.table)?;
        if map.rules.iter().all(|rule| rule.owner == Owner::Crm) {
            return Ok(BTreeMap::new());
        }
        let field = key_field(self.object);
        let asked: Vec<String> = ready
            .iter()
            .filter_map(|(entry, desired)| {
                let link = links.get(&entry.record)?;
                let confirmed = Fingerprints::read(&link.confirmed);
                (!link.is_confirmed() || needs_current(map, desired, &confirmed, self.prepared.key)).then(|| link.reference())
            })
            .collect();
        let fields: Vec<&str> =
            map.rules.iter().map(|rule| rule.target.name.as_str()).chain([field, "externalSalesPersonId", "externalCompanyId"]).collect();
        let mut current = BTreeMap::new();
        for chunk in asked.chunks(RECORDS_MAX) {
            let found = self.bridge.marketo.query(self.object, field, chunk.to_vec(), &fields).await;
            for record in found.map_err(|error| SyncError::of_call(Side::Marketo, error))? {
                if let Some(id) = record.get(field).and_then(Value::as_str).and_then(|text| text.parse().ok()) {
                    current.insert(id, record);
                }
            }
        }
        Ok(current)
    }

    /// The record as it is sent, its key and what changes; and what is confirmed once it was.
    fn record(&self, link: &Link, change: Change, links: &Links) -> (Map<String, Value>, Fingerprints) {
        let mut record = Map::new();
        record.insert(key_field(self.object).into(), link.reference().into());
        record.extend(change.fields);
        if let Some(owner) = change.owner.filter(|_| self.object != Object::SalesPerson) {
            let owner = owner.map_or(Value::Null, |owner| reference(links, Table::SystemUser, owner).into());
            record.insert("externalSalesPersonId".into(), owner);
        }
        if let Some(company) = change.company.filter(|_| self.object == Object::Opportunity) {
            record.insert("externalCompanyId".into(), reference(links, Table::Account, company).into());
        }
        (record, change.confirmed)
    }

    async fn settle(&mut self, fates: Vec<(Sendable, Fate)>, intent: &Intent) -> Result<(), SyncError> {
        let now = self.bridge.clock.now();
        let mut batch = Batch::new();
        intent.close(&mut batch);
        self.done += fates.len() as u64;
        // When that can't be asked for, what was answered is saved all the same.
        let (absent, stop) = match self.absent(&fates).await {
            Ok(absent) => (absent, None),
            Err(error) => (BTreeSet::new(), Some(error)),
        };
        for (sent, fate) in fates {
            match fate {
                Fate::Confirmed { id, created } => self.confirmed(sent, id, created, &mut batch),
                Fate::Refused(_) if absent.contains(&sent.entry.record) => self.gone(sent, &absent, &mut batch).await?,
                Fate::Refused(failure) if self.emails.is_to_blame(&sent.entry, &sent.record, &failure) => {}
                Fate::Refused(failure) | Fate::Unknown(Some(failure)) => {
                    let lost = sent.parents.into_iter().filter(|parent| absent.contains(parent)).collect();
                    refuse(self.bridge, &sent.entry, &failure, lost, now, &mut batch).await?;
                }
                // It stays in the outbox and is sent again: the same call twice does no more than once.
                Fate::Unknown(None) => {}
            }
        }
        self.bridge.commit(batch).await?;
        self.tell();
        stop.map_or(Ok(()), Err)
    }

    /// Refused records that Marketo doesn't have although they are known, and what refused records refer to and it doesn't have.
    async fn absent(&self, fates: &[(Sendable, Fate)]) -> Result<BTreeSet<RecordId>, SyncError> {
        let mut asked = BTreeSet::new();
        for (sent, fate) in fates {
            let Fate::Refused(failure) = fate else { continue };
            if may_be_its_parents(&failure.code) {
                asked.extend(&sent.parents);
            }
            if may_be_its_absence(&failure.code) && is_known(&sent.link) {
                asked.insert(sent.entry.record);
            }
        }
        absent(self.bridge, &asked).await
    }

    /// It was deleted behind our back: everything of it is sent, and an opportunity's roles as well. It keeps the spelling of its key, because
    /// others refer to it so.
    async fn gone(&mut self, sent: Sendable, absent: &BTreeSet<RecordId>, batch: &mut Batch) -> Result<(), SyncError> {
        tracing::info!(record = %sent.entry.record, "it is gone from Marketo; it is sent anew");
        self.gone.insert(sent.entry.record);
        let flags = sent.link.flags.with(LinkFlags::CONFIRMED, false);
        batch.put(&Link { marketo_id: None, confirmed: Vec::new(), flags, ..sent.link });
        for parent in sent.parents.into_iter().filter(|parent| absent.contains(parent)) {
            forget_confirmed(self.bridge, parent, batch).await?;
        }
        if self.object == Object::Opportunity {
            doubt_roles(self.bridge, sent.entry.record.id, batch).await?;
        }
        Ok(())
    }

    fn confirmed(&mut self, mut sent: Sendable, id: Option<i64>, created: bool, batch: &mut Batch) {
        self.bridge.count(|summary| {
            let line = summary.pushed(self.object);
            *(if created { &mut line.created } else { &mut line.updated }) += 1;
            line.fields += sent.fields as u64;
        });
        self.emails.confirmed(&sent.entry, &sent.record, created, batch);
        sent.link.confirmed = sent.confirmed.write();
        sent.link.marketo_id = id.or(sent.link.marketo_id);
        sent.link.flags = sent.link.flags.with(LinkFlags::CONFIRMED, true);
        batch.put(&sent.link);
        settled(&sent.entry, sent.held_back, batch);
    }

    fn tell(&self) {
        self.bridge.tell(Step::Pushed { object: self.object, done: self.done.min(self.total), total: self.total });
    }
}

/// Whether Marketo is known to have it, with something in it: what has nothing confirmed is sent as a whole anyway.
fn is_known(link: &Link) -> bool {
    link.is_confirmed() && !link.confirmed.is_empty()
}
