//! A column's description, as the metadata tell it.
//!
//! Shapes are from Microsoft's "Query table definitions using the Web API" page; what a server leaves out takes the harmless default.

use serde::Deserialize;
use serde_json::Value;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in rows and queries, in lower case.
    pub logical_name: String,
    /// Its label in our user's language; many internal columns have none.
    pub label: Option<String>,
    /// Its labels in every language. Not unique within a table.
    pub labels: Vec<String>,
    /// What it holds.
    pub kind: ColumnKind,
    /// The longest text it takes, in UTF-16 units; for texts whose detail could be read.
    pub max_length: Option<u32>,
    /// The values that a choice takes, with their labels; false is 0 and true 1.
    pub options: Vec<(i64, String)>,
    /// Whether it may be selected.
    pub readable: bool,
    /// Whether it may be written when a row is created.
    pub creatable: bool,
    /// Whether it may be changed.
    pub updatable: bool,
    /// Whether column security applies: without a profile it reads as null and can't be written.
    pub secured: bool,
    /// The column that it only mirrors, such as a choice's label. Such a column can't be selected.
    pub attribute_of: Option<String>,
    /// The tables that a lookup may point to.
    pub targets: Vec<String>,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnKind {
    /// A line of text.
    String,
    /// A long text.
    Memo,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    BigInt,
    /// A decimal number of fixed precision.
    Decimal,
    /// A floating-point number.
    Double,
    /// An amount in the row's currency.
    Money,
    /// Yes or no.
    Boolean,
    /// One of a list.
    Picklist,
    /// Open, closed, active, …
    State,
    /// The reason for the state.
    Status,
    /// Several of a list; a text of comma-joined numbers.
    MultiSelect,
    /// A point in time.
    DateTime {
        /// A day without time: `2026-04-07`.
        date_only: bool,
    },
    /// A row of another table.
    Lookup,
    /// A user or a team.
    Owner,
    /// An account or a contact.
    Customer,
    /// A GUID.
    Uniqueidentifier,
    /// Something else, by the vendor's name.
    Other(String),
}

impl ColumnKind {
    /// The kind of a vendor's name; `Virtual` hides others behind it.
    fn of(name: &str, virtual_name: &str) -> Self {
        match name {
            "String" => Self::String,
            "Memo" => Self::Memo,
            "Integer" => Self::Integer,
            "BigInt" => Self::BigInt,
            "Decimal" => Self::Decimal,
            "Double" => Self::Double,
            "Money" => Self::Money,
            "Boolean" => Self::Boolean,
            "Picklist" => Self::Picklist,
            "State" => Self::State,
            "Status" => Self::Status,
            "DateTime" => Self::DateTime { date_only: false },
            "Lookup" => Self::Lookup,
            "Owner" => Self::Owner,
            "Customer" => Self::Customer,
            "Uniqueidentifier" => Self::Uniqueidentifier,
            "Virtual" if virtual_name == "MultiSelectPicklistType" => Self::MultiSelect,
            _ => Self::Other(name.to_owned()),
        }
    }

    /// Whether rows hold it as `_name_value`.
    #[must_use]
    pub fn is_lookup(&self) -> bool {
        matches!(self, Self::Lookup | Self::Owner | Self::Customer)
    }
}

impl Column {
    /// The name under which it is selected: `_ownerid_value` for `ownerid`.
    #[must_use]
    pub fn selected_as(&self) -> String {
        if self.kind.is_lookup() { crate::row::lookup_column(&self.logical_name) } else { self.logical_name.clone() }
    }

    pub(crate) fn of(attribute: Attribute) -> Self {
        let virtual_name = attribute.attribute_type_name.and_then(|name| name.value).unwrap_or_default();
        let label = attribute.display_name.as_ref().and_then(Label::text);
        Self {
            label,
            labels: attribute.display_name.map(Label::all).unwrap_or_default(),
            kind: ColumnKind::of(&attribute.attribute_type.unwrap_or_default(), &virtual_name),
            max_length: None,
            options: Vec::new(),
            readable: attribute.is_valid_for_read.unwrap_or(true),
            creatable: attribute.is_valid_for_create.unwrap_or(true),
            updatable: attribute.is_valid_for_update.unwrap_or(true),
            secured: attribute.is_secured.unwrap_or(false),
            attribute_of: attribute.attribute_of,
            targets: Vec::new(),
            logical_name: attribute.logical_name,
        }
    }

