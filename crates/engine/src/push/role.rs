//! Opportunity roles: derived from what in Dynamics yields them, and sent with their opportunities' and people's Marketo keys (rule R8).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::{Guid, Object, RecordId, Table, Timestamp};
use futures::{FutureExt, future::BoxFuture};
use planner::{
    pack::{Packer, RECORDS_MAX},
    role::{Kind, RoleTexts, RoleWanted, Source, brake_allows, derive},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{
    Batch, Record, StoreExt,
    record::{
        Alias, AliasKind, DirtyRoles, Fact, Outbox, Role, RoleName, RoleSource, SourceKind,
        role::{SourceBy, SourceIndex},
    },
};

use crate::{
    bridge::Bridge,
    capture::dirty_by,
    error::SyncError,
    intent::{Intent, MaybeSent, maybe_sent},
    marketo::SyncMode,
    prepare::Prepared,
    progress::Step,
    push::{
        absent::{absent, may_be_a_parents_fault},
        alias::HOPS_MAX,
        flight::Flight,
        gate::{Gate, Links, load_links, next_page, reference, refuse},
        outcome::{Breaker, Failure},
        pieces::{Fate, Item, Sent, send},
    },
};

/// The fact that holds the default text under which roles were last derived.
const DEFAULT_ROLE_FACT: &str = "default_role";

/// Opportunities whose roles are derived in one commit.
const DERIVED_AT_ONCE: usize = 300;

/// What is asked of one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Wish {
    /// It shall be there.
    Keep { contact: Guid, name: String, primary: bool },
    /// It shall not; `lead` and `name` are its key.
    Remove { contact: Guid, lead: i64, name: String },
}

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
}

