//! Both sides' metadata, as far as decisions need it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A column of a Dataverse table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The logical name, lower case.
    pub name: String,
    /// Its labels in all languages, the user's own first.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What it holds.
    pub kind: ColumnKind,
    /// For text: the longest, in UTF-16 units.
    #[serde(default)]
    pub max_length: Option<u32>,
    /// For a choice: its values and their labels.
    #[serde(default)]
    pub options: Vec<(i64, String)>,
    /// Whether it can be read at all.
    pub readable: bool,
    /// Whether it can be updated at all.
    pub updatable: bool,
    /// Whether field security applies to it: without a field permission it reads as nothing.
    #[serde(default)]
    pub secured: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// Any other number: decimal, floating, money.
    Decimal,
    /// Yes or no.
    Boolean,
    /// One of its options.
    Choice,
    /// Several of its options, as numbers with commas between.
    Choices,
    /// A day without time.
    Date,
    /// A moment, UTC.
    DateTime,
    /// A GUID of its own.
    Id,
    /// A reference to another row.
    Lookup,
    /// Something that can't be mapped.
    Other,
}

impl ColumnKind {
    /// Its name, with the length of a text, as people read it: `text 100`.
    #[must_use]
    pub fn type_text(self, max_length: Option<u32>) -> String {
        let name = match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "yes/no",
            Self::Choice => "choice",
            Self::Choices => "choices",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Id => "id",
            Self::Lookup => "lookup",
            Self::Other => "other",
        };
        max_length.map_or_else(|| name.to_owned(), |length| format!("{name} {length}"))
    }

    /// Whether values of such a column can become values of a field without an expression.
    #[must_use]
    pub const fn fits(self, field: DataKind) -> bool {
        match field {
            DataKind::String | DataKind::Text => !matches!(self, Self::Lookup | Self::Other | Self::Id),
            DataKind::Email => matches!(self, Self::Text),
            DataKind::Integer | DataKind::Float => matches!(self, Self::Integer | Self::Decimal | Self::Choice),
            DataKind::Boolean => matches!(self, Self::Boolean),
            DataKind::Date | DataKind::DateTime => matches!(self, Self::Date | Self::DateTime),
        }
    }
}

/// The columns of a table, by logical name.
pub type Columns = BTreeMap<String, Column>;

/// A field of a Marketo object, as its describe call tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetField {
    /// The REST name, as Marketo writes it.
    pub name: String,
    /// What it holds.
    pub kind: DataKind,
    /// What people see it called, where describe tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// For text: the longest, in characters.
    #[serde(default)]
    pub length: Option<u32>,
    /// Whether it can be written.
    pub updateable: bool,
}

impl TargetField {
    /// Its type with its length, as people read it: `string 255`.
    #[must_use]
    pub fn type_text(&self) -> String {
        let name = match self.kind {
            DataKind::String => "string",
            DataKind::Text => "text",
            DataKind::Email => "email",
            DataKind::Integer => "integer",
            DataKind::Float => "float",
            DataKind::Boolean => "boolean",
            DataKind::Date => "date",
            DataKind::DateTime => "datetime",
        };
        self.length.map_or_else(|| name.to_owned(), |length| format!("{name} {length}"))
    }
}

/// What a Marketo field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataKind {
    /// Text limited in characters.
    String,
    /// Long text, limited to 30,000 bytes.
    Text,
    /// An e-mail address.
    Email,
    /// A whole number.
    Integer,
    /// Any other number.
    Float,
    /// Yes or no.
    Boolean,
    /// A day.
    Date,
    /// A moment.
    DateTime,
}

/// The fields of a Marketo object. Names are found whatever their case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TargetSchema {
    fields: BTreeMap<String, TargetField>,
}

impl TargetSchema {
    /// The schema of these fields.
    #[must_use]
    pub fn new(fields: impl IntoIterator<Item = TargetField>) -> Self {
        Self { fields: fields.into_iter().map(|field| (field.name.to_lowercase(), field)).collect() }
    }

    /// A field by its name in any case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&TargetField> {
        self.fields.get(&name.to_lowercase())
    }

    /// All fields.
    pub fn fields(&self) -> impl Iterator<Item = &TargetField> {
        self.fields.values()
    }
}

/// The known name most like `name`, for "did you mean".
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    known
        .into_iter()
        .map(|known| (distance(&wanted, &known.to_lowercase()), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= wanted.chars().count().div_ceil(3))
        .map(|(_, known)| known)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_name() {
        let known = ["emailaddress1", "telephone1", "jobtitle"];
        assert_eq!(nearest("emailadress1", known), Some("emailaddress1"));
        assert_eq!(nearest("JobTitel", known), Some("jobtitle"));
        assert_eq!(nearest("something_else", known), None);
    }
}
