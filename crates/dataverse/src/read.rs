//! Calls that read rows.

use base::Guid;
use wire::{CallError, Endpoint, Request, Response, Target};

use crate::{
    key::Key,
    link::Link,
    odata::{self, encoded},
    page::Page,
    query::Query,
    row::{LOOKUP_TABLE, Row},
};

/// The first page of a table's rows.
///
/// With `track_changes` the last page brings a delta link. The service then takes no option but the columns: no filter, order, number,
/// count or expansion (Microsoft's "Use change tracking" page), and a query with one of these is not sent.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// The table's set: `leads`.
    pub set: String,
    /// Which columns and rows.
    pub query: Query,
    /// Whether lookups say which table they point to.
    pub annotations: bool,
    /// Rows on a page, up to 5,000; 0 leaves it to the service.
    pub page_rows: u32,
    /// Whether to ask for a delta link.
    pub track_changes: bool,
    /// The primary key, so that a row without a readable one is told apart.
    pub id_column: Option<String>,
}

/// The page behind a next link or a delta link. Give it the same preferences as the page before: the link does not hold them.
#[derive(Debug, Clone)]
pub struct Follow {
    /// The link.
    pub link: Link,
    /// Whether lookups say which table they point to.
    pub annotations: bool,
    /// Rows on a page, up to 5,000; 0 leaves it to the service.
    pub page_rows: u32,
    /// Whether to ask for a delta link: on next links of a tracked first reading; not on delta links and their next links, which have it.
    pub track_changes: bool,
    /// The primary key, so that a row without a readable one is told apart.
    pub id_column: Option<String>,
}

impl List {
    /// The page after one of this listing.
    #[must_use]
    pub fn follow(&self, link: Link) -> Follow {
        Follow {
            link,
            annotations: self.annotations,
            page_rows: self.page_rows,
            track_changes: self.track_changes,
            id_column: self.id_column.clone(),
        }
    }
}

impl Endpoint for List {
    type Reply = Page;

    fn request(&self) -> Result<Request, CallError> {
        if self.track_changes && !self.query.is_plain() {
            return Err(CallError::Unwritable("a listing with change tracking takes columns only".into()));
        }
        let request = odata::get("rows.list", self.query.path(&self.set)?)?;
        let page_rows = if self.query.top.is_some() { 0 } else { self.page_rows };
        Ok(preferring(request, self.annotations, page_rows, self.track_changes))
    }

    fn decode(&self, response: &Response) -> Result<Page, CallError> {
        Page::read(response, self.id_column.as_deref())
    }
}

impl Endpoint for Follow {
    type Reply = Page;

    fn request(&self) -> Result<Request, CallError> {
        let mut request = odata::get("rows.follow", String::new())?;
        request.target = Target::Given(self.link.as_str().to_owned());
        Ok(preferring(request, self.annotations, self.page_rows, self.track_changes))
    }

    fn decode(&self, response: &Response) -> Result<Page, CallError> {
        Page::read(response, self.id_column.as_deref())
    }
}

fn preferring(request: Request, annotations: bool, page_rows: u32, track_changes: bool) -> Request {
    let mut wishes = Vec::new();
    if track_changes {
        wishes.push("odata.track-changes".to_owned());
    }
    if page_rows > 0 {
        wishes.push(format!("odata.maxpagesize={}", page_rows.min(5000)));
    }
    if annotations {
        // Only the one that is needed: with all of them the service has been seen to leave the delta link out.
        wishes.push(format!("odata.include-annotations=\"{LOOKUP_TABLE}\""));
    }
    if wishes.is_empty() { request } else { request.header("prefer", &wishes.join(",")) }
}

/// One row by its key. A refusal of class [`wire::Class::Missing`] when there is none.
#[derive(Debug, Clone)]
pub struct Get {
    /// The table's set.
    pub set: String,
    /// The row's key.
    pub id: Guid,
    /// Columns; empty means all, which is slow.
    pub select: Vec<String>,
}

impl Endpoint for Get {
    type Reply = Row;

    fn request(&self) -> Result<Request, CallError> {
        let mut path = Key::Id(self.id).path(&self.set)?;
        if !self.select.is_empty() {
            path.push_str(&format!("?$select={}", encoded(&self.select.join(","))));
        }
        Ok(preferring(odata::get("rows.get", path)?, true, 0, false))
    }

    fn decode(&self, response: &Response) -> Result<Row, CallError> {
        odata::read(response).map(Row::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    #[test]
    fn a_tracked_listing_asks_as_documented() {
        let list = List {
            set: "contacts".into(),
            query: Query::select(["fullname"]),
            annotations: true,
            page_rows: 1000,
            track_changes: true,
            ..List::default()
        };
        let request = list.request().unwrap();
        assert_eq!(request.target, Target::Below("/contacts?$select=fullname".into()));
        let prefer = "odata.track-changes,odata.maxpagesize=1000,odata.include-annotations=\"Microsoft.Dynamics.CRM.lookuplogicalname\"";
        assert_eq!(request.headers["prefer"], prefer);
        for (name, value) in
            [("accept", "application/json"), ("odata-version", "4.0"), ("odata-maxversion", "4.0"), ("if-none-match", "null")]
        {
            assert_eq!(request.headers[name], value);
        }
        let follow = list.follow(Link::new("https://x.test/y?%253c")).request().unwrap();
        assert_eq!((follow.target, &follow.headers["prefer"]), (Target::Given("https://x.test/y?%253c".into()), &prefer.parse().unwrap()));
    }

    #[test]
    fn what_the_service_forbids_is_not_sent() {
        let list = List {
            set: "contacts".into(),
            query: Query::select(["fullname"]).filter(Filter::eq("statecode", 0)),
            track_changes: true,
            ..List::default()
        };
        assert!(matches!(list.request(), Err(CallError::Unwritable(_))));
        let ids = vec![Guid::from_u128(7); 2000];
        let list =
            List { set: "leads".into(), query: Query::select(["fullname"]).filter(Filter::any_of("leadid", &ids)), ..List::default() };
        assert!(matches!(list.request(), Err(CallError::Unwritable(_))), "too long an address");
        let query = Query { top: Some(1), ..Query::default() };
        let list = List { set: "leads".into(), query, page_rows: 10, ..List::default() };
        assert!(!list.request().unwrap().headers.contains_key("prefer"));
    }
}
