//! Querying companies, sales persons, opportunities and roles by filter, in pages.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::{Call, few, input, member},
    lead_read::{after, next},
    mark::fingerprint,
    options::Nulls,
    schema::{Column, Object, Place},
    state::State,
    value::{Source, show, time},
};

/// What a query asks for, whichever way it came.
struct Query {
    found: Vec<u32>,
    fields: Vec<String>,
    /// The field that was filtered by.
    filter: Option<Column>,
    fingerprint: u64,
    size: usize,
    token: Option<String>,
}

impl State {
    /// `GET {base}`, its POST form, and for compound keys its JSON form.
    pub(crate) fn query_objects(&self, object: Object, call: &Call<'_>, now: i64) -> Answer {
        self.needs_no_native_crm(object, false)?;
        let by_body = call.is_json() && !call.request.body.iter().all(u8::is_ascii_whitespace);
        let query = if by_body { self.compound_query(object, call, now)? } else { self.simple_query(object, call, now)? };
        let (columns, defaults) = self.object_columns(object, &query)?;
        let after = after(query.token.as_deref(), query.fingerprint, now)?;
        let wanted = |number: &u32| after.is_none_or(|after| u64::from(*number) > after);
        let rest: Vec<_> = query.found.into_iter().filter(wanted).collect();
        let page = rest.get(..query.size).unwrap_or(&rest);
        // A sales person is answered with what it has, unless fields were asked for.
        let nulls = self.options.nulls == Nulls::Explicit && !(object == Object::SalesPersons && query.fields.is_empty());
        let show = |(seq, number): (usize, &u32)| {
            let mut shown = self.show_object(object, *number, &columns, &defaults, nulls);
            shown.insert("seq".into(), json!(seq));
            Value::Object(shown)
        };
        let result = page.iter().enumerate().map(show).collect();
        let (next, more) = next(&rest, query.size, query.fingerprint, now);
        Ok(Reply { next, more, ..Reply::of(result) }.into())
    }

    fn simple_query(&self, object: Object, call: &Call<'_>, now: i64) -> Result<Query, Reason> {
        let filter = call.required("filterType")?;
        let column = self.filter_column(object, filter)?;
        let values = call.list("filterValues");
        if values.is_empty() {
            return Err(Reason::missing("filterValues"));
        }
        few(values.len(), "filter values")?;
        let table = self.table(object);
        let found = match table.schema.field(column).map(|field| field.place) {
            Some(Place::Id) => {
                let ids: BTreeSet<_> = values.iter().filter_map(|text| self.by_id_value(object, &json!(text))).collect();
                ids.into_iter().collect()
            }
            Some(Place::Own | Place::Company(_) | Place::CreatedAt | Place::UpdatedAt) | None if table.key == [column] => {
                let exact = self.options.case_sensitive_keys;
                let keys: BTreeSet<_> = values.iter().flat_map(|text| table.by_key(std::slice::from_ref(text), exact)).collect();
                keys.into_iter().collect()
            }
            Some(Place::Own | Place::Company(_) | Place::CreatedAt | Place::UpdatedAt) | None => {
                table.by_values(column, &values, false, usize::MAX)
            }
        };
        Ok(Query {
            found: self.as_indexed(object, column, &values, found, now),
            fields: call.list("fields"),
            filter: Some(column),
            fingerprint: fingerprint((object, column, &values)),
            size: call.batch_size(self.options.page_size_max)?,
            token: call.param("nextPageToken").map(str::to_owned),
        })
    }

    /// The column a filter type names, directly or by alias.
    fn filter_column(&self, object: Object, filter: &str) -> Result<Column, Reason> {
        let table = self.table(object);
        if filter.eq_ignore_ascii_case("idField") {
            return table.schema.find(self.id_field(object)).ok_or_else(|| Reason::no_field(filter));
        }
        if filter.eq_ignore_ascii_case("dedupeFields") {
            return match table.key.as_slice() {
                [only] => Ok(*only),
                _ => Err(Reason::invalid("A compound key can only be queried with a JSON body")),
            };
        }
        let column = self.column(object, filter).ok_or_else(|| Reason::no_field(filter))?;
        let searchable = table.schema.field(column).is_some_and(|field| field.searchable);
        if searchable { Ok(column) } else { Err(Reason::unsupported(filter)) }
    }

