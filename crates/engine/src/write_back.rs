//! MSI fields from Marketo to Dynamics (rule R10).
//!
//! Who to look at comes from the activity feed and from every person linked since; what to write comes from a fresh read, compared with
//! what Dynamics was seen to hold. A person leaves the list only when its row is right.

use std::collections::{BTreeMap, BTreeSet};

use base::{RecordId, Table};
use planner::Fingerprints;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{
    Batch, Record, StoreExt,
    record::{Cursor, Link, LinkFlags, MsiDue, PersonIndex},
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

const ACTIVITY_CURSOR: &str = "activities";

/// Activities that change MSI fields: Interesting Moment, Change Score, Merge Leads (Adobe's well-known activity types).
const ACTIVITY_NAMES: [(&str, i64); 3] = [("interesting moment", 46), ("change score", 22), ("merge leads", 32)];

/// Where the activity feed goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The paging token.
    token: String,
    /// The types that are read, looked up by name once.
    types: Vec<i64>,
}

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
    poll_activities(bridge).await?;
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

/// Puts everybody on the list who had an interesting moment or a score change. The first time only the token is taken, because everybody
/// who was linked is on the list already.
async fn poll_activities(bridge: &Bridge) -> Result<(), SyncError> {
    let marketo = |error| SyncError::of_call(Side::Marketo, error);
    let before = bridge.store.read_one::<Cursor>(ACTIVITY_CURSOR.into()).await?;
    let position = before.as_ref().and_then(|cursor| serde_json::from_value::<Position>(cursor.position.clone()).ok());
    let Some(mut position) = position else {
        let token = bridge.marketo.token_since(bridge.clock.now()).await.map_err(marketo)?;
        let types = bridge.marketo.activity_types(&ACTIVITY_NAMES).await.map_err(marketo)?;
        return save_position(bridge, before.as_ref(), &Position { token, types }, Batch::new()).await.map(drop);
    };
    let mut saved = before;
    loop {
        let page = match bridge.marketo.activities(&position.token, &position.types).await {
            Err(error) if is_refused(&error) => return restart(bridge, saved.as_ref(), error).await,
            page => page.map_err(marketo)?,
        };
        let same_place = page.next == position.token;
        let mut batch = Batch::new();
        let keys: Vec<_> = page.leads.iter().collect::<BTreeSet<_>>().into_iter().map(|id| PersonIndex::key_of(*id)).collect();
        for person in bridge.store.read::<PersonIndex>(&keys).await?.into_iter().flatten() {
            batch.put(&MsiDue { record: person.record });
        }
        bridge.count(|summary| summary.written_back.activities += page.count);
        position.token = page.next;
        saved = Some(save_position(bridge, saved.as_ref(), &position, batch).await?);
        if !page.more || same_place {
            return Ok(());
        }
    }
}

async fn save_position(bridge: &Bridge, before: Option<&Cursor>, position: &Position, mut batch: Batch) -> Result<Cursor, SyncError> {
    let cursor = Cursor { name: ACTIVITY_CURSOR.into(), position: serde_json::to_value(position).unwrap_or_default() };
    batch.expect::<Cursor>(cursor.key(), before);
    batch.put(&cursor);
    bridge.commit(batch).await?;
    Ok(cursor)
}

/// Whether the service didn't like what it was asked, rather than being out of reach or out of quota.
fn is_refused(error: &wire::CallError) -> bool {
    use wire::Class;
    matches!(error.class(), Some(Class::Record | Class::Bug | Class::Missing | Class::Config))
}

/// The saved token or the saved types are no longer taken: the feed starts anew from now, and everybody is looked at once. When a fresh
/// token is refused as well, the fault is elsewhere, and nobody is looked at.
async fn restart(bridge: &Bridge, before: Option<&Cursor>, refusal: wire::CallError) -> Result<(), SyncError> {
    let marketo = |error| SyncError::of_call(Side::Marketo, error);
    let token = bridge.marketo.token_since(bridge.clock.now()).await.map_err(marketo)?;
    let types = bridge.marketo.activity_types(&ACTIVITY_NAMES).await.map_err(marketo)?;
    match bridge.marketo.activities(&token, &types).await {
        Err(error) if is_refused(&error) => return Err(marketo(refusal)),
        page => drop(page.map_err(marketo)?),
    }
    tracing::warn!("Marketo no longer takes the activity token; everybody's MSI fields are read once");
    let mut after: Option<Vec<u8>> = None;
    loop {
        let people = bridge.store.list::<PersonIndex>(&[], after.as_deref(), 1_000).await?;
        let Some(last) = people.last() else { break };
        after = Some(last.key());
        let mut batch = Batch::new();
        people.iter().for_each(|person| batch.put(&MsiDue { record: person.record }));
        bridge.commit(batch).await?;
    }
    save_position(bridge, before, &Position { token, types }, Batch::new()).await.map(drop)
}

/// Those of the list whose rows can be written, by Marketo's id; the others leave the list.
async fn writable(bridge: &Bridge, due: &[MsiDue]) -> Result<BTreeMap<i64, Link>, SyncError> {
    let ids: BTreeSet<RecordId> = due.iter().map(|due| due.record).collect();
    let links = load_links(bridge, &ids).await?;
    let mut batch = Batch::new();
    let mut people = BTreeMap::new();
    for due in due {
        let link = links.get(&due.record);
        match link.and_then(|link| link.marketo_id.map(|id| (id, link))) {
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
    bridge.count(|summary| summary.written_back.read += by_person.len() as u64);
    for (id, link) in by_person {
        let plan = prepared.table(link.record.table)?;
        let difference = people.get(&id).map(|person| plan.msi.difference(person, &Fingerprints::read(&link.msi), prepared.key));
        match difference {
            Some((changes, after)) if !changes.is_empty() => writes.push(Write { link, changes, after }),
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
