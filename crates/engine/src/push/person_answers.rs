//! Who somebody is, by what look-ups find. [`super::person_written`] says what answers to written people mean.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, RecordId};
use planner::{
    Fingerprints,
    diff::{Known, change, change_with_fill},
    identity::{Identity, Person, by_email, by_external_id},
};
use serde_json::{Map, Value};
use store::{
    Batch, Record,
    record::{LinkFlags, Refetch, role::SourceBy},
};

use crate::{
    capture::dirty_by,
    codes::Ours,
    defect::{Defect, has},
    error::SyncError,
    push::{
        gate::{hold, holders, load_links},
        person::{Candidate, How, Pusher, email_of},
        person_calls::{Answer, is_plain},
        person_one::described,
        person_written::TRIES_MAX,
    },
};

impl Pusher<'_> {
    /// Takes in an answer: records are confirmed or held, or go on to their next stage. Gives the error after which nothing can be sent.
    pub(super) async fn absorb(&mut self, answer: Answer) -> Result<Option<SyncError>, SyncError> {
        let mut batch = Batch::new();
        let mut stop = None;
        match answer {
            Answer::Lookup(candidates, found, field) => self.after_lookup(candidates, &found, &field, &mut batch).await?,
            Answer::ByEmail(candidates, found, crowded) => self.after_email(candidates, &found, &crowded, &mut batch).await?,
            Answer::ReadBack(page, found) => self.after_read_back(page, found, &mut batch).await?,
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
        self.bulk.decide(self.total.saturating_sub(self.done));
        Ok(stop)
    }

    async fn after_lookup(
        &mut self,
        candidates: Vec<Candidate>,
        found: &[Person],
        field: &str,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let owned = self.owned(found).await?;
        let mut asked: BTreeMap<Guid, Vec<&Candidate>> = BTreeMap::new();
        for candidate in &candidates {
            for id in candidate.ids() {
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
            candidate.absent.clear();
            let own = candidate.entry.record.id;
            let persons: Vec<Person> = candidate.ids().filter_map(|id| by_id.get(&id)).flatten().map(|person| (*person).clone()).collect();
            let identity = by_external_id(own, &candidate.aliases, &persons, field);
            if identity == Identity::Absent && self.prepared.second_person_key.is_some() && !candidate.besides {
                candidate.besides = true;
                self.lookup_besides.push(candidate);
            } else if identity == Identity::Absent {
                self.queue_create(candidate, batch).await?;
            } else {
                self.bulk.saw(|sample| sample.found += 1);
                self.identified(candidate, identity, &persons, batch).await?;
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
        let owned = self.owned(found).await?;
        let mut by_address: BTreeMap<String, Vec<&Person>> = BTreeMap::new();
        for person in found {
            if let Some(email) = person.text("email") {
                by_address.entry(email.to_lowercase()).or_default().push(person);
            }
        }
        for candidate in candidates {
            let Some(email) = email_of(&candidate).map(str::to_lowercase) else {
                self.queue_external(candidate, batch).await?;
                continue;
            };
            if !is_plain(&email) && (candidate.tries > 0 || self.maybe_sent.contains(&candidate.entry.key())) {
                // It may be our own, created by a call that nobody heard of: its id will find it.
                self.put_off(candidate, batch);
                continue;
            }
            if !is_plain(&email) {
                let reason = "Marketo has a person with this e-mail, which can't be looked up because of its commas or other characters; correct the e-mail";
                batch.put(&hold(&candidate.entry, Ours::EmailNotSearchable, reason, self.bridge.clock.now()));
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
                self.queue_external(candidate, batch).await?;
            } else if identity == Identity::Absent && !candidate.email_exists && candidate.tries < TRIES_MAX {
                if let Some(mut candidate) = self.create_by_file(candidate)? {
                    // It was only thought that somebody might have it.
                    candidate.tries += 1;
                    self.queue_create(candidate, batch).await?;
                }
            } else if identity == Identity::Absent {
                self.put_off(candidate, batch);
            } else {
                self.identified(candidate, identity, &persons, batch).await?;
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
    pub(super) async fn owned(&self, found: &[Person]) -> Result<BTreeMap<i64, RecordId>, SyncError> {
        let mut owned = holders(self.bridge, &found.iter().map(|person| person.id).collect::<Vec<_>>()).await?;
        let links = load_links(self.bridge, &owned.values().copied().collect()).await?;
        owned.retain(|_, holder| links.get(holder).is_none_or(|link| !link.flags.has(LinkFlags::GONE)));
        Ok(owned)
    }

    pub(super) async fn identified(
        &mut self,
        mut candidate: Candidate,
        identity: Identity<'_>,
        persons: &[Person],
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
            Identity::Alias(person, alias) => return self.re_key(candidate, person, alias, batch).await,
            Identity::Ambiguous => {
                let reason = format!(
                    "several Marketo persons could be this record: {}; merge them in Marketo, or set policy.ambiguous",
                    described(persons, &self.key_field)
                );
                batch.put(&hold(&candidate.entry, Ours::Ambiguous, reason, now));
                self.done += 1;
                return Ok(());
            }
            Identity::Split => return self.split(candidate, persons, batch).await,
            Identity::Taken | Identity::Absent => return Ok(()),
        };
        self.found(candidate, person, how, batch)
    }

    /// A record whose person is this one. Where that is an alias's, what was confirmed of it still counts, so that only what Dynamics has
    /// changed is sent; otherwise it is compared with what Marketo holds.
    pub(super) fn found(&mut self, mut candidate: Candidate, person: &Person, how: How, batch: &mut Batch) -> Result<(), SyncError> {
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
        self.queue_update(candidate, change, keys, how, batch)
    }

    /// Key fields that don't hold this record's id as it is to be written.
    pub(super) fn keys_to_write(&self, candidate: &Candidate, person: &Person) -> Map<String, Value> {
        self.keys(candidate.entry.record.id).filter(|(field, value)| person.record.get(field) != Some(value)).collect()
    }

    async fn after_read(&mut self, candidates: Vec<Candidate>, found: Vec<Person>, batch: &mut Batch) -> Result<(), SyncError> {
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
                self.queue_update(candidate, change, keys, How::Ours, batch)?;
            } else {
                self.identified(candidate, Identity::Linked(person), std::slice::from_ref(person), batch).await?;
            }
        }
        Ok(())
    }
}
