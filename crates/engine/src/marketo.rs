//! What the engine asks of Marketo, in the engine's words. The only place that knows the Marketo client's calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ::marketo::{
    Action, Activities, Activity, ActivityTypes, Client, DataType, DeleteLeads, DeleteObjects, DeletedLeads, Describe, DescribeLeads,
    DescribeLeadsOld, Description, KeyBy, MergeLeads, PageToken, PagingTokenSince, SyncLeads, SyncObjects, Usage,
};
use base::{Object, Timestamp};
use futures::{FutureExt, future::BoxFuture};
use planner::{DataKind, TargetField, TargetSchema, identity::Person};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{CallError, Class, Lane, Pace};

use crate::{
    defect::{Defect, has},
    dynamics::is_on_this_machine,
    plan::Rehearsal,
};

mod field;
mod import;
mod rehearsed;

pub use import::{Import, ImportFile, Reports};
use rehearsed::as_maps;
pub(crate) use rehearsed::{NO_PERSON, NO_RECORD};

/// People that one call may merge into another (Adobe, "Leads": merge).
pub const LOSERS_MAX: usize = ::marketo::size::LOSERS_MAX;

/// Marketo's refusal where a native CRM sync is on (Adobe, "Error codes").
const NATIVE_SYNC: &str = "1018";

/// An object as Marketo describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectSchema {
    /// Its fields.
    pub fields: TargetSchema,
    /// Fields by which it can be looked up.
    pub searchable: Vec<String>,
    /// What people see as the fields' names, by REST name; only where it was just read.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
}

/// How a write treats what is there and what isn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// Created, or changed if it is there.
    CreateOrUpdate,
    /// Created; refused if it is there.
    CreateOnly,
    /// Changed; refused if it isn't there.
    UpdateOnly,
}

/// What Marketo says of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// It is done.
    pub confirmed: bool,
    /// It was created.
    pub created: bool,
    /// Marketo's own id, for people, companies and sales persons.
    pub id: Option<i64>,
    /// Why not: Marketo's code.
    pub code: String,
    /// Why not: Marketo's words.
    pub message: String,
}

impl Verdict {
    /// That of a record with which all is well.
    pub(crate) fn done() -> Self {
        Self { confirmed: true, created: false, id: None, code: String::new(), message: String::new() }
    }

    /// That of a record whose whole call was refused.
    pub(crate) fn refused(code: &str, error: &CallError) -> Self {
        let message = error.refusal().map_or_else(|| error.to_string(), |refusal| refusal.message.clone());
        Self { confirmed: false, created: false, id: None, code: code.to_owned(), message }
    }
}

/// People that were found.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// They.
    pub people: Vec<Person>,
    /// Values that more people have than Marketo answers with, in lower case.
    pub crowded: BTreeSet<String>,
}

/// Something that happened to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// What it is recognised by when it comes again.
    pub guid: String,
    /// The Marketo id of the person.
    pub person: i64,
    /// The Marketo ids of people that were merged into it.
    pub merged: Vec<i64>,
}

/// A page of activities.
#[derive(Debug, Clone)]
pub struct ActivityPage {
    /// They.
    pub activities: Vec<Happened>,
    /// Where to go on.
    pub next: String,
    /// Whether there is more right now.
    pub more: bool,
}

/// The field by which records of an object are known (people have theirs in the configuration).
#[must_use]
pub const fn key_field(object: Object) -> &'static str {
    match object {
        Object::SalesPerson => "externalSalesPersonId",
        Object::Company => "externalCompanyId",
        Object::Lead => "externalPersonId",
        Object::Opportunity | Object::Role => "externalOpportunityId",
    }
}

/// The Marketo side of a bridge.
#[derive(Debug, Clone)]
pub struct Marketo {
    client: Client,
    /// Where it only notes what would be written.
    rehearsal: Option<Arc<Rehearsal>>,
}

