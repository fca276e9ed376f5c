//! People: found, adopted or created, and never twice (rules R2, R3 and R4).
//!
//! A record whose Marketo id is known is updated by that id. Any other goes through up to three stages, each in full batches: looked up
//! by external id; created only if no person has its e-mail; looked up by that e-mail. This file moves records from stage to stage;
//! [`super::person_answers`] and [`super::person_written`] say what answers mean, and [`super::person_calls`] makes the calls.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use base::{Guid, Object, RecordId, Table};
use planner::{
    Desired, Fingerprints,
    diff::{Change, Known, change, needs_current},
    pack::{Packer, RECORDS_MAX},
};
use serde_json::{Map, Value};
use store::{
    Batch, Record, StoreExt,
    record::{Alias, Link, LinkFlags, Outbox, Role},
};

use crate::{
    bridge::Bridge,
    codes::Ours,
    defect::{Defect, has},
    error::SyncError,
    import::Row,
    intent::{MaybeSent, maybe_sent},
    plan::{Asks, What},
    prepare::Prepared,
    push::{
        alias::{Standing, aliases_of, standings, still_tied},
        body::Body,
        brake::Brake,
        bulk::Bulk,
        bulk_settle::Settling,
        gate::{Gate, Links, hold, next_page, objection, parents, sendable},
        outcome::Breaker,
        person_calls::{Call, Kind},
        pieces::Item,
        spelling::Spellings,
    },
    write_back::Seen,
};

/// People for whom nothing is sent now, because they may be in a file that Marketo has.
#[derive(Debug, Default)]
pub(super) struct Resting {
    /// Their keys in the outbox.
    pub(super) keys: BTreeSet<Vec<u8>>,
    /// Fingerprints of the e-mails in that file: nobody else is given one of them.
    pub(super) emails: BTreeSet<u64>,
}

impl Resting {
    /// Adds the people of a file.
    pub(super) fn add(&mut self, rows: &[Row]) {
        self.keys.extend(rows.iter().map(Row::key));
        self.emails.extend(rows.iter().map(|row| row.email).filter(|email| *email != 0));
    }
}

/// A record whose person isn't known yet, or has to be read first.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) entry: Outbox,
    pub(super) desired: Desired,
    pub(super) link: Link,
    /// How Marketo spells the keys of what it refers to, where that isn't the canonical spelling.
    pub(super) spelt: BTreeMap<RecordId, String>,
    /// Records that are the same person.
    pub(super) aliases: Vec<Guid>,
    /// Those of its ids and its aliases' that were looked up ahead, in vain: the first look-up leaves them out.
    pub(super) absent: Vec<Guid>,
    /// The link of the one of them whose person it takes over.
    pub(super) inherits: Option<Link>,
    /// Whether it was looked up by the standard key besides.
    pub(super) besides: bool,
    /// How often it went back to the first stage.
    pub(super) tries: u8,
    /// How many records may be in the batch that creates it: fewer each time that Marketo fails over one with it.
    pub(super) batch_max: usize,
    /// Whether somebody is known to have its e-mail.
    pub(super) email_exists: bool,
    /// Whether it goes by a call, whatever others do.
    pub(super) by_call: bool,
}

impl Candidate {
    /// A record of which nothing is known yet but what it shall be.
    pub(super) fn new(entry: Outbox, desired: Desired) -> Self {
        Self {
            link: Link::new(entry.record),
            entry,
            desired,
            spelt: BTreeMap::new(),
            aliases: Vec::new(),
            absent: Vec::new(),
            inherits: None,
            besides: false,
            tries: 0,
            batch_max: RECORDS_MAX,
            email_exists: false,
            by_call: false,
        }
    }

    /// Its own id and those of its aliases.
    pub(super) fn ids(&self) -> impl Iterator<Item = Guid> {
        std::iter::once(self.entry.record.id).chain(self.aliases.iter().copied())
    }

    /// Takes in how what it refers to is spelt.
    pub(super) fn spell(&mut self, links: &Links) {
        let spelt = parents(&self.desired).filter_map(|parent| Some((parent, links.get(&parent)?.stored_key.clone()?)));
        self.spelt = spelt.collect();
    }

