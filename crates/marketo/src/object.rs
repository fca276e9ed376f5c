//! Companies, sales persons, opportunities and roles: reading, writing, deleting.
//!
//! They share one pattern, documented on Adobe's "Lead database" page. Leads have calls of their own; giving [`Object::Lead`] here is
//! refused before anything is sent.

use std::time::Duration;

use base::Object;
use http::Method;
use serde::Serialize;
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{
    Action, Client, Page, PageToken, Place, Record, envelope,
    envelope::Envelope,
    lead,
    record_verdict::{self, Verdict},
    size,
};

/// Pages of one query: its number of matches has no documented limit, so this only ends a listing that would never end.
const PAGES_MAX: usize = 10_000;

/// The server's own limit for a query is 30 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Records of an object by one field. Always sent as a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryObjects {
    /// Which object.
    pub object: Object,
    /// The field to search by, or the words `idField` and `dedupeFields` (the latter for keys of one field).
    pub filter_field: String,
    /// 1 to 300 values, without commas.
    pub values: Vec<String>,
    /// The fields to return; empty: the vendor's default fields, which differ per object.
    pub fields: Vec<String>,
    /// Where the page begins; `None`: the first.
    pub next: Option<PageToken>,
}

/// Roles by their compound key: opportunity, lead and name of the role.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryRoles {
    /// 1 to 300 keys, each with `externalOpportunityId`, `leadId` and `role`.
    pub keys: Vec<Record>,
    /// The fields to return.
    pub fields: Vec<String>,
    /// Where the page begins; `None`: the first.
    pub next: Option<PageToken>,
}

/// Which key says what record is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyBy {
    /// The key that writers give. Records must not hold Marketo's id.
    DedupeFields,
    /// Marketo's own id; only for updates and deletes. Records must not hold the other key.
    IdField,
}

/// One write of 1 to 300 records.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncObjects<R = Record> {
    /// Which object.
    pub object: Object,
    /// What to do with those that are there and those that are not; never [`Action::CreateDuplicate`].
    pub action: Action,
    /// Which key the records hold.
    pub dedupe_by: KeyBy,
    /// The records: [`Record`]s, or what is written as one. One key must not be in two of them.
    pub records: Vec<R>,
}

/// One deletion of 1 to 300 records. What is gone already is skipped with 1013, what is still referred to with 1022.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteObjects {
    /// Which object.
    pub object: Object,
    /// Which key the keys are.
    pub by: KeyBy,
    /// The keys: records with only the members of the key.
    pub keys: Vec<Record>,
}

/// The names of an object's calls: query, write, delete.
fn names(object: Object) -> Result<[&'static str; 3], CallError> {
    match object {
        Object::Company => Ok(["companies.get", "companies.sync", "companies.delete"]),
        Object::SalesPerson => Ok(["salespersons.get", "salespersons.sync", "salespersons.delete"]),
        Object::Opportunity => Ok(["opportunities.get", "opportunities.sync", "opportunities.delete"]),
        Object::Role => Ok(["roles.get", "roles.sync", "roles.delete"]),
        Object::Lead => Err(CallError::Unwritable("leads have calls of their own".into())),
    }
}

impl Endpoint for QueryObjects {
    type Reply = Page<Record>;

    fn request(&self) -> Result<Request, CallError> {
        let [name, _, _] = names(self.object)?;
        let path = format!("{}.json", self.object.path());
        let mut request = lead::filter_request(name, &path, &self.filter_field, &self.values, &self.fields, self.next.as_ref())?;
        request.timeout = ANSWER_WITHIN;
        Ok(request)
    }

    fn decode(&self, response: &Response) -> Result<Page<Record>, CallError> {
        Ok(Envelope::<Vec<Record>>::read(response)?.into_page())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CompoundQuery<'a> {
    filter_type: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    fields: &'a [String],
    batch_size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<&'a str>,
    input: &'a [Record],
}

impl Endpoint for QueryRoles {
    type Reply = Page<Record>;