    /// Adds what a cast told.
    pub(crate) fn refine(&mut self, detail: Detail) {
        self.max_length = self.max_length.or(detail.max_length);
        if let ColumnKind::DateTime { date_only } = &mut self.kind {
            // The behaviour decides what the JSON holds; the format is for forms, and only stands in where the behaviour is untold.
            let told = detail.date_time_behavior.and_then(|behavior| behavior.value).or(detail.format);
            *date_only |= told.as_deref() == Some("DateOnly");
        }
        if !detail.targets.is_empty() {
            self.targets = detail.targets;
        }
        if let Some(set) = detail.option_set.or(detail.global_option_set) {
            let pair = [set.false_option, set.true_option].into_iter().flatten();
            self.options = set
                .options
                .into_iter()
                .chain(pair)
                .map(|option| (option.value, option.label.as_ref().and_then(Label::text).unwrap_or_default()))
                .collect();
        }
    }
}

/// A column in the listing of all columns.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute {
    pub(crate) logical_name: String,
    display_name: Option<Label>,
    attribute_type: Option<String>,
    attribute_type_name: Option<Wrapped>,
    is_valid_for_read: Option<bool>,
    is_valid_for_create: Option<bool>,
    is_valid_for_update: Option<bool>,
    is_secured: Option<bool>,
    attribute_of: Option<String>,
}

