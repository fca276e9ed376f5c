//! Addresses of services: what is wrong with one, and whether it is on this machine.

/// What is wrong with an address, without showing it: it may hold a password.
pub(super) fn mistake_in_address(url: &str) -> Option<&'static str> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
