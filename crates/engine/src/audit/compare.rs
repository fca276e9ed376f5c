//! What is expected against what Marketo holds now.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table};
use planner::{
    Fingerprints, Row,
    diff::{Known, change},
};
use serde_json::{Map, Value};

use super::{
    expected::Expected,
    report::{Difference, Kind},
};
use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    marketo::key_field,
    prepare::{Prepared, TablePlan},
};

/// Values in one query (Adobe, "Lead database": filter values).
pub(super) const VALUES_MAX: usize = 300;

/// What Marketo holds of some records.
pub(super) type Held = BTreeMap<Guid, Vec<Map<String, Value>>>;

/// What of a chunk was found to be otherwise, and what Marketo holds of it.
pub(super) struct Compared {
    pub(super) differences: Vec<Difference>,
    pub(super) held: Held,
    /// Persons that hold the key of a record which another person is, with the fields in which they hold it.
    pub(super) surplus: Vec<(i64, Vec<String>)>,
}

/// Compares up to [`VALUES_MAX`] records of one table.
pub(super) async fn compare(bridge: &Bridge, prepared: &Prepared, plan: &TablePlan, expected: &[Expected]) -> Result<Compared, SyncError> {
    let table = plan.table.table;
    let object = table.object().unwrap_or(Object::Lead);
    let key = if object == Object::Lead { prepared.person_key.as_str() } else { key_field(object) };
    let fields = fields(prepared, plan, object, key);
    let held = held(bridge, object, key, &fields, expected.iter().map(|expected| expected.record.id).collect()).await?;
    let known = known_elsewhere(bridge, object, &fields, expected, &held).await?;
    let (mut differences, mut surplus) = (Vec::new(), Vec::new());
    for expected in expected.iter().filter(|expected| !expected.is_pending) {
        let found = held.get(&expected.record.id).map_or(&[][..], Vec::as_slice);
        let tell = |kind, marketo_id, detail: String| Difference {
            kind,
            object,
            record: expected.record,
            marketo_id,
            detail,
            owner: expected.desired.owner,
        };
        let Some(record) = found.first() else {
            let elsewhere = expected.link.as_ref().and_then(|link| link.marketo_id).filter(|id| known.contains(id));
            let kind = if elsewhere.is_some() { Kind::KeyDiffers } else { Kind::Missing };
            differences.push(tell(kind, elsewhere, String::new()));
            continue;
        };
        let id = (object == Object::Lead).then(|| id_of(record)).flatten();
        if found.len() > 1 {
            let ids: BTreeSet<i64> = found.iter().filter_map(id_of).collect();
            let own = expected.link.as_ref().and_then(|link| link.marketo_id).filter(|id| ids.contains(id));
            let others: Vec<String> = ids.iter().filter(|id| Some(**id) != own).map(ToString::to_string).collect();
            differences.push(tell(Kind::Duplicate, own, others.join(" ")));
            // Where we don't know which of them it is, people have to decide.
            let surplus_of = |record: &&Map<String, Value>| own.is_some() && id_of(record) != own;
            surplus.extend(found.iter().filter(surplus_of).filter_map(|record| surplus_keys(prepared, expected.record.id, record)));
            continue;
        }
        if let Some(known) = expected.link.as_ref().and_then(|link| link.marketo_id).filter(|known| id.is_some_and(|id| id != *known)) {
            differences.push(tell(Kind::KeyDiffers, id, format!("known as {known}")));
            continue;
        }
        let stored = record.get(key).and_then(Value::as_str).unwrap_or_default();
        // Keys of companies, sales persons and opportunities can't be written anew: they are used as they are stored.
        if object == Object::Lead && stored != expected.record.id.to_string() {
            differences.push(tell(Kind::KeySpelling, id, key.to_owned()));
        }
        let map = prepared.map(table)?;
        let change = change(map, &expected.desired, &Fingerprints::default(), prepared.key, Known::Current(record));
        if change.owner.is_some() {
            differences.push(tell(Kind::Owner, id, "externalSalesPersonId".into()));
        }
        if change.company.is_some() {
            differences.push(tell(Kind::Company, id, "externalCompanyId".into()));
        }
        if !change.fields.is_empty() {
            differences.push(tell(Kind::Fields, id, change.fields.keys().cloned().collect::<Vec<_>>().join(" ")));
        }
        if let Some(columns) = write_back(bridge, prepared, plan, expected, record) {
            differences.push(tell(Kind::WriteBack, id, columns));
        }
    }
    Ok(Compared { differences, held, surplus })
}

