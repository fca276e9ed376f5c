//! Who was merged into is read back: its key and links are made right, and what it has taken over from the other is ours to correct.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table};
use planner::{Fingerprints, diff::after_merge, identity::Person};
use store::{
    Batch, Record, StoreExt,
    record::{Link, LinkFlags, MsiDue, Outbox, Refetch, role::SourceBy},
};

use crate::{
    bridge::Bridge,
    capture::dirty_by,
    chain::{self, Follow},
    error::{Side, SyncError},
    prepare::Prepared,
    push::{gate::load_links, person_calls::fields},
    task::{Join, Task},
};

/// People read in one call (Adobe, "Leads": filter values).
const AT_ONCE: usize = 300;

/// A survivor, and the joinings that ended with it.
type Survivors = BTreeMap<RecordId, Vec<(Outbox, Join)>>;

/// Reads back all survivors of merges, of this cycle or of one that was cut off.
pub(super) async fn read_back(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    let mut survivors = Survivors::new();
    let mut entries = bridge.store.pages::<Outbox>(vec![Object::Lead.code()], 1_000);
    loop {
        let page = entries.next_page().await?;
        let ended = page.is_empty();
        let mut merged = Vec::new();
        for entry in page {
            if let Task::Join(join @ Join::Merged { survivor, .. }) = Task::of(&entry)? {
                merged.push((entry, survivor, join));
            }
        }
        let starts = merged.iter().flat_map(|(entry, survivor, _)| [entry.record, *survivor]).collect();
        let ends = chain::ends(bridge, starts, Follow::All).await?;
        let mut batch = Batch::new();
        for (entry, survivor, join) in merged {
            let end = ends.get(&entry.record).copied().unwrap_or_else(|| {
                // It stands for nobody any more: what it is now is read again, and who it was merged into is read back all the same.
                batch.put(&Refetch { record: entry.record });
                ends.get(&survivor).copied().unwrap_or(survivor)
            });
            survivors.entry(end).or_default().push((entry, join));
        }
        bridge.commit(batch).await?;
        while survivors.len() >= AT_ONCE || ended && !survivors.is_empty() {
            let rest = match survivors.keys().nth(AT_ONCE).copied() {
                Some(first) => survivors.split_off(&first),
                None => Survivors::new(),
            };
            settle(bridge, prepared, std::mem::replace(&mut survivors, rest)).await?;
        }
        if ended {
            return Ok(());
        }
    }
}

async fn settle(bridge: &Bridge, prepared: &Prepared, survivors: Survivors) -> Result<(), SyncError> {
    let links = load_links(bridge, &survivors.keys().copied().collect()).await?;
    let ids: Vec<String> = links.values().filter_map(|link| link.marketo_id).map(|id| id.to_string()).collect();
    let found = bridge.marketo.people("id", ids, &fields(prepared, &prepared.person_key)).await;
    let found = found.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
    let people: BTreeMap<i64, Person> = found.people.into_iter().map(|person| (person.id, person)).collect();
    let mut batch = Batch::new();
    let mut contacts = BTreeSet::new();
    for (record, joinings) in survivors {
        let link = links.get(&record);
        let person = link.and_then(|link| people.get(&link.marketo_id?));
        let settled = match (link, person) {
            (Some(link), Some(person)) => {
                one(prepared, link, person, joinings.iter().filter_map(|(_, join)| join.confirmed()).collect(), &mut batch)?;
                true
            }
            // It is being looked for again, and is then compared as a whole; Marketo's index may also lag behind, until the next cycle.
            (Some(link), None) => !link.is_confirmed(),
            (None, _) => true,
        };
        let records = joinings.iter().map(|(entry, _)| entry.record).chain([record]);
        contacts.extend(records.filter(|record| record.table == Table::Contact).map(|record| record.id));
        if settled {
            joinings.iter().for_each(|(entry, _)| batch.remove::<Outbox>(entry.key()));
        }
    }
    // Before the commit that ends the joinings: a process that dies in between does it again.
    for contact in contacts {
        dirty_by(bridge, SourceBy::Contact, contact).await?;
    }
    bridge.commit(batch).await
}

fn one(prepared: &Prepared, link: &Link, person: &Person, merged: Vec<Fingerprints>, batch: &mut Batch) -> Result<(), SyncError> {
    let map = prepared.map(link.record.table)?;
    let before = Fingerprints::read(&link.confirmed);
    let after = after_merge(map, &before, &merged, &person.record, prepared.key);
    let holds_our_key = std::iter::once(&prepared.person_key)
        .chain(&prepared.second_person_key)
        .all(|key| person.text(key).and_then(|text| text.parse::<Guid>().ok()) == Some(link.record.id));
    let mut changed = link.clone();
    changed.confirmed = after.write();
    changed.flags = changed.flags.with(LinkFlags::KEY_IN_DOUBT, !holds_our_key);
    if changed != *link {
        batch.put(&changed);
        batch.put(&Refetch { record: link.record });
    }
    batch.put(&MsiDue { record: link.record });
    Ok(())
}
