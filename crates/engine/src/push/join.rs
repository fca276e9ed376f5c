//! Records that stand for another and have a Marketo person of their own: that person is merged into the other's (rule R4).
//!
//! A joining is an outbox record of the one that stands aside. It waits for the survivor to be in Marketo; where the survivor takes over
//! the person itself, nothing is left to do. Otherwise Marketo merges, the survivor's person winning, and the survivor is read back, because
//! what it then holds may be the other's. Killed at any point, the record says how far it got.

mod merge;
mod read_back;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::{Object, RecordId};
use store::{
    Batch, Record, StoreExt,
    record::{Alias, Link, LinkFlags, Outbox, OutboxState, PersonIndex, Refetch},
};

use crate::{
    bridge::Bridge,
    chain::{self, Follow},
    codes::Ours,
    error::{Side, SyncError},
    held::dismissed::take_back_people,
    intent::{MaybeSent, maybe_sent},
    options::Join as JoinPolicy,
    prepare::Prepared,
    push::{
        alias::join_policy,
        brake::Brake,
        gate::{Gate, Links, hold, holders, load_links},
        outcome::Breaker,
        part,
        role::pass_on_roles,
    },
    task::{Join, Task, Why},
};
use planner::Harm;

/// Joinings that are looked at together, so that all who are merged into one person go in one call.
const AT_ONCE: usize = 20_000;

/// Outbox records read at a time.
const PAGE: usize = 1_000;

/// One record that stands aside, and for whom.
#[derive(Debug, Clone)]
struct Joining {
    entry: Outbox,
    link: Link,
    /// Its Marketo person.
    person: i64,
    survivor: Link,
}

/// Joins what is to be joined.
pub(super) async fn push(bridge: &Bridge, prepared: &Prepared, brake: &mut Brake) -> Result<(), SyncError> {
    let mut joiner = Joiner {
        bridge,
        prepared,
        brake,
        gate: Gate::new(bridge, prepared.retry_held),
        breaker: Arc::default(),
        maybe_sent: None,
        merges: BTreeMap::new(),
        settled: BTreeMap::new(),
    };
    let mut after: Option<Vec<u8>> = None;
    loop {
        let (round, last) = joiner.next_round(after).await?;
        after = last;
        if !round.is_empty() {
            joiner.join(round).await?;
        }
        if after.is_none() {
            break;
        }
    }
    read_back::read_back(bridge, prepared).await
}

/// A survivor that is held may be somebody whom a record that has just begun to stand for it knows: it is tried again.
pub(super) async fn wake(bridge: &Bridge, brake: &Brake) -> Result<(), SyncError> {
    // Joinings that are stopped stay, and would wake it in every push. Before anybody is linked there is nobody to join.
    let is_stopped = brake.stops(Harm::Merges) || brake.stops(Harm::ReKeys);
    if is_stopped || bridge.store.list::<PersonIndex>(&[], None, 1).await?.is_empty() {
        return Ok(());
    }
    let now = bridge.clock.now();
    let mut entries = bridge.store.pages::<Outbox>(vec![Object::Lead.code()], PAGE);
    loop {
        let page = entries.next_page().await?;
        if page.is_empty() {
            return Ok(());
        }
        let mut fresh = BTreeSet::new();
        for entry in page.iter().filter(|entry| entry.body.state == OutboxState::Ready) {
            if Task::of(entry)? == Task::Join(Join::Open) {
                fresh.insert(entry.record);
            }
        }
        let ends = chain::ends(bridge, fresh, Follow::All).await?;
        let keys: Vec<_> = ends.values().map(|end| Outbox::key_of(Object::Lead, end.id, "")).collect();
        let mut batch = Batch::new();
        for mut entry in bridge.store.read::<Outbox>(&keys).await?.into_iter().flatten() {
            if let OutboxState::Held { retry_at, .. } = &mut entry.body.state
                && *retry_at > now
            {
                *retry_at = now;
                batch.put(&entry);
            }
        }
        take_back_people(bridge, ends.values().map(|end| end.id), &mut batch).await?;
        bridge.commit(batch).await?;
    }
}

struct Joiner<'a> {
    bridge: &'a Bridge,
    prepared: &'a Prepared,
    brake: &'a mut Brake,
    gate: Gate<'a>,
    breaker: Arc<Breaker>,
    /// Read when first needed.
    maybe_sent: Option<MaybeSent>,
    /// By the survivor.
    merges: BTreeMap<RecordId, Vec<Joining>>,
    /// Persons that exist no more, and into whom they were merged.
    settled: BTreeMap<i64, Option<i64>>,
}

