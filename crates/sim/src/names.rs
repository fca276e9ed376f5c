//! Short names instead of ids: `bo` for a contact's GUID, `visitor` or `person-1` for a Marketo person's number.
//!
//! A GUID is made of its name: its first four bytes are the name's, so that rows sort as their names do, and the rest is a hash of it. Rows that
//! the emulators make themselves get a name when they are first seen.

use std::collections::BTreeMap;

use base::{Guid, Table};
use serde_json::{Map, Value, json};

use crate::world::World;

/// The first id that Marketo's emulator gives to a person.
const FIRST_PERSON: i64 = 1001;

/// How a GUID is written.
type Spell = fn(Guid) -> String;

/// Spellings in which other integrations may have stored a GUID, and what they are called behind a name: `@bo/upper`.
const SPELLINGS: [(&str, Spell); 3] = [
    ("upper", |id| id.to_string().to_uppercase()),
    ("braces", |id| format!("{{{id}}}")),
    ("upper-braces", |id| format!("{{{id}}}").to_uppercase()),
];

/// All names of one scenario.
#[derive(Debug, Clone, Default)]
pub struct Names {
    rows: BTreeMap<String, (Table, Guid)>,
    names: BTreeMap<Guid, String>,
    persons: BTreeMap<String, i64>,
}

/// The GUID that a name stands for.
#[must_use]
pub fn guid(name: &str) -> Guid {
    let mut first = [0; 4];
    for (at, byte) in name.bytes().take(4).enumerate() {
        first[at] = byte;
    }
    // FNV-1a.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Guid::from_u128(u128::from(u32::from_be_bytes(first)) << 96 | 0x4000_8000 << 64 | u128::from(hash))
}

impl Names {
    /// A Dynamics row gets its name.
    pub fn add(&mut self, name: &str, table: Table) -> Guid {
        let id = guid(name);
        self.add_as(name, table, id);
        id
    }

    /// A row that the emulator made gets a name.
    pub fn add_as(&mut self, name: &str, table: Table, id: Guid) {
        self.rows.insert(name.to_owned(), (table, id));
        self.names.insert(id, name.to_owned());
    }

    /// A Marketo person gets its name.
    pub fn add_person(&mut self, name: &str, id: i64) {
        self.persons.insert(name.to_owned(), id);
    }

    /// The row of a name.
    ///
    /// # Errors
    /// When no row has it.
    pub fn row(&self, name: &str) -> Result<(Table, Guid), String> {
        self.rows.get(name).copied().ok_or_else(|| format!("no row is called {name:?}"))
    }

