//! A plan as a value: what people read, what a file keeps, and how two of them differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::{Object, RecordId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::asks::{Act, Print};
use crate::summary::Pushed;

/// Raised when a plan of an earlier release would be understood otherwise.
pub const FORMAT: u32 = 1;

/// What the next cycle would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of its form.
    pub format: u32,
    /// The release that made it.
    pub program: String,
    /// When it was made.
    pub made: Timestamp,
    /// What it was made under.
    pub under: Under,
    /// Kinds of harmful change that the brake was told to let through.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allow: BTreeSet<String>,
    /// Whether held records are tried again.
    #[serde(default)]
    pub retry_held: bool,
    /// By object, what would become of its records, with those that are held or wait at the end.
    pub objects: BTreeMap<Object, Pushed>,
    /// Rows of Dynamics that would be written, by table.
    pub rows_by_table: BTreeMap<String, u64>,
    /// People that would be new in Marketo, whose database is paid by their number.
    pub new_people: u64,
    /// What it would cost.
    pub cost: Cost,
    /// Kinds of harmful change that the brake would stop, with their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stopped_by_brake: BTreeMap<String, u64>,
    /// What else people should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Some of the writes, with values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    /// Records for which something would be sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<PlannedRecord>,
    /// Rows that would be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<PlannedRow>,
}

/// What a plan was made under; with other decisions or other schemas it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Under {
    /// Changes with the state.
    pub state: String,
    /// Changes with what the configuration decides; addresses and limits not included.
    pub configuration: String,
    /// By table, changes with its map and with the columns and fields that it uses.
    pub schema: BTreeMap<String, String>,
}

/// What a plan would cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Calls to Marketo.
    pub marketo_calls: u64,
    /// Requests to Dynamics.
    pub dynamics_calls: u64,
    /// How long the calls to Marketo take at the limits, in seconds.
    pub seconds: u64,
    /// Calls to Marketo that are left for us today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_today: Option<u64>,
    /// The part of them that it would take; above 1, it goes on after Marketo's midnight.
    pub of_today: f64,
    /// Calls to Marketo that making this plan has taken.
    pub plan_marketo_calls: u64,
    /// Those of them that the cycle wouldn't make: to tell what is there.
    pub plan_only_to_tell: u64,
    /// Requests to Dynamics that making this plan has taken.
    pub plan_dynamics_calls: u64,
}

/// A write with its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Of which object; `row` for a row of Dynamics.
    pub what: String,
    /// For which record.
    pub record: RecordId,
    /// What it does; none for a row, which is only ever changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// Marketo's id of the person, where there is one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<i64>,
    /// By field: what is there now, and what would be.
    pub values: BTreeMap<String, [Value; 2]>,
}

/// A record of the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRecord {
    /// What it becomes.
    pub object: Object,
    /// The Dynamics record (for a role: its opportunity).
    pub record: RecordId,
    /// Of a role: which of the opportunity's roles.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// What would be sent in vain, because Marketo has no such record any more, as hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_vain: Vec<Print>,
    /// What would be written for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<PlannedWrite>,
}

/// Names of fields, kept once for all writes that have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Names(pub(super) Arc<Vec<String>>);

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|names| Self(Arc::new(names)))
    }
}

/// One write to Marketo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedWrite {
    /// What it does.
    pub act: Act,
    /// Marketo's id of the person, where there is one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<i64>,
    /// The fields.
    pub fields: Names,
    /// The write, as a hash.
    pub is: Print,
    /// What Marketo held in these fields, as a hash.
    pub was: Print,
    /// By field: what was there, and what would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeMap<String, [Value; 2]>>,
}

/// One row that would be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRow {
    /// The row.
    pub record: RecordId,
    /// The columns.
    pub columns: Names,
    /// The row as it would be written, as a hash.
    pub is: Print,
    /// By column: what was there, where that was read, and what would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeMap<String, [Value; 2]>>,
}

/// One thing that isn't as it was planned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// The object; `row` for a row of Dynamics.
    pub what: String,
    /// The record.
    pub record: RecordId,
    /// Why.
    pub why: Why,
}

/// Why something isn't as it was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Something else would be written by now.
    Changed,
    /// Nothing has to be written any more.
    Settled,
    /// It wasn't there when the plan was made.
    New,
    /// It came to nothing: refused, or what it needs didn't come.
    NotDone,
}

impl Why {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Changed => "changed since",
            Self::Settled => "nothing to write any more",
            Self::New => "new since",
            Self::NotDone => "not done: held, or what it needs didn't come",
        }
    }
}

impl Plan {
    /// Writes that it has, rows included.
    #[must_use]
    pub fn writes(&self) -> u64 {
        let writes: usize = self.records.iter().map(|record| record.writes.len()).sum();
        (writes + self.rows.len()) as u64
    }

    /// Records for which something would be written, rows included.
    #[must_use]
    pub fn touched(&self) -> u64 {
        (self.records.iter().filter(|record| !record.writes.is_empty()).count() + self.rows.len()) as u64
    }

    fn by_key(&self) -> BTreeMap<Key<'_>, Prints> {
        let written = self.records.iter().filter(|record| !record.writes.is_empty());
        written
            .map(|record| {
                let key = (record.object, record.record, record.part.as_str());
                (key, record.writes.iter().map(|write| (write.is, write.was)).collect())
            })
            .collect()
    }

    /// How it differs from another that was made later: of what either would write, and of what Marketo holds where it would be written.
    #[must_use]
    pub fn differences(&self, later: &Self) -> Vec<LeftOut> {
        let (before, after) = (self.by_key(), later.by_key());
        let why = |there: bool, same: bool| match (there, same) {
            (true, true) => None,
            (true, false) => Some(Why::Changed),
            (false, _) => Some(Why::Settled),
        };
        let mut found = Vec::new();
        for ((object, record, part), prints) in &before {
            let now = after.get(&(*object, *record, *part));
            if let Some(why) = why(now.is_some(), now == Some(prints)) {
                found.push(LeftOut { what: object.name().into(), record: *record, why });
            }
        }
        let new = after.keys().filter(|key| !before.contains_key(*key));
        found.extend(new.map(|(object, record, _)| LeftOut { what: object.name().into(), record: *record, why: Why::New }));
        let rows = |plan: &Self| -> BTreeMap<RecordId, Print> { plan.rows.iter().map(|row| (row.record, row.is)).collect() };
        let (before, after) = (rows(self), rows(later));
        for (record, print) in &before {
            let now = after.get(record);
            if let Some(why) = why(now.is_some(), now == Some(print)) {
                found.push(LeftOut { what: ROW.into(), record: *record, why });
            }
        }
        let new = after.keys().filter(|record| !before.contains_key(*record));
        found.extend(new.map(|record| LeftOut { what: ROW.into(), record: *record, why: Why::New }));
        found
    }
}

/// A record: object, record, and which of an opportunity's roles.
type Key<'a> = (Object, RecordId, &'a str);

/// What is written for it, and what is there.
type Prints = BTreeSet<(Print, Print)>;

/// What a row of Dynamics is called.
pub(super) const ROW: &str = "row";
