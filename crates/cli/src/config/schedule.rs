//! `[schedule]`: when the passes of `serve` run.

use std::time::Duration;

use engine::supervisor::{Cron, When};
use jiff::{SignedDuration, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};

/// The shortest interval.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// `[schedule]`: when the passes of `serve` run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Schedule {
    /// When the whole cycle runs, as `sync` does it.
    #[serde(deserialize_with = "when")]
    #[schemars(with = "Written", extend("default" = "5m"))]
    changes: When,
    /// When it is looked at what has happened in Marketo, and those people's Sales Insight fields are written to Dynamics.
    #[serde(deserialize_with = "when")]
    #[schemars(with = "Written", extend("default" = "60s"))]
    moments: When,
    /// When everybody is looked at once, whatever activities say, as far as `write_back.sweep_calls` go.
    #[serde(deserialize_with = "when")]
    #[schemars(with = "Written", extend("default" = "30 9 * * *"))]
    sweep: When,
    /// Where times by the calendar are meant, as `"Europe/Berlin"`.
    #[serde(deserialize_with = "zone")]
    #[schemars(with = "String", extend("default" = "UTC"))]
    time_zone: TimeZone,
}

impl Default for Schedule {
    fn default() -> Self {
        let engine::supervisor::Schedule { changes, moments, sweep } = engine::supervisor::Schedule::default();
        Self { changes, moments, sweep, time_zone: TimeZone::UTC }
    }
}

/// When passes of one kind run.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "When")]
enum Written {
    /// Only when `run` asks for it.
    Off(#[schemars(extend("const" = false))] bool),
    /// An interval from the end of the last such pass (`"90s"`, `"1h 30m"`; at least `"1s"`), or five fields of cron (`"0 6-20/2 * * mon-fri"`).
    Text(String),
}

/// Reads it; cron is in UTC until the zone is known.
fn when<'de, D: Deserializer<'de>>(deserializer: D) -> Result<When, D::Error> {
    let told = "write an interval as \"5m\", five fields of cron as \"30 3 * * *\", or false";
    match Written::deserialize(deserializer) {
        Ok(Written::Off(false)) => Ok(When::Asked),
        Ok(Written::Text(text)) => match text.parse::<SignedDuration>() {
            Ok(interval) => {
                let interval = Duration::try_from(interval).ok().filter(|interval| *interval >= INTERVAL_MIN);
                interval.map(When::After).ok_or_else(|| D::Error::custom("an interval must be at least 1s"))
            }
            Err(_) if text.trim().contains(' ') => Cron::parse(&text).map(When::At).map_err(D::Error::custom),
            Err(_) => Err(D::Error::custom(told)),
        },
        Ok(Written::Off(true)) | Err(_) => Err(D::Error::custom(told)),
    }
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeZone, D::Error> {
    let name = String::deserialize(deserializer)?;
    TimeZone::get(&name).map_err(|_| D::Error::custom(format!("{name:?} is no time zone; write one as \"Europe/Berlin\"")))
}

impl From<Schedule> for engine::supervisor::Schedule {
    fn from(Schedule { changes, moments, sweep, time_zone }: Schedule) -> Self {
        let when = |when: When| match when {
            When::At(cron) => When::At(cron.in_zone(time_zone.clone())),
            When::After(_) | When::Asked => when,
        };
        Self { changes: when(changes), moments: when(moments), sweep: when(sweep) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str) -> Result<engine::supervisor::Schedule, String> {
        toml::from_str::<Schedule>(text).map(Into::into).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn intervals_and_times_are_told_apart() {
        let read = schedule("changes = \"1h 30m\"\nmoments = false\nsweep = \"0 2 * * mon-fri\"\ntime_zone = \"Europe/Berlin\"").unwrap();
        assert_eq!(read.changes, When::After(Duration::from_secs(5_400)));
        assert_eq!(read.moments, When::Asked);
        assert!(matches!(schedule("").unwrap().sweep, When::At(_)));
        let When::At(cron) = read.sweep else { panic!("{read:?}") };
        assert_eq!(cron.next("2026-07-01T12:00:00Z".parse().unwrap()).unwrap().to_string(), "2026-07-02T00:00:00Z");
    }

    #[test]
    fn what_is_neither_says_what_to_write() {
        for (text, part) in [
            ("changes = \"0s\"", "at least 1s"),
            ("changes = \"soon\"", "write an interval as"),
            ("changes = true", "write an interval as"),
            ("sweep = \"30 25 * * *\"", "is no hour"),
            ("sweep = \"0 3 1 1\"", "has 4 fields"),
            ("time_zone = \"Mars/Olympus\"", "is no time zone"),
        ] {
            let told = schedule(text).unwrap_err();
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
