//! The text of a `$batch`: splitting what came in, joining what goes out. Bare line feeds are tolerated on the way in.

use std::fmt::Write as _;

use emulator::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A body part: its headers (names in lower case) and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub headers: Vec<(String, String)>,
    pub content: &'a [u8],
}

/// One request inside a batch.
#[derive(Debug, Clone)]
pub(crate) struct Inner {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub content_id: Option<String>,
}

impl Part<'_> {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// The boundary of a multipart media type; none when it isn't one.
pub(crate) fn boundary(media_type: &str) -> Option<&str> {
    let (kind, parameters) = media_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let value = parameters.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    Some(value.trim().trim_matches('"')).filter(|value| !value.is_empty())
}

/// The parts between boundaries; none when the closing boundary is missing.
pub(crate) fn split<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    let delimiter = format!("--{boundary}");
    let (mut parts, mut start, mut at) = (Vec::new(), None, 0);
    while at < body.len() {
        let rest = body.get(at..)?;
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |position| position + 1);
        let line = rest.get(..end)?.trim_ascii_end();
        let closing = line.strip_suffix(b"--").is_some_and(|line| line == delimiter.as_bytes());
        if closing || line == delimiter.as_bytes() {
            if let Some(start) = start {
                parts.push(part(body.get(start..at)?));
            }
            if closing {
                return Some(parts);
            }
            start = Some(at + end);
        }
        at += end;
    }
    None
}

fn part(text: &[u8]) -> Part<'_> {
    let text = text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")).unwrap_or(text);
    let (headers, content) = head_and_rest(text);
    Part { headers, content }
}

/// Reads header lines up to the first empty line.
fn head_and_rest(text: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let (mut headers, mut at) = (Vec::new(), 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |position| position + 1);
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).trim().to_owned();
        at += end;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    (headers, text.get(at..).unwrap_or_default())
}

/// Reads the request in a part; none when it has no request line.
pub(crate) fn inner(part: &Part<'_>) -> Option<Inner> {
    let text = part.content.trim_ascii_start();
    let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |position| position + 1);
    let line = std::str::from_utf8(text.get(..end)?).ok()?.trim();
    let (method, rest) = line.split_once(' ')?;
    let (url, version) = rest.rsplit_once(' ')?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    let (fields, body) = head_and_rest(text.get(end..)?);
    let mut headers = HeaderMap::new();
    for (name, value) in &fields {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let content_id = part
        .header("content-id")
        .map(str::to_owned)
        .or_else(|| fields.iter().find(|(name, _)| name == "content-id").map(|(_, value)| value.clone()));
    Some(Inner { method: method.parse().ok()?, url: url.trim().to_owned(), headers, body: body.to_vec(), content_id })
}

/// Appends an answer as a part.
pub(crate) fn write_part(out: &mut String, boundary: &str, answer: &Response, content_id: Option<&str>) {
    let _ = write!(out, "--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
    if let Some(id) = content_id {
        let _ = write!(out, "Content-ID: {id}\r\n");
    }
    let reason = http::StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let _ = write!(out, "\r\nHTTP/1.1 {} {reason}\r\n", answer.status);
    for (name, shown) in [
        ("content-type", "Content-Type"),
        ("odata-version", "OData-Version"),
        ("location", "Location"),
        ("odata-entityid", "OData-EntityId"),
        ("etag", "ETag"),
        ("preference-applied", "Preference-Applied"),
    ] {
        if let Some(value) = answer.headers.get(name).and_then(|value| value.to_str().ok()) {
            let _ = write!(out, "{shown}: {value}\r\n");
        }
    }
    let _ = write!(out, "\r\n{}\r\n", String::from_utf8_lossy(&answer.body));
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--b\nContent-Type: application/http\nContent-ID: 1\n\nPATCH /api/data/v9.2/leads(1)?$select=a b HTTP/1.1\nIf-Match: *\n\n{\"a\":1}\n--b--\n";

    #[test]
    fn parts_are_read_with_either_line_end() {
        for body in [BODY.to_owned(), BODY.replace('\n', "\r\n")] {
            let parts = split(body.as_bytes(), "b").unwrap();
            let inner = inner(&parts[0]).unwrap();
            assert_eq!((inner.method.as_str(), inner.url.as_str()), ("PATCH", "/api/data/v9.2/leads(1)?$select=a b"));
            assert_eq!((inner.body.as_slice(), inner.content_id.as_deref()), (&b"{\"a\":1}"[..], Some("1")));
            assert_eq!(inner.headers.get("if-match").unwrap(), "*");
        }
    }

    #[test]
    fn boundaries_may_be_quoted_and_must_be_closed() {
        assert_eq!(boundary("multipart/mixed; boundary=\"batch_1\""), Some("batch_1"));
        assert_eq!(boundary("multipart/mixed;charset=utf-8; Boundary=batch_1"), Some("batch_1"));
        assert_eq!(boundary("application/json"), None);
        assert!(split(b"--b\r\n\r\nGET / HTTP/1.1\r\n", "b").is_none());
        assert!(split(b"", "b").is_none());
    }
}
