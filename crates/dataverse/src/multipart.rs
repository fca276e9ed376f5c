//! `multipart/mixed` as OData batches use it: parts that hold HTTP requests or answers.
//!
//! Written strictly (CRLF everywhere), read leniently: bare line feeds, quoted and unquoted boundaries, parts without body. A text without
//! its closing boundary is not read at all, because it was cut off.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use wire::Response;

/// The most headers of an inner answer that are read.
const HEADERS_MAX: usize = 64;

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawPart {
    /// The part's own headers.
    pub(crate) headers: HeaderMap,
    /// What it holds, byte for byte.
    pub(crate) content: Bytes,
}

impl RawPart {
    /// A part that holds an HTTP message.
    pub(crate) fn http(content_id: Option<&str>, message: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/http"));
        headers.insert("content-transfer-encoding", HeaderValue::from_static("binary"));
        if let Some(id) = content_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert("content-id", id);
        }
        Self { headers, content: message.into() }
    }

    /// A part that holds parts.
    pub(crate) fn nested(boundary: &str, parts: &[Self]) -> Self {
        let mut headers = HeaderMap::new();
        if let Ok(media) = HeaderValue::from_str(&format!("multipart/mixed; boundary=\"{boundary}\"")) {
            headers.insert("content-type", media);
        }
        Self { headers, content: write(boundary, parts).into() }
    }

    /// The answer that it holds, when it holds one.
    pub(crate) fn answer(&self) -> Option<Response> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let start = self.content.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let mut text = self.content.slice(start..).to_vec();
        // A part without body may have lost the blank line that ends its headers to the boundary.
        text.extend_from_slice(b"\r\n\r\n");
        let end = head.parse(&text).ok().filter(httparse::Status::is_complete)?.unwrap();
        let status = StatusCode::from_u16(head.code?).ok()?;
        let headers = head
            .headers
            .iter()
            .filter_map(|header| Some((HeaderName::from_bytes(header.name.as_bytes()).ok()?, HeaderValue::from_bytes(header.value).ok()?)))
            .collect();
        let body = self.content.get(start + end..).map(trimmed_end).unwrap_or_default();
        Some(Response { status, headers, body: Bytes::copy_from_slice(body) })
    }

    /// The parts that it holds, when it holds parts.
    pub(crate) fn parts(&self) -> Option<Vec<Self>> {
        read(&boundary_of(&self.headers)?, &self.content)
    }
}

