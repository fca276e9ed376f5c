//! What answers mean for people: who somebody is, what was confirmed, what goes on to another stage.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table, Timestamp};
use planner::{
    Fingerprints,
    diff::{Known, change, change_with_fill},
    identity::{Identity, Person, by_email, by_external_id},
};
use serde_json::{Map, Value};
use store::{
    Batch, Record,
    record::{LinkFlags, MsiDue, Outbox, PersonIndex, Refetch, record_key, role::SourceBy},
};

use crate::{
    capture::dirty_by,
    defect::{Defect, has},
    error::SyncError,
    noticed::lost,
    push::{
        absent::{absent, may_be_a_parents_fault},
        alias::aliases_of,
        gate::{Links, again_or_hold, hold, holders, load_links, parents, refuse, settled},
        outcome::Failure,
        person::{Candidate, How, Pusher, Write, email_of},
        person_calls::{Answer, Kind, is_plain},
        person_one::described,
        pieces::Fate,
    },
};

/// How often a record goes back to the first stage in one cycle.
const TRIES_MAX: u8 = 3;

/// By how much the batch of a record shrinks each time that Marketo fails over it: 300, 17, 1.
const BATCH_SHRINKS_BY: usize = 17;

/// In how many cycles a record's answers may not fit together before it is held.
const CYCLES_MAX: u32 = 3;

