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
use serde_json::{Map, Value};
use store::{Record, record::Outbox};

use super::{
    Sample,
    asks::{Asks, Print, print_of_key, print_of_text},
    saved::{Names, PlannedRecord, PlannedRow, PlannedWrite},
};
use crate::marketo::{NO_PERSON, NO_RECORD, Verdict};

/// Ids of people that would be created: far above any that Marketo gives.
const NEW_FROM: i64 = 9_000_000_000_000;

/// Values of a field: as they are, and as they would be.
pub(super) type Values = BTreeMap<String, [Value; 2]>;

/// One pass that writes nothing.
pub(crate) struct Rehearsal {
    seed: u64,
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
    /// By id; only what people are found by.
    created: BTreeMap<i64, Map<String, Value>>,
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
    samples: Vec<Sample>,
    sampled: BTreeMap<(Object, &'static str), usize>,
    sampled_rows: BTreeMap<Table, usize>,
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
    pub(super) fn new(seed: u64, samples_max: usize, with_values: bool) -> Self {
        Self {
            seed,
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

    /// A person would be created with these fields; gives its id. Of them it is found by `keys`.
    pub(crate) fn creates(&self, record: &Map<String, Value>, keys: &[&str]) -> i64 {
        let mut stage = self.stage();
        let id = NEW_FROM + stage.created.len() as i64;
        let known = record.iter().filter(|(name, _)| keys.iter().any(|key| key.eq_ignore_ascii_case(name)));
        stage.created.insert(id, known.map(|(name, value)| (name.clone(), value.clone())).collect());
        id
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
        let asked: BTreeSet<String> = values.iter().map(|value| value.to_lowercase()).collect();
        let of_field = |record: &Map<String, Value>| record.get(field).and_then(Value::as_str).map(str::to_lowercase);
        let is_meant = |id: i64, record: &Map<String, Value>| match field {
            "id" => asked.contains(&id.to_string()),
            _ => of_field(record).is_some_and(|value| asked.contains(&value)),
        };
        let created = stage.created.iter().filter(|(id, record)| !stage.gone.contains(id) && is_meant(**id, record));
        found.extend(created.map(|(id, known)| {
            let mut record: Map<String, Value> =
                fields.iter().map(|name| (name.clone(), known.get(name).cloned().unwrap_or_default())).collect();
            record.insert("id".into(), (*id).into());
            Person { id: *id, record }
        }));
        found.iter().filter_map(|person| Some((person.id, stage.merged.get(&person.id)?.clone()))).collect()
    }

    /// A record of the outbox is looked at.
    pub(super) fn considers(&self, entry: &Outbox) {
        let print = print_of_text(entry.body.desired.text(), self.seed);
        let mut tape = self.tape();
        let record = tape.record(print_of_key(&entry.key(), self.seed), entry.object, entry.record, &entry.part);
        if !record.asked.contains(&print) {
            record.asked.push(print);
        }
    }

    /// A write was answered here.
    pub(super) fn notes(&self, key: &[u8], asks: &Asks, verdict: &Verdict) {
        let print = asks.print(self.seed, Self::is_new);
        if !verdict.confirmed {
            // What isn't there any more is found out by a change of it, and sent as a whole after that.
            if matches!(verdict.code.as_str(), NO_PERSON | NO_RECORD) {
                let mut tape = self.tape();
                tape.record(print_of_key(key, self.seed), asks.object, asks.record, "").in_vain.push(print);
            }
            return;
        }
        let act = asks.act(verdict.created);
        let place = asks.person.map(|id| id.to_string()).or_else(|| {
            let key = asks.fields.get(crate::marketo::key_field(asks.object))?;
            Some(key.as_str()?.to_lowercase())
        });
        let before = place.and_then(|place| self.stage().before.remove(&(asks.object, place))).unwrap_or_default();
        let person = asks.person.filter(|id| !Self::is_new(*id));
        let mut tape = self.tape();
        let sampled = tape.sampled.entry((asks.object, act.name())).or_default();
        let is_sample = *sampled < self.samples_max;
        *sampled += usize::from(is_sample);
        let values: Option<Values> = (is_sample || self.with_values).then(|| {
            let is = |name: &String| before.get(name).cloned().unwrap_or_default();
            asks.fields.iter().map(|(name, value)| (name.clone(), [is(name), value.clone()])).collect()
        });
        if is_sample {
            let sample = Sample {
                what: asks.object.name().into(),
                record: asks.record,
                act: Some(act),
                person,
                values: values.clone().unwrap_or_default(),
            };
            tape.samples.push(sample);
        }
        let write = PlannedWrite { act, person, fields: tape.names(&asks.fields), is: print, values: values.filter(|_| self.with_values) };
        tape.record(print_of_key(key, self.seed), asks.object, asks.record, "").writes.push(write);
    }

    /// A row would be written.
    pub(super) fn notes_row(&self, record: RecordId, columns: &Map<String, Value>) {
        let mut tape = self.tape();
        let sampled = tape.sampled_rows.entry(record.table).or_default();
        let is_sample = *sampled < self.samples_max;
        *sampled += usize::from(is_sample);
        let values: Values = columns.iter().map(|(name, value)| (name.clone(), [Value::Null, value.clone()])).collect();
        if is_sample {
            tape.samples.push(Sample { what: "row".into(), record, act: None, person: None, values: values.clone() });
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
            samples: tape.samples,
            only_to_tell: self.only_to_tell.load(Ordering::Relaxed),
            answered: [&self.answered[0], &self.answered[1]].map(|calls| calls.load(Ordering::Relaxed)),
        }
    }
}

impl Tape {
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

    fn record(&mut self, key: Print, object: Object, record: RecordId, part: &str) -> &mut PlannedRecord {
        self.records.entry(key).or_insert_with(|| PlannedRecord {
            object,
            record,
            part: part.to_owned(),
            asked: Vec::new(),
            in_vain: Vec::new(),
            writes: Vec::new(),
        })
    }
}

/// What a row that is written is recognised by.
pub(super) fn print_of_row(record: RecordId, columns: &Map<String, Value>, seed: u64) -> Print {
    print_of_text(&serde_json::json!([record.to_string(), columns]).to_string(), seed)
}
