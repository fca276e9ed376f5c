//! Rows in and out: `load` and `snapshot`.

use std::collections::BTreeMap;

use base::Timestamp;
use marketo_emulator::Object;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Call, Side, find};
use crate::Sandbox;

/// The body of `load`: rows by table and by object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Load {
    #[serde(default)]
    dataverse: BTreeMap<String, Vec<Map<String, Value>>>,
    #[serde(default)]
    marketo: BTreeMap<String, Vec<Map<String, Value>>>,
}

/// Tables that a snapshot has, and the order in which `load` fills them: what others refer to first.
pub(super) const TABLES: [&str; 8] = ["systemuser", "team", "connectionrole", "account", "lead", "contact", "opportunity", "connection"];

/// Objects by the names of their paths.
pub(super) const OBJECTS: [(&str, Object); 5] = [
    ("salespersons", Object::SalesPersons),
    ("companies", Object::Companies),
    ("leads", Object::Leads),
    ("opportunities", Object::Opportunities),
    ("roles", Object::Roles),
];

pub(super) fn object(name: &str) -> Result<Object, String> {
    let known = OBJECTS.iter().find(|(known, _)| *known == name).map(|(_, object)| *object);
    known.ok_or_else(|| format!("no object {name}: leads, companies, salespersons, opportunities or roles"))
}

pub(super) fn load(sandbox: &Sandbox, body: Load) -> Answer {
    let now = sandbox.now();
    let mut tables: Vec<_> = body.dataverse.into_iter().collect();
    tables.sort_by_key(|(table, _)| TABLES.iter().position(|known| known == table).unwrap_or(TABLES.len()));
    let mut ids: Map<String, Value> = Map::new();
    {
        let mut dataverse = sandbox.dataverse.state();
        for (table, rows) in tables {
            let made: Result<Vec<Value>, String> = rows
                .into_iter()
                .map(|row| dataverse.insert(&table, row, now).map(|id| json!(id)).map_err(|reason| format!("{table}: {reason}")))
                .collect();
            ids.insert(table, Value::Array(made?));
        }
    }
    let mut objects: Vec<_> = body.marketo.into_iter().collect();
    objects.sort_by_key(|(name, _)| OBJECTS.iter().position(|(known, _)| known == name));
    for (name, records) in objects {
        let object = object(&name)?;
        let made: Result<Vec<Value>, String> = records.into_iter().map(|record| insert(sandbox, object, record, now)).collect();
        ids.insert(name, Value::Array(made?));
    }
    Ok(json!({ "ids": ids }))
}

pub(super) fn insert(sandbox: &Sandbox, object: Object, record: Map<String, Value>, now: Timestamp) -> Answer {
    let mut marketo = sandbox.marketo.state();
    match object {
        Object::Leads => Ok(json!(marketo.insert_lead(record, now))),
        Object::Companies | Object::SalesPersons | Object::Opportunities | Object::Roles => {
            marketo.insert(object, record, now).map(|id| json!(id)).map_err(|reason| reason.to_string())
        }
    }
}

/// Everything, or one side with `?side=`, or one table with `&table=` (a Dataverse table or a Marketo object).
pub(super) fn snapshot(call: &Call) -> Answer {
    let only = find(&call.query, "table");
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let mut sides = Map::new();
    if !call.narrowed || call.side == Side::Dataverse {
        let dataverse = call.sandbox.dataverse.state();
        let mut tables: Map<String, Value> = Map::new();
        // Any table may be asked for by name, also one the sync knows nothing of.
        let asked = only.filter(|_| call.narrowed).map_or_else(|| TABLES.to_vec(), |only| vec![only]);
        for table in asked.into_iter().filter(|table| wanted(table)) {
            tables.insert(table.to_owned(), dataverse.rows(table).map(|(_, row)| Value::Object(row)).collect());
        }
        sides.insert("dataverse".to_owned(), Value::Object(tables));
    }
    if !call.narrowed || call.side == Side::Marketo {
        let marketo = call.sandbox.marketo.state();
        let mut objects: Map<String, Value> = Map::new();
        for (name, object) in OBJECTS.iter().filter(|(name, _)| wanted(name)) {
            let rows = if *object == Object::Leads {
                marketo.leads().map(Value::Object).collect()
            } else {
                marketo.rows(*object).map(Value::Object).collect()
            };
            objects.insert((*name).to_owned(), rows);
        }
        sides.insert("marketo".to_owned(), Value::Object(objects));
    }
    Ok(Value::Object(sides))
}
