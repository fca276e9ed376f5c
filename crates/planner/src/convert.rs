//! A value of Dynamics as a value of Marketo, with the reason when something is lost.

use serde_json::{Value, json};

use crate::schema::{Column, ColumnKind, DataKind, TargetField};

/// The longest text of a Marketo text area, in bytes (Adobe, "Field types").
const TEXT_AREA_MAX_BYTES: usize = 30_000;

/// A converted value.
#[derive(Debug, Clone, PartialEq)]
pub enum Converted {
    /// As it is.
    Whole(Value),
    /// A text cut at a character boundary to what the target takes.
    Cut(Value),
    /// It can't be expressed in the target's type; the field is left alone.
    Lost(&'static str),
}

impl Converted {
    /// The value, where there is one.
    #[must_use]
    pub fn value(self) -> Option<Value> {
        match self {
            Self::Whole(value) | Self::Cut(value) => Some(value),
            Self::Lost(_) => None,
        }
    }
}

/// How a choice is written where the target takes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChoiceAs {
    /// Its number.
    Number,
    /// Its label.
    Label,
}

/// A column's value in the canonical form of its kind: texts trimmed of nothing, choices as asked, dates as ISO text.
#[must_use]
pub fn canonical(column: &Column, value: &Value, choice: ChoiceAs) -> Value {
    match (column.kind, choice) {
        (ColumnKind::Choice, ChoiceAs::Label) => label(column, value),
        (ColumnKind::Choices, ChoiceAs::Label) => match value.as_str() {
            Some(list) => {
                let labels: Vec<String> = list
                    .split(',')
                    .filter_map(|number| number.trim().parse::<i64>().ok())
                    .map(|number| option_label(column, number).unwrap_or_else(|| number.to_string()))
                    .collect();
                Value::String(labels.join(";"))
            }
            None => value.clone(),
        },
        (ColumnKind::Id | ColumnKind::Lookup, _) => match value.as_str().and_then(|text| text.parse::<base::Guid>().ok()) {
            Some(id) => Value::String(id.to_string()),
            None => value.clone(),
        },
        (
            ColumnKind::Text
            | ColumnKind::Integer
            | ColumnKind::Decimal
            | ColumnKind::Boolean
            | ColumnKind::Choice
            | ColumnKind::Choices
            | ColumnKind::Date
            | ColumnKind::DateTime
            | ColumnKind::Other,
            _,
        ) => value.clone(),
    }
}

fn label(column: &Column, value: &Value) -> Value {
    match value.as_i64() {
        Some(number) => Value::String(option_label(column, number).unwrap_or_else(|| number.to_string())),
        None => value.clone(),
    }
}

fn option_label(column: &Column, number: i64) -> Option<String> {
    column.options.iter().find(|(value, _)| *value == number).map(|(_, label)| label.clone())
}

/// A canonical value in the target's type.
#[must_use]
pub fn convert(value: &Value, target: &TargetField) -> Converted {
    if value.is_null() || value.as_str() == Some("") {
        return Converted::Whole(Value::Null);
    }
    match target.kind {
        DataKind::String | DataKind::Text | DataKind::Email => text(value, target),
        DataKind::Integer => match as_number(value) {
            Some(number) if number.abs() < 9.0e15 => {
                #[allow(clippy::cast_possible_truncation)] // within the range just checked
                let whole = number.round() as i64;
                Converted::Whole(json!(whole))
            }
            Some(_) | None => Converted::Lost("is not a whole number"),
        },
        DataKind::Float => match (value, as_number(value)) {
            (Value::Number(number), _) => Converted::Whole(Value::Number(number.clone())),
            (_, Some(number)) => Converted::Whole(json!(number)),
            (_, None) => Converted::Lost("is not a number"),
        },
        DataKind::Boolean => as_bool(value).map_or(Converted::Lost("is neither yes nor no"), |yes| Converted::Whole(json!(yes))),
        DataKind::Date => as_moment(value).map_or(Converted::Lost("is not a date"), |(date, _)| Converted::Whole(json!(date))),
        DataKind::DateTime => {
            as_moment(value).map_or(Converted::Lost("is not a date and time"), |(_, moment)| Converted::Whole(json!(moment)))
        }
    }
}

fn text(value: &Value, target: &TargetField) -> Converted {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return Converted::Lost("has no text form"),
    };
    // An address cut short is somebody else's: Marketo's own refusal is better.
    let cut = match (target.kind, target.length) {
        (DataKind::String, Some(length)) => cut_chars(&text, length),
        (DataKind::Text, length) => {
            let by_length = length.and_then(|length| cut_chars(&text, length));
            cut_bytes(by_length.unwrap_or(&text), TEXT_AREA_MAX_BYTES).or(by_length)
        }
        (
            DataKind::String
            | DataKind::Email
            | DataKind::Integer
            | DataKind::Float
            | DataKind::Boolean
            | DataKind::Date
            | DataKind::DateTime,
            _,
        ) => None,
    };
    match cut {
        Some(cut) => Converted::Cut(json!(cut)),
        None => Converted::Whole(Value::String(text)),
    }
}

/// The first `length` characters, when there are more.
#[must_use]
pub fn cut_chars(text: &str, length: u32) -> Option<&str> {
    text.char_indices().nth(usize::try_from(length).unwrap_or(usize::MAX)).map(|(at, _)| &text[..at])
}

/// As many characters as fit into `max` bytes, when not all do.
fn cut_bytes(text: &str, max: usize) -> Option<&str> {
    (text.len() > max).then(|| &text[..text.floor_char_boundary(max)])
}

