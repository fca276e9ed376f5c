//! What is different until everything was loaded once, and while very many people come to Marketo for the first time.

use base::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{
    Batch, StoreExt,
    record::{Fact, Run},
};
use wire::{Limits, Raised};

use crate::{bridge::Bridge, error::SyncError};

/// The fact that says when everything was loaded for the first time.
const LOADED_FACT: &str = "loaded";

/// Runs that are looked through in a state that doesn't have that fact.
const RUNS: usize = 1_000;

/// Exit codes of runs that came to their end.
const WHOLE: [u8; 2] = [0, 3];

/// `[bootstrap]`: what is different while everything is loaded for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// With more people than this still to be sent, they may go by Marketo's bulk import; 0: never.
    pub bulk_above: u64,
    /// What decides whether more people than `bulk_above` go by import.
    pub bulk: Bulk,
    /// People in one file of an import at most; a file is below 10 MB whatever this says.
    #[schemars(range(min = 1))]
    pub bulk_rows: usize,
    /// Marketo calls that may start in any 20 seconds until a cycle has come to its end once; as `marketo.calls_per_20s` says unless it is given,
    /// and at most 100.
    #[schemars(range(min = 1))]
    pub calls_per_20s: Option<usize>,
    /// Marketo calls at once until a cycle has come to its end once; as `marketo.max_in_flight` says unless it is given, and at most 10.
    #[schemars(range(min = 1))]
    pub max_in_flight: Option<usize>,
    /// A day, `"2025-01-01"`, or a moment, `"2025-01-01T06:00:00Z"`: what Dynamics has not changed since and Marketo doesn't have comes only when
    /// something in scope refers to it, or when it is changed. Owners always come. After a change of this the tables are read in full once; what
    /// is in Marketo already stays in sync.
    #[serde(with = "day_or_moment")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// What decides whether many people go by import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bulk {
    /// The forecast, made after the first 3,000 people: they do if it saves a tenth of the calls or more.
    #[default]
    Forecast,
    /// They always do.
    Always,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { bulk_above: 50_000, bulk: Bulk::Forecast, bulk_rows: 50_000, calls_per_20s: None, max_in_flight: None, since: None }
    }
}

impl Bootstrap {
    /// What can't be, in words that begin with the key; limits above Marketo's own are for emulators on this machine.
    #[must_use]
    pub fn mistake(&self, is_loopback: bool) -> Option<&'static str> {
        let is_out = |limit: Option<usize>, most| limit.is_some_and(|limit| limit == 0 || limit > most && !is_loopback);
        if self.bulk_rows == 0 {
            return Some("bulk_rows must be at least 1; bulk_above = 0 turns imports off");
        }
        if is_out(self.calls_per_20s, 100) {
            return Some("calls_per_20s must be between 1 and 100: Marketo refuses more");
        }
        is_out(self.max_in_flight, 10).then_some("max_in_flight must be between 1 and 10: Marketo refuses more")
    }
}

/// Until a cycle has come to its end, Marketo's limits are those of `[bootstrap]`, where they are higher; until what is given is dropped.
pub(crate) async fn raise_limits(bridge: &Bridge) -> Result<Option<Raised>, SyncError> {
    let Bootstrap { calls_per_20s, max_in_flight, .. } = bridge.options.bootstrap;
    if calls_per_20s.is_none() && max_in_flight.is_none() || is_loaded(bridge).await? {
        return Ok(None);
    }
    // Of several limits the highest hold: one that isn't given raises nothing.
    let limits = Limits { calls_max: Some(calls_per_20s.unwrap_or(0)), in_flight_max: max_in_flight.unwrap_or(0) };
    Ok(Some(bridge.marketo.pace().raise(limits)))
}

/// A cycle has come to its end: the first load is over.
pub(crate) async fn loaded(bridge: &Bridge) -> Result<(), SyncError> {
    if bridge.store.read_one::<Fact>(LOADED_FACT.into()).await?.is_some() {
        return Ok(());
    }
    let mut batch = Batch::new();
    batch.put(&Fact { name: LOADED_FACT.into(), value: bridge.clock.now().to_string().into() });
    bridge.commit(batch).await
}

async fn is_loaded(bridge: &Bridge) -> Result<bool, SyncError> {
    if bridge.store.read_one::<Fact>(LOADED_FACT.into()).await?.is_some() {
        return Ok(true);
    }
    // A state of an earlier release only has its runs.
    let runs = bridge.store.list::<Run>(&[], None, RUNS).await?;
    Ok(runs.iter().any(|run| run.body.exit.is_some_and(|exit| WHOLE.contains(&exit))))
}

/// `2026-01-31`, which is midnight UTC, or a moment such as `2026-01-31T12:00:00Z`.
mod day_or_moment {
    use base::Timestamp;
    use jiff::{civil::Date, tz::TimeZone};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[allow(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(since: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        since.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let day =
            text.parse::<Date>().ok().filter(|_| !text.contains('T')).and_then(|day| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok());
        match day.or_else(|| text.parse().ok()) {
            Some(since) => Ok(Some(since)),
            None => {
                Err(D::Error::custom(format!("`{text}` is neither a day, as \"2026-01-31\", nor a moment, as \"2026-01-31T12:00:00Z\"")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_is_a_day_or_a_moment() {
        let read = |text: &str| serde_json::from_value::<Bootstrap>(serde_json::json!({ "since": text })).map(|read| read.since);
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(read("2026-01-31").unwrap(), at("2026-01-31T00:00:00Z"));
        assert_eq!(read("2026-01-31T12:00:00+01:00").unwrap(), at("2026-01-31T11:00:00Z"));
        for text in ["", "yesterday", "31.1.2026", "2026-02-30"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
