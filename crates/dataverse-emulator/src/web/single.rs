//! One row, one property of a row, and conditional reads.

use base::Guid;
use emulator::Response;
use http::Method;

use super::{Call, list::with_applied, render::Plan, route::Located};
use crate::{
    error::{Outcome, Refusal},
    headers::{condition, json, no_content},
    odata::query::Query,
    row::Record,
    rules::{
        By,
        convert::{LongText, convert},
    },
    schema::Kind,
    state::State,
    value::{Value, write_json_text},
};

impl State {
    /// A request on one row's address.
    pub(crate) fn row(&mut self, call: &Call<'_>, table: usize, located: &Located, key_text: &str) -> Outcome<Response> {
        match call.request.method {
            Method::GET => {
                let id = self.present(table, located)?;
                self.get_row(call, table, id)
            }
            Method::PATCH => self.patch(call, table, located, key_text),
            Method::PUT => self.patch(call, table, located, key_text),
            Method::DELETE => self.delete_row(call, table, located),
            _ => Err(Refusal::method(format!("The requested resource does not support http method '{}'.", call.request.method))),
        }
    }

    /// `GET /leads(id)`.
    pub(crate) fn get_row(&self, call: &Call<'_>, table: usize, id: Guid) -> Outcome<Response> {
        self.require(table, "Read")?;
        if self.options.hidden_rows.contains(&id) && self.store.row(table, id).is_some() {
            return Err(self.lacks_read(table));
        }
        let row = self.visible(table, id).ok_or_else(|| Refusal::no_row(self.table_name(table), id))?;
        let etag = format!("W/\"{}\"", row.version);
        let conditional = self.store.schema.get(table).is_some_and(|table| table.concurrency) && call.options.get("$expand").is_none();
        if conditional && !call.preferences.annotations.any() && condition(call.request, "if-none-match") == Some(etag.as_str()) {
            return Ok(Response::empty(304).with("odata-version", "4.0").with("etag", &etag));
        }
        let query = Query::parse(&self.store, table, &call.options, call.context())?;
        let applied = call.preferences.applied(false, false, false);
        Ok(with_applied(json(200, self.row_body(call, table, id, &query)).with("etag", &etag), applied))
    }

    /// A row that stands alone, with its context.
    pub(crate) fn row_body(&self, call: &Call<'_>, table: usize, id: Guid, query: &Query) -> String {
        let mut body = String::new();
        let set = self.store.schema.get(table).map_or("", |table| table.set.as_str());
        let context = format!("{}/$metadata#{set}{}/$entity", call.base, query.shape());
        let plan = Plan::new(self, table, query, &call.preferences.annotations);
        if let Some(row) = self.store.row(table, id) {
            self.write_row(&mut body, &plan, id, row, Some(&context));
        }
        body
    }

    /// `GET`, `PUT` or `DELETE /leads(id)/mobilephone`.
    pub(crate) fn property(&mut self, call: &Call<'_>, table: usize, id: Guid, at: u16) -> Outcome<Response> {
        match call.request.method {
            Method::GET => self.get_property(call, table, id, at),
            Method::PUT => {
                let body: serde_json::Value = serde_json::from_slice(&call.request.body)
                    .map_err(|fault| Refusal::payload(self.table_name(table), fault.to_string()))?;
                let value =
                    body.get("value").ok_or_else(|| Refusal::payload(self.table_name(table), "A property's payload needs 'value'."))?;
                self.set_property(call, table, id, at, value)
            }
            Method::DELETE => self.set_property(call, table, id, at, &serde_json::Value::Null),
            _ => Err(Refusal::method(format!("The requested resource does not support http method '{}'.", call.request.method))),
        }
    }

    fn property_cell(&self, table: usize, id: Guid, at: u16) -> Outcome<Value<'_>> {
        self.require(table, "Read")?;
        let row = self.visible(table, id).ok_or_else(|| Refusal::no_row(self.table_name(table), id))?;
        let column = self.store.schema.get(table).and_then(|table| table.column(at));
        Ok(match column {
            Some(column) if column.kind == Kind::Key => Value::Guid(id),
            Some(column) if column.secured => Value::Null,
            Some(column) if column.name == "versionnumber" => Value::Int(i64::try_from(row.version).unwrap_or(i64::MAX)),
            Some(_) | None => row.get(at),
        })
    }

    fn get_property(&self, call: &Call<'_>, table: usize, id: Guid, at: u16) -> Outcome<Response> {
        let value = self.property_cell(table, id, at)?;
        if value.is_null() {
            return Ok(no_content());
        }
        let definition = self.store.schema.get(table);
        let (set, name) =
            definition.map(|table| (table.set.clone(), table.column(at).map(crate::schema::Column::property))).unwrap_or_default();
        let mut body = String::from("{\"@odata.context\":");
        write_json_text(&format!("{}/$metadata#{set}({id})/{}", call.base, name.unwrap_or_default()), &mut body);
        body.push_str(",\"value\":");
        value.write_json(&mut body);
        body.push('}');
        Ok(json(200, body))
    }

    /// `GET /leads(id)/fullname/$value`.
    pub(crate) fn property_value(&self, table: usize, id: Guid, at: u16) -> Outcome<Response> {
        let value = self.property_cell(table, id, at)?;
        if value.is_null() {
            return Ok(no_content());
        }
        let text = value.as_text().map(str::to_owned).unwrap_or_else(|| value.to_json().to_string().trim_matches('"').to_owned());
        Ok(Response::new(200, "text/plain", text).with("odata-version", "4.0"))
    }

    fn set_property(&mut self, call: &Call<'_>, table: usize, id: Guid, at: u16, json: &serde_json::Value) -> Outcome<Response> {
        self.require(table, "Write")?;
        self.check_match(call, table, id)?;
        let name = self.table_name(table).to_owned();
        let column = self.store.schema.get(table).and_then(|table| table.column(at)).ok_or_else(|| Refusal::no_segment(&name))?;
        if column.is_lookup() || !column.updatable {
            return Err(Refusal::payload(&name, format!("The property '{}' can't be set directly.", column.property())));
        }
        let long = if self.options.reject_long_text { LongText::Refuse } else { LongText::Keep };
        let value = convert(&name, column, json, long)?;
        self.transact(|state| state.modify(table, id, Record::from([(at, value)]), call.actor, By::Client))?;
        Ok(no_content())
    }
}
