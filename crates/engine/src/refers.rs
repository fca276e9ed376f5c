//! Who refers to whom in Marketo, as far as what was confirmed tells: links hold no ids of owners and companies, only their fingerprints.

use base::{Guid, Table};
use planner::{FieldMap, FingerprintKey, Fingerprints};
use serde_json::Value;
use store::{
    StoreExt,
    record::{Link, link::links_of},
};

use crate::{bridge::Bridge, error::SyncError, prepare::Prepared};

/// Links read at a time.
const PAGE: usize = 2_000;

/// The fingerprint of an owner or a company.
pub(crate) fn print_of(id: Guid, key: FingerprintKey) -> Option<u64> {
    key.of(&Value::String(id.to_string()))
}

/// Shows every record that Marketo has and that may have an owner or a company, with its map and what was confirmed of it. Reads all of
/// them: for commands, and for what happens seldom.
pub(crate) async fn each(
    bridge: &Bridge,
    prepared: &Prepared,
    mut show: impl FnMut(&FieldMap, Link, &Fingerprints),
) -> Result<(), SyncError> {
    for table in [Table::Account, Table::Lead, Table::Contact, Table::Opportunity] {
        let Ok(map) = prepared.map(table) else { continue };
        let mut links = bridge.store.pages::<Link>(links_of(table), PAGE);
        loop {
            let page = links.next_page().await?;
            if page.is_empty() {
                break;
            }
            for link in page.into_iter().filter(Link::is_confirmed) {
                let confirmed = Fingerprints::read(&link.confirmed);
                show(map, link, &confirmed);
            }
        }
    }
    Ok(())
}