impl Joiner<'_> {
    /// The next joinings that aren't merged yet, and after what to go on.
    async fn next_round(&mut self, mut after: Option<Vec<u8>>) -> Result<(Vec<Outbox>, Option<Vec<u8>>), SyncError> {
        let (mut round, now) = (Vec::new(), self.bridge.clock.now());
        while round.len() < AT_ONCE {
            let page = self.bridge.store.list::<Outbox>(&[Object::Lead.code()], after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok((round, None)) };
            after = Some(last.key());
            for entry in page {
                if Task::of(&entry)? == Task::Join(Join::Open) && self.gate.may_try(&entry, now) {
                    round.push(entry);
                }
            }
        }
        Ok((round, after))
    }

    async fn join(&mut self, round: Vec<Outbox>) -> Result<(), SyncError> {
        self.find_unknown(&round).await?;
        let keys: Vec<_> = round.iter().map(|entry| Alias::key_of(entry.record)).collect();
        let aliases = self.bridge.store.read::<Alias>(&keys).await?;
        let ends = chain::ends(self.bridge, round.iter().map(|entry| entry.record).collect(), Follow::All).await?;
        let links = load_links(self.bridge, &round.iter().map(|entry| entry.record).chain(ends.values().copied()).collect()).await?;
        let persons: Vec<i64> = round.iter().filter_map(|entry| links.get(&entry.record)?.marketo_id).collect();
        let holders = holders(self.bridge, &persons).await?;
        let mut batch = Batch::new();
        let mut held = Vec::new();
        for (entry, alias) in round.into_iter().zip(aliases) {
            let survivor = ends.get(&entry.record).copied();
            let person = links.get(&entry.record).and_then(|link| link.marketo_id);
            if let Some(holder) = person.and_then(|person| holders.get(&person)).filter(|holder| **holder != entry.record)
                && survivor != Some(*holder)
            {
                // Somebody gave it a third record's key in the meantime, and it is that one's now.
                let Some(link) = links.get(&entry.record) else { continue };
                batch.remove::<Outbox>(entry.key());
                batch.put(&retired(link));
                continue;
            }
            self.place(entry, alias, survivor, &links, &mut held, &mut batch);
        }
        self.bridge.commit(batch).await?;
        self.look_at_held(held).await?;
        self.merge().await?;
        pass_on_roles(self.bridge, &std::mem::take(&mut self.settled)).await
    }

    /// Decides what a joining comes to.
    fn place(
        &mut self,
        entry: Outbox,
        alias: Option<Alias>,
        survivor: Option<RecordId>,
        links: &Links,
        held: &mut Vec<(Joining, bool)>,
        batch: &mut Batch,
    ) {
        let (Some(alias), Some(survivor)) = (alias, survivor) else {
            // It stands for nobody any more: what it is now is read again.
            batch.remove::<Outbox>(entry.key());
            return batch.put(&Refetch { record: entry.record });
        };
        let link = links.get(&entry.record).filter(|link| link.is_confirmed());
        let Some((link, person)) = link.and_then(|link| Some((link.clone(), link.marketo_id?))) else {
            // Marketo has nobody under it.
            return batch.remove::<Outbox>(entry.key());
        };
        let survivor = match links.get(&survivor) {
            Some(survivor) if survivor.is_confirmed() && survivor.marketo_id.is_some() => survivor.clone(),
            other => {
                return match other.and_then(instead) {
                    Some(why) => part_instead(&entry, why, batch),
                    None => self.gate.wait(&entry, survivor, self.bridge.clock.now(), batch),
                };
            }
        };
        let joining = Joining { entry, link, person, survivor };
        if Some(person) == joining.survivor.marketo_id {
            self.retire(&joining, batch);
            return batch.remove::<Outbox>(joining.entry.key());
        }
        match join_policy(self.bridge, &alias) {
            JoinPolicy::Hold => held.push((joining, alias.event)),
            JoinPolicy::Merge if self.brake.stops(Harm::Merges) => {}
            JoinPolicy::Merge => self.merges.entry(joining.survivor.record).or_default().push(joining),
        }
    }

    /// One whose creation was never answered may be there all the same.
    async fn find_unknown(&mut self, round: &[Outbox]) -> Result<(), SyncError> {
        let links = load_links(self.bridge, &round.iter().map(|entry| entry.record).collect()).await?;
        let unknown = |record: &RecordId| links.get(record).is_none_or(|link| !link.is_confirmed());
        let mut asked: Vec<&Outbox> = round.iter().filter(|entry| unknown(&entry.record)).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let sent = match self.maybe_sent.take() {
            Some(sent) => sent,
            None => maybe_sent(self.bridge).await?,
        };
        asked.retain(|entry| sent.contains(&entry.key()));
        self.maybe_sent = Some(sent);
        let found = part::people::by_key(self.bridge, self.prepared, asked.iter().map(|entry| entry.record.id).collect()).await?;
        let mut batch = Batch::new();
        for entry in asked {
            if let Some(id) = found.get(&entry.record.id) {
                let mut link = links.get(&entry.record).cloned().unwrap_or_else(|| Link::new(entry.record));
                link.marketo_id = Some(*id);
                link.flags = link.flags.with(LinkFlags::CONFIRMED, true);
                batch.put(&link);
            }
        }
        self.bridge.commit(batch).await
    }

    /// Where a person decides: held with both ids. One that was held before is looked at: it may have been merged in Marketo by now.
    async fn look_at_held(&mut self, held: Vec<(Joining, bool)>) -> Result<(), SyncError> {
        let now = self.bridge.clock.now();
        let was_held = |joining: &Joining| matches!(joining.entry.body.state, OutboxState::Held { .. });
        let asked: Vec<i64> = held.iter().filter(|(joining, _)| was_held(joining)).map(|(joining, _)| joining.person).collect();
        let there = there(self.bridge, &asked).await?;
        let mut batch = Batch::new();
        for (joining, event) in held {
            if was_held(&joining) && !there.contains(&joining.person) {
                self.merged(&joining, &mut batch);
                continue;
            }
            let policy = match event {
                true => "policy.on_qualify or policy.on_merge",
                false => "policy.on_first_load",
            };
            let reason = format!(
                "Marketo has two persons for it: {} and, of {}, {}; merge the first into the second in Marketo, or set {policy} to \"merge\"",
                joining.person,
                joining.survivor.record,
                joining.survivor.marketo_id.unwrap_or_default(),
            );
            batch.put(&hold(&joining.entry, Ours::TwoPersons, reason, now));
        }
        self.bridge.commit(batch).await
    }

    /// Its person is the survivor's now: its own link leads nowhere any more.
    fn retire(&self, joining: &Joining, batch: &mut Batch) {
        batch.put(&retired(&joining.link));
        batch.remove::<store::record::MsiDue>(store::record::record_key(joining.link.record));
    }

    /// Marketo has merged its person into the survivor's, which has to be read back.
    fn merged(&mut self, joining: &Joining, batch: &mut Batch) {
        let (person, into) = (joining.person, joining.survivor.marketo_id);
        tracing::info!(record = %joining.entry.record, person, into, survivor = %joining.survivor.record, "merged in Marketo");
        self.retire(joining, batch);
        batch.remove::<PersonIndex>(PersonIndex::key_of(joining.person));
        let mut entry = joining.entry.clone();
        entry.body.desired = Task::Join(Join::merged(joining.survivor.record, &joining.link.confirmed)).write();
        entry.body.state = OutboxState::Ready;
        entry.body.attempts = 0;
        batch.put(&entry);
        self.settled.insert(joining.person, joining.survivor.marketo_id);
        self.bridge.count(|summary| summary.pushed(Object::Lead).merged += 1);
    }
}

