//! The seven MSI fields and the columns they go to (rule R10).

use std::collections::BTreeMap;

use base::{Table, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    FingerprintKey, Fingerprints, Row,
    convert::{as_moment, as_number, cut_utf16},
    known_msi::{Found, KnownMsis},
    schema::{Column, ColumnKind, Columns, TargetSchema, nearest},
};

/// One of the fields that Marketo Sales Insight computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum MsiField {
    /// Last interesting moment: its type.
    #[serde(rename = "msiLastInterestingMomentType")]
    MomentType,
    /// Last interesting moment: its date.
    #[serde(rename = "msiLastInterestingMomentDate")]
    MomentDate,
    /// Last interesting moment: its description.
    #[serde(rename = "msiLastInterestingMomentDesc")]
    MomentDescription,
    /// Last interesting moment: its source.
    #[serde(rename = "msiLastInterestingMomentSource")]
    MomentSource,
    /// Priority, which Dynamics calls engagement.
    #[serde(rename = "priority")]
    Priority,
    /// Urgency, the flames.
    #[serde(rename = "relativeUrgency")]
    Urgency,
    /// Relative score, the stars.
    #[serde(rename = "relativeScoring")]
    Score,
}

impl MsiField {
    /// All seven.
    pub const ALL: [Self; 7] =
        [Self::MomentType, Self::MomentDate, Self::MomentDescription, Self::MomentSource, Self::Priority, Self::Urgency, Self::Score];

    /// Marketo's names for it, the preferred one first.
    #[must_use]
    pub const fn marketo_names(self) -> &'static [&'static str] {
        match self {
            Self::MomentType => &["msiLastInterestingMomentType"],
            Self::MomentDate => &["msiLastInterestingMomentDate"],
            Self::MomentDescription => &["msiLastInterestingMomentDesc"],
            Self::MomentSource => &["msiLastInterestingMomentSource"],
            Self::Priority => &["priority"],
            Self::Urgency => &["relativeUrgency", "urgency"],
            Self::Score => &["relativeScoring", "relativeScore"],
        }
    }

    /// Column names of Adobe's own package, the usual one first.
    #[must_use]
    pub const fn package_names(self) -> &'static [&'static str] {
        match self {
            Self::MomentType => &["mkt_lastinterestingmomenttype"],
            Self::MomentDate => &["mkt_lastinterestingmomentdate"],
            Self::MomentDescription => &["mkt_lastinterestingmomentdesc"],
            Self::MomentSource => {
                &["mkt_leadinterestingmomentsource", "mkt_lead_interestingmomentsource", "mkt_lastinterestingmomentsource"]
            }
            Self::Priority => &["mkt_priority"],
            Self::Urgency => &["mkt_urgency"],
            Self::Score => &["mkt_relativescore"],
        }
    }

    /// The name in Adobe's specification, which can't exist in Dataverse as it is.
    const fn documented_name(self) -> &'static str {
        match self {
            Self::MomentType => "Last_Interesting_Moment_Type__c",
            Self::MomentDate => "Last_Interesting_Moment_Date__c",
            Self::MomentDescription => "Last_Interesting_Moment_Desc__c",
            Self::MomentSource => "Last_Interesting_Moment_Source__c",
            Self::Priority => "Priority__c",
            Self::Urgency => "Urgency_Value__c",
            Self::Score => "Relative_Score_Value__c",
        }
    }

    /// The label in Adobe's specification.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::MomentType => "Last Interesting Moment Type",
            Self::MomentDate => "Last Interesting Moment Date",
            Self::MomentDescription => "Last Interesting Moment Description",
            Self::MomentSource => "Last Interesting Moment Source",
            Self::Priority => "Engagement",
            Self::Urgency => "Relative Urgency Value",
            Self::Score => "Relative Scoring Value",
        }
    }

    /// Where its fingerprint is kept.
    #[must_use]
    pub const fn slot(self) -> u8 {
        match self {
            Self::MomentType => 1,
            Self::MomentDate => 2,
            Self::MomentDescription => 3,
            Self::MomentSource => 4,
            Self::Priority => 5,
            Self::Urgency => 6,
            Self::Score => 7,
        }
    }

    pub(crate) fn fits(self, kind: ColumnKind) -> bool {
        match self {
            Self::MomentType | Self::MomentDescription | Self::MomentSource => kind == ColumnKind::Text,
            Self::MomentDate => matches!(kind, ColumnKind::DateTime | ColumnKind::Date | ColumnKind::Text),
            Self::Priority | Self::Urgency | Self::Score => matches!(kind, ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Text),
        }
    }
}

