//! A pass that writes nothing: what it would have written, and what would be there by then.
//!
//! It works on a copy of the state and reads both sides as they are. Where it would write to Marketo, [`crate::marketo`] answers itself, and
//! what it answered is seen by later reads of the same pass: who would have been created is found, who would have been merged isn't.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use base::{Object, RecordId, Table};
use planner::identity::Person;
use serde_json::{Map, Value, json};

use super::{
    Sample,
    asks::{Act, Asks, Print, print_of_key, print_of_text},
    saved::{Names, PlannedRecord, PlannedRow, PlannedWrite, ROW},
};
use crate::marketo::{NO_PERSON, NO_RECORD, Verdict};

/// Ids of people that would be created: far above any that Marketo gives.
const NEW_FROM: i64 = 9_000_000_000_000;

/// Values of a field: as they are, and as they would be.
pub(super) type Values = BTreeMap<String, [Value; 2]>;

/// One pass that writes nothing.
pub(crate) struct Rehearsal {
    seed: u64,
    /// The field by which people are known to us.
    person_key: String,
    /// Records of each object and act of which the values are kept.
    samples_max: usize,
    /// Whether those of all are.
    with_values: bool,
    stage: Mutex<Stage>,
    tape: Mutex<Tape>,
    /// Calls to Marketo that were made only to tell what is there.
    only_to_tell: AtomicU64,
    /// Calls to Marketo, and to Dynamics, that were answered here.
    answered: [AtomicU64; 2],
}

/// What would be otherwise in Marketo by now.
#[derive(Default)]
struct Stage {
    /// People by id; only what they are found by.
    created: BTreeMap<i64, Map<String, Value>>,
    /// Their ids, by field and value in lower case.
    found_by: BTreeMap<(String, String), Vec<i64>>,
    /// Other records that would be new, by their key.
    new: BTreeSet<(Object, String)>,
    changed: BTreeMap<i64, Map<String, Value>>,
    /// Who would have been merged into whom.
    merged: BTreeMap<i64, Vec<i64>>,
    gone: BTreeSet<i64>,
    /// What Marketo holds of records that are being written.
    before: BTreeMap<(Object, String), Map<String, Value>>,
}

/// What would have been written.
#[derive(Default)]
struct Tape {
    records: BTreeMap<Print, PlannedRecord>,
    names: BTreeSet<Names>,
    rows: BTreeMap<RecordId, PlannedRow>,
    /// Those with the smallest ids of each object and act, or of each table: the same however often it is planned.
    samples: BTreeMap<(SampledOf, Option<Act>), BTreeMap<RecordId, Sample>>,
}

/// What samples are kept of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SampledOf {
    Object(Object),
    Rows(Table),
}

/// All that a rehearsal has noted.
pub(super) struct Noted {
    pub(super) records: Vec<PlannedRecord>,
    pub(super) rows: Vec<PlannedRow>,
    pub(super) samples: Vec<Sample>,
    pub(super) only_to_tell: u64,
    /// Of Marketo, of Dynamics.
    pub(super) answered: [u64; 2],
}

impl fmt::Debug for Rehearsal {
    /// Without anything that was noted: it is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal").finish_non_exhaustive()
    }
}

