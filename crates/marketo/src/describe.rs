//! What an instance's objects look like: fields, keys, what can be searched by.
//!
//! Sources: Adobe's "Leads" page (describe2 and its predecessor) and "Lead database" page (the other objects).

use std::collections::BTreeMap;

use base::Object;
use serde::{Deserialize, Serialize};
use wire::{CallError, Endpoint, Request, Response};

use crate::{Place, envelope, number};

/// The fields and keys of leads, with what they can be searched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribeLeads;

/// The fields of leads as the older call tells them: with ids and SOAP names, without what can be searched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribeLeadsOld;

/// The fields and keys of an object; for leads the same as [`DescribeLeads`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Describe {
    /// The object.
    pub object: Object,
}

/// What an object looks like in one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The object.
    pub object: Object,
    /// The field with Marketo's own id.
    pub id_field: String,
    /// The key; several fields are one compound key.
    pub dedupe_fields: Vec<String>,
    /// What can be searched by; an inner list of several is a compound key.
    pub searchable: Vec<Vec<String>>,
    /// The fields by their canonical name.
    pub fields: BTreeMap<String, Field>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The name to send and to ask for.
    pub name: String,
    /// The name that people see.
    pub display_name: String,
    /// Its type.
    pub data_type: DataType,
    /// The longest text, in characters for strings; other types are limited in bytes.
    pub length: Option<u32>,
    /// Whether a write may carry it.
    pub updateable: bool,
    /// Whether a native CRM integration owns it.
    pub crm_managed: bool,
}

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum DataType {
    /// A text of up to [`Field::length`] characters.
    String,
    /// A long text: 30,000 bytes on leads.
    Text,
    /// An e-mail address; ASCII only on people.
    Email,
    /// A telephone number.
    Phone,
    /// A web address.
    Url,
    /// A whole number.
    Integer,
    /// A whole number that campaigns raise and lower.
    Score,
    /// A whole number of percent.
    Percent,
    /// A number.
    Float,
    /// An amount in the subscription's currency.
    Currency,
    /// Yes or no.
    Boolean,
    /// A day.
    Date,
    /// An instant, to the second.
    DateTime,
    /// The key of another record.
    Reference,
    /// Computed; never written.
    Formula,
    /// Something newer than this client.
    Other(String),
}

impl From<String> for DataType {
    fn from(text: String) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "string" => Self::String,
            "text" | "textarea" => Self::Text,
            "email" => Self::Email,
            "phone" => Self::Phone,
            "url" => Self::Url,
            "integer" => Self::Integer,
            "score" => Self::Score,
            "percent" => Self::Percent,
            "float" => Self::Float,
            "currency" => Self::Currency,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "datetime" => Self::DateTime,
            "reference" => Self::Reference,
            "lead_function" | "formula" => Self::Formula,
            _ => Self::Other(text),
        }
    }
}

impl From<DataType> for String {
    fn from(kind: DataType) -> Self {
        match kind {
            DataType::String => "string".into(),
            DataType::Text => "text".into(),
            DataType::Email => "email".into(),
            DataType::Phone => "phone".into(),
            DataType::Url => "url".into(),
            DataType::Integer => "integer".into(),
            DataType::Score => "score".into(),
            DataType::Percent => "percent".into(),
            DataType::Float => "float".into(),
            DataType::Currency => "currency".into(),
            DataType::Boolean => "boolean".into(),
            DataType::Date => "date".into(),
            DataType::DateTime => "datetime".into(),
            DataType::Reference => "reference".into(),
            DataType::Formula => "lead_function".into(),
            DataType::Other(text) => text,
        }
    }
}

impl Description {
    /// A field by its name, in whatever case: the vendor's own samples mix cases.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name).or_else(|| self.fields.values().find(|field| field.name.eq_ignore_ascii_case(name)))
    }

    /// Whether records can be searched by this field alone.
    #[must_use]
    pub fn is_searchable(&self, name: &str) -> bool {
        self.searchable.iter().any(|key| matches!(key.as_slice(), [only] if only.eq_ignore_ascii_case(name)))
    }
}

