//! Both emulators' settings by name: read them, or change some of them.
//!
//! Names are those of the fields of [`marketo_emulator::Options`] and [`dataverse_emulator::Options`], where each is explained.

use dataverse_emulator::options::{ApplicationUser, ClosedRows, DeltaStamp, MergedLead, RetryAfter};
use dataverse_emulator::schema::MsiColumns;
use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{Answer, Call};
use crate::Sandbox;

/// Settings to change, by side.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Of Marketo's emulator.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub marketo: Map<String, Value>,
    /// Of Dataverse's.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub dataverse: Map<String, Value>,
}

impl Settings {
    /// Changes them. A name that isn't known or a value that doesn't fit leaves all settings of that side as they were.
    ///
    /// # Errors
    /// In words, what doesn't fit.
    pub fn apply(self, sandbox: &Sandbox) -> Result<(), String> {
        if !self.marketo.is_empty() {
            let mut state = sandbox.marketo.state();
            let patched = patched_marketo(state.options(), self.marketo)?;
            *state.options_mut() = patched;
        }
        if !self.dataverse.is_empty() {
            let mut state = sandbox.dataverse.state();
            let mut patched = state.options().clone();
            for (name, value) in self.dataverse {
                set(&mut patched, &name, value).map_err(|reason| format!("dataverse.{name}: {reason}"))?;
            }
            *state.options_mut() = patched;
        }
        Ok(())
    }
}

pub(super) fn options(call: &Call) -> Answer {
    if call.method == Method::POST {
        call.json::<Settings>()?.apply(&call.sandbox)?;
    }
    let marketo = serde_json::to_value(call.sandbox.marketo.state().options()).map_err(|error| error.to_string())?;
    Ok(json!({ "marketo": marketo, "dataverse": shown(call.sandbox.dataverse.state().options()) }))
}

fn patched_marketo(options: &marketo_emulator::Options, patch: Map<String, Value>) -> Result<marketo_emulator::Options, String> {
    let mut all = serde_json::to_value(options).map_err(|error| error.to_string())?;
    if let Some(all) = all.as_object_mut() {
        all.extend(patch);
    }
    serde_json::from_value(all).map_err(|error| format!("marketo: {error}"))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Words of an enum of settings.
type Words<T> = &'static [(&'static str, T)];

const APPLICATION_USER: Words<ApplicationUser> =
    &[("enabled", ApplicationUser::Enabled), ("disabled", ApplicationUser::Disabled), ("missing", ApplicationUser::Missing)];
const RETRY_AFTER: Words<RetryAfter> = &[("seconds", RetryAfter::Seconds), ("date", RetryAfter::Date), ("absent", RetryAfter::Absent)];
const DELTA_STAMP: Words<DeltaStamp> = &[("last-page", DeltaStamp::LastPage), ("start", DeltaStamp::Start)];
const CLOSED_ROWS: Words<ClosedRows> = &[("refuse", ClosedRows::Refuse), ("accept", ClosedRows::Accept)];
const MERGED_LEAD: Words<MergedLead> = &[("lost", MergedLead::Lost), ("canceled", MergedLead::Canceled)];
const MSI_COLUMNS: Words<MsiColumns> = &[("mkt", MsiColumns::Mkt), ("new", MsiColumns::New), ("absent", MsiColumns::Absent)];

fn word<T: Copy>(words: Words<T>, value: &Value) -> Result<T, String> {
    let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
    found
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| format!("one of {}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")))
}

fn said<T: PartialEq>(words: Words<T>, meaning: &T) -> Value {
    words.iter().find(|(_, known)| known == meaning).map_or(Value::Null, |(word, _)| json!(word))
}

macro_rules! settings {
    (plain: [$($plain:ident),* $(,)?], words: [$($name:ident: $words:ident),* $(,)?]) => {
        fn set(options: &mut dataverse_emulator::Options, name: &str, value: Value) -> Result<(), String> {
            match name {
                $(stringify!($plain) => options.$plain = read(value)?,)*
                $(stringify!($name) => options.$name = word($words, &value)?,)*
                _ => return Err("no such setting".to_owned()),
            }
            Ok(())
        }

        fn shown(options: &dataverse_emulator::Options) -> Value {
            let mut all = Map::new();
            $(all.insert(stringify!($plain).to_owned(), json!(options.$plain));)*
            $(all.insert(stringify!($name).to_owned(), said($words, &options.$name));)*
            Value::Object(all)
        }
    };
}

settings! {
    plain: [
        tenant_id, client_id, client_secret, resources, token_life_s, any_bearer, missing_privileges, hidden_rows, enforce_limits, limit_requests,
        limit_time_ms, limit_concurrent, dop_hint, page_max, count_cap, delta_retention_days, track_connections, track_connection_roles,
        untracked_tables, omit_delta_link_with_annotations, repeat_between_delta_pages, repeat_between_pages, reject_long_text, seed_long_text,
        delete_mirrors, cascades_move_modifiedon, no_bulk, metadata_lag_s, seed,
    ],
    words: [
        application_user: APPLICATION_USER, retry_after: RETRY_AFTER, delta_stamp: DELTA_STAMP, closed_leads: CLOSED_ROWS,
        closed_others: CLOSED_ROWS, merged_lead: MERGED_LEAD, msi_columns: MSI_COLUMNS,
    ]
}
