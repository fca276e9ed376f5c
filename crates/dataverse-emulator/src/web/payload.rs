//! Bodies of creates and updates: properties, `@odata.bind`, and the errors for what can't be understood.
//!
//! Deep inserts (related rows nested in a body) are refused; everything else Microsoft documents for creates and updates is read.

use base::Guid;
use serde_json::{Map, Value as Json};

use super::Call;
use crate::{
    error::{Outcome, Refusal},
    odata::uri::{Reference, reference},
    row::Record,
    rules::convert::{LongText, convert},
    schema::{Kind, Table},
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
}

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
        let definition = self.store.schema.get(table).ok_or_else(|| Refusal::no_segment("table"))?;
        let mut payload = Payload::default();
        for (name, json) in body {
            match name.split_once('@') {
                Some((nav, "odata.bind")) => {
                    let (at, value) = self.bind(call, definition, nav, json)?;
                    if settable(definition, at, purpose) {
                        payload.cells.insert(at, value);
                    }
                }
                Some(_) => {}
                None => self.read_property(definition, name, json, purpose, &mut payload)?,
            }
        }
        Ok(payload)
    }

    fn read_property(&self, table: &Table, name: &str, json: &Json, purpose: Purpose, payload: &mut Payload) -> Outcome<()> {
        if let Some((at, _)) = table.find_nav(name) {
            if json.is_null() {
                payload.cells.insert(at, Value::Null);
                return Ok(());
            }
            return Err(Refusal::payload(
                &table.name,
                format!("Deep insert through '{name}' isn't supported; create the row first and bind it."),
            ));
        }
        if name.starts_with('_') && table.find_property(name).is_some() {
            return Err(Refusal::payload(
                &table.name,
                "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead.",
            ));
        }
        let Some(at) = table.find_property(name) else {
            if self.store.schema.collections(&table.name).any(|(many, ..)| many == name) {
                return Err(Refusal::payload(&table.name, format!("Deep insert through '{name}' isn't supported; create the rows first.")));
            }
            return Err(Refusal::payload(
                &table.name,
                format!("Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{}'.", table.name),
            ));
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
        let undeclared = || {
            Refusal::payload(
                &table.name,
                format!(
                    "An undeclared property '{nav}' which only has property annotations in the payload but no property value was found in the payload. In OData, only declared navigation properties and declared named streams can be represented as properties without values."
                ),
            )
        };
        let (at, _) = table.find_nav(nav).ok_or_else(undeclared)?;
        let text = match json {
            Json::Null => return Ok((at, Value::Null)),
            Json::String(text) => text,
            Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                return Err(Refusal::payload(&table.name, format!("The value of '{nav}@odata.bind' has to be an address.")));
            }
        };
        let (to, id) = self.resolve(call, text)?;
        let target = self.table_name(to).to_owned();
        let fits = table.column(at).is_some_and(|column| column.targets.iter().any(|known| known.nav == nav && known.table == target));
        if !fits {
            return Err(Refusal::payload(&table.name, format!("A row of '{target}' can't be bound to '{nav}'.")));
        }
        self.reference(&target, id).map(|value| (at, value)).ok_or_else(undeclared)
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

/// Read-only columns in a body are passed over, as the service does.
fn settable(table: &Table, at: u16, purpose: Purpose) -> bool {
    table.column(at).is_some_and(|column| match purpose {
        Purpose::Create => column.creatable,
        Purpose::Update => column.updatable,
    })
}