    /// A person's number: by its own name, or by the name of the row whose person it is.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn person(&self, name: &str, world: &World) -> Result<i64, String> {
        let known = self.persons.get(name).copied();
        let numbered = name.strip_prefix("person-").and_then(|number| number.parse::<i64>().ok()).map(|number| number + FIRST_PERSON - 1);
        if let Some(id) = known.or(numbered) {
            return Ok(id);
        }
        let (_, id) = self.row(name)?;
        let found = world.sandbox.marketo.state().leads_by_person().remove(&id.to_string()).unwrap_or_default();
        match found.as_slice() {
            [id] => Ok(*id),
            [] => Err(format!("{name:?} has no Marketo person")),
            [..] => Err(format!("{name:?} has {} Marketo persons", found.len())),
        }
    }

    /// What a person is called.
    #[must_use]
    pub fn person_name(&self, id: i64) -> String {
        let own = self.persons.iter().find(|(_, known)| **known == id).map(|(name, _)| name.clone());
        own.unwrap_or_else(|| format!("person-{}", id - FIRST_PERSON + 1))
    }

    /// What a GUID is called; itself, where nobody named it.
    #[must_use]
    pub fn name(&self, id: Guid) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// Whether this GUID has a name.
    #[must_use]
    pub fn knows(&self, id: Guid) -> bool {
        self.names.contains_key(&id)
    }

    /// Replaces `@name` and `@name/spelling` by ids, wherever a text is nothing else.
    ///
    /// # Errors
    /// When no row has the name.
    pub fn resolve(&self, value: &mut Value) -> Result<(), String> {
        match value {
            Value::String(text) => {
                if let Some(name) = text.strip_prefix('@') {
                    let (name, spelling) = name.split_once('/').unwrap_or((name, ""));
                    let (_, id) = self.row(name)?;
                    let spelt = SPELLINGS.iter().find(|(known, _)| *known == spelling);
                    *text = spelt.map_or_else(|| id.to_string(), |(_, spell)| spell(id));
                }
            }
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.resolve(value))?,
            Value::Object(members) => members.values_mut().try_for_each(|value| self.resolve(value))?,
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    /// A GUID in any spelling as `@name`; none where the text is no GUID that has a name.
    #[must_use]
    pub fn shown(&self, text: &str) -> Option<String> {
        let id: Guid = text.parse().ok()?;
        let name = self.names.get(&id)?;
        if text == id.to_string() {
            return Some(format!("@{name}"));
        }
        let spelling = SPELLINGS.iter().find(|(_, spell)| spell(id) == text).map_or("odd", |(name, _)| name);
        Some(format!("@{name}/{spelling}"))
    }

    /// A text for people with names instead of ids.
    #[must_use]
    pub fn told(&self, text: &str, world: &World) -> String {
        let mut text = self.told_ids(text);
        for id in FIRST_PERSON..FIRST_PERSON + i64::try_from(world.sandbox.marketo.state().lead_count()).unwrap_or(0) + 20 {
            text = replace_number(&text, id, &self.person_name(id));
        }
        text
    }

    /// A text with names instead of GUIDs.
    #[must_use]
    pub fn told_ids(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (id, name)| text.replace(&id.to_string(), name))
    }

    /// Names the mirrors that Dynamics made of connections.
    pub fn meet_mirrors(&mut self, world: &World) {
        let rows: Vec<(Guid, Map<String, Value>)> = world.sandbox.dataverse.state().rows("connection").collect();
        for (id, row) in rows {
            let related: Option<Guid> = row.get("_relatedconnectionid_value").and_then(Value::as_str).and_then(|text| text.parse().ok());
            if let Some(name) = related.filter(|_| !self.knows(id)).and_then(|related| self.names.get(&related).cloned()) {
                self.add_as(&format!("{name}-mirror"), Table::Connection, id);
            }
        }
    }

    /// A Dynamics row as the emulator takes it: names of rows in lookups become ids, an empty text becomes null.
    ///
    /// # Errors
    /// When a lookup names no row.
    pub fn dynamics_row(&self, table: Table, short: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let mut row = Map::new();
        for (short_name, value) in short {
            let name = long_name(table, short_name);
            let empty = value.as_str() == Some("");
            if !LOOKUPS.contains(&name) {
                let mut value = if empty { Value::Null } else { value.clone() };
                self.resolve(&mut value)?;
                row.insert(name.to_owned(), value);
                continue;
            }
            let column = format!("_{name}_value");
            if empty {
                row.insert(column, Value::Null);
                continue;
            }
            let text = value.as_str().ok_or_else(|| format!("{name} takes the name of a row"))?;
            let (target, id) = self.row(text)?;
            row.insert(format!("{column}@Microsoft.Dynamics.CRM.lookuplogicalname"), json!(target.name()));
            row.insert(column, json!(id));
        }
        Ok(row)
    }
}

/// Columns that hold another row.
const LOOKUPS: [&str; 15] = [
    "ownerid",
    "parentcustomerid",
    "customerid",
    "parentaccountid",
    "parentcontactid",
    "originatingleadid",
    "qualifyingopportunityid",
    "primarycontactid",
    "administratorid",
    "masterid",
    "record1id",
    "record2id",
    "record1roleid",
    "record2roleid",
    "relatedconnectionid",
];

/// Shorter words for the columns that nearly every scenario has.
fn long_name(table: Table, short: &str) -> &str {
    match (table, short) {
        (_, "owner") => "ownerid",
        (Table::Contact, "parent") => "parentcustomerid",
        (Table::Lead | Table::Account, "parent") => "parentaccountid",
        (Table::Opportunity, "customer") => "customerid",
        (Table::Opportunity, "primary") => "parentcontactid",
        (Table::Lead | Table::Contact, "email") => "emailaddress1",
        (Table::SystemUser, "email") => "internalemailaddress",
        (Table::Team, "administrator") => "administratorid",
        (_, other) => other,
    }
}

/// Replaces a number where it stands alone.
fn replace_number(text: &str, number: i64, name: &str) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&digits) {
        let (before, after) = (&rest[..at], &rest[at + digits.len()..]);
        let apart = !before.ends_with(|c: char| c.is_alphanumeric() || c == '-') && !after.starts_with(|c: char| c.is_alphanumeric());
        out.push_str(before);
        out.push_str(if apart { name } else { &digits });
        rest = after;
    }
    out + rest
}