    fn request(&self) -> Result<Request, CallError> {
        size::check("keys", self.keys.len(), size::FILTER_VALUES_MAX)?;
        let body = CompoundQuery {
            filter_type: "dedupeFields",
            fields: &self.fields,
            batch_size: size::PAGE_ROWS_MAX,
            next_page_token: self.next.as_ref().map(PageToken::as_str),
            input: &self.keys,
        };
        let path = format!("{}.json?_method=GET", Object::Role.path());
        size::fitting(Request::json("roles.get", Method::POST, path, &body, Replay::Safe)?, size::BODY_MAX_BYTES)
    }

    fn decode(&self, response: &Response) -> Result<Page<Record>, CallError> {
        Ok(Envelope::<Vec<Record>>::read(response)?.into_page())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncBody<'a, R> {
    action: Action,
    dedupe_by: KeyBy,
    input: &'a [R],
}

impl<R: Serialize> Endpoint for SyncObjects<R> {
    /// One verdict per record, in the order of the records.
    type Reply = Vec<Verdict>;

    fn request(&self) -> Result<Request, CallError> {
        size::check("records", self.records.len(), size::RECORDS_MAX)?;
        let [_, name, _] = names(self.object)?;
        let replay = match (self.action, self.dedupe_by) {
            (Action::CreateOrUpdate, KeyBy::DedupeFields) | (Action::UpdateOnly, _) => Replay::Safe,
            (Action::CreateOnly, KeyBy::DedupeFields) => Replay::Unsafe,
            (Action::CreateOrUpdate | Action::CreateOnly, KeyBy::IdField) => {
                return Err(CallError::Unwritable("Marketo's own id can only be used to update and to delete".into()));
            }
            (Action::CreateDuplicate, _) => return Err(CallError::Unwritable("only leads can be created as duplicates".into())),
        };
        let body = SyncBody { action: self.action, dedupe_by: self.dedupe_by, input: &self.records };
        let path = format!("{}.json", self.object.path());
        let request = Request::json(name, Method::POST, path, &body, replay)?;
        size::fitting(Request { divisible: true, ..request }, size::BODY_MAX_BYTES)
    }

    fn decode(&self, response: &Response) -> Result<Vec<Verdict>, CallError> {
        record_verdict::in_order(&envelope::rows::<Record>(response)?, self.records.len())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeleteBody<'a> {
    delete_by: KeyBy,
    input: &'a [Record],
}

impl Endpoint for DeleteObjects {
    /// One verdict per key, in the order of the keys.
    type Reply = Vec<Verdict>;

    fn request(&self) -> Result<Request, CallError> {
        size::check("keys", self.keys.len(), size::RECORDS_MAX)?;
        let [_, _, name] = names(self.object)?;
        let path = format!("{}/delete.json", self.object.path());
        let body = DeleteBody { delete_by: self.by, input: &self.keys };
        let request = Request::json(name, Method::POST, path, &body, Replay::Safe)?;
        size::fitting(Request { divisible: true, ..request }, size::BODY_MAX_BYTES)
    }

    fn decode(&self, response: &Response) -> Result<Vec<Verdict>, CallError> {
        record_verdict::in_order(&envelope::rows::<Record>(response)?, self.keys.len())
    }
}

impl Client {
    /// All records whose `filter_field` is one of any number of values: 300 values in each call, and every page.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn objects(
        &self,
        object: Object,
        filter_field: &str,
        values: &[String],
        fields: &[String],
    ) -> Result<Vec<Record>, CallError> {
        let get = |values: &[String], next| QueryObjects {
            object,
            filter_field: filter_field.to_owned(),
            values: values.to_vec(),
            fields: fields.to_vec(),
            next,
        };
        self.follow(values, PAGES_MAX, get).await
    }
}

#[cfg(test)]
#[path = "object_test.rs"]
mod tests;