impl Rehearsal {
    pub(super) fn new(seed: u64, person_key: String, samples_max: usize, with_values: bool) -> Self {
        Self {
            seed,
            person_key,
            samples_max,
            with_values,
            stage: Mutex::default(),
            tape: Mutex::default(),
            only_to_tell: AtomicU64::new(0),
            answered: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call to Marketo was answered here.
    pub(crate) fn answers_for_marketo(&self) {
        self.answered[0].fetch_add(1, Ordering::Relaxed);
    }

    /// A call to Dynamics was.
    pub(crate) fn answers_for_dynamics(&self) {
        self.answered[1].fetch_add(1, Ordering::Relaxed);
    }

    /// So many calls are made to Marketo that the pass wouldn't make.
    pub(crate) fn asks_only_to_tell(&self, calls: usize) {
        self.only_to_tell.fetch_add(calls as u64, Ordering::Relaxed);
    }

    /// Whether a person would be created in this pass.
    pub(crate) fn is_new(id: i64) -> bool {
        id >= NEW_FROM
    }

    /// A person would be created with these fields; gives its id. It is found by its keys, its e-mail and `field`.
    pub(crate) fn creates(&self, record: &Map<String, Value>, field: &str) -> i64 {
        let mut stage = self.stage();
        let id = NEW_FROM + stage.created.len() as i64;
        let keys = ["email", "externalPersonId", field, self.person_key.as_str()];
        let known = record.iter().filter(|(name, _)| keys.iter().any(|key| key.eq_ignore_ascii_case(name)));
        let known: Map<String, Value> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, value) in known.iter().filter_map(|(name, value)| Some((name, value.as_str()?))) {
            stage.found_by.entry((name.clone(), value.to_lowercase())).or_default().push(id);
        }
        stage.created.insert(id, known);
        id
    }

    /// Another object's record would be created, of which it is known whether this pass has created it before.
    pub(crate) fn is_created(&self, object: Object, key: String) -> bool {
        !self.stage().new.insert((object, key))
    }

    /// Whether this pass has created another object's record.
    pub(crate) fn has_created(&self, object: Object, key: &str) -> bool {
        self.stage().new.contains(&(object, key.to_owned()))
    }

    /// A record would be changed, of which Marketo holds `before`.
    pub(crate) fn changes(&self, object: Object, key: String, before: Map<String, Value>, person: Option<(i64, &Map<String, Value>)>) {
        let mut stage = self.stage();
        if let Some((id, fields)) = person {
            let changed = stage.changed.entry(id).or_default();
            changed.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        stage.before.insert((object, key), before);
    }

    /// People would be merged into another.
    pub(crate) fn merges(&self, winner: i64, losers: &[i64]) {
        let mut stage = self.stage();
        let mut all = losers.to_vec();
        for loser in losers {
            all.extend(stage.merged.remove(loser).unwrap_or_default());
        }
        stage.gone.extend(losers);
        stage.merged.entry(winner).or_default().append(&mut all);
    }

    /// People would be deleted.
    pub(crate) fn deletes(&self, people: &[i64]) {
        self.stage().gone.extend(people);
    }

    /// People as they would be, of those that were found with `fields` by one of `values` in `field`; and by the id of each, who would have been
    /// merged into it.
    pub(crate) fn as_it_would_be(
        &self,
        field: &str,
        values: &[String],
        fields: &[String],
        found: &mut Vec<Person>,
    ) -> BTreeMap<i64, Vec<i64>> {
        let stage = self.stage();
        found.retain(|person| !stage.gone.contains(&person.id));
        for person in &mut *found {
            let changed = stage.changed.get(&person.id).into_iter().flatten();
            person.record.extend(changed.filter(|(name, _)| fields.contains(name)).map(|(name, value)| (name.clone(), value.clone())));
        }
        let ids: Vec<i64> = match field {
            "id" => values.iter().filter_map(|value| value.parse().ok()).filter(|id| stage.created.contains_key(id)).collect(),
            _ => {
                let by = |value: &String| stage.found_by.get(&(field.to_owned(), value.to_lowercase()));
                values.iter().filter_map(by).flatten().copied().collect()
            }
        };
        let created = ids.iter().filter(|id| !stage.gone.contains(id)).filter_map(|id| Some((id, stage.created.get(id)?)));
        found.extend(created.map(|(id, known)| {
            let mut record: Map<String, Value> =
                fields.iter().map(|name| (name.clone(), known.get(name).cloned().unwrap_or_default())).collect();
            record.insert("id".into(), (*id).into());
            Person { id: *id, record }
        }));
        found.iter().filter_map(|person| Some((person.id, stage.merged.get(&person.id)?.clone()))).collect()
    }

    /// A write was answered here.
    pub(super) fn notes(&self, key: &[u8], asks: &Asks, verdict: &Verdict) {
        let print = asks.print(self.seed, Self::is_new);
        if !verdict.confirmed {
            // What isn't there any more is found out by a change of it, and sent as a whole after that.
            if matches!(verdict.code.as_str(), NO_PERSON | NO_RECORD) {
                let mut tape = self.tape();
                tape.record(print_of_key(key, self.seed), asks).in_vain.push(print);
            }
            return;
        }
        let act = asks.act(verdict.created);
        let before = asks.place().and_then(|place| self.stage().before.remove(&(asks.object, place))).unwrap_or_default();
        let person = asks.person.filter(|id| !Self::is_new(*id));
        let mut tape = self.tape();
        let of = (SampledOf::Object(asks.object), Some(act));
        let is_sample = tape.takes_sample(of, asks.record, self.samples_max);
        let values: Option<Values> = (is_sample || self.with_values).then(|| asks.values(&before));
        if is_sample {
            let sample = Sample {
                what: asks.object.name().into(),
                record: asks.record,
                act: Some(act),
                person,
                values: values.clone().unwrap_or_default(),
            };
            tape.keep_sample(of, sample, self.samples_max);
        }
        let held: Vec<_> = asks.fields.keys().map(|name| before.get(name)).collect();
        let was = print_of_text(&json!(held).to_string(), self.seed);
        let write =
            PlannedWrite { act, person, fields: tape.names(&asks.fields), is: print, was, values: values.filter(|_| self.with_values) };
        tape.record(print_of_key(key, self.seed), asks).writes.push(write);
    }

    /// A row would be written.
    pub(super) fn notes_row(&self, record: RecordId, columns: &Map<String, Value>) {
        let mut tape = self.tape();
        let of = (SampledOf::Rows(record.table), None);
        let is_sample = tape.takes_sample(of, record, self.samples_max);
        let values: Values = columns.iter().map(|(name, value)| (name.clone(), [Value::Null, value.clone()])).collect();
        if is_sample {
            let sample = Sample { what: ROW.into(), record, act: None, person: None, values: values.clone() };
            tape.keep_sample(of, sample, self.samples_max);
        }
        let (is, columns) = (print_of_row(record, columns, self.seed), tape.names(columns));
        let values = self.with_values.then_some(values);
        tape.rows.insert(record, PlannedRow { record, columns, is, values });
    }

    /// All that was noted.
    pub(super) fn end(&self) -> Noted {
        let tape = std::mem::take(&mut *self.tape());
        Noted {
            records: tape.records.into_values().collect(),
            rows: tape.rows.into_values().collect(),
            samples: tape.samples.into_values().flat_map(BTreeMap::into_values).collect(),
            only_to_tell: self.only_to_tell.load(Ordering::Relaxed),
            answered: [&self.answered[0], &self.answered[1]].map(|calls| calls.load(Ordering::Relaxed)),
        }
    }
}

impl Tape {
    /// Whether a record is among the samples.
    fn takes_sample(&self, of: (SampledOf, Option<Act>), record: RecordId, max: usize) -> bool {
        let Some(kept) = self.samples.get(&of) else { return max > 0 };
        kept.len() < max || kept.last_key_value().is_some_and(|(last, _)| record < *last)
    }

    fn keep_sample(&mut self, of: (SampledOf, Option<Act>), sample: Sample, max: usize) {
        let kept = self.samples.entry(of).or_default();
        kept.insert(sample.record, sample);
        while kept.len() > max {
            kept.pop_last();
        }
    }

    /// The names of these fields, kept once.
    fn names(&mut self, fields: &Map<String, Value>) -> Names {
        let names = Names(Arc::new(fields.keys().cloned().collect()));
        match self.names.get(&names) {
            Some(kept) => kept.clone(),
            None => {
                self.names.insert(names.clone());
                names
            }
        }
    }

    fn record(&mut self, key: Print, asks: &Asks) -> &mut PlannedRecord {
        self.records.entry(key).or_insert_with(|| PlannedRecord {
            object: asks.object,
            record: asks.record,
            part: asks.part.clone(),
            in_vain: Vec::new(),
            writes: Vec::new(),
        })
    }
}

/// What a row that is written is recognised by.
pub(super) fn print_of_row(record: RecordId, columns: &Map<String, Value>, seed: u64) -> Print {
    print_of_text(&json!([record.to_string(), columns]).to_string(), seed)
}
