//! Opportunities, companies and sales persons: deleted by their own key, where nothing refers to them any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::{Object, RecordId, Table};
use planner::Harm;
use serde_json::{Map, Value};
use store::{
    Batch, Record, StoreExt,
    record::{Link, LinkFlags, Outbox, Refetch, Role},
};

use super::{Entries, Parted, forget, parting};
use crate::{
    bridge::Bridge,
    error::SyncError,
    marketo::key_field,
    plan::{Asks, What},
    prepare::Prepared,
    push::{
        brake::Brake,
        gate::{load_links, refuse},
        outcome::Breaker,
        pieces::{Fate, Item, send},
    },
    refers,
    task::Why,
};

/// Marketo's refusal to delete what is in use (Adobe, "Error codes").
const IN_USE: &str = "1022";

/// One record to be deleted.
#[derive(Debug, Clone)]
struct Leaving {
    entry: Outbox,
    link: Link,
    key: Map<String, Value>,
}

impl Item for Leaving {
    fn key(&self) -> Vec<u8> {
        self.entry.key()
    }

    fn asks(&self) -> Asks {
        let Self { entry, key, .. } = self;
        Asks { object: entry.object, record: entry.record, part: String::new(), what: What::Remove, person: None, fields: key.clone() }
    }
}

pub(super) async fn part(bridge: &Bridge, prepared: &Prepared, brake: &Brake, object: Object) -> Result<(), SyncError> {
    let mut entries = Entries::new(bridge, prepared, object);
    let breaker = Arc::new(Breaker::default());
    let mut waiting = Vec::new();
    while let Some(page) = entries.next().await? {
        if !page.is_empty() {
            waiting.extend(sort(bridge, prepared, brake, object, page).await?);
        }
        while waiting.len() >= super::PAGE {
            let rest = waiting.split_off(super::PAGE);
            delete(bridge, object, &breaker, std::mem::replace(&mut waiting, rest)).await?;
        }
    }
    match waiting.is_empty() {
        true => Ok(()),
        false => delete(bridge, object, &breaker, waiting).await,
    }
}

/// Those of a page that are to be deleted now; the others are settled.
async fn sort(
    bridge: &Bridge,
    prepared: &Prepared,
    brake: &Brake,
    object: Object,
    page: Vec<(Outbox, Why)>,
) -> Result<Vec<Leaving>, SyncError> {
    let links = load_links(bridge, &page.iter().map(|(entry, _)| entry.record).collect()).await?;
    let referred_to = match object {
        Object::Company | Object::SalesPerson if page.iter().any(|(_, why)| matters(bridge, object, *why)) => {
            referred_to(bridge, prepared, &page).await?
        }
        Object::Company | Object::SalesPerson | Object::Lead | Object::Opportunity | Object::Role => BTreeSet::new(),
    };
    let mut batch = Batch::new();
    let mut leaving = Vec::new();
    for (entry, why) in page {
        let mut link = links.get(&entry.record).cloned().unwrap_or_else(|| Link::new(entry.record));
        let is_referred_to = referred_to.contains(&entry.record);
        if why != Why::Deleted && (link.flags.has(LinkFlags::WANTED) || is_referred_to && bridge.options.policy.by_reference) {
            // What something in scope refers to stays in sync: it is read again.
            link.flags = link.flags.with(LinkFlags::WANTED, true);
            batch.put(&link);
            batch.put(&Refetch { record: entry.record });
            batch.remove::<Outbox>(entry.key());
            continue;
        }
        match parting(bridge, object, why) {
            // What refers to it may itself be about to go, once people let it.
            Parted::Deleted if is_referred_to && brake.stops_anything() => {}
            Parted::Deleted if is_referred_to => keep(bridge, &entry, &mut batch),
            Parted::Deleted if brake.stops(Harm::deletions(object)) || has_roles(bridge, &entry).await? => {}
            Parted::Deleted => {
                let key = [(key_field(object).to_owned(), link.reference().into())].into_iter().collect();
                leaving.push(Leaving { entry, link, key });
            }
            Parted::Kept | Parted::Unlinked => {
                bridge.count(|summary| summary.pushed(object).kept += 1);
                batch.remove::<Outbox>(entry.key());
            }
        }
    }
    bridge.commit(batch).await?;
    Ok(leaving)
}

