//! Records that are one person with others: its person gets the new key, or persons are to be joined (rule R4).

use std::collections::BTreeSet;

use base::{Guid, Object, RecordId, Table};
use planner::{Desired, Fingerprints, Harm, diff::unsure, identity::Person};
use store::{
    Batch, Record, StoreExt,
    record::{Alias, Fact, Link, LinkFlags, Outbox, OutboxState},
};

use crate::{
    codes::Ours,
    error::SyncError,
    held::Dismissal,
    options::Join as JoinPolicy,
    push::{
        alias::join_policy,
        gate::{Links, hold, load_links},
        person::{Candidate, How, Pusher},
        person_calls::LAST_ACTIVITY,
    },
    task::{Join, Task},
};

impl Pusher<'_> {
    /// A record that stands for another is never sent. Where Marketo has a person of it, or may have, the two are to be joined.
    pub(super) fn stand_aside(&mut self, mut entry: Outbox, sent: &Desired, links: &Links, batch: &mut Batch) -> Result<(), SyncError> {
        let (link, maybe_sent) = (links.get(&entry.record).filter(|link| link.is_confirmed()), self.maybe_sent.contains(&entry.key()));
        self.done += 1;
        if link.is_none() && !maybe_sent {
            batch.remove::<Outbox>(entry.key());
            return Ok(());
        }
        if let Some(link) = link.filter(|_| maybe_sent) {
            let map = self.prepared.map(entry.record.table)?;
            let confirmed = unsure(map, sent, &Fingerprints::read(&link.confirmed), self.prepared.key).write();
            batch.put(&Link { confirmed, ..link.clone() });
        }
        entry.body.desired = Task::Join(Join::Open).write();
        entry.body.state = OutboxState::Ready;
        batch.put(&entry);
        Ok(())
    }

    /// The person under an alias's id becomes the survivor's, in place.
    pub(super) async fn re_key(
        &mut self,
        mut candidate: Candidate,
        person: &Person,
        alias: Guid,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        self.inherit(&mut candidate, person).await?;
        if candidate.inherits.is_some() && self.brake.stops(Harm::ReKeys) {
            self.done += 1;
            return Ok(());
        }
        tracing::info!(record = %candidate.entry.record, %alias, "takes over the person of a record that stands for it");
        self.found(candidate, person, How::ReKeyed, batch)
    }

    /// Notes whose person it takes over, where an alias was linked with it: what was confirmed of that still counts.
    pub(super) async fn inherit(&self, candidate: &mut Candidate, person: &Person) -> Result<(), SyncError> {
        let links = self.alias_links(&candidate.aliases).await?;
        let alias = links.into_iter().find(|link| link.is_confirmed() && link.marketo_id == Some(person.id));
        // What may have been sent for the record itself, without an answer, counts more than what was confirmed of the alias.
        let doubts = Fingerprints::read(&candidate.link.confirmed);
        candidate.inherits = alias.map(|alias| Link { confirmed: Fingerprints::read(&alias.confirmed).or(&doubts).write(), ..alias });
        Ok(())
    }

    /// Persons under the record's own id and under an alias's, or under those of several aliases. By policy the record takes one of them,
    /// its own if there is one, and the others are joined with it; or a person decides.
    pub(super) async fn split(&mut self, candidate: Candidate, persons: &[Person], batch: &mut Batch) -> Result<(), SyncError> {
        let now = self.bridge.clock.now();
        let by = |person: &Person, field: &str| person.text(field).and_then(|text| text.parse::<Guid>().ok());
        let besides = self.prepared.second_person_key.as_deref();
        let holder = |person: &Person| by(person, &self.key_field).or_else(|| by(person, besides?));
        let own = candidate.entry.record.id;
        let holders: Vec<Guid> = persons.iter().filter_map(holder).collect();
        let one_each = holders.iter().collect::<BTreeSet<_>>().len() == persons.len();
        let others: Vec<Guid> = holders.iter().copied().filter(|id| *id != own).collect();
        let aliases = self.aliases(&others).await?;
        let all_merge = others
            .iter()
            .all(|id| aliases.iter().any(|alias| alias.alias.id == *id && join_policy(self.bridge, alias) == JoinPolicy::Merge));
        if !one_each || !all_merge {
            let reason = format!(
                "Marketo has this person more than once, under the ids of records that are now one: {}; merge them in Marketo{}",
                described(persons, &self.key_field),
                if one_each { ", or set policy.on_first_load, on_qualify or on_merge to \"merge\"" } else { "" }
            );
            batch.put(&hold(&candidate.entry, Ours::TwoPersons, reason, now));
            self.done += 1;
            return Ok(());
        }
        // Its own person, else that of the first alias, which gets its key.
        let taken = holders.iter().position(|id| *id == own).unwrap_or_default();
        for (person, alias) in persons.iter().zip(&holders).enumerate().filter(|(at, _)| *at != taken).map(|(_, pair)| pair) {
            let Some(record) = aliases.iter().find(|known| known.alias.id == *alias).map(|known| known.alias) else { continue };
            let mut link = load_links(self.bridge, &BTreeSet::from([record])).await?.remove(&record).unwrap_or_else(|| Link::new(record));
            if link.marketo_id != Some(person.id) || !link.is_confirmed() {
                link.marketo_id = Some(person.id);
                link.confirmed = Vec::new();
                link.flags = link.flags.with(LinkFlags::CONFIRMED, true);
                batch.put(&link);
            }
            batch.remove::<Fact>(Dismissal::key_of(Object::Lead, record.id, ""));
            batch.put(&Outbox::ready(Object::Lead, record, String::new(), Task::Join(Join::Open).write(), now));
        }
        let (Some(person), Some(holder)) = (persons.get(taken), holders.get(taken)) else { return Ok(()) };
        match *holder == own {
            true => self.found(candidate, person, How::Ours, batch),
            false => self.re_key(candidate, person, *holder, batch).await,
        }
    }

    async fn aliases(&self, ids: &[Guid]) -> Result<Vec<Alias>, SyncError> {
        let keys: Vec<_> = ids.iter().flat_map(|id| both_tables(*id)).map(Alias::key_of).collect();
        Ok(self.bridge.store.read::<Alias>(&keys).await?.into_iter().flatten().collect())
    }

    async fn alias_links(&self, ids: &[Guid]) -> Result<Vec<Link>, SyncError> {
        Ok(load_links(self.bridge, &ids.iter().flat_map(|id| both_tables(*id)).collect()).await?.into_values().collect())
    }
}

fn both_tables(id: Guid) -> [RecordId; 2] {
    [Table::Lead, Table::Contact].map(|table| RecordId::new(table, id))
}

/// Persons for people to find: id, external id, and when Marketo last saw something of them.
pub(super) fn described(persons: &[Person], key_field: &str) -> String {
    let one = |person: &Person| {
        let external = person.text(key_field).map_or_else(|| "no external id".to_owned(), |id| format!("external id {id}"));
        let seen = [(LAST_ACTIVITY, "last activity"), ("updatedAt", "last updated")];
        let seen = seen.into_iter().find_map(|(field, what)| Some(format!(", {what} {}", person.text(field)?))).unwrap_or_default();
        format!("{} ({external}{seen})", person.id)
    };
    persons.iter().map(one).collect::<Vec<_>>().join(", ")
}
