//! CreateMultiple, UpdateMultiple, UpsertMultiple: one transaction each (Microsoft's "Use bulk operation messages" page).

use base::Guid;
use emulator::Response;
use serde_json::{Map, Value as Json};

use super::{
    Call,
    payload::{Payload, Purpose},
    route::Located,
};
use crate::{
    error::{Outcome, Refusal},
    headers::{json, no_content},
    odata::uri::{Reference, reference},
    row::Record,
    rules::By,
    state::State,
};

/// What a target names.
enum Identity {
    None,
    Row(Guid),
    /// A row that isn't there, with the values of the key it was looked for by.
    Absent(Option<Guid>, Record),
}

impl State {
    /// `POST /leads/Microsoft.Dynamics.CRM.UpdateMultiple` and its sisters.
    pub(crate) fn bulk(&mut self, call: &Call<'_>, table: usize, action: &str) -> Outcome<Response> {
        let name = self.table_name(table).to_owned();
        if action == "DeleteMultiple" {
            return Err(Refusal::new(501, "0x80040800", "DeleteMultiple has not yet been implemented."));
        }
        if self.options.no_bulk.contains(&name) {
            let text = format!(
                "The '{action}' method does not support entities of type '{name}'. MessageProcessorCache returned MessageProcessor.Empty."
            );
            return Err(Refusal::new(400, "0x80040800", text));
        }
        if action != "UpdateMultiple" {
            self.require(table, "Create")?;
        }
        if action != "CreateMultiple" {
            self.require(table, "Write")?;
        }
        let body = self.body(call, action)?;
        let Some(Json::Array(targets)) = body.get("Targets") else {
            return Err(Refusal::payload(action, "The payload needs 'Targets', an array."));
        };
        if targets.is_empty() {
            return Err(Refusal::new(400, "0x80040203", format!("{action} needs at least one row in 'Targets'.")));
        }
        let targets = targets.iter().map(|target| checked_target(&name, target)).collect::<Outcome<Vec<_>>>()?;
        let ids =
            self.transact(|state| targets.iter().map(|target| state.bulk_row(call, table, action, target)).collect::<Outcome<Vec<_>>>())?;
        if action != "CreateMultiple" {
            return Ok(no_content());
        }
        let body = serde_json::json!({
            "@odata.context": format!("{}/$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse", call.base),
            "Ids": ids,
        });
        Ok(json(200, body.to_string()))
    }

    fn bulk_row(&mut self, call: &Call<'_>, table: usize, action: &str, target: &Map<String, Json>) -> Outcome<Guid> {
        let name = self.table_name(table).to_owned();
        let identity = self.identify(table, target)?;
        match (action, identity) {
            ("CreateMultiple", identity) => {
                let mut payload = self.read_payload(call, table, target, Purpose::Create)?;
                if let Identity::Absent(_, cells) = identity {
                    complete(&mut payload, cells);
                }
                self.create_deep(call, table, None, payload)
            }
            (_, Identity::Row(id)) => {
                let payload = self.read_payload(call, table, target, Purpose::Update)?;
                let cells = self.changes(table, id, payload);
                self.modify(table, id, cells, call.actor, By::Client).map(|()| id)
            }
            ("UpdateMultiple", Identity::None) => {
                Err(Refusal::new(400, "0x80040203", format!("A target of UpdateMultiple has no id of {name}.")))
            }
            ("UpdateMultiple", Identity::Absent(Some(id), _)) => {
                Err(Refusal::new(404, "0x80040217", format!("{name} With Ids = {id} Do Not Exist")))
            }
            ("UpdateMultiple", Identity::Absent(None, _)) => {
                Err(Refusal::new(404, "0x80060891", "A record with the specified key values does not exist in the entity."))
            }
            (_, Identity::None) => {
                let payload = self.read_payload(call, table, target, Purpose::Create)?;
                self.create_deep(call, table, None, payload)
            }
            (_, Identity::Absent(id, cells)) => {
                let mut payload = self.read_payload(call, table, target, Purpose::Create)?;
                complete(&mut payload, cells);
                self.create_deep(call, table, id, payload)
            }
        }
    }

    fn identify(&self, table: usize, target: &Map<String, Json>) -> Outcome<Identity> {
        let key = self.store.schema.get(table).map_or("", crate::schema::Table::key_name);
        if let Some(id) = target.get(key).and_then(Json::as_str) {
            let id: Guid = id.parse().map_err(|_| Refusal::payload(self.table_name(table), format!("'{id}' is no GUID.")))?;
            return Ok(if self.store.row(table, id).is_some() { Identity::Row(id) } else { Identity::Absent(Some(id), Record::new()) });
        }
        let Some(address) = target.get("@odata.id").and_then(Json::as_str) else { return Ok(Identity::None) };
        let Reference::Row(set, key) = reference(address)? else {
            return Err(Refusal::query("A target's '@odata.id' has to be an address."));
        };
        if self.store.schema.find_set(&set) != Some(table) {
            return Err(Refusal::query("All targets have to be of one table."));
        }
        Ok(match self.locate(table, &key)? {
            Located::Row(id) => Identity::Row(id),
            Located::NoId(id) => Identity::Absent(Some(id), Record::new()),
            Located::NoKey(cells) => Identity::Absent(None, cells),
        })
    }
}

/// Adds the values of the key a row was looked for by; those of the body beat them.
fn complete(payload: &mut Payload, cells: Record) {
    for (at, value) in cells {
        payload.cells.entry(at).or_insert(value);
    }
}

/// `@odata.type` is mandatory and has to name the table.
fn checked_target<'a>(table: &str, target: &'a Json) -> Outcome<&'a Map<String, Json>> {
    let Json::Object(map) = target else { return Err(Refusal::payload(table, "A target has to be an object.")) };
    let kind = map.get("@odata.type").and_then(Json::as_str).unwrap_or_default();
    if kind.trim_start_matches('#').strip_prefix(super::route::NAMESPACE) == Some(table) {
        return Ok(map);
    }
    Err(Refusal::payload(
        table,
        format!("Each target needs '@odata.type' with the value 'Microsoft.Dynamics.CRM.{table}', found '{kind}'."),
    ))
}