/// Whether it matters if something refers to them.
fn matters(bridge: &Bridge, object: Object, why: Why) -> bool {
    parting(bridge, object, why) == Parted::Deleted || why != Why::Deleted && bridge.options.policy.by_reference
}

/// It stays in Marketo, because something there refers to it, and people are told.
fn keep(bridge: &Bridge, entry: &Outbox, batch: &mut Batch) {
    tracing::info!(record = %entry.record, "it stays in Marketo, because something there refers to it");
    bridge.count(|summary| {
        summary.pushed(entry.object).kept += 1;
        summary.flag("still-referred-to");
    });
    batch.remove::<Outbox>(entry.key());
}

/// An opportunity goes after its roles.
async fn has_roles(bridge: &Bridge, entry: &Outbox) -> Result<bool, SyncError> {
    if entry.object != Object::Opportunity {
        return Ok(false);
    }
    let roles = bridge.store.list::<Role>(&Role::of_opportunity(entry.record.id), None, 1).await?;
    let wishes = bridge.store.list::<Outbox>(&Outbox::key_of(Object::Role, entry.record.id, ""), None, 1).await?;
    Ok(!roles.is_empty() || !wishes.is_empty())
}

/// Those of these accounts or users to which something that Marketo has refers, as far as our state knows.
async fn referred_to(bridge: &Bridge, prepared: &Prepared, page: &[(Outbox, Why)]) -> Result<BTreeSet<RecordId>, SyncError> {
    let print = |entry: &Outbox| refers::print_of(entry.record.id, prepared.key);
    let asked: BTreeMap<u64, RecordId> = page.iter().filter_map(|(entry, _)| Some((print(entry)?, entry.record))).collect();
    let mut met = BTreeSet::new();
    refers::each(bridge, prepared, |map, link, confirmed| {
        let company = confirmed.get(map.company_slot).filter(|_| link.record.table != Table::Account);
        let named = [confirmed.get(map.owner_slot), company];
        met.extend(named.into_iter().flatten().filter_map(|print| asked.get(&print)).copied());
    })
    .await?;
    Ok(met)
}

async fn delete(bridge: &Bridge, object: Object, breaker: &Arc<Breaker>, batch: Vec<Leaving>) -> Result<(), SyncError> {
    let call = |batch: &[Leaving]| bridge.marketo.remove(object, batch.iter().map(|leaving| leaving.key.clone()).collect());
    let sent = send(bridge, breaker.clone(), true, batch, call).await;
    let now = bridge.clock.now();
    let mut batch = Batch::new();
    sent.intent.close(&mut batch);
    for (leaving, fate) in sent.fates {
        match fate {
            Fate::Confirmed { .. } => deleted(bridge, leaving, &mut batch),
            Fate::Refused(failure) if matches!(failure.code.as_str(), "1013" | "1004") => deleted(bridge, leaving, &mut batch),
            Fate::Refused(failure) if failure.code == IN_USE => keep(bridge, &leaving.entry, &mut batch),
            Fate::Refused(failure) | Fate::Unknown(Some(failure)) => {
                refuse(bridge, &leaving.entry, &failure, Vec::new(), now, &mut batch).await?;
            }
            Fate::Unknown(None) => {}
        }
    }
    bridge.commit(batch).await?;
    sent.stop.map_or(Ok(()), Err)
}

fn deleted(bridge: &Bridge, leaving: Leaving, batch: &mut Batch) {
    let object = leaving.entry.object;
    tracing::info!(record = %leaving.entry.record, object = object.name(), "deleted in Marketo");
    batch.remove::<Outbox>(leaving.entry.key());
    forget(leaving.link, Parted::Deleted, batch);
    bridge.count(|summary| summary.pushed(object).removed += 1);
}