impl Marketo {
    /// Over this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, rehearsal: None }
    }

    /// The same, all of whose calls go in this lane.
    #[must_use]
    pub fn in_lane(&self, lane: Lane) -> Self {
        Self { client: self.client.in_lane(lane), rehearsal: self.rehearsal.clone() }
    }

    /// Its address, where it isn't on this machine.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        Some(self.client.base().to_owned()).filter(|address| !is_on_this_machine(address))
    }

    /// The limits of its client.
    #[must_use]
    pub fn pace(&self) -> &Pace {
        self.client.pace()
    }

    /// Calls that may be under way at once.
    #[must_use]
    pub fn in_flight_max(&self) -> usize {
        self.client.pace().limits().in_flight_max
    }

    /// An object's fields.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn describe(&self, object: Object) -> Result<ObjectSchema, CallError> {
        let described = match object {
            Object::Lead => match self.client.call(&DescribeLeads).await {
                // Subscriptions without the newer call still have the older one.
                Err(error) if matches!(error.class(), Some(Class::Bug | Class::Missing)) || status_of(&error) == Some(404) => {
                    return Ok(searchable_by_kind(schema(self.client.call(&DescribeLeadsOld).await?)));
                }
                described => described?,
            },
            Object::SalesPerson | Object::Company | Object::Opportunity | Object::Role => self.client.call(&Describe { object }).await?,
        };
        Ok(schema(described))
    }

    /// The day by Marketo's clock, and the calls of all integrations on it; none when it doesn't say.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn usage(&self) -> Result<Option<(jiff::civil::Date, u64)>, CallError> {
        let days = self.client.call(&Usage { days: ::marketo::usage::Days::Today }).await?;
        Ok(days.last().map(|day| (day.date, day.total)))
    }

    /// People whose `field` is one of `values`, with `fields`. A value that too many people have is told apart.
    ///
    /// # Errors
    /// What became of the calls.
    pub fn people<'a>(&'a self, field: &'a str, values: Vec<String>, fields: &'a [String]) -> BoxFuture<'a, Result<People, CallError>> {
        match &self.rehearsal {
            None => self.people_there(field, values, fields),
            Some(rehearsal) => self.people_in(rehearsal, field, values, fields),
        }
    }

    /// People as Marketo has them.
    fn people_there<'a>(
        &'a self,
        field: &'a str,
        mut values: Vec<String>,
        fields: &'a [String],
    ) -> BoxFuture<'a, Result<People, CallError>> {
        async move {
            if values.is_empty() {
                return Ok(People::default());
            }
            match self.client.leads(field, &values, fields).await {
                Ok(rows) => Ok(People { people: rows.into_iter().filter_map(Person::read).collect(), crowded: BTreeSet::new() }),
                Err(error) if error.class() == Some(Class::Split) && values.len() == 1 => {
                    Ok(People { people: Vec::new(), crowded: values.iter().map(|value| value.to_lowercase()).collect() })
                }
                Err(error) if error.class() == Some(Class::Split) => {
                    let second = values.split_off(values.len() / 2);
                    let mut found = self.people_there(field, values, fields).await?;
                    let more = self.people_there(field, second, fields).await?;
                    // A person may be in both answers.
                    found.people.extend(more.people);
                    found.people.sort_by_key(|person| person.id);
                    found.people.dedup_by_key(|person| person.id);
                    found.crowded.extend(more.crowded);
                    Ok(found)
                }
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    /// Records of an object whose `field` is one of `values`.
    ///
    /// # Errors
    /// What became of the calls.
    pub async fn query(
        &self,
        object: Object,
        field: &str,
        values: Vec<String>,
        fields: &[&str],
    ) -> Result<Vec<Map<String, Value>>, CallError> {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        if values.is_empty() {
            return Ok(Vec::new());
        }
        match object {
            Object::Lead => Ok(self.people(field, values, &fields).await?.people.into_iter().map(|person| person.record).collect()),
            Object::SalesPerson | Object::Company | Object::Opportunity | Object::Role => {
                self.client.objects(object, field, &values, &fields).await
            }
        }
    }

    /// Writes people.
    ///
    /// # Errors
    /// What became of the call as a whole.
    pub async fn sync_people<R: Serialize + Send + Sync>(
        &self,
        mode: SyncMode,
        lookup_field: &str,
        records: Vec<R>,
    ) -> Result<Vec<Verdict>, CallError> {
        if let Some(rehearsal) = &self.rehearsal {
            return self.sync_people_in(rehearsal, mode, lookup_field, as_maps(&records)?).await;
        }
        let sync = SyncLeads { action: action(mode), lookup_field: lookup_field.to_owned(), records, partition: None };
        verdicts(self.client.call(&sync).await?)
    }

    /// Writes records of another object by their own key.
    ///
    /// # Errors
    /// What became of the call as a whole.
    pub async fn sync<R: Serialize + Send + Sync>(
        &self,
        object: Object,
        mode: SyncMode,
        records: Vec<R>,
    ) -> Result<Vec<Verdict>, CallError> {
        if let Some(rehearsal) = &self.rehearsal {
            return self.sync_in(rehearsal, object, mode, as_maps(&records)?).await;
        }
        let sync = SyncObjects { object, action: action(mode), dedupe_by: KeyBy::DedupeFields, records };
        verdicts(self.client.call(&sync).await?)
    }

    /// Removes records by their own key.
    ///
    /// # Errors
    /// What became of the call as a whole.
    pub async fn remove(&self, object: Object, keys: Vec<Map<String, Value>>) -> Result<Vec<Verdict>, CallError> {
        if let Some(rehearsal) = &self.rehearsal {
            return self.remove_in(rehearsal, object, keys).await;
        }
        let delete = DeleteObjects { object, by: KeyBy::DedupeFields, keys };
        verdicts(self.client.call(&delete).await?)
    }

    /// Merges up to [`LOSERS_MAX`] people into another, whose values win.
    ///
    /// # Errors
    /// What became of the call; a refusal with 1004 when one of them isn't there, which is also what a repeated call says.
    pub async fn merge(&self, winner: i64, losers: Vec<i64>) -> Result<(), CallError> {
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.answers_for_marketo();
            rehearsal.merges(winner, &losers);
            return Ok(());
        }
        self.client.call(&MergeLeads { winner, losers }).await
    }

    /// Deletes people. One that isn't there counts as deleted.
    ///
    /// # Errors
    /// What became of the call as a whole.
    pub async fn delete_people(&self, ids: Vec<i64>) -> Result<Vec<Verdict>, CallError> {
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.answers_for_marketo();
            rehearsal.deletes(&ids);
            return Ok(ids.iter().map(|_| Verdict::done()).collect());
        }
        let answered = self.client.call(&DeleteLeads { ids }).await?;
        Ok(answered.into_iter().map(|answer| if answer.is_gone() { Verdict::done() } else { verdict(answer) }).collect())
    }

    /// A token from which activities can be read.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn token_since(&self, at: Timestamp) -> Result<String, CallError> {
        Ok(self.client.call(&PagingTokenSince { at }).await?.as_str().to_owned())
    }

    /// The ids of activity types by name, of those that the subscription lists; all well-known ids where it lists none of them.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn activity_types(&self, wanted: &[(&str, i64)]) -> Result<Vec<i64>, CallError> {
        let types = self.client.call(&ActivityTypes).await?;
        let id = |(name, _): &(&str, i64)| types.iter().find(|kind| kind.name.eq_ignore_ascii_case(name)).map(|kind| kind.id);
        let listed: Vec<i64> = wanted.iter().filter_map(id).collect();
        Ok(if listed.is_empty() { wanted.iter().map(|(_, known)| *known).collect() } else { listed })
    }

    /// A page of activities of these types.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn activities(&self, token: &str, types: &[i64]) -> Result<ActivityPage, CallError> {
        let token = PageToken::new(token).ok_or_else(|| CallError::Unwritable("an empty paging token".into()))?;
        Ok(activity_page(self.client.call(&Activities { token, type_ids: types.to_vec(), lead_ids: Vec::new() }).await?))
    }

    /// A page of deletions of people.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn deletions(&self, token: &str) -> Result<ActivityPage, CallError> {
        let token = PageToken::new(token).ok_or_else(|| CallError::Unwritable("an empty paging token".into()))?;
        Ok(activity_page(self.client.call(&DeletedLeads { token }).await?))
    }
}

