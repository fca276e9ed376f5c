//! People: found, adopted or created, and never twice (rules R2, R3 and R4).
//!
//! A record whose Marketo id is known is updated by that id. Any other goes through up to three stages, each in full batches: looked up
//! by external id; created only if no person has its e-mail; looked up by that e-mail. This file moves records from stage to stage;
//! [`super::person_calls`] makes the calls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{Guid, Object, RecordId, Table};
use planner::{
    Desired, Fingerprints,
    diff::{Change, Known, change, change_with_fill, needs_current},
    identity::{Identity, Person, by_email, by_external_id},
    pack::{Packer, RECORDS_MAX},
};
use serde_json::{Map, Value};
use store::{
    Batch, Record, StoreExt,
    record::{Alias, AliasKind, Link, LinkFlags, MsiDue, Outbox, PersonIndex, alias::AliasOf, record_key},
};

use crate::{
    bridge::Bridge,
    error::SyncError,
    prepare::Prepared,
    progress::Step,
    push::{
        flight::Flight,
        gate::{Gate, Links, hold, load_links, next_page, reference},
        person_calls::{Answer, Call, Fate, Kind, is_plain},
        spelling::Spellings,
    },
};

/// How often a record goes back to the first stage in one cycle.
const TRIES_MAX: u8 = 3;

/// A record whose person isn't known yet, or has to be read first.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) entry: Outbox,
    pub(super) desired: Desired,
    pub(super) link: Link,
    /// Records that are the same person.
    pub(super) aliases: Vec<Guid>,
    tries: u8,
}

/// A record on its way.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) candidate: Candidate,
    change: Change,
    /// As it is sent.
    pub(super) record: Map<String, Value>,
    /// It was in Marketo before Dynamics knew it.
    adopted: bool,
}

/// Sends people.
pub(super) async fn push(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    let total = bridge.store.count(Outbox::FAMILY, &[Object::Lead.code()]).await?;
    if total == 0 {
        return Ok(());
    }
    let mut pusher = Pusher {
        bridge,
        prepared,
        key_field: bridge.options.keys.person.clone(),
        gate: Gate::new(bridge, prepared.retry_held),
        spellings: Spellings::load(bridge, Object::Lead).await?,
        external_lookup: None,
        lookup: Vec::new(),
        lookup_values: 0,
        create: Packer::new(RECORDS_MAX),
        create_external: Packer::new(RECORDS_MAX),
        update: Packer::new(RECORDS_MAX),
        email: Vec::new(),
        read: Vec::new(),
        same_email: Vec::new(),
        full: VecDeque::new(),
        creating: BTreeSet::new(),
        claimed: BTreeSet::new(),
        under_way: BTreeMap::new(),
        after: None,
        exhausted: false,
        done: 0,
        total,
    };
    pusher.run().await
}

struct Pusher<'a> {
    bridge: &'a Bridge,
    prepared: &'a Prepared,
    key_field: String,
    gate: Gate<'a>,
    spellings: Option<Spellings>,
    /// Whether people can be created by external id; asked for when first needed.
    external_lookup: Option<bool>,
    lookup: Vec<Candidate>,
    lookup_values: usize,
    create: Packer<Write>,
    create_external: Packer<Write>,
    update: Packer<Write>,
    email: Vec<Candidate>,
    read: Vec<Candidate>,
    /// Records whose e-mail another record of a batch under way has: looked at after that one.
    same_email: Vec<Candidate>,
    /// Calls that are ready to go.
    full: VecDeque<Call>,
    /// E-mails in batches that create.
    creating: BTreeSet<String>,
    /// Persons that records of this push have taken.
    claimed: BTreeSet<i64>,
    under_way: BTreeMap<Kind, usize>,
    after: Option<Vec<u8>>,
    exhausted: bool,
    done: u64,
    total: u64,
}

