//! `$ref`: reading, setting and clearing a relationship by itself.

use base::Guid;
use emulator::Response;
use http::Method;

use super::Call;
use crate::{
    error::{Outcome, Refusal},
    headers::{json, no_content},
    odata::{query::Link, uri::Segment},
    row::Record,
    rules::By,
    schema::Across,
    state::State,
    value::{Value, write_json_text},
};

impl State {
    /// A request on `/leads(id)/<nav>/$ref`.
    pub(crate) fn refer(&mut self, call: &Call<'_>, table: usize, id: Guid, nav: &str, link: Link, second: &Segment) -> Outcome<Response> {
        match (link, &call.request.method) {
            (Link::One(column, _) | Link::Principal(column), &Method::GET) => {
                let target = self.store.row(table, id).and_then(|row| row.get(column).as_ref());
                Ok(target.map_or_else(no_content, |(to, id)| json(200, self.reference_body(call, &[(to, id)], false))))
            }
            (Link::Many(other, _) | Link::Across(Across { table: other, .. }), &Method::GET) => {
                let rows: Vec<_> = link.rows(&self.store, id).into_iter().map(|from| (other, from)).collect();
                Ok(json(200, self.reference_body(call, &rows, true)))
            }
            (Link::One(column, _) | Link::Principal(column), &Method::PUT) => {
                let (to, target) = self.referenced(call)?;
                let name = self.table_name(to).to_owned();
                let fits = self.store.schema.get(table).and_then(|table| table.column(column));
                if !fits.is_some_and(|column| column.targets.iter().any(|known| known.nav == nav && known.table == name)) {
                    return Err(Refusal::payload(self.table_name(table), format!("A row of '{name}' can't be bound to '{nav}'.")));
                }
                self.relate(call, table, id, column, Some((to, target)))
            }
            (Link::One(column, _) | Link::Principal(column), &Method::DELETE) => self.relate(call, table, id, column, None),
            (Link::Many(other, column), &Method::POST) => {
                let (to, from) = self.referenced(call)?;
                if to != other {
                    return Err(Refusal::payload(self.table_name(table), format!("A row of '{}' isn't in '{nav}'.", self.table_name(to))));
                }
                self.relate(call, other, from, column, Some((table, id)))
            }
            (Link::Many(other, column), &Method::DELETE) => {
                let from = self.unlinked(call, other, second)?;
                self.relate(call, other, from, column, None)
            }
            (Link::Across(across), &Method::POST) => {
                let (to, other) = self.referenced(call)?;
                if to != across.table {
                    return Err(Refusal::payload(self.table_name(table), format!("A row of '{}' isn't in '{nav}'.", self.table_name(to))));
                }
                self.require(table, "Append")?;
                self.transact(|state| state.tie(across, id, other, call.actor))?;
                Ok(no_content())
            }
            (Link::Across(across), &Method::DELETE) => {
                let other = self.unlinked(call, across.table, second)?;
                self.require(table, "Append")?;
                self.transact(|state| state.untie(across, id, other))?;
                Ok(no_content())
            }
            (_, method) => Err(Refusal::method(format!("The requested resource does not support http method '{method}'."))),
        }
    }

    /// The row a deletion names, in its path or as `$id`.
    fn unlinked(&self, call: &Call<'_>, table: usize, segment: &Segment) -> Outcome<Guid> {
        match (&segment.arguments, call.options.get("$id")) {
            (Some(arguments), _) => self.present(table, &self.locate(table, &crate::odata::uri::key(arguments)?)?),
            (None, Some(address)) => Ok(self.resolve(call, address)?.1),
            (None, None) => Err(Refusal::query("The $id query option is missing.")),
        }
    }

    fn referenced(&self, call: &Call<'_>) -> Outcome<(usize, Guid)> {
        let body = self.body(call, "$ref")?;
        let address = body.get("@odata.id").and_then(serde_json::Value::as_str);
        self.resolve(call, address.ok_or_else(|| Refusal::payload("$ref", "The payload needs '@odata.id'."))?)
    }

    fn relate(&mut self, call: &Call<'_>, table: usize, id: Guid, column: u16, to: Option<(usize, Guid)>) -> Outcome<Response> {
        self.require(table, "Write")?;
        self.check_match(call, table, id)?;
        let definition = self.store.schema.get(table).and_then(|table| table.column(column));
        if !definition.is_some_and(|column| column.updatable) {
            return Err(Refusal::payload(self.table_name(table), "The relationship is read-only."));
        }
        let value = to.and_then(|(to, id)| self.reference(self.table_name(to), id)).unwrap_or(Value::Null);
        self.transact(|state| state.modify(table, id, Record::from([(column, value)]), call.actor, By::Client))?;
        Ok(no_content())
    }

    fn reference_body(&self, call: &Call<'_>, rows: &[(usize, Guid)], many: bool) -> String {
        let mut body = String::from("{\"@odata.context\":");
        write_json_text(&format!("{}/$metadata#{}", call.base, if many { "Collection($ref)" } else { "$ref" }), &mut body);
        let address = |(table, id): &(usize, Guid)| {
            let set = self.store.schema.get(*table).map_or("", |table| table.set.as_str());
            format!("\"@odata.id\":\"{}/{set}({id})\"", call.base)
        };
        if many {
            let items: Vec<_> = rows.iter().map(|row| format!("{{{}}}", address(row))).collect();
            body.push_str(&format!(",\"value\":[{}]}}", items.join(",")));
        } else {
            for row in rows {
                body.push(',');
                body.push_str(&address(row));
            }
            body.push('}');
        }
        body
    }
}
