//! Bodies of creates and updates: properties, `@odata.bind`, nested rows, and the errors for what can't be understood.
//!
//! Reads only. What nested rows become is done in [`super::deep`].

use base::Guid;
use serde_json::{Map, Value as Json};

use super::Call;
use crate::{
    error::{Outcome, Refusal},
    odata::{
        query::{Link, link},
        uri::{Reference, reference},
    },
    row::Record,
    rules::convert::{LongText, convert},
    schema::{Across, Kind, Table},
    state::State,
    value::Value,
};

/// What the cells are for: some columns can only be set by a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Create,
    Update,
}

/// A body read against a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Payload {
    /// The primary key, when the body has one.
    pub id: Option<Guid>,
    /// The cells to set; null clears.
    pub cells: Record,
    /// Lookups cleared through a navigation name: the column, and the tables that name stands for.
    pub clears: Vec<(u16, Vec<usize>)>,
    /// Rows nested under single-valued navigation names, made first: the column that shall point at them, their table.
    pub parents: Vec<(u16, usize, Payload)>,
    /// Rows nested under collections, made afterwards: how they hang together, and each of them.
    pub children: Vec<(Link, Vec<Payload>)>,
}

/// Levels of rows nested in a body. More than anyone writes, and shallow enough for the stack.
const DEPTH_MAX: usize = 8;

impl State {
    /// The JSON object of a request.
    pub(crate) fn body(&self, call: &Call<'_>, entity: &str) -> Outcome<Map<String, Json>> {
        match serde_json::from_slice(&call.request.body) {
            Ok(Json::Object(map)) => Ok(map),
            Ok(_) => Err(Refusal::payload(entity, "The payload has to be a JSON object.")),
            Err(fault) => Err(Refusal::payload(entity, format!("The payload isn't valid JSON: {fault}."))),
        }
    }

    /// Reads a body against a table.
    pub(crate) fn read_payload(&self, call: &Call<'_>, table: usize, body: &Map<String, Json>, purpose: Purpose) -> Outcome<Payload> {
        self.read_level(call, table, body, purpose, 0)
    }

    fn read_level(&self, call: &Call<'_>, table: usize, body: &Map<String, Json>, purpose: Purpose, depth: usize) -> Outcome<Payload> {
        let definition = self.store.schema.get(table).ok_or_else(|| Refusal::no_segment("table"))?;
        let mut payload = Payload::default();
        for (name, json) in body {
            match name.split_once('@') {
                Some((nav, "odata.bind")) if !json.is_null() => {
                    let (at, value) = self.bind(call, definition, nav, json)?;
                    if settable(definition, at, purpose) {
                        payload.cells.insert(at, value);
                    }
                }
                Some((nav, "odata.bind")) => self.read_clear(definition, nav, purpose, &mut payload)?,
                Some(_) => {}
                None if json.is_null() && definition.find_nav(name).is_some() => {
                    self.read_clear(definition, name, purpose, &mut payload)?;
                }
                None if matches!(json, Json::Object(_) | Json::Array(_)) => {
                    self.read_nested(call, definition, name, json, (purpose, depth), &mut payload)?;
                }
                None => self.read_property(definition, name, json, purpose, &mut payload)?,
            }
        }
        Ok(payload)
    }

    /// A null under a navigation name. It speaks of that name's tables only: a customer who is a contact stays when `customerid_account` is nulled.
    fn read_clear(&self, table: &Table, nav: &str, purpose: Purpose, payload: &mut Payload) -> Outcome<()> {
        let (at, _) = table.find_nav(nav).ok_or_else(|| undeclared(table, nav))?;
        let column = table.column(at).filter(|_| settable(table, at, purpose));
        let targets = column.into_iter().flat_map(|column| column.targets.iter().filter(|to| to.nav == nav));
        let tables: Vec<usize> = targets.filter_map(|to| self.store.schema.find(&to.table)).collect();
        if !tables.is_empty() {
            payload.clears.push((at, tables));
        }
        Ok(())
    }

    /// A related row, or several, nested under a navigation name ("deep insert").
    fn read_nested(
        &self,
        call: &Call<'_>,
        table: &Table,
        nav: &str,
        json: &Json,
        level: (Purpose, usize),
        payload: &mut Payload,
    ) -> Outcome<()> {
        let (purpose, depth) = level;
        let refused = |text: &str| Refusal::payload(&table.name, format!("'{nav}': {text}"));
        let Ok(link) = link(&self.store, table, nav) else {
            if table.find_property(nav).is_some() {
                return self.read_property(table, nav, json, purpose, payload);
            }
            return Err(invalid_property(table, nav));
        };
        if purpose == Purpose::Update {
            return Err(refused("related rows can be nested in a create only; an update has to bind them."));
        }
        if depth >= DEPTH_MAX {
            return Err(refused("rows are nested too deeply."));
        }
        let read = |to: usize, json: &Json| match json {
            Json::Object(body) => self.read_level(call, to, body, Purpose::Create, depth + 1),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Err(refused("an object expected.")),
        };
        match (link, json) {
            (Link::One(at, to), Json::Object(_)) => {
                let parent = read(to, json)?;
                if settable(table, at, purpose) {
                    payload.parents.push((at, to, parent));
                }
            }
            (Link::Many(to, _) | Link::Across(Across { table: to, .. }), Json::Array(items)) => {
                let children = items.iter().map(|item| read(to, item)).collect::<Outcome<Vec<_>>>()?;
                payload.children.push((link, children));
            }
            (Link::One(..) | Link::Many(..) | Link::Across(_) | Link::Principal(_), _) => {
                return Err(refused("the nested value doesn't fit the relationship."));
            }
        }
        Ok(())
    }

