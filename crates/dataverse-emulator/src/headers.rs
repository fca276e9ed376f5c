//! Request headers that steer an answer, above all `Prefer`, and the headers every answer carries.

use emulator::{Request, Response};

/// The media type of answers.
pub(crate) const JSON: &str = "application/json; odata.metadata=minimal";

/// What a request prefers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// `return=representation`.
    pub representation: bool,
    /// `odata.track-changes`.
    pub track_changes: bool,
    /// `odata.continue-on-error`.
    pub continue_on_error: bool,
    /// `odata.maxpagesize`, as sent.
    pub page_size: Option<usize>,
    /// `odata.include-annotations`.
    pub annotations: Annotations,
}

/// The annotations asked for: names, prefixes with a star, exclusions with a minus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Annotations {
    raw: Option<String>,
}

pub(crate) const FORMATTED: &str = "OData.Community.Display.V1.FormattedValue";
pub(crate) const LOGICAL_NAME: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";
pub(crate) const NAVIGATION: &str = "Microsoft.Dynamics.CRM.associatednavigationproperty";

impl Annotations {
    /// Whether an annotation of this name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let Some(raw) = &self.raw else { return false };
        let mut wanted = false;
        for pattern in raw.split(',').map(str::trim) {
            let (pattern, yes) = pattern.strip_prefix('-').map_or((pattern, true), |rest| (rest, false));
            let hit = pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix));
            if hit {
                wanted = yes;
            }
        }
        wanted
    }

    /// Whether any were asked for.
    pub(crate) fn any(&self) -> bool {
        self.raw.as_ref().is_some_and(|raw| !raw.is_empty())
    }
}

impl Preferences {
    /// Reads every `Prefer` header.
    pub(crate) fn of(request: &Request) -> Self {
        let mut preferences = Self::default();
        for header in request.headers.get_all("prefer") {
            for part in split_quoted(header.to_str().unwrap_or_default()) {
                preferences.add(part.trim());
            }
        }
        preferences
    }

    fn add(&mut self, part: &str) {
        let (name, value) = part.split_once('=').map_or((part, ""), |(name, value)| (name.trim(), value.trim().trim_matches('"')));
        match name.to_ascii_lowercase().as_str() {
            "return" if value.eq_ignore_ascii_case("representation") => self.representation = true,
            "odata.track-changes" => self.track_changes = true,
            "odata.continue-on-error" => self.continue_on_error = true,
            "odata.maxpagesize" => self.page_size = value.parse().ok().filter(|size| *size > 0),
            "odata.include-annotations" => self.annotations.raw = Some(value.to_owned()),
            _ => {}
        }
    }

    /// The `Preference-Applied` value for those of the preferences that were applied.
    pub(crate) fn applied(&self, tracked: bool, paged: bool, representation: bool) -> Option<String> {
        let mut applied = Vec::new();
        if tracked {
            applied.push("odata.track-changes".to_owned());
        }
        if let (true, Some(size)) = (paged, self.page_size) {
            applied.push(format!("odata.maxpagesize={size}"));
        }
        if representation {
            applied.push("return=representation".to_owned());
        }
        if let Some(raw) = &self.annotations.raw {
            applied.push(format!("odata.include-annotations=\"{raw}\""));
        }
        (!applied.is_empty()).then(|| applied.join(","))
    }
}

/// Splits at commas and semicolons that are outside quotes.
fn split_quoted(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' | b';' if !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// A header's value, taking the literal `null` that Microsoft's examples send as absent.
pub(crate) fn condition<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.header(name).map(str::trim).filter(|value| !value.is_empty() && *value != "null")
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: impl Into<bytes::Bytes>) -> Response {
    Response::new(status, JSON, body).with("odata-version", "4.0")
}

/// 204 without a body.
pub(crate) fn no_content() -> Response {
    Response::empty(204).with("odata-version", "4.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prefer: &str) -> Preferences {
        let mut headers = http::HeaderMap::new();
        headers.append("prefer", prefer.parse().unwrap());
        Preferences::of(&Request {
            method: http::Method::GET,
            origin: String::new(),
            path: String::new(),
            query: String::new(),
            headers,
            body: bytes::Bytes::new(),
        })
    }

    #[test]
    fn preferences_are_read_in_any_order_and_quoting() {
        let read = of(
            r#"odata.maxpagesize=500, odata.include-annotations="OData.*,Microsoft.Dynamics.CRM.lookuplogicalname",return=representation"#,
        );
        assert_eq!((read.page_size, read.representation, read.track_changes), (Some(500), true, false));
        assert!(read.annotations.wants(FORMATTED) && read.annotations.wants(LOGICAL_NAME) && !read.annotations.wants(NAVIGATION));
        assert!(of("odata.include-annotations=*").annotations.wants(NAVIGATION));
        assert!(of("odata.track-changes,odata.maxpagesize=1000").track_changes);
    }
}
