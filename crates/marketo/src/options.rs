//! What a client must be told, and what it makes of the address it is given.
//!
//! The admin pages of Marketo show two addresses, one that ends in `/rest` and one that ends in `/identity`; people paste either, or the
//! bare host. All three lead to the same base here. Nothing is guessed beyond that.

use base::Secret;
use http::Uri;
use wire::{CallError, Class, PaceOptions, Refusal, RetryOptions};

/// What a [`crate::Client`] is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The instance: `https://123-ABC-456.mktorest.com`, with or without scheme, or the pasted address that ends in `/rest` or
    /// `/identity`.
    pub base_url: String,
    /// The client id of the custom service.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// How fast to call. Adobe's "Integration best practices" page allows 100 calls in any 20 s and 10 in flight per instance, and asks
    /// each integration to stay at half of the first.
    pub pace: PaceOptions,
    /// How failed calls are tried again.
    pub retry: RetryOptions,
}

impl Options {
    /// Options with the pace that Adobe asks for: 50 calls in any 20 s, 5 in flight.
    #[must_use]
    pub fn new(base_url: impl Into<String>, client_id: impl Into<String>, client_secret: Secret) -> Self {
        Self {
            base_url: base_url.into(),
            client_id: client_id.into(),
            client_secret,
            pace: PaceOptions { calls_max: Some(50), in_flight_max: 5, ..PaceOptions::default() },
            retry: RetryOptions::default(),
        }
    }
}

/// The endings of the addresses that the vendor shows, longest first.
const ENDINGS: [&str; 7] = ["/identity/oauth/token", "/identity/oauth", "/identity", "/rest/v1", "/rest", "/bulk/v1", "/bulk"];

/// The address below which `/rest`, `/bulk` and `/identity` are, without a slash at the end.
///
/// # Errors
/// A refusal of class [`Class::Config`] when it is no address of a web service.
pub fn base(given: &str) -> Result<String, CallError> {
    let given = given.trim();
    if given.is_empty() {
        return Err(misconfigured("the address of the Marketo instance is empty"));
    }
    let complete = if given.contains("://") { given.to_owned() } else { format!("https://{given}") };
    let uri: Uri = complete.parse().map_err(|_| misconfigured("the address of the Marketo instance is not a valid URL"))?;
    let scheme = uri.scheme_str().map(str::to_ascii_lowercase).unwrap_or_default();
    if scheme != "https" && scheme != "http" {
        return Err(misconfigured("the address of the Marketo instance must begin with https://"));
    }
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err(misconfigured("the address of the Marketo instance must name a host, without a user"));
    }
    if uri.query().is_some() {
        return Err(misconfigured("the address of the Marketo instance must not have a query"));
    }
    Ok(format!("{scheme}://{authority}{}", prefix(uri.path())))
}

/// The path without empty segments and without the vendor's own endings: the vendor stops tolerating `//` in a path.
fn prefix(path: &str) -> String {
    let mut clean: String = path.split('/').filter(|segment| !segment.is_empty()).flat_map(|segment| ["/", segment]).collect();
    let lower = clean.to_ascii_lowercase();
    if let Some(ending) = ENDINGS.iter().find(|ending| lower.ends_with(*ending)) {
        clean.truncate(clean.len() - ending.len());
    }
    clean
}

/// A refusal of our own, before anything was sent: an operator must act.
pub(crate) fn misconfigured(message: &str) -> CallError {
    Refusal { status: 0, code: "invalid_options".into(), message: message.into(), class: Class::Config, wait: None, request_id: None }
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_both_pasted_addresses_lead_to_one_base() {
        for given in [
            "123-ABC-456.mktorest.com",
            " https://123-ABC-456.mktorest.com/ ",
            "https://123-ABC-456.mktorest.com/rest",
            "https://123-ABC-456.mktorest.com/rest/",
            "https://123-ABC-456.mktorest.com//rest//v1/",
            "https://123-ABC-456.mktorest.com/identity",
            "https://123-ABC-456.mktorest.com/identity/oauth/token",
        ] {
            assert_eq!(base(given).unwrap(), "https://123-ABC-456.mktorest.com", "{given}");
        }
        assert_eq!(base("http://127.0.0.1:8080/rest").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(base("http://localhost:8080/marketo/rest").unwrap(), "http://localhost:8080/marketo");
    }

    #[test]
    fn what_is_no_address_is_for_the_operator() {
        for given in ["", "  ", "ftp://x", "https://", "https://user:pass@x.example", "https://x.example/rest?access_token=1", "a b"] {
            assert_eq!(base(given).unwrap_err().class(), Some(Class::Config), "{given}");
        }
    }
}
