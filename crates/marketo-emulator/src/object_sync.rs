//! Sync of companies, sales persons, opportunities and roles.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::{Call, input, member},
    lead_write::Action,
    object_write::By,
    options::ErrorLevel,
    schema::{Object, Place},
    state::State,
    text::fold,
    value::Source,
};

impl State {
    /// `POST {base}`: up to 300 records, each answered with its place in the input.
    pub(crate) fn sync_objects(&mut self, object: Object, call: &Call<'_>, now: i64) -> Answer {
        self.needs_no_native_crm(object, true)?;
        let mut body = call.json()?;
        let records = input(&mut body)?;
        let action = Action::of(member(&body, "action"))?;
        if action == Action::CreateDuplicate {
            return Err(Reason::invalid("Invalid value 'createDuplicate' for 'action'"));
        }
        let by = By::of(member(&body, "dedupeBy"), "dedupeBy")?;
        if by == By::Id && action != Action::UpdateOnly {
            return Err(Reason::invalid("dedupeBy 'idField' is only allowed with action 'updateOnly'"));
        }
        if object == Object::Opportunities && self.options.unknown_owner == ErrorLevel::Response {
            self.owners_exist(&records)?;
        }
        let twins = self.twins(object, &records, by);
        let mut result = Vec::with_capacity(records.len());
        for (seq, record) in records.iter().enumerate() {
            let done = match record.as_object() {
                Some(_) if twins.get(seq).copied().unwrap_or_default() => Err(Reason::of("1036")),
                Some(record) => self.upsert_object(object, record, action, by, now),
                None => Err(Reason::new("1001", "Each input must be an object")),
            };
            let mut entry = match done {
                Ok((number, status)) => {
                    let mut entry = Map::new();
                    entry.insert(self.id_field(object).to_owned(), self.id_value(object, number));
                    entry.insert("status".into(), json!(status.name()));
                    entry
                }
                Err(reason) => reason.skipped(),
            };
            entry.insert("seq".into(), json!(seq));
            result.push(Value::Object(entry));
        }
        Ok(Reply::of(result).into())
    }

    /// An object's own id as it is answered.
    pub(crate) fn id_value(&self, object: Object, number: u32) -> Value {
        match object {
            Object::Opportunities | Object::Roles => json!(self.table(object).guid(number).to_string()),
            Object::Leads | Object::Companies | Object::SalesPersons => json!(self.table(object).id(number)),
        }
    }

    /// Refuses the request with 718 when any opportunity names a sales person that isn't there.
    fn owners_exist(&self, records: &[Value]) -> Result<(), Reason> {
        for (name, value) in records.iter().filter_map(Value::as_object).flatten() {
            let owner = name.eq_ignore_ascii_case("externalSalesPersonId");
            let Some(key) = value.as_str().filter(|key| owner && !key.trim().is_empty()) else { continue };
            if self.sales_persons.by_key(&[key.to_owned()], self.options.case_sensitive_keys).is_empty() {
                return Err(Reason::new("718", format!("External Sales Person Id '{key}' Not Found")));
            }
        }
        Ok(())
    }

    /// Which records share their key with another one of the same input.
    fn twins(&self, object: Object, records: &[Value], by: By) -> Vec<bool> {
        let key = |record: &Value| {
            let members = self.members(object, record.as_object()?).ok()?;
            match by {
                By::Key => self.key_parts(object, &members, Source::Json).ok().map(|parts| parts.join("\u{1}")),
                By::Id => {
                    let schema = &self.table(object).schema;
                    let id = members.iter().find(|(column, _)| schema.field(*column).is_some_and(|field| field.place == Place::Id));
                    id.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                }
            }
        };
        let exact = self.options.case_sensitive_keys;
        let folded = |text: String| if exact { text } else { fold(&text).into_owned() };
        let keys: Vec<_> = records.iter().map(|record| key(record).map(folded)).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for key in keys.iter().flatten() {
            *counts.entry(key).or_default() += 1;
        }
        keys.iter().map(|key| key.as_deref().is_some_and(|key| counts.get(key).is_some_and(|count| *count > 1))).collect()
    }
}