    /// The key under which it refers to another record.
    fn reference(&self, table: Table, id: Guid) -> Value {
        self.spelt.get(&RecordId::new(table, id)).cloned().unwrap_or_else(|| id.to_string()).into()
    }

    /// A change as it is sent, keys not included, and what is confirmed once it was.
    pub(super) fn fields_of(&self, change: Change) -> (Map<String, Value>, Fingerprints) {
        let mut record: Map<String, Value> = change.fields.into_iter().collect();
        if let Some(owner) = change.owner {
            record.insert("externalSalesPersonId".into(), owner.map_or(Value::Null, |owner| self.reference(Table::SystemUser, owner)));
        }
        if let Some(company) = change.company {
            record.insert("externalCompanyId".into(), self.reference(Table::Account, company));
        }
        (record, change.confirmed)
    }
}

/// A record on its way.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) candidate: Candidate,
    /// How many fields of it change, links included.
    pub(super) fields: usize,
    /// What is confirmed once it was sent.
    pub(super) confirmed: Fingerprints,
    /// As it is sent.
    pub(super) body: Body,
    /// How its person came to be known.
    pub(super) how: How,
    /// Whether the brake has taken something out.
    pub(super) held_back: bool,
}

/// How a record's person came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is known, or created by us.
    Ours,
    /// It was in Marketo before Dynamics knew it.
    Adopted,
    /// It was the person of a record that stands for this one now.
    ReKeyed,
}

impl Item for Write {
    fn key(&self) -> Vec<u8> {
        self.candidate.entry.key()
    }

    fn asks(&self) -> Asks {
        let mut fields = self.body.read();
        let person = fields.remove("id").and_then(|id| id.as_i64());
        let what = match self.how {
            How::Ours => What::Send,
            How::Adopted => What::Adopt,
            How::ReKeyed => What::ReKey,
        };
        Asks { object: Object::Lead, record: self.candidate.entry.record, part: String::new(), what, person, fields }
    }
}

/// Sends people, but those who are `resting`.
pub(super) async fn push(bridge: &Bridge, prepared: &Prepared, brake: &Brake, resting: Resting) -> Result<(), SyncError> {
    let total = bridge.store.count(Outbox::FAMILY, &[Object::Lead.code()]).await?;
    if total == 0 {
        return Ok(());
    }
    Pusher::new(bridge, prepared, brake, total, resting).await?.run(Vec::new()).await
}

/// People on their way through the stages.
pub(super) struct Pusher<'a> {
    pub(super) bridge: &'a Bridge,
    pub(super) prepared: &'a Prepared,
    pub(super) brake: &'a Brake,
    pub(super) key_field: String,
    pub(super) gate: Gate<'a>,
    pub(super) spellings: Option<Spellings>,
    /// Whether people can be created by external id; asked for when first needed.
    pub(super) external_lookup: Option<bool>,
    pub(super) lookup: Vec<Candidate>,
    pub(super) lookup_values: usize,
    /// Not found by the customer's own key.
    pub(super) lookup_besides: Vec<Candidate>,
    /// By how many records a batch may have.
    pub(super) create: BTreeMap<usize, Packer<Write>>,
    pub(super) create_external: BTreeMap<usize, Packer<Write>>,
    pub(super) update: Packer<Write>,
    pub(super) email: Vec<Candidate>,
    pub(super) read: Vec<Candidate>,
    /// Records whose e-mail another record was to be created with, in vain: looked at after all others.
    pub(super) same_email: Vec<Candidate>,
    /// Calls that are ready to go.
    pub(super) full: VecDeque<Call>,
    /// E-mails in batches that create, each with the records that have it too and wait for what comes of that.
    pub(super) creating: BTreeMap<String, Vec<Candidate>>,
    /// Persons that records of this push have taken.
    pub(super) claimed: BTreeMap<i64, RecordId>,
    pub(super) under_way: BTreeMap<Kind, usize>,
    pub(super) breakers: BTreeMap<Kind, Arc<Breaker>>,
    /// Whether Marketo has roles that we know of.
    pub(super) any_roles: bool,
    /// Contacts that were linked by the answer that is being taken in.
    pub(super) relinked: Vec<Guid>,
    /// Records whose person was found to hold another's key in this push.
    pub(super) doubted: BTreeSet<RecordId>,
    /// What may have been sent in earlier cycles without an answer.
    pub(super) maybe_sent: MaybeSent,
    /// What goes by import.
    pub(super) bulk: Bulk,
    /// Files whose jobs have ended and whose people are being read, the first of them right now.
    pub(super) settling: VecDeque<Settling>,
    /// Sales Insight fields that were read with people and have to be written.
    pub(super) seen: Vec<Seen>,
    pub(super) after: Option<Vec<u8>>,
    pub(super) exhausted: bool,
    pub(super) done: u64,
    pub(super) total: u64,
}

