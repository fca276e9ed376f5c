//! People: unlinked by clearing their external id, or deleted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::{Guid, Object, RecordId};
use planner::{Harm, identity::Person};
use serde_json::{Map, Value};
use store::{
    Batch, Record, StoreExt,
    record::{Link, LinkFlags, Outbox, PersonIndex, Refetch, Role},
};

use wire::{CallError, Class, Refusal};

use super::{Entries, Parted, forget, parting};
use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    intent::{MaybeSent, maybe_sent},
    marketo::SyncMode,
    noticed::lost,
    options::PersonParting,
    plan::{Asks, What},
    prepare::Prepared,
    push::{
        brake::Brake,
        gate::{holders, load_links, refuse},
        join::retired,
        outcome::Breaker,
        pieces::{Fate, Item, send},
        role::pass_on_roles,
    },
    task::Why,
};

/// Roles read from the state at a time.
const ROLES: usize = 1_000;

/// One person to be parted with.
#[derive(Debug, Clone)]
struct Leaving {
    entry: Outbox,
    link: Link,
    id: i64,
    parted: Parted,
    /// The field that it loses, if it is unlinked.
    key_field: String,
}

impl Item for Leaving {
    fn key(&self) -> Vec<u8> {
        self.entry.key()
    }

    fn asks(&self) -> Asks {
        let (what, fields) = match self.parted {
            Parted::Deleted => (What::Remove, Map::new()),
            Parted::Unlinked | Parted::Kept => (What::Unlink, [(self.key_field.clone(), Value::Null)].into_iter().collect()),
        };
        Asks { object: Object::Lead, record: self.entry.record, part: String::new(), what, person: Some(self.id), fields }
    }
}

/// Records that were tried in this push.
pub(in crate::push) type Tried = BTreeSet<RecordId>;

/// Parts with people for these reasons, but for those that were tried; gives those of whom it was tried in vain.
pub(super) async fn part(
    bridge: &Bridge,
    prepared: &Prepared,
    brake: &Brake,
    tried: &Tried,
    is_asked: fn(Why) -> bool,
) -> Result<Tried, SyncError> {
    let mut entries = Entries::new(bridge, prepared, Object::Lead);
    let with_roles = if brake.stops(Harm::RoleRemovals) { with_roles(bridge).await? } else { BTreeSet::new() };
    let (unlink, delete) = (Vec::new(), Vec::new());
    let mut parter =
        Parter { bridge, prepared, brake, breaker: Arc::default(), with_roles, maybe_sent: None, unlink, delete, tried: Tried::new() };
    while let Some(mut page) = entries.next().await? {
        page.retain(|(entry, why)| is_asked(*why) && !tried.contains(&entry.record));
        if !page.is_empty() {
            parter.sort(page).await?;
            parter.send_full(super::PAGE).await?;
        }
    }
    parter.send_full(1).await?;
    Ok(parter.tried)
}

/// Takes our keys from the people of rows that are deleted, before others are sent: one of those may be the same person, and finds it free.
/// Gives those of whom that was tried in vain.
pub(in crate::push) async fn unlink_deleted(bridge: &Bridge, prepared: &Prepared, brake: &Brake) -> Result<Tried, SyncError> {
    if bridge.options.on_delete.person != PersonParting::Unlink || bridge.store.list::<PersonIndex>(&[], None, 1).await?.is_empty() {
        return Ok(Tried::new());
    }
    part(bridge, prepared, brake, &Tried::new(), |why| why == Why::Deleted).await
}

async fn with_roles(bridge: &Bridge) -> Result<BTreeSet<i64>, SyncError> {
    let mut roles = bridge.store.pages::<Role>(Vec::new(), ROLES);
    let mut persons = BTreeSet::new();
    loop {
        let page = roles.next_page().await?;
        if page.is_empty() {
            return Ok(persons);
        }
        persons.extend(page.iter().map(|role| role.lead_id));
    }
}

struct Parter<'a> {
    bridge: &'a Bridge,
    prepared: &'a Prepared,
    brake: &'a Brake,
    breaker: Arc<Breaker>,
    /// Persons of whom Marketo has roles; asked for only while role removals are stopped.
    with_roles: BTreeSet<i64>,
    /// Read when first needed.
    maybe_sent: Option<MaybeSent>,
    unlink: Vec<Leaving>,
    delete: Vec<Leaving>,
    tried: Tried,
}

