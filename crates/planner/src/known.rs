//! What mapped columns and fields looked like when they last fitted both sides, and what has become of them since.
//!
//! A map that never fitted is a mistake of whoever wrote it. One that did, and doesn't any more although nobody has touched it, is a change of
//! a schema: then only its field stops. What was confirmed of it stays confirmed, so that nothing of it is blanked, and what changed meanwhile is sent
//! once it fits again.

use std::collections::{BTreeMap, BTreeSet};

use base::{Object, Table, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    mapping::{FieldSpec, MapProblem},
    schema::{Column, ColumnKind, Columns, DataKind, TargetField, TargetSchema},
    source::Source,
};

/// Lengths that are remembered of a field that became shorter again and again.
const LENGTHS_MAX: usize = 8;

/// Letters of a name that may be a part of another by more than chance.
const SHORTEST_NAME: usize = 5;

/// The side whose schema changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaOf {
    /// Microsoft Dynamics 365.
    Dynamics,
    /// Adobe Marketo Engage.
    Marketo,
}

/// What became of a column or field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// It isn't there any more; it may have another name now.
    Removed,
    /// It can't be read any more.
    Unreadable,
    /// It is under field security, so that it may read as empty.
    Secured,
    /// It can't be written any more.
    ReadOnly,
    /// It has another type.
    OtherType,
    /// It takes shorter texts.
    Shorter,
    /// It takes longer texts.
    Longer,
    /// It doesn't fit for another reason.
    Unfit,
    /// It is as it has to be again.
    Back,
}

/// A change of one side's schema that concerns a mapped field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaNews {
    /// Whose schema.
    pub side: SchemaOf,
    /// What became of it.
    pub became: Became,
    /// The column or the field of that side.
    pub name: String,
    /// Its type before, where that matters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// Its type now, or why it doesn't fit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// A column or field that it may have become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perhaps: Option<String>,
}

/// A column as it was when it last fitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownColumn {
    /// What it held.
    pub kind: ColumnKind,
    /// For text: the longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// What people saw it called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// That a field or column is left out, since when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: SchemaNews,
}

/// A mapped field as it was when it last fitted both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownField {
    /// How it is configured; none for a default. Another entry is another field: what doesn't fit of that is a mistake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<FieldSpec>,
    /// The Marketo field.
    pub target: TargetField,
    /// The columns that it reads.
    pub columns: BTreeMap<String, KnownColumn>,
    /// What it adds to the text that changes when a map does.
    pub text: String,
    /// Greater lengths than now under which values may have been confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<u32>,
    /// Since when it is shorter than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shorter_since: Option<Timestamp>,
    /// How often all rows had to be read again because of it.
    #[serde(default)]
    pub returned: u32,
    /// Why it is left out now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
}

/// Fields of one table's map, by name in lower case.
pub type KnownFields = BTreeMap<String, KnownField>;

/// What is known from before when a map is compiled.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Its fields as they last fitted.
    pub fields: &'a KnownFields,
    /// Fields by which records are found: without them nothing may go on.
    pub keys: &'a [String],
    /// The time.
    pub now: Timestamp,
}

impl KnownColumn {
    pub(crate) fn of(column: &Column) -> Self {
        Self { kind: column.kind, max_length: column.max_length, label: column.labels.first().cloned() }
    }

    /// Its type, as people read it.
    #[must_use]
    pub fn type_text(&self) -> String {
        self.kind.type_text(self.max_length)
    }

    /// A column that may be this one under another name: called alike by people or by its name, and of its kind.
    pub(crate) fn perhaps_now(&self, name: &str, columns: &Columns, mapped: &BTreeSet<String>) -> Option<String> {
        let like = || columns.values().filter(|column| column.kind == self.kind && column.readable && !mapped.contains(&column.name));
        let is_called = |label: &str| self.label.as_deref().is_some_and(|was| was.trim().eq_ignore_ascii_case(label.trim()));
        let called = like().find(|column| column.labels.iter().any(|label| is_called(label))).map(|column| column.name.clone());
        called.or_else(|| only_one_named_like(name, like().map(|column| column.name.as_str())))
    }
}

/// The one name that is the other with something before or behind it, such as a publisher's prefix; none where several are.
fn only_one_named_like<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let bare = |name: &str| name.to_lowercase().replace('_', "");
    let was = bare(name);
    let is_like = |known: &&str| {
        let now = bare(known);
        now.contains(&was) || was.contains(&now) && now.len() >= SHORTEST_NAME
    };
    let mut alike = known.filter(is_like);
    alike.next().filter(|_| alike.next().is_none()).map(str::to_owned)
}

/// A field that may be this one under another name.
pub(crate) fn field_perhaps_now(was: &TargetField, target: &TargetSchema, mapped: &BTreeSet<String>) -> Option<String> {
    let like = || {
        let free = |field: &&TargetField| field.updateable && field.kind == was.kind && !mapped.contains(&field.name.to_lowercase());
        target.fields().filter(free)
    };
    let is_called = |label: &str| was.label.as_deref().is_some_and(|was| was.trim().eq_ignore_ascii_case(label.trim()));
    let called = like().find(|field| field.label.as_deref().is_some_and(is_called)).map(|field| field.name.clone());
    called.or_else(|| only_one_named_like(&was.name, like().map(|field| field.name.as_str())))
}

