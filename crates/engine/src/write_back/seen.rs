//! Sales Insight fields of people who were read for another reason: nobody is read twice.

use planner::Fingerprints;
use serde_json::{Map, Value};
use store::{
    Batch, Record,
    record::{Link, MsiDue},
};

use super::{
    round::write_rows,
    rows::{Write, may_write},
};
use crate::{bridge::Bridge, error::SyncError, prepare::Prepared, share::Share};

/// A row that differs from what was read.
#[derive(Debug)]
pub(crate) struct Seen(Write);

/// The fields that go back.
pub(crate) fn fields(prepared: &Prepared) -> impl Iterator<Item = String> {
    prepared.tables.values().flat_map(|plan| plan.msi.targets.iter().map(|(_, name, _)| name.clone()))
}

/// Compares a person who has just been linked: one whose row is right leaves the list of those that are due, one whose row isn't is given back, to be
/// written once the link is saved.
///
/// # Errors
/// When the record's table has no plan.
pub(crate) fn seen(
    bridge: &Bridge,
    prepared: &Prepared,
    link: Link,
    person: &Map<String, Value>,
    batch: &mut Batch,
) -> Result<Option<Seen>, SyncError> {
    let plan = prepared.table(link.record.table)?;
    if !bridge.options.write_back.enabled || plan.msi.targets.is_empty() || !may_write(bridge, &link) {
        return Ok(None);
    }
    let (changes, after) = plan.msi.difference(person, &Fingerprints::read(&link.msi), prepared.key);
    let is_right = changes.is_empty();
    if is_right {
        batch.remove::<MsiDue>(MsiDue { record: link.record }.key());
    }
    bridge.count(|summary| {
        summary.written_back.read += 1;
        summary.written_back.unchanged += u64::from(is_right);
    });
    Ok((!is_right).then_some(Seen(Write { link, changes, after })))
}

/// Writes rows. What can't be written now stays on the list of those that are due, and is read and written with the others.
pub(crate) async fn save_seen(bridge: &Bridge, prepared: &Prepared, seen: Vec<Seen>) {
    if seen.is_empty() {
        return;
    }
    // Moments are being written: nobody waits for them here.
    let Ok(_turn) = bridge.writing_back.try_lock() else { return };
    let rows = seen.into_iter().map(|Seen(write)| write).collect();
    if let Err(error) = write_rows(&bridge.beside(Share::WriteBack).unwatched(), prepared, rows).await {
        tracing::info!(%error, "Sales Insight fields are written later");
    }
}
