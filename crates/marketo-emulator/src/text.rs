//! How texts are compared, and how times are written and read.

use std::borrow::Cow;

use base::Timestamp;
use jiff::civil;

use crate::cell::View;

/// A text as it is compared: without blanks around and without case.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        Cow::Owned(text.to_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Any value as a text to compare.
pub(crate) fn fold_view(view: View<'_>) -> Cow<'_, str> {
    match view {
        View::Text(text) => fold(text),
        View::Int(value) => Cow::Owned(value.to_string()),
        View::Float(value) => Cow::Owned(value.to_string()),
        View::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        View::Time(value) => Cow::Owned(stamp(value)),
    }
}

/// Seconds since the epoch as `2026-04-07T21:59:01Z`.
pub(crate) fn stamp(second: i64) -> String {
    Timestamp::from_second(second).unwrap_or(Timestamp::MIN).to_string()
}

/// Reads an instant in the spellings that occur: `…Z`, `…-08:00`, `…+0000`, with a blank instead of the T, without offset (UTC), or only
/// a day. Fractions of a second are cut.
pub(crate) fn instant(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(floor(at));
    }
    // jiff wants a colon in the offset; the vendor often leaves it out.
    if let Some((head, tail)) = text.split_at_checked(text.len().saturating_sub(5)) {
        let sign = tail.starts_with(['+', '-']);
        if sign && tail.bytes().skip(1).all(|byte| byte.is_ascii_digit()) && head.contains(['T', ' ']) {
            let (hours, minutes) = tail.split_at(3);
            return format!("{head}{hours}:{minutes}").parse::<Timestamp>().ok().map(floor);
        }
    }
    let at = match text.parse::<civil::DateTime>() {
        Ok(at) => at,
        Err(_) => text.parse::<civil::Date>().ok()?.to_datetime(civil::Time::midnight()),
    };
    at.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok().map(|at| floor(at.timestamp()))
}

/// Whole seconds, downwards.
pub(crate) fn floor(at: Timestamp) -> i64 {
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

/// The day in US Central Time, on which Adobe's quotas turn over, as days since the epoch.
///
/// The rule is written out, so that no time zone database is needed: since 2007 summer time runs from the second Sunday of March to the
/// first of November.
pub(crate) fn central_day(at: Timestamp) -> civil::Date {
    let zone = jiff::tz::TimeZone::posix("CST6CDT,M3.2.0,M11.1.0").unwrap_or(jiff::tz::TimeZone::UTC);
    at.to_zoned_datetime(zone).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_instant() {
        let expected = Some(1_772_359_200);
        for text in [
            "2026-03-01T10:00:00Z",
            "2026-03-01T02:00:00-08:00",
            "2026-03-01T10:00:00+0000",
            "2026-03-01 10:00:00",
            "2026-03-01T10:00:00.250Z",
        ] {
            assert_eq!(instant(text), expected, "{text}");
        }
        assert_eq!(instant("2026-03-01"), Some(1_772_323_200));
        for text in ["", "yesterday", "2026-03-01T10:00:00 00:00", "2026-13-01T00:00:00Z", "é", "+0000"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn the_day_turns_at_central_midnight_in_summer_and_winter() {
        let day = |text: &str| central_day(text.parse().unwrap()).to_string();
        assert_eq!(day("2026-01-15T05:59:59Z"), "2026-01-14");
        assert_eq!(day("2026-01-15T06:00:00Z"), "2026-01-15");
        assert_eq!(day("2026-07-15T04:59:59Z"), "2026-07-14");
        assert_eq!(day("2026-07-15T05:00:00Z"), "2026-07-15");
    }
}
