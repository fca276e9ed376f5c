//! What happened to leads: activities, changes of their fields, deletions.
//!
//! From Adobe's "Activities" page. A listing goes on from a token; the token that comes with the last page is the place from which to
//! resume. A page may be short or empty and still not be the last. Times are to the second, so resuming from a time repeats some:
//! drop what is known by its `guid`, because `id` may be missing and is not unique.

use std::{collections::BTreeMap, time::Duration};

use base::Timestamp;
use serde_json::{Map, Value};
use wire::{CallError, Endpoint, Request, Response};

use crate::{PageToken, envelope::Envelope, form, moment, number, size};

/// The server's own limit for a paging token is 300 s.
const TOKEN_WITHIN: Duration = Duration::from_secs(330);

/// A token from which activities since an instant can be listed. Whether the instant itself is included is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PagingTokenSince {
    /// The instant; parts of a second are cut off.
    pub at: Timestamp,
}

/// Activities of some types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activities {
    /// Where to go on.
    pub token: PageToken,
    /// 1 to 10 types.
    pub type_ids: Vec<i64>,
    /// Up to 30 leads; empty: all.
    pub lead_ids: Vec<i64>,
}

/// New leads (type 12) and changes of fields (type 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadChanges {
    /// Where to go on.
    pub token: PageToken,
    /// The fields whose changes are wanted; at least one.
    pub fields: Vec<String>,
    /// Up to 30 leads; empty: all.
    pub lead_ids: Vec<i64>,
}

/// Deletions of leads (type 37). The vendor may forget them after 14 days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedLeads {
    /// Where to go on.
    pub token: PageToken,
}

/// One page of activities.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityPage {
    /// Its activities.
    pub activities: Vec<Activity>,
    /// Where to go on, also after the last page.
    pub next: PageToken,
    /// Whether there is more now. A page can be empty and have more behind it.
    pub more: bool,
    /// Why rows could not be read; one bad row does not spoil its page.
    pub unreadable: Vec<String>,
}

/// One thing that happened to a lead.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// What it is recognised by when it comes again; the number when there is no GUID.
    pub guid: String,
    /// The lead it happened to.
    pub lead_id: i64,
    /// When.
    pub at: Timestamp,
    /// Its type; names are told by [`crate::ActivityTypes`].
    pub type_id: i64,
    /// The campaign that did it.
    pub campaign_id: Option<i64>,
    /// Marketo's id of what it was about.
    pub primary_value_id: Option<i64>,
    /// What it was about.
    pub primary_value: Option<String>,
    /// Its attributes, as sent; empty ones are left out by the vendor.
    pub attributes: BTreeMap<String, Value>,
    /// The fields that changed; only in [`LeadChanges`].
    pub changes: Vec<FieldChange>,
}

/// A change of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// The field.
    pub name: String,
    /// Its value before.
    pub old: Value,
    /// Its value after.
    pub new: Value,
}

impl Activity {
    /// An attribute as text, by its name in whatever case; `None` when it is absent or null.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let value = self
            .attributes
            .get(name)
            .or_else(|| self.attributes.iter().find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value)))?;
        plain(value)
    }

    fn read(row: &Map<String, Value>) -> Result<Self, String> {
        let number = |name: &str| row.get(name).and_then(number::whole);
        let guid = row.get("marketoGUID").and_then(plain).or_else(|| row.get("id").and_then(plain)).map(|guid| guid.trim().to_owned());
        let guid = guid.filter(|guid| !guid.is_empty()).ok_or("an activity without marketoGUID and id")?;
        let lack = |what: &str| format!("activity {guid} has no readable {what}");
        let at = row.get("activityDate").and_then(Value::as_str).and_then(moment::read).ok_or_else(|| lack("activityDate"))?;
        Ok(Self {
            lead_id: number("leadId").ok_or_else(|| lack("leadId"))?,
            type_id: number("activityTypeId").ok_or_else(|| lack("activityTypeId"))?,
            at,
            campaign_id: number("campaignId"),
            primary_value_id: number("primaryAttributeValueId"),
            primary_value: row.get("primaryAttributeValue").and_then(plain),
            attributes: row.get("attributes").map(attributes).unwrap_or_default(),
            changes: row
                .get("fields")
                .and_then(Value::as_array)
                .map(|fields| fields.iter().filter_map(change).collect())
                .unwrap_or_default(),
            guid,
        })
    }
}

/// A value as text; `None` for null.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
        Value::Null => None,
    }
}

