//! Browsing the fields of an object, and adding custom ones to leads.

use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::{Call, input, member},
    mark::{Mark, decode, encode, fingerprint},
    schema::{DataType, Field, FieldSpec, Object},
    state::State,
};

/// Custom lead fields that may be made through the API: Adobe's "leads" page.
const API_FIELDS_MAX: usize = 100;

impl State {
    /// `GET …/schema/fields`, in pages.
    pub(crate) fn browse_fields(&self, object: Object, call: &Call<'_>, now: i64) -> Answer {
        let size = call.batch_size(self.options.page_size_max)?;
        let query = fingerprint(("fields", object));
        let start = match call.param("nextPageToken") {
            None => 0,
            Some(token) => match decode(token) {
                Some(Mark::After { query: known, number, .. }) if known == query => usize::try_from(number).unwrap_or(usize::MAX),
                Some(Mark::After { .. } | Mark::Since(_) | Mark::From { .. } | Mark::Dated { .. }) | None => {
                    return Err(Reason::invalid("Invalid nextPageToken"));
                }
            },
        };
        let all: Vec<_> = self.shown_fields(object).map(|(_, field)| browsed(field)).collect();
        let page: Vec<_> = all.iter().skip(start).take(size).cloned().collect();
        let end = start + page.len();
        let more = end < all.len();
        let next = more.then(|| encode(Mark::After { query, number: end as u64, asked: now }));
        Ok(Reply { next, more: Some(more), ..Reply::of(page) }.into())
    }

    /// `GET …/schema/fields/{name}`.
    pub(crate) fn one_field(&self, object: Object, name: &str) -> Answer {
        let field = self.column(object, name).and_then(|column| self.field(object, column)).ok_or_else(|| Reason::no_field(name))?;
        Ok(Reply::one(browsed(field)).into())
    }

    /// `POST /rest/v1/leads/schema/fields`: adds custom fields.
    pub(crate) fn create_fields(&mut self, call: &Call<'_>) -> Answer {
        let mut body = call.json()?;
        let mut result = Vec::new();
        for record in input(&mut body)? {
            result.push(
                match record
                    .as_object()
                    .map_or_else(|| Err(Reason::invalid("Each input must be an object")), |record| self.create_field(record))
                {
                    Ok(name) => json!({"name": name, "status": "created"}),
                    Err(reason) => Value::Object(reason.skipped()),
                },
            );
        }
        Ok(Reply::of(result).into())
    }

    fn create_field(&mut self, record: &Map<String, Value>) -> Result<String, Reason> {
        let name = member(record, "name").ok_or_else(|| Reason::missing("name"))?;
        let display_name = member(record, "displayName").ok_or_else(|| Reason::missing("displayName"))?;
        let data_type = member(record, "dataType").ok_or_else(|| Reason::missing("dataType"))?;
        let data_type = DataType::creatable(data_type)
            .ok_or_else(|| Reason::new("1001", format!("Invalid value '{data_type}' for field 'dataType'")))?;
        if !is_name(name) {
            return Err(Reason::invalid(format!("Invalid value '{name}' for field 'name'")));
        }
        if self.leads.schema.iter().any(|(_, field)| field.display_name.eq_ignore_ascii_case(display_name)) {
            return Err(Reason::new("1017", format!("Field with display name '{display_name}' already exists")));
        }
        if self.leads.schema.iter().filter(|(_, field)| field.api_created).count() >= API_FIELDS_MAX {
            return Err(Reason::invalid(format!("Only {API_FIELDS_MAX} fields can be created")));
        }
        let spec = FieldSpec { display_name: display_name.to_owned(), ..FieldSpec::new(name, data_type) };
        let field = Field { api_created: true, ..Field::custom(spec) };
        if self.leads.schema.add(field) { Ok(name.to_owned()) } else { Err(Reason::new("1017", format!("Field '{name}' already exists"))) }
    }

    /// `POST /rest/v1/leads/schema/fields/{name}`: changes the label; the type never changes.
    pub(crate) fn update_field(&mut self, name: &str, call: &Call<'_>) -> Answer {
        let mut body = call.json()?;
        let column = self.column(Object::Leads, name).ok_or_else(|| Reason::no_field(name))?;
        let mut result = Vec::new();
        for record in input(&mut body)? {
            let label = record.as_object().and_then(|record| member(record, "displayName")).map(str::to_owned);
            if let (Some(label), Some(field)) = (label, self.leads.schema.field_mut(column)) {
                field.display_name = label;
            }
            result.push(json!({"name": name, "status": "updated"}));
        }
        Ok(Reply::of(result).into())
    }
}

/// The contract's rule: it starts with a letter and has only letters, digits and underscores.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn browsed(field: &Field) -> Value {
    let mut entry = Map::new();
    entry.insert("displayName".into(), json!(field.display_name));
    entry.insert("name".into(), json!(field.name));
    entry.insert("description".into(), Value::Null);
    entry.insert("dataType".into(), json!(field.data_type.name()));
    if let Some(length) = field.length {
        entry.insert("length".into(), json!(length));
    }
    entry.insert("isHidden".into(), json!(false));
    entry.insert("isHtmlEncodingInEmail".into(), json!(true));
    entry.insert("isSensitive".into(), json!(false));
    entry.insert("isCustom".into(), json!(field.custom));
    entry.insert("isApiCreated".into(), json!(field.api_created));
    Value::Object(entry)
}