impl Parter<'_> {
    async fn sort(&mut self, page: Vec<(Outbox, Why)>) -> Result<(), SyncError> {
        let bridge = self.bridge;
        let links = load_links(bridge, &page.iter().map(|(entry, _)| entry.record).collect()).await?;
        let persons: Vec<i64> = links.values().filter_map(|link| link.marketo_id).collect();
        let holders = holders(bridge, &persons).await?;
        let mut batch = Batch::new();
        let mut unknown = Vec::new();
        for (entry, why) in page {
            let link = links.get(&entry.record).cloned().unwrap_or_else(|| Link::new(entry.record));
            // Something in scope refers to it by now: it is being read again.
            if why == Why::Left && link.flags.has(LinkFlags::WANTED) {
                continue;
            }
            match link.marketo_id.filter(|_| link.is_confirmed()) {
                Some(id) if holders.get(&id).is_some_and(|holder| *holder != entry.record) => {
                    self.give_way(holders[&id], &entry, &link, &mut batch).await?;
                }
                Some(id) => self.place(self.leaving(entry, link, id, why), &mut batch),
                None => unknown.push((entry, link, why)),
            }
        }
        self.look_up(unknown, &mut batch).await?;
        bridge.commit(batch).await
    }

    /// Somebody else's by now: that one's key is asked for again, and nothing is left to part with.
    async fn give_way(&self, holder: RecordId, entry: &Outbox, link: &Link, batch: &mut Batch) -> Result<(), SyncError> {
        batch.remove::<Outbox>(entry.key());
        batch.put(&retired(link));
        if let Some(mut theirs) = load_links(self.bridge, &BTreeSet::from([holder])).await?.remove(&holder) {
            theirs.flags = theirs.flags.with(LinkFlags::KEY_IN_DOUBT, true);
            batch.put(&theirs);
            batch.put(&Refetch { record: holder });
        }
        Ok(())
    }

    fn leaving(&self, entry: Outbox, link: Link, id: i64, why: Why) -> Leaving {
        Leaving { entry, link, id, parted: parting(self.bridge, Object::Lead, why), key_field: self.prepared.person_key.clone() }
    }

    fn place(&mut self, leaving: Leaving, batch: &mut Batch) {
        match leaving.parted {
            Parted::Kept => {
                self.bridge.count(|summary| summary.pushed(Object::Lead).kept += 1);
                batch.remove::<Outbox>(leaving.entry.key());
            }
            Parted::Unlinked if !self.brake.stops(Harm::Unlinks) => self.unlink.push(leaving),
            // Marketo would take its roles along, of which the brake says that they stay.
            Parted::Deleted if self.brake.stops(Harm::RoleRemovals) && self.with_roles.contains(&leaving.id) => {}
            Parted::Deleted if !self.brake.stops(Harm::PersonDeletions) => self.delete.push(leaving),
            Parted::Unlinked | Parted::Deleted => {}
        }
    }

    /// One whose creation was never answered may be there all the same.
    async fn look_up(&mut self, unknown: Vec<(Outbox, Link, Why)>, batch: &mut Batch) -> Result<(), SyncError> {
        if unknown.is_empty() {
            return Ok(());
        }
        let maybe_sent = match self.maybe_sent.take() {
            Some(maybe_sent) => maybe_sent,
            None => maybe_sent(self.bridge).await?,
        };
        let (open, settled): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|(entry, _, _)| maybe_sent.contains(&entry.key()));
        self.maybe_sent = Some(maybe_sent);
        settled.iter().for_each(|(entry, _, _)| batch.remove::<Outbox>(entry.key()));
        let found = by_key(self.bridge, self.prepared, open.iter().map(|(entry, _, _)| entry.record.id).collect()).await?;
        let holders = holders(self.bridge, &found.values().copied().collect::<Vec<_>>()).await?;
        for (entry, link, why) in open {
            match found.get(&entry.record.id) {
                // A new key that was sent to it without an answer.
                Some(id) if holders.get(id).is_some_and(|holder| *holder != entry.record) => {
                    self.give_way(holders[id], &entry, &link, batch).await?;
                }
                Some(id) => self.place(self.leaving(entry, link, *id, why), batch),
                None => batch.remove::<Outbox>(entry.key()),
            }
        }
        Ok(())
    }

    async fn send_full(&mut self, at_least: usize) -> Result<(), SyncError> {
        for (parted, waiting) in [(Parted::Unlinked, std::mem::take(&mut self.unlink)), (Parted::Deleted, std::mem::take(&mut self.delete))]
        {
            let mut waiting = waiting;
            while waiting.len() >= at_least {
                let rest = waiting.split_off(waiting.len().min(super::PAGE));
                self.send(parted, std::mem::replace(&mut waiting, rest)).await?;
            }
            match parted {
                Parted::Unlinked => self.unlink = waiting,
                Parted::Deleted | Parted::Kept => self.delete = waiting,
            }
        }
        Ok(())
    }

    async fn send(&mut self, parted: Parted, batch: Vec<Leaving>) -> Result<(), SyncError> {
        let (bridge, prepared) = (self.bridge, self.prepared);
        let call = |batch: &[Leaving]| {
            let ids: Vec<i64> = batch.iter().map(|leaving| leaving.id).collect();
            async move {
                match parted {
                    Parted::Deleted => bridge.marketo.delete_people(ids).await,
                    Parted::Unlinked | Parted::Kept => {
                        let records = ids.into_iter().map(|id| unlinked(prepared, id)).collect();
                        bridge.marketo.sync_people(SyncMode::UpdateOnly, "id", records).await
                    }
                }
            }
        };
        let sent = send(bridge, self.breaker.clone(), true, batch, call).await;
        let now = bridge.clock.now();
        let mut batch = Batch::new();
        sent.intent.close(&mut batch);
        let mut dead = BTreeSet::new();
        for (leaving, fate) in sent.fates {
            match fate {
                Fate::Confirmed { .. } => self.parted(leaving, parted, &mut dead, &mut batch),
                Fate::Refused(failure) if failure.code == "1004" => {
                    batch.put(&lost::note(leaving.id, now));
                    self.parted(leaving, Parted::Deleted, &mut BTreeSet::new(), &mut batch);
                }
                Fate::Refused(failure) | Fate::Unknown(Some(failure)) => {
                    self.tried.insert(leaving.entry.record);
                    refuse(bridge, &leaving.entry, &failure, Vec::new(), now, &mut batch).await?;
                }
                Fate::Unknown(None) => {}
            }
        }
        bridge.commit(batch).await?;
        pass_on_roles(bridge, &dead.into_iter().map(|person| (person, None)).collect()).await?;
        sent.stop.map_or(Ok(()), Err)
    }

    fn parted(&self, leaving: Leaving, parted: Parted, dead: &mut BTreeSet<i64>, batch: &mut Batch) {
        batch.remove::<Outbox>(leaving.entry.key());
        tracing::info!(record = %leaving.entry.record, person = leaving.id, ?parted, "parted with");
        let mut link = leaving.link;
        link.marketo_id = Some(leaving.id);
        forget(link, parted, batch);
        self.bridge.count(|summary| {
            let line = summary.pushed(Object::Lead);
            match parted {
                Parted::Unlinked => line.unlinked += 1,
                Parted::Deleted | Parted::Kept => line.removed += 1,
            }
        });
        if parted == Parted::Deleted {
            dead.insert(leaving.id);
        }
    }
}