fn trimmed_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// The boundary of a multipart body; none when it isn't one.
pub(crate) fn boundary_of(headers: &HeaderMap) -> Option<String> {
    let media = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = media.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// The body of these parts.
pub(crate) fn write(boundary: &str, parts: &[RawPart]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        for (name, value) in &part.headers {
            body.extend_from_slice(name.as_str().as_bytes());
            body.extend_from_slice(b": ");
            body.extend_from_slice(value.as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(&part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

/// A boundary of this kind that none of the texts holds.
pub(crate) fn boundary_for<'a>(kind: &str, texts: impl Iterator<Item = &'a [u8]> + Clone) -> String {
    let mut number = 0u64;
    loop {
        let boundary = format!("{kind}_{number:016x}");
        let bytes = boundary.as_bytes();
        if !texts.clone().any(|text| text.windows(bytes.len()).any(|window| window == bytes)) {
            return boundary;
        }
        number += 1;
    }
}

/// The parts of a body; none when it is cut off.
pub(crate) fn read(boundary: &str, body: &Bytes) -> Option<Vec<RawPart>> {
    let mut parts = Vec::new();
    let mut start = None;
    let mut from = 0;
    loop {
        let found = delimiter(boundary, body, from)?;
        if let Some(start) = start {
            parts.push(part(&body.slice(start..found.content_end.max(start)))?);
        }
        if found.closes {
            return Some(parts);
        }
        start = Some(found.next);
        from = found.next;
    }
}

struct Delimiter {
    /// Where the content before it ends: its line break belongs to the boundary.
    content_end: usize,
    /// Where the content after it begins.
    next: usize,
    closes: bool,
}

fn delimiter(boundary: &str, body: &[u8], from: usize) -> Option<Delimiter> {
    let mark = format!("--{boundary}").into_bytes();
    let mut at = from;
    while at < body.len() {
        let line_end = body[at..].iter().position(|byte| *byte == b'\n').map(|end| at + end);
        let line = &body[at..line_end.unwrap_or(body.len())];
        if let Some(rest) = line.strip_prefix(mark.as_slice()) {
            let closes = rest.starts_with(b"--");
            let rest = if closes { &rest[2..] } else { rest };
            if rest.iter().all(u8::is_ascii_whitespace) && (closes || line_end.is_some()) {
                let mut content_end = at.saturating_sub(1).max(from);
                if content_end > from && body[content_end - 1] == b'\r' {
                    content_end -= 1;
                }
                return Some(Delimiter { content_end, next: line_end.map_or(body.len(), |end| end + 1), closes });
            }
        }
        at = line_end? + 1;
    }
    None
}

fn part(text: &Bytes) -> Option<RawPart> {
    // A part may begin with the blank line that ends no headers at all.
    if let Some(start) = [b"\r\n".as_slice(), b"\n"].into_iter().find(|start| text.starts_with(start)) {
        return Some(RawPart { headers: HeaderMap::new(), content: text.slice(start.len()..) });
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let (end, found) = match httparse::parse_headers(text, &mut headers) {
        Ok(httparse::Status::Complete(found)) => found,
        Ok(httparse::Status::Partial) | Err(_) => return None,
    };
    let headers = found
        .iter()
        .filter_map(|header| Some((HeaderName::from_bytes(header.name.as_bytes()).ok()?, HeaderValue::from_bytes(header.value).ok()?)))
        .collect();
    Some(RawPart { headers, content: text.slice(end..) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the parts hold, they come back as they went, and a text that lost its end does not come back at all.
        #[test]
        fn parts_come_back(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6), cut in 1usize..200) {
            let boundary = boundary_for("batch", contents.iter().map(Vec::as_slice));
            let parts: Vec<RawPart> = contents.iter().enumerate().map(|(at, content)| RawPart::http(Some(&at.to_string()), content.clone())).collect();
            let body: Bytes = write(&boundary, &parts).into();
            prop_assert_eq!(read(&boundary, &body), Some(parts));
            let shorter = body.slice(..body.len().saturating_sub(cut + 3));
            prop_assert_eq!(read(&boundary, &shorter), None);
        }

        #[test]
        fn no_text_is_too_odd(body in prop::collection::vec(prop::sample::select(b"--b\r\n :aHTTP/1.1 200".to_vec()), 0..200)) {
            let body: Bytes = body.into();
            for part in read("b", &body).unwrap_or_default() {
                let _ = (part.answer(), part.parts());
            }
        }

        #[test]
        fn an_inner_answer_comes_back(status in 200u16..600, body in "\\PC{0,40}", feed in prop::sample::select(vec!["\r\n", "\n"])) {
            let body = body.trim_end_matches(['\r', '\n']).to_owned();
            let text = format!("HTTP/1.1 {status} Some Reason{feed}OData-Version: 4.0{feed}{feed}{body}");
            let answer = RawPart::http(None, text.into_bytes()).answer().unwrap();
            prop_assert_eq!((answer.status.as_u16(), answer.header("odata-version")), (status, Some("4.0")));
            prop_assert_eq!(answer.body, body.as_bytes());
        }
    }

    #[test]
    fn boundaries_are_found_quoted_and_bare() {
        for media in ["multipart/mixed; boundary=\"b\"", "multipart/mixed;boundary=b", "Multipart/Mixed; charset=x; Boundary=b"] {
            let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(media))]);
            assert_eq!(boundary_of(&headers).as_deref(), Some("b"), "{media}");
        }
        let json = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json; boundary=b"))]);
        assert_eq!(boundary_of(&json), None);
    }

    #[test]
    fn a_part_without_blank_line_is_still_an_answer() {
        let part = RawPart::http(None, b"HTTP/1.1 204 No Content".to_vec());
        assert_eq!(part.answer().unwrap().status, StatusCode::NO_CONTENT);
        assert_eq!(
            RawPart::http(None, b"HTTP/1.1 204 No Content\r\nOData-Version: 4.0".to_vec()).answer().unwrap().header("odata-version"),
            Some("4.0")
        );
    }
}
