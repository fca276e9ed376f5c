//! The configuration file: what may be in it, and mistakes told at their line.
//!
//! Unknown keys are errors. Secrets are never in the file, only where they are to be had. Parsing gives final types, so that nothing is
//! checked later but what only the two sides can tell.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use base::{Secret, Table};
use engine::{
    Quota,
    options::{Brake, DailyWrites, Fields, Filters, Inactive, Keys, Msi, Owners, Parting, Policy, WriteBack},
};
use miette::{LabeledSpan, NamedSource, miette};
use serde::Deserialize;

use crate::exit::Failure;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) marketo: Marketo,
    pub(crate) dynamics: Dynamics,
    #[serde(default)]
    pub(crate) state: State,
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
    pub(crate) retry: Retry,
    #[serde(default)]
    pub(crate) schedule: Schedule,
}

/// `[marketo]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Marketo {
    pub(crate) base_url: String,
    pub(crate) client_id: String,
    client_secret: SecretSource,
    /// Calls in any 20 seconds; 0 means no pacing, for loopback only.
    #[serde(default = "calls_per_20s")]
    pub(crate) calls_per_20s: usize,
    #[serde(default = "max_in_flight")]
    pub(crate) max_in_flight: usize,
    /// Our own cap on calls a day.
    #[serde(default = "daily_calls")]
    pub(crate) daily_calls: u64,
    /// What the subscription has a day, for all integrations together.
    #[serde(default)]
    daily_quota: Option<u64>,
    /// What of that is kept for the others.
    #[serde(default = "reserve")]
    reserve: u64,
}

/// `[dynamics]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dynamics {
    pub(crate) url: String,
    pub(crate) tenant_id: String,
    #[serde(default)]
    pub(crate) client_id: Option<String>,
    #[serde(default)]
    client_secret: Option<SecretSource>,
    /// How the application proves who it is.
    #[serde(default)]
    pub(crate) credential: CredentialKind,
    /// For workload identity: the file with the service account's token.
    #[serde(default)]
    pub(crate) token_file: Option<PathBuf>,
    #[serde(default = "authority")]
    pub(crate) authority: String,
    /// Rows on a page.
    #[serde(default = "page_rows")]
    pub(crate) page_rows: u32,
    /// Rows that may be written a day.
    #[serde(default)]
    daily_writes: DailyWrites,
    /// Columns under field security that the application user may read, as `contact.emailaddress1`.
    #[serde(default)]
    readable_secured_columns: BTreeSet<String>,
}

/// How the application proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CredentialKind {
    /// By `client_id` and `client_secret`.
    #[default]
    Secret,
    /// By the identity of the Azure machine it runs on.
    ManagedIdentity,
    /// By a Kubernetes service account.
    WorkloadIdentity,
}

/// `[state]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) url: String,
}

impl Default for State {
    fn default() -> Self {
        Self { url: "sqlite:insight-bridge.db".into() }
    }
}

/// `[retry]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retry {
    /// Seconds after which a call that keeps failing is given up.
    pub(crate) budget_s: u64,
    /// Tries in all.
    pub(crate) tries: usize,
}

impl Default for Retry {
    fn default() -> Self {
        Self { budget_s: 60, tries: 8 }
    }
}

/// `[schedule]`: how long after the end of a pass of `serve` the next of its kind begins, as `5m` or `90s`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Schedule {
    changes: jiff::SignedDuration,
    moments: jiff::SignedDuration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { changes: jiff::SignedDuration::from_secs(300), moments: jiff::SignedDuration::from_secs(60) }
    }
}

impl From<Schedule> for engine::supervisor::Schedule {
    fn from(Schedule { changes, moments }: Schedule) -> Self {
        Self { changes: changes.unsigned_abs(), moments: moments.unsigned_abs() }
    }
}

const fn calls_per_20s() -> usize {
    50
}

const fn max_in_flight() -> usize {
    5
}

fn daily_calls() -> u64 {
    Quota::default().daily_calls
}

fn reserve() -> u64 {
    Quota::default().reserve
}