/// Where a Sales Insight field is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write a column's name, or false")]
#[schemars(rename = "WrittenColumn")]
pub enum MsiSpec {
    /// This field is not written.
    Off(#[schemars(extend("const" = false))] bool),
    /// A column by its logical name.
    Column(String),
}

/// Where each field goes, for one table.
#[derive(Debug, Clone, Default)]
pub struct MsiMap {
    /// Field, its name in Marketo, and its column in Dynamics.
    pub targets: Vec<(MsiField, String, Column)>,
    /// Fields that one side lacks, in words.
    pub notes: Vec<String>,
    /// Greater lengths of columns under which values may have been written, by the field's slot.
    pub lengths: BTreeMap<u8, Vec<u32>>,
}

/// Why a column can't be written without a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MsiProblem {
    /// The table.
    pub table: Table,
    /// The field.
    pub field: MsiField,
    /// What is wrong and what to do.
    pub message: String,
    /// The columns that could be meant.
    pub candidates: Vec<String>,
}

impl MsiMap {
    /// Finds the column of each field, in the design's order: as configured; the package's names; the documented name compared without
    /// case, prefix and underscores; the label. Only a hit that the configuration or the package's own prefix confirms is used.
    ///
    /// One that was written to before, with the same entry, and can't be any more, is left out alone; `known` has those.
    ///
    /// # Errors
    /// Every field whose column needs a decision.
    pub fn find(
        table: Table,
        columns: &Columns,
        person: &TargetSchema,
        specs: &BTreeMap<MsiField, MsiSpec>,
        known: &KnownMsis,
        now: Timestamp,
    ) -> Result<Found, Vec<MsiProblem>> {
        let (mut found, mut problems) = (Found::default(), Vec::new());
        for field in MsiField::ALL {
            let spec = specs.get(&field);
            if spec == Some(&MsiSpec::Off(false)) {
                continue;
            }
            let was = known.get(&field).filter(|was| was.spec.as_ref() == spec);
            let name = field.marketo_names().iter().find_map(|name| person.field(name));
            let column = match find_column(table, field, columns, spec) {
                Ok(Some(column)) => Ok(Some(column)),
                other => was.and_then(|was| was.still(table, field, columns)).map_or(other, |column| Ok(Some(column))),
            };
            match (name, column, was) {
                (Some(name), Ok(Some(column)), _) => found.take(field, spec, &name.name, column, was, now),
                (name, column, Some(was)) => {
                    let why = was.lost(field, columns, name.is_some(), &column.err().unwrap_or_default().0);
                    found.stop(field, was, why, now);
                }
                (None, _, None) => {
                    let note = format!("Marketo's person has no field {}; it is not written to Dynamics", field.marketo_names()[0]);
                    found.map.notes.push(note);
                }
                (Some(_), Ok(None), None) => {
                    found.map.notes.push(format!("Dynamics' table {table} has no column for {}; it is not written", field.label()));
                }
                (Some(_), Err((message, candidates)), None) => problems.push(MsiProblem { table, field, message, candidates }),
            }
        }
        if problems.is_empty() { Ok(found) } else { Err(problems) }
    }

    /// The columns it writes.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|(_, _, column)| column.name.as_str())
    }

    /// Fingerprints of what a row holds in these columns.
    #[must_use]
    pub fn fingerprints(&self, row: Row<'_>, key: FingerprintKey) -> Fingerprints {
        let mut prints = Fingerprints::default();
        for (field, _, column) in &self.targets {
            let value = row.value(&column.name).map_or(Value::Null, |value| for_column(value, column));
            prints.set(field.slot(), key.of(&value));
        }
        prints
    }

    /// The columns whose value differs from what Marketo holds, with the new value, and the fingerprints once that is written.
    #[must_use]
    pub fn difference(&self, person: &Map<String, Value>, there: &Fingerprints, key: FingerprintKey) -> (Map<String, Value>, Fingerprints) {
        let (mut changes, mut prints) = (Map::new(), there.clone());
        for (field, name, column) in &self.targets {
            // Adobe's documents say that a field which is asked for and is missing from the answer is null.
            let value = person.get(name).unwrap_or(&Value::Null);
            let is_blank = value.is_null() || value.as_str() == Some("");
            let fresh = for_column(value, column);
            if fresh.is_null() && !is_blank {
                // It doesn't fit into the column, which is no reason to blank it.
                continue;
            }
            let print = key.of(&fresh);
            if print != there.get(field.slot()) && !self.is_there_longer(*field, value, column, there, key) {
                changes.insert(column.name.clone(), fresh);
                prints.set(field.slot(), print);
            }
        }
        (changes, prints)
    }

    /// Whether the column holds the same text at a length that it had once: it isn't written again only to be cut.
    fn is_there_longer(&self, field: MsiField, value: &Value, column: &Column, there: &Fingerprints, key: FingerprintKey) -> bool {
        let held = there.get(field.slot());
        let at = |length: &u32| key.of(&for_column(value, &Column { max_length: Some(*length), ..column.clone() }));
        held.is_some() && self.lengths.get(&field.slot()).is_some_and(|lengths| lengths.iter().any(|length| at(length) == held))
    }
}

