//! Links that the service gives us, and the hosts that we follow them to.
//!
//! A link is requested byte for byte: Microsoft's "Page results" page says not to change it, and its paging cookie is encoded twice, so
//! that any tidying breaks it. A link to a host that isn't ours is refused, because the access token would go there.

use std::fmt;

use http::Uri;
use serde::{Deserialize, Serialize};
use wire::{CallError, Target};

use crate::{odata::ROOT, options::is_local};

/// A next link or a delta link, opaque.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(String);

impl Link {
    /// The link of this text, as the service sent it or as it was saved.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text, to be saved.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The environment whose links are followed.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// Its address, without a slash at the end.
    address: String,
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Home {
    /// The home of an address that [`crate::options::environment`] let through.
    pub(crate) fn new(address: &str) -> Result<Self, CallError> {
        let uri: Uri = address.parse().map_err(|_| CallError::Unwritable("the environment's address is not a valid URI".into()))?;
        Ok(Self {
            address: address.to_owned(),
            scheme: uri.scheme_str().unwrap_or("https").to_owned(),
            host: uri.host().unwrap_or_default().to_ascii_lowercase(),
            port: uri.port_u16(),
        })
    }

    /// The address under which all paths of ours lie.
    pub(crate) fn api(&self) -> String {
        format!("{}{ROOT}", self.address)
    }

    /// Where a request goes; an error when that is another host's.
    pub(crate) fn resolve(&self, target: Target) -> Result<Target, CallError> {
        match target {
            Target::Below(path) => Ok(Target::Below(path)),
            Target::Given(link) => self.absolute(&link).map(Target::Given),
        }
    }

    fn absolute(&self, link: &str) -> Result<String, CallError> {
        let link = carriable(link);
        if !has_scheme(&link) {
            return Ok(if link.starts_with('/') {
                let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://{}{port}{link}", self.scheme, self.host)
            } else {
                format!("{}/{link}", self.api())
            });
        }
        let uri: Uri = link.parse().map_err(|_| CallError::Unwritable("a link of the service is not a valid URI".into()))?;
        let ours = uri.scheme_str() == Some(&self.scheme)
            && self.port_of(uri.port_u16()) == self.port_of(self.port)
            && uri.host().is_some_and(|host| self.is_ours(host));
        if ours { Ok(link) } else { Err(CallError::Unwritable("a link of the service leads to another host; it is not followed".into())) }
    }

    /// A port, the scheme's own where none is named.
    fn port_of(&self, named: Option<u16>) -> u16 {
        named.unwrap_or(if self.scheme == "http" { 80 } else { 443 })
    }

    /// The configured host, its `.api.` alias (which Microsoft's "Compose HTTP requests" page lets appear in links), or this machine by
    /// another name.
    fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let loopback = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let without_api = |host: &str| match host.split_once(".api.") {
            Some((organization, rest)) if !organization.contains('.') => format!("{organization}.{rest}"),
            _ => host.to_owned(),
        };
        host == self.host
            || !is_local(&self.host) && without_api(&host) == without_api(&self.host)
            || loopback(&host) && loopback(&self.host)
    }
}

/// Whether a link names its scheme; one that only holds `://` further on, in its query, doesn't.
fn has_scheme(link: &str) -> bool {
    link.split_once("://").is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
}

/// The link with the few characters encoded that no request line can carry; everything else stays as it came.
fn carriable(link: &str) -> String {
    let mut text = String::with_capacity(link.len());
    for c in link.chars() {
        if c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '#') {
            text.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: &str = "/api/data/v9.2/leads?$select=fullname,modifiedon&$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%2520page%253d%25221%2522%253e%22%20/%3E";

    fn resolved(home: &str, link: &str) -> Result<String, CallError> {
        match Home::new(home)?.resolve(Target::Given(link.into()))? {
            Target::Given(link) | Target::Below(link) => Ok(link),
        }
    }

    #[test]
    fn a_link_stays_byte_for_byte() {
        for host in ["https://contoso.crm4.dynamics.com", "https://contoso.api.crm4.dynamics.com", "https://CONTOSO.crm4.dynamics.com"] {
            let link = format!("{host}{COOKIE}");
            assert_eq!(resolved("https://contoso.crm4.dynamics.com", &link).unwrap(), link);
        }
    }

    #[test]
    fn relative_links_find_home() {
        assert_eq!(resolved("http://127.0.0.1:40", COOKIE).unwrap(), format!("http://127.0.0.1:40{COOKIE}"));
        assert_eq!(resolved("http://127.0.0.1:40", "leads?$skiptoken=2").unwrap(), "http://127.0.0.1:40/api/data/v9.2/leads?$skiptoken=2");
        assert!(resolved("http://127.0.0.1:40", "http://localhost:40/api/data/v9.2/leads").is_ok());
        let in_query = "leads?$filter=websiteurl eq 'http://x'";
        assert!(resolved("http://127.0.0.1:40", in_query).unwrap().starts_with("http://127.0.0.1:40/api/data/v9.2/leads?"));
        assert!(resolved("https://contoso.crm.dynamics.com", "https://contoso.crm.dynamics.com:443/api/data/v9.2/leads").is_ok());
    }

    #[test]
    fn a_token_goes_to_nobody_else() {
        for link in [
            "https://evil.test/api/data/v9.2/leads",
            "http://contoso.crm.dynamics.com/api/data/v9.2/leads",
            "https://contoso.crm.dynamics.com:444/x",
            "https://contoso.crm.dynamics.com@evil.test/",
            "https://contoso.api.evil.test/",
            "https://a.contoso.api.crm.dynamics.com/",
            "://",
        ] {
            assert!(matches!(resolved("https://contoso.crm.dynamics.com", link), Err(CallError::Unwritable(_))), "{link}");
        }
    }

    #[test]
    fn what_no_request_line_carries_is_encoded() {
        assert_eq!(carriable("a?$filter=name eq 'Zoë'&<b>%253c"), "a?$filter=name%20eq%20'Zo%C3%AB'&%3Cb%3E%253c");
        assert_eq!(carriable("a?$skiptoken=<cookie pagenumber=\"2\" />"), "a?$skiptoken=%3Ccookie%20pagenumber=%222%22%20/%3E");
    }
}