/// A list of names with values, or (in bulk files) one object.
fn attributes(value: &Value) -> BTreeMap<String, Value> {
    match value {
        Value::Array(items) => items
            .iter()
            .filter_map(|item| {
                let name = item.get("name").or_else(|| item.get("apiName"))?.as_str()?;
                Some((name.to_owned(), item.get("value").cloned().unwrap_or(Value::Null)))
            })
            .collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeMap::new(),
    }
}

fn change(value: &Value) -> Option<FieldChange> {
    let member = |name: &str| value.get(name).cloned().unwrap_or(Value::Null);
    Some(FieldChange { name: value.get("name")?.as_str()?.to_owned(), old: member("oldValue"), new: member("newValue") })
}

impl Endpoint for PagingTokenSince {
    type Reply = PageToken;

    fn request(&self) -> Result<Request, CallError> {
        let address = form::address("/rest/v1/activities/pagingtoken.json", &[("sinceDatetime", &moment::write(self.at))])?;
        let mut request = Request::get("activities.token", address);
        request.timeout = TOKEN_WITHIN;
        Ok(request)
    }

    fn decode(&self, response: &Response) -> Result<PageToken, CallError> {
        let token = Envelope::<Value>::read(response)?.next_page_token.and_then(PageToken::new);
        token.ok_or_else(|| CallError::Garbled("an answer without the token that was asked for".into()))
    }
}

impl Endpoint for Activities {
    type Reply = ActivityPage;

    fn request(&self) -> Result<Request, CallError> {
        size::check("activity types", self.type_ids.len(), size::ACTIVITY_TYPES_MAX)?;
        let types = form::numbers(&self.type_ids);
        listing("activities.get", "/rest/v1/activities.json", &self.token, &[("activityTypeIds", &types)], &self.lead_ids)
    }

    fn decode(&self, response: &Response) -> Result<ActivityPage, CallError> {
        page(response, &self.token)
    }
}

impl Endpoint for LeadChanges {
    type Reply = ActivityPage;

    fn request(&self) -> Result<Request, CallError> {
        if self.fields.is_empty() {
            return Err(CallError::Unwritable("changes of no field: Marketo wants at least one".into()));
        }
        let fields = form::list("field", &self.fields)?;
        listing("activities.changes", "/rest/v1/activities/leadchanges.json", &self.token, &[("fields", &fields)], &self.lead_ids)
    }

    fn decode(&self, response: &Response) -> Result<ActivityPage, CallError> {
        page(response, &self.token)
    }
}

impl Endpoint for DeletedLeads {
    type Reply = ActivityPage;

    fn request(&self) -> Result<Request, CallError> {
        listing("activities.deleted", "/rest/v1/activities/deletedleads.json", &self.token, &[], &[])
    }

    fn decode(&self, response: &Response) -> Result<ActivityPage, CallError> {
        page(response, &self.token)
    }
}

/// A listing as an address; as a form when token or fields make it too long for one.
fn listing(name: &'static str, path: &str, token: &PageToken, own: &[(&str, &str)], leads: &[i64]) -> Result<Request, CallError> {
    let leads = if leads.is_empty() {
        None
    } else {
        size::check("leads", leads.len(), size::ACTIVITY_LEADS_MAX)?;
        Some(form::numbers(leads))
    };
    let rows = size::PAGE_ROWS_MAX.to_string();
    let mut parameters = vec![("nextPageToken", token.as_str()), ("batchSize", rows.as_str())];
    parameters.extend_from_slice(own);
    if let Some(leads) = &leads {
        parameters.push(("leadIds", leads));
    }
    form::short_or_form(name, path, &parameters)
}

fn page(response: &Response, sent: &PageToken) -> Result<ActivityPage, CallError> {
    let envelope = Envelope::<Vec<Map<String, Value>>>::read(response)?;
    let more = envelope.more_result.unwrap_or(false);
    let next = match envelope.next_page_token.and_then(PageToken::new) {
        Some(next) => next,
        None if more => return Err(CallError::Garbled("a page that has more behind it and does not say where".into())),
        None => sent.clone(),
    };
    let mut page = ActivityPage { activities: Vec::new(), next, more, unreadable: Vec::new() };
    for row in envelope.result.unwrap_or_default() {
        match Activity::read(&row) {
            Ok(activity) => page.activities.push(activity),
            Err(reason) => page.unreadable.push(reason),
        }
    }
    Ok(page)
}

#[cfg(test)]
#[path = "activity_test.rs"]
mod tests;