/// The fields in which a person holds a key that isn't its own.
fn surplus_keys(prepared: &Prepared, key: Guid, record: &Map<String, Value>) -> Option<(i64, Vec<String>)> {
    let fields = [Some(&prepared.person_key), prepared.second_person_key.as_ref()].into_iter().flatten();
    let holds = |field: &&String| record.get(*field).and_then(Value::as_str).and_then(|text| text.trim().parse::<Guid>().ok()) == Some(key);
    Some((id_of(record)?, fields.filter(holds).cloned().collect()))
}

/// The Sales Insight columns that hold something else than Marketo.
fn write_back(bridge: &Bridge, prepared: &Prepared, plan: &TablePlan, expected: &Expected, person: &Map<String, Value>) -> Option<String> {
    let row = Row(&expected.row);
    let is_written = bridge.options.write_back.enabled && !plan.msi.targets.is_empty();
    if !is_written || planner::reference::is_closed_lead(plan.table.table, row) {
        return None;
    }
    let there = plan.msi.fingerprints(row, prepared.key);
    let (changes, _) = plan.msi.difference(person, &there, prepared.key);
    (!changes.is_empty()).then(|| changes.keys().cloned().collect::<Vec<_>>().join(" "))
}

fn fields(prepared: &Prepared, plan: &TablePlan, object: Object, key: &str) -> Vec<String> {
    let mut fields = BTreeSet::from([key.to_owned()]);
    if object == Object::Lead {
        fields.insert("id".into());
        fields.extend(prepared.second_person_key.clone());
        fields.extend(plan.msi.targets.iter().map(|(_, name, _)| name.clone()));
    }
    let schema = prepared.objects.get(&object).map(|schema| &schema.fields);
    let links = ["externalSalesPersonId", "externalCompanyId"].into_iter().filter(|_| object != Object::SalesPerson);
    fields.extend(links.filter(|field| schema.is_some_and(|schema| schema.field(field).is_some())).map(str::to_owned));
    fields.extend(plan.map.iter().flat_map(|map| map.rules.iter().map(|rule| rule.target.name.clone())));
    fields.into_iter().collect()
}

/// What Marketo holds under these keys: in their canonical spelling, and where it has nothing, in any other.
pub(super) async fn held(bridge: &Bridge, object: Object, key: &str, fields: &[String], ids: Vec<Guid>) -> Result<Held, SyncError> {
    let ids: BTreeSet<Guid> = ids.into_iter().collect();
    let mut held = Held::new();
    ask(bridge, object, key, fields, ids.iter().map(Guid::to_string).collect(), &mut held).await?;
    // Most deals have no role, and what they have is under the key that their deal is found by.
    let may_be_spelt = object != Object::Role;
    let missing: Vec<Guid> = ids.iter().copied().filter(|id| may_be_spelt && !held.contains_key(id)).collect();
    for chunk in missing.chunks(VALUES_MAX / 5) {
        let others = chunk.iter().flat_map(|id| id.spellings().into_iter().filter(|spelling| *spelling != id.to_string()));
        ask(bridge, object, key, fields, others.collect(), &mut held).await?;
    }
    Ok(held)
}

async fn ask(bridge: &Bridge, object: Object, key: &str, fields: &[String], values: Vec<String>, held: &mut Held) -> Result<(), SyncError> {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let found = bridge.marketo.query(object, key, values, &fields).await.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
    for record in found {
        if let Some(Ok(id)) = record.get(key).and_then(Value::as_str).map(|text| text.trim().parse::<Guid>()) {
            held.entry(id).or_default().push(record);
        }
    }
    Ok(())
}

/// Which of the persons that we know are in Marketo under another key than their own.
async fn known_elsewhere(
    bridge: &Bridge,
    object: Object,
    fields: &[String],
    expected: &[Expected],
    held: &Held,
) -> Result<BTreeSet<i64>, SyncError> {
    let unmet = expected.iter().filter(|expected| !expected.is_pending && !held.contains_key(&expected.record.id));
    let ids: Vec<String> = unmet.filter_map(|expected| expected.link.as_ref()?.marketo_id).map(|id| id.to_string()).collect();
    if object != Object::Lead || ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found = bridge.marketo.people("id", ids, fields).await.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
    Ok(found.people.into_iter().map(|person| person.id).collect())
}

pub(super) fn id_of(record: &Map<String, Value>) -> Option<i64> {
    record.get("id").and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok()))
}

/// Whether a record is in Marketo at all.
pub(super) fn is_there(held: &Held, id: Guid) -> bool {
    held.contains_key(&id)
}

/// A difference of an opportunity's role.
pub(super) fn role(kind: Kind, opportunity: Guid, marketo_id: Option<i64>, text: String, owner: Option<Guid>) -> Difference {
    Difference { kind, object: Object::Role, record: RecordId::new(Table::Opportunity, opportunity), marketo_id, detail: text, owner }
}