/// As many characters as fit into `max` UTF-16 units, which is how Dataverse counts, when not all do.
#[must_use]
pub fn cut_utf16(text: &str, max: u32) -> Option<&str> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let mut units = 0;
    for (at, character) in text.char_indices() {
        units += character.len_utf16();
        if units > max {
            return Some(&text[..at]);
        }
    }
    None
}

/// A number, from a number or from text.
#[must_use]
pub fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn as_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::Number(number) => Some(number.as_f64()? != 0.0),
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A date and a moment as Marketo takes them: `2026-04-07` and `2026-04-07T21:59:01Z`.
///
/// Reads every spelling that either vendor is known to use; a moment without zone counts as UTC.
#[must_use]
pub fn as_moment(value: &Value) -> Option<(String, String)> {
    let text = value.as_str()?.trim();
    // Some of Marketo's interfaces write both: `2026-08-01T22:31:49Z+0000`.
    let text = text.strip_suffix("+0000").filter(|start| start.ends_with('Z')).unwrap_or(text);
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        return Some((date.to_string(), format!("{date}T00:00:00Z")));
    }
    let moment = text
        .parse::<jiff::Timestamp>()
        .ok()
        .or_else(|| jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", text).ok()?.to_timestamp().ok())
        .or_else(|| jiff::tz::TimeZone::UTC.to_timestamp(text.replacen(' ', "T", 1).parse().ok()?).ok())?;
    Some((moment.strftime("%Y-%m-%d").to_string(), base::time::whole_seconds(moment)))
}

/// Whether Marketo's value and ours are the same, whatever the spelling that Marketo reads back: numbers as text, other date forms,
/// booleans as nothing.
#[must_use]
pub fn same(target: &TargetField, ours: &Value, theirs: &Value) -> bool {
    let blank = |value: &Value| value.is_null() || value.as_str() == Some("");
    if blank(ours) || blank(theirs) {
        return blank(ours) && blank(theirs);
    }
    match target.kind {
        DataKind::String | DataKind::Text => ours == theirs || as_text(ours) == as_text(theirs),
        DataKind::Email => as_text(ours).to_lowercase() == as_text(theirs).to_lowercase(),
        #[allow(clippy::float_cmp)] // both come from decimal text
        DataKind::Integer | DataKind::Float => match (as_number(ours), as_number(theirs)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (_, _) => false,
        },
        DataKind::Boolean => as_bool(ours) == as_bool(theirs),
        DataKind::Date => as_moment(ours).map(|moment| moment.0) == as_moment(theirs).map(|moment| moment.0),
        DataKind::DateTime => as_moment(ours).map(|moment| moment.1) == as_moment(theirs).map(|moment| moment.1),
    }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: DataKind, length: u32) -> TargetField {
        TargetField { name: "x".into(), kind, label: None, length: Some(length), updateable: true }
    }

    #[track_caller]
    fn check(value: Value, kind: DataKind, expected: &Converted) {
        assert_eq!(&convert(&value, &field(kind, 5)), expected, "{value} as {kind:?}");
    }

    #[test]
    fn values_become_what_marketo_takes() {
        let whole = |value: Value| Converted::Whole(value);
        check(json!("äöüßé"), DataKind::String, &whole(json!("äöüßé")));
        check(json!("äöüßé!"), DataKind::String, &Converted::Cut(json!("äöüßé")));
        check(json!("👩‍💻👩‍💻"), DataKind::String, &Converted::Cut(json!("👩‍💻👩‍")));
        check(json!("long@example.com"), DataKind::Email, &whole(json!("long@example.com")));
        check(json!(""), DataKind::String, &whole(json!(null)));
        check(json!("12.4"), DataKind::Integer, &whole(json!(12)));
        check(json!("twelve"), DataKind::Integer, &Converted::Lost("is not a whole number"));
        check(json!(5_000_000.25), DataKind::Float, &whole(json!(5_000_000.25)));
        check(json!(1), DataKind::Boolean, &whole(json!(true)));
        check(json!("2026-04-07"), DataKind::DateTime, &whole(json!("2026-04-07T00:00:00Z")));
        check(json!("2026-04-07T23:59:01.5-02:00"), DataKind::DateTime, &whole(json!("2026-04-08T01:59:01Z")));
        check(json!("2026-04-07T21:59:01Z"), DataKind::Date, &whole(json!("2026-04-07")));
    }

    #[test]
    fn spellings_of_one_value_are_the_same() {
        let cases = [
            (DataKind::Float, json!(1604.47), json!("1604.47")),
            (DataKind::DateTime, json!("2026-04-07T21:59:01Z"), json!("2026-04-07T21:59:01+0000")),
            (DataKind::DateTime, json!("2026-04-07T21:59:01Z"), json!("2026-04-07 21:59:01")),
            (DataKind::String, json!(""), json!(null)),
            (DataKind::Email, json!("A@x.test"), json!("a@x.test")),
        ];
        for (kind, ours, theirs) in cases {
            assert!(same(&field(kind, 255), &ours, &theirs), "{ours} {theirs}");
        }
        assert!(!same(&field(DataKind::String, 255), &json!("a"), &json!("A")));
        assert!(!same(&field(DataKind::Boolean, 0), &json!(false), &json!(null)));
    }

    #[test]
    fn dataverse_counts_utf16_units() {
        assert_eq!(cut_utf16("a😀b", 2), Some("a"));
        assert_eq!(cut_utf16("a😀b", 4), None);
    }
}
