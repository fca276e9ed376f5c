//! Reading leads: by a filter, and one by its id.
//!
//! From Adobe's "Leads" page. A filter may match at most 1,000 leads; more is refused, and [`Client::leads`] then asks with fewer values.
//! Rows come in no particular order, values without a match are missing, and one value may match several leads: match by the field that
//! was asked for, never by position.

use std::time::Duration;

use wire::{CallError, Class, Endpoint, Request, Response};

use crate::{Client, Page, PageToken, Record, code, envelope::Envelope, form, size};

/// The server's own limit for this call is 60 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);

/// Pages of one query: 1,000 matches can't be more than this, whatever the page size.
const PAGES_MAX: usize = size::MATCHES_MAX + 1;

/// Leads by one field. Always sent as a form: 300 GUIDs don't fit into an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetLeads {
    /// The field to search by; see [`crate::Description::is_searchable`].
    pub filter_field: String,
    /// 1 to 300 values, without commas.
    pub values: Vec<String>,
    /// The fields to return; empty: the vendor's few default fields.
    pub fields: Vec<String>,
    /// Where the page begins; `None`: the first.
    pub next: Option<PageToken>,
}

impl Endpoint for GetLeads {
    type Reply = Page<Record>;

    fn request(&self) -> Result<Request, CallError> {
        let mut request =
            filter_request("leads.get", "/rest/v1/leads.json", &self.filter_field, &self.values, &self.fields, self.next.as_ref())?;
        request.timeout = ANSWER_WITHIN;
        Ok(request)
    }

    fn decode(&self, response: &Response) -> Result<Page<Record>, CallError> {
        Ok(Envelope::<Vec<Record>>::read(response)?.into_page())
    }
}

/// A query by one field, as leads and the other objects share it.
pub(crate) fn filter_request(
    name: &'static str,
    path: &str,
    filter_field: &str,
    values: &[String],
    fields: &[String],
    next: Option<&PageToken>,
) -> Result<Request, CallError> {
    size::check("filter values", values.len(), size::FILTER_VALUES_MAX)?;
    let (values, fields) = (form::list("filter value", values)?, form::list("field", fields)?);
    let rows = size::PAGE_ROWS_MAX.to_string();
    let mut parameters = vec![("filterType", filter_field), ("filterValues", values.as_str()), ("batchSize", rows.as_str())];
    if !fields.is_empty() {
        parameters.push(("fields", &fields));
    }
    if let Some(next) = next {
        parameters.push(("nextPageToken", next.as_str()));
    }
    size::fitting(form::query(name, path, &parameters)?, size::BODY_MAX_BYTES)
}

/// One lead by Marketo's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetLead {
    /// Marketo's id.
    pub id: i64,
    /// The fields to return; empty: the vendor's few default fields.
    pub fields: Vec<String>,
}

impl Endpoint for GetLead {
    /// `None`: there is no such lead.
    type Reply = Option<Record>;

    fn request(&self) -> Result<Request, CallError> {
        let fields = form::list("field", &self.fields)?;
        let parameters: &[(&str, &str)] = if fields.is_empty() { &[] } else { &[("fields", &fields)] };
        form::short_or_form("lead.get", &format!("/rest/v1/lead/{}.json", self.id), parameters)
    }

    fn decode(&self, response: &Response) -> Result<Option<Record>, CallError> {
        Ok(Envelope::<Vec<Record>>::read(response)?.result.unwrap_or_default().into_iter().next())
    }
}

