//! JSON values in and out: what a field accepts, and how its value is shown.
//!
//! Refuses with the record-level codes of Adobe's "error codes" page: 1001 for a wrong type, 1003 for what doesn't fit.

use serde_json::{Number, Value};

use crate::{
    answer::Reason,
    cell::{Cell, View},
    options::{Options, Overlong},
    schema::{DataType, Field, Object},
    text::{fold, instant, stamp},
};

/// Longest text area on a lead, in bytes: Adobe's "field types" page.
const TEXT_AREA_MAX: usize = 30_000;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A JSON body.
    Json,
    /// A cell of an imported file: always text.
    File,
    /// A test's own hand: nothing is too long, and any spelling goes.
    Seed,
}

/// Reads a value for a field; none clears it. An empty text is not treated specially here, except in a field that isn't a text.
pub(crate) fn read(object: Object, field: &Field, value: &Value, source: Source, options: &Options) -> Result<Option<Cell>, Reason> {
    if value.is_null() {
        return Ok(None);
    }
    let wrong = || Reason::wrong_type(value, field);
    if value.is_array() || value.is_object() {
        return Err(wrong());
    }
    if value.as_str().is_some_and(str::is_empty) && !is_text(field.data_type) {
        return Ok(None);
    }
    let cell = match field.data_type {
        DataType::String | DataType::Text | DataType::Email | DataType::Phone | DataType::Url | DataType::Reference | DataType::Formula => {
            return text(object, field, value, source, options).map(|text| Some(Cell::Text(text)));
        }
        DataType::Integer | DataType::Score | DataType::Percent => whole(value).map(Cell::Int),
        DataType::Float | DataType::Currency => number(value).map(Cell::Float),
        DataType::Boolean => boolean(value, source).map(Cell::Bool),
        DataType::Date => value.as_str().and_then(day).map(Cell::Text),
        DataType::Datetime => value.as_str().and_then(instant).map(Cell::Time),
    };
    cell.map(Some).ok_or_else(wrong)
}

fn is_text(data_type: DataType) -> bool {
    match data_type {
        DataType::String | DataType::Text | DataType::Email | DataType::Phone | DataType::Url | DataType::Reference | DataType::Formula => {
            true
        }
        DataType::Integer | DataType::Score | DataType::Percent | DataType::Float | DataType::Currency => false,
        DataType::Boolean | DataType::Date | DataType::Datetime => false,
    }
}

fn text(object: Object, field: &Field, value: &Value, source: Source, options: &Options) -> Result<String, Reason> {
    let mut text = match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_number() => value.to_string(),
        None => return Err(Reason::wrong_type(value, field)),
    };
    if source == Source::Seed {
        return Ok(text);
    }
    if field.data_type == DataType::Email && object == Object::Leads && source == Source::Json && !text.is_ascii() {
        return Err(Reason::new("1003", format!("Invalid value for field '{}': only ASCII characters are allowed", field.name)));
    }
    let in_bytes = field.data_type != DataType::String;
    let most = match (field.data_type, field.limit.or(field.length)) {
        (_, Some(length)) => length as usize,
        (DataType::Text, None) => TEXT_AREA_MAX,
        (_, None) => usize::MAX,
    };
    // Only plain strings are limited in characters; everything else is limited in bytes.
    let length = if in_bytes { text.len() } else { text.chars().count() };
    if length > most {
        match options.overlong {
            Overlong::Skip => {
                return Err(Reason::new("1003", format!("Value for field '{}' exceeds the maximum length of {most}", field.name)));
            }
            Overlong::Truncate if in_bytes => text.truncate(text.floor_char_boundary(most)),
            Overlong::Truncate => text = text.chars().take(most).collect(),
        }
    }
    Ok(text)
}

/// A whole number, or a text that says one.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    let from_float = |number: f64| (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64);
    match value.as_str() {
        Some(text) => text.trim().parse().ok().or_else(|| text.trim().parse().ok().and_then(from_float)),
        None => value.as_i64().or_else(|| value.as_f64().and_then(from_float)),
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => value.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite())
}

fn boolean(value: &Value, source: Source) -> Option<bool> {
    match (value.as_bool(), value.as_str()) {
        (Some(value), _) => Some(value),
        // A file has nothing but texts; in JSON, "true", "1" and "yes" are of the wrong type.
        (None, Some(text)) if source == Source::File => match &*fold(text) {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        (None, _) => None,
    }
}

fn day(text: &str) -> Option<String> {
    let exact = text.len() == 10;
    text.parse::<jiff::civil::Date>().ok().filter(|_| exact).map(|date| date.to_string())
}

/// How a value is answered.
pub(crate) fn show(data_type: DataType, view: View<'_>, options: &Options) -> Value {
    match view {
        View::Bool(value) => Value::Bool(value),
        View::Int(value) => Value::from(value),
        View::Text(value) => Value::from(value),
        View::Time(second) => Value::from(time(second, options)),
        View::Float(value) if options.currency_as_text && matches!(data_type, DataType::Currency | DataType::Float) => {
            Value::from(value.to_string())
        }
        View::Float(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
    }
}

/// An instant as the options want it spelled.
pub(crate) fn time(second: i64, options: &Options) -> String {
    let mut text = stamp(second);
    if options.offset_datetimes && text.ends_with('Z') {
        text.truncate(text.len() - 1);
        text.push_str("+0000");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::FieldSpec;

    fn reads(data_type: DataType, value: &Value, source: Source) -> Result<Option<Cell>, String> {
        let field = Field::custom(FieldSpec::new("x", data_type));
        read(Object::Leads, &field, value, source, &Options::default()).map_err(|reason| reason.code)
    }

    #[test]
    fn each_type_takes_what_the_documents_say() {
        let wrong = Err("1001".to_owned());
        let cases = [
            (DataType::Integer, json!(7), Ok(Some(Cell::Int(7)))),
            (DataType::Integer, json!("7"), Ok(Some(Cell::Int(7)))),
            (DataType::Integer, json!(7.5), wrong.clone()),
            (DataType::Integer, json!(""), Ok(None)),
            (DataType::Currency, json!("1604.47"), Ok(Some(Cell::Float(1604.47)))),
            (DataType::Currency, json!("much"), wrong.clone()),
            (DataType::Boolean, json!(true), Ok(Some(Cell::Bool(true)))),
            (DataType::Boolean, json!("true"), wrong.clone()),
            (DataType::Boolean, json!(1), wrong.clone()),
            (DataType::Boolean, json!(null), Ok(None)),
            (DataType::Date, json!("2026-02-28"), Ok(Some(Cell::Text("2026-02-28".into())))),
            (DataType::Date, json!("2026-02-30"), wrong.clone()),
            (DataType::Datetime, json!("2026-03-01T10:00:00+0000"), Ok(Some(Cell::Time(1_772_359_200)))),
            (DataType::Datetime, json!("soon"), wrong.clone()),
            (DataType::String, json!({}), wrong.clone()),
            (DataType::String, json!("x".repeat(256)), Err("1003".into())),
            (DataType::String, json!("é".repeat(255)), Ok(Some(Cell::Text("é".repeat(255))))),
            (DataType::Text, json!("é".repeat(15_001)), Err("1003".into())),
            (DataType::Email, json!("änn@example.com"), Err("1003".into())),
        ];
        for (data_type, value, expected) in cases {
            assert_eq!(reads(data_type, &value, Source::Json), expected, "{data_type:?} {value}");
        }
        assert_eq!(reads(DataType::Boolean, &json!("TRUE"), Source::File), Ok(Some(Cell::Bool(true))));
    }
}
