//! MSI fields from Marketo to Dynamics (rule R10).
//!
//! Who to look at comes from [`due`]; what to write comes from a fresh read, compared with what Dynamics was seen to hold. A person leaves
//! the list only when its row is right.

mod due;

pub(crate) use due::everybody;

use std::collections::{BTreeMap, BTreeSet};

use base::{RecordId, Table};
use planner::Fingerprints;
use serde_json::{Map, Value};
use store::{
    Batch, Record, StoreExt,
    record::{Link, LinkFlags, MsiDue},
};

use crate::{
    bridge::Bridge,
    dynamics::RowFate,
    error::{Side, SyncError},
    options::ClosedLeads,
    prepare::Prepared,
    progress::Step,
    push::load_links,
};

/// People read in one call (Adobe, "Leads": filter values).
const PEOPLE_PER_CALL: usize = 300;

/// One person's row to be written.
#[derive(Debug, Clone)]
struct Write {
    link: Link,
    changes: Map<String, Value>,
    after: Fingerprints,
}

/// Brings the MSI columns up to date.
///
/// # Errors
/// When a side can't be reached or the state can't be written. What was written is saved.
pub async fn write_back(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    if !bridge.options.write_back.enabled {
        return Ok(());
    }
    due::from_the_map(bridge, prepared).await?;
    due::from_the_sweep(bridge).await?;
    if prepared.tables.values().all(|plan| plan.msi.targets.is_empty()) {
        // Who is on the list stays there until there is a column to write to.
        return Ok(());
    }
    let total = bridge.store.count(MsiDue::FAMILY, &[]).await?;
    let rows = usize::try_from(bridge.options.write_back.rows_per_message).unwrap_or(1).max(1);
    let mut after: Option<Vec<u8>> = None;
    let mut people: BTreeMap<i64, Link> = BTreeMap::new();
    let mut waiting: BTreeMap<Table, Vec<Write>> = BTreeMap::new();
    let (mut looked, mut written, mut exhausted) = (0, 0, false);
    while !exhausted || !people.is_empty() {
        // Reads are full: who can't be written to costs no part of a call.
        while !exhausted && people.len() < PEOPLE_PER_CALL {
            let due = bridge.store.list::<MsiDue>(&[], after.as_deref(), PEOPLE_PER_CALL - people.len()).await?;
            exhausted = due.is_empty();
            after = due.last().map(Record::key).or(after);
            looked += due.len() as u64;
            people.extend(writable(bridge, &due).await?);
        }
        for write in compare(bridge, prepared, std::mem::take(&mut people)).await? {
            waiting.entry(write.link.record.table).or_default().push(write);
        }
        for (table, writes) in &mut waiting {
            while writes.len() >= rows {
                let batch: Vec<Write> = writes.drain(..rows).collect();
                written += save_rows(bridge, prepared, *table, batch).await?;
            }
        }
        bridge.progress.tell(Step::WrittenBack { read: looked, written, total });
    }
    for (table, writes) in waiting {
        for batch in writes.chunks(rows) {
            written += save_rows(bridge, prepared, table, batch.to_vec()).await?;
        }
    }
    bridge.progress.tell(Step::WrittenBack { read: looked, written, total });
    Ok(())
}

/// Those of the list whose rows can be written, by Marketo's id; the others leave the list.
async fn writable(bridge: &Bridge, due: &[MsiDue]) -> Result<BTreeMap<i64, Link>, SyncError> {
    let ids: BTreeSet<RecordId> = due.iter().map(|due| due.record).collect();
    let links = load_links(bridge, &ids).await?;
    let mut batch = Batch::new();
    let mut people = BTreeMap::new();
    for due in due {
        let link = links.get(&due.record);
        match link.filter(|link| link.is_confirmed()).and_then(|link| link.marketo_id.map(|id| (id, link))) {
            Some((id, link)) if may_write(bridge, link) => {
                if let Some(other) = people.insert(id, link.clone()) {
                    batch.remove::<MsiDue>(MsiDue { record: other.record }.key());
                }
            }
            Some((_, link)) => {
                let closed = !link.flags.has(LinkFlags::GONE);
                bridge.count(|summary| summary.written_back.not_writable += u64::from(closed));
                batch.remove::<MsiDue>(due.key());
            }
            None => batch.remove::<MsiDue>(due.key()),
        }
    }
    bridge.commit(batch).await?;
    Ok(people)
}

fn may_write(bridge: &Bridge, link: &Link) -> bool {
    let closed = link.flags.has(LinkFlags::CLOSED);
    let try_closed = bridge.options.write_back.closed_leads == ClosedLeads::Try && !link.flags.has(LinkFlags::NOT_WRITABLE);
    !link.flags.has(LinkFlags::GONE) && (!closed || try_closed)
}

/// Reads people's MSI fields and compares; those whose rows are right leave the list.
async fn compare(bridge: &Bridge, prepared: &Prepared, by_person: BTreeMap<i64, Link>) -> Result<Vec<Write>, SyncError> {
    if by_person.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::new();
    let mut fields = BTreeSet::from(["id".to_owned()]);
    for plan in prepared.tables.values() {
        fields.extend(plan.msi.targets.iter().map(|(_, name, _)| name.clone()));
    }
    let fields: Vec<String> = fields.into_iter().collect();
    let ids = by_person.keys().map(ToString::to_string).collect();
    let found = bridge.marketo.people("id", ids, &fields).await.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
    let people: BTreeMap<i64, Map<String, Value>> = found.people.into_iter().map(|person| (person.id, person.record)).collect();
    let (mut writes, mut unchanged) = (Vec::new(), 0);
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
            None if !absent_again.contains(&link.record) => {}
            Some(_) | None => {
                unchanged += 1;
                batch.remove::<MsiDue>(MsiDue { record: link.record }.key());
            }
        }
    }
    bridge.count(|summary| summary.written_back.unchanged += unchanged);
    bridge.commit(batch).await?;
    Ok(writes)
}

/// Writes rows to one table and saves what became of each; gives how many were written.
async fn save_rows(bridge: &Bridge, prepared: &Prepared, table: Table, writes: Vec<Write>) -> Result<u64, SyncError> {
    let plan = prepared.table(table)?;
    let rows = writes.iter().map(|write| (write.link.record.id, write.changes.clone())).collect();
    let (fates, stop) = bridge.dynamics.write_rows(&plan.table, rows).await;
    let mut batch = Batch::new();
    let mut written = 0;
    for (mut write, fate) in writes.into_iter().zip(fates) {
        let due = MsiDue { record: write.link.record };
        match fate {
            RowFate::Written => {
                written += 1;
                write.link.msi = write.after.write();
                batch.put(&write.link);
                batch.remove::<MsiDue>(due.key());
            }
            RowFate::Gone => batch.remove::<MsiDue>(due.key()),
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
                    batch.remove::<MsiDue>(due.key());
                }
            }
            RowFate::NotTried => {}
        }
    }
    bridge.count(|summary| summary.written_back.written += written);
    bridge.commit(batch).await?;
    match stop {
        Some(error) => Err(SyncError::of_call(Side::Dynamics, error)),
        None => Ok(written),
    }
}
