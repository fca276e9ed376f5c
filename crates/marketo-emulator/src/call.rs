//! A request, taken apart: which operation it asks for, its parameters and its body.
//!
//! Checks nothing but the form; what a parameter means is the endpoint's business.

use std::borrow::Cow;

use emulator::Request;
use http::Method;
use serde_json::{Map, Value};

use crate::{
    answer::Reason,
    route::{self, Route},
};

/// Longest URI in bytes: above it, HTTP 414.
const URI_MAX: usize = 8 * 1024;
/// Longest body in bytes: above it, HTTP 413.
const BODY_MAX: usize = 1024 * 1024;
/// The same for a bulk import.
const BULK_BODY_MAX: usize = 10 * 1024 * 1024;

/// A request taken apart.
pub(crate) struct Call<'a> {
    pub request: &'a Request,
    pub route: Route,
    params: Vec<(String, String)>,
    /// Whether the path is one of the bulk API's.
    bulk: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(request: &'a Request) -> Self {
        let mut params = pairs(request.query.as_bytes());
        if media_type(request).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            params.extend(pairs(&request.body));
        }
        // "_method" turns a POST into what it says; a widely used client sends it in the form rather than in the URL, and that works.
        let method = match params.iter().find(|(name, _)| name == "_method") {
            Some((_, method)) if request.method == Method::POST => method.to_ascii_uppercase().parse().unwrap_or(Method::POST),
            Some(_) | None => request.method.clone(),
        };
        let path = segments(&request.path);
        let bulk = path.first().is_some_and(|first| first == "bulk");
        Self { request, route: route::find(&method, &path), params, bulk }
    }

    /// The HTTP status that refuses the request for its size.
    pub(crate) fn oversized(&self) -> Option<u16> {
        let query = if self.request.query.is_empty() { 0 } else { self.request.query.len() + 1 };
        if self.request.path.len() + query > URI_MAX {
            return Some(414);
        }
        // By the resolved path: a known client writes `/rest/../bulk/v1/…`.
        let bulk = self.bulk;
        let most = if bulk { BULK_BODY_MAX } else { BODY_MAX };
        (self.request.body.len() > most).then_some(413)
    }

    /// The access token: from the header, and from the withdrawn parameter where that is still allowed.
    pub(crate) fn token(&self, parameter_allowed: bool) -> Option<&str> {
        let header = self.request.header("authorization").and_then(|value| value.trim().split_once(' '));
        let bearer = header.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        bearer.or_else(|| self.param("access_token").filter(|_| parameter_allowed)).filter(|token| !token.is_empty())
    }

    /// A parameter's first value.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter's value that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Reason> {
        self.param(name).filter(|value| !value.is_empty()).ok_or_else(|| Reason::missing(name))
    }

    /// The items of a list parameter: comma-separated, repeated, or both. Blanks around items and empty items are dropped.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let values = self.params.iter().filter(|(known, _)| known == name || known.strip_suffix("[]") == Some(name));
        let items = values.flat_map(|(_, value)| value.split(','));
        items.map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    }

    /// A parameter that is a whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Reason> {
        let Some(text) = self.param(name).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        text.trim()
            .parse()
            .map(Some)
            .map_err(|_| Reason::new("1001", format!("Invalid value '{text}' for parameter '{name}'. Required of type 'integer'")))
    }

    /// Records per page: 1 to 300, 300 when not given.
    pub(crate) fn batch_size(&self, shrink: Option<usize>) -> Result<usize, Reason> {
        let asked = self.number("batchSize")?.unwrap_or(300).clamp(1, 300);
        let asked = usize::try_from(asked).unwrap_or(300);
        Ok(asked.min(shrink.unwrap_or(300).max(1)))
    }

    /// Whether a JSON body came with it.
    pub(crate) fn is_json(&self) -> bool {
        let media_type = media_type(self.request);
        media_type.eq_ignore_ascii_case("application/json") || media_type.eq_ignore_ascii_case("text/json")
    }

    /// The body as a JSON object: 612 for another content type, 609 for what isn't JSON.
    pub(crate) fn json(&self) -> Result<Map<String, Value>, Reason> {
        if !self.is_json() {
            return Err(Reason::of("612"));
        }
        let body: Value = serde_json::from_slice(&self.request.body).map_err(|_| Reason::of("609"))?;
        match body {
            Value::Object(body) => Ok(body),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(Reason::of("609")),
        }
    }
}

/// The records of a body: 1 to 300.
pub(crate) fn input(body: &mut Map<String, Value>) -> Result<Vec<Value>, Reason> {
    let input = match body.remove("input") {
        Some(Value::Array(input)) => input,
        None | Some(Value::Null) => return Err(Reason::missing("input")),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return Err(Reason::invalid("'input' must be a list"));
        }
    };
    if input.is_empty() {
        return Err(Reason::missing("input"));
    }
    few(input.len(), "input records")?;
    Ok(input)
}

/// Refuses more than 300 of anything.
pub(crate) fn few(count: usize, what: &str) -> Result<(), Reason> {
    if count > 300 { Err(Reason::invalid(format!("Too many {what}: {count}. The maximum is 300"))) } else { Ok(()) }
}

/// A body member that is a text.
pub(crate) fn member<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    serde_urlencoded::from_bytes(text).unwrap_or_default()
}

fn media_type(request: &Request) -> &str {
    request.header("content-type").and_then(|value| value.split(';').next()).unwrap_or_default().trim()
}

/// The parts of a path, decoded, without `.json`; `..` goes up, because a known client builds `/rest/../bulk/v1/…`.
fn segments(path: &str) -> Vec<String> {
    let mut segments: Vec<String> = Vec::new();
    for part in path.split('/') {
        match &*percent_encoding::percent_decode_str(part).decode_utf8_lossy() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            part => segments.push(part.to_owned()),
        }
    }
    if let Some(last) = segments.last_mut()
        && let Some(bare) = last.strip_suffix(".json")
    {
        *last = bare.to_owned();
    }
    segments
}

/// A text without quotes around, for content-disposition parameters.
pub(crate) fn unquoted(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => Cow::Owned(inner.replace("\\\"", "\"")),
        None => Cow::Borrowed(text),
    }
}
