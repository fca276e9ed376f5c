//! Paging cookies: where a listing goes on. Double-encoded as the real ones are, and refused when a client has altered one.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Outcome, Refusal};

/// Where a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cookie {
    /// The number of the page to come, counted from 1.
    pub page: u64,
    /// Whether the listing is a tracked one.
    pub tracking: bool,
    /// Names with the last and first value of the page before; null where a value is missing.
    pub entries: Vec<(String, Option<String>, Option<String>)>,
}

/// The real cookies leave these as they are.
const INNER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
const OUTER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'=').remove(b'/');

impl Cookie {
    /// The value of an entry's `last`.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|(found, ..)| found == name).and_then(|(_, last, _)| last.as_deref())
    }

    /// The cookie as it stands in a link, ready to be appended after `$skiptoken=`. `scope` names what is listed.
    pub(crate) fn encode(&self, scope: &str) -> String {
        // The inner cookie is encoded in lower case, the outer one in upper case, as in recorded links.
        utf8_percent_encode(&self.render(scope), OUTER).to_string()
    }

    fn render(&self, scope: &str) -> String {
        let inner = self.inner(scope);
        let tracking = if self.tracking { "True" } else { "False" };
        format!(
            "<cookie pagenumber=\"{}\" pagingcookie=\"{}\" istracking=\"{tracking}\" />",
            self.page,
            lower(&utf8_percent_encode(&inner, INNER).to_string())
        )
    }

    /// The cookie of a FetchXML query, as its annotation holds it: the inner part encoded twice.
    pub(crate) fn for_fetch(&self, scope: &str) -> String {
        let once = lower(&utf8_percent_encode(&self.inner(scope), INNER).to_string());
        let twice = lower(&utf8_percent_encode(&once, INNER).to_string());
        format!("<cookie pagenumber=\"{}\" pagingcookie=\"{twice}\" istracking=\"False\" />", self.page)
    }

    fn inner(&self, scope: &str) -> String {
        let mut body = String::new();
        for (name, last, first) in &self.entries {
            let _ = write!(body, "<{name}{}{} />", attribute("last", last.as_deref()), attribute("first", first.as_deref()));
        }
        let seal = seal(&format!("{scope}|{}|{}|{body}", self.page, self.tracking));
        format!("<cookie page=\"{}\" seal=\"{seal:016x}\">{body}</cookie>", self.page - 1)
    }

    /// Reads a skiptoken that has been decoded once, as every query option is.
    ///
    /// # Errors
    /// 400 when it isn't exactly one we made for `scope`: decoded once too often, edited, or from another listing.
    pub(crate) fn decode(text: &str, scope: &str) -> Outcome<Self> {
        let cookie = Self::read(text).ok_or_else(altered)?;
        if cookie.render(scope) == text { Ok(cookie) } else { Err(altered()) }
    }

    fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("<cookie pagenumber=\"")?;
        let (page, rest) = rest.split_once("\" pagingcookie=\"")?;
        let (inner, rest) = rest.split_once("\" istracking=\"")?;
        let tracking = rest.starts_with("True");
        let inner = super::super::odata::uri::decode(inner);
        let (_, body) = inner.strip_prefix("<cookie ")?.split_once('>')?;
        let mut body = body.strip_suffix("</cookie>")?;
        let mut entries = Vec::new();
        while let Some(rest) = body.strip_prefix('<') {
            let (element, after) = rest.split_once(" />")?;
            let (name, attributes) = element.split_once(' ')?;
            entries.push((name.to_owned(), value(attributes, "last"), value(attributes, "first")));
            body = after;
        }
        let page: u64 = page.parse().ok().filter(|page| *page > 0)?;
        Some(Self { page, tracking, entries })
    }
}

fn altered() -> Refusal {
    Refusal::query("Malformed XML in the Paging Cookie. The $skiptoken of a nextLink has to be sent back unchanged.")
}

fn attribute(name: &str, value: Option<&str>) -> String {
    match value {
        None => format!(" {name}null=\"1\""),
        Some(value) => {
            let escaped = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
            format!(" {name}=\"{escaped}\"")
        }
    }
}

fn value(attributes: &str, name: &str) -> Option<String> {
    let (_, rest) = format!(" {attributes}").split_once(&format!(" {name}=\"")).map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&quot;", "\"").replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
}

/// Percent-encoding in lower case.
fn lower(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut left = 0;
    for char in text.chars() {
        out.push(if left > 0 { char.to_ascii_lowercase() } else { char });
        left = if char == '%' { 2 } else { usize::saturating_sub(left, 1) };
    }
    out
}

/// A checksum (FNV-1a), so that an edited cookie is noticed. No secret: it guards against accidents.
fn seal(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::uri::decode;

    fn cookie() -> Cookie {
        Cookie {
            page: 2,
            tracking: false,
            entries: vec![
                ("fullname".into(), Some("O'Brien \"<&> last=\"é".into()), None),
                ("leadid".into(), Some("{9B0C21D4-0000-0000-0000-000000000001}".into()), Some("{0F21}".into())),
            ],
        }
    }

    #[test]
    fn a_cookie_looks_like_the_recorded_ones_and_comes_back() {
        let encoded = cookie().encode("leads");
        assert!(encoded.starts_with("%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%2520page%253d%25221%2522"), "{encoded}");
        assert!(encoded.ends_with("%20istracking=%22False%22%20/%3E"), "{encoded}");
        assert_eq!(Cookie::decode(&decode(&encoded), "leads"), Ok(cookie()));
    }

    #[test]
    fn an_altered_cookie_is_refused() {
        let encoded = cookie().encode("leads");
        let twice = decode(&encoded.replace("%25", "%"));
        let edited = decode(&encoded.replace("000001", "000002"));
        for (text, scope) in
            [(twice, "leads"), (edited, "leads"), (decode(&encoded), "contacts"), (String::new(), "leads"), ("<cookie".into(), "leads")]
        {
            assert!(Cookie::decode(&text, scope).is_err(), "{text}");
        }
    }
}