impl Pusher<'_> {
    async fn run(&mut self) -> Result<(), SyncError> {
        let bridge = self.bridge;
        let mut flight = Flight::new(bridge.marketo.in_flight_max());
        let mut stop = None;
        loop {
            while stop.is_none() && flight.has_room() {
                match self.next_call().await {
                    Ok(Some(call)) => {
                        *self.under_way.entry(call.kind()).or_default() += 1;
                        flight.start(call.make(bridge, &self.key_field, self.prepared));
                    }
                    Ok(None) => break,
                    // What is under way is waited for all the same, because its outcome must be saved.
                    Err(error) => stop = Some(error),
                }
            }
            let Some((kind, answer)) = flight.next().await else {
                return stop.map_or(Ok(()), Err);
            };
            if let Some(count) = self.under_way.get_mut(&kind) {
                *count -= 1;
            }
            if let Some(error) = self.absorb(answer).await? {
                stop.get_or_insert(error);
            }
            bridge.progress.tell(Step::Pushed { object: Object::Lead, done: self.done.min(self.total), total: self.total });
        }
    }

    /// The next call: a full batch, else more of the outbox, else what is left, each stage after those that feed it.
    async fn next_call(&mut self) -> Result<Option<Call>, SyncError> {
        loop {
            if let Some(call) = self.full.pop_front() {
                return Ok(Some(call));
            }
            if !self.exhausted {
                self.read_page().await?;
                continue;
            }
            let idle = |kinds: &[Kind]| kinds.iter().all(|kind| self.under_way.get(kind).copied().unwrap_or_default() == 0);
            if !self.lookup.is_empty() {
                return Ok(self.take_lookup());
            }
            if !self.read.is_empty() {
                return Ok(Some(Call::Read(std::mem::take(&mut self.read))));
            }
            if !idle(&[Kind::Lookup, Kind::Read]) {
                return Ok(None);
            }
            if let Some(writes) = self.create.take() {
                return Ok(Some(Call::Create(writes)));
            }
            if !idle(&[Kind::Create]) {
                return Ok(None);
            }
            self.email.append(&mut self.same_email);
            if !self.email.is_empty() {
                let rest = self.email.split_off(self.email.len().min(RECORDS_MAX));
                return Ok(Some(Call::ByEmail(std::mem::replace(&mut self.email, rest))));
            }
            if !idle(&[Kind::ByEmail]) {
                return Ok(None);
            }
            if let Some(writes) = self.create_external.take() {
                return Ok(Some(Call::CreateExternal(writes)));
            }
            if !idle(&[Kind::CreateExternal]) {
                return Ok(None);
            }
            return Ok(self.update.take().map(Call::Update));
        }
    }

    /// Sorts a page of the outbox.
    async fn read_page(&mut self) -> Result<(), SyncError> {
        let page = next_page(self.bridge, Object::Lead, self.after.as_deref(), RECORDS_MAX).await?;
        let Some(last) = page.last() else {
            self.exhausted = true;
            return Ok(());
        };
        self.after = Some(last.key());
        let now = self.bridge.clock.now();
        let entries: Vec<(Outbox, Desired)> = page
            .into_iter()
            .filter(|entry| self.gate.may_try(entry, now))
            .map(|entry| {
                let desired = Desired::read(&entry.body.desired);
                (entry, desired)
            })
            .collect();
        let links = self.gate.links(&entries).await?;
        let ids: Vec<RecordId> = entries.iter().map(|(entry, _)| entry.record).collect();
        let dropped = aliased(self.bridge, &ids, &links).await?;
        let aliases = aliases_of(self.bridge, &ids).await?;
        let mut batch = Batch::new();
        let mut unknown = Vec::new();
        for (entry, desired) in entries {
            if dropped.contains(&entry.record) {
                batch.remove::<Outbox>(entry.key());
                self.done += 1;
                continue;
            }
            if let Some(parent) = Gate::missing_parent(&desired, &links) {
                self.gate.wait(&entry, parent, now, &mut batch);
                self.done += 1;
                continue;
            }
            if desired.company.is_none() && self.bridge.options.policy.require_company {
                batch.put(&hold(&entry, "company-required", "it has no account, and policy.require_company asks for one", now));
                self.done += 1;
                continue;
            }
            let link = links.get(&entry.record).cloned().unwrap_or_else(|| Link::new(entry.record));
            let aliases = aliases.get(&entry.record).cloned().unwrap_or_default();
            let candidate = Candidate { entry, desired, link, aliases, tries: 0 };
            if candidate.link.is_confirmed() && candidate.link.marketo_id.is_some() {
                self.update_known(candidate, &links, &mut batch)?;
            } else {
                unknown.push(candidate);
            }
        }
        self.bridge.commit(batch).await?;
        if self.spellings.is_none() && !unknown.is_empty() {
            let ids: Vec<Guid> = unknown.iter().map(|candidate| candidate.entry.record.id).collect();
            self.spellings = Some(Spellings::sample(self.bridge, Object::Lead, &self.key_field, &ids).await?);
        }
        for candidate in unknown {
            self.queue_lookup(candidate);
        }
        Ok(())
    }

    /// A record whose person is known: what changed is sent by Marketo's id.
    fn update_known(&mut self, candidate: Candidate, links: &Links, batch: &mut Batch) -> Result<(), SyncError> {
        let map = self.prepared.map(candidate.entry.record.table)?;
        let confirmed = Fingerprints::read(&candidate.link.confirmed);
        if needs_current(map, &candidate.desired, &confirmed, self.prepared.key) {
            self.read.push(candidate);
            if self.read.len() >= RECORDS_MAX {
                self.full.push_back(Call::Read(std::mem::take(&mut self.read)));
            }
            return Ok(());
        }
        let change = change(map, &candidate.desired, &confirmed, self.prepared.key, Known::Confirmed);
        self.queue_update(candidate, change, links, false, batch);
        Ok(())
    }

    fn queue_lookup(&mut self, candidate: Candidate) {
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

    fn take_lookup(&mut self) -> Option<Call> {
        let candidates = std::mem::take(&mut self.lookup);
        self.lookup_values = 0;
        let values = candidates.iter().flat_map(|candidate| lookup_values(self.spellings.as_ref(), candidate)).collect();
        (!candidates.is_empty()).then_some(Call::Lookup(candidates, values))
    }

    /// Sends a change by Marketo's id, or confirms that there is none.
    fn queue_update(&mut self, candidate: Candidate, change: Change, links: &Links, adopted: bool, batch: &mut Batch) {
        let mut record = fields_of(&change, links);
        if record.is_empty() {
            let write = Write { candidate, change, record, adopted };
            self.confirm(write, None, batch);
            return;
        }
        record.insert("id".into(), candidate.link.marketo_id.unwrap_or_default().into());
        let write = Write { candidate, change, record, adopted };
        let bytes = size(&write.record);
        if let Some(batch) = self.update.push(write, bytes) {
            self.full.push_back(Call::Update(batch));
        }
    }

    /// The key fields of a person.
    fn keys(&self, id: Guid) -> impl Iterator<Item = (String, Value)> {
        let text = Value::String(id.to_string());
        let second = self.prepared.second_person_key.clone().map(|field| (field, text.clone()));
        std::iter::once((self.key_field.clone(), text)).chain(second)
    }

    async fn links_of(&self, candidates: &[Candidate]) -> Result<Links, SyncError> {
        let ids: BTreeSet<RecordId> = candidates
            .iter()
            .flat_map(|candidate| {
                let owner = candidate.desired.owner.map(|id| RecordId::new(Table::SystemUser, id));
                owner.into_iter().chain(candidate.desired.company.map(|id| RecordId::new(Table::Account, id)))
            })
            .collect();
        load_links(self.bridge, &ids).await
    }

    /// Takes in an answer: records are confirmed or held, or go on to their next stage. Gives the error after which nothing can be sent.
    async fn absorb(&mut self, answer: Answer) -> Result<Option<SyncError>, SyncError> {
        let mut batch = Batch::new();
        let mut stop = None;
        match answer {
            Answer::Lookup(candidates, found) => self.after_lookup(candidates, &found, &mut batch).await?,
            Answer::ByEmail(candidates, found, crowded) => self.after_email(candidates, &found, &crowded, &mut batch).await?,
            Answer::Read(candidates, found) => self.after_read(candidates, found, &mut batch).await?,
            Answer::Written(kind, fates, error) => {
                for (write, fate) in fates {
                    self.after_write(kind, write, fate, &mut batch);
                }
                stop = error;
            }
            Answer::Stopped(error) => stop = Some(error),
        }
        self.bridge.commit(batch).await?;
        Ok(stop)
    }

    async fn after_lookup(&mut self, candidates: Vec<Candidate>, found: &[Person], batch: &mut Batch) -> Result<(), SyncError> {
        let links = self.links_of(&candidates).await?;
        let mut by_id: BTreeMap<Guid, Vec<&Person>> = BTreeMap::new();
        for person in found {
            if let Some(id) = person.text(&self.key_field).and_then(|text| text.parse().ok()) {
                by_id.entry(id).or_default().push(person);
            }
        }
        for candidate in candidates {
            let own = candidate.entry.record.id;
            let ids = std::iter::once(own).chain(candidate.aliases.iter().copied());
            let persons: Vec<Person> = ids.filter_map(|id| by_id.get(&id)).flatten().map(|person| (*person).clone()).collect();
            let identity = by_external_id(own, &candidate.aliases, &persons, &self.key_field);
            if identity == Identity::Absent {
                self.queue_create(candidate, &links);
            } else {
                self.identified(candidate, identity, &persons, &links, batch)?;
            }
        }
        Ok(())
    }

    async fn after_email(
        &mut self,
        candidates: Vec<Candidate>,
        found: &[Person],
        crowded: &BTreeSet<String>,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let links = self.links_of(&candidates).await?;
        let mut by_address: BTreeMap<String, Vec<&Person>> = BTreeMap::new();
        for person in found {
            if let Some(email) = person.text("email") {
                by_address.entry(email.to_lowercase()).or_default().push(person);
            }
        }
        for candidate in candidates {
            let Some(email) = email_of(&candidate).map(str::to_lowercase) else {
                self.queue_external(candidate, &links, batch).await?;
                continue;
            };
            if !is_plain(&email) {
                let reason = "Marketo has a person with this e-mail, which can't be looked up because of its commas or other characters; correct the e-mail";
                batch.put(&hold(&candidate.entry, "email-not-searchable", reason, self.bridge.clock.now()));
                self.done += 1;
                continue;
            }
            let persons: Vec<Person> = by_address
                .get(&email)
                .into_iter()
                .flatten()
                .filter(|person| !self.claimed.contains(&person.id))
                .map(|person| (*person).clone())
                .collect();
            let claimed_by_others = by_address.get(&email).is_some_and(|all| all.len() > persons.len());
            let last_name = candidate.desired.fields.get("lastName").and_then(Value::as_str);
            let own = candidate.entry.record.id;
            let policy = self.bridge.options.policy.ambiguous;
            let identity = match crowded.contains(&email) {
                true => Identity::Ambiguous,
                false => by_email(own, &candidate.aliases, last_name, &persons, &self.key_field, policy),
            };
            if identity == Identity::Taken || identity == Identity::Absent && claimed_by_others {
                self.queue_external(candidate, &links, batch).await?;
            } else if identity == Identity::Absent {
                // It exists, says Marketo, and can't be found yet: it is looked at again in the next cycle.
                self.done += 1;
            } else {
                self.identified(candidate, identity, &persons, &links, batch)?;
            }
        }
        Ok(())
    }

    fn identified(
        &mut self,
        mut candidate: Candidate,
        identity: Identity<'_>,
        persons: &[Person],
        links: &Links,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let now = self.bridge.clock.now();
        let ids = || persons.iter().map(|person| person.id.to_string()).collect::<Vec<_>>().join(", ");
        let (person, adopted) = match identity {
            Identity::Linked(person) => (person, false),
            Identity::Alias(person, alias) => {
                self.retire_alias(alias, batch);
                (person, false)
            }
            Identity::Adoptable(person) => (person, true),
            Identity::Ambiguous => {
                let reason =
                    format!("several Marketo persons could be this record: {}; merge them in Marketo, or set policy.ambiguous", ids());
                batch.put(&hold(&candidate.entry, "ambiguous", reason, now));
                self.done += 1;
                return Ok(());
            }
            Identity::Split => {
                let reason = format!(
                    "Marketo has this person more than once, under the ids of records that are now one: {}; merge them in Marketo",
                    ids()
                );
                batch.put(&hold(&candidate.entry, "two-persons", reason, now));
                self.done += 1;
                return Ok(());
            }
            Identity::Taken | Identity::Absent => return Ok(()),
        };
        self.claimed.insert(person.id);
        candidate.link.marketo_id = Some(person.id);
        let map = self.prepared.map(candidate.entry.record.table)?;
        let change = change(map, &candidate.desired, &Fingerprints::default(), self.prepared.key, Known::Current(&person.record));
        let own = candidate.entry.record.id;
        let mut record = fields_of(&change, links);
        record.extend(self.keys(own).filter(|(field, value)| person.record.get(field) != Some(value)));
        if record.is_empty() {
            self.confirm(Write { candidate, change, record, adopted }, None, batch);
            return Ok(());
        }
        record.insert("id".into(), person.id.into());
        let bytes = size(&record);
        if let Some(writes) = self.update.push(Write { candidate, change, record, adopted }, bytes) {
            self.full.push_back(Call::Update(writes));
        }
        Ok(())
    }

    /// The person under an alias's id is now the survivor's: the alias's own link must not lead to it any more.
    fn retire_alias(&self, alias: Guid, batch: &mut Batch) {
        for table in [Table::Lead, Table::Contact] {
            batch.remove::<MsiDue>(record_key(RecordId::new(table, alias)));
        }
    }

    async fn after_read(&mut self, candidates: Vec<Candidate>, found: Vec<Person>, batch: &mut Batch) -> Result<(), SyncError> {
        let links = self.links_of(&candidates).await?;
        let by_id: BTreeMap<i64, Person> = found.into_iter().map(|person| (person.id, person)).collect();
        for candidate in candidates {
            match candidate.link.marketo_id.and_then(|id| by_id.get(&id)) {
                Some(person) => {
                    let map = self.prepared.map(candidate.entry.record.table)?;
                    let confirmed = Fingerprints::read(&candidate.link.confirmed);
                    let change = change_with_fill(map, &candidate.desired, &confirmed, self.prepared.key, &person.record);
                    self.queue_update(candidate, change, &links, false, batch);
                }
                None => self.lost(candidate, batch),
            }
        }
        Ok(())
    }

    /// The person that we knew is gone: merged or deleted behind our back. It is looked for again.
    fn lost(&mut self, mut candidate: Candidate, batch: &mut Batch) {
        tracing::info!(record = %candidate.entry.record, "its Marketo person is gone; it is looked for again");
        candidate.link.marketo_id = None;
        candidate.link.confirmed = Vec::new();
        candidate.link.flags = candidate.link.flags.with(LinkFlags::CONFIRMED, false);
        batch.put(&candidate.link);
        self.again(candidate);
    }

    /// Back to the first stage, unless it has been there too often; then it goes on in the next cycle.
    fn again(&mut self, mut candidate: Candidate) {
        candidate.tries += 1;
        if candidate.tries < TRIES_MAX {
            self.queue_lookup(candidate);
        } else {
            self.done += 1;
        }
    }

    fn creation(&self, candidate: Candidate, links: &Links) -> Write {
        let map = self.prepared.map(candidate.entry.record.table);
        let change =
            map.map(|map| change(map, &candidate.desired, &Fingerprints::default(), self.prepared.key, Known::Nothing)).unwrap_or_default();
        let mut record = fields_of(&change, links);
        record.extend(self.keys(candidate.entry.record.id));
        if let Some(name) = &candidate.desired.company_name {
            record.insert("company".into(), name.clone().into());
        }
        Write { candidate, change, record, adopted: false }
    }

    fn queue_create(&mut self, candidate: Candidate, links: &Links) {
        let Some(email) = email_of(&candidate).map(str::to_lowercase) else {
            // Decided with the others that are created by external id.
            self.email.push(candidate);
            return self.fill_email();
        };
        if !self.creating.insert(email) {
            self.same_email.push(candidate);
            return;
        }
        let write = self.creation(candidate, links);
        let bytes = size(&write.record);
        if let Some(writes) = self.create.push(write, bytes) {
            self.full.push_back(Call::Create(writes));
        }
    }

    fn fill_email(&mut self) {
        if self.email.len() >= RECORDS_MAX {
            self.full.push_back(Call::ByEmail(std::mem::take(&mut self.email)));
        }
    }

    /// Created by external id, where Marketo can: someone else's e-mail, or none.
    async fn queue_external(&mut self, candidate: Candidate, links: &Links, batch: &mut Batch) -> Result<(), SyncError> {
        let can = match self.external_lookup {
            Some(can) => can,
            None => {
                let can = self.bridge.probe_external_lookup(&self.key_field).await?;
                self.external_lookup = Some(can);
                can
            }
        };
        if !can {
            let reason = format!(
                "it has no e-mail of its own, and this subscription doesn't create people by {}; give it an e-mail in Dynamics, or name a custom \
                 key field in keys.person",
                self.key_field
            );
            batch.put(&hold(&candidate.entry, "no-email-of-its-own", reason, self.bridge.clock.now()));
            self.done += 1;
            return Ok(());
        }
        let write = self.creation(candidate, links);
        let bytes = size(&write.record);
        if let Some(writes) = self.create_external.push(write, bytes) {
            self.full.push_back(Call::CreateExternal(writes));
        }
        Ok(())
    }

    fn after_write(&mut self, kind: Kind, write: Write, fate: Fate, batch: &mut Batch) {
        if kind == Kind::Create
            && let Some(email) = email_of(&write.candidate)
        {
            self.creating.remove(&email.to_lowercase());
        }
        let now = self.bridge.clock.now();
        match fate {
            Fate::Confirmed { id, created } => self.confirm(write, Some((id, created)), batch),
            Fate::Unknown => self.again(write.candidate),
            Fate::Refused { code, message } => match (kind, code.as_str()) {
                (Kind::Create, "1005" | "1007" | "1017") => {
                    self.email.push(write.candidate);
                    self.fill_email();
                }
                (Kind::CreateExternal, "1005" | "1017") => self.again(write.candidate),
                (Kind::Update, "1004") => self.lost(write.candidate, batch),
                (Kind::Create | Kind::CreateExternal | Kind::Update | Kind::Lookup | Kind::ByEmail | Kind::Read, _) => {
                    batch.put(&hold(&write.candidate.entry, code, message, now));
                    self.done += 1;
                }
            },
        }
    }

    /// Marketo has it: only now do fingerprints move.
    fn confirm(&mut self, write: Write, answered: Option<(Option<i64>, bool)>, batch: &mut Batch) {
        let Write { candidate, change, record, adopted } = write;
        let Candidate { entry, mut link, .. } = candidate;
        let was_linked = link.is_confirmed();
        link.marketo_id = answered.and_then(|(id, _)| id).or(link.marketo_id);
        link.confirmed = change.confirmed.write();
        link.flags = link.flags.with(LinkFlags::CONFIRMED, true);
        batch.put(&link);
        batch.remove::<Outbox>(entry.key());
        if let Some(marketo_id) = link.marketo_id.filter(|_| !was_linked) {
            batch.put(&PersonIndex { marketo_id, record: link.record });
            batch.put(&MsiDue { record: link.record });
        }
        self.done += 1;
        self.bridge.count(|summary| {
            let line = summary.pushed(Object::Lead);
            match answered {
                Some((_, true)) => line.created += 1,
                Some((_, false)) => line.updated += 1,
                None if was_linked => {}
                None => line.linked += 1,
            }
            line.adopted += u64::from(adopted);
            line.fields += if record.is_empty() { 0 } else { change.len() as u64 };
        });
    }
}

