//! Column values: how they compare, how they are written as JSON, how JSON and filter literals become values.
//!
//! Money is kept in ten-thousandths, moments in whole seconds, days as days: what the service itself promises to keep.

use std::{borrow::Cow, cmp::Ordering, fmt::Write as _};

use base::{Guid, Timestamp};
use jiff::civil::Date;

/// One value of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// Text.
    Text(Cow<'a, str>),
    /// A whole number, an option's number.
    Int(i64),
    /// A floating number.
    Float(f64),
    /// An amount in ten-thousandths of a currency unit.
    Money(i64),
    /// True or false.
    Bool(bool),
    /// A GUID that is no lookup.
    Guid(Guid),
    /// A row: the position of its table and its id.
    Ref(u8, Guid),
    /// A moment, in seconds since 1970.
    Time(i64),
    /// A day, counted from 1970-01-01.
    Day(i32),
}

/// Ten-thousandths per currency unit.
pub(crate) const MONEY_SCALE: f64 = 10_000.0;

impl Value<'_> {
    /// The same value, owning its text.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Null => Value::Null,
            Self::Int(n) => Value::Int(n),
            Self::Float(n) => Value::Float(n),
            Self::Money(n) => Value::Money(n),
            Self::Bool(b) => Value::Bool(b),
            Self::Guid(id) => Value::Guid(id),
            Self::Ref(table, id) => Value::Ref(table, id),
            Self::Time(at) => Value::Time(at),
            Self::Day(day) => Value::Day(day),
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The GUID in it, of a lookup or a plain one.
    #[must_use]
    pub const fn as_guid(&self) -> Option<Guid> {
        if let Self::Guid(id) | Self::Ref(_, id) = self { Some(*id) } else { None }
    }

    /// The table's position and the row's id in a lookup.
    #[must_use]
    pub fn as_ref(&self) -> Option<(usize, Guid)> {
        if let Self::Ref(table, id) = self { Some((usize::from(*table), *id)) } else { None }
    }

    /// The whole number in it.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(n) = self { Some(*n) } else { None }
    }

    /// The moment in it, in seconds.
    #[must_use]
    pub const fn as_time(&self) -> Option<i64> {
        if let Self::Time(at) = self { Some(*at) } else { None }
    }

    /// The text in it.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    #[expect(clippy::cast_precision_loss, reason = "comparison with a floating literal is approximate by nature")]
    fn number(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::Float(n) => Some(*n),
            Self::Money(n) => Some(*n as f64 / MONEY_SCALE),
            Self::Null | Self::Text(_) | Self::Bool(_) | Self::Guid(_) | Self::Ref(..) | Self::Time(_) | Self::Day(_) => None,
        }
    }

    /// How two values stand to each other: text without regard to case, numbers across their types; none where they can't be compared.
    #[must_use]
    pub fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Value::Text(b)) => Some(compare_text(a, b)),
            (Self::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Value::Int(b)) | (Self::Money(a), Value::Money(b)) | (Self::Time(a), Value::Time(b)) => Some(a.cmp(b)),
            (Self::Day(a), Value::Day(b)) => Some(a.cmp(b)),
            (Self::Time(a), Value::Day(b)) => Some(a.cmp(&(i64::from(*b) * 86_400))),
            (Self::Day(a), Value::Time(b)) => Some((i64::from(*a) * 86_400).cmp(b)),
            (a, b) => match (a.as_guid(), b.as_guid()) {
                (Some(a), Some(b)) => Some(a.cmp(&b)),
                (None, None) => a.number()?.partial_cmp(&b.number()?),
                (Some(_), None) | (None, Some(_)) => None,
            },
        }
    }

    /// The order in which `$orderby` puts values: nulls first, then by [`compare`](Self::compare).
    #[must_use]
    pub fn order(&self, other: &Value<'_>) -> Ordering {
        match (self.is_null(), other.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.compare(other).unwrap_or(Ordering::Equal),
        }
    }

    /// Appends the JSON form.
    pub fn write_json(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Null => write!(out, "null"),
            Self::Text(text) => {
                write_json_text(text, out);
                Ok(())
            }
            Self::Int(n) => write!(out, "{n}"),
            Self::Float(n) if n.is_finite() => write!(out, "{n:?}"),
            Self::Float(_) => write!(out, "null"),
            Self::Money(n) => {
                write!(out, "{}{}.{:04}", if *n < 0 { "-" } else { "" }, n.unsigned_abs() / 10_000, n.unsigned_abs() % 10_000)
            }
            Self::Bool(b) => write!(out, "{b}"),
            Self::Guid(id) | Self::Ref(_, id) => write!(out, "\"{id}\""),
            Self::Time(at) => write!(out, "\"{}\"", format_time(*at)),
            Self::Day(day) => write!(out, "\"{}\"", format_day(*day)),
        };
    }

    /// The JSON form as a value.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut text = String::new();
        self.write_json(&mut text);
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// Appends a JSON string.
pub(crate) fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(text.get(clean..at).unwrap_or_default());
        clean = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.push_str(text.get(clean..).unwrap_or_default());
    out.push('"');
}

