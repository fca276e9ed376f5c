//! JSON values as column values, with the validation errors of Microsoft's Web API error list.

use serde_json::Value as Json;

use crate::{
    error::{Outcome, Refusal},
    odata::fit::edm,
    schema::{Column, Kind},
    value::{Value, money, parse_day, parse_time, round},
};

/// What to do with text over the column's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LongText {
    Refuse,
    Keep,
}

/// The earliest moment the service stores: 1753-01-01.
const FIRST_SECOND: i64 = -6_847_804_800;

/// A JSON value as a value of a column that is no lookup. An empty text is null.
pub(crate) fn convert(table: &str, column: &Column, json: &Json, long: LongText) -> Outcome<Value<'static>> {
    let mismatch = || wrong_type(table, column, json);
    match (column.kind, json) {
        (_, Json::Null) => Ok(Value::Null),
        (Kind::Text(max) | Kind::Memo(max), Json::String(text)) => text_value(table, column, text, max, long),
        (Kind::EntityName, Json::String(text)) => Ok(Value::Text(text.clone().into())),
        (Kind::Integer(min, max), Json::Number(n)) => {
            let n = whole(n).ok_or_else(mismatch)?;
            if n < min || n > max {
                return Err(out_of_range(table, column, "0x8004432f", n));
            }
            Ok(Value::Int(n))
        }
        (Kind::BigInt, Json::Number(n)) => whole(n).map(Value::Int).ok_or_else(mismatch),
        (Kind::Double(decimals) | Kind::Decimal(decimals), Json::Number(n)) => {
            let n = n.as_f64().ok_or_else(mismatch)?;
            if column.range.is_some_and(|(min, max)| n < min || n > max) {
                return Err(out_of_range(table, column, "0x80044330", n));
            }
            Ok(Value::Float(round(n, decimals)))
        }
        (Kind::Money(min, max), Json::Number(n)) => {
            let n = n.as_f64().ok_or_else(mismatch)?;
            let scaled = money(n).filter(|scaled| (min..=max).contains(&(scaled / 10_000)));
            scaled.map(Value::Money).ok_or_else(|| out_of_range(table, column, "0x80044330", n))
        }
        (Kind::Boolean, Json::Bool(b)) => Ok(Value::Bool(*b)),
        (Kind::Choice | Kind::State | Kind::Status, Json::Number(n)) => {
            let n = whole(n).ok_or_else(mismatch)?;
            if column.options.iter().any(|option| i64::from(option.value) == n) {
                return Ok(Value::Int(n));
            }
            let accepted: Vec<_> = column.options.iter().map(|option| option.value.to_string()).collect();
            Err(Refusal::new(
                400,
                "0x8004431a",
                format!(
                    "A validation error occurred. The value {n} of '{}' on record of type '{table}' is outside the valid range. Accepted Values: {}",
                    column.name,
                    accepted.join(",")
                ),
            ))
        }
        (Kind::DateTime, Json::String(text)) => {
            let at = parse_time(text).ok_or_else(mismatch)?;
            if at < FIRST_SECOND {
                return Err(too_early(column));
            }
            Ok(Value::Time(at))
        }
        (Kind::DateOnly, Json::String(text)) => {
            let day = parse_day(text).ok_or_else(mismatch)?;
            if i64::from(day) * 86_400 < FIRST_SECOND {
                return Err(too_early(column));
            }
            Ok(Value::Day(day))
        }
        (Kind::Guid | Kind::Key, Json::String(text)) => text.parse().map(Value::Guid).map_err(|_| mismatch()),
        _ => Err(mismatch()),
    }
}

fn text_value(table: &str, column: &Column, text: &str, max: u32, long: LongText) -> Outcome<Value<'static>> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let units = text.encode_utf16().count();
    if long == LongText::Refuse && units > usize::try_from(max).unwrap_or(usize::MAX) {
        return Err(Refusal::new(
            400,
            "0x80044331",
            format!(
                "A validation error occurred.  The length of the '{}' attribute of the '{table}' entity exceeded the maximum allowed length of '{max}'.",
                column.name
            ),
        ));
    }
    Ok(Value::Text(text.to_owned().into()))
}

/// A JSON number without a fraction; `3.0` counts.
#[expect(clippy::cast_possible_truncation, reason = "only whole numbers that a double holds exactly")]
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9.0e15).map(|n| n as i64))
}

fn wrong_type(table: &str, column: &Column, json: &Json) -> Refusal {
    let found = match json {
        Json::Null => "null",
        Json::Bool(_) => "Edm.Boolean",
        Json::Number(n) if n.is_f64() => "Edm.Double",
        Json::Number(_) => "Edm.Int32",
        Json::String(_) => "Edm.String",
        Json::Array(_) => "Collection",
        Json::Object(_) => "Edm.ComplexType",
    };
    let shown = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    Refusal::payload(
        table,
        format!(
            "Cannot convert the literal '{shown}' of type '{found}' to the expected type '{}' of the property '{}'.",
            edm(column.kind),
            column.name
        ),
    )
}

fn out_of_range(table: &str, column: &Column, code: &'static str, value: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        400,
        code,
        format!(
            "A validation error occurred. The value {value} of '{}' on record of type '{table}' is outside the valid range.",
            column.name
        ),
    )
}

fn too_early(column: &Column) -> Refusal {
    Refusal::new(400, "0x80040239", format!("The date of '{}' is less than the minimum value supported: 01/01/1753 00:00:00.", column.name))
}
