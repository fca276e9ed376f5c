//! Addresses: the segments of a path with their keys, and the query's options as sent and as meant.

use base::Guid;
use percent_encoding::percent_decode_str;

use super::syntax::Literal;
use crate::error::{Outcome, Refusal};

/// One segment: `leads`, `leads(<key>)`, `Microsoft.Dynamics.CRM.In(a=1)`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segment {
    pub name: String,
    /// What stood in the parentheses; none when there were none.
    pub arguments: Option<String>,
}

/// The key of a row in an address.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Key {
    Id(Guid),
    Named(Vec<(String, Literal)>),
}

/// Decodes percent-encoding; what isn't UTF-8 is replaced.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Splits a path, already without its prefix, into segments.
pub(crate) fn segments(path: &str) -> Vec<Segment> {
    let path = decode(path);
    split_outside(&path, '/').into_iter().filter(|part| !part.is_empty()).map(segment).collect()
}

fn segment(text: &str) -> Segment {
    match (text.find('('), text.ends_with(')')) {
        (Some(open), true) => {
            let arguments = text.get(open + 1..text.len() - 1).unwrap_or_default();
            Segment { name: text.get(..open).unwrap_or_default().to_owned(), arguments: Some(arguments.to_owned()) }
        }
        (Some(_), false) | (None, _) => Segment { name: text.to_owned(), arguments: None },
    }
}

/// What stands in the parentheses of a row's path, as sent.
pub(crate) fn raw_key(path: &str) -> Option<&str> {
    let start = [("(", 1), ("%28", 3)].into_iter().filter_map(|(open, length)| Some(path.find(open)? + length)).min()?;
    let rest = path.get(start..)?;
    rest.strip_suffix(')').or_else(|| rest.strip_suffix("%29"))
}

/// Splits at a character that is outside quotes, parentheses and brackets.
pub(crate) fn split_outside(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut quoted) = (0usize, 0usize, false);
    for (index, char) in text.char_indices() {
        match char {
            '\'' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            other if other == at && !quoted && depth == 0 => {
                parts.push(text.get(start..index).unwrap_or_default());
                start = index + at.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// Reads what stands in a row's parentheses.
pub(crate) fn key(arguments: &str) -> Outcome<Key> {
    let text = arguments.trim();
    if let Ok(id) = text.parse::<Guid>() {
        return Ok(Key::Id(id));
    }
    let mut named = Vec::new();
    for part in split_outside(text, ',') {
        let Some((name, value)) = part.split_once('=') else {
            return Err(Refusal::query(format!("Bad Request - Error in query syntax. Unrecognized key '{text}'.")));
        };
        named.push((name.trim().to_owned(), Literal::parse(value.trim())?));
    }
    Ok(Key::Named(named))
}

/// Where a row's address in a payload leads: entity set and key, or a reference like `$1` to another part of a change set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reference {
    Row(String, Key),
    ContentId(String),
}

/// Reads `/accounts(…)`, `accounts(…)`, a full URL, or `$1`.
pub(crate) fn reference(text: &str) -> Outcome<Reference> {
    let bad = || Refusal::query(format!("Invalid resource address '{text}'."));
    let trimmed = text.trim();
    if let Some(id) = trimmed.trim_start_matches('/').strip_prefix('$') {
        return Ok(Reference::ContentId(id.to_owned()));
    }
    let path = match trimmed.split_once("/api/data/v") {
        Some((_, rest)) => rest.split_once('/').map(|(_, rest)| rest).ok_or_else(bad)?,
        None if trimmed.contains("://") => return Err(bad()),
        None => trimmed,
    };
    let segments = segments(path);
    match segments.as_slice() {
        [Segment { name, arguments: Some(arguments) }] => Ok(Reference::Row(name.clone(), key(arguments)?)),
        _ => Err(bad()),
    }
}

/// The options of a query, in the order sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    list: Vec<(String, String, String)>,
}

impl Options {
    /// Reads a query as sent. A plus is a space, as the service's gateway has it.
    pub(crate) fn parse(query: &str) -> Self {
        let list = query.split('&').filter(|part| !part.is_empty()).map(|raw| {
            let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")), raw.to_owned())
        });
        Self { list: list.collect() }
    }

    /// An option's decoded value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|(found, ..)| found == name).map(|(_, value, _)| value.as_str())
    }

    /// The options' names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(name, ..)| name.as_str())
    }

    /// The query as sent, without these options.
    pub(crate) fn without(&self, names: &[&str]) -> String {
        let kept: Vec<_> = self.list.iter().filter(|(name, ..)| !names.contains(&name.as_str())).map(|(.., raw)| raw.as_str()).collect();
        kept.join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split_outside_of_keys() {
        let read = segments("accounts(accountnumber='A/%27%271')/contact_customer_accounts/$ref");
        let names: Vec<_> = read.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["accounts", "contact_customer_accounts", "$ref"]);
        assert_eq!(read[0].arguments.as_deref(), Some("accountnumber='A/''1'"));
    }

    #[test]
    fn a_reference_is_read_in_every_form() {
        let id = "0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f9415";
        let row = Reference::Row("accounts".into(), Key::Id(id.parse().unwrap()));
        for text in
            [format!("/accounts({id})"), format!("accounts({})", id.to_uppercase()), format!("https://x.test/api/data/v9.2/accounts({id})")]
        {
            assert_eq!(reference(&text), Ok(row.clone()), "{text}");
        }
        assert_eq!(reference("$1"), Ok(Reference::ContentId("1".into())));
        assert!(reference("https://elsewhere.test/accounts(1)").is_err() && reference("accounts").is_err());
    }

    #[test]
    fn options_keep_what_was_sent() {
        let options = Options::parse("%24select=a%2cb&$filter=x+eq+%27%2b%27&$skiptoken=%253c");
        assert_eq!(options.get("$select"), Some("a,b"));
        assert_eq!(options.get("$filter"), Some("x eq '+'"));
        assert_eq!(options.without(&["$skiptoken"]), "%24select=a%2cb&$filter=x+eq+%27%2b%27");
    }
}
