//! What objects look like: "describe" in its three shapes.

use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    schema::{Field, Object, Place},
    state::State,
    value::time,
};

impl State {
    /// `GET /rest/v1/leads/describe`: with numeric ids and SOAP names. A field without `rest` isn't reachable here.
    pub(crate) fn describe_leads(&self) -> Answer {
        let shown: std::collections::BTreeSet<_> = self.shown_fields(Object::Leads).map(|(column, _)| column).collect();
        let mut result = Vec::new();
        for (column, field) in self.leads.schema.iter() {
            if !field.hidden && !shown.contains(&column) {
                continue;
            }
            let mut entry = Map::new();
            entry.insert("id".into(), json!(u32::from(column) + 2));
            entry.insert("displayName".into(), json!(field.display_name));
            entry.insert("dataType".into(), json!(field.data_type.name()));
            if let Some(length) = field.length {
                entry.insert("length".into(), json!(length));
            }
            if !field.hidden {
                entry.insert("rest".into(), json!({"name": field.name, "readOnly": field.read_only}));
            }
            entry.insert("soap".into(), json!({"name": soap_name(&field.name), "readOnly": field.read_only}));
            result.push(Value::Object(entry));
        }
        Ok(Reply::of(result).into())
    }

    /// `GET /rest/v1/leads/describe2`: the authority for what may be a filter.
    pub(crate) fn describe_leads2(&self) -> Answer {
        let searchable: Vec<_> =
            self.shown_fields(Object::Leads).filter(|(_, field)| field.searchable).map(|(_, field)| json!([field.name])).collect();
        let fields: Vec<_> = self.shown_fields(Object::Leads).map(|(_, field)| described(field)).collect();
        Ok(Reply::one(json!({"name": "API Lead", "searchableFields": searchable, "fields": fields})).into())
    }

    /// `GET …/describe` of the other objects.
    pub(crate) fn describe(&self, object: Object) -> Answer {
        self.needs_no_native_crm(object, false)?;
        let (name, label) = match object {
            Object::Leads => ("lead", "Lead"),
            Object::Companies => ("company", "Company"),
            Object::SalesPersons => ("salesPerson", "Sales Person"),
            Object::Opportunities => ("opportunity", "Opportunity"),
            Object::Roles => ("opportunityRole", "Opportunity Role"),
        };
        let table = self.table(object);
        let key: Vec<_> = table.key.iter().filter_map(|column| table.schema.field(*column)).map(|field| field.name.clone()).collect();
        let mut searchable: Vec<Value> = Vec::new();
        if key.len() > 1 {
            searchable.push(json!(key));
        }
        searchable.extend(self.shown_fields(object).filter(|(_, field)| field.searchable).map(|(_, field)| json!([field.name])));
        let fields: Vec<_> = self
            .shown_fields(object)
            .map(|(column, field)| {
                let mut field = field.clone();
                field.read_only |= table.key.contains(&column) && key.len() > 1;
                field.read_only |= object == Object::SalesPersons
                    && field.name == "email"
                    && (self.options.sales_person_email_frozen || self.options.sales_person_email_refused);
                described(&field)
            })
            .collect();
        Ok(Reply::one(json!({
            "name": name, "displayName": label, "description": format!("{label} Map"),
            "createdAt": time(self.born, &self.options), "updatedAt": time(self.born, &self.options),
            "idField": self.id_field(object), "dedupeFields": key, "searchableFields": searchable, "fields": fields,
        }))
        .into())
    }

    /// The name of an object's own key.
    pub(crate) fn id_field(&self, object: Object) -> &str {
        self.table(object).schema.iter().find(|(_, field)| field.place == Place::Id).map_or("id", |(_, field)| &field.name)
    }

    /// Refuses with 1018 what a native CRM sync forbids: writes of company, sales person and opportunity, and everything about roles.
    pub(crate) fn needs_no_native_crm(&self, object: Object, write: bool) -> Result<(), Reason> {
        let forbidden = match object {
            Object::Leads => false,
            Object::Companies | Object::SalesPersons | Object::Opportunities => write,
            Object::Roles => true,
        };
        if self.options.native_crm && forbidden { Err(Reason::of("1018")) } else { Ok(()) }
    }
}

fn described(field: &Field) -> Value {
    let mut entry = Map::new();
    entry.insert("name".into(), json!(field.name));
    entry.insert("displayName".into(), json!(field.display_name));
    entry.insert("dataType".into(), json!(field.data_type.name()));
    if let Some(length) = field.length {
        entry.insert("length".into(), json!(length));
    }
    entry.insert("updateable".into(), json!(!field.read_only));
    entry.insert("crmManaged".into(), json!(false));
    Value::Object(entry)
}

fn soap_name(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