impl Endpoint for DescribeLeads {
    type Reply = Description;

    fn request(&self) -> Result<Request, CallError> {
        Ok(Request::get("leads.describe", "/rest/v1/leads/describe2.json"))
    }

    fn decode(&self, response: &Response) -> Result<Description, CallError> {
        Ok(envelope::row::<Answer>(response)?.into_description(Object::Lead))
    }
}

impl Endpoint for Describe {
    type Reply = Description;

    fn request(&self) -> Result<Request, CallError> {
        let name = match self.object {
            Object::Lead => return DescribeLeads.request(),
            Object::Company => "companies.describe",
            Object::SalesPerson => "salespersons.describe",
            Object::Opportunity => "opportunities.describe",
            Object::Role => "roles.describe",
        };
        Ok(Request::get(name, format!("{}/describe.json", self.object.path())))
    }

    fn decode(&self, response: &Response) -> Result<Description, CallError> {
        Ok(envelope::row::<Answer>(response)?.into_description(self.object))
    }
}

impl Endpoint for DescribeLeadsOld {
    type Reply = Description;

    fn request(&self) -> Result<Request, CallError> {
        Ok(Request::get("leads.describe_old", "/rest/v1/leads/describe.json"))
    }

    fn decode(&self, response: &Response) -> Result<Description, CallError> {
        let fields = envelope::rows::<OldField>(response)?.into_iter().filter_map(OldField::into_field).collect();
        Ok(Answer { fields, ..Answer::default() }.into_description(Object::Lead))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    id_field: Option<String>,
    dedupe_fields: Option<Vec<String>>,
    searchable_fields: Option<Vec<Vec<String>>>,
    fields: Vec<NewField>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewField {
    name: String,
    display_name: Option<String>,
    data_type: Option<String>,
    #[serde(default, deserialize_with = "number::optional")]
    length: Option<i64>,
    updateable: Option<bool>,
    crm_managed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldField {
    display_name: Option<String>,
    data_type: Option<String>,
    #[serde(default, deserialize_with = "number::optional")]
    length: Option<i64>,
    rest: Option<OldRest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldRest {
    name: String,
    read_only: Option<bool>,
}

impl OldField {
    /// A field without a `rest` member can't be reached by this API.
    fn into_field(self) -> Option<NewField> {
        let rest = self.rest?;
        Some(NewField {
            name: rest.name,
            display_name: self.display_name,
            data_type: self.data_type,
            length: self.length,
            updateable: Some(rest.read_only != Some(true)),
            crm_managed: None,
        })
    }
}

impl Answer {
    fn into_description(self, object: Object) -> Description {
        let fields = self.fields.into_iter().map(|field| (field.name.clone(), field.into_field())).collect();
        let dedupe = self.dedupe_fields.filter(|names| !names.is_empty());
        Description {
            object,
            id_field: self.id_field.unwrap_or_else(|| object.id_field().to_owned()),
            dedupe_fields: dedupe.unwrap_or_else(|| object.dedupe_fields().iter().map(|name| (*name).to_owned()).collect()),
            searchable: self.searchable_fields.unwrap_or_default(),
            fields,
        }
    }
}

impl NewField {
    fn into_field(self) -> Field {
        Field {
            display_name: self.display_name.unwrap_or_else(|| self.name.clone()),
            name: self.name,
            data_type: self.data_type.unwrap_or_else(|| "string".into()).into(),
            length: self.length.and_then(|length| u32::try_from(length).ok()),
            updateable: self.updateable.unwrap_or(true),
            crm_managed: self.crm_managed.unwrap_or(false),
        }
    }
}

#[cfg(test)]
#[path = "describe_test.rs"]
mod tests;
