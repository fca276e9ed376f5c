//! Opportunity roles: derived from what in Dynamics yields them, and sent with their opportunities' and people's Marketo keys (rule R8).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::{Guid, Object, RecordId, Table, Timestamp};
use futures::{FutureExt, future::BoxFuture};
use planner::{
    Harm,
    pack::{Packer, RECORDS_MAX},
};
use serde_json::{Map, Value};
use store::{
    Batch, Record, StoreExt,
    record::{DirtyRoles, Outbox, Role, role::SourceBy},
};

use crate::{
    bridge::Bridge,
    capture::dirty_by,
    defect::{Defect, has},
    error::SyncError,
    intent::Intent,
    marketo::SyncMode,
    noticed::lost,
    plan::{Asks, What},
    prepare::Prepared,
    progress::Step,
    push::{
        absent::{absent, may_be_its_parents},
        brake::Brake,
        flight::Flight,
        gate::{Gate, Links, load_links, next_page, reference, refuse},
        join::there,
        outcome::{Breaker, Failure},
        pieces::{Fate, Item, Sent, send},
        role_wish::{Wish, derive_dirty, read_wish},
    },
};

/// One role on its way.
#[derive(Debug, Clone)]
struct Sendable {
    entry: Outbox,
    wish: Wish,
    lead: i64,
    record: Map<String, Value>,
}

impl Item for Sendable {
    fn key(&self) -> Vec<u8> {
        self.entry.key()
    }

    fn asks(&self) -> Asks {
        let (contact, what) = match &self.wish {
            Wish::Keep { contact, .. } => (contact, What::Send),
            Wish::Remove { contact, .. } => (contact, What::Remove),
        };
        let mut fields = self.record.clone();
        // Whose it is, whatever Marketo calls them: one that is created in this pass has no id before.
        fields.remove("leadId");
        fields.insert("contact".into(), contact.to_string().into());
        let person = Some(self.lead);
        Asks { object: Object::Role, record: self.entry.record, part: self.entry.part.clone(), what, person, fields }
    }
}

/// Derives the roles that may have changed, then sends what the outbox holds of them.
pub(super) async fn push(bridge: &Bridge, prepared: &Prepared, brake: &mut Brake) -> Result<(), SyncError> {
    derive_dirty(bridge, prepared.key).await?;
    let total = bridge.store.count(Outbox::FAMILY, &[Object::Role.code()]).await?;
    if total == 0 {
        return Ok(());
    }
    let removals = measure(bridge, brake).await?;
    let mut pusher = Pusher {
        bridge,
        gate: Gate::new(bridge, prepared.retry_held),
        removals,
        untold: lost::untold(bridge).await?,
        keep: Packer::new(RECORDS_MAX),
        remove: Packer::new(RECORDS_MAX),
        breaker: Arc::default(),
        done: 0,
        total,
    };
    pusher.run().await
}

/// Whether roles may be removed in this cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removals {
    Allowed,
    Stopped,
}

/// How many roles would be removed.
async fn measure(bridge: &Bridge, brake: &mut Brake) -> Result<Removals, SyncError> {
    let (mut removals, mut after) = (0u64, None::<Vec<u8>>);
    loop {
        let page = next_page(bridge, Object::Role, after.as_deref(), 1_000).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key());
        let is_removal = |entry: &&Outbox| bridge.means(entry.record) && matches!(read_wish(entry), Some(Wish::Remove { .. }));
        removals += page.iter().filter(is_removal).count() as u64;
    }
    brake.judge(bridge, Harm::RoleRemovals, removals).await?;
    Ok(if brake.stops(Harm::RoleRemovals) { Removals::Stopped } else { Removals::Allowed })
}

struct Pusher<'a> {
    bridge: &'a Bridge,
    gate: Gate<'a>,
    removals: Removals,
    /// Persons who are gone, and of whom Marketo hasn't told yet who has their roles.
    untold: BTreeMap<i64, Timestamp>,
    keep: Packer<Sendable>,
    remove: Packer<Sendable>,
    breaker: Arc<Breaker>,
    done: u64,
    total: u64,
}