/// Compares as the service's collation does: without regard to case.
#[must_use]
pub fn compare_text(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(b.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}

/// `2026-04-07T21:59:01Z`.
#[must_use]
pub fn format_time(at: i64) -> String {
    Timestamp::from_second(at).map(base::time::whole_seconds).unwrap_or_default()
}

/// `2026-04-07`.
#[must_use]
pub fn format_day(day: i32) -> String {
    date_of(day).map(|date| date.to_string()).unwrap_or_default()
}

pub(crate) fn date_of(day: i32) -> Option<Date> {
    jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(day).ok()?).ok()
}

/// A day from `2026-04-07`.
#[must_use]
pub fn parse_day(text: &str) -> Option<i32> {
    if text.len() != 10 {
        return None;
    }
    let date: Date = text.parse().ok()?;
    let seconds = jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_second();
    i32::try_from(seconds.div_euclid(86_400)).ok()
}

/// A moment from an ISO 8601 text; one without a zone is UTC, a bare day is its midnight, fractions of a second are dropped.
#[must_use]
pub fn parse_time(text: &str) -> Option<i64> {
    if let Some(day) = parse_day(text) {
        return Some(i64::from(day) * 86_400);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_second() - i64::from(at.subsec_nanosecond() < 0));
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    Some(jiff::tz::TimeZone::UTC.to_timestamp(local).ok()?.as_second())
}

/// Rounds to so many decimals, as the service does with latitudes.
#[must_use]
pub fn round(number: f64, decimals: u8) -> f64 {
    let scale = 10f64.powi(i32::from(decimals));
    let rounded = (number * scale).round() / scale;
    if rounded.is_finite() { rounded } else { number }
}

/// An amount in ten-thousandths; none when it is too large to keep.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
pub fn money(number: f64) -> Option<i64> {
    let scaled = (number * MONEY_SCALE).round();
    (scaled.abs() < 9.2e18).then_some(scaled as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value<'_>) -> String {
        let mut out = String::new();
        value.write_json(&mut out);
        out
    }

    #[test]
    fn values_are_written_as_documented() {
        assert_eq!(json(&Value::Money(125_000_000)), "12500.0000");
        assert_eq!(json(&Value::Money(-5)), "-0.0005");
        assert_eq!(json(&Value::Time(parse_time("2026-04-07T21:59:01Z").unwrap())), "\"2026-04-07T21:59:01Z\"");
        assert_eq!(json(&Value::Day(parse_day("2026-06-30").unwrap())), "\"2026-06-30\"");
        assert_eq!(json(&Value::Text("a\"\\\n\u{1}é".into())), r#""a\"\\\n\u0001é""#);
        assert_eq!(json(&Value::Float(1.0)), "1.0");
    }

    #[test]
    fn moments_are_read_in_every_usual_form() {
        let at = parse_time("2026-04-07T21:59:01Z");
        for text in ["2026-04-07T21:59:01.789Z", "2026-04-07T23:59:01+02:00", "2026-04-07T21:59:01", "2026-04-07T21:59:01.0000000Z"] {
            assert_eq!(parse_time(text), at, "{text}");
        }
        assert_eq!(parse_time("2026-04-07"), parse_time("2026-04-07T00:00:00Z"));
        assert_eq!(parse_time("yesterday"), None);
        assert_eq!(parse_day("2026-02-30"), None);
    }

    #[test]
    fn text_compares_without_case_and_numbers_across_types() {
        assert_eq!(compare_text("ÉCLAIR", "éclair"), Ordering::Equal);
        assert_eq!(Value::Text("Bo".into()).compare(&Value::Text("bO".into())), Some(Ordering::Equal));
        assert_eq!(Value::Money(15_000).compare(&Value::Float(1.5)), Some(Ordering::Equal));
        assert_eq!(Value::Null.order(&Value::Int(0)), Ordering::Less);
    }
}
