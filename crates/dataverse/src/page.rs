//! A page of rows, of changes, or of both.
//!
//! The end of a listing is a page without [`Page::next`], never a short or empty page. A row that can't be read is one [`BadRow`], not a
//! failed page. Shapes are from Microsoft's "Page results" and "Use change tracking to synchronize data" pages.

use std::collections::VecDeque;

use base::{Guid, Names};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use wire::{CallError, Response};

use crate::{link::Link, odata::garbled, row::Row};

/// One page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Its rows and deletions, in the service's order.
    pub items: Items,
    /// Where the listing goes on; `None`: this was the last page. A link that repeats the one just followed would never end: stop there.
    pub next: Option<Link>,
    /// Where the changes from now on will be; only on the last page of a tracked listing.
    pub delta: Option<Link>,
    /// Whether the service says that it tracks changes for this listing. Nothing else proves it.
    pub tracked: bool,
    /// The count, where one was asked for; it stops at 5,000.
    pub count: Option<u64>,
}

/// What is on a page, read one by one: until then it stays the text that it came as, which takes a fraction of the memory.
#[derive(Debug, Clone, Default)]
pub struct Items {
    texts: VecDeque<Bytes>,
    names: Names,
    id_column: Option<String>,
}

/// One thing on a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A row. In a change listing: one that was created or updated, which look alike.
    Row(Row),
    /// The key of a row deleted since the delta link; may be one that was never seen, and repeat.
    Deleted(Guid),
    /// A row that can't be read.
    Bad(BadRow),
}

impl Iterator for Items {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let text = self.texts.pop_front()?;
        Some(item(&text, self.id_column.as_deref(), &mut self.names).unwrap_or_else(Item::Bad))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.texts.len(), Some(self.texts.len()))
    }
}

impl ExactSizeIterator for Items {}

/// A row that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its key, if it can be told.
    pub id: Option<Guid>,
    /// What is wrong, without the row's values.
    pub why: String,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta: Option<String>,
    #[serde(rename = "@odata.count")]
    count: Option<u64>,
}

impl Page {
    /// Reads a page. With `id_column` a row without a readable key there is a [`BadRow`].
    ///
    /// # Errors
    /// [`CallError::Garbled`] when the answer is no page at all.
    pub(crate) fn read(response: &Response, id_column: Option<&str>) -> Result<Self, CallError> {
        let body: Body<'_> = serde_json::from_slice(&response.body).map_err(garbled)?;
        let applied = response.headers.get_all("preference-applied");
        let texts = body.value.into_iter().map(|text| response.body.slice_ref(text.get().as_bytes())).collect();
        Ok(Self {
            items: Items { texts, names: Names::default(), id_column: id_column.map(str::to_owned) },
            next: body.next.map(Link::new),
            delta: body.delta.map(Link::new),
            tracked: applied.iter().any(|value| value.to_str().is_ok_and(|value| value.contains("odata.track-changes"))),
            count: body.count,
        })
    }
}

fn item(text: &[u8], id_column: Option<&str>, names: &mut Names) -> Result<Item, BadRow> {
    let bad = |id, why: &str| BadRow { id, why: why.into() };
    let values = match names.read(text) {
        Ok(values) => values,
        Err(_) if !text.starts_with(b"{") => return Err(bad(None, "it is not an object")),
        Err(_) => return Err(bad(id_column.and_then(|column| id_in(text, column)), "a value in it can't be read")),
    };
    let context = values.get("@odata.context").and_then(Value::as_str).unwrap_or_default();
    // A table may have columns named `id` and `reason`; a deleted entry has nothing else.
    let bare = values.get("reason").is_some()
        && values.get("id").is_some()
        && values.names().all(|name| name.starts_with('@') || name == "id" || name == "reason");
    if context.ends_with("/$deletedEntity") || bare {
        let id = values.get("id").and_then(Value::as_str).and_then(crate::key::guid_at_end);
        return id.map(Item::Deleted).ok_or_else(|| bad(None, "a deleted row's key can't be read"));
    }
    let row = Row::of(values);
    match id_column {
        Some(column) if row.guid(column).is_none() => Err(bad(None, &format!("its key {column} can't be read"))),
        Some(_) | None => Ok(Item::Row(row)),
    }
}

/// The key in the text of an object that doesn't parse.
fn id_in(text: &[u8], column: &str) -> Option<Guid> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once(&format!("\"{column}\""))?;
    rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    fn page(body: &str) -> Page {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("preference-applied"),
            HeaderValue::from_static("odata.maxpagesize=5, odata.track-changes"),
        )]);
        Page::read(&Response { status: StatusCode::OK, headers, body: body.to_owned().into() }, Some("contactid")).unwrap()
    }

    #[test]
    fn a_documented_delta_page_reads() {
        let page = page(
            r##"{"@odata.context":"https://contoso.crm.dynamics.com/api/data/v9.2/$metadata#contacts(fullname)/$delta",
            "value":[
              {"@odata.etag":"W/\"1853940\"","contactid":"1f7a2c90-6b3e-4d58-9c02-ab41e5d7f836","fullname":"Nina Roth","emailaddress1":null},
              {"@odata.context":"https://contoso.crm.dynamics.com/api/data/v9.2/$metadata#contacts/$deletedEntity","id":"94be03d7-28f1-4c6a-8e15-70d2b9c3a648","reason":"deleted"}],
            "@odata.deltaLink":"https://contoso.crm.dynamics.com/api/data/v9.2/contacts?$select=fullname&$deltatoken=1853960%2103%2f02%2f2026%2009%3a24%3a11"}"##,
        );
        let items: Vec<Item> = page.items.collect();
        let [Item::Row(row), Item::Deleted(deleted)] = items.as_slice() else { panic!("{items:?}") };
        assert_eq!(row.text("fullname"), Some("Nina Roth"));
        assert_eq!(deleted.to_string(), "94be03d7-28f1-4c6a-8e15-70d2b9c3a648");
        assert!(page.delta.unwrap().as_str().ends_with("$deltatoken=1853960%2103%2f02%2f2026%2009%3a24%3a11"));
        assert!(page.tracked && page.next.is_none());
    }

    #[test]
    fn one_bad_row_is_not_a_bad_page() {
        let page = page(
            r#"{"@odata.count":3,"value":[{"contactid":"1f7a2c90-6b3e-4d58-9c02-ab41e5d7f836"},7,{"contactid":"c-1"},{},
            {"contactid":"94be03d7-28f1-4c6a-8e15-70d2b9c3a648","revenue":1e999},{"id":"x","reason":"deleted"}],"@odata.nextLink":"x"}"#,
        );
        assert_eq!((page.items.len(), page.count), (6, Some(3)));
        let bad = |item| if let Item::Bad(bad) = item { Some(bad) } else { None };
        let bad: Vec<BadRow> = page.items.filter_map(bad).collect();
        assert_eq!(bad.len(), 5);
        assert_eq!(bad[3].id.unwrap().to_string(), "94be03d7-28f1-4c6a-8e15-70d2b9c3a648");
        assert_eq!(page.next, Some(Link::new("x")));
    }

    #[test]
    fn an_empty_page_may_go_on() {
        let page = page(r#"{"value":[],"@odata.nextLink":"y"}"#);
        assert!(page.items.len() == 0 && page.next.is_some());
    }
}