impl Pusher<'_> {
    /// Takes in an answer: records are confirmed or held, or go on to their next stage. Gives the error after which nothing can be sent.
    pub(super) async fn absorb(&mut self, answer: Answer) -> Result<Option<SyncError>, SyncError> {
        let mut batch = Batch::new();
        let mut stop = None;
        match answer {
            Answer::Lookup(candidates, found, field) => self.after_lookup(candidates, &found, &field, &mut batch).await?,
            Answer::ByEmail(candidates, found, crowded) => self.after_email(candidates, &found, &crowded, &mut batch).await?,
            Answer::Read(candidates, found) => self.after_read(candidates, found, &mut batch).await?,
            Answer::Written(kind, sent) => {
                sent.intent.close(&mut batch);
                // When that can't be asked for, what was answered is saved all the same.
                let absent = match self.absent_parents(&sent.fates).await {
                    Ok(absent) => absent,
                    Err(error) => {
                        stop = Some(error);
                        BTreeSet::new()
                    }
                };
                for (write, fate) in sent.fates {
                    self.after_write(kind, write, fate, &absent, &mut batch).await?;
                }
                stop = sent.stop.or(stop);
            }
            Answer::Stopped(error) => stop = Some(error),
        }
        // What was wished of the roles of somebody who was lost doesn't hold any more once it is found.
        for contact in std::mem::take(&mut self.relinked) {
            dirty_by(self.bridge, SourceBy::Contact, contact).await?;
        }
        self.bridge.commit(batch).await?;
        Ok(stop)
    }

    async fn after_lookup(
        &mut self,
        candidates: Vec<Candidate>,
        found: &[Person],
        field: &str,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let links = self.links_of(&candidates).await?;
        let owned = self.owned(found).await?;
        let mut asked: BTreeMap<Guid, Vec<&Candidate>> = BTreeMap::new();
        for candidate in &candidates {
            for id in std::iter::once(candidate.entry.record.id).chain(candidate.aliases.iter().copied()) {
                asked.entry(id).or_default().push(candidate);
            }
        }
        let mut by_id: BTreeMap<Guid, Vec<&Person>> = BTreeMap::new();
        for person in found {
            // A person under our key that is another record's has it from a merge in Marketo: that record writes its own again.
            if let Some(by) = person.text(field).and_then(|text| text.parse().ok()).and_then(|id: Guid| asked.get(&id))
                && let Some(owner) = owned.get(&person.id)
                && !by.iter().any(|candidate| candidate.entry.record == *owner || candidate.aliases.contains(&owner.id))
            {
                self.doubt_key(*owner, batch).await?;
                continue;
            }
            let is_met = |id: &Guid| !has(Defect::GuidsAsText) || person.text(field) == Some(id.to_string().as_str());
            if let Some(id) = person.text(field).and_then(|text| text.parse().ok()).filter(is_met) {
                by_id.entry(id).or_default().push(person);
            }
        }
        for mut candidate in candidates {
            let own = candidate.entry.record.id;
            let ids = std::iter::once(own).chain(candidate.aliases.iter().copied());
            let persons: Vec<Person> = ids.filter_map(|id| by_id.get(&id)).flatten().map(|person| (*person).clone()).collect();
            let identity = by_external_id(own, &candidate.aliases, &persons, field);
            if identity == Identity::Absent && self.prepared.second_person_key.is_some() && !candidate.besides {
                candidate.besides = true;
                self.lookup_besides.push(candidate);
            } else if identity == Identity::Absent {
                self.queue_create(candidate, &links);
            } else {
                self.identified(candidate, identity, &persons, &links, batch).await?;
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
        let owned = self.owned(found).await?;
        let mut by_address: BTreeMap<String, Vec<&Person>> = BTreeMap::new();
        for person in found {
            if let Some(email) = person.text("email") {
                by_address.entry(email.to_lowercase()).or_default().push(person);
            }
        }
        for mut candidate in candidates {
            let Some(email) = email_of(&candidate).map(str::to_lowercase) else {
                self.queue_external(candidate, &links, batch).await?;
                continue;
            };
            if !is_plain(&email) && (candidate.tries > 0 || self.maybe_sent.contains(&candidate.entry.key())) {
                // It may be our own, created by a call that nobody heard of: its id will find it.
                self.put_off(candidate, batch);
                continue;
            }
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
                .filter(|person| !self.is_claimed(person.id, candidate.entry.record))
                .filter(|person| {
                    let owner = owned.get(&person.id);
                    owner.is_none_or(|owner| *owner == candidate.entry.record || candidate.aliases.contains(&owner.id))
                })
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
            } else if identity == Identity::Absent && !candidate.email_exists && candidate.tries < TRIES_MAX {
                // It was only thought that somebody might have it.
                candidate.tries += 1;
                self.queue_create(candidate, &links);
            } else if identity == Identity::Absent {
                self.put_off(candidate, batch);
            } else {
                self.identified(candidate, identity, &persons, &links, batch).await?;
            }
        }
        Ok(())
    }

    fn is_claimed(&self, person: i64, record: RecordId) -> bool {
        self.claimed.get(&person).is_some_and(|by| *by != record)
    }

    /// A record's person is known, and holds another's key: it is read again, and written.
    async fn doubt_key(&mut self, record: RecordId, batch: &mut Batch) -> Result<(), SyncError> {
        if let Some(mut link) = load_links(self.bridge, &BTreeSet::from([record])).await?.remove(&record) {
            link.flags = link.flags.with(LinkFlags::KEY_IN_DOUBT, true);
            batch.put(&link);
            batch.put(&Refetch { record });
            self.doubted.insert(record);
        }
        Ok(())
    }

    /// Which of these persons are other records' already, whatever their external id says: it may have been blanked in Marketo. A record that
    /// is deleted has no claim to the person that was kept for it.
    async fn owned(&self, found: &[Person]) -> Result<BTreeMap<i64, RecordId>, SyncError> {
        let mut owned = holders(self.bridge, &found.iter().map(|person| person.id).collect::<Vec<_>>()).await?;
        let links = load_links(self.bridge, &owned.values().copied().collect()).await?;
        owned.retain(|_, holder| links.get(holder).is_none_or(|link| !link.flags.has(LinkFlags::GONE)));
        Ok(owned)
    }

    async fn identified(
        &mut self,
        mut candidate: Candidate,
        identity: Identity<'_>,
        persons: &[Person],
        links: &Links,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let now = self.bridge.clock.now();
        candidate.inherits = None;
        let (person, how) = match identity {
            Identity::Linked(person) => {
                // A new key may have arrived without anybody having heard of it.
                self.inherit(&mut candidate, person).await?;
                (person, How::Ours)
            }
            Identity::Adoptable(person) => (person, How::Adopted),
            Identity::Alias(person, alias) => return self.re_key(candidate, person, alias, links, batch).await,
            Identity::Ambiguous => {
                let reason = format!(
                    "several Marketo persons could be this record: {}; merge them in Marketo, or set policy.ambiguous",
                    described(persons, &self.key_field)
                );
                batch.put(&hold(&candidate.entry, "ambiguous", reason, now));
                self.done += 1;
                return Ok(());
            }
            Identity::Split => return self.split(candidate, persons, links, batch).await,
            Identity::Taken | Identity::Absent => return Ok(()),
        };
        self.found(candidate, person, how, links, batch)
    }

    /// A record whose person is this one. Where that is an alias's, what was confirmed of it still counts, so that only what Dynamics has
    /// changed is sent; otherwise it is compared with what Marketo holds.
    pub(super) fn found(
        &mut self,
        mut candidate: Candidate,
        person: &Person,
        how: How,
        links: &Links,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        self.claimed.insert(person.id, candidate.entry.record);
        candidate.link.marketo_id = Some(person.id);
        let (map, key) = (self.prepared.map(candidate.entry.record.table)?, self.prepared.key);
        let change = match &candidate.inherits {
            Some(alias) => change_with_fill(map, &candidate.desired, &Fingerprints::read(&alias.confirmed), key, &person.record),
            None => {
                let doubts = Fingerprints::read(&candidate.link.confirmed);
                change(map, &candidate.desired, &doubts, key, Known::Current(&person.record))
            }
        };
        let keys = self.keys_to_write(&candidate, person);
        self.queue_update(candidate, change, keys, links, how, batch)
    }

    /// Key fields that don't hold this record's id as it is to be written.
    pub(super) fn keys_to_write(&self, candidate: &Candidate, person: &Person) -> Map<String, Value> {
        self.keys(candidate.entry.record.id).filter(|(field, value)| person.record.get(field) != Some(value)).collect()
    }

    async fn after_read(&mut self, candidates: Vec<Candidate>, found: Vec<Person>, batch: &mut Batch) -> Result<(), SyncError> {
        let links = self.links_of(&candidates).await?;
        let owned = self.owned(&found).await?;
        let by_id: BTreeMap<i64, Person> = found.into_iter().map(|person| (person.id, person)).collect();
        for mut candidate in candidates {
            let Some(person) = candidate.link.marketo_id.and_then(|id| by_id.get(&id)) else {
                self.lost(candidate, batch).await?;
                continue;
            };
            let record = candidate.entry.record;
            let holder = person.text(&self.key_field).map(str::parse::<Guid>);
            let is_free = match (owned.get(&person.id), holder) {
                (Some(owner), _) => *owner == record,
                (None, None) => true,
                (None, Some(Ok(id))) => id == record.id || candidate.aliases.contains(&id),
                (None, Some(Err(_))) => false,
            };
            if !is_free || self.is_claimed(person.id, record) {
                // It has become another record's in the meantime.
                candidate.link.marketo_id = None;
                candidate.link.confirmed = Vec::new();
                candidate.link.flags = candidate.link.flags.with(LinkFlags::CONFIRMED, false).with(LinkFlags::KEY_IN_DOUBT, false);
                batch.put(&candidate.link);
                self.queue_lookup(candidate);
            } else if candidate.link.is_confirmed() {
                let map = self.prepared.map(record.table)?;
                let confirmed = Fingerprints::read(&candidate.link.confirmed);
                let change = change_with_fill(map, &candidate.desired, &confirmed, self.prepared.key, &person.record);
                let keys = self.keys_to_write(&candidate, person);
                self.queue_update(candidate, change, keys, &links, How::Ours, batch)?;
            } else {
                self.identified(candidate, Identity::Linked(person), std::slice::from_ref(person), &links, batch).await?;
            }
        }
        Ok(())
    }

    /// The person that we knew is gone: merged or deleted behind our back. It is looked for again.
    async fn lost(&mut self, mut candidate: Candidate, batch: &mut Batch) -> Result<(), SyncError> {
        tracing::info!(record = %candidate.entry.record, "its Marketo person is gone; it is looked for again");
        if let Some(person) = candidate.link.marketo_id.take() {
            batch.put(&lost::note(person, self.bridge.clock.now()));
        }
        // A known person was not asked who else it is.
        let record = candidate.entry.record;
        candidate.aliases = aliases_of(self.bridge, &[record]).await?.remove(&record).unwrap_or_default();
        candidate.inherits = None;
        candidate.link.confirmed = Vec::new();
        candidate.link.flags = candidate.link.flags.with(LinkFlags::CONFIRMED, false);
        batch.put(&candidate.link);
        // Its roles are gone with it, or with whom it was merged into.
        dirty_by(self.bridge, SourceBy::Contact, candidate.entry.record.id).await?;
        self.again(candidate);
        Ok(())
    }

    /// Back to the first stage, unless it has been there too often. Then it stays in the outbox: the next cycle begins with the same question.
    fn again(&mut self, mut candidate: Candidate) {
        candidate.tries += 1;
        if candidate.tries > 1 {
            candidate.batch_max = (candidate.batch_max / BATCH_SHRINKS_BY).max(1);
        }
        if candidate.tries < TRIES_MAX {
            self.queue_lookup(candidate);
        } else {
            self.done += 1;
        }
    }

    /// Nobody knows what became of it. Where Marketo fails over its batch, it may be to blame: it is tried in ever smaller ones.
    fn unknown(&mut self, mut candidate: Candidate, doubt: Option<Failure>, now: Timestamp, batch: &mut Batch) {
        let Some(failure) = doubt else { return self.again(candidate) };
        if candidate.batch_max > 1 {
            candidate.batch_max /= BATCH_SHRINKS_BY;
            return self.queue_lookup(candidate);
        }
        batch.put(&again_or_hold(&candidate.entry, &failure, now));
        self.done += 1;
    }

    /// Marketo's answers don't fit together: it is looked at again in the next cycle, and after a few of them a person has to.
    fn put_off(&mut self, candidate: Candidate, batch: &mut Batch) {
        let mut entry = candidate.entry;
        entry.body.attempts += 1;
        if entry.body.attempts < CYCLES_MAX {
            batch.put(&entry);
        } else {
            let reason = "Marketo says that this person exists and doesn't show it; it may be in a partition or workspace that the API user \
                          can't read";
            batch.put(&hold(&entry, "hidden-person", reason, self.bridge.clock.now()));
        }
        self.done += 1;
    }

    async fn after_write(
        &mut self,
        kind: Kind,
        write: Write,
        fate: Fate,
        absent: &BTreeSet<RecordId>,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        if kind == Kind::Create
            && let Some(email) = email_of(&write.candidate)
        {
            self.creating.remove(&email.to_lowercase());
        }
        let now = self.bridge.clock.now();
        let mut candidate = write.candidate.clone();
        match fate {
            Fate::Confirmed { id, created } => self.confirm(write, Some((id, created)), batch),
            Fate::Unknown(doubt) => self.unknown(candidate, doubt, now, batch),
            Fate::Refused(failure) => match (kind, failure.code.as_str()) {
                (Kind::Create, "1005" | "1007" | "1017") => {
                    candidate.email_exists = true;
                    self.email.push(candidate);
                    self.fill_email();
                }
                // Who has its key can't be seen.
                (Kind::CreateExternal, "1005" | "1017") if candidate.tries + 1 >= TRIES_MAX => self.put_off(candidate, batch),
                (Kind::CreateExternal, "1005" | "1017") => self.again(candidate),
                (Kind::Update, "1004") => self.lost(candidate, batch).await?,
                (Kind::Create | Kind::CreateExternal | Kind::Update | Kind::Lookup | Kind::ByEmail | Kind::Read, _) => {
                    let lost = parents(&candidate.desired).filter(|parent| absent.contains(parent)).collect();
                    refuse(self.bridge, &candidate.entry, &failure, lost, now, batch).await?;
                    self.done += 1;
                }
            },
        }
        Ok(())
    }

    /// What refused records refer to and Marketo doesn't have.
    async fn absent_parents(&self, fates: &[(Write, Fate)]) -> Result<BTreeSet<RecordId>, SyncError> {
        let is_doubtful = |fate: &Fate| matches!(fate, Fate::Refused(failure) if may_be_a_parents_fault(&failure.code));
        let refused = fates.iter().filter(|(_, fate)| is_doubtful(fate));
        absent(self.bridge, &refused.flat_map(|(write, _)| parents(&write.candidate.desired)).collect()).await
    }

    /// Marketo has it: only now do fingerprints move.
    pub(super) fn confirm(&mut self, write: Write, answered: Option<(Option<i64>, bool)>, batch: &mut Batch) {
        let Write { candidate, change, record, how, held_back } = write;
        let Candidate { entry, mut link, inherits, .. } = candidate;
        if let Some(mut alias) = inherits {
            // Its person is this record's now: its own link leads nowhere any more.
            batch.remove::<MsiDue>(record_key(alias.record));
            alias.marketo_id = None;
            alias.confirmed = Vec::new();
            alias.flags = alias.flags.with(LinkFlags::CONFIRMED, false).with(LinkFlags::KEY_IN_DOUBT, false);
            batch.put(&alias);
            batch.remove::<Outbox>(Outbox::key_of(Object::Lead, alias.record.id, ""));
        }
        let was_linked = link.is_confirmed();
        link.marketo_id = answered.and_then(|(id, _)| id).or(link.marketo_id);
        link.confirmed = change.confirmed.write();
        // One that was on its way when its key came to be doubted says nothing of it.
        let in_doubt = self.doubted.contains(&link.record) && !record.contains_key(&self.key_field);
        link.flags = link.flags.with(LinkFlags::CONFIRMED, true).with(LinkFlags::KEY_IN_DOUBT, in_doubt);
        batch.put(&link);
        settled(&entry, held_back, batch);
        if !was_linked && link.record.table == Table::Contact && self.any_roles {
            self.relinked.push(link.record.id);
        }
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
            line.adopted += u64::from(how == How::Adopted);
            line.rekeyed += u64::from(how == How::ReKeyed);
            line.fields += if record.is_empty() { 0 } else { change.len() as u64 };
        });
    }
}
