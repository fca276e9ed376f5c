//! Numbers as the vendor writes them: as numbers, as texts, and whole ones with a decimal point.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A whole number, however it is written. Ids are 32 bits in some of the vendor's schemas and 64 in others.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(from_float)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn from_float(number: f64) -> Option<i64> {
    // Up to 2^53 every whole number is exact; the text form avoids a cast that may wrap.
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 { format!("{number:.0}").parse().ok() } else { None }
}

/// For serde: a whole number that may be missing, null, or written as a text.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(whole(&Value::deserialize(deserializer)?))
}

/// For serde: a count that may be missing, null, or written as a text; zero then.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(optional(deserializer)?.and_then(|number| u64::try_from(number).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_whole_number() {
        for text in ["481", "\"481\"", "481.0", "\" 481 \""] {
            assert_eq!(whole(&serde_json::from_str(text).unwrap()), Some(481), "{text}");
        }
        for text in ["null", "481.5", "\"x\"", "1e300", "true"] {
            assert_eq!(whole(&serde_json::from_str(text).unwrap()), None, "{text}");
        }
    }
}
