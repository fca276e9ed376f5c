//! One Marketo record as a line: whose it is, then its fields by name.

use marketo_emulator::Object as Theirs;
use serde_json::{Map, Value};

use crate::names::Names;

/// Fields that Marketo fills by itself, and that say nothing about the bridge.
const OWN: [&str; 11] = [
    "id",
    "seq",
    "createdAt",
    "updatedAt",
    "marketoGUID",
    "leadPartitionId",
    "leadPerson",
    "isLead",
    "isAnonymous",
    "personType",
    "sfdcType",
];

/// The key by which an object's records are called.
fn key(object: Theirs) -> Option<&'static str> {
    match object {
        Theirs::SalesPersons => Some("externalSalesPersonId"),
        Theirs::Companies => Some("externalCompanyId"),
        Theirs::Leads => Some("externalPersonId"),
        Theirs::Opportunities => Some("externalOpportunityId"),
        Theirs::Roles => None,
    }
}

/// A record as it was sent: a person by Marketo's id, where that is how it is addressed.
#[must_use]
pub fn sent(object: Theirs, record: &Map<String, Value>, names: &Names) -> String {
    match record.get("id").and_then(Value::as_i64) {
        Some(id) => format!("{}:{}", names.person_name(id), fields(record, &["id"], names)),
        None => labelled(object, record, names),
    }
}

/// A record as Marketo keeps it.
#[must_use]
pub fn kept(object: Theirs, mut record: Map<String, Value>, names: &Names) -> String {
    let id = record.get("id").and_then(Value::as_i64);
    record.retain(|name, value| !OWN.contains(&name.as_str()) && !value.is_null());
    match (object, id) {
        (Theirs::Leads, Some(id)) => format!("{}:{}", names.person_name(id), fields(&record, &[], names)),
        _ => labelled(object, &record, names),
    }
}

fn labelled(object: Theirs, record: &Map<String, Value>, names: &Names) -> String {
    let key = key(object).unwrap_or_default();
    let label = record.get(key).and_then(Value::as_str).map(|text| match names.shown(text) {
        Some(name) => name,
        // An id that nobody has, made up to find something out.
        None if text.parse::<base::Guid>().is_ok() => "(nobody's id)".to_owned(),
        None => text.to_owned(),
    });
    match label {
        Some(label) => format!("{}:{}", label.trim_start_matches('@'), fields(record, &[key], names)),
        None => fields(record, &[], names).trim_start().to_owned(),
    }
}

fn fields(record: &Map<String, Value>, except: &[&str], names: &Names) -> String {
    record
        .iter()
        .filter(|(name, _)| !except.contains(&name.as_str()))
        .map(|(name, value)| format!(" {}", field(name, value, names)))
        .collect()
}

/// One field; links show whose they are.
fn field(name: &str, given: &Value, names: &Names) -> String {
    let short = match name {
        "externalSalesPersonId" => "owner",
        "externalCompanyId" => "account",
        "leadId" => return format!("person={}", given.as_i64().map_or_else(|| value(given), |id| names.person_name(id))),
        "externalOpportunityId" => "opportunity",
        other => other,
    };
    let shown = given.as_str().and_then(|text| names.shown(text)).unwrap_or_else(|| value(given));
    format!("{short}={shown}")
}

/// A value: texts without quotes where that can't be misread.
#[must_use]
pub fn value(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !text.is_empty() && !text.contains([' ', '=', '"', '\'']) => text.to_owned(),
        Some(_) | None => value.to_string(),
    }
}
