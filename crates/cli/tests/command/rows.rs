//! What both emulators hold, in a form that two sandboxes can be compared by.
//!
//! Left out is what depends on the moment or on the order of requests: Marketo's own ids, dates of change, versions.

use std::collections::BTreeMap;

use marketo_emulator::Object;
use sandbox::Sandbox;
use serde_json::{Map, Value, json};

const TABLES: [&str; 8] = ["systemuser", "team", "connectionrole", "account", "lead", "contact", "opportunity", "connection"];

const OBJECTS: [(&str, Object); 4] = [
    ("salespersons", Object::SalesPersons),
    ("companies", Object::Companies),
    ("opportunities", Object::Opportunities),
    ("roles", Object::Roles),
];

const FLEETING: [&str; 8] =
    ["id", "marketoGUID", "createdAt", "updatedAt", "versionnumber", "modifiedon", "createdon", "_modifiedby_value"];

/// Everything, by table or object, each in an order of its own.
pub(crate) fn everything(sandbox: &Sandbox) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    {
        let state = sandbox.marketo.state();
        let mut people: BTreeMap<String, Value> = BTreeMap::new();
        let mut leads = Vec::new();
        for lead in state.leads() {
            let who = json!([lead.get("externalPersonId"), lead.get("email")]);
            people.insert(lead.get("id").map(Value::to_string).unwrap_or_default(), who);
            leads.push(lasting(lead));
        }
        all.insert("marketo leads".to_owned(), leads);
        for (name, object) in OBJECTS {
            let rows = state.rows(object).map(|mut row| {
                if let Some(lead) = row.get_mut("leadId") {
                    *lead = people.get(&lead.to_string()).cloned().unwrap_or_default();
                }
                lasting(row)
            });
            all.insert(format!("marketo {name}"), rows.collect());
        }
    }
    let state = sandbox.dataverse.state();
    for table in TABLES {
        all.insert(format!("dynamics {table}"), state.rows(table).map(|(_, row)| lasting(row)).collect());
    }
    all.values_mut().for_each(|rows| rows.sort());
    all
}

fn lasting(row: Map<String, Value>) -> String {
    // Dynamics makes the other half of a connection by itself, under an id of its own.
    let half = |name: &str| name == "_relatedconnectionid_value" || (name == "connectionid" && row.get("ismaster") == Some(&json!(false)));
    let kept: BTreeMap<String, Value> = row
        .iter()
        .filter(|(name, _)| !FLEETING.contains(&name.as_str()) && !half(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    json!(kept).to_string()
}

/// Both are the same; else the first rows that aren't.
#[track_caller]
pub(crate) fn assert_same(what: &str, left: &Sandbox, right: &Sandbox) {
    let (left, right) = (everything(left), everything(right));
    for (name, rows) in &left {
        let others = right.get(name).unwrap();
        let only =
            |rows: &[String], others: &[String]| rows.iter().filter(|row| !others.contains(row)).take(2).cloned().collect::<Vec<_>>();
        assert!(rows == others, "{what}: {name} differ\n  left:  {:#?}\n  right: {:#?}", only(rows, others), only(others, rows));
    }
}

/// Both sides agree, and nobody is in Marketo twice.
#[track_caller]
pub(crate) fn assert_agreed(what: &str, sandbox: &Sandbox) {
    let agreement = sandbox.agreement();
    assert!(agreement.is_full(), "{what}: {agreement}");
    let duplicates = sandbox.marketo.state().duplicates();
    assert!(duplicates.is_empty(), "{what}: {duplicates:?}");
}
