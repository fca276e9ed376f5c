//! What is read of people, compared with their rows, and what became of the rows.

use std::collections::{BTreeMap, BTreeSet};

use base::RecordId;
use planner::Fingerprints;
use serde_json::{Map, Value};
use store::{
    Batch, StoreExt,
    record::{Link, LinkFlags, MsiDue, MsiUrgent, record_key},
};

use super::{Allowance, due};
use crate::{
    bridge::Bridge, dynamics::RowFate, error::SyncError, marketo::People, options::ClosedLeads, prepare::Prepared, push::load_links,
};

/// One person's row to be written.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) link: Link,
    pub(super) changes: Map<String, Value>,
    pub(super) after: Fingerprints,
}

/// Takes a record from the list. Whoever was urgent is on it since it was taken up: something may happen with it again meanwhile.
fn done(record: RecordId, batch: &mut Batch) {
    batch.remove::<MsiDue>(record_key(record));
}

/// From now on these are due as all others are.
pub(super) async fn take_up(bridge: &Bridge, urgent: &[RecordId]) -> Result<(), SyncError> {
    let mut batch = Batch::new();
    for record in urgent {
        batch.put(&MsiDue { record: *record });
        batch.remove::<MsiUrgent>(record_key(*record));
    }
    bridge.commit(batch).await
}

/// Who was taken up and isn't seen to is urgent again.
pub(super) async fn put_back(bridge: &Bridge, taken_up: &BTreeSet<RecordId>) -> Result<(), SyncError> {
    let keys: Vec<_> = taken_up.iter().map(|record| record_key(*record)).collect();
    let mut batch = Batch::new();
    for due in bridge.store.read::<MsiDue>(&keys).await?.into_iter().flatten() {
        batch.put(&MsiUrgent { record: due.record });
    }
    bridge.commit(batch).await
}

/// Those of the records whose rows can be written, by Marketo's id; the others leave the lists.
pub(super) async fn writable(bridge: &Bridge, due: &[RecordId]) -> Result<BTreeMap<i64, Link>, SyncError> {
    let links = load_links(bridge, &due.iter().copied().collect()).await?;
    let mut batch = Batch::new();
    let mut people = BTreeMap::new();
    for record in due {
        let link = links.get(record);
        match link.filter(|link| link.is_confirmed()).and_then(|link| link.marketo_id.map(|id| (id, link))) {
            Some((id, link)) if may_write(bridge, link) => {
                if let Some(other) = people.insert(id, link.clone()) {
                    done(other.record, &mut batch);
                }
            }
            Some((_, link)) => {
                let closed = !link.flags.has(LinkFlags::GONE);
                bridge.count(|summary| summary.written_back.not_writable += u64::from(closed));
                done(*record, &mut batch);
            }
            None => done(*record, &mut batch),
        }
    }
    bridge.commit(batch).await?;
    Ok(people)
}

pub(super) fn may_write(bridge: &Bridge, link: &Link) -> bool {
    let closed = link.flags.has(LinkFlags::CLOSED);
    let try_closed = bridge.options.write_back.closed_leads == ClosedLeads::Try && !link.flags.has(LinkFlags::NOT_WRITABLE);
    !link.flags.has(LinkFlags::GONE) && (!closed || try_closed)
}

/// Compares people's MSI fields, as they were read, with what Dynamics was seen to hold; those whose rows are right leave the list. Gives what is to be written, and
/// whom Marketo doesn't show yet.
pub(super) async fn compare(
    bridge: &Bridge,
    prepared: &Prepared,
    by_person: BTreeMap<i64, Link>,
    found: People,
) -> Result<(Vec<Write>, Vec<RecordId>), SyncError> {
    let mut batch = Batch::new();
    let people: BTreeMap<i64, Map<String, Value>> = found.people.into_iter().map(|person| (person.id, person.record)).collect();
    let (mut writes, mut staying, mut unchanged) = (Vec::new(), Vec::new(), 0);
    let absent: BTreeSet<RecordId> = by_person.iter().filter(|(id, _)| !people.contains_key(id)).map(|(_, link)| link.record).collect();
    let present: BTreeSet<RecordId> = by_person.values().map(|link| link.record).filter(|record| !absent.contains(record)).collect();
    let absent_again = due::note_absent(bridge, &absent, &present, &mut batch).await?;
    bridge.count(|summary| summary.written_back.read += by_person.len() as u64);
    for (id, link) in by_person {
        let plan = prepared.table(link.record.table)?;
        let difference = people.get(&id).map(|person| plan.msi.difference(person, &Fingerprints::read(&link.msi), prepared.key));
        match difference {
            Some((changes, after)) if !changes.is_empty() => writes.push(Write { link, changes, after }),
            // Marketo's index may lag behind; a person that isn't there the next time either is left to the sweep.
            None if !absent_again.contains(&link.record) => staying.push(link.record),
            Some(_) | None => {
                unchanged += 1;
                done(link.record, &mut batch);
            }
        }
    }
    bridge.count(|summary| summary.written_back.unchanged += unchanged);
    bridge.commit(batch).await?;
    Ok((writes, staying))
}

/// Saves what became of each row; gives how many were written.
pub(super) async fn save(bridge: &Bridge, writes: Vec<Write>, fates: Vec<RowFate>, allowance: &Allowance) -> Result<u64, SyncError> {
    let mut batch = Batch::new();
    let mut written = 0;
    for (mut write, fate) in writes.into_iter().zip(fates) {
        let record = write.link.record;
        match fate {
            RowFate::Written => {
                written += 1;
                write.link.msi = write.after.write();
                batch.put(&write.link);
                done(record, &mut batch);
            }
            RowFate::Gone => done(record, &mut batch),
            RowFate::Refused { code, message } => {
                let closed = write.link.flags.has(LinkFlags::CLOSED);
                // The message may quote the value.
                tracing::info!(record = %write.link.record, code, "Dynamics refused MSI fields");
                tracing::debug!(record = %write.link.record, message);
                bridge.count(|summary| match closed {
                    true => summary.written_back.not_writable += 1,
                    false => *summary.written_back.refused.entry(code).or_default() += 1,
                });
                write.link.flags = write.link.flags.with(LinkFlags::NOT_WRITABLE, closed);
                batch.put(&write.link);
                if closed {
                    done(record, &mut batch);
                }
            }
            RowFate::NotTried => {}
        }
    }
    bridge.count(|summary| summary.written_back.written += written);
    allowance.note(&mut batch);
    bridge.commit(batch).await?;
    Ok(written)
}
