//! Whether Marketo still has a record that it refused to update, and what a refused record refers to.
//!
//! What Marketo answers when a record names a sales person, company, person or opportunity that isn't there is documented for one case
//! only (718), and for an update of a record that isn't there for people only (1004). So whenever a refusal may mean that, it is asked for,
//! and what isn't there is sent again.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table};
use store::record::Outbox;

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    marketo::key_field,
    prepare::Prepared,
    push::{
        gate::{Links, load_links},
        part::people::by_key,
    },
};

/// Values in one query (Adobe, "Lead database": filter values).
const VALUES_MAX: usize = 300;

/// Whether a refusal with this code may mean that something the record refers to isn't there: no lead, no object, no sales person, data
/// that don't fit, or no reason given.
pub(super) fn may_be_its_parents(code: &str) -> bool {
    matches!(code, "702" | "718" | "1003" | "1004" | "1013" | "refused")
}

/// Whether the refusal of an update with this code may mean that the record itself isn't there. Not where its data are blamed: what a
/// listing doesn't show yet would be taken for deleted.
pub(super) fn may_be_its_absence(code: &str) -> bool {
    matches!(code, "702" | "1004" | "1013" | "refused")
}

/// Whether a code can mean hardly anything else: with everything there, Marketo's own index may lag behind.
pub(super) fn says_so(code: &str) -> bool {
    matches!(code, "718" | "1004" | "1013")
}

/// Those of `records` that Marketo doesn't have.
pub(super) async fn absent(bridge: &Bridge, records: &BTreeSet<RecordId>) -> Result<BTreeSet<RecordId>, SyncError> {
    let links = load_links(bridge, records).await?;
    let mut absent = BTreeSet::new();
    let mut by_table: BTreeMap<Table, Vec<RecordId>> = BTreeMap::new();
    for record in records {
        by_table.entry(record.table).or_default().push(*record);
    }
    for (table, records) in by_table {
        for chunk in records.chunks(VALUES_MAX) {
            let there = match table.object() {
                Some(Object::Lead) => people_there(bridge, chunk, &links).await?,
                Some(object @ (Object::SalesPerson | Object::Company | Object::Opportunity | Object::Role)) => {
                    keys_there(bridge, object, chunk, &links).await?
                }
                None => continue,
            };
            absent.extend(chunk.iter().filter(|record| !there.contains(&record.id)));
        }
    }
    Ok(absent)
}

/// Whether Marketo has a record of which we have heard nothing, asked for by its key.
pub(crate) async fn has_it(bridge: &Bridge, prepared: &Prepared, entry: &Outbox) -> Result<bool, SyncError> {
    match entry.object {
        Object::Lead => Ok(!by_key(bridge, prepared, vec![entry.record.id]).await?.is_empty()),
        Object::SalesPerson | Object::Company | Object::Opportunity | Object::Role => {
            Ok(absent(bridge, &BTreeSet::from([entry.record])).await?.is_empty())
        }
    }
}

async fn keys_there(bridge: &Bridge, object: Object, records: &[RecordId], links: &Links) -> Result<BTreeSet<Guid>, SyncError> {
    let field = key_field(object);
    let values = records.iter().map(|record| links.get(record).map_or_else(|| record.id.to_string(), |link| link.reference())).collect();
    let found = bridge.marketo.query(object, field, values, &[field]).await.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
    Ok(found.iter().filter_map(|record| record.get(field)?.as_str()?.trim().parse().ok()).collect())
}

async fn people_there(bridge: &Bridge, records: &[RecordId], links: &Links) -> Result<BTreeSet<Guid>, SyncError> {
    let ids: BTreeMap<i64, Guid> = records.iter().filter_map(|record| Some((links.get(record)?.marketo_id?, record.id))).collect();
    let values = ids.keys().map(ToString::to_string).collect();
    let found = bridge.marketo.people("id", values, &["id".to_owned()]).await.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
    Ok(found.people.iter().filter_map(|person| ids.get(&person.id).copied()).collect())
}