/// A link that leads to nobody any more.
pub(super) fn retired(link: &Link) -> Link {
    let flags = link.flags.with(LinkFlags::CONFIRMED, false).with(LinkFlags::KEY_IN_DOUBT, false);
    Link { marketo_id: None, confirmed: Vec::new(), flags, ..link.clone() }
}

/// Why there is nobody to join a person with: it then goes the way of the survivor's.
pub(super) fn instead(survivor: &Link) -> Option<Why> {
    let is = |flag| survivor.flags.has(flag);
    match () {
        () if is(LinkFlags::GONE) => Some(Why::Deleted),
        () if is(LinkFlags::DORMANT) && is(LinkFlags::INACTIVE) => Some(Why::Inactive),
        () if is(LinkFlags::DORMANT) && !is(LinkFlags::WANTED) && !survivor.is_confirmed() => Some(Why::Left),
        () => None,
    }
}

fn part_instead(entry: &Outbox, why: Why, batch: &mut Batch) {
    let mut entry = entry.clone();
    entry.body.desired = Task::Part(why).write();
    entry.body.state = OutboxState::Ready;
    batch.put(&entry);
}

/// Those of these persons that Marketo has.
pub(super) async fn there(bridge: &Bridge, persons: &[i64]) -> Result<BTreeSet<i64>, SyncError> {
    let mut there = BTreeSet::new();
    for chunk in persons.chunks(300) {
        let values = chunk.iter().map(ToString::to_string).collect();
        let found = bridge.marketo.people("id", values, &["id".to_owned()]).await;
        there.extend(found.map_err(|error| SyncError::of_call(Side::Marketo, error))?.people.into_iter().map(|person| person.id));
    }
    Ok(there)
}
