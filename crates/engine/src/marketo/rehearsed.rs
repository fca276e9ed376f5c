//! What Marketo would answer to writes that aren't made.
//!
//! Only what decides about the writes after them is told apart: whether a person or record is there already. What Marketo would refuse for its values
//! isn't known here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::Object;
use futures::{FutureExt, future::BoxFuture};
use planner::identity::Person;
use serde::Serialize;
use serde_json::{Map, Value};
use wire::CallError;

use ::marketo::size::FILTER_VALUES_MAX;

use super::{Marketo, People, SyncMode, Verdict, key_field};
use crate::plan::{Rehearsal, role_place};

/// Marketo's refusals that decide which call comes next (Adobe, "Error codes"): it exists already; no such person; no such record.
const EXISTS: &str = "1005";
pub(crate) const NO_PERSON: &str = "1004";
pub(crate) const NO_RECORD: &str = "1013";

type Record = Map<String, Value>;

impl Marketo {
    /// The same, that answers writes itself.
    pub(crate) fn rehearsing(&self, rehearsal: Arc<Rehearsal>) -> Self {
        Self { rehearsal: Some(rehearsal), client: self.client.clone() }
    }

    /// People as they would be.
    pub(super) fn people_in<'a>(
        &'a self,
        rehearsal: &'a Rehearsal,
        field: &'a str,
        values: Vec<String>,
        fields: &'a [String],
    ) -> BoxFuture<'a, Result<People, CallError>> {
        async move {
            let is_new = |value: &String| field == "id" && value.parse().is_ok_and(Rehearsal::is_new);
            let there: Vec<String> = values.iter().filter(|value| !is_new(value)).cloned().collect();
            if there.is_empty() && !values.is_empty() {
                rehearsal.answers_for_marketo();
            }
            let mut found = self.people_there(field, there, fields).await?;
            let merged = rehearsal.as_it_would_be(field, &values, fields, &mut found.people);
            // What the one that stays has nothing of, it takes over from the others (Adobe, "Leads": merge).
            let losers: Vec<String> = merged.values().flatten().map(i64::to_string).collect();
            rehearsal.asks_only_to_tell(losers.len().div_ceil(FILTER_VALUES_MAX));
            let losers: BTreeMap<i64, Person> =
                self.people_there("id", losers, fields).await?.people.into_iter().map(|person| (person.id, person)).collect();
            for person in &mut found.people {
                let others = merged.get(&person.id).into_iter().flatten().filter_map(|loser| losers.get(loser));
                fill(person, others);
            }
            Ok(found)
        }
        .boxed()
    }

    pub(super) async fn sync_people_in(
        &self,
        rehearsal: &Rehearsal,
        mode: SyncMode,
        lookup_field: &str,
        records: Vec<Record>,
    ) -> Result<Vec<Verdict>, CallError> {
        rehearsal.answers_for_marketo();
        match (mode, lookup_field) {
            (SyncMode::UpdateOnly, "id") => self.update_in(rehearsal, records).await,
            (SyncMode::CreateOnly, field) => self.create_in(rehearsal, field, records).await,
            // That is only asked to find out whether Marketo would look a person up so, and nobody is meant.
            (SyncMode::UpdateOnly | SyncMode::CreateOrUpdate, _) => Ok(records.iter().map(|_| refused(NO_PERSON)).collect()),
        }
    }

    async fn update_in(&self, rehearsal: &Rehearsal, records: Vec<Record>) -> Result<Vec<Verdict>, CallError> {
        let fields: BTreeSet<String> = records.iter().flat_map(|record| record.keys().cloned()).chain(["id".to_owned()]).collect();
        let fields: Vec<String> = fields.into_iter().collect();
        let id_of = |record: &Record| record.get("id").and_then(Value::as_i64).unwrap_or_default();
        let ids: Vec<String> = records.iter().map(id_of).filter(|id| !Rehearsal::is_new(*id)).map(|id| id.to_string()).collect();
        rehearsal.asks_only_to_tell(usize::from(!ids.is_empty()));
        let there = self.people_there("id", ids, &fields).await?.people;
        let verdict = |record: &Record| {
            let id = id_of(record);
            let before = there.iter().find(|person| person.id == id).map(|person| person.record.clone());
            if before.is_none() && !Rehearsal::is_new(id) {
                return refused(NO_PERSON);
            }
            let mut fields = record.clone();
            fields.remove("id");
            rehearsal.changes(Object::Lead, id.to_string(), before.unwrap_or_default(), Some((id, &fields)));
            Verdict { id: Some(id), ..Verdict::done() }
        };
        Ok(records.iter().map(verdict).collect())
    }

    async fn create_in(&self, rehearsal: &Rehearsal, field: &str, records: Vec<Record>) -> Result<Vec<Verdict>, CallError> {
        let value_of = |record: &Record| record.get(field).and_then(Value::as_str).map(|text| text.trim().to_lowercase());
        // A comma would split an address in two; whoever has such a one can't be looked up by it.
        let values: BTreeSet<String> = records.iter().filter_map(value_of).filter(|value| !value.contains([',', ' '])).collect();
        rehearsal.asks_only_to_tell(usize::from(!values.is_empty()));
        let found = self.people_in(rehearsal, field, values.into_iter().collect(), &["id".to_owned(), field.to_owned()]).await?;
        let mut taken = found.crowded;
        taken.extend(found.people.iter().filter_map(|person| value_of(&person.record)));
        let mut create = |record: &Record| match value_of(record) {
            Some(value) if taken.contains(&value) => refused(EXISTS),
            value => {
                taken.extend(value);
                let id = rehearsal.creates(record, field);
                Verdict { created: true, id: Some(id), ..Verdict::done() }
            }
        };
        Ok(records.iter().map(&mut create).collect())
    }

    pub(super) async fn sync_in(
        &self,
        rehearsal: &Rehearsal,
        object: Object,
        mode: SyncMode,
        records: Vec<Record>,
    ) -> Result<Vec<Verdict>, CallError> {
        let there = self.there(rehearsal, object, &records).await?;
        let verdict = |record: &Record| {
            let place = place(object, record).unwrap_or_default();
            let before = there.get(&place);
            if before.is_none() && mode == SyncMode::UpdateOnly && !rehearsal.has_created(object, &place) {
                return refused(NO_RECORD);
            }
            let created = before.is_none() && !rehearsal.is_created(object, place.clone());
            rehearsal.changes(object, place, before.cloned().unwrap_or_default(), None);
            Verdict { created, ..Verdict::done() }
        };
        Ok(records.iter().map(verdict).collect())
    }

    pub(super) async fn remove_in(&self, rehearsal: &Rehearsal, object: Object, keys: Vec<Record>) -> Result<Vec<Verdict>, CallError> {
        let there = self.there(rehearsal, object, &keys).await?;
        let is_there = |record: &Record| {
            place(object, record).is_some_and(|place| there.contains_key(&place) || rehearsal.has_created(object, &place))
        };
        Ok(keys.iter().map(|record| if is_there(record) { Verdict::done() } else { refused(NO_RECORD) }).collect())
    }

    /// What Marketo holds of these records, by what they are known by.
    async fn there(&self, rehearsal: &Rehearsal, object: Object, records: &[Record]) -> Result<BTreeMap<String, Record>, CallError> {
        rehearsal.answers_for_marketo();
        rehearsal.asks_only_to_tell(1);
        let key = key_field(object);
        let keys: BTreeSet<String> = records.iter().filter_map(|record| Some(record.get(key)?.as_str()?.to_lowercase())).collect();
        let mut fields: BTreeSet<String> = records.iter().flat_map(|record| record.keys().cloned()).collect();
        fields.insert(key.to_owned());
        let found =
            self.client.objects(object, key, &keys.into_iter().collect::<Vec<_>>(), &fields.into_iter().collect::<Vec<_>>()).await?;
        Ok(found.into_iter().filter_map(|record| Some((place(object, &record)?, record))).collect())
    }
}

/// What a record is known by.
fn place(object: Object, record: &Record) -> Option<String> {
    match object {
        Object::Role => role_place(record, record.get("leadId").and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok()))?),
        Object::SalesPerson | Object::Company | Object::Opportunity | Object::Lead => {
            Some(record.get(key_field(object))?.as_str()?.to_lowercase())
        }
    }
}

/// Records as they would be sent.
pub(super) fn as_maps<R: Serialize>(records: &[R]) -> Result<Vec<Record>, CallError> {
    let map = |record: &R| match serde_json::to_value(record) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(CallError::Unwritable("a record that is no object".into())),
        Err(error) => Err(CallError::Unwritable(error.to_string())),
    };
    records.iter().map(map).collect()
}

fn refused(code: &str) -> Verdict {
    Verdict { confirmed: false, created: false, id: None, code: code.into(), message: String::new() }
}

/// What a person takes over from those who are merged into it.
fn fill<'a>(person: &mut Person, losers: impl Iterator<Item = &'a Person>) {
    for loser in losers {
        for (name, value) in &loser.record {
            let held = person.record.entry(name.clone()).or_insert(Value::Null);
            if held.is_null() {
                *held = value.clone();
            }
        }
    }
}
