//! What hurts and can't be taken back: consent that we clear, and more removals in one cycle than the brake lets through (rules R5 and R9).

use std::collections::{BTreeMap, BTreeSet};

use marketo_emulator::Object as Theirs;
use serde_json::{Map, Value};

use super::{Violation, call::Write, shown};

/// Harm done in the cycle that runs.
#[derive(Debug, Default)]
pub(super) struct Harm {
    /// How many of each kind may be done; none when the cycle was told to go ahead.
    limit: Option<u64>,
    /// What it was done to: who asks twice has done it once.
    done: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Harm {
    pub(super) fn process_begins(&mut self, limit: Option<u64>) {
        (self.limit, self.done) = (limit, BTreeMap::new());
    }

    pub(super) fn asked(&mut self, write: &Write, broken: &mut Vec<Violation>) {
        let (kind, whom): (_, Vec<String>) = match write {
            Write::Upsert { object: Theirs::Leads, records, .. } => {
                for field in ["unsubscribed", "doNotCall"] {
                    if records.iter().any(|record| matches!(record.get(field), Some(Value::Bool(false) | Value::Null))) {
                        broken.push(Violation::new("consent", format!("{field} is cleared: {}", shown(write))));
                    }
                }
                let unlinked = |record: &&Map<String, Value>| record.get("externalPersonId") == Some(&Value::Null);
                ("unlinks", records.iter().filter(unlinked).map(named).collect())
            }
            Write::Delete { object: Theirs::Roles, records } => ("role removals", records.iter().map(named).collect()),
            Write::Delete { object: Theirs::Opportunities, records } => ("opportunity deletions", records.iter().map(named).collect()),
            Write::Delete { object: Theirs::Leads, records } => ("person deletions", records.iter().map(named).collect()),
            Write::Merge { losers, .. } => ("merges", losers.iter().map(ToString::to_string).collect()),
            Write::Upsert { .. } | Write::Delete { .. } => return,
        };
        let done = self.done.entry(kind).or_default();
        done.extend(whom);
        if self.limit.is_some_and(|limit| done.len() as u64 > limit) {
            broken.push(Violation::new("brake", format!("{} {kind} in one cycle: {}", done.len(), shown(write))));
        }
    }
}

fn named(record: &Map<String, Value>) -> String {
    Value::Object(record.clone()).to_string()
}