const fn page_rows() -> u32 {
    5_000
}

fn authority() -> String {
    dataverse::options::PUBLIC_AUTHORITY.into()
}

/// Where a secret is to be had.
#[derive(Debug, Clone)]
enum SecretSource {
    Env(String),
    File(PathBuf),
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Told {
            env: Option<String>,
            file: Option<PathBuf>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Told(Told),
            // Only so that the mistake can be told without showing the secret.
            Plain(#[allow(dead_code)] String),
        }
        let told = "a secret is written as { env = \"NAME_OF_A_VARIABLE\" } or { file = \"path\" }, never in this file itself";
        match Written::deserialize(deserializer) {
            Ok(Written::Told(Told { env: Some(env), file: None })) => Ok(Self::Env(env)),
            Ok(Written::Told(Told { env: None, file: Some(file) })) => Ok(Self::File(file)),
            Ok(Written::Told(_) | Written::Plain(_)) | Err(_) => Err(serde::de::Error::custom(told)),
        }
    }
}

impl SecretSource {
    fn read(&self, key: &str) -> Result<Secret, Failure> {
        let missing = |text: String| Failure::Configuration(miette!(code = "secret-missing", "{key}: {text}"));
        let text = match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|_| missing(format!("the environment variable {name} is not set; set it to the secret's value and run again")))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| missing(format!("the file {} can't be read ({error}); put the secret into it", path.display())))?,
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(missing("the secret is empty".into()));
        }
        Ok(text.to_owned().into())
    }
}

impl Config {
    /// Reads the file.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let help = "write one as README.md shows, or name another with --config";
            Failure::Configuration(miette!(code = "configuration-missing", help = help, "{} can't be read: {error}", path.display()))
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| Failure::Configuration(at_its_line(path, &text, &error)))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Failure> {
        let wrong = |text: String| Err(Failure::Configuration(miette!(code = "configuration", "{text}")));
        for (key, url) in [
            ("marketo.base_url", &self.marketo.base_url),
            ("dynamics.url", &self.dynamics.url),
            ("dynamics.authority", &self.dynamics.authority),
        ] {
            // Marketo shows its address also as a bare host.
            let bare_host = key == "marketo.base_url" && !url.contains("://") && url.contains('.');
            let complete = if bare_host { format!("https://{}", url.trim()) } else { url.clone() };
            if let Some(mistake) = mistake_in_address(&complete) {
                return wrong(format!("{key}: {mistake}"));
            }
        }
        if self.marketo.calls_per_20s == 0 && !is_loopback(&self.marketo.base_url) {
            return wrong("marketo.calls_per_20s: 0 means no pacing, which is only allowed for an emulator on this machine; Marketo refuses more than 100".into());
        }
        let too_fast = self.marketo.calls_per_20s > 100 || self.marketo.max_in_flight > 10;
        if too_fast && !is_loopback(&self.marketo.base_url) {
            return wrong("marketo.calls_per_20s may be 100 at most and marketo.max_in_flight 10: Marketo refuses more".into());
        }
        if self.marketo.daily_quota.is_some_and(|quota| self.marketo.reserve >= quota) {
            return wrong("marketo.reserve must be less than marketo.daily_quota: it is the part of it that is kept for others".into());
        }
        if self.marketo.max_in_flight == 0 {
            return wrong("marketo.max_in_flight must be at least 1".into());
        }
        if !(1..=5_000).contains(&self.dynamics.page_rows) {
            return wrong("dynamics.page_rows must be between 1 and 5000".into());
        }
        if !(0.0..=100.0).contains(&self.brake.percent) {
            return wrong("brake.percent must be between 0 and 100".into());
        }
        if self.retry.tries == 0 {
            return wrong("retry.tries must be at least 1: the first try counts".into());
        }
        if [self.schedule.changes, self.schedule.moments].iter().any(|interval| *interval < jiff::SignedDuration::from_secs(1)) {
            return wrong("schedule.changes and schedule.moments must be at least 1s".into());
        }
        if self.write_back.rows_per_message == 0 {
            return wrong("write_back.rows_per_message must be at least 1".into());
        }
        let is_named =
            |name: &str| name.split_once('.').is_some_and(|(table, column)| Table::of_name(table).is_some() && !column.is_empty());
        if let Some(name) = self.dynamics.readable_secured_columns.iter().find(|name| !is_named(name)) {
            return wrong(format!("dynamics.readable_secured_columns: write {name} as table.column, such as contact.emailaddress1"));
        }
        Ok(())
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
        }
    }

    /// How many Marketo calls a day may be made.
    pub(crate) fn quota(&self) -> Quota {
        let Marketo { daily_calls, daily_quota, reserve, .. } = self.marketo;
        // Whoever has set a higher cap has a larger subscription.
        let usual = Quota::default().daily_quota.max(daily_calls.saturating_add(reserve));
        Quota { daily_calls, daily_quota: daily_quota.unwrap_or(usual), reserve }
    }

    /// How failed calls are tried again.
    pub(crate) fn retry(&self) -> wire::RetryOptions {
        wire::RetryOptions {
            budget: Duration::from_secs(self.retry.budget_s),
            tries_max: self.retry.tries.max(1),
            ..wire::RetryOptions::default()
        }
    }

    /// Marketo's secret.
    pub(crate) fn marketo_secret(&self) -> Result<Secret, Failure> {
        self.marketo.client_secret.read("marketo.client_secret")
    }

    /// How the application proves who it is to Dynamics.
    pub(crate) fn credential(&self) -> Result<dataverse::Credential, Failure> {
        let needed = |key: &str| {
            Failure::Configuration(miette!(code = "configuration", "dynamics.{key} is missing; this kind of credential needs it"))
        };
        let client_id = || self.dynamics.client_id.clone().ok_or_else(|| needed("client_id"));
        Ok(match self.dynamics.credential {
            CredentialKind::Secret => {
                let source = self.dynamics.client_secret.as_ref().ok_or_else(|| needed("client_secret"))?;
                dataverse::Credential::ClientSecret { client_id: client_id()?, secret: source.read("dynamics.client_secret")? }
            }
            CredentialKind::ManagedIdentity => dataverse::Credential::ManagedIdentity { client_id: self.dynamics.client_id.clone() },
            CredentialKind::WorkloadIdentity => dataverse::Credential::WorkloadIdentity {
                client_id: client_id()?,
                tenant_id: None,
                token_file: self.dynamics.token_file.clone().ok_or_else(|| needed("token_file"))?,
            },
        })
    }
}