impl<'a> Pusher<'a> {
    /// One that has `total` people before it.
    pub(super) async fn new(
        bridge: &'a Bridge,
        prepared: &'a Prepared,
        brake: &'a Brake,
        total: u64,
        resting: Resting,
    ) -> Result<Self, SyncError> {
        Ok(Self {
            bridge,
            prepared,
            brake,
            key_field: prepared.person_key.clone(),
            gate: Gate::new(bridge, prepared.retry_held),
            spellings: Spellings::load(bridge, Object::Lead, &prepared.person_key).await?,
            external_lookup: None,
            lookup: Vec::new(),
            lookup_values: 0,
            lookup_besides: Vec::new(),
            create: BTreeMap::new(),
            create_external: BTreeMap::new(),
            update: Packer::new(RECORDS_MAX),
            email: Vec::new(),
            read: Vec::new(),
            same_email: Vec::new(),
            full: VecDeque::new(),
            creating: BTreeMap::new(),
            claimed: BTreeMap::new(),
            under_way: BTreeMap::new(),
            breakers: BTreeMap::new(),
            any_roles: !bridge.store.list::<Role>(&[], None, 1).await?.is_empty(),
            relinked: Vec::new(),
            doubted: BTreeSet::new(),
            maybe_sent: maybe_sent(bridge).await?,
            bulk: Bulk::load(bridge, prepared, total, resting).await?,
            settling: VecDeque::new(),
            seen: Vec::new(),
            after: None,
            exhausted: false,
            done: 0,
            total,
        })
    }

