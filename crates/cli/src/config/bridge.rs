//! The settings of one bridge.

use std::time::Duration;

use engine::options::{Bootstrap, Brake, Fields, Filters, Inactive, Keys, Msi, Owners, Parting, Policy, WriteBack};
use schemars::JsonSchema;
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
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Bridge")]
pub(crate) struct Config {
    /// The bridge's name, which log lines and metrics carry: 1 to 40 lower-case letters, digits, hyphens and underscores.
    #[serde(default = "only")]
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,40}$"))]
    pub(crate) name: String,
    /// Where Marketo is, who the bridge is there, and how many calls it may make. The limits hold across runs, because their counts are in the
    /// state; requests for tokens are not counted, by Marketo either.
    pub(crate) marketo: Marketo,
    /// Where Dynamics is, who the bridge is there, and how much it may read and write at once.
    pub(crate) dynamics: Dynamics,
    /// Where the bridge remembers what it has done.
    #[serde(default)]
    state: State,
    /// Key fields that customers may have made themselves.
    #[serde(default)]
    keys: Keys,
    /// Decisions about identity and links.
    #[serde(default)]
    policy: Policy,
    /// Field maps, on top of the defaults: the key is the Marketo field's REST name, the value says where it comes from. After a change the table
    /// is read in full once, and only differences are sent.
    #[serde(default)]
    fields: Fields,
    /// The Dynamics column of each Sales Insight field, where it isn't found without doubt.
    #[serde(default)]
    msi: Msi,
    /// The way back: Sales Insight fields that are written to Dynamics.
    #[serde(default)]
    write_back: WriteBack,
    /// When to stop and ask: a kind of harmful change stops when its number is above both limits.
    #[serde(default)]
    brake: Brake,
    /// Who owns what a team owns.
    #[serde(default)]
    owners: Owners,
    /// Which rows are in scope; a table that isn't named is in scope as a whole. After a change the table is read in full once.
    #[serde(default, rename = "where")]
    filters: Filters,
    /// What becomes of the Marketo record of a row that Dynamics has deleted.
    #[serde(default)]
    on_delete: Parting,
    /// What becomes of the Marketo record of a row that a filter no longer lets through.
    #[serde(default)]
    on_leave: Parting,
    /// What becomes of the Marketo record of a row that was deactivated: a contact or account that is inactive, a lead that is disqualified.
    #[serde(default)]
    on_inactive: Inactive,
    /// What is different while everything is loaded for the first time.
    #[serde(default)]
    bootstrap: Bootstrap,
    /// How a call that fails in passing is tried again. What may have been done and must not be done twice is never repeated; it is looked up.
    /// Refusals as too fast have a longer budget of their own, because they say nothing about the service's health.
    #[serde(default)]
    retry: Retry,
    /// When the passes of `serve` run.
    #[serde(default)]
    pub(crate) schedule: Schedule,
    /// What the process that serves shows. It concerns the process: with several bridges it stands once, above them.
    #[serde(default)]
    pub(super) serve: Option<Serve>,
}

fn only() -> String {
    ONLY.into()
}

/// `[state]`: where the bridge remembers what it has done.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct State {
    /// Where the state is: `sqlite:` and a path, or `memory:` for a try. Unless it is given, `sqlite:insight-bridge.db` in the current folder, or
    /// `sqlite:insight-bridge-NAME.db` for a bridge with another name than `default`.
    #[serde(default)]
    url: Option<String>,
}

/// `[retry]`: how a call that fails in passing is tried again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Retry {
    /// Seconds that may be waited between the tries of one call, all waits together.
    budget_s: u64,
    /// Tries in all: the first counts.
    #[schemars(range(min = 1))]
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

    /// The same where somebody waits for the answer and will give another.
    pub(crate) fn impatient(mut self) -> Self {
        self.retry = Retry { budget_s: 5, tries: 2 };
        self
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
