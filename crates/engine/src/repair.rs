//! Records of which Marketo may hold something else than was confirmed: everything of them is compared and sent again.
//!
//! Nothing is guessed and nothing of it is a deletion: a person is read before it is written, the other objects are written by their own key, and a
//! field that was never sent isn't blanked.

use std::collections::BTreeMap;

use base::{Object, RecordId, Table};
use planner::Fingerprints;
use store::{
    Batch, StoreExt,
    record::{DirtyRoles, Link, LinkFlags, MsiUrgent, Refetch, Role},
};

use crate::{bridge::Bridge, error::SyncError, prepare::Prepared, push::load_links};

/// How much of a record is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// All but whose it is.
    ButOwner,
    /// All of it.
    Whole,
}

/// Records changed in one commit.
const RECORDS: usize = 500;

/// Has these records read again in Dynamics, and compared with Marketo or sent anew. The next push does it.
///
/// # Errors
/// When the state can't be read or written.
pub(crate) async fn doubt(bridge: &Bridge, prepared: &Prepared, records: &BTreeMap<RecordId, Extent>) -> Result<(), SyncError> {
    let extents = records;
    let records: Vec<RecordId> = records.keys().copied().collect();
    for chunk in records.chunks(RECORDS) {
        let _links = bridge.links.lock().await;
        let mut links = load_links(bridge, &chunk.iter().copied().collect()).await?;
        let mut batch = Batch::new();
        for record in chunk {
            batch.put(&Refetch { record: *record });
            if let Some(link) = links.remove(record).filter(Link::is_confirmed) {
                // Whose it is counts as a move for the brake, so that it is sent again only where it differs.
                let but = match extents.get(record) {
                    Some(Extent::ButOwner) => prepared.map(record.table).ok().map(|map| map.owner_slot),
                    Some(Extent::Whole) | None => None,
                };
                doubt_link(link, but, &mut batch);
            }
            if record.table == Table::Opportunity {
                doubt_roles(bridge, *record, &mut batch).await?;
            }
        }
        bridge.commit(batch).await?;
    }
    Ok(())
}

fn doubt_link(mut link: Link, but: Option<u8>, batch: &mut Batch) {
    link.confirmed = Fingerprints::read(&link.confirmed).doubted(but).write();
    if link.record.table.object() == Some(Object::Lead) {
        link.flags = link.flags.with(LinkFlags::KEY_IN_DOUBT, true);
        link.msi = Vec::new();
        batch.put(&MsiUrgent { record: link.record });
    }
    batch.put(&link);
}

async fn doubt_roles(bridge: &Bridge, opportunity: RecordId, batch: &mut Batch) -> Result<(), SyncError> {
    for role in bridge.store.list::<Role>(&Role::of_opportunity(opportunity.id), None, RECORDS).await? {
        batch.put(&Role { in_doubt: true, ..role });
    }
    batch.put(&DirtyRoles { opportunity: opportunity.id });
    Ok(())
}