    /// Sorts a page of the outbox.
    pub(super) async fn read_page(&mut self) -> Result<(), SyncError> {
        self.bridge.ledger.learn(&self.bridge.marketo).await?;
        let page = next_page(self.bridge, Object::Lead, self.after.as_deref(), RECORDS_MAX).await?;
        let Some(last) = page.last() else {
            self.exhausted = true;
            return Ok(());
        };
        self.after = Some(last.key());
        let now = self.bridge.clock.now();
        let entries = sendable(page, |entry| !self.bulk.resting.keys.contains(&entry.key()) && self.gate.may_try(entry, now))?;
        let links = self.gate.links(&entries).await?;
        let ids: Vec<RecordId> = entries.iter().map(|(entry, _)| entry.record).collect();
        let mut standings = standings(self.bridge, &ids, &links).await?;
        let is_unknown = |id: &RecordId| links.get(id).is_none_or(|link| !link.is_confirmed() || link.flags.has(LinkFlags::KEY_IN_DOUBT));
        let unknown: Vec<RecordId> = ids.into_iter().filter(is_unknown).collect();
        let aliases = aliases_of(self.bridge, &unknown).await?;
        if has(Defect::AliasSent) {
            standings.clear();
        }
        let mut batch = Batch::new();
        let reopened: BTreeSet<RecordId> =
            standings.iter().filter(|(_, standing)| **standing == Standing::Reopened).map(|(record, _)| *record).collect();
        if !reopened.is_empty() {
            let tied = still_tied(self.bridge, self.prepared, &reopened).await?;
            for record in reopened.difference(&tied) {
                batch.remove::<Alias>(Alias::key_of(*record));
                standings.remove(record);
            }
        }
        let mut strangers = Vec::new();
        for (entry, desired) in entries {
            match standings.get(&entry.record) {
                Some(Standing::Alias) => {
                    self.stand_aside(entry, &desired, &links, &mut batch)?;
                    continue;
                }
                Some(Standing::Reopened) => {
                    let reason =
                        "this lead was qualified into a contact and opened again; close it, or remove the contact's originating lead";
                    batch.put(&hold(&entry, Ours::ReopenedLead, reason, now));
                    self.done += 1;
                    continue;
                }
                None => {}
            }
            if let Some(parent) = Gate::missing_parent(&desired, &links) {
                self.gate.wait(&entry, parent, now, &mut batch);
                self.done += 1;
                continue;
            }
            if let Some((code, reason)) = objection(self.bridge, &desired, true) {
                batch.put(&hold(&entry, code, reason, now));
                self.done += 1;
                continue;
            }
            let mut candidate = Candidate::new(entry, desired);
            candidate.spell(&links);
            let record = candidate.entry.record;
            if let Some(link) = links.get(&record) {
                candidate.link = link.clone();
            }
            candidate.aliases = aliases.get(&record).cloned().unwrap_or_default();
            match (candidate.link.is_confirmed(), candidate.link.marketo_id) {
                (true, Some(_)) => self.update_known(candidate, &mut batch)?,
                // It was ours once.
                (false, Some(_)) => self.queue_read(candidate),
                (_, None) => strangers.push(candidate),
            }
        }
        self.bridge.commit(batch).await?;
        if self.spellings.is_none() && !strangers.is_empty() {
            let ids: Vec<Guid> = strangers.iter().flat_map(Candidate::ids).collect();
            self.spellings = Some(Spellings::sample(self.bridge, Object::Lead, &self.key_field, &ids).await?);
        }
        let mut batch = Batch::new();
        for mut candidate in strangers {
            candidate.absent = self.seen_absent(&candidate);
            if candidate.ids().all(|id| candidate.absent.contains(&id)) {
                // Once it is sent, it may be there: what was seen before says nothing any more.
                candidate.absent.clear();
                self.queue_create(candidate, &mut batch).await?;
            } else {
                self.queue_lookup(candidate);
            }
        }
        if batch.is_empty() { Ok(()) } else { self.bridge.commit(batch).await }
    }

    /// Under which of its ids Marketo was seen a short while ago to have nobody. Who may have been sent without an answer may have come since.
    fn seen_absent(&self, candidate: &Candidate) -> Vec<Guid> {
        let may_have_come = self.maybe_sent.contains(&candidate.entry.key()) || !candidate.link.confirmed.is_empty();
        let is_canonical = self.spellings.as_ref().is_some_and(|spellings| spellings.count() == 1);
        if may_have_come || !is_canonical { Vec::new() } else { self.bridge.ahead.absent_of(candidate.ids()) }
    }

    /// A record whose person is known: what changed is sent by Marketo's id.
    fn update_known(&mut self, candidate: Candidate, batch: &mut Batch) -> Result<(), SyncError> {
        let map = self.prepared.map(candidate.entry.record.table)?;
        let confirmed = if has(Defect::EchoSent) { Fingerprints::default() } else { Fingerprints::read(&candidate.link.confirmed) };
        let in_doubt = candidate.link.flags.has(LinkFlags::KEY_IN_DOUBT);
        if in_doubt || needs_current(map, &candidate.desired, &confirmed, self.prepared.key) {
            self.queue_read(candidate);
            return Ok(());
        }
        let change = change(map, &candidate.desired, &confirmed, self.prepared.key, Known::Confirmed);
        self.queue_update(candidate, change, Map::new(), How::Ours, batch)
    }

    pub(super) fn queue_read(&mut self, candidate: Candidate) {
        self.read.push(candidate);
        if self.read.len() >= RECORDS_MAX {
            self.full.push_back(Call::Read(std::mem::take(&mut self.read)));
        }
    }

