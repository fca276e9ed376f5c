//! What a test or a demo does behind the API's back: filling, changing, breaking and looking.
//!
//! Nothing here costs a call, needs a permission or checks a rule; impossible values are left out rather than refused.

use std::collections::BTreeMap;

use base::{Dice, Guid, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    cell::{Cell, Change, View},
    log::{Detail, Facts, kind},
    schema::{Column, Field, FieldSpec, Object, Place},
    standard,
    state::State,
    text::{floor, fold, fold_view},
    value::{Source, read},
};

/// A record can't be stored behind the API's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// A part of its key is missing.
    #[error("a part of its key is missing")]
    NoKey,
    /// Another record has its key.
    #[error("another record has its key")]
    KeyTaken,
}

/// Fields given to a seeding call, sorted out.
#[derive(Default)]
struct Seed {
    changes: Vec<Change>,
    created: Option<i64>,
    updated: Option<i64>,
}

impl State {
    /// Stores a lead as it is, without any deduplication, and returns its id. Any field may be given, read-only ones, `createdAt` and
    /// `updatedAt` included; links may dangle and `externalPersonId` may have any spelling. Unknown names and values of a wrong type are
    /// left out.
    pub fn insert_lead(&mut self, fields: Map<String, Value>, now: Timestamp) -> i64 {
        let mut seed = self.seed(Object::Leads, &fields);
        self.mirror_score(&mut seed.changes);
        let created = seed.created.unwrap_or(floor(now));
        let partition =
            seed.changes.iter().find(|(column, _)| *column == self.columns.partition).and_then(|(_, cell)| cell.as_ref()?.view().int());
        let number = self.create_lead(seed.changes, partition, created, floor(now));
        if let (Some(record), Some(updated)) = (self.leads.get_mut(number), seed.updated) {
            (record.updated, record.changed) = (updated, updated);
        }
        self.leads.id(number)
    }

    /// A lead with every field that has a value; company-type fields are its company's.
    #[must_use]
    pub fn lead(&self, id: i64) -> Option<Map<String, Value>> {
        self.leads.by_id(id).map(|number| self.all_fields(Object::Leads, number))
    }

    /// Every lead with the fields that have a value, `id` among them, by ascending id.
    pub fn leads(&self) -> impl Iterator<Item = Map<String, Value>> {
        self.leads.iter().map(|(number, _)| self.all_fields(Object::Leads, number))
    }

    /// Stores a record of any object as it is and returns its id: a number, or a GUID for opportunities and roles. Links may dangle;
    /// unknown names and values of a wrong type are left out.
    ///
    /// # Errors
    /// When a part of its key is missing, or when its key is taken and the options don't allow that.
    pub fn insert(&mut self, object: Object, fields: Map<String, Value>, now: Timestamp) -> Result<Value, SeedError> {
        if object == Object::Leads {
            return Ok(json!(self.insert_lead(fields, now)));
        }
        let seed = self.seed(object, &fields);
        let table = self.table(object);
        let part = |column: &Column| {
            let cell = seed.changes.iter().find(|(at, _)| at == column).and_then(|(_, cell)| cell.as_ref());
            cell.map(|cell| fold_view(cell.view()).into_owned()).filter(|part| !part.is_empty())
        };
        let key: Vec<String> = table.key.iter().map(part).collect::<Option<_>>().ok_or(SeedError::NoKey)?;
        if !self.options.seed_duplicate_keys && !table.by_key(&key, false).is_empty() {
            return Err(SeedError::KeyTaken);
        }
        let number = self.create_object(object, &seed.changes, seed.created.unwrap_or(floor(now)), floor(now));
        if let (Some(record), Some(updated)) = (self.table_mut(object).get_mut(number), seed.updated) {
            (record.updated, record.changed) = (updated, updated);
        }
        Ok(self.id_value(object, number))
    }

    /// Changes a record of any object by its id, a number or a GUID: any field, `null` clears. False when there is none.
    pub fn update(&mut self, object: Object, id: &Value, patch: Map<String, Value>, now: Timestamp) -> bool {
        let Some(number) = self.by_id_value(object, id) else { return false };
        if object == Object::Leads {
            return self.update_lead(self.leads.id(number), patch, now);
        }
        let seed = self.seed(object, &patch);
        self.change_object(object, number, &seed.changes, floor(now));
        true
    }

