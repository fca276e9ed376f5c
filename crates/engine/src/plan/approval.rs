//! What a plan lets a pass write, and what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base::{Object, RecordId};
use serde_json::{Map, Value};
use store::record::Outbox;

use super::{
    asks::{Act, Asks, Print, What, print_of_key},
    rehearsal::print_of_row,
    saved::{LeftOut, Plan, ROW, Why},
};
use crate::marketo::{NO_PERSON, NO_RECORD, Verdict};

/// What may be written.
pub(crate) struct Approval {
    seed: u64,
    /// Outbox records of the plan.
    known: BTreeSet<Print>,
    /// Outbox records for which something is created.
    creating: BTreeSet<Print>,
    /// What is sent although Marketo hasn't got the record any more, by outbox record.
    in_vain: BTreeSet<(Print, Print)>,
    /// Writes, by outbox record.
    writes: BTreeSet<(Print, Print)>,
    /// Whose outbox records these are.
    whose: BTreeMap<Print, Whose>,
    rows: BTreeMap<RecordId, Print>,
    seen: Mutex<Seen>,
}

/// What a record is told by: an object's name, or [`ROW`].
type Whose = (&'static str, RecordId);

/// What was met in the pass.
#[derive(Default)]
struct Seen {
    /// People created in it.
    new: BTreeSet<i64>,
    done: BTreeSet<(Print, Print)>,
    rows_done: BTreeSet<RecordId>,
    /// Why it isn't as planned, by record.
    left_out: BTreeMap<Whose, Why>,
}

impl fmt::Debug for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approval").field("writes", &self.writes.len()).field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Approval {
    /// What this plan lets through, but for what has `changed` since it was made; `seed` is that of its hashes.
    pub(super) fn new(plan: &Plan, changed: &[LeftOut], seed: u64) -> Self {
        let changed: BTreeMap<(&str, RecordId), Why> = changed.iter().map(|left| ((left.what.as_str(), left.record), left.why)).collect();
        let mut approval = Self {
            seed,
            known: BTreeSet::new(),
            creating: BTreeSet::new(),
            in_vain: BTreeSet::new(),
            writes: BTreeSet::new(),
            whose: BTreeMap::new(),
            rows: BTreeMap::new(),
            seen: Mutex::default(),
        };
        let mut left_out = BTreeMap::new();
        for record in &plan.records {
            let key = print_of_key(&Outbox::key_of(record.object, record.record.id, &record.part), seed);
            let whose = (record.object.name(), record.record);
            approval.known.insert(key);
            approval.whose.insert(key, whose);
            // Another of an opportunity's roles may be meant: what is as it was then is written all the same.
            let why = changed.get(&whose).filter(|_| record.part.is_empty() && !record.writes.is_empty());
            if let Some(why) = why {
                left_out.insert(whose, *why);
                continue;
            }
            approval.creating.extend(record.writes.iter().any(|write| write.act == Act::Create).then_some(key));
            approval.in_vain.extend(record.in_vain.iter().map(|print| (key, *print)));
            approval.writes.extend(record.writes.iter().map(|write| (key, write.is)));
        }
        for row in &plan.rows {
            match changed.get(&(ROW, row.record)) {
                Some(why) => drop(left_out.insert((ROW, row.record), *why)),
                None => drop(approval.rows.insert(row.record, row.is)),
            }
        }
        approval.seen = Mutex::new(Seen { left_out, ..Seen::default() });
        approval
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something is created for an outbox record.
    pub(super) fn may_create(&self, key: &[u8]) -> bool {
        self.creating.contains(&print_of_key(key, self.seed))
    }

    /// Whether a write is a planned one.
    pub(super) fn may_write(&self, key: &[u8], asks: &Asks) -> bool {
        let write = self.write(key, asks);
        let may = self.writes.contains(&write) || self.in_vain.contains(&write);
        if !may {
            let why = if self.known.contains(&write.0) { Why::Changed } else { Why::New };
            self.seen().left_out.insert((asks.object.name(), asks.record), why);
        }
        may
    }

    fn write(&self, key: &[u8], asks: &Asks) -> (Print, Print) {
        let seen = self.seen();
        (print_of_key(key, self.seed), asks.print(self.seed, |person| seen.new.contains(&person)))
    }

    /// A planned write was answered.
    pub(super) fn has_written(&self, key: &[u8], asks: &Asks, verdict: &Verdict) {
        let write = self.write(key, asks);
        let mut seen = self.seen();
        // What was to go and isn't there has gone.
        let is_gone = matches!(asks.what, What::Remove | What::Merge(_)) && matches!(verdict.code.as_str(), NO_PERSON | NO_RECORD);
        if !verdict.confirmed && !is_gone {
            return;
        }
        if self.writes.contains(&write) {
            seen.done.insert(write);
        } else if verdict.confirmed {
            // It was to be in vain, and the record is there again.
            seen.left_out.insert((asks.object.name(), asks.record), Why::Changed);
        }
        if asks.object == Object::Lead && asks.person.is_none() && verdict.created {
            seen.new.extend(verdict.id);
        }
    }

    /// Whether a row is to be written so.
    pub(super) fn may_write_row(&self, record: RecordId, columns: &Map<String, Value>) -> bool {
        let planned = self.rows.get(&record);
        let may = planned == Some(&print_of_row(record, columns, self.seed));
        if !may {
            let why = if planned.is_some() { Why::Changed } else { Why::New };
            self.seen().left_out.entry((ROW, record)).or_insert(why);
        }
        may
    }

    /// A row was written.
    pub(super) fn has_written_row(&self, record: RecordId) {
        self.seen().rows_done.insert(record);
    }

    /// How many planned writes were done, and what wasn't, or wasn't planned.
    pub(super) fn end(&self) -> (u64, Vec<LeftOut>) {
        let seen = self.seen();
        let done = (seen.done.len() + seen.rows_done.len()) as u64;
        let mut left_out = seen.left_out.clone();
        let open = self.writes.iter().filter(|write| !seen.done.contains(write)).filter_map(|(key, _)| self.whose.get(key).copied());
        let rows = self.rows.keys().filter(|record| !seen.rows_done.contains(*record)).map(|record| (ROW, *record));
        for whose in open.chain(rows) {
            left_out.entry(whose).or_insert(Why::NotDone);
        }
        let told = left_out.into_iter().map(|((what, record), why)| LeftOut { what: what.to_owned(), record, why });
        (done, told.collect())
    }
}

#[cfg(test)]
mod tests {
    use base::{Guid, Table};

    use super::*;

    /// Marketo numbers companies and people alike, each from one.
    #[test]
    fn a_new_company_with_a_persons_number_is_no_new_person() {
        let record = |table: Table| RecordId::new(table, Guid::from_u128(7));
        let asks = |object: Object, table: Table, person: Option<i64>| Asks {
            object,
            record: record(table),
            part: String::new(),
            what: What::Send,
            person,
            fields: Map::new(),
        };
        let key = |object: Object, table: Table| Outbox::key_of(object, record(table).id, "");
        let person = asks(Object::Lead, Table::Contact, Some(1_323));
        let approval = Approval {
            seed: 1,
            known: BTreeSet::new(),
            creating: BTreeSet::new(),
            in_vain: BTreeSet::new(),
            writes: [(print_of_key(&key(Object::Lead, Table::Contact), 1), person.print(1, |_| false))].into(),
            whose: BTreeMap::new(),
            rows: BTreeMap::new(),
            seen: Mutex::default(),
        };
        let created = Verdict { created: true, id: Some(1_323), ..Verdict::done() };
        approval.has_written(&key(Object::Company, Table::Account), &asks(Object::Company, Table::Account, None), &created);
        assert!(approval.may_write(&key(Object::Lead, Table::Contact), &person));
    }
}
