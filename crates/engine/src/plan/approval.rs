//! What a plan lets a pass write, and what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base::RecordId;
use serde_json::{Map, Value};
use store::{Record, record::Outbox};

use super::{
    asks::{Act, Asks, Print, print_of_key, print_of_text},
    rehearsal::print_of_row,
    saved::{LeftOut, Plan, ROW, Why},
};
use crate::marketo::Verdict;

/// What may be written.
pub(crate) struct Approval {
    seed: u64,
    /// What may be asked for, by outbox record.
    asked: BTreeSet<(Print, Print)>,
    /// Outbox records of the plan.
    known: BTreeSet<Print>,
    /// Outbox records for which something is created.
    creating: BTreeSet<Print>,
    /// What is sent although Marketo hasn't got the record any more, by outbox record.
    in_vain: BTreeSet<(Print, Print)>,
    /// Writes, by outbox record, with whose they are.
    writes: BTreeMap<(Print, Print), Whose>,
    rows: BTreeMap<RecordId, Print>,
    seen: Mutex<Seen>,
}

/// What a write is told by.
#[derive(Debug, Clone)]
struct Whose {
    what: &'static str,
    record: RecordId,
}

/// What was met in the pass.
#[derive(Default)]
struct Seen {
    /// People created in it.
    new: BTreeSet<i64>,
    done: BTreeSet<(Print, Print)>,
    rows_done: BTreeSet<RecordId>,
    left_out: BTreeSet<LeftOut>,
}

impl fmt::Debug for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approval").field("writes", &self.writes.len()).field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Approval {
    /// What this plan lets through; `seed` is that of its hashes, and `key_of` makes an outbox key.
    pub(super) fn new(plan: &Plan, seed: u64) -> Self {
        let (mut asked, mut known, mut creating) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut in_vain, mut writes) = (BTreeSet::new(), BTreeMap::new());
        for record in &plan.records {
            let key = print_of_key(&Outbox::key_of(record.object, record.record.id, &record.part), seed);
            known.insert(key);
            creating.extend(record.writes.iter().any(|write| write.act == Act::Create).then_some(key));
            in_vain.extend(record.in_vain.iter().map(|print| (key, *print)));
            asked.extend(record.asked.iter().map(|print| (key, *print)));
            for print in record.writes.iter().map(|write| write.is) {
                writes.insert((key, print), Whose { what: record.object.name(), record: record.record });
            }
        }
        let rows = plan.rows.iter().map(|row| (row.record, row.is)).collect();
        Self { seed, asked, known, creating, in_vain, writes, rows, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an outbox record asks for what it asked for when the plan was made.
    pub(super) fn may_try(&self, entry: &Outbox) -> bool {
        let key = print_of_key(&entry.key(), self.seed);
        let may = self.asked.contains(&(key, print_of_text(entry.body.desired.text(), self.seed)));
        if !may {
            let why = if self.known.contains(&key) { Why::Changed } else { Why::New };
            self.seen().left_out.insert(LeftOut { what: entry.object.name().into(), record: entry.record, why });
        }
        may
    }

    /// Whether something is created for an outbox record.
    pub(super) fn may_create(&self, key: &[u8]) -> bool {
        self.creating.contains(&print_of_key(key, self.seed))
    }

    /// Whether a write is a planned one.
    pub(super) fn may_write(&self, key: &[u8], asks: &Asks) -> bool {
        let write = self.write(key, asks);
        let may = self.writes.contains_key(&write) || self.in_vain.contains(&write);
        if !may {
            self.seen().left_out.insert(LeftOut { what: asks.object.name().into(), record: asks.record, why: Why::Changed });
        }
        may
    }

    fn write(&self, key: &[u8], asks: &Asks) -> (Print, Print) {
        let seen = self.seen();
        (print_of_key(key, self.seed), asks.print(self.seed, |person| seen.new.contains(&person)))
    }

    /// A planned write was answered.
    pub(super) fn has_written(&self, key: &[u8], asks: &Asks, verdict: &Verdict) {
        if !verdict.confirmed {
            return;
        }
        let write = self.write(key, asks);
        let mut seen = self.seen();
        if self.writes.contains_key(&write) {
            seen.done.insert(write);
        }
        if asks.person.is_none() && verdict.created {
            seen.new.extend(verdict.id);
        }
    }

    /// Whether a row is to be written so.
    pub(super) fn may_write_row(&self, record: RecordId, columns: &Map<String, Value>) -> bool {
        let planned = self.rows.get(&record);
        let may = planned == Some(&print_of_row(record, columns, self.seed));
        if !may {
            let why = if planned.is_some() { Why::Changed } else { Why::New };
            self.seen().left_out.insert(LeftOut { what: ROW.into(), record, why });
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
        let told: BTreeSet<(String, RecordId)> = left_out.iter().map(|left| (left.what.clone(), left.record)).collect();
        let open = self.writes.iter().filter(|(write, _)| !seen.done.contains(write)).map(|(_, whose)| (whose.what, whose.record));
        let rows = self.rows.keys().filter(|record| !seen.rows_done.contains(*record)).map(|record| (ROW, *record));
        left_out.extend(
            open.chain(rows).filter(|(what, record)| !told.contains(&((*what).to_owned(), *record))).map(|(what, record)| LeftOut {
                what: what.to_owned(),
                record,
                why: Why::NotDone,
            }),
        );
        (done, left_out.into_iter().collect())
    }
}
