//! `[marketo]` and `[dynamics]`: where the two sides are, who we are there, and how much may be asked of them.

use std::{collections::BTreeSet, path::PathBuf};

use base::{Secret, Table};
use engine::{Quota, options::DailyWrites};
use miette::miette;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    address::{is_loopback, mistake_in_address},
    secret::SecretSource,
};
use crate::exit::Failure;

/// `[marketo]`: where Marketo is, who the bridge is there, and how many calls it may make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Marketo {
    /// The instance: `https://123-ABC-456.mktorest.com`. An address that ends in `/rest` or `/identity`, as the admin pages show it, is understood too.
    /// Plain `http` is refused but on this machine, because secrets go over it.
    pub(crate) base_url: String,
    /// The client id of the custom service (Admin, LaunchPoint, View Details).
    pub(crate) client_id: String,
    /// The client secret of the custom service.
    client_secret: SecretSource,
    /// Calls that may start in any 20 seconds. Marketo refuses more than 100 of all integrations together. 0 means no pacing, and only on loopback.
    #[serde(default = "calls_per_20s")]
    pub(crate) calls_per_20s: usize,
    /// Calls at once, 1 to 10; more only on loopback.
    #[serde(default = "max_in_flight")]
    #[schemars(range(min = 1))]
    pub(crate) max_in_flight: usize,
    /// Our own cap on calls a day, midnight to midnight US Central. When it is reached, the cycle ends with the error `quota`.
    #[serde(default = "daily_calls")]
    pub(crate) daily_calls: u64,
    /// What the subscription has a day, for all integrations together (Admin, Web Services). Marketo's interface doesn't tell it. Unless it is given,
    /// 50,000, or `daily_calls` and `reserve` together where that is more.
    #[serde(default)]
    daily_quota: Option<u64>,
    /// What of `daily_quota` is kept for the others: calls end when no more than this is left for everybody.
    #[serde(default = "reserve")]
    reserve: u64,
}

/// `[dynamics]`: where Dynamics is, who the bridge is there, and how much it may read and write at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dynamics {
    /// The environment: `https://contoso.crm4.dynamics.com`. Plain `http` is refused but on this machine, because secrets go over it.
    pub(crate) url: String,
    /// The Entra tenant: a GUID or a domain.
    pub(crate) tenant_id: String,
    /// The client id of the app registration. Needed for `secret` and `workload-identity`; for `managed-identity` it names a user-assigned identity.
    #[serde(default)]
    pub(crate) client_id: Option<String>,
    /// The secret of the app registration. Needed for `secret`.
    #[serde(default)]
    client_secret: Option<SecretSource>,
    /// How the application proves who it is.
    #[serde(default)]
    pub(crate) credential: CredentialKind,
    /// The file with the service account's token. Needed for `workload-identity`.
    #[serde(default)]
    pub(crate) token_file: Option<PathBuf>,
    /// The login service; another in sovereign clouds.
    #[serde(default = "authority")]
    pub(crate) authority: String,
    /// Rows on a page. A first load reads several tables at once: 5000 take two thirds as much memory again, and are faster where Dynamics answers
    /// slowly.
    #[serde(default = "page_rows")]
    #[schemars(range(min = 1, max = 5000))]
    pub(crate) page_rows: u32,
    /// Rows that may be written a day (UTC). A tenth is kept for people with whom something has just happened; whoever else is left waits for the next
    /// day and is shown.
    #[serde(default)]
    #[schemars(with = "u64")]
    pub(super) daily_writes: DailyWrites,
    /// Columns under field security that the application user may read, as `"contact.emailaddress1"`.
    #[serde(default)]
    pub(super) readable_secured_columns: BTreeSet<String>,
}

/// How the application proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Credential")]
pub(crate) enum CredentialKind {
    /// By `client_id` and `client_secret`.
    #[default]
    Secret,
    /// By the identity of the Azure machine it runs on.
    ManagedIdentity,
    /// By a Kubernetes service account.
    WorkloadIdentity,
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
    1_000
}

