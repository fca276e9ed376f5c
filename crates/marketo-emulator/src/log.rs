//! The activity log: what happened to which lead, in the order it was recorded.
//!
//! Ids ascend. An entry that changed several fields takes one id per field, because "get activities" shows each field on its own while
//! "get lead changes" shows the entry as one row.

use std::collections::HashMap;

use serde_json::Value;

use crate::{cell::Cell, schema::Column};

/// Activity type ids, from Adobe's documents, recorded answers and public clients.
pub(crate) mod kind {
    pub(crate) const NEW_LEAD: u16 = 12;
    pub(crate) const CHANGE_DATA_VALUE: u16 = 13;
    pub(crate) const CHANGE_SCORE: u16 = 22;
    pub(crate) const CHANGE_OWNER: u16 = 23;
    pub(crate) const ADD_TO_LIST: u16 = 24;
    pub(crate) const REMOVE_FROM_LIST: u16 = 25;
    pub(crate) const MERGE_LEADS: u16 = 32;
    pub(crate) const ADD_TO_OPPORTUNITY: u16 = 34;
    pub(crate) const REMOVE_FROM_OPPORTUNITY: u16 = 35;
    pub(crate) const UPDATE_OPPORTUNITY: u16 = 36;
    pub(crate) const DELETE_LEAD: u16 = 37;
    pub(crate) const INTERESTING_MOMENT: u16 = 46;
    pub(crate) const CHANGE_PARTITION: u16 = 100;
}

/// One recorded happening.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Id of its first activity.
    pub first: u64,
    /// The activity's date, in seconds since the epoch.
    pub at: i64,
    /// When it was recorded.
    pub recorded: i64,
    pub lead: i64,
    pub kind: u16,
    pub detail: Detail,
}

/// One changed field, with the value before and after.
#[derive(Debug)]
pub(crate) struct FieldChange {
    pub column: Column,
    pub old: Option<Cell>,
    pub new: Option<Cell>,
}

/// What an entry says.
#[derive(Debug)]
pub(crate) enum Detail {
    /// Nothing beyond lead and time.
    Plain,
    /// Fields that changed, and who did it.
    Changes(Box<Changes>),
    /// A primary value and named attributes.
    Facts(Box<Facts>),
}

/// Fields that changed together.
#[derive(Debug)]
pub(crate) struct Changes {
    pub source: &'static str,
    pub fields: Vec<FieldChange>,
}

/// A primary value and named attributes.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub value_id: Option<i64>,
    pub value: Option<String>,
    pub attributes: Vec<(&'static str, Value)>,
}

impl Entry {
    /// How many ids it takes.
    pub(crate) fn width(&self) -> u64 {
        match &self.detail {
            Detail::Changes(changes) => changes.fields.len().max(1) as u64,
            Detail::Plain | Detail::Facts(_) => 1,
        }
    }
}

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    entries: Vec<Entry>,
    next: u64,
    /// Whether dates ascend, so that a date can be looked up instead of searched for.
    ascending: bool,
    /// Leads that were merged away, and into which one.
    merged: HashMap<i64, i64>,
}

impl Default for Log {
    fn default() -> Self {
        Self { entries: Vec::new(), next: 1, ascending: true, merged: HashMap::new() }
    }
}

impl Log {
    pub(crate) fn push(&mut self, lead: i64, kind: u16, at: i64, recorded: i64, detail: Detail) {
        self.ascending &= self.entries.last().is_none_or(|last| last.at <= at);
        let entry = Entry { first: self.next, at, recorded, lead, kind, detail };
        self.next += entry.width();
        self.entries.push(entry);
    }

    /// The id the next activity will get.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Entries that may have a date from `since` on, in order.
    pub(crate) fn since(&self, since: i64) -> &[Entry] {
        let start = if self.ascending { self.entries.partition_point(|entry| entry.at < since) } else { 0 };
        self.entries.get(start..).unwrap_or_default()
    }

    /// Entries whose last id is at least `id`, in order.
    pub(crate) fn from(&self, id: u64) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.first + entry.width() <= id);
        self.entries.get(start..).unwrap_or_default()
    }

    pub(crate) fn merge(&mut self, loser: i64, winner: i64) {
        self.merged.insert(loser, winner);
    }

    /// Whose activity it is today: merging hands a loser's activities to the winner.
    pub(crate) fn owner(&self, lead: i64) -> i64 {
        let mut lead = lead;
        // A chain is never longer than the number of merges, and a winner is never among its own losers.
        for _ in 0..=self.merged.len() {
            match self.merged.get(&lead) {
                Some(winner) => lead = *winner,
                None => break,
            }
        }
        lead
    }
}