/// Fields without which people would be made twice, or records can't be written at all: they stop everything.
pub(crate) fn never_stops(object: Object, field: &str, keys: &[String]) -> bool {
    let needed = match object {
        Object::SalesPerson | Object::Lead => "email",
        Object::Opportunity => "name",
        Object::Company | Object::Role => "",
    };
    field.eq_ignore_ascii_case(needed) || keys.iter().any(|key| key.eq_ignore_ascii_case(field))
}

/// Whether a source still reads what it read, although a column has another type.
pub(crate) fn still_reads(source: &Source, was: ColumnKind, now: ColumnKind, target: DataKind) -> bool {
    let is_choice = |kind| matches!(kind, ColumnKind::Choice | ColumnKind::Choices);
    match source {
        Source::Column(_) => now.fits(target) || !was.fits(target),
        Source::Label(_) => is_choice(now) || !is_choice(was),
        // Where it has no answer for a row, the field is left alone there.
        Source::Expression(_) | Source::Constant(_) => true,
        Source::First(_) | Source::Lines(_) | Source::Among(..) | Source::NotAmong(..) | Source::AnyTrue(_) => was == now,
    }
}

/// Whether what was sent to a field can still be sent, although it has another type.
pub(crate) fn still_takes(source: &Source, columns: &Columns, was: DataKind, now: DataKind) -> bool {
    let family = |kind| match kind {
        DataKind::String | DataKind::Text | DataKind::Email => 0,
        DataKind::Integer | DataKind::Float => 1,
        DataKind::Boolean => 2,
        DataKind::Date | DataKind::DateTime => 3,
    };
    let of_column = |name: &String| columns.get(name).is_some_and(|column| column.kind.fits(now) || !column.kind.fits(was));
    family(was) == family(now) || matches!(source, Source::Column(name) if of_column(name))
}

/// The lengths under which values may have been confirmed, once a field that took `was` takes `now`; none is no limit.
pub(crate) fn lengths(mut before: Vec<u32>, was: Option<u32>, now: Option<u32>) -> Vec<u32> {
    let now = now.unwrap_or(u32::MAX);
    before.push(was.unwrap_or(u32::MAX));
    before.retain(|length| *length > now);
    before.sort_unstable();
    before.dedup();
    before.truncate(LENGTHS_MAX);
    before
}

impl SchemaNews {
    /// News of a column of Dynamics.
    #[must_use]
    pub fn of_column(became: Became, name: &str) -> Self {
        Self { side: SchemaOf::Dynamics, became, name: name.to_owned(), from: String::new(), to: String::new(), perhaps: None }
    }

    /// News of a field of Marketo.
    #[must_use]
    pub fn of_field(became: Became, name: &str) -> Self {
        Self { side: SchemaOf::Marketo, ..Self::of_column(became, name) }
    }

    /// With the types before and now.
    #[must_use]
    pub fn types(self, from: String, to: String) -> Self {
        Self { from, to, ..self }
    }

    /// Whether it is about the same; what it may have become can be known better now.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        (self.side, self.became, &self.name) == (other.side, other.became, &other.name)
    }

    /// What has happened, in words.
    #[must_use]
    pub fn told(&self, table: Table, object: Object) -> String {
        let Self { name, from, to, .. } = self;
        let (column, field) = (format!("column {name} of {table}"), format!("field {name} of Marketo's {}", object.name()));
        let its = match self.side {
            SchemaOf::Dynamics => column,
            SchemaOf::Marketo => field,
        };
        match (self.became, self.side) {
            (Became::Removed, SchemaOf::Dynamics) => {
                format!("Dynamics' table {table} no longer has the column {name}{}", self.perhaps_told())
            }
            (Became::Removed, SchemaOf::Marketo) => {
                format!("Marketo's {} no longer has the field {name}{}", object.name(), self.perhaps_told())
            }
            (Became::Unreadable, _) => format!("{its} can no longer be read through the Web API"),
            (Became::Secured, _) => format!("{its} is under field security now, and would read as empty without permission"),
            (Became::ReadOnly, _) => format!("{its} can no longer be written"),
            (Became::OtherType | Became::Shorter | Became::Longer, _) => format!("{its} was {from} and is {to} now"),
            (Became::Unfit, _) => format!("{its} no longer fits: {to}"),
            (Became::Back, _) => format!("{its} is back"),
        }
    }

    fn perhaps_told(&self) -> String {
        self.perhaps.as_ref().map(|name| format!(" (perhaps it is called {name} now)")).unwrap_or_default()
    }
}

impl MapProblem {
    /// A field that must not stop alone.
    pub(crate) fn needed(table: Table, object: Object, field: &str, why: &SchemaNews) -> Self {
        let message = format!(
            "{}, and without it nothing of {table} can be sent; bring it back, or map another one (it fitted at the last sync: the schema has \
             changed since)",
            why.told(table, object)
        );
        Self { table, field: field.to_owned(), message }
    }
}