/// The fields of a change as they are sent, keys not included.
fn fields_of(change: &Change, links: &Links) -> Map<String, Value> {
    let mut record: Map<String, Value> = change.fields.clone().into_iter().collect();
    if let Some(owner) = change.owner {
        record.insert("externalSalesPersonId".into(), owner.map_or(Value::Null, |owner| reference(links, Table::SystemUser, owner).into()));
    }
    if let Some(company) = change.company {
        record.insert("externalCompanyId".into(), reference(links, Table::Account, company).into());
    }
    record
}

/// Which values a look-up asks for.
fn lookup_values(spellings: Option<&Spellings>, candidate: &Candidate) -> Vec<String> {
    let of = |id: Guid| spellings.map_or_else(|| vec![id.to_string()], |spellings| spellings.of(id));
    std::iter::once(candidate.entry.record.id).chain(candidate.aliases.iter().copied()).flat_map(of).collect()
}

/// A record's e-mail address, when it can be looked up by it.
pub(super) fn email_of(candidate: &Candidate) -> Option<&str> {
    let email = candidate.desired.fields.get("email")?.as_str()?.trim();
    (!email.is_empty()).then_some(email)
}

fn size(record: &Map<String, Value>) -> usize {
    serde_json::to_vec(record).map_or(0, |bytes| bytes.len())
}

