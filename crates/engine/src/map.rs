//! The field map as it is in force: each Marketo field beside what it comes from, what is cut or lost, and what could be mapped besides.

use std::collections::{BTreeMap, BTreeSet};

use base::{Object, Table, Timestamp};
use futures::{FutureExt, future::BoxFuture};
pub use planner::Owner;
use planner::{Column, ColumnKind, DataKind, TargetField, source::Source};
use serde::Serialize;

use crate::{
    bridge::Bridge,
    error::SyncError,
    marketo::ObjectSchema,
    prepare::{TablePlan, prepare},
    schema_change::{Noted, SchemaChange},
};

/// Tables that have a map, in their order.
const TABLES: [Table; 5] = [Table::SystemUser, Table::Account, Table::Lead, Table::Contact, Table::Opportunity];

/// The map of one table.
#[derive(Debug, Clone, Serialize)]
pub struct TableMap {
    /// The table.
    pub table: Table,
    /// What its rows become.
    pub object: Object,
    /// The fields, by name.
    pub fields: Vec<FieldShown>,
    /// Fields that are not sent, or not as a whole: name, and why.
    pub notes: Vec<(String, String)>,
    /// Sales Insight fields and the columns to which they go.
    pub written_back: Vec<FieldShown>,
    /// Fields that are left out because a schema changed, and fields that take shorter texts than they did.
    pub schema_changes: Vec<SchemaChange>,
    /// What has changed in either schema in the last 30 days, as far as it concerns mapped and written columns, the latest first.
    pub changed: Vec<Changed>,
    /// What could be mapped besides: columns named like a field that nothing is sent to.
    pub suggestions: Vec<Suggestion>,
}

/// Something that changed in a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// When it was first seen.
    pub at: Timestamp,
    /// Marketo's field.
    pub field: String,
    /// What has changed.
    pub text: String,
}

/// A field beside its source.
#[derive(Debug, Clone, Serialize)]
pub struct FieldShown {
    /// Marketo's name of the field.
    pub field: String,
    /// Its type there, with its length.
    pub marketo: String,
    /// What people see as its name there; only where Marketo was asked just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it comes from, or the column that it goes to.
    pub source: String,
    /// The columns' types in Dynamics, with their lengths.
    pub dynamics: String,
    /// The columns' labels in Dynamics.
    pub column_labels: Vec<String>,
    /// How the source is written in the configuration, where it can be.
    #[serde(skip)]
    pub written: Option<String>,
    /// Who decides about it: `crm`, `marketo` or `fill`.
    pub owner: Owner,
    /// Whether a text may be longer in the source than in the field.
    pub may_be_cut: bool,
}

/// A column that could be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// Marketo's field.
    pub field: String,
    /// The column.
    pub column: String,
    /// Whether it is a choice, of which the label is meant.
    pub by_label: bool,
    /// Whether a text may be cut.
    pub may_be_cut: bool,
}

/// Reads both sides' metadata and shows the maps that follow from them and the configuration.
///
/// # Errors
/// When a side can't be read, or a map doesn't fit.
pub fn map(bridge: &Bridge) -> BoxFuture<'_, Result<Vec<TableMap>, SyncError>> {
    async move {
        let prepared = prepare(bridge).await?;
        let (changes, noted) = (&prepared.changes, &prepared.noted);
        Ok(maps(&prepared.objects, &prepared.tables, changes, noted))
    }
    .boxed()
}

/// The maps of these plans.
pub(crate) fn maps(
    objects: &BTreeMap<Object, ObjectSchema>,
    tables: &BTreeMap<Table, TablePlan>,
    changes: &[SchemaChange],
    noted: &[Noted],
) -> Vec<TableMap> {
    TABLES.into_iter().filter_map(|table| table_map(objects, tables.get(&table)?, changes, noted)).collect()
}

fn table_map(objects: &BTreeMap<Object, ObjectSchema>, plan: &TablePlan, changes: &[SchemaChange], noted: &[Noted]) -> Option<TableMap> {
    let map = plan.map.as_ref()?;
    let column = |name: &str| plan.table.columns.get(name);
    let label_of = |object: Object, name: &str| objects.get(&object)?.labels.get(name).cloned();
    let fields = map.rules.iter().map(|rule| {
        let columns: Vec<&Column> = rule.source.columns().iter().filter_map(|name| column(name)).collect();
        FieldShown {
            field: rule.target.name.clone(),
            marketo: rule.target.type_text(),
            label: label_of(map.object, &rule.target.name),
            source: told(&rule.source),
            written: written(&rule.source),
            column_labels: columns.iter().filter_map(|column| column.labels.first().cloned()).collect(),
            dynamics: columns.iter().map(|column| column_type(column)).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", "),
            owner: rule.owner,
            may_be_cut: columns.iter().any(|column| may_be_cut(column, &rule.target)),
        }
    });
    let fields: Vec<FieldShown> = fields.collect();
    let person = objects.get(&Object::Lead);
    let written_back = plan.msi.targets.iter().filter_map(|(_, name, column)| {
        let target = person?.fields.field(name)?;
        Some(FieldShown {
            field: name.clone(),
            marketo: target.type_text(),
            label: label_of(Object::Lead, name),
            source: column.name.clone(),
            dynamics: column_type(column),
            column_labels: column.labels.first().cloned().into_iter().collect(),
            written: None,
            owner: Owner::Marketo,
            may_be_cut: false,
        })
    });
    Some(TableMap {
        table: map.table,
        object: map.object,
        written_back: written_back.collect(),
        notes: plan.notes.clone(),
        suggestions: suggestions(objects, plan, map.object, &fields),
        schema_changes: changes.iter().filter(|change| change.table == map.table).cloned().collect(),
        changed: noted.iter().rev().filter(|noted| noted.table == map.table).map(changed).collect(),
        fields,
    })
}

