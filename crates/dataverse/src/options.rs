//! What a client needs to know: where the environment is, who we are, how fast and how stubborn to be.
//!
//! It refuses addresses over which a token could be read on the way.

use std::{path::PathBuf, time::Duration};

use base::Secret;
use http::Uri;
use wire::{CallError, Class, PaceOptions, Refusal, RetryOptions};

/// Microsoft's public cloud's login service.
pub const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com";

/// Rows on a page when nobody asks for another number. Microsoft's "Page results" page allows 5,000; fewer keep an answer well under the
/// practical limit of near 100 MB and a repeated page cheap.
pub const PAGE_ROWS: u32 = 1000;

/// How we prove who we are, as Microsoft Entra ID documents it.
#[derive(Debug, Clone)]
pub enum Credential {
    /// An app registration's id and secret.
    ClientSecret {
        /// The application (client) id.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// The identity of the Azure machine or app on which we run; no secret.
    ManagedIdentity {
        /// Which one, where several user-assigned identities exist; `None`: the system-assigned one.
        client_id: Option<String>,
    },
    /// A Kubernetes service account that Entra ID trusts.
    WorkloadIdentity {
        /// The application (client) id.
        client_id: String,
        /// Its tenant; `None`: [`Options::tenant_id`].
        tenant_id: Option<String>,
        /// The file with the service account's token. Read again for each new access token, because Kubernetes replaces it.
        token_file: PathBuf,
    },
}

/// Everything a [`crate::Client`] is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The environment's address, such as `https://contoso.crm4.dynamics.com`; a slash or the Web API's own path at its end is ignored.
    pub url: String,
    /// The directory (tenant) in which the app is registered: a GUID or a domain.
    pub tenant_id: String,
    /// The login service; [`PUBLIC_AUTHORITY`] except in sovereign clouds and tests.
    pub authority: String,
    /// Who we are.
    pub credential: Credential,
    /// How many calls at once and in all.
    pub pace: PaceOptions,
    /// How failed calls are tried again.
    pub retry: RetryOptions,
    /// Rows on a page of lists, 1 to 5,000.
    pub page_rows: u32,
}

impl Options {
    /// The defaults for this environment, tenant and credential in Microsoft's public cloud.
    #[must_use]
    pub fn new(url: impl Into<String>, tenant_id: impl Into<String>, credential: Credential) -> Self {
        Self {
            url: url.into(),
            tenant_id: tenant_id.into(),
            authority: PUBLIC_AUTHORITY.into(),
            credential,
            pace: pace(),
            retry: RetryOptions::default(),
            page_rows: PAGE_ROWS,
        }
    }
}

/// The header in which the service says how many calls at once serve it best (Microsoft, "Service protection API limits").
const PARALLELISM_HINT: &str = "x-ms-dop-hint";

/// Calls at once that are never exceeded, whatever the hint says: 52 are refused.
const IN_FLIGHT_MAX: usize = 48;

/// The pace that Microsoft's "Service protection API limits" page suggests: 8 calls at once until the service says how many are best, and
/// after a 429 that names no time 5 seconds of rest. A 429 halves the calls at once; a step back is tried every 5 seconds. Calls in a window
/// are not counted here: the limit of 6,000 in 5 minutes is per web server, and only the service knows which one answers.
#[must_use]
pub fn pace() -> PaceOptions {
    PaceOptions {
        calls_max: None,
        window: Duration::from_secs(5),
        in_flight_max: 8,
        throttle_wait: Duration::from_secs(5),
        hint: Some((PARALLELISM_HINT, IN_FLIGHT_MAX)),
    }
}

/// A refusal of ours: the configuration can't work.
pub(crate) fn misconfigured(message: impl Into<String>) -> CallError {
    Refusal { status: 0, code: "configuration".into(), message: message.into(), class: Class::Config, wait: None, request_id: None }.into()
}

/// The environment's address without slash and without the Web API's own path.
pub(crate) fn environment(url: &str) -> Result<String, CallError> {
    let url = url.trim();
    let end = url.find("/api/data").unwrap_or(url.len());
    let url = url[..end].trim_end_matches('/');
    guarded(url, "the environment's address")?;
    Ok(url.to_owned())
}

/// The login service's address without slash.
pub(crate) fn authority(url: &str) -> Result<String, CallError> {
    let url = url.trim().trim_end_matches('/');
    guarded(url, "the authority")?;
    Ok(url.to_owned())
}

fn guarded(url: &str, what: &str) -> Result<(), CallError> {
    let uri: Uri = url.parse().map_err(|_| misconfigured(format!("{what} is not a valid URL")))?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(misconfigured(format!("{what} must start with https://")));
    };
    if uri.query().is_some() {
        return Err(misconfigured(format!("{what} must not have a query")));
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_local(host) => Ok(()),
        _ => Err(misconfigured(format!("{what} must start with https:// unless it is on this machine or a private network"))),
    }
}

/// Loopback, private and link-local addresses, and names without a dot, which only a local network resolves.
pub(crate) fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(std::net::IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => !bare.contains('.') || bare.ends_with(".localhost") || bare.ends_with(".test"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_what_we_add_ourselves() {
        for url in
            ["https://contoso.crm.dynamics.com", " https://contoso.crm.dynamics.com/ ", "https://contoso.crm.dynamics.com/api/data/v9.2/"]
        {
            assert_eq!(environment(url).unwrap(), "https://contoso.crm.dynamics.com", "{url}");
        }
        assert_eq!(environment("http://127.0.0.1:4000/").unwrap(), "http://127.0.0.1:4000");
    }

    #[test]
    fn a_token_does_not_cross_the_internet_in_the_clear() {
        for url in ["http://contoso.crm.dynamics.com", "http://8.8.8.8", "contoso.crm.dynamics.com", "ftp://x", "", "https://"] {
            assert_eq!(environment(url).unwrap_err().class(), Some(Class::Config), "{url}");
        }
        for url in ["http://localhost:1", "http://[::1]:80", "http://10.0.0.3", "http://dataverse:8080", "http://dynamics.test"] {
            assert!(environment(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let options = Options::new("https://x.test", "t", Credential::ClientSecret { client_id: "c".into(), secret: "hush".into() });
        assert!(!format!("{options:?}").contains("hush"));
    }
}