    /// Deletes a record of any object by its id, whatever refers to it. False when there is none.
    pub fn delete(&mut self, object: Object, id: &Value, now: Timestamp) -> bool {
        let Some(number) = self.by_id_value(object, id) else { return false };
        match object {
            Object::Leads => self.remove_lead(number, floor(now)),
            Object::Companies | Object::SalesPersons | Object::Opportunities | Object::Roles => {
                self.remove_object(object, number, floor(now));
            }
        }
        true
    }

    /// Every record of an object with the fields that have a value, in the order of creation.
    pub fn rows(&self, object: Object) -> impl Iterator<Item = Map<String, Value>> {
        self.table(object).iter().map(move |(number, _)| self.all_fields(object, number))
    }

    /// Deletes a lead as a Marketo user would; false when there is none.
    pub fn delete_lead(&mut self, id: i64, now: Timestamp) -> bool {
        let number = self.leads.by_id(id);
        if let Some(number) = number {
            self.remove_lead(number, floor(now));
        }
        number.is_some()
    }

    /// Merges leads as a Marketo user would; false when one is missing or the winner is among the losers.
    pub fn merge_leads(&mut self, winner: i64, losers: &[i64], now: Timestamp) -> bool {
        let losers: Option<Vec<u32>> = losers.iter().map(|id| self.leads.by_id(*id)).collect();
        let (Some(winner), Some(losers)) = (self.leads.by_id(winner), losers) else { return false };
        if losers.is_empty() || losers.contains(&winner) {
            return false;
        }
        self.merge(winner, &losers, floor(now));
        true
    }

    /// Changes a lead as a Marketo user would: any field, `null` clears, and lead changes show it. False when there is none.
    pub fn update_lead(&mut self, id: i64, patch: Map<String, Value>, now: Timestamp) -> bool {
        let Some(number) = self.leads.by_id(id) else { return false };
        let mut seed = self.seed(Object::Leads, &patch);
        self.mirror_score(&mut seed.changes);
        self.change_lead(number, &seed.changes, "Marketo user", floor(now));
        true
    }

    /// An interesting moment happens now: a type-46 activity, and the `msiLastInterestingMoment…` fields if none is newer.
    /// False when there is no such lead.
    pub fn interesting_moment(&mut self, lead: i64, kind: &str, description: &str, source: &str, now: Timestamp) -> bool {
        self.interesting_moment_of(lead, kind, description, source, now, now)
    }

    /// The same with a date of its own, which may lie in the past or the future. It is recorded now, whatever its date.
    pub fn interesting_moment_of(&mut self, lead: i64, kind: &str, description: &str, source: &str, at: Timestamp, now: Timestamp) -> bool {
        let Some(number) = self.leads.by_id(lead) else { return false };
        let (at, now) = (floor(at), floor(now));
        let newest = self.leads.get(number).and_then(|record| record.row.get(self.columns.moment_date));
        if newest.is_none_or(|newest| !matches!(newest, View::Time(newest) if newest > at)) {
            let text = |text: &str| Some(Cell::Text(text.to_owned())).filter(|_| !text.is_empty());
            let columns = self.columns;
            let changes = [
                (columns.moment_type, text(kind)),
                (columns.moment_date, Some(Cell::Time(at))),
                (columns.moment_desc, text(description)),
                (columns.moment_source, text(source)),
            ];
            self.change_lead(number, &changes, "Interesting Moment", now);
        }
        let attributes = vec![("Date", json!(crate::text::stamp(at))), ("Description", json!(description)), ("Source", json!(source))];
        let facts = Facts { value_id: None, value: Some(kind.to_owned()), attributes };
        self.log.push(lead, kind::INTERESTING_MOMENT, at, now, Detail::Facts(Box::new(facts)));
        true
    }