    /// The JSON form: `input` has the key fields of each wanted record.
    fn compound_query(&self, object: Object, call: &Call<'_>, now: i64) -> Result<Query, Reason> {
        let mut body = call.json()?;
        let filter = member(&body, "filterType").unwrap_or("dedupeFields").to_owned();
        let by_key = filter.eq_ignore_ascii_case("dedupeFields");
        let column = if by_key { None } else { Some(self.filter_column(object, &filter)?) };
        let records = input(&mut body)?;
        let mut found = BTreeSet::new();
        for record in &records {
            let record = record.as_object().ok_or_else(|| Reason::new("1001", "Each input must be an object"))?;
            let members = self.members(object, record)?;
            match column {
                None => found
                    .extend(self.table(object).by_key(&self.key_parts(object, &members, Source::Json)?, self.options.case_sensitive_keys)),
                Some(column) => {
                    let value =
                        members.iter().find(|(at, _)| *at == column).map(|(_, value)| *value).ok_or_else(|| Reason::missing(&filter))?;
                    match self.table(object).schema.field(column).map(|field| field.place) {
                        Some(Place::Id) => found.extend(self.by_id_value(object, value)),
                        Some(Place::Own | Place::Company(_) | Place::CreatedAt | Place::UpdatedAt) | None => {
                            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                            found.extend(self.table(object).by_value(column, &text, false));
                        }
                    }
                }
            }
        }
        let fields = match body.get("fields") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(names)) => names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => call.list("fields"),
        };
        let asked = body.get("batchSize").and_then(crate::value::whole).map(|size| usize::try_from(size.clamp(1, 300)).unwrap_or(300));
        let size = asked.unwrap_or(300).min(call.batch_size(self.options.page_size_max)?);
        let token = member(&body, "nextPageToken").or_else(|| call.param("nextPageToken")).map(str::to_owned);
        let fingerprint = fingerprint((object, records.iter().map(Value::to_string).collect::<Vec<_>>()));
        // A key never changes, except for the lead of a role, so that only its age counts.
        let lag = i64::try_from(self.options.read_lag_s).unwrap_or(i64::MAX);
        found.retain(|number| lag == 0 || self.table(object).get(*number).is_some_and(|record| record.created.saturating_add(lag) <= now));
        Ok(Query { found: found.into_iter().collect(), fields, filter: column, fingerprint, size, token })
    }

    /// The columns to answer, and those that are there even when empty. The id always comes along.
    fn object_columns(&self, object: Object, query: &Query) -> Result<(Vec<Column>, Vec<Column>), Reason> {
        let table = self.table(object);
        let id = table.schema.find(self.id_field(object));
        if !query.fields.is_empty() {
            let columns = query.fields.iter().map(|name| self.column(object, name).ok_or_else(|| Reason::no_field(name)));
            let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
            columns.extend(id);
            return Ok((columns, Vec::new()));
        }
        if object == Object::SalesPersons {
            return Ok((self.shown_fields(object).map(|(column, _)| column).collect(), Vec::new()));
        }
        let mut columns: Vec<Column> = id.into_iter().chain(table.key.iter().copied()).collect();
        columns.extend(["createdAt", "updatedAt"].iter().filter_map(|name| table.schema.find(name)));
        if object != Object::Companies {
            columns.extend(query.filter);
        }
        Ok((columns.clone(), columns))
    }

    /// A record's fields.
    pub(crate) fn show_object(
        &self,
        object: Object,
        number: u32,
        columns: &[Column],
        always: &[Column],
        nulls: bool,
    ) -> Map<String, Value> {
        let table = self.table(object);
        let mut shown = Map::new();
        let Some(record) = table.get(number) else { return shown };
        for column in columns {
            let Some(field) = table.schema.field(*column) else { continue };
            let value = match field.place {
                Place::Id => Some(self.id_value(object, number)),
                Place::CreatedAt => Some(json!(time(record.created, &self.options))),
                Place::UpdatedAt => Some(json!(time(record.updated, &self.options))),
                Place::Own | Place::Company(_) => record.row.get(*column).map(|view| show(field.data_type, view, &self.options)),
            };
            match value {
                Some(value) => {
                    shown.insert(field.name.clone(), value);
                }
                None if nulls || always.contains(column) => {
                    shown.insert(field.name.clone(), Value::Null);
                }
                None => {}
            }
        }
        shown
    }
}
