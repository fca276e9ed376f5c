//! A search index that lags: filters find records by the values they had a while ago.
//!
//! Remembers what changed and what was there before, as long as the lag lasts. Without a lag it remembers nothing. Deleted records are
//! gone from it at once.

use std::collections::{BTreeSet, HashSet, VecDeque};

use crate::{
    cell::{Cell, Change, View},
    schema::{Column, Object},
    state::State,
    text::{fold, fold_view},
};

/// What a field had before it was changed.
#[derive(Debug)]
struct Before {
    object: Object,
    number: u32,
    column: Column,
    old: Option<Cell>,
    at: i64,
}

/// Changes that the index hasn't seen, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Lag(VecDeque<Before>);

impl State {
    fn lag_s(&self) -> i64 {
        i64::try_from(self.options.read_lag_s).unwrap_or(i64::MAX)
    }

    /// Remembers what searchable fields of a record have, before these changes are written.
    pub(crate) fn note_for_index(&mut self, object: Object, number: u32, changes: &[Change], now: i64) {
        let lag = self.lag_s();
        if lag == 0 {
            return;
        }
        while self.lag.0.front().is_some_and(|before| before.at.saturating_add(lag) <= now) {
            self.lag.0.pop_front();
        }
        let table = self.table(object);
        let Some(record) = table.get(number) else { return };
        let searchable = |column: &Column| table.schema.field(*column).is_some_and(|field| field.searchable);
        let before = changes.iter().map(|(column, _)| *column).filter(searchable).map(|column| Before {
            object,
            number,
            column,
            old: record.row.get(column).map(View::to_cell),
            at: now,
        });
        let before: Vec<_> = before.collect();
        self.lag.0.extend(before);
    }

    /// What a filter finds whose index lags: `found` by present values, put right by what the index knows.
    pub(crate) fn as_indexed(&self, object: Object, column: Column, wanted: &[String], found: Vec<u32>, now: i64) -> Vec<u32> {
        let lag = self.lag_s();
        if lag == 0 {
            return found;
        }
        let wanted: HashSet<_> = wanted.iter().map(|text| fold(text)).collect();
        let mut found: BTreeSet<u32> = found.into_iter().collect();
        let mut seen = HashSet::new();
        let unseen = self.lag.0.iter().filter(|before| before.at.saturating_add(lag) > now);
        for before in unseen.filter(|before| before.object == object && before.column == column) {
            // The first change that the index hasn't seen says what it knows.
            if !seen.insert(before.number) {
                continue;
            }
            if before.old.as_ref().is_some_and(|old| wanted.contains(&fold_view(old.view()))) {
                found.insert(before.number);
            } else {
                found.remove(&before.number);
            }
        }
        found.retain(|number| {
            let record = self.table(object).get(*number);
            record.is_some_and(|record| record.created.saturating_add(lag) <= now)
        });
        found.into_iter().collect()
    }
}