    pub(super) fn queue_lookup(&mut self, candidate: Candidate) {
        let values = lookup_values(self.spellings.as_ref(), &candidate).len();
        if self.lookup_values + values > RECORDS_MAX
            && let Some(call) = self.take_lookup()
        {
            self.full.push_back(call);
        }
        self.lookup_values += values;
        self.lookup.push(candidate);
        if self.lookup_values >= RECORDS_MAX
            && let Some(call) = self.take_lookup()
        {
            self.full.push_back(call);
        }
    }

    pub(super) fn take_lookup(&mut self) -> Option<Call> {
        let candidates = std::mem::take(&mut self.lookup);
        self.lookup_values = 0;
        let values = candidates.iter().flat_map(|candidate| lookup_values(self.spellings.as_ref(), candidate)).collect();
        (!candidates.is_empty()).then(|| Call::Lookup(candidates, values, self.key_field.clone()))
    }

    /// Who isn't found by a key of the customer's own may be known by the standard one: that key is new, or the state was lost.
    pub(super) fn take_lookup_besides(&mut self) -> Option<Call> {
        let field = self.prepared.second_person_key.clone()?;
        let (mut candidates, mut values) = (Vec::new(), Vec::new());
        while let Some(candidate) =
            self.lookup_besides.pop_if(|candidate| values.is_empty() || values.len() + 1 + candidate.aliases.len() <= RECORDS_MAX)
        {
            values.extend(lookup_values(None, &candidate));
            candidates.push(candidate);
        }
        (!candidates.is_empty()).then_some(Call::Lookup(candidates, values, field))
    }

    /// Sends a change by Marketo's id, with `keys` where they have to be written, or confirms that there is none.
    pub(super) fn queue_update(
        &mut self,
        candidate: Candidate,
        mut change: Change,
        keys: Map<String, Value>,
        how: How,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let map = self.prepared.map(candidate.entry.record.table)?;
        let before = Fingerprints::read(&candidate.inherits.as_ref().unwrap_or(&candidate.link).confirmed);
        let held_back = change.hold_back(map, &before, |harm| self.brake.stops(harm));
        let fields = change.len();
        let (mut record, confirmed) = candidate.fields_of(change);
        record.extend(keys);
        if record.is_empty() && held_back {
            self.done += 1;
            return Ok(());
        }
        if record.is_empty() {
            self.confirm(Write { candidate, fields, confirmed, body: Body::default(), how, held_back }, None, batch);
            return Ok(());
        }
        if let Some(email) = record.get("email").and_then(Value::as_str)
            && !self.bulk.takes_email(email)
        {
            self.bulk.leave_behind();
            return Ok(());
        }
        record.insert("id".into(), candidate.link.marketo_id.unwrap_or_default().into());
        let write = Write { candidate, fields, confirmed, body: Body::Fields(record), how, held_back };
        let Some(mut write) = self.update_by_file(write)? else { return Ok(()) };
        let bytes = write.body.pack(&self.key_field);
        if let Some(batch) = self.update.push(write, bytes) {
            self.full.push_back(Call::Update(batch));
        }
        Ok(())
    }

    /// The key fields of a person.
    pub(super) fn keys(&self, id: Guid) -> impl Iterator<Item = (String, Value)> {
        let text = Value::String(id.to_string());
        let second = self.prepared.second_person_key.clone().map(|field| (field, text.clone()));
        std::iter::once((self.key_field.clone(), text)).chain(second)
    }
}

/// Which values a look-up asks for.
fn lookup_values(spellings: Option<&Spellings>, candidate: &Candidate) -> Vec<String> {
    let of = |id: Guid| spellings.map_or_else(|| vec![id.to_string()], |spellings| spellings.of(id));
    candidate.ids().filter(|id| !candidate.absent.contains(id)).flat_map(of).collect()
}

/// A record's e-mail address, when it can be looked up by it.
pub(super) fn email_of(candidate: &Candidate) -> Option<&str> {
    let email = candidate.desired.fields.get("email")?.as_str()?.trim();
    (!email.is_empty()).then_some(email)
}