    /// A score changes: `leadScore` grows by 5, priority and tiers are what is given, and a type-22 activity says so. False when there is
    /// no such lead.
    pub fn change_score(&mut self, lead: i64, priority: i64, relative_urgency: i64, relative_score: i64, at: Timestamp) -> bool {
        let Some(number) = self.leads.by_id(lead) else { return false };
        let (at, columns) = (floor(at), self.columns);
        let old = self.leads.get(number).and_then(|record| record.row.get(columns.score)).and_then(View::int).unwrap_or(0);
        let (new, urgency) = (old.saturating_add(5), relative_urgency as f64 * 25.0);
        let mut changes = tiers(self, relative_urgency, relative_score);
        changes.extend([(columns.priority, Some(Cell::Int(priority))), (columns.urgency, Some(Cell::Float(urgency)))]);
        self.change_lead(number, &changes, "Change Score", at);
        // The score itself is told by the type-22 activity, not by a change of a data value.
        self.leads.write(number, &[(columns.score, Some(Cell::Int(new)))]);
        let attributes = vec![
            ("Change Value", json!("+5")),
            ("Old Value", json!(old)),
            ("New Value", json!(new)),
            ("Reason", json!("Changed by emulator")),
            ("Priority", json!(priority)),
            ("Relative Score", json!(relative_score)),
            ("Relative Urgency", json!(relative_urgency)),
            ("Urgency", json!(urgency)),
        ];
        let facts = Facts { value_id: Some(i64::from(columns.score) + 2), value: Some("Lead Score".into()), attributes };
        self.log.push(lead, kind::CHANGE_SCORE, at, at, Detail::Facts(Box::new(facts)));
        true
    }

    /// The nightly re-cut: every lead that has a priority gets new tiers, decided by the seed, and no activity says so. Returns how many
    /// leads changed.
    pub fn recut_tiers(&mut self, seed: u64, now: Timestamp) -> usize {
        let mut dice = Dice::new(seed);
        let scored: Vec<u32> =
            self.leads.iter().filter(|(_, record)| record.row.get(self.columns.priority).is_some()).map(|(number, _)| number).collect();
        let mut changed = 0;
        for number in scored {
            let mut tier = || i64::try_from(dice.below(4)).unwrap_or(0);
            let changes = tiers(self, tier(), tier());
            let differs = |(column, cell): &Change| {
                self.leads.get(number).and_then(|record| record.row.get(*column)) != cell.as_ref().map(Cell::view)
            };
            if changes.iter().any(differs) {
                changed += 1;
                self.change_lead(number, &changes, "Nightly re-cut", floor(now));
            }
        }
        changed
    }

    /// Adds a custom field; on companies also to their leads. False when the name is taken.
    pub fn add_field(&mut self, object: Object, spec: FieldSpec) -> bool {
        let field = Field::custom(spec);
        let added = self.table_mut(object).schema.add(field.clone());
        if added && object == Object::Companies {
            let searchable = false;
            if self.leads.schema.add(Field { searchable, ..field.clone() })
                && let Some(column) = self.companies.schema.find(&field.name)
                && let Some(field) = self.companies.schema.field(column)
            {
                standard::share(&mut self.leads.schema, column, field);
            }
        }
        added
    }

    /// Hides a field from REST, as an administrator may; its values stay. False when there is none.
    pub fn remove_field(&mut self, object: Object, name: &str) -> bool {
        self.with_field(object, name, |field| field.removed = true)
    }

    /// Changes the longest text a field takes; what is stored stays. False when there is none.
    pub fn set_field_length(&mut self, object: Object, name: &str, length: Option<u32>) -> bool {
        self.with_field(object, name, |field| field.length = length)
    }

    /// Has a field refuse texts that are longer although "describe" tells nothing of that, as a subscription may that checks what it is given. False
    /// when there is none.
    pub fn set_field_limit(&mut self, object: Object, name: &str, limit: Option<u32>) -> bool {
        self.with_field(object, name, |field| field.limit = limit)
    }

    /// Makes a field read-only or writable. False when there is none.
    pub fn set_field_read_only(&mut self, object: Object, name: &str, read_only: bool) -> bool {
        self.with_field(object, name, |field| field.read_only = read_only)
    }

    fn with_field(&mut self, object: Object, name: &str, change: impl FnOnce(&mut Field)) -> bool {
        let schema = &mut self.table_mut(object).schema;
        let field = schema.find(name).and_then(|column| schema.field_mut(column));
        field.map(change).is_some()
    }

    /// Requests by operation since the last reset, refused ones included.
    #[must_use]
    pub fn calls(&self) -> &BTreeMap<String, u64> {
        &self.gate.calls
    }

    /// Forgets the requests by operation; quota and statistics stay.
    pub fn reset_calls(&mut self) {
        self.gate.calls.clear();
    }

    /// Calls of everybody on the Central day of `now`, as the quota counts them.
    #[must_use]
    pub fn usage_today(&self, now: Timestamp) -> u64 {
        self.gate.days.get(&crate::text::central_day(now)).map_or(0, crate::limits::Day::total)
    }

