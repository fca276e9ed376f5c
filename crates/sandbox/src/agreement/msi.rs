//! The seven Sales Insight columns in Dynamics are what Marketo says (rule R10).

use base::{Guid, Timestamp};
use serde_json::Value;

use super::{
    Check,
    dynamics::{Person, Row},
    fields::same,
    marketo::Record,
    report::{Agreement, DifferenceKind, Excuse},
};

/// Marketo's names of one field, and the column's names, without publisher prefix.
struct Column {
    fields: &'static [&'static str],
    columns: &'static [&'static str],
    is_date: bool,
}

const COLUMNS: [Column; 7] = [
    column(&["msiLastInterestingMomentType"], &["lastinterestingmomenttype"]),
    Column { fields: &["msiLastInterestingMomentDate"], columns: &["lastinterestingmomentdate"], is_date: true },
    column(&["msiLastInterestingMomentDesc"], &["lastinterestingmomentdesc"]),
    column(
        &["msiLastInterestingMomentSource"],
        &["leadinterestingmomentsource", "lead_interestingmomentsource", "lastinterestingmomentsource"],
    ),
    column(&["priority"], &["priority"]),
    column(&["relativeUrgency"], &["urgency", "urgencyvalue"]),
    column(&["relativeScoring", "relativeScore"], &["relativescore", "relativescorevalue"]),
];

const PREFIXES: [&str; 2] = ["mkt_", "new_"];

const fn column(fields: &'static [&'static str], columns: &'static [&'static str]) -> Column {
    Column { fields, columns, is_date: false }
}

impl Check<'_> {
    pub(super) fn msi(&self, id: Guid, person: &Person, row: &Row, number: i64, record: &Record, report: &mut Agreement) {
        if person.is_lead && person.state != 0 {
            report.excuse(Excuse::ClosedLead);
            return;
        }
        report.compared("people with Sales Insight");
        for column in &COLUMNS {
            let (field, value) = marketos(record, column);
            if !equal(dynamics(row, column), value, column.is_date) {
                report.add(DifferenceKind::Insight, Some(id), Some(number.to_string()), Some(field));
            }
        }
    }
}

fn dynamics<'r>(row: &'r Row, column: &Column) -> Option<&'r Value> {
    let names = column.columns.iter().flat_map(|name| PREFIXES.iter().map(move |prefix| format!("{prefix}{name}")));
    names.into_iter().find_map(|name| row.get(&name))
}

fn marketos<'r>(record: &'r Record, column: &Column) -> (&'static str, Option<&'r Value>) {
    let present = column.fields.iter().find_map(|field| Some((*field, record.get(*field).filter(|value| !value.is_null())?)));
    present.map_or((column.fields.first().copied().unwrap_or_default(), None), |(field, value)| (field, Some(value)))
}

/// Dates compare as instants to the second, or as days where the column holds no time.
fn equal(column: Option<&Value>, field: Option<&Value>, is_date: bool) -> bool {
    match (column.and_then(Value::as_str), field.and_then(Value::as_str)) {
        (Some(column), Some(field)) if is_date => {
            let instant = |text: &str| text.replace("+0000", "Z").parse::<Timestamp>().ok().map(Timestamp::as_second);
            match (instant(column), instant(field)) {
                (Some(column), Some(field)) => column == field,
                _ => column.get(..10) == field.get(..10),
            }
        }
        _ => same(column, field, false),
    }
}
