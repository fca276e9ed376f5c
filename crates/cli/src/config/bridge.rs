//! The settings of one bridge.

use std::time::Duration;

use engine::options::{Bootstrap, Brake, Fields, Filters, Inactive, Keys, Msi, Owners, Parting, Policy, WriteBack};
use serde::Deserialize;

use super::{
    is_loopback,
    schedule::Schedule,
    serve::Serve,
    sides::{Dynamics, Marketo},
};

/// The name of the only bridge of a file.
const ONLY: &str = "default";

/// One bridge: a `[[bridge]]`, or the whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Its name, which its log lines and metrics carry.
    #[serde(default = "only")]
    pub(crate) name: String,
    pub(crate) marketo: Marketo,
    pub(crate) dynamics: Dynamics,
    #[serde(default)]
    state: State,
    #[serde(default)]
    keys: Keys,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    fields: Fields,
    #[serde(default)]
    msi: Msi,
    #[serde(default)]
    write_back: WriteBack,
    #[serde(default)]
    brake: Brake,
    #[serde(default)]
    owners: Owners,
    #[serde(default, rename = "where")]
    filters: Filters,
    #[serde(default)]
    on_delete: Parting,
    #[serde(default)]
    on_leave: Parting,
    #[serde(default)]
    on_inactive: Inactive,
    #[serde(default)]
    bootstrap: Bootstrap,
    #[serde(default)]
    retry: Retry,
    #[serde(default)]
    pub(crate) schedule: Schedule,
    /// Of the process, where this is the whole file.
    #[serde(default)]
    pub(super) serve: Option<Serve>,
}

fn only() -> String {
    ONLY.into()
}

/// `[state]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    #[serde(default)]
    url: Option<String>,
}

/// `[retry]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Retry {
    /// Seconds after which a call that keeps failing is given up.
    budget_s: u64,
    /// Tries in all.
    tries: usize,
}

impl Default for Retry {
    fn default() -> Self {
        Self { budget_s: 60, tries: 8 }
    }
}

impl Config {
    /// What is wrong with it.
    pub(super) fn mistake(&self) -> Option<String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(fits) {
            return Some("name: write 1 to 40 lower-case letters, digits, hyphens and underscores".into());
        }
        if let Some(mistake) = self.marketo.mistake().or_else(|| self.dynamics.mistake()) {
            return Some(mistake);
        }
        if let Some(mistake) = self.bootstrap.mistake(is_loopback(&self.marketo.base_url)) {
            return Some(format!("bootstrap.{mistake}"));
        }
        let mistake = if !(0.0..=100.0).contains(&self.brake.percent) {
            "brake.percent must be between 0 and 100"
        } else if self.retry.tries == 0 {
            "retry.tries must be at least 1: the first try counts"
        } else if self.write_back.rows_per_message == 0 {
            "write_back.rows_per_message must be at least 1"
        } else {
            return None;
        };
        Some(mistake.into())
    }

    /// The address of its state.
    pub(crate) fn state(&self) -> String {
        self.state.url.clone().unwrap_or_else(|| match self.name.as_str() {
            ONLY => "sqlite:insight-bridge.db".into(),
            name => format!("sqlite:insight-bridge-{name}.db"),
        })
    }

    /// What people decided, for the engine.
    pub(crate) fn options(&self) -> engine::Options {
        let mut fields = self.fields.clone();
        fields.readable_secured = self.dynamics.readable_secured_columns.clone();
        engine::Options {
            keys: self.keys.clone(),
            policy: self.policy.clone(),
            fields,
            msi: self.msi.clone(),
            write_back: self.write_back.clone(),
            daily_writes: self.dynamics.daily_writes,
            brake: self.brake.clone(),
            owners: self.owners,
            filters: self.filters.clone(),
            on_delete: self.on_delete,
            on_leave: self.on_leave,
            on_inactive: self.on_inactive,
            bootstrap: self.bootstrap.clone(),
        }
    }

    /// How failed calls are tried again.
    pub(crate) fn retry(&self) -> wire::RetryOptions {
        wire::RetryOptions {
            budget: Duration::from_secs(self.retry.budget_s),
            tries_max: self.retry.tries.max(1),
            ..wire::RetryOptions::default()
        }
    }
}
