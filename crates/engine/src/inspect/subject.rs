//! Who is meant: a GUID, an e-mail address, or Marketo's id of a person.

use std::collections::BTreeSet;

use base::{Guid, RecordId, Table};
use planner::Row;
use store::{
    StoreExt,
    record::{Link, record_key},
};

use super::RECORDS_MAX;
use crate::{
    bridge::Bridge,
    dynamics::Holds,
    error::{Side, SyncError},
    prepare::Prepared,
    push::holders,
};

/// Tables whose rows have a chain, those of people first.
const TABLES: [Table; 5] = [Table::Contact, Table::Lead, Table::Account, Table::Opportunity, Table::SystemUser];

/// The records that are meant; none where nobody knows any.
pub(crate) async fn find(bridge: &Bridge, prepared: &Prepared, asked: &str) -> Result<Vec<RecordId>, SyncError> {
    let asked = asked.trim();
    if let Ok(id) = asked.parse::<Guid>() {
        return Ok(by_guid(bridge, prepared, id).await?.into_iter().collect());
    }
    if let Ok(person) = asked.parse::<i64>() {
        return by_person(bridge, prepared, person).await;
    }
    by_email(bridge, prepared, asked).await
}

/// The table in which a GUID is: by the state, else by asking for it.
async fn by_guid(bridge: &Bridge, prepared: &Prepared, id: Guid) -> Result<Option<RecordId>, SyncError> {
    let keys: Vec<_> = TABLES.iter().map(|table| record_key(RecordId::new(*table, id))).collect();
    let known = bridge.store.read::<Link>(&keys).await?.into_iter().flatten().next();
    if let Some(link) = known {
        return Ok(Some(link.record));
    }
    for table in TABLES {
        let Some(plan) = prepared.tables.get(&table) else { continue };
        let rows = bridge.dynamics.by_ids(&plan.table, std::slice::from_ref(&plan.table.primary_id), &[id]).await;
        if !rows.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows.is_empty() {
            return Ok(Some(RecordId::new(table, id)));
        }
    }
    Ok(None)
}

async fn by_person(bridge: &Bridge, prepared: &Prepared, person: i64) -> Result<Vec<RecordId>, SyncError> {
    if let Some(record) = holders(bridge, &[person]).await?.remove(&person) {
        return Ok(vec![record]);
    }
    let fields = [prepared.person_key.clone()];
    let found = bridge.marketo.people("id", vec![person.to_string()], &fields).await;
    let found = found.map_err(|error| SyncError::of_call(Side::Marketo, error))?.people;
    match found.first().and_then(|person| super::judge::text(&person.record, &prepared.person_key)).map(str::parse::<Guid>) {
        Some(Ok(id)) => Ok(by_guid(bridge, prepared, id).await?.into_iter().collect()),
        Some(Err(_)) | None => Ok(Vec::new()),
    }
}

/// Contacts and leads with this e-mail, in Dynamics and by their keys in Marketo; users where there are none.
async fn by_email(bridge: &Bridge, prepared: &Prepared, email: &str) -> Result<Vec<RecordId>, SyncError> {
    let mut records = BTreeSet::new();
    for (table, column) in [(Table::Contact, "emailaddress1"), (Table::Lead, "emailaddress1"), (Table::SystemUser, "internalemailaddress")]
    {
        let Some(plan) = prepared.tables.get(&table).filter(|plan| plan.table.columns.contains_key(column)) else { continue };
        if table == Table::SystemUser && !records.is_empty() {
            continue;
        }
        let select = std::slice::from_ref(&plan.table.primary_id);
        let rows = bridge.dynamics.holding(&plan.table, select, &[column], Holds::Text(email), RECORDS_MAX).await;
        let rows = rows.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows;
        records.extend(rows.iter().filter_map(|row| Row(row).guid(&plan.table.primary_id)).map(|id| RecordId::new(table, id)));
    }
    if records.is_empty() && !email.contains(',') && email.contains('@') {
        let found = bridge.marketo.people("email", vec![email.to_owned()], std::slice::from_ref(&prepared.person_key)).await;
        for person in found.map_err(|error| SyncError::of_call(Side::Marketo, error))?.people {
            records.extend(by_person(bridge, prepared, person.id).await?);
        }
    }
    Ok(records.into_iter().collect())
}