fn activity_page(page: ::marketo::ActivityPage) -> ActivityPage {
    let happened = |activity: Activity| Happened { merged: merged(&activity), guid: activity.guid, person: activity.lead_id };
    ActivityPage { activities: page.activities.into_iter().map(happened).collect(), next: page.next.as_str().to_owned(), more: page.more }
}

/// Who was merged into the person; its form isn't documented: `[1,2]` as text or as a list, `1,2`.
fn merged(activity: &Activity) -> Vec<i64> {
    let text = activity.text("Merge IDs").unwrap_or_default();
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn status_of(error: &CallError) -> Option<u16> {
    error.refusal().map(|refusal| refusal.status)
}

/// The older describe doesn't say what can be looked up by; texts, e-mails and whole numbers can (Adobe, "Leads": filter types).
fn searchable_by_kind(mut schema: ObjectSchema) -> ObjectSchema {
    let by_kind = |field: &&TargetField| matches!(field.kind, DataKind::String | DataKind::Email | DataKind::Integer);
    schema.searchable.extend(schema.fields.fields().filter(by_kind).map(|field| field.name.clone()));
    schema
}

fn action(mode: SyncMode) -> Action {
    match mode {
        SyncMode::CreateOrUpdate => Action::CreateOrUpdate,
        SyncMode::CreateOnly if has(Defect::BlindCreate) => Action::CreateDuplicate,
        SyncMode::CreateOnly => Action::CreateOnly,
        SyncMode::UpdateOnly => Action::UpdateOnly,
    }
}

/// The verdicts; a native CRM sync (1018) excludes this one as a whole, wherever Marketo says so.
fn verdicts(answered: Vec<::marketo::Verdict>) -> Result<Vec<Verdict>, CallError> {
    if let Some(native) = answered.iter().find(|verdict| verdict.code() == NATIVE_SYNC) {
        let (code, message) = (NATIVE_SYNC.to_owned(), native.message().to_owned());
        return Err(wire::Refusal { status: 200, code, message, class: Class::Config, wait: None, request_id: None }.into());
    }
    Ok(answered.into_iter().map(verdict).collect())
}

fn verdict(verdict: ::marketo::Verdict) -> Verdict {
    // A refusal must have a name under which people find it.
    let code = if verdict.code().is_empty() { "refused" } else { verdict.code() };
    Verdict {
        confirmed: verdict.is_confirmed(),
        created: verdict.status == ::marketo::Status::Created,
        id: verdict.id,
        code: code.to_owned(),
        message: verdict.message().to_owned(),
    }
}

fn schema(description: Description) -> ObjectSchema {
    let searchable = description.searchable.iter().filter(|key| key.len() == 1).flatten().cloned().collect();
    let labels = description.fields.values().map(|field| (field.name.clone(), field.display_name.clone())).collect();
    let fields = description.fields.into_values().map(|field| {
        let kind = match field.data_type {
            DataType::String | DataType::Phone | DataType::Url | DataType::Other(_) => DataKind::String,
            DataType::Text => DataKind::Text,
            DataType::Email => DataKind::Email,
            DataType::Integer | DataType::Score | DataType::Percent => DataKind::Integer,
            DataType::Float | DataType::Currency => DataKind::Float,
            DataType::Boolean => DataKind::Boolean,
            DataType::Date => DataKind::Date,
            DataType::DateTime => DataKind::DateTime,
            DataType::Reference | DataType::Formula => DataKind::String,
        };
        TargetField { name: field.name, kind, label: Some(field.display_name), length: field.length, updateable: field.updateable }
    });
    ObjectSchema { fields: TargetSchema::new(fields), searchable, labels }
}