impl Client {
    /// One lead by Marketo's id; `None` when there is none. Whether the vendor then answers with nothing or with an error is not
    /// documented: both are understood.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn lead(&self, id: i64, fields: &[String]) -> Result<Option<Record>, CallError> {
        match self.call(&GetLead { id, fields: fields.to_vec() }).await {
            Err(error) if error.code() == code::LEAD_NOT_FOUND => Ok(None),
            answer => answer,
        }
    }

    /// All leads whose `filter_field` is one of any number of values.
    ///
    /// Sends as many calls as it takes: 300 values in each, halved where the vendor finds that too many leads match, and every page.
    ///
    /// # Errors
    /// As [`Client::call`]; a refusal of class [`Class::Split`] when one value alone matches too many leads.
    pub async fn leads(&self, filter_field: &str, values: &[String], fields: &[String]) -> Result<Vec<Record>, CallError> {
        let get = |values: &[String], next| GetLeads {
            filter_field: filter_field.to_owned(),
            values: values.to_vec(),
            fields: fields.to_vec(),
            next,
        };
        self.follow(values, PAGES_MAX, get).await
    }

    /// All rows of a query by values: in pieces, smaller pieces where asked for, and page by page.
    pub(crate) async fn follow<E, F>(&self, values: &[String], pages_max: usize, get: F) -> Result<Vec<Record>, CallError>
    where
        E: Endpoint<Reply = Page<Record>> + Sync,
        F: Fn(&[String], Option<PageToken>) -> E,
    {
        let mut pieces: Vec<&[String]> = values.chunks(size::FILTER_VALUES_MAX).rev().collect();
        let mut found = Vec::new();
        while let Some(piece) = pieces.pop() {
            match self.pages(pages_max, |next| get(piece, next)).await {
                Ok(mut rows) => found.append(&mut rows),
                Err(error) if asks_for_less(&error) && piece.len() > 1 => {
                    let (first, second) = piece.split_at(piece.len() / 2);
                    pieces.extend([second, first]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn pages<E>(&self, pages_max: usize, get: impl Fn(Option<PageToken>) -> E) -> Result<Vec<Record>, CallError>
    where
        E: Endpoint<Reply = Page<Record>> + Sync,
    {
        let (mut rows, mut next) = (Vec::new(), None);
        for _ in 0..pages_max {
            let mut page = self.call(&get(next)).await?;
            rows.append(&mut page.rows);
            match page.next {
                Some(token) => next = Some(token),
                None => return Ok(rows),
            }
        }
        Err(CallError::Garbled(format!("a listing that does not end after {pages_max} pages")))
    }
}

/// Whether fewer values may work: too many matches, whatever the words are, or a query that the server could not finish in time.
fn asks_for_less(error: &CallError) -> bool {
    error.class() == Some(Class::Split) || matches!(error.code(), code::TIMED_OUT | code::INVALID_DATA)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::test::answer;

    fn get(values: &[&str]) -> GetLeads {
        GetLeads {
            filter_field: "externalPersonId".into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            fields: vec!["id".into(), "email".into()],
            next: PageToken::new("KXQ=+="),
        }
    }

    #[test]
    fn a_query_is_a_form_whatever_its_length() {
        let request = get(&["a@x.example", "b c"]).request().unwrap();
        assert_eq!(request.target, wire::Target::Below("/rest/v1/leads.json?_method=GET".into()));
        assert_eq!(
            request.body,
            "filterType=externalPersonId&filterValues=a%40x.example%2Cb+c&batchSize=300&fields=id%2Cemail&nextPageToken=KXQ%3D%2B%3D"
        );
        assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    }

    #[test]
    fn what_marketo_would_misread_is_not_sent() {
        for values in [&["a,b"][..], &[""], &[], &["x"; 301]] {
            assert!(matches!(get(values).request(), Err(CallError::Unwritable(_))), "{} values", values.len());
        }
        assert!(get(&["x"; 300]).request().is_ok());
    }

    #[test]
    fn no_match_is_an_empty_page() {
        for body in
            [r#"{"success":true,"result":[]}"#, r#"{"success":true}"#, r#"{"success":false,"errors":[{"code":"702","message":""}]}"#]
        {
            assert_eq!(get(&["x"]).decode(&answer(body)).unwrap(), Page { rows: vec![], next: None });
            assert_eq!(GetLead { id: 1, fields: vec![] }.decode(&answer(body)).unwrap(), None);
        }
    }
}