fn changed(noted: &Noted) -> Changed {
    let text = noted.news.told(noted.table, noted.table.object().unwrap_or(Object::Lead));
    Changed { at: noted.at, field: noted.field.clone(), text }
}

/// Columns whose name or label is that of a field that can be written and that nothing is sent to.
fn suggestions(objects: &BTreeMap<Object, ObjectSchema>, plan: &TablePlan, object: Object, mapped: &[FieldShown]) -> Vec<Suggestion> {
    let Some(schema) = objects.get(&object) else { return Vec::new() };
    let is_mapped = |field: &TargetField| mapped.iter().any(|shown| shown.field.eq_ignore_ascii_case(&field.name));
    // Company fields never go with people (rule R7).
    let company = objects.get(&Object::Company).filter(|_| object == Object::Lead);
    let is_company_s = |field: &TargetField| company.is_some_and(|company| company.fields.field(&field.name).is_some());
    // Keys and links are the bridge's own.
    let is_free = |field: &&TargetField| {
        field.updateable && !is_mapped(field) && !is_company_s(field) && !field.name.to_lowercase().starts_with("external")
    };
    let free = schema.fields.fields().filter(is_free);
    let found = free.filter_map(|field| {
        let wanted = bare(&field.name);
        let is_it = |column: &&Column| {
            let named = column.name.split_once('_').map_or(column.name.as_str(), |(_, stem)| stem);
            let same = bare(&column.name) == wanted || bare(named) == wanted || column.labels.iter().any(|label| bare(label) == wanted);
            same && column.readable && !column.secured && column.kind.fits(field.kind)
        };
        let column = plan.table.columns.values().find(is_it)?;
        let by_label = column.kind == ColumnKind::Choice && matches!(field.kind, DataKind::String | DataKind::Text);
        Some(Suggestion { field: field.name.clone(), column: column.name.clone(), by_label, may_be_cut: may_be_cut(column, field) })
    });
    found.collect()
}

/// A name without case, blanks, hyphens and underscores, and without the ending of custom fields.
fn bare(name: &str) -> String {
    let lower = name.to_lowercase();
    let lower = lower.strip_suffix("__c").unwrap_or(&lower);
    lower.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn may_be_cut(column: &Column, field: &TargetField) -> bool {
    let is_text = column.kind == ColumnKind::Text && matches!(field.kind, DataKind::String | DataKind::Email);
    is_text && field.length.is_some_and(|length| column.max_length.is_none_or(|max| max > length))
}

fn column_type(column: &Column) -> String {
    column.kind.type_text(column.max_length)
}

fn told(source: &Source) -> String {
    let list = |columns: &[String]| columns.join(", ");
    match source {
        Source::Column(column) => column.clone(),
        Source::Label(column) => format!("label of {column}"),
        Source::Constant(value) => format!("always {value}"),
        Source::First(sources) => format!("first of {}", sources.iter().map(told).collect::<Vec<_>>().join(", ")),
        Source::Lines(columns) => format!("lines of {}", list(columns)),
        Source::Among(column, values) => format!("whether {column} is one of {values:?}"),
        Source::NotAmong(column, values) => format!("whether {column} is none of {values:?}"),
        Source::AnyTrue(columns) => format!("whether any of {} is true", list(columns)),
        Source::Expression(expression) => format!("expression over {}", expression.columns().collect::<Vec<_>>().join(", ")),
    }
}

/// How a source is written in the configuration; none where only an expression could say it.
fn written(source: &Source) -> Option<String> {
    match source {
        Source::Column(column) => Some(format!("\"{column}\"")),
        Source::Label(column) => Some(format!("{{ label = \"{column}\" }}")),
        Source::Constant(_)
        | Source::First(_)
        | Source::Lines(_)
        | Source::Among(..)
        | Source::NotAmong(..)
        | Source::AnyTrue(_)
        | Source::Expression(_) => None,
    }
}