/// The update that takes our keys from a person.
fn unlinked(prepared: &Prepared, id: i64) -> Map<String, Value> {
    let keys = std::iter::once(prepared.person_key.clone()).chain(prepared.second_person_key.clone());
    keys.map(|key| (key, Value::Null)).chain([("id".to_owned(), id.into())]).collect()
}

/// Unlinks or deletes these persons, at once and without a note: for one record, on request.
pub(crate) async fn take_out(bridge: &Bridge, prepared: &Prepared, persons: &[i64], how: PersonParting) -> Result<(), CallError> {
    for chunk in persons.chunks(super::PAGE) {
        let verdicts = match how {
            PersonParting::Keep => return Ok(()),
            PersonParting::Delete => bridge.marketo.delete_people(chunk.to_vec()).await?,
            PersonParting::Unlink => {
                let records = chunk.iter().map(|id| unlinked(prepared, *id)).collect();
                bridge.marketo.sync_people(SyncMode::UpdateOnly, "id", records).await?
            }
        };
        if let Some(bad) = verdicts.into_iter().find(|verdict| !verdict.confirmed && verdict.code != "1004") {
            let (code, message) = (bad.code, bad.message);
            return Err(Refusal { status: 200, code, message, class: Class::Record, wait: None, request_id: None }.into());
        }
    }
    Ok(())
}

/// The Marketo ids of people by their external id, of those that exactly one has.
pub(in crate::push) async fn by_key(bridge: &Bridge, prepared: &Prepared, ids: Vec<Guid>) -> Result<BTreeMap<Guid, i64>, SyncError> {
    let key = &prepared.person_key;
    let mut met: BTreeMap<Guid, Vec<i64>> = BTreeMap::new();
    for chunk in ids.chunks(super::PAGE) {
        let values = chunk.iter().map(Guid::to_string).collect();
        let found = bridge.marketo.people(key, values, &["id".to_owned(), key.clone()]).await;
        for person in found.map_err(|error| SyncError::of_call(Side::Marketo, error))?.people {
            if let Some(id) = person_guid(&person, key) {
                met.entry(id).or_default().push(person.id);
            }
        }
    }
    Ok(met.into_iter().filter_map(|(id, persons)| (persons.len() == 1).then(|| (id, persons[0]))).collect())
}

fn person_guid(person: &Person, key: &str) -> Option<Guid> {
    person.text(key)?.parse().ok()
}