    /// Sets how many calls other integrations made on the Central day of `now`.
    pub fn set_usage(&mut self, others: u64, now: Timestamp) {
        self.gate.day(now).others = others;
    }

    /// Failed calls by code, over the days of which statistics are kept, whoever made them.
    #[must_use]
    pub fn errors_by_code(&self) -> BTreeMap<String, u64> {
        let all = self.gate.days.values().flat_map(|day| &day.errors);
        all.fold(BTreeMap::new(), |mut sum, (code, count)| {
            *sum.entry(code.clone()).or_default() += count;
            sum
        })
    }

    /// Forgets every token: their next use answers 601.
    pub fn revoke_tokens(&mut self) {
        self.tokens.revoke();
    }

    /// Lets every token expire: its next use answers 602, later ones 601.
    pub fn expire_tokens(&mut self, now: Timestamp) {
        self.tokens.expire(now);
    }

    /// Lead ids by `externalPersonId`. GUIDs are one whatever their spelling, other texts whatever their case.
    #[must_use]
    pub fn leads_by_person(&self) -> BTreeMap<String, Vec<i64>> {
        let mut found: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (number, record) in self.leads.iter() {
            if let Some(text) = record.row.get(self.columns.person).and_then(View::text) {
                let key = text.parse::<Guid>().map_or_else(|_| fold(text).into_owned(), |guid| guid.to_string());
                found.entry(key).or_default().push(self.leads.id(number));
            }
        }
        found
    }

    /// Those that more than one lead has.
    #[must_use]
    pub fn duplicates(&self) -> BTreeMap<String, Vec<i64>> {
        self.leads_by_person().into_iter().filter(|(_, ids)| ids.len() > 1).collect()
    }

    /// Only the columns that can have a value are looked at: this is asked for every record of a large subscription.
    fn all_fields(&self, object: Object, number: u32) -> Map<String, Value> {
        let table = self.table(object);
        let Some(record) = table.get(number) else { return Map::new() };
        let company = if object == Object::Leads { self.company_of(record).and_then(|number| self.companies.get(number)) } else { None };
        let filled = |(_, field): &(Column, &Field)| match field.place {
            Place::Id | Place::CreatedAt | Place::UpdatedAt => true,
            Place::Own => false,
            Place::Company(_) => company.is_some(),
        };
        let mut columns: Vec<Column> = record.row.iter().map(|(column, _)| column).collect();
        columns.extend(table.schema.iter().filter(filled).map(|(column, _)| column));
        columns.retain(|column| table.schema.field(*column).is_some_and(|field| !field.removed && !field.hidden));
        match object {
            Object::Leads => self.show_lead(number, &columns, &[], false),
            Object::Companies | Object::SalesPersons | Object::Opportunities | Object::Roles => {
                self.show_object(object, number, &columns, &[], false)
            }
        }
    }

    fn seed(&self, object: Object, fields: &Map<String, Value>) -> Seed {
        let mut seed = Seed::default();
        let schema = &self.table(object).schema;
        for (name, value) in fields {
            let Some((column, field)) = schema.find(name).and_then(|column| schema.field(column).map(|field| (column, field))) else {
                continue;
            };
            let Ok(cell) = read(object, field, value, Source::Seed, &self.options) else { continue };
            match (field.place, &cell) {
                (Place::CreatedAt, Some(Cell::Time(at))) => seed.created = Some(*at),
                (Place::UpdatedAt, Some(Cell::Time(at))) => seed.updated = Some(*at),
                (Place::Own | Place::Company(_), _) => seed.changes.push((column, cell)),
                (Place::Id | Place::CreatedAt | Place::UpdatedAt, _) => {}
            }
        }
        seed
    }

    /// Whatever the relative score is called, both names have its value.
    fn mirror_score(&self, changes: &mut Vec<Change>) {
        let (one, other) = (self.columns.relative_score, self.columns.relative_scoring);
        let given = |column: Column| changes.iter().find(|(at, _)| *at == column).map(|(_, cell)| cell.clone());
        match (given(one), given(other)) {
            (Some(cell), None) => changes.push((other, cell)),
            (None, Some(cell)) => changes.push((one, cell)),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
}

fn tiers(state: &State, urgency: i64, score: i64) -> Vec<Change> {
    let columns = state.columns;
    let score = Some(Cell::Int(score));
    vec![(columns.relative_urgency, Some(Cell::Int(urgency))), (columns.relative_score, score.clone()), (columns.relative_scoring, score)]
}
