//! What salespeople do all day in Dynamics: correct a phone number, win a new stakeholder, hand over an account.
//!
//! Every function says what it changed, so that a test or a demonstration knows what has to arrive. Closed and merged rows are left alone.

use base::{Dice, Guid, Timestamp};
use dataverse_emulator::State;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::organisation::texts;

/// One changed row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Edit {
    /// The table's logical name.
    pub table: &'static str,
    /// The row.
    pub id: Guid,
    /// What became of it.
    pub change: Change,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was made.
    Created,
    /// These columns have new values.
    Columns(Vec<&'static str>),
    /// It is gone.
    Deleted,
}

/// Changes `percent` of the open leads and active contacts: one to three columns each, always to another value.
///
/// # Errors
/// When the emulator refuses a change; those before it stay.
pub fn edit_people(dataverse: &mut State, seed: u64, percent: f64, now: Timestamp) -> Result<Vec<Edit>, String> {
    let mut dice = Dice::new(seed);
    let mut edits = Vec::new();
    for table in ["contact", "lead"] {
        let chosen: Vec<(Guid, Map<String, Value>)> =
            dataverse.rows(table).filter(|(_, row)| is_open(row)).filter(|_| dice.percent(percent)).collect();
        for (id, row) in chosen {
            let (columns, patch) = person_patch(table, &row, &mut dice);
            dataverse.update(table, id, patch, now)?;
            edits.push(Edit { table, id, change: Change::Columns(columns) });
        }
    }
    Ok(edits)
}

/// Changes `count` connections between opportunities and contacts: a new one, one with another role, one removed, by turns.
///
/// # Errors
/// When the emulator refuses a change; those before it stay.
pub fn edit_roles(dataverse: &mut State, seed: u64, count: usize, now: Timestamp) -> Result<Vec<Edit>, String> {
    let mut dice = Dice::new(seed);
    let roles: Vec<Guid> = dataverse.rows("connectionrole").map(|(id, _)| id).collect();
    let contacts: Vec<Guid> = dataverse.rows("contact").filter(|(_, row)| is_open(row)).map(|(id, _)| id).collect();
    let opportunities: Vec<(Guid, Option<Value>)> =
        dataverse.rows("opportunity").filter(|(_, row)| is_open(row)).map(|(id, row)| (id, row.get("_ownerid_value").cloned())).collect();
    let mut edits = Vec::new();
    for turn in 0..count {
        // The list shrinks with each removal, and a removal takes the reciprocal row along.
        let connections = if turn % 3 == 0 { Vec::new() } else { stakeholders(dataverse) };
        let edit = match (turn % 3, dice.pick(&connections).copied()) {
            (1, Some(id)) => {
                let Some(role) = dice.pick(&roles) else { break };
                dataverse.update("connection", id, lookup("record2roleid", "connectionrole", *role), now)?;
                Edit { table: "connection", id, change: Change::Columns(vec!["_record2roleid_value"]) }
            }
            (2, Some(id)) => {
                dataverse.delete("connection", id, now)?;
                Edit { table: "connection", id, change: Change::Deleted }
            }
            _ => {
                let (Some((opportunity, _)), Some(contact), Some(role)) =
                    (dice.pick(&opportunities), dice.pick(&contacts), dice.pick(&roles))
                else {
                    break;
                };
                let mut row = lookup("record1id", "opportunity", *opportunity);
                row.extend(lookup("record2id", "contact", *contact));
                row.extend(lookup("record2roleid", "connectionrole", *role));
                let id = dataverse.insert("connection", row, now)?;
                Edit { table: "connection", id, change: Change::Created }
            }
        };
        edits.push(edit);
    }
    Ok(edits)
}

/// Hands `count` accounts, contacts, open leads and opportunities over to other enabled users.
///
/// # Errors
/// When the emulator refuses a change; those before it stay.
pub fn edit_owners(dataverse: &mut State, seed: u64, count: usize, now: Timestamp) -> Result<Vec<Edit>, String> {
    let mut dice = Dice::new(seed);
    let able = |row: &Map<String, Value>| {
        row.get("isdisabled") != Some(&Value::Bool(true)) && !row.contains_key("applicationid") && row.contains_key("internalemailaddress")
    };
    let users: Vec<Guid> = dataverse.rows("systemuser").filter(|(_, row)| able(row)).map(|(id, _)| id).collect();
    let tables = ["account", "contact", "lead", "opportunity"];
    let owned = |table: &'static str| {
        let rows = dataverse.rows(table).filter(|(_, row)| is_open(row));
        rows.map(|(id, row)| (id, row.get("_ownerid_value").and_then(Value::as_str).map(str::to_owned))).collect::<Vec<_>>()
    };
    let mut rows = tables.map(|table| (table, owned(table)));
    let mut edits = Vec::new();
    for turn in 0..count {
        let Some((table, rows)) = rows.get_mut(turn % tables.len()) else { break };
        if rows.is_empty() {
            continue;
        }
        let at = usize::try_from(dice.below(rows.len() as u64)).unwrap_or(0);
        let (id, owner) = rows.swap_remove(at);
        let others: Vec<Guid> = users.iter().copied().filter(|user| owner.as_deref() != Some(user.to_string().as_str())).collect();
        let Some(user) = dice.pick(&others) else { continue };
        dataverse.update(table, id, lookup("ownerid", "systemuser", *user), now)?;
        edits.push(Edit { table, id, change: Change::Columns(vec!["_ownerid_value"]) });
    }
    Ok(edits)
}

fn is_open(row: &Map<String, Value>) -> bool {
    row.get("statecode").and_then(Value::as_i64).unwrap_or(0) == 0 && row.get("merged") != Some(&Value::Bool(true))
}

fn lookup(name: &str, table: &str, id: Guid) -> Map<String, Value> {
    texts::lookup(name, table, id)
}

/// Connections from an opportunity to a contact, in the one direction.
fn stakeholders(dataverse: &State) -> Vec<Guid> {
    let points = |row: &Map<String, Value>, name: &str, table: &str| {
        row.get(&format!("_{name}_value@Microsoft.Dynamics.CRM.lookuplogicalname")).and_then(Value::as_str) == Some(table)
    };
    let rows = dataverse.rows("connection").filter(|(_, row)| is_open(row));
    rows.filter(|(_, row)| points(row, "record1id", "opportunity") && points(row, "record2id", "contact")).map(|(id, _)| id).collect()
}

fn person_patch(table: &str, row: &Map<String, Value>, dice: &mut Dice) -> (Vec<&'static str>, Map<String, Value>) {
    let changes = 1 + dice.below(3);
    let (mut columns, mut patch) = (Vec::new(), Map::new());
    while columns.len() < usize::try_from(changes).unwrap_or(1) {
        let (column, value): (&'static str, Value) = match dice.below(10) {
            0..3 => ("jobtitle", json!(texts::job_title(dice))),
            3..6 => ("telephone1", json!(texts::telephone(dice))),
            6 => (
                "mobilephone",
                if row.contains_key("mobilephone") { Value::Null } else { json!(format!("+1 555 {:07}", dice.below(10_000_000))) },
            ),
            7 => ("lastname", json!(texts::last_name(dice))),
            8 => ("address1_city", json!(texts::city(dice))),
            _ if table == "contact" => ("department", json!(texts::department(dice))),
            _ => ("companyname", json!(texts::company(dice))),
        };
        if row.get(column).unwrap_or(&Value::Null) != &value && patch.insert(column.to_owned(), value).is_none() {
            columns.push(column);
        }
    }
    (columns, patch)
}