impl<'a> Pusher<'a> {
    async fn run(&mut self) -> Result<(), SyncError> {
        let mut flight = Flight::new(self.bridge.marketo.in_flight_max());
        let (mut after, mut exhausted, mut stop) = (None, false, None);
        loop {
            while stop.is_none() && !exhausted && flight.has_room() {
                match self.next_batches(&mut after).await {
                    Ok((batches, last)) => {
                        exhausted = last;
                        batches.into_iter().for_each(|batch| flight.start(self.send(batch)));
                    }
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

    /// Sends roles to be kept, or roles to be removed.
    fn send(&self, batch: Vec<Sendable>) -> BoxFuture<'a, Sent<Sendable>> {
        let bridge = self.bridge;
        let removal = batch.first().is_some_and(|sendable| matches!(sendable.wish, Wish::Remove { .. }));
        let call = move |batch: &[Sendable]| {
            let records: Vec<Map<String, Value>> = batch.iter().map(|sendable| sendable.record.clone()).collect();
            async move {
                match removal {
                    true => bridge.marketo.remove(Object::Role, records).await,
                    false => bridge.marketo.sync(Object::Role, SyncMode::CreateOrUpdate, records).await,
                }
            }
        };
        send(bridge, self.breaker.clone(), true, batch, call).boxed()
    }

    async fn next_batches(&mut self, after: &mut Option<Vec<u8>>) -> Result<(Vec<Vec<Sendable>>, bool), SyncError> {
        self.bridge.ledger.learn(&self.bridge.marketo).await?;
        let page = next_page(self.bridge, Object::Role, after.as_deref(), RECORDS_MAX).await?;
        let Some(last) = page.last() else {
            let rest = self.keep.take().into_iter().chain(self.remove.take()).collect();
            return Ok((rest, true));
        };
        *after = Some(last.key());
        let now = self.bridge.clock.now();
        let entries: Vec<(Outbox, Wish)> = page
            .into_iter()
            .filter(|entry| self.gate.may_try(entry, now))
            .filter_map(|entry| read_wish(&entry).map(|wish| (entry, wish)))
            .collect();
        let ids = entries
            .iter()
            .flat_map(|(entry, wish)| {
                let contact = match wish {
                    Wish::Keep { contact, .. } | Wish::Remove { contact, .. } => *contact,
                };
                [entry.record, RecordId::new(Table::Contact, contact)]
            })
            .collect();
        let links = load_links(self.bridge, &ids).await?;
        let mut batch = Batch::new();
        let mut batches = Vec::new();
        for (entry, wish) in entries {
            match self.place(&entry, &wish, &links) {
                Place::Send(lead, record) => {
                    let bytes = serde_json::to_vec(&record).map_or(0, |bytes| bytes.len());
                    let packer = if matches!(wish, Wish::Keep { .. }) { &mut self.keep } else { &mut self.remove };
                    batches.extend(packer.push(Sendable { entry, wish, lead, record }, bytes));
                }
                Place::Wait(on) => {
                    self.gate.wait(&entry, on, now, &mut batch);
                    self.done += 1;
                }
                Place::Rest => self.done += 1,
            }
        }
        self.bridge.commit(batch).await?;
        Ok((batches, false))
    }

    fn place(&self, entry: &Outbox, wish: &Wish, links: &Links) -> Place {
        let opportunity = reference(links, Table::Opportunity, entry.record.id);
        let key = |lead: i64, name: &str| {
            let mut record = Map::new();
            record.insert("externalOpportunityId".into(), opportunity.clone().into());
            record.insert("leadId".into(), lead.into());
            record.insert("role".into(), name.into());
            record
        };
        match wish {
            Wish::Remove { .. } if self.removals == Removals::Stopped => Place::Rest,
            Wish::Remove { lead, .. } if self.untold.contains_key(lead) => Place::Rest,
            Wish::Remove { lead, name, .. } => Place::Send(*lead, key(*lead + i64::from(has(Defect::RoleOfAnother)), name)),
            Wish::Keep { contact, name, primary } => {
                if links.get(&entry.record).is_none_or(|link| !link.is_confirmed()) {
                    return Place::Wait(entry.record);
                }
                let person = RecordId::new(Table::Contact, *contact);
                match links.get(&person).filter(|link| link.is_confirmed()).and_then(|link| link.marketo_id) {
                    Some(lead) => {
                        let mut record = key(lead, name);
                        record.insert("isPrimary".into(), (*primary).into());
                        Place::Send(lead, record)
                    }
                    None => Place::Wait(person),
                }
            }
        }
    }

    async fn settle(&mut self, fates: Vec<(Sendable, Fate)>, intent: &Intent) -> Result<(), SyncError> {
        let now = self.bridge.clock.now();
        let mut batch = Batch::new();
        intent.close(&mut batch);
        self.done += fates.len() as u64;
        let asked: BTreeSet<RecordId> = fates.iter().filter(|(_, fate)| is_doubtful(fate)).flat_map(|(sent, _)| parents(sent)).collect();
        // When that can't be asked for, what was answered is saved all the same.
        let (absent, stop) = match absent(self.bridge, &asked).await {
            Ok(absent) => (absent, None),
            Err(error) => (BTreeSet::new(), Some(error)),
        };
        let (moved, unasked) = match self.moved_away(&fates).await {
            Ok(moved) => (moved, None),
            Err(error) => (BTreeSet::new(), Some(error)),
        };
        let stop = stop.or(unasked);
        for (sent, fate) in fates {
            match fate {
                Fate::Confirmed { created, .. } => self.confirm(&sent, created, &mut batch),
                Fate::Refused(failure) if is_gone_already(&sent.wish, &failure) && stop.is_none() => match moved.contains(&sent.lead) {
                    // Its person was merged or deleted: where the role is, Marketo will tell.
                    true => {
                        batch.put(&lost::note(sent.lead, now));
                        batch.remove::<Outbox>(sent.entry.key());
                    }
                    false => self.confirm(&sent, false, &mut batch),
                },
                Fate::Refused(failure) | Fate::Unknown(Some(failure)) => {
                    let lost: Vec<RecordId> = parents(&sent).into_iter().filter(|parent| absent.contains(parent)).collect();
                    for parent in &lost {
                        // The roles that they had may be gone with them.
                        if parent.table == Table::Contact {
                            dirty_by(self.bridge, SourceBy::Contact, parent.id).await?;
                        } else {
                            doubt_roles(self.bridge, parent.id, &mut batch).await?;
                        }
                    }
                    refuse(self.bridge, &sent.entry, &failure, lost, now, &mut batch).await?;
                }
                Fate::Unknown(None) => {}
            }
        }
        self.bridge.commit(batch).await?;
        self.bridge.tell(Step::Pushed { object: Object::Role, done: self.done, total: self.total });
        stop.map_or(Ok(()), Err)
    }

    /// Persons whose role was to be removed and wasn't there, because they aren't.
    async fn moved_away(&self, fates: &[(Sendable, Fate)]) -> Result<BTreeSet<i64>, SyncError> {
        let missed = |(sent, fate): &(Sendable, Fate)| {
            let is_missing = matches!(fate, Fate::Refused(failure) if is_gone_already(&sent.wish, failure));
            is_missing.then_some(sent.lead)
        };
        let asked: BTreeSet<i64> = fates.iter().filter_map(missed).collect();
        let there = there(self.bridge, &asked.iter().copied().collect::<Vec<_>>()).await?;
        Ok(asked.difference(&there).copied().collect())
    }

    fn confirm(&self, sent: &Sendable, created: bool, batch: &mut Batch) {
        let opportunity = sent.entry.record.id;
        match &sent.wish {
            Wish::Keep { contact, name, primary } => {
                let (contact, name, lead_id, is_primary) = (*contact, name.clone(), sent.lead, *primary);
                batch.put(&Role { opportunity, contact, name, lead_id, is_primary, in_doubt: false });
            }
            Wish::Remove { lead, name, .. } => batch.remove::<Role>(Role::key_of(opportunity, *lead, name)),
        }
        batch.remove::<Outbox>(sent.entry.key());
        self.bridge.count(|summary| {
            let line = summary.pushed(Object::Role);
            match (&sent.wish, created) {
                (Wish::Remove { .. }, _) => line.removed += 1,
                (Wish::Keep { .. }, true) => line.created += 1,
                (Wish::Keep { .. }, false) => line.updated += 1,
            }
            line.fields += u64::from(matches!(sent.wish, Wish::Keep { .. }));
        });
    }
}

/// What a role refers to.
fn parents(sent: &Sendable) -> [RecordId; 2] {
    let (Wish::Keep { contact, .. } | Wish::Remove { contact, .. }) = &sent.wish;
    [sent.entry.record, RecordId::new(Table::Contact, *contact)]
}

fn is_doubtful(fate: &Fate) -> bool {
    matches!(fate, Fate::Refused(failure) if may_be_its_parents(&failure.code))
}

/// A role to be removed that isn't there is as it should be.
fn is_gone_already(wish: &Wish, failure: &Failure) -> bool {
    matches!(wish, Wish::Remove { .. }) && matches!(failure.code.as_str(), "1013" | "1004")
}

/// An opportunity that was gone from Marketo may have lost its roles there: those that are wanted are sent again, the others removed again.
pub(super) async fn doubt_roles(bridge: &Bridge, opportunity: Guid, batch: &mut Batch) -> Result<(), SyncError> {
    for role in bridge.store.list::<Role>(&Role::of_opportunity(opportunity), None, usize::MAX).await? {
        batch.put(&Role { in_doubt: true, ..role });
    }
    batch.put(&DirtyRoles { opportunity });
    Ok(())
}

/// The roles of people who exist no more: those who were merged have left theirs to the winner, the others' are gone with them. What is
/// wanted is derived again.
pub(crate) async fn pass_on_roles(bridge: &Bridge, dead: &BTreeMap<i64, Option<i64>>) -> Result<(), SyncError> {
    if dead.is_empty() {
        return Ok(());
    }
    let mut roles = bridge.store.pages::<Role>(Vec::new(), 1_000);
    loop {
        let page = roles.next_page().await?;
        if page.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for role in page {
            let Some(winner) = dead.get(&role.lead_id) else { continue };
            batch.remove::<Role>(role.key());
            batch.put(&DirtyRoles { opportunity: role.opportunity });
            if let Some(winner) = end_of(*winner, dead) {
                let passed_on = Role { lead_id: winner, in_doubt: true, ..role };
                // A twin of the winner's own stays as it is known.
                if bridge.store.read_one::<Role>(passed_on.key()).await?.is_none() {
                    batch.put(&passed_on);
                }
            }
        }
        bridge.commit(batch).await?;
    }
}

/// Who was merged into a winner that was merged itself has left everything to that one's.
fn end_of(winner: Option<i64>, dead: &BTreeMap<i64, Option<i64>>) -> Option<i64> {
    let mut at = winner?;
    for _ in 0..dead.len() {
        match dead.get(&at) {
            Some(next) => at = (*next)?,
            None => break,
        }
    }
    Some(at)
}

enum Place {
    Send(i64, Map<String, Value>),
    Wait(RecordId),
    Rest,
}