/// Which of these records stand for another: they are never created.
async fn aliased(bridge: &Bridge, ids: &[RecordId], links: &Links) -> Result<BTreeSet<RecordId>, SyncError> {
    let keys: Vec<_> = ids.iter().map(|id| Alias::key_of(*id)).collect();
    let aliases = bridge.store.read::<Alias>(&keys).await?;
    let counts =
        |alias: &Alias| alias.kind != AliasKind::Origin || links.get(&alias.alias).is_some_and(|link| link.flags.has(LinkFlags::QUALIFIED));
    Ok(aliases.into_iter().flatten().filter(counts).map(|alias| alias.alias).collect())
}

/// The aliases of each of these records. The records are in the order of their ids.
async fn aliases_of(bridge: &Bridge, ids: &[RecordId]) -> Result<BTreeMap<RecordId, Vec<Guid>>, SyncError> {
    let mut entries = Vec::new();
    for table in [Table::Lead, Table::Contact] {
        let of_table = || ids.iter().filter(|record| record.table == table);
        let (Some(first), Some(last)) = (of_table().min(), of_table().max()) else { continue };
        // The index is ordered like the page, so that one range holds all that matters.
        let mut after = base::Guid::from_u128(first.id.as_u128().saturating_sub(1));
        loop {
            let mut key = record_key(RecordId::new(table, after));
            key.extend([0xff; 17]);
            let page = bridge.store.list::<AliasOf>(&[table.code()], Some(&key), RECORDS_MAX).await?;
            let more = page.len() == RECORDS_MAX && page.last().is_some_and(|entry| entry.survivor.id <= last.id);
            entries.extend(page.iter().filter(|entry| entry.survivor.id <= last.id).copied());
            match page.last() {
                Some(entry) if more => after = entry.survivor.id,
                Some(_) | None => break,
            }
        }
    }
    let wanted: BTreeSet<RecordId> = ids.iter().copied().collect();
    entries.retain(|entry| wanted.contains(&entry.survivor));
    let keys: Vec<_> = entries.iter().map(|entry| Alias::key_of(entry.alias)).collect();
    let aliases: Vec<Alias> = bridge.store.read::<Alias>(&keys).await?.into_iter().flatten().collect();
    let links = load_links(bridge, &aliases.iter().map(|alias| alias.alias).collect()).await?;
    let mut by_survivor: BTreeMap<RecordId, Vec<Guid>> = BTreeMap::new();
    for alias in aliases {
        let qualified = || links.get(&alias.alias).is_some_and(|link| link.flags.has(LinkFlags::QUALIFIED));
        if alias.kind != AliasKind::Origin || qualified() {
            by_survivor.entry(alias.survivor).or_default().push(alias.alias.id);
        }
    }
    Ok(by_survivor)
}