/// What is wrong with an address, without showing it: it may hold a password.
fn mistake_in_address(url: &str) -> Option<&'static str> {
    let uri: http::Uri = match url.trim().parse() {
        Ok(uri) => uri,
        Err(_) => return Some("this is not a valid URL; write it as https://host"),
    };
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Some("an address must not hold a user or a password; remove everything before the @");
    }
    match uri.scheme_str() {
        Some("https") if has_host => None,
        Some("http") if has_host && is_loopback(url) => None,
        Some("http") => Some("plain http is only allowed to this machine, because secrets go over it; write https://"),
        Some(_) | None => Some("it must be written as https://host"),
    }
}

/// Whether an address is on this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let host = url.trim().parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The parser's message under the line that it is about.
fn at_its_line(path: &Path, text: &str, error: &toml::de::Error) -> miette::Report {
    let labels = error.span().map(|span| LabeledSpan::new(Some("here".into()), span.start, span.len().max(1)));
    // The message can quote the line's value; only the line itself is shown, and secrets are never in the file.
    miette!(labels = labels.into_iter().collect::<Vec<_>>(), code = "configuration", "{}", error.message().trim())
        .with_source_code(NamedSource::new(path.display().to_string(), without_secrets(text)).with_language("toml"))
}

/// The text with what stands behind the key of a secret made unreadable, byte for byte, so that places in it stay where they are: somebody
/// may have written the secret itself there, and the line is shown.
fn without_secrets(text: &str) -> String {
    let is_secret = |key: &str| ["secret", "password"].iter().any(|word| key.to_lowercase().contains(word));
    let hide = |value: &str| -> String {
        value.chars().map(|c| if c.is_whitespace() { c.to_string() } else { "*".repeat(c.len_utf8()) }).collect()
    };
    text.split_inclusive('\n')
        .map(|line| match line.split_once('=') {
            Some((key, value)) if is_secret(key) => format!("{key}={}", hide(value)),
            Some(_) | None => line.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [marketo]
        base_url = "https://123-ABC-456.mktorest.com"
        client_id = "a"
        client_secret = { env = "X" }
        [dynamics]
        url = "https://contoso.crm4.dynamics.com"
        tenant_id = "t"
        client_id = "c"
        client_secret = { file = "secret.txt" }
        [fields.contact]
        leadSource = { constant = "Dynamics", owner = "marketo" }
        department = false
    "#;

    fn told(text: &str) -> String {
        match toml::from_str::<Config>(text) {
            Ok(config) => match config.check() {
                Ok(()) => String::new(),
                Err(Failure::Configuration(report)) => report.to_string(),
                Err(other) => format!("{other:?}"),
            },
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn the_documented_file_is_read_with_its_defaults() {
        let config: Config = toml::from_str(GOOD).unwrap();
        assert_eq!((config.marketo.calls_per_20s, config.marketo.max_in_flight, config.marketo.daily_calls), (50, 5, 40_000));
        assert_eq!(config.state.url, "sqlite:insight-bridge.db");
        assert_eq!(config.options().fields.contact.len(), 2);
        assert_eq!(told(GOOD), "");
    }

    #[test]
    fn mistakes_are_told_and_secrets_never_shown() {
        let replaced = |from: &str, to: &str| told(&GOOD.replacen(from, to, 1));
        assert!(replaced("base_url", "base_uri").contains("unknown field `base_uri`"));
        assert!(replaced("client_id = \"a\"", "client_id = 7").contains("invalid type"));
        let plain = replaced("{ env = \"X\" }", "\"hunter2\"");
        assert!(plain.contains("{ env = ") && !plain.contains("hunter2"), "{plain}");
        assert!(replaced("https://contoso.crm4.dynamics.com", "http://contoso.example").contains("plain http"));
        assert!(replaced("client_id = \"a\"", "client_id = \"a\"\ncalls_per_20s = 0").contains("no pacing"));
        assert!(replaced("client_id = \"a\"", "client_id = \"a\"\nmax_in_flight = 11").contains("10"));
        assert!(replaced("{ env = \"X\" }", "{ env = \"X\", file = \"y\" }").contains("{ env = "));
        assert!(replaced("tenant_id = \"t\"", "tenant_id = \"t\"\nreadable_secured_columns = [\"nodot\"]").contains("table.column"));
        for (wrong, key) in [
            ("[brake]\npercent = -5", "brake.percent"),
            ("[retry]\ntries = 0", "retry.tries"),
            ("[write_back]\nrows_per_message = 0", "write_back.rows_per_message"),
        ] {
            let text = told(&format!("{GOOD}\n{wrong}"));
            assert!(text.contains(key), "{text}");
        }
    }

    #[test]
    fn the_line_that_is_shown_hides_secrets() {
        for (text, secret) in [
            (GOOD.replacen("{ env = \"X\" }", "\"hunter2\"", 1), "hunter2"),
            (
                GOOD.replacen("client_id = \"a\"", "client_id = 7", 1).replacen("env = \"X\"", "env = \"X\", oops = \"hunter3\"", 1),
                "hunter3",
            ),
        ] {
            let error = toml::from_str::<Config>(&text).unwrap_err();
            let shown = format!("{:?}", at_its_line(Path::new("x.toml"), &text, &error));
            assert!(shown.contains("client_") && !shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn loopback_is_known_in_every_spelling() {
        for url in ["http://127.0.0.1:80", "http://localhost", "http://[::1]:7/x", "http://127.3.2.1"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["http://localhost.example", "http://10.0.0.1", "https://contoso.crm.dynamics.com"] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