/// A column in the listing of one kind of columns.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Detail {
    pub(crate) logical_name: String,
    #[serde(default, deserialize_with = "length")]
    max_length: Option<u32>,
    format: Option<String>,
    date_time_behavior: Option<Wrapped>,
    #[serde(default, deserialize_with = "or_default")]
    targets: Vec<String>,
    option_set: Option<OptionSet>,
    global_option_set: Option<OptionSet>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OptionSet {
    #[serde(default, deserialize_with = "or_default")]
    options: Vec<Choice>,
    true_option: Option<Choice>,
    false_option: Option<Choice>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Choice {
    value: i64,
    label: Option<Label>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wrapped {
    value: Option<String>,
}

/// A text in several languages.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Label {
    #[serde(default, deserialize_with = "or_default")]
    localized_labels: Vec<Localized>,
    user_localized_label: Option<Localized>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Localized {
    label: Option<String>,
}

impl Label {
    /// The text in the user's language, else in the first there is.
    fn text(&self) -> Option<String> {
        let user = self.user_localized_label.as_ref().and_then(|label| label.label.clone());
        user.or_else(|| self.localized_labels.iter().find_map(|label| label.label.clone())).filter(|text| !text.is_empty())
    }

    fn all(self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for label in self.user_localized_label.into_iter().chain(self.localized_labels).filter_map(|label| label.label) {
            if !label.is_empty() && !all.contains(&label) {
                all.push(label);
            }
        }
        all
    }
}

fn or_default<'de, T: Default + Deserialize<'de>, D: serde::Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Some columns have a length of −1 or beyond 32 bits, which both mean none.
fn length<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| u32::try_from(value.as_i64()?).ok()).filter(|length| *length > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(base: &str, detail: &str) -> Column {
        let mut column = Column::of(serde_json::from_str(base).unwrap());
        column.refine(serde_json::from_str(detail).unwrap());
        column
    }

    #[test]
    fn a_documented_text_column_reads() {
        let label = r#"{"LocalizedLabels":[{"Label":"Type des letzten Moments","LanguageCode":1031},{"Label":"Last Interesting Moment Type","LanguageCode":1033,"IsManaged":true,"MetadataId":"91aa","HasChanged":null}],"UserLocalizedLabel":{"Label":"Last Interesting Moment Type","LanguageCode":1033}}"#;
        let column = column(
            &format!(
                r#"{{"LogicalName":"mkt_lastinterestingmomenttype","DisplayName":{label},"AttributeType":"String","AttributeTypeName":{{"Value":"StringType"}},"IsValidForUpdate":true,"AttributeOf":null,"MetadataId":"5d5e"}}"#
            ),
            r#"{"LogicalName":"mkt_lastinterestingmomenttype","MaxLength":100,"FormatName":{"Value":"Text"}}"#,
        );
        assert_eq!((column.label.as_deref(), column.labels.len()), (Some("Last Interesting Moment Type"), 2));
        assert_eq!((&column.kind, column.max_length, column.readable, column.secured), (&ColumnKind::String, Some(100), true, false));
    }

    #[test]
    fn choices_are_read_from_whichever_set_holds_them() {
        let base =
            r#"{"LogicalName":"leadsourcecode","DisplayName":{"LocalizedLabels":[],"UserLocalizedLabel":null},"AttributeType":"Picklist"}"#;
        let options =
            r#"{"Options":[{"Value":3,"Color":null,"Label":{"LocalizedLabels":[],"UserLocalizedLabel":{"Label":"External Referral"}}}]}"#;
        for detail in [
            format!(r#"{{"LogicalName":"x","OptionSet":{options},"GlobalOptionSet":null}}"#),
            format!(r#"{{"LogicalName":"x","OptionSet":null,"GlobalOptionSet":{options}}}"#),
        ] {
            let column = column(base, &detail);
            assert_eq!((column.label.clone(), column.options), (None, vec![(3, "External Referral".to_owned())]));
        }
        let pair = r#"{"LogicalName":"x","OptionSet":{"TrueOption":{"Value":1,"Label":{"UserLocalizedLabel":{"Label":"Yes"}}},"FalseOption":{"Value":0,"Label":null}}}"#;
        assert_eq!(
            column(r#"{"LogicalName":"merged","AttributeType":"Boolean"}"#, pair).options,
            [(0, String::new()), (1, "Yes".to_owned())]
        );
    }

    #[test]
    fn the_behaviour_makes_a_day_of_a_date() {
        let kind = |detail: &str| column(r#"{"LogicalName":"birthdate","AttributeType":"DateTime"}"#, detail).kind;
        assert_eq!(
            kind(r#"{"LogicalName":"x","Format":"DateOnly","DateTimeBehavior":{"Value":"UserLocal"}}"#),
            ColumnKind::DateTime { date_only: false }
        );
        assert_eq!(
            kind(r#"{"LogicalName":"x","Format":"DateOnly","DateTimeBehavior":{"Value":"DateOnly"}}"#),
            ColumnKind::DateTime { date_only: true }
        );
        assert_eq!(kind(r#"{"LogicalName":"x","Format":"DateOnly"}"#), ColumnKind::DateTime { date_only: true });
    }

    #[test]
    fn odd_columns_are_kept() {
        let kind = |base: &str| column(base, r#"{"LogicalName":"x","MaxLength":-1,"Targets":null}"#).kind;
        assert_eq!(
            kind(r#"{"LogicalName":"x","AttributeType":"Virtual","AttributeTypeName":{"Value":"MultiSelectPicklistType"}}"#),
            ColumnKind::MultiSelect
        );
        assert_eq!(
            kind(r#"{"LogicalName":"x","AttributeType":"Virtual","AttributeTypeName":{"Value":"ImageType"}}"#),
            ColumnKind::Other("Virtual".into())
        );
        assert_eq!(kind(r#"{"LogicalName":"x"}"#), ColumnKind::Other(String::new()));
        assert_eq!(
            column(r#"{"LogicalName":"ownerid","AttributeType":"Owner"}"#, r#"{"LogicalName":"x","Targets":["systemuser","team"]}"#)
                .selected_as(),
            "_ownerid_value"
        );
    }
}
