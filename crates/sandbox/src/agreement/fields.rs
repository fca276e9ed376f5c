//! The default field map, as far as it can be compared without knowing a mapping language.

use serde_json::Value;

use super::{dynamics::Row, marketo::Record};

/// Column and field.
pub(super) type Pair = (&'static str, &'static str);

pub(super) const SALES_PERSON: &[Pair] =
    &[("internalemailaddress", "email"), ("firstname", "firstName"), ("lastname", "lastName"), ("title", "title")];

pub(super) const COMPANY: &[Pair] = &[
    ("name", "company"),
    ("websiteurl", "website"),
    ("telephone1", "mainPhone"),
    ("sic", "sicCode"),
    ("numberofemployees", "numberOfEmployees"),
    ("revenue", "annualRevenue"),
    ("address1_city", "billingCity"),
    ("address1_stateorprovince", "billingState"),
    ("address1_country", "billingCountry"),
    ("address1_postalcode", "billingPostalCode"),
];

pub(super) const PERSON: &[Pair] = &[
    ("emailaddress1", "email"),
    ("firstname", "firstName"),
    ("middlename", "middleName"),
    ("lastname", "lastName"),
    ("salutation", "salutation"),
    ("jobtitle", "title"),
    ("telephone1", "phone"),
    ("mobilephone", "mobilePhone"),
    ("fax", "fax"),
    ("address1_city", "city"),
    ("address1_stateorprovince", "state"),
    ("address1_country", "country"),
    ("address1_postalcode", "postalCode"),
];

/// Consent that Dynamics withholds, Marketo withholds too; never the other way round.
pub(super) const CONSENT: &[(&[&str], &str)] = &[(&["donotemail", "donotbulkemail"], "unsubscribed"), (&["donotphone"], "doNotCall")];

pub(super) const OPPORTUNITY: &[Pair] =
    &[("name", "name"), ("estimatedvalue", "amount"), ("stepname", "stage"), ("closeprobability", "probability")];

/// A cut text is accepted from this length on; no field of the map is shorter in Marketo.
const CUT_MIN_CHARS: usize = 40;

fn empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => false,
    }
}

fn decimal(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Whether Marketo's value is the column's, or its beginning where Marketo's field is shorter. Addresses compare without case.
pub(super) fn same(column: Option<&Value>, field: Option<&Value>, is_email: bool) -> bool {
    if empty(column) || empty(field) {
        return empty(column) && empty(field);
    }
    let (Some(column), Some(field)) = (column, field) else { return false };
    match (column.as_str().map(str::trim), field.as_str().map(str::trim)) {
        (Some(column), Some(field)) if is_email => column.to_lowercase() == field.to_lowercase(),
        (Some(column), Some(field)) => {
            let cut = field.trim_end_matches('…');
            column == field || (cut.chars().count() >= CUT_MIN_CHARS && column.starts_with(cut))
        }
        _ => match (decimal(column), decimal(field)) {
            (Some(column), Some(field)) => (column - field).abs() <= column.abs() * 1e-6,
            _ => column == field,
        },
    }
}

/// The fields in which a record differs. An empty column demands nothing unless `blank`.
pub(super) fn differing(row: &Row, record: &Record, pairs: &'static [Pair], blank: bool) -> impl Iterator<Item = &'static str> {
    pairs
        .iter()
        .filter(move |(column, field)| {
            let value = row.get(*column);
            (blank || !empty(value)) && !same(value, record.get(*field), *field == "email")
        })
        .map(|(_, field)| *field)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_counts_as_the_same() {
        let long = "x".repeat(300);
        for (column, field, is_email, expected) in [
            (json!(null), json!(""), false, true),
            (json!("Ann"), json!("Ann "), false, true),
            (json!("Ann"), json!("ann"), false, false),
            (json!("Ann@X.test"), json!("ann@x.test"), true, true),
            (json!(long), json!(&long[..255]), false, true),
            (json!("Anna"), json!("Ann"), false, false),
            (json!(12.5), json!("12.50"), false, true),
            (json!(12), json!(12.0), false, true),
            (json!(12), json!(13), false, false),
            (json!("a"), json!(null), false, false),
        ] {
            assert_eq!(same(Some(&column), Some(&field), is_email), expected, "{column} {field}");
        }
    }
}