/// A value as the column takes it, and as it reads back.
fn for_column(value: &Value, column: &Column) -> Value {
    if value.is_null() || value.as_str() == Some("") {
        return Value::Null;
    }
    match column.kind {
        ColumnKind::DateTime => as_moment(value).map_or(Value::Null, |moment| json!(moment.1)),
        ColumnKind::Date => as_moment(value).map_or(Value::Null, |moment| json!(moment.0)),
        #[allow(clippy::cast_possible_truncation)] // rounded and small: tiers and scores
        ColumnKind::Integer => as_number(value).map_or(Value::Null, |number| json!(number.round() as i64)),
        ColumnKind::Decimal => as_number(value).map_or(Value::Null, |number| json!(number)),
        ColumnKind::Text => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let cut = column.max_length.and_then(|max| cut_utf16(&text, max));
            json!(cut.unwrap_or(&text))
        }
        ColumnKind::Boolean | ColumnKind::Choice | ColumnKind::Choices | ColumnKind::Id | ColumnKind::Lookup | ColumnKind::Other => {
            Value::Null
        }
    }
}

/// What is wrong, and the columns that could be meant.
type Undecided = (String, Vec<String>);

fn find_column<'a>(table: Table, field: MsiField, columns: &'a Columns, spec: Option<&MsiSpec>) -> Result<Option<&'a Column>, Undecided> {
    let alone = |message: String| (message, Vec::new());
    let key = field.marketo_names()[0];
    if let Some(MsiSpec::Column(name)) = spec {
        let Some(column) = columns.get(&name.to_lowercase()) else {
            let hint = nearest(name, columns.keys().map(String::as_str)).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            return Err(alone(format!("[msi.{table}] {key}: the table has no column {name}{hint}")));
        };
        return usable(table, field, column).map(Some).map_err(alone);
    }
    let package: Vec<&Column> = field.package_names().iter().filter_map(|name| columns.get(*name)).collect();
    let wanted = bare(field.documented_name());
    let by_name = || columns.values().filter(|column| column.name.contains('_') && bare(&column.name) == wanted).collect::<Vec<_>>();
    let by_label = || {
        let is_label = |label: &String| label.trim().eq_ignore_ascii_case(field.label());
        columns.values().filter(|column| column.updatable && column.labels.iter().any(is_label)).collect::<Vec<_>>()
    };
    let mut hits = package;
    for find in [&by_name as &dyn Fn() -> Vec<&'a Column>, &by_label] {
        if hits.is_empty() {
            hits = find();
        }
    }
    match hits.as_slice() {
        [] => Ok(None),
        [column] if column.name.starts_with("mkt_") => usable(table, field, column).map(Some).map_err(alone),
        [column] => {
            let message = format!(
                "column {name} of {table} looks like the place for {label}, which was only guessed; confirm it with\n  [msi.{table}]\n  {key} = \
                 \"{name}\"\nor turn it off with {key} = false",
                name = column.name,
                label = field.label(),
            );
            // One that can't be written is nothing to propose.
            let fits = usable(table, field, column).is_ok();
            Err((message, fits.then(|| column.name.clone()).into_iter().collect()))
        }
        several => {
            let names: Vec<String> = several.iter().map(|column| column.name.clone()).collect();
            let message = format!(
                "columns {} of {table} all look like the place for {}; name one under [msi.{table}] {key}",
                names.join(", "),
                field.label()
            );
            Err((message, names))
        }
    }
}

pub(crate) fn usable(table: Table, field: MsiField, column: &Column) -> Result<&Column, String> {
    let key = field.marketo_names()[0];
    if !field.fits(column.kind) {
        return Err(format!(
            "column {} of {table} has a type that {} doesn't fit into; name another column under [msi.{table}] {key}, or false",
            column.name,
            field.label()
        ));
    }
    if !column.readable {
        return Err(format!(
            "column {} of {table} can't be read, so that nobody knows what it holds; name another column under [msi.{table}] {key}, or false",
            column.name
        ));
    }
    if !column.updatable {
        return Err(format!("column {} of {table} can't be written; name another column under [msi.{table}] {key}, or false", column.name));
    }
    Ok(column)
}