fn authority() -> String {
    dataverse::options::PUBLIC_AUTHORITY.into()
}

impl Marketo {
    /// What is wrong with it.
    pub(super) fn mistake(&self) -> Option<String> {
        // Marketo shows its address also as a bare host.
        let bare_host = !self.base_url.contains("://") && self.base_url.contains('.');
        let complete = if bare_host { format!("https://{}", self.base_url.trim()) } else { self.base_url.clone() };
        if let Some(mistake) = mistake_in_address(&complete) {
            return Some(format!("marketo.base_url: {mistake}"));
        }
        let here = is_loopback(&self.base_url);
        let mistake = if self.calls_per_20s == 0 && !here {
            "marketo.calls_per_20s: 0 means no pacing, which is only allowed for an emulator on this machine; Marketo refuses more than 100"
        } else if (self.calls_per_20s > 100 || self.max_in_flight > 10) && !here {
            "marketo.calls_per_20s may be 100 at most and marketo.max_in_flight 10: Marketo refuses more"
        } else if self.daily_quota.is_some_and(|quota| self.reserve >= quota) {
            "marketo.reserve must be less than marketo.daily_quota: it is the part of it that is kept for others"
        } else if self.max_in_flight == 0 {
            "marketo.max_in_flight must be at least 1"
        } else {
            return None;
        };
        Some(mistake.into())
    }

    /// How many calls a day may be made.
    pub(crate) fn quota(&self) -> Quota {
        let Self { daily_calls, daily_quota, reserve, .. } = *self;
        // Whoever has set a higher cap has a larger subscription.
        let usual = Quota::default().daily_quota.max(daily_calls.saturating_add(reserve));
        Quota { daily_calls, daily_quota: daily_quota.unwrap_or(usual), reserve }
    }

    /// The secret.
    pub(crate) fn secret(&self) -> Result<Secret, Failure> {
        self.client_secret.read("marketo.client_secret")
    }
}

impl Dynamics {
    /// What is wrong with it.
    pub(super) fn mistake(&self) -> Option<String> {
        for (key, url) in [("dynamics.url", &self.url), ("dynamics.authority", &self.authority)] {
            if let Some(mistake) = mistake_in_address(url) {
                return Some(format!("{key}: {mistake}"));
            }
        }
        if !(1..=5_000).contains(&self.page_rows) {
            return Some("dynamics.page_rows must be between 1 and 5000".into());
        }
        let is_named =
            |name: &str| name.split_once('.').is_some_and(|(table, column)| Table::of_name(table).is_some() && !column.is_empty());
        let unnamed = self.readable_secured_columns.iter().find(|name| !is_named(name))?;
        Some(format!("dynamics.readable_secured_columns: write {unnamed} as table.column, such as contact.emailaddress1"))
    }

    /// How the application proves who it is.
    pub(crate) fn credential(&self) -> Result<dataverse::Credential, Failure> {
        let needed = |key: &str| {
            Failure::Configuration(miette!(code = "configuration", "dynamics.{key} is missing; this kind of credential needs it"))
        };
        let client_id = || self.client_id.clone().ok_or_else(|| needed("client_id"));
        Ok(match self.credential {
            CredentialKind::Secret => {
                let source = self.client_secret.as_ref().ok_or_else(|| needed("client_secret"))?;
                dataverse::Credential::ClientSecret { client_id: client_id()?, secret: source.read("dynamics.client_secret")? }
            }
            CredentialKind::ManagedIdentity => dataverse::Credential::ManagedIdentity { client_id: self.client_id.clone() },
            CredentialKind::WorkloadIdentity => dataverse::Credential::WorkloadIdentity {
                client_id: client_id()?,
                tenant_id: None,
                token_file: self.token_file.clone().ok_or_else(|| needed("token_file"))?,
            },
        })
    }
}
