//! A side's own words without what Dynamics says of a person.
//!
//! Marketo's messages may quote the value that it refuses. What is quoted, what the record itself says and whatever looks like an e-mail
//! address is left out, so that lists of held records can be passed on. [`super::values`] shows everything.

use planner::Desired;
use serde_json::Value;

/// What stands in its place.
const LEFT_OUT: &str = "***";

/// Values shorter than this are left out only where they stand alone: two letters are found in any sentence.
const ANYWHERE_MIN: usize = 4;

/// The text without e-mail addresses.
#[must_use]
pub fn without_addresses(text: &str) -> String {
    if !text.contains('@') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| c.is_whitespace() || "\"'<>()[]{},;".contains(c)) {
        let end = piece.trim_end_matches(|c: char| c.is_whitespace() || "\"'<>()[]{},;.:".contains(c)).len();
        let (word, rest) = piece.split_at(end);
        out.push_str(if word.contains('@') { LEFT_OUT } else { word });
        out.push_str(rest);
    }
    out
}

/// A side's words about a record without its values.
pub(super) fn without_values(text: &str, desired: &Desired) -> String {
    let mut text = without_quotes(&without_addresses(text), |quoted| desired.fields.keys().any(|field| field.eq_ignore_ascii_case(quoted)));
    let mut values: Vec<String> =
        desired.fields.values().chain(desired.company_name.clone().map(Value::String).as_ref()).filter_map(shown).collect();
    // The longest first: a shorter one may be part of it.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values {
        text = without(&text, &value);
    }
    text
}

/// A value as a message may show it.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What stands between quotation marks is left out, unless it may stay.
pub(crate) fn without_quotes(text: &str, may_stay: impl Fn(&str) -> bool) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['"', '\'']) {
        let (before, quoted) = rest.split_at(at);
        out.push_str(before);
        let mark = if quoted.starts_with('"') { '"' } else { '\'' };
        // An apostrophe stands behind a letter.
        let opens = !out.ends_with(char::is_alphanumeric);
        let inner = &quoted[1..];
        match inner.find(mark).filter(|_| opens) {
            Some(end) => {
                let word = &inner[..end];
                out.push(mark);
                out.push_str(if may_stay(word) { word } else { LEFT_OUT });
                out.push(mark);
                rest = &inner[end + 1..];
            }
            None => {
                out.push(mark);
                rest = inner;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The text without a value, in whatever case.
fn without(text: &str, value: &str) -> String {
    let (lower, value) = (text.to_lowercase(), value.to_lowercase());
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (at, found) in lower.match_indices(&value) {
        let end = at + found.len();
        let alone = !is_word(lower[..at].chars().next_back()) && !is_word(lower[end..].chars().next());
        if at < from || !alone && value.chars().count() < ANYWHERE_MIN {
            continue;
        }
        // Some letters are longer in lower case: places in one text aren't places in the other then.
        let (Some(before), true, true) = (text.get(from..at), text.is_char_boundary(end), lower.len() == text.len()) else {
            return LEFT_OUT.to_owned();
        };
        out.push_str(before);
        out.push_str(LEFT_OUT);
        from = end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_left_out_wherever_they_stand() {
        for (text, left) in [
            ("no address here", "no address here"),
            ("lead bo@x.test exists", "lead *** exists"),
            ("(bo@x.test), <Bo@X.test>.", "(***), <***>."),
            ("'o'neil@x.test' is no e-mail", "'o'***' is no e-mail"),
            ("https://user:word@host/path.", "***."),
            ("bö@x.test", "***"),
        ] {
            assert_eq!(without_addresses(text), left);
        }
    }

    #[test]
    fn values_are_left_out_and_names_of_fields_stay() {
        let fields = [
            ("title", json!("Director")),
            ("lastName", json!("Al")),
            ("phone", json!("+49 30 12")),
            ("employees", json!(1234)),
            ("x", json!(null)),
        ];
        let desired = Desired { fields: fields.map(|(name, value)| (name.to_owned(), value)).into(), ..Desired::default() };
        for (text, left) in [
            ("Value 'Director' of field 'Title' isn't taken", "Value '***' of field 'Title' isn't taken"),
            ("DIRECTOR is too long, Also by 4", "*** is too long, Also by 4"),
            ("Al is no name", "*** is no name"),
            ("number +49 30 12 of 1234", "number *** of ***"),
            ("value \"somebody else's\" isn't", "value \"***\" isn't"),
            ("an 'open end", "an 'open end"),
            ("İ Director", "***"),
        ] {
            assert_eq!(without_values(text, &desired), left);
        }
        assert_eq!(without_values("Lead 'Bo' isn't there", &Desired::default()), "Lead '***' isn't there");
    }
}