/// A name without case, publisher prefix, underscores and `__c`.
fn bare(name: &str) -> String {
    let lower = name.to_lowercase();
    let lower = lower.strip_suffix("__c").unwrap_or(&lower);
    // Documented names start with a capital and have no prefix; logical names have one.
    let stem = if name.starts_with(char::is_uppercase) { lower } else { lower.split_once('_').map_or(lower, |(_, stem)| stem) };
    stem.replace('_', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{DataKind, TargetField};

    fn column(name: &str, label: &str, kind: ColumnKind) -> Column {
        Column {
            name: name.into(),
            labels: vec![label.into()],
            kind,
            max_length: Some(8),
            options: vec![],
            readable: true,
            updatable: true,
            secured: false,
        }
    }

    fn find(columns: &[Column], specs: &[(MsiField, &str)]) -> Result<MsiMap, Vec<MsiProblem>> {
        let columns = columns.iter().map(|column| (column.name.clone(), column.clone())).collect();
        let field = |name: &str| TargetField { name: name.into(), kind: DataKind::String, label: None, length: None, updateable: false };
        let person = TargetSchema::new(["msiLastInterestingMomentType", "msiLastInterestingMomentDate", "relativeScore"].map(field));
        let specs = specs.iter().map(|(field, name)| (*field, MsiSpec::Column((*name).into()))).collect();
        MsiMap::find(Table::Lead, &columns, &person, &specs, &KnownMsis::new(), Timestamp::UNIX_EPOCH).map(|found| found.map)
    }

    fn found(columns: &[Column], specs: &[(MsiField, &str)]) -> String {
        match find(columns, specs) {
            Ok(map) => map.columns().collect::<Vec<_>>().join(" "),
            Err(problems) => problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("\n"),
        }
    }

    #[test]
    fn columns_are_found_in_order_and_guesses_are_asked() {
        let text = ColumnKind::Text;
        assert_eq!(
            found(&[column("mkt_lastinterestingmomenttype", "x", text), column("new_type", "Last Interesting Moment Type", text)], &[]),
            "mkt_lastinterestingmomenttype"
        );
        assert_eq!(found(&[column("mkt_relativescore", "x", ColumnKind::Integer)], &[]), "mkt_relativescore");
        let guess = found(&[column("new_last_interesting_moment_type", "x", text)], &[]);
        assert!(guess.contains("msiLastInterestingMomentType = \"new_last_interesting_moment_type\""), "{guess}");
        let by_label = found(&[column("abc_stars", "relative scoring value", ColumnKind::Integer)], &[]);
        assert!(by_label.contains("relativeScoring = \"abc_stars\""), "{by_label}");
        let several = found(&[column("new_relativescorevalue", "x", text), column("abc_relative_score_value", "y", text)], &[]);
        assert!(several.contains("all look like"), "{several}");
        assert_eq!(found(&[column("new_stars", "x", ColumnKind::Integer)], &[(MsiField::Score, "new_stars")]), "new_stars");
        assert!(found(&[column("mkt_lastinterestingmomentdate", "x", ColumnKind::Choice)], &[]).contains("doesn't fit"));
    }

    #[test]
    fn only_what_differs_is_written_in_the_columns_type() {
        let key = FingerprintKey(3);
        let map = find(
            &[
                column("mkt_lastinterestingmomenttype", "", ColumnKind::Text),
                column("mkt_lastinterestingmomentdate", "", ColumnKind::Date),
                column("mkt_relativescore", "", ColumnKind::Integer),
            ],
            &[],
        )
        .unwrap();
        let row = json!({"mkt_lastinterestingmomenttype": "Web", "mkt_relativescore": 2});
        let there = map.fingerprints(Row(&row.as_object().unwrap().clone().into()), key);
        let person = json!({"msiLastInterestingMomentType": "Milestone!", "msiLastInterestingMomentDate": "2026-08-02T11:05:09Z", "relativeScore": "2"});
        let (changes, after) = map.difference(person.as_object().unwrap(), &there, key);
        assert_eq!(
            Value::Object(changes.clone()),
            json!({"mkt_lastinterestingmomenttype": "Mileston", "mkt_lastinterestingmomentdate": "2026-08-02"})
        );
        let mut written = row.as_object().unwrap().clone();
        written.extend(changes);
        assert_eq!(map.fingerprints(Row(&written.into()), key), after, "what is written reads back as the same");
        assert!(map.difference(person.as_object().unwrap(), &after, key).0.is_empty());
    }
}