/// Derives the roles that may have changed, then sends what the outbox holds of them.
pub(super) async fn push(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    derive_dirty(bridge).await?;
    let total = bridge.store.count(Outbox::FAMILY, &[Object::Role.code()]).await?;
    if total == 0 {
        return Ok(());
    }
    let removals = brake(bridge).await?;
    let mut pusher = Pusher {
        bridge,
        gate: Gate::new(bridge, prepared.retry_held),
        removals,
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

/// The brake: how many roles would be removed, against how many there are.
async fn brake(bridge: &Bridge) -> Result<Removals, SyncError> {
    let (mut removals, mut after) = (0u64, None::<Vec<u8>>);
    loop {
        let page = next_page(bridge, Object::Role, after.as_deref(), 1_000).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key());
        removals += page.iter().filter(|entry| matches!(read_wish(entry), Some(Wish::Remove { .. }))).count() as u64;
    }
    let total = bridge.store.count(Role::FAMILY, &[]).await?;
    let brake = &bridge.options.brake;
    if brake_allows(removals, total, brake.percent, brake.count) || bridge.run.allow.contains("role-removals") {
        return Ok(Removals::Allowed);
    }
    tracing::warn!(removals, total, "removing roles was stopped by the brake");
    bridge.count(|summary| {
        summary.stopped_by_brake.insert("role-removals".into(), removals);
        summary.warn(format!(
            "{removals} of {total} roles would be removed from Marketo, more than [brake] allows; if that is right, run\n  insight-bridge sync --allow role-removals"
        ));
    });
    Ok(Removals::Stopped)
}

/// Derives the roles of all opportunities of which something changed, and puts the differences into the outbox.
async fn derive_dirty(bridge: &Bridge) -> Result<(), SyncError> {
    notice_default_role(bridge).await?;
    let maybe_sent = maybe_sent(bridge).await?;
    let mut texts = None;
    loop {
        let dirty = bridge.store.list::<DirtyRoles>(&[], None, DERIVED_AT_ONCE).await?;
        if dirty.is_empty() {
            return Ok(());
        }
        if texts.is_none() {
            texts = Some(RoleTexts::new(all_role_names(bridge).await?));
        }
        let (Some(texts), now) = (&texts, bridge.clock.now()) else { return Ok(()) };
        let mut batch = Batch::new();
        for dirty in &dirty {
            derive_one(bridge, dirty.opportunity, texts, &maybe_sent, now, &mut batch).await?;
            batch.remove::<DirtyRoles>(dirty.key());
        }
        bridge.commit(batch).await?;
    }
}

/// Another default text concerns every opportunity that has a role.
async fn notice_default_role(bridge: &Bridge) -> Result<(), SyncError> {
    let fact = Fact { name: DEFAULT_ROLE_FACT.into(), value: bridge.options.policy.default_role.clone().into() };
    let before = bridge.store.read_one::<Fact>(fact.key()).await?;
    if before.as_ref() == Some(&fact) {
        return Ok(());
    }
    let mut sources = bridge.store.pages::<RoleSource>(Vec::new(), 1_000);
    while before.is_some() {
        let page = sources.next_page().await?;
        if page.is_empty() {
            break;
        }
        let mut batch = Batch::new();
        page.iter().for_each(|source| batch.put(&DirtyRoles { opportunity: source.opportunity }));
        bridge.commit(batch).await?;
    }
    let mut batch = Batch::new();
    batch.put(&fact);
    bridge.commit(batch).await
}

pub(crate) async fn all_role_names(bridge: &Bridge) -> Result<Vec<(Guid, String)>, SyncError> {
    let (mut names, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let page = bridge.store.list::<RoleName>(&[], after.as_deref(), 1_000).await?;
        let Some(last) = page.last() else { return Ok(names) };
        after = Some(last.key());
        names.extend(page.into_iter().map(|role| (role.id, role.name)));
    }
}

async fn derive_one(
    bridge: &Bridge,
    opportunity: Guid,
    texts: &RoleTexts,
    maybe_sent: &MaybeSent,
    now: Timestamp,
    batch: &mut Batch,
) -> Result<(), SyncError> {
    let store = &bridge.store;
    let entries = store.list::<SourceIndex>(&SourceIndex::prefix(SourceBy::Opportunity, opportunity), None, usize::MAX).await?;
    let keys: Vec<_> = entries.iter().map(|entry| RoleSource::key_of(entry.source)).collect();
    let sources: Vec<RoleSource> = store.read::<RoleSource>(&keys).await?.into_iter().flatten().collect();
    let masters = masters(bridge, sources.iter().map(|source| source.contact).collect()).await?;
    let sources: Vec<Source> = sources.iter().map(|source| source_of(source, &masters)).collect();
    let wanted = derive(&sources, texts, &bridge.options.policy.default_role);
    let known = store.list::<Role>(&Role::of_opportunity(opportunity), None, usize::MAX).await?;
    let contacts: BTreeSet<RecordId> = wanted.iter().map(|role| RecordId::new(Table::Contact, role.contact)).collect();
    let links = load_links(bridge, &contacts).await?;
    let wishes = difference(&wanted, &known, &links);
    let record = RecordId::new(Table::Opportunity, opportunity);
    let before = store.list::<Outbox>(&Outbox::key_of(Object::Role, opportunity, ""), None, usize::MAX).await?;
    let mut before: BTreeMap<String, Outbox> = before.into_iter().map(|entry| (entry.part.clone(), entry)).collect();
    for (part, wish) in wishes {
        let desired = serde_json::to_value(&wish).unwrap_or_default();
        match before.remove(&part) {
            Some(entry) if entry.body.desired == desired => {}
            Some(_) | None => batch.put(&Outbox::ready(Object::Role, record, part, desired, now)),
        }
    }
    for entry in before.values() {
        batch.remove::<Outbox>(entry.key());
        if maybe_sent.contains(&entry.key())
            && let Some((part, wish)) = take_back(bridge, entry, &known, &wanted, &links).await?
        {
            batch.put(&Outbox::ready(Object::Role, record, part, serde_json::to_value(&wish).unwrap_or_default(), now));
        }
    }
    Ok(())
}

/// What was to be done and no longer is may have been done although nobody heard of it: a role that is wanted as it was before is sent
/// once more, and one that isn't wanted is removed, where "not found" is as good.
async fn take_back(
    bridge: &Bridge,
    entry: &Outbox,
    known: &[Role],
    wanted: &[RoleWanted],
    links: &Links,
) -> Result<Option<(String, Wish)>, SyncError> {
    let Some(wish) = read_wish(entry) else { return Ok(None) };
    let (contact, name, lead) = match wish {
        Wish::Remove { contact, lead, name } => (contact, name, Some(lead)),
        Wish::Keep { contact, name, .. } => {
            let person = RecordId::new(Table::Contact, contact);
            let links = load_links(bridge, &BTreeSet::from([person])).await?;
            (contact, name, links.get(&person).and_then(|link| link.marketo_id))
        }
    };
    let Some(lead) = lead else { return Ok(None) };
    let text = name.to_lowercase();
    let lead_of = |role: &RoleWanted| links.get(&RecordId::new(Table::Contact, role.contact)).and_then(|link| link.marketo_id);
    if let Some(role) = wanted.iter().find(|role| lead_of(role) == Some(lead) && role.name.to_lowercase() == text) {
        return Ok(Some((format!("{} {text}", role.contact), Wish::Keep { contact: role.contact, name, primary: role.is_primary })));
    }
    if known.iter().any(|role| role.lead_id == lead && role.name.to_lowercase() == text) {
        return Ok(None);
    }
    Ok(Some((format!("- {lead} {text}"), Wish::Remove { contact, lead, name })))
}

/// A contact that was merged into another stands for that one (rule R4), at the end of the chain.
async fn masters(bridge: &Bridge, contacts: BTreeSet<Guid>) -> Result<BTreeMap<Guid, Guid>, SyncError> {
    let mut masters: BTreeMap<Guid, Guid> = BTreeMap::new();
    let mut ends: BTreeMap<Guid, BTreeSet<Guid>> = contacts.into_iter().map(|contact| (contact, BTreeSet::from([contact]))).collect();
    for _ in 0..HOPS_MAX {
        let keys: Vec<_> = ends.keys().map(|contact| Alias::key_of(RecordId::new(Table::Contact, *contact))).collect();
        let aliases = bridge.store.read::<Alias>(&keys).await?.into_iter().flatten();
        let mut next: BTreeMap<Guid, BTreeSet<Guid>> = BTreeMap::new();
        for alias in aliases.filter(|alias| alias.kind == AliasKind::Merged) {
            let starts = ends.get(&alias.alias.id).cloned().unwrap_or_default();
            // A circle ends where it began.
            let starts: BTreeSet<Guid> = starts.into_iter().filter(|start| *start != alias.survivor.id).collect();
            masters.extend(starts.iter().map(|start| (*start, alias.survivor.id)));
            next.entry(alias.survivor.id).or_default().extend(starts);
        }
        if next.is_empty() {
            break;
        }
        ends = next;
    }
    Ok(masters)
}

fn source_of(source: &RoleSource, masters: &BTreeMap<Guid, Guid>) -> Source {
    let kind = match source.kind {
        SourceKind::Connection => Kind::Connection,
        SourceKind::Mirror => Kind::Mirror,
        SourceKind::Inactive => Kind::Inactive,
        SourceKind::Primary => Kind::Primary,
    };
    Source {
        id: source.id,
        contact: masters.get(&source.contact).copied().unwrap_or(source.contact),
        kind,
        role: source.role,
        related: source.related,
    }
}

/// What has to be done, by the part of the outbox key: a role is another one when its lead is. Texts compare without case.
fn difference(wanted: &[RoleWanted], known: &[Role], links: &Links) -> BTreeMap<String, Wish> {
    let mut wishes = BTreeMap::new();
    let mut kept: BTreeSet<Vec<u8>> = BTreeSet::new();
    for role in wanted {
        let lead = links.get(&RecordId::new(Table::Contact, role.contact)).and_then(|link| link.marketo_id);
        // To Marketo a role is opportunity, lead and text, whichever contact the lead is.
        let text = role.name.to_lowercase();
        let same = known.iter().find(|known| Some(known.lead_id) == lead && known.name.to_lowercase() == text);
        kept.extend(same.map(Record::key));
        if same.is_none_or(|known| known.is_primary != role.is_primary || known.contact != role.contact) {
            let name = same.map_or_else(|| role.name.clone(), |known| known.name.clone());
            let part = format!("{} {}", role.contact, name.to_lowercase());
            wishes.insert(part, Wish::Keep { contact: role.contact, name, primary: role.is_primary });
        }
    }
    for role in known.iter().filter(|role| !kept.contains(&role.key())) {
        let part = format!("- {} {}", role.lead_id, role.name.to_lowercase());
        wishes.insert(part, Wish::Remove { contact: role.contact, lead: role.lead_id, name: role.name.clone() });
    }
    wishes
}

fn read_wish(entry: &Outbox) -> Option<Wish> {
    serde_json::from_value(entry.body.desired.clone()).ok()
}

struct Pusher<'a> {
    bridge: &'a Bridge,
    gate: Gate<'a>,
    removals: Removals,
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
            self.settle(answered.fates, &answered.intent).await?;
            if let Some(error) = answered.stop {
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
            Wish::Remove { lead, name, .. } => Place::Send(*lead, key(*lead, name)),
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
        let absent = absent(self.bridge, &asked).await?;
        for (sent, fate) in fates {
            match fate {
                Fate::Confirmed { created, .. } => self.confirm(&sent, created, &mut batch),
                Fate::Refused(failure) if is_gone_already(&sent.wish, &failure) => self.confirm(&sent, false, &mut batch),
                Fate::Refused(failure) | Fate::Unknown(Some(failure)) => {
                    let lost: Vec<RecordId> = parents(&sent).into_iter().filter(|parent| absent.contains(parent)).collect();
                    for parent in &lost {
                        // The roles that they had are gone with them.
                        if parent.table == Table::Contact {
                            dirty_by(self.bridge, SourceBy::Contact, parent.id).await?;
                        } else {
                            forget_roles(self.bridge, parent.id, &mut batch).await?;
                        }
                    }
                    refuse(self.bridge, &sent.entry, &failure, lost, now, &mut batch).await?;
                }
                Fate::Unknown(None) => {}
            }
        }
        self.bridge.commit(batch).await?;
        self.bridge.progress.tell(Step::Pushed { object: Object::Role, done: self.done, total: self.total });
        Ok(())
    }

    fn confirm(&self, sent: &Sendable, created: bool, batch: &mut Batch) {
        let opportunity = sent.entry.record.id;
        match &sent.wish {
            Wish::Keep { contact, name, primary } => {
                batch.put(&Role { opportunity, contact: *contact, name: name.clone(), lead_id: sent.lead, is_primary: *primary });
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
    matches!(fate, Fate::Refused(failure) if may_be_a_parents_fault(&failure.code))
}

/// A role to be removed that isn't there is as it should be.
fn is_gone_already(wish: &Wish, failure: &Failure) -> bool {
    matches!(wish, Wish::Remove { .. }) && matches!(failure.code.as_str(), "1013" | "1004")
}

/// An opportunity that was gone from Marketo has lost its roles there: they are derived and sent again.
pub(super) async fn forget_roles(bridge: &Bridge, opportunity: Guid, batch: &mut Batch) -> Result<(), SyncError> {
    for role in bridge.store.list::<Role>(&Role::of_opportunity(opportunity), None, usize::MAX).await? {
        batch.remove::<Role>(role.key());
    }
    batch.put(&DirtyRoles { opportunity });
    Ok(())
}

enum Place {
    Send(i64, Map<String, Value>),
    Wait(RecordId),
    Rest,
}