    /// What a body changes on a row that is there: its cells, and those of its nulls that speak of what the row points at.
    pub(crate) fn changes(&self, table: usize, id: Guid, payload: Payload) -> Record {
        let mut cells = payload.cells;
        let row = self.store.row(table, id);
        for (at, tables) in payload.clears {
            let target = match cells.get(&at) {
                Some(bound) => bound.as_ref(),
                None => row.and_then(|row| row.get(at).as_ref()),
            };
            if target.is_some_and(|(to, _)| tables.contains(&to)) {
                cells.insert(at, Value::Null);
            }
        }
        cells
    }

    fn read_property(&self, table: &Table, name: &str, json: &Json, purpose: Purpose, payload: &mut Payload) -> Outcome<()> {
        if name.starts_with('_') && table.find_property(name).is_some() {
            return Err(Refusal::payload(
                &table.name,
                "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead.",
            ));
        }
        let Some(at) = table.find_property(name) else {
            return Err(invalid_property(table, name));
        };
        let Some(column) = table.column(at) else { return Ok(()) };
        if column.kind == Kind::Key {
            payload.id = convert(&table.name, column, json, LongText::Keep)?.as_guid();
            return Ok(());
        }
        let long = if self.options.reject_long_text { LongText::Refuse } else { LongText::Keep };
        let value = convert(&table.name, column, json, long)?;
        if column.secured {
            return Err(Refusal::new(
                403,
                "0x8004f508",
                format!(
                    "Caller user with Id {} does not have update permissions to a secured attribute '{name}' on entity '{}'.",
                    self.fixtures.application_user, table.name
                ),
            ));
        }
        if settable(table, at, purpose) {
            payload.cells.insert(at, value);
        }
        Ok(())
    }

    /// `"parentaccountid@odata.bind": "/accounts(…)"`.
    fn bind(&self, call: &Call<'_>, table: &Table, nav: &str, json: &Json) -> Outcome<(u16, Value<'static>)> {
        let (at, _) = table.find_nav(nav).ok_or_else(|| undeclared(table, nav))?;
        let text = match json {
            Json::String(text) => text,
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                return Err(Refusal::payload(&table.name, format!("The value of '{nav}@odata.bind' has to be an address.")));
            }
        };
        let (to, id) = self.resolve(call, text)?;
        let target = self.table_name(to).to_owned();
        let fits = table.column(at).is_some_and(|column| column.targets.iter().any(|known| known.nav == nav && known.table == target));
        if !fits {
            return Err(Refusal::payload(&table.name, format!("A row of '{target}' can't be bound to '{nav}'.")));
        }
        self.reference(&target, id).map(|value| (at, value)).ok_or_else(|| undeclared(table, nav))
    }

    /// The row an address leads to; it has to be there.
    pub(crate) fn resolve(&self, call: &Call<'_>, text: &str) -> Outcome<(usize, Guid)> {
        match reference(text)? {
            Reference::ContentId(id) => call.content_ids.get(&id).copied().ok_or_else(|| unknown_content_id(&id)),
            Reference::Row(set, key) => {
                let table = self.store.schema.find_set(&set).ok_or_else(|| Refusal::no_segment(&set))?;
                let id = self.present(table, &self.locate(table, &key)?)?;
                Ok((table, id))
            }
        }
    }
}

/// The refusal for `$1` that no earlier part of the change set made.
pub(crate) fn unknown_content_id(id: &str) -> Refusal {
    Refusal::query(format!("Content-ID Reference: '${id}' does not exist in the batch context."))
}

fn undeclared(table: &Table, nav: &str) -> Refusal {
    Refusal::payload(
        &table.name,
        format!(
            "An undeclared property '{nav}' which only has property annotations in the payload but no property value was found in the payload. In OData, only declared navigation properties and declared named streams can be represented as properties without values."
        ),
    )
}

fn invalid_property(table: &Table, name: &str) -> Refusal {
    Refusal::payload(&table.name, format!("Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{}'.", table.name))
}

/// Read-only columns in a body are passed over, as the service does.
fn settable(table: &Table, at: u16, purpose: Purpose) -> bool {
    table.column(at).is_some_and(|column| match purpose {
        Purpose::Create => column.creatable,
        Purpose::Update => column.updatable,
    })
}
