//! What Marketo would answer to writes that aren't made.
//!
//! Only what decides about the writes after them is told apart: whether a person or record is there already. What Marketo would refuse for its values
//! isn't known here.

use std::{collections::BTreeSet, sync::Arc};

use base::Object;
use futures::{FutureExt, future::BoxFuture};
use planner::identity::Person;
use serde::Serialize;
use serde_json::{Map, Value};
use wire::CallError;

use super::{Marketo, People, SyncMode, Verdict, key_field};
use crate::plan::Rehearsal;

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
            for (winner, losers) in merged {
                rehearsal.asks_only_to_tell(1);
                let losers = losers.iter().map(i64::to_string).collect();
                let losers = self.people_there("id", losers, fields).await?.people;
                if let Some(person) = found.people.iter_mut().find(|person| person.id == winner) {
                    fill(person, losers);
                }
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
        let key = "externalPersonId";
        let mut create = |record: &Record| match value_of(record) {
            Some(value) if taken.contains(&value) => refused(EXISTS),
            value => {
                taken.extend(value);
                let id = rehearsal.creates(record, &["email", key, field]);
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
        rehearsal.answers_for_marketo();
        let key = key_field(object);
        let text = |record: &Record, field: &str| record.get(field).and_then(Value::as_str).map(str::to_lowercase);
        let keys: BTreeSet<String> = records.iter().filter_map(|record| text(record, key)).collect();
        rehearsal.asks_only_to_tell(1);
        let fields: BTreeSet<String> = records.iter().flat_map(|record| record.keys().cloned()).chain([key.to_owned()]).collect();
        let there =
            self.client.objects(object, key, &keys.into_iter().collect::<Vec<_>>(), &fields.into_iter().collect::<Vec<_>>()).await?;
        let number = |record: &Record| record.get("leadId").and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok()));
        let is_same = |one: &Record, other: &Record| {
            let same_role = object != Object::Role || (number(one) == number(other) && text(one, "role") == text(other, "role"));
            text(one, key) == text(other, key) && same_role
        };
        let verdict = |record: &Record| match there.iter().find(|other| is_same(record, other)) {
            None if mode == SyncMode::UpdateOnly => refused(NO_RECORD),
            before => {
                let created = before.is_none();
                rehearsal.changes(object, text(record, key).unwrap_or_default(), before.cloned().unwrap_or_default(), None);
                Verdict { created, ..Verdict::done() }
            }
        };
        Ok(records.iter().map(verdict).collect())
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
fn fill(person: &mut Person, losers: Vec<Person>) {
    for loser in losers {
        for (name, value) in loser.record {
            let held = person.record.entry(name).or_insert(Value::Null);
            if held.is_null() {
                *held = value;
            }
        }
    }
}
