//! Instants in every spelling that Marketo uses.
//!
//! Adobe's pages show `2026-08-01T22:31:49Z`, `…-08:00`, `…+0000` without a colon, `…Z+0000`, and `2026-08-01 22:31:49` without a zone,
//! which is read as UTC.

use base::Timestamp;
use jiff::{civil::DateTime, tz::TimeZone};

/// The instant of a text, if it is one.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let text = text.strip_suffix("Z+0000").map_or_else(|| text.to_owned(), |start| format!("{start}Z"));
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    if let Ok(at) = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", &text).and_then(|broken| broken.to_timestamp()) {
        return Some(at);
    }
    let local: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(local).ok()
}

/// An instant as Marketo takes it: whole seconds, UTC.
pub(crate) fn write(at: Timestamp) -> String {
    base::time::whole_seconds(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_spelling() {
        let at: Timestamp = "2026-08-01T22:31:49Z".parse().unwrap();
        for text in [
            "2026-08-01T22:31:49Z",
            "2026-08-01T22:31:49+0000",
            "2026-08-01T22:31:49Z+0000",
            "2026-08-01T14:31:49-08:00",
            "2026-08-01T14:31:49-0800",
            "2026-08-01 22:31:49",
        ] {
            assert_eq!(read(text), Some(at), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01T00:00:00Z"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
