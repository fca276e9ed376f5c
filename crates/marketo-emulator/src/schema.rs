//! Which fields an object has, with their types, lengths and whether they can be written.
//!
//! Names match without case and are answered in their canonical spelling. A field can be removed, shortened or made read-only at run
//! time, as an administrator may do it; the values below stay.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// The five objects of a CRM sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// Persons.
    Leads,
    /// Companies.
    Companies,
    /// Sales persons.
    SalesPersons,
    /// Opportunities.
    Opportunities,
    /// Opportunity roles.
    Roles,
}

/// The data types a field can have, as "describe" spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// A line of text, limited in characters.
    String,
    /// A text area, limited to 30,000 bytes.
    Text,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A web address.
    Url,
    /// A whole number.
    Integer,
    /// A whole number that campaigns add to.
    Score,
    /// A whole number of percent.
    Percent,
    /// A number.
    Float,
    /// An amount in the subscription's currency.
    Currency,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// An instant, to the second.
    Datetime,
    /// A key to another record.
    Reference,
    /// A formula: computed, never written.
    #[serde(rename = "lead_function")]
    Formula,
}

impl DataType {
    /// Its name in "describe".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Text => "text",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Integer => "integer",
            Self::Score => "score",
            Self::Percent => "percent",
            Self::Float => "float",
            Self::Currency => "currency",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Reference => "reference",
            Self::Formula => "lead_function",
        }
    }

    /// The type with this name, when it is one that the API can create: Adobe lists boolean, currency, date, datetime, email, float,
    /// integer, percent, phone, score, string and url.
    #[must_use]
    pub fn creatable(name: &str) -> Option<Self> {
        [
            Self::Boolean,
            Self::Currency,
            Self::Date,
            Self::Datetime,
            Self::Email,
            Self::Float,
            Self::Integer,
            Self::Percent,
            Self::Phone,
            Self::Score,
            Self::String,
            Self::Url,
        ]
        .into_iter()
        .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// Whether a custom field of this type may be a filter or a lookup: string, email and integer.
    pub(crate) const fn can_be_searched(self) -> bool {
        matches!(self, Self::String | Self::Email | Self::Integer)
    }
}

/// A custom field to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSpec {
    /// The REST name, in the spelling that answers use.
    pub name: String,
    /// What people see.
    pub display_name: String,
    /// The type.
    pub data_type: DataType,
    /// Longest text in characters (bytes for text areas); none for types without a limit.
    pub length: Option<u32>,
    /// Whether it can be written.
    pub read_only: bool,
}

impl FieldSpec {
    /// A writable field of this type, named alike for people and programs, 255 characters long where that applies.
    #[must_use]
    pub fn new(name: &str, data_type: DataType) -> Self {
        let length = data_type.can_be_searched() && data_type != DataType::Integer;
        Self { name: name.into(), display_name: name.into(), data_type, length: length.then_some(255), read_only: false }
    }
}

/// A column's number within its object.
pub(crate) type Column = u16;

/// Where a field's value lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the record.
    Own,
    /// It is the record's id.
    Id,
    /// It is the time of creation.
    CreatedAt,
    /// It is the time of the last visible change.
    UpdatedAt,
    /// On a lead: in the lead's company, under this column there; in the lead's hidden company as long as none is named.
    Company(Column),
}

/// One field.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub name: String,
    pub display_name: String,
    pub data_type: DataType,
    pub length: Option<u32>,
    /// The longest text that it takes although "describe" tells another length.
    pub limit: Option<u32>,
    pub read_only: bool,
    pub searchable: bool,
    pub custom: bool,
    pub api_created: bool,
    /// Known to "describe" only by its SOAP name.
    pub hidden: bool,
    pub removed: bool,
    pub place: Place,
}

impl Field {
    pub(crate) fn custom(spec: FieldSpec) -> Self {
        Self {
            searchable: spec.data_type.can_be_searched(),
            name: spec.name,
            display_name: spec.display_name,
            data_type: spec.data_type,
            length: spec.length,
            limit: None,
            read_only: spec.read_only,
            custom: true,
            api_created: false,
            hidden: false,
            removed: false,
            place: Place::Own,
        }
    }
}

/// An object's fields. Columns are never reused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    fields: Vec<Field>,
    by_name: HashMap<String, Column>,
}

impl Schema {
    pub(crate) fn new(fields: Vec<Field>) -> Self {
        let mut schema = Self::default();
        for field in fields {
            schema.add(field);
        }
        schema
    }

    /// Adds a field; one of the same name that was removed comes back as the new one. False when the name is taken or the schema is full.
    pub(crate) fn add(&mut self, field: Field) -> bool {
        let key = field.name.to_lowercase();
        if let Some(&column) = self.by_name.get(&key) {
            return match self.fields.get_mut(usize::from(column)) {
                Some(old) if old.removed => {
                    *old = field;
                    true
                }
                Some(_) | None => false,
            };
        }
        let Ok(column) = Column::try_from(self.fields.len()) else { return false };
        if !field.hidden {
            self.by_name.insert(field.name.clone(), column);
            self.by_name.insert(key, column);
        }
        self.fields.push(field);
        true
    }

    /// The column of this name, whatever its case.
    pub(crate) fn find(&self, name: &str) -> Option<Column> {
        let column = match self.by_name.get(name) {
            Some(column) => *column,
            None => *self.by_name.get(&name.to_lowercase())?,
        };
        self.field(column).filter(|field| !field.removed).map(|_| column)
    }

    pub(crate) fn field(&self, column: Column) -> Option<&Field> {
        self.fields.get(usize::from(column))
    }

    pub(crate) fn field_mut(&mut self, column: Column) -> Option<&mut Field> {
        self.fields.get_mut(usize::from(column))
    }

    /// Every field that wasn't removed, with its column.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Column, &Field)> {
        (0..).zip(&self.fields).filter(|(_, field)| !field.removed)
    }
}
