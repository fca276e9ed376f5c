//! When an answer goes out as gzip, and as what bytes.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, header};

/// Shorter answers go out as they are.
const LENGTH_MIN: usize = 1024;

/// Whether the client takes gzip: it is named, or a star is, without `q=0`.
pub(crate) fn accepted(headers: &HeaderMap) -> bool {
    let names = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut star = false;
    for name in names {
        let (name, weight) = name.split_once(';').unwrap_or((name, ""));
        let wanted = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).is_none_or(|q| q > 0.0);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return wanted,
            "*" => star = wanted,
            _ => {}
        }
    }
    star
}

/// The compressed body, for an answer that is long enough, complete, and not encoded yet.
pub(crate) fn worthwhile(status: u16, headers: &HeaderMap, body: &Bytes) -> Option<Bytes> {
    let whole = status != 206 && !headers.contains_key(header::CONTENT_RANGE) && !headers.contains_key(header::CONTENT_ENCODING);
    if !whole || body.len() < LENGTH_MIN {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_gzip() {
        for (value, expected) in [
            ("gzip", true),
            ("gzip, deflate, br", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("*", true),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(accepted(&headers), expected, "{value}");
        }
        assert!(!accepted(&HeaderMap::new()));
    }
}
