//! POST, PATCH and DELETE on rows: preconditions, upsert by id and by alternate key, what is answered.

use base::Guid;
use emulator::Response;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Call, list::with_applied, payload::Purpose, route::Located};
use crate::{
    error::{Outcome, Refusal},
    headers::{condition, json, no_content},
    odata::{query::Query, uri::raw_key},
    row::Record,
    rules::By,
    state::State,
    value::Value,
};

impl State {
    /// `POST /leads`.
    pub(crate) fn post(&mut self, call: &Call<'_>, table: usize) -> Outcome<Response> {
        self.require(table, "Create")?;
        let body = self.body(call, self.table_name(table))?;
        let payload = self.read_payload(call, table, &body, Purpose::Create)?;
        self.detect_duplicates(call, table, None, &payload.cells)?;
        let id = self.create_deep(call, table, None, payload)?;
        self.created(call, table, id, false)
    }

    /// `PATCH /leads(key)`: update, or upsert without `If-Match`.
    pub(crate) fn patch(&mut self, call: &Call<'_>, table: usize, located: &Located, key_text: &str) -> Outcome<Response> {
        let must_exist = condition(call.request, "if-match").is_some();
        let must_not_exist = condition(call.request, "if-none-match") == Some("*");
        let body = self.body(call, self.table_name(table))?;
        match located {
            Located::Row(_) if must_not_exist => Err(Refusal::new(412, "0x80060892", "A record with matching key values already exists.")),
            Located::Row(id) => {
                self.require(table, "Write")?;
                self.check_match(call, table, *id)?;
                let payload = self.read_payload(call, table, &body, Purpose::Update)?;
                let mut cells = self.changes(table, *id, payload);
                // Key columns are ignored when the row was found by them.
                for at in self.key_columns(table, key_text) {
                    cells.remove(&at);
                }
                self.detect_duplicates(call, table, Some(*id), &cells)?;
                self.transact(|state| state.modify(table, *id, cells, call.actor, By::Client))?;
                self.touched = Some((table, *id));
                self.updated(call, table, *id)
            }
            // As with a deletion, who may not write isn't told what is there.
            Located::NoId(_) | Located::NoKey(_) if must_exist => {
                self.require(table, "Write")?;
                self.present(table, located).map(|_| no_content())
            }
            Located::NoId(id) => {
                self.require(table, "Create")?;
                let payload = self.read_payload(call, table, &body, Purpose::Create)?;
                self.detect_duplicates(call, table, None, &payload.cells)?;
                let id = self.create_deep(call, table, Some(*id), payload)?;
                self.created(call, table, id, true)
            }
            Located::NoKey(cells) => {
                self.require(table, "Create")?;
                let mut payload = self.read_payload(call, table, &body, Purpose::Create)?;
                // Values of the body beat those of the address.
                for (at, value) in cells {
                    payload.cells.entry(*at).or_insert_with(|| value.clone());
                }
                self.detect_duplicates(call, table, None, &payload.cells)?;
                let id = self.create_deep(call, table, None, payload)?;
                self.created(call, table, id, true)
            }
        }
    }

    fn key_columns(&self, table: usize, key_text: &str) -> Vec<u16> {
        let Some(definition) = self.store.schema.get(table) else { return Vec::new() };
        let names = crate::odata::uri::split_outside(key_text, ',').into_iter().filter_map(|part| part.split_once('='));
        names.filter_map(|(name, _)| definition.find_property(name.trim())).collect()
    }

    /// `DELETE /leads(key)`.
    pub(crate) fn delete_row(&mut self, call: &Call<'_>, table: usize, located: &Located) -> Outcome<Response> {
        self.require(table, "Delete")?;
        let id = self.present(table, located)?;
        self.check_match(call, table, id)?;
        self.transact(|state| state.remove(table, id, call.actor, By::Client))?;
        Ok(no_content())
    }

    /// `If-Match` with an etag: the row's version has to be that one.
    pub(crate) fn check_match(&self, call: &Call<'_>, table: usize, id: Guid) -> Outcome<()> {
        let Some(etag) = condition(call.request, "if-match").filter(|etag| *etag != "*") else { return Ok(()) };
        let definition = self.store.schema.get(table);
        if !definition.is_some_and(|table| table.concurrency) {
            let name = self.table_name(table);
            return Err(Refusal::new(
                400,
                "0x80060893",
                format!(
                    "Optimistic concurrency isn't enabled for entity type {name}. The IfVersionMatches value of ConcurrencyBehavior can only be used if optimistic concurrency is enabled."
                ),
            ));
        }
        let version = self.store.row(table, id).map(|row| format!("W/\"{}\"", row.version));
        if version.as_deref() == Some(etag) {
            return Ok(());
        }
        Err(Refusal::new(412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided."))
    }

    fn created(&mut self, call: &Call<'_>, table: usize, id: Guid, addressed: bool) -> Outcome<Response> {
        self.touched = Some((table, id));
        if call.preferences.representation {
            return self.representation(call, table, id, 201);
        }
        Ok(self.located_answer(call, table, id, addressed))
    }

    fn updated(&mut self, call: &Call<'_>, table: usize, id: Guid) -> Outcome<Response> {
        if call.preferences.representation {
            return self.representation(call, table, id, 200);
        }
        Ok(self.located_answer(call, table, id, true))
    }

    fn representation(&self, call: &Call<'_>, table: usize, id: Guid, status: u16) -> Outcome<Response> {
        let query = Query::parse(&self.store, table, &call.options, call.context())?;
        let etag = self.store.row(table, id).map(|row| format!("W/\"{}\"", row.version)).unwrap_or_default();
        let body = self.row_body(call, table, id, &query);
        let applied = call.preferences.applied(false, false, true);
        Ok(with_applied(json(status, body).with("etag", &etag), applied))
    }

    /// 204 with the row's address. One that was `addressed` by a key is answered with that key, percent-encoded as it came.
    fn located_answer(&self, call: &Call<'_>, table: usize, id: Guid, addressed: bool) -> Response {
        let set = self.store.schema.get(table).map_or("", |table| table.set.as_str());
        let raw = raw_key(&call.request.path).filter(|raw| addressed && crate::odata::uri::decode(raw).contains('='));
        let address =
            format!("{}/{set}({})", call.base, raw.map_or_else(|| id.to_string(), |raw| utf8_percent_encode(raw, UNSENDABLE).to_string()));
        no_content().with("location", &address).with("odata-entityid", &address)
    }

    /// The duplicate rule that comes with a new environment: two rows with the same e-mail address. Off unless a header asks for it.
    fn detect_duplicates(&self, call: &Call<'_>, table: usize, own: Option<Guid>, cells: &Record) -> Outcome<()> {
        let asked = call.request.header("mscrm.suppressduplicatedetection").is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        if !asked || !matches!(self.table_name(table), "account" | "contact" | "lead") {
            return Ok(());
        }
        let Some(at) = self.column(table, "emailaddress1") else { return Ok(()) };
        let Some(email) = cells.get(&at).and_then(Value::as_text) else { return Ok(()) };
        let mut rows = self.store.table(table).rows.iter();
        if rows.any(|(id, row)| {
            Some(*id) != own && row.get(at).as_text().is_some_and(|other| crate::value::compare_text(other, email).is_eq())
        }) {
            return Err(Refusal::new(
                412,
                "0x80040333",
                "A record was not created or updated because a duplicate of the current record already exists.",
            ));
        }
        Ok(())
    }
}

/// What may stand in the request line of a batch's part, but in no header.
const UNSENDABLE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');
