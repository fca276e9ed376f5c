//! The records of one object, and the ways to find them.
//!
//! Knows nothing of links between objects, of options or of the API.

use std::collections::{BTreeSet, HashSet};

use base::Guid;

use crate::{
    cell::{Change, Row, View},
    index::Index,
    schema::{Column, Object, Schema},
    text::{fold, fold_view},
};

/// One record. Times are seconds since the epoch.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub row: Row,
    pub created: i64,
    /// The visible `updatedAt`.
    pub updated: i64,
    /// The last change of any field, which only the extract's `updatedAt` filter sees.
    pub changed: i64,
}

/// All records of one object.
#[derive(Debug)]
pub(crate) struct Table {
    pub object: Object,
    pub schema: Schema,
    rows: Vec<Option<Record>>,
    live: usize,
    /// Columns of the dedupe key; none on leads, whose key is the id.
    pub key: Vec<Column>,
    keys: Index,
    indexes: Vec<(Column, Index)>,
}

/// Integer id of an object's first record. Small ids are left free, as on an instance that has been in use, and the objects are apart, so
/// that an id of one is hardly ever an id of another.
const fn first_id(object: Object) -> i64 {
    match object {
        Object::Leads => 1001,
        Object::Companies => 20_000_001,
        Object::SalesPersons => 45_000_001,
        Object::Opportunities | Object::Roles => 60_000_001,
    }
}

impl Table {
    /// A table with this dedupe key, indexed by these columns.
    pub(crate) fn new(object: Object, schema: Schema, key: &[&str], indexed: &[&str]) -> Self {
        let columns = |names: &[&str]| names.iter().filter_map(|name| schema.find(name)).collect::<Vec<_>>();
        let (key, indexed) = (columns(key), columns(indexed));
        let indexes = indexed.into_iter().map(|column| (column, Index::default())).collect();
        Self { object, schema, rows: Vec::new(), live: 0, key, keys: Index::default(), indexes }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The number the next record will get.
    pub(crate) fn next(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// The integer id of a record number.
    pub(crate) fn id(&self, number: u32) -> i64 {
        i64::from(number) + first_id(self.object)
    }

    /// The record number of an integer id that is in use.
    pub(crate) fn by_id(&self, id: i64) -> Option<u32> {
        let number = u32::try_from(id.checked_sub(first_id(self.object))?).ok()?;
        self.get(number).map(|_| number)
    }

    /// The GUID of a record number: looks random and needs no memory.
    pub(crate) fn guid(&self, number: u32) -> Guid {
        let salt = if self.object == Object::Roles { 0x9e37_79b9_7f4a_7c15_u64 } else { 0xc2b2_ae3d_27d4_eb4f };
        let mut bits = salt ^ (u64::from(number) + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = u128::from(bits ^ (bits >> 29)) & !0xf000 | 0x4000;
        let low = 0x8000_0000_0000_0000_u64 | (bits & 0x3fff_0000_0000_0000) | (u64::from(number) ^ 0x5bd1_e995_1b87);
        Guid::from_u128(high << 64 | u128::from(low))
    }

    /// The record with this GUID.
    pub(crate) fn by_guid(&self, text: &str) -> Option<u32> {
        let guid: Guid = text.parse().ok()?;
        let number = u32::try_from((guid.as_u128() & 0xffff_ffff_ffff) ^ 0x5bd1_e995_1b87).ok()?;
        (self.guid(number) == guid && self.get(number).is_some()).then_some(number)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Record> {
        self.rows.get(number as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Record> {
        self.rows.get_mut(number as usize)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Record)> {
        (0..).zip(&self.rows).filter_map(|(number, record)| record.as_ref().map(|record| (number, record)))
    }

    pub(crate) fn insert(&mut self, changes: &[Change], now: i64) -> u32 {
        let number = self.next();
        self.rows.push(Some(Record { row: Row::new(changes), created: now, updated: now, changed: now }));
        self.live += 1;
        self.enter(number, |_| true);
        number
    }

    /// Writes columns of a record and keeps the indexes right; times are the caller's to set.
    pub(crate) fn write(&mut self, number: u32, changes: &[Change]) {
        let Some(record) = self.get(number) else { return };
        let row = record.row.with(changes);
        let touched = |column: Column| changes.iter().any(|(at, _)| *at == column);
        self.leave(number, touched);
        if let Some(record) = self.get_mut(number) {
            record.row = row;
        }
        self.enter(number, touched);
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<Record> {
        self.leave(number, |_| true);
        let record = self.rows.get_mut(number as usize)?.take();
        self.live -= usize::from(record.is_some());
        record
    }

    /// Puts a record into the indexes of these columns.
    fn enter(&mut self, number: u32, touched: impl Fn(Column) -> bool) {
        let Some(Some(record)) = self.rows.get(number as usize) else { return };
        for (column, index) in self.indexes.iter_mut().filter(|(column, _)| touched(*column)) {
            if let Some(view) = record.row.get(*column) {
                index.insert(&fold_view(view), number);
            }
        }
        if self.key.iter().any(|column| touched(*column))
            && let Some(key) = key_of(&record.row, &self.key)
        {
            self.keys.insert(&key, number);
        }
    }

    /// Takes a record out of the indexes of these columns.
    fn leave(&mut self, number: u32, touched: impl Fn(Column) -> bool) {
        let Some(Some(record)) = self.rows.get(number as usize) else { return };
        for (column, index) in self.indexes.iter_mut().filter(|(column, _)| touched(*column)) {
            if let Some(view) = record.row.get(*column) {
                index.remove(&fold_view(view), number);
            }
        }
        if self.key.iter().any(|column| touched(*column))
            && let Some(key) = key_of(&record.row, &self.key)
        {
            self.keys.remove(&key, number);
        }
    }

    /// Records with this dedupe key, its parts in the order of the key's columns; `exact` compares with case.
    pub(crate) fn by_key(&self, parts: &[String], exact: bool) -> Vec<u32> {
        let wanted = parts.iter().map(|part| fold(part).into_owned()).collect::<Vec<_>>().join("\u{1}");
        let matches = |number: &u32| {
            let Some(record) = self.get(*number) else { return false };
            self.key.iter().zip(parts).all(|(column, part)| record.row.get(*column).is_some_and(|view| same(view, part, exact)))
        };
        self.keys.candidates(&wanted).filter(matches).collect()
    }

    /// Records whose `column` has this value.
    pub(crate) fn by_value(&self, column: Column, wanted: &str, exact: bool) -> Vec<u32> {
        self.by_values(column, &[wanted.to_owned()], exact, usize::MAX)
    }

    /// Records whose `column` has one of these values, in ascending order, at most `most` of them.
    pub(crate) fn by_values(&self, column: Column, wanted: &[String], exact: bool, most: usize) -> Vec<u32> {
        let Some((_, index)) = self.indexes.iter().find(|(at, _)| *at == column) else {
            let folded: HashSet<_> = wanted.iter().map(|text| fold(text)).collect();
            let matches =
                |view: View<'_>| folded.contains(&fold_view(view)) && (!exact || wanted.iter().any(|text| same(view, text, true)));
            let found = self.iter().filter(|(_, record)| record.row.get(column).is_some_and(matches));
            return found.map(|(number, _)| number).take(most).collect();
        };
        let mut found = BTreeSet::new();
        for text in wanted {
            for number in index.candidates(&fold(text)) {
                if self.get(number).and_then(|record| record.row.get(column)).is_some_and(|view| same(view, text, exact)) {
                    found.insert(number);
                }
                if found.len() >= most {
                    return found.into_iter().collect();
                }
            }
        }
        found.into_iter().collect()
    }

    /// Whether any record's `column` has this value.
    pub(crate) fn any(&self, column: Option<Column>, wanted: &str) -> bool {
        column.is_some_and(|column| !self.by_values(column, &[wanted.to_owned()], false, 1).is_empty())
    }
}

fn same(view: View<'_>, wanted: &str, exact: bool) -> bool {
    match view {
        View::Text(text) if exact => text.trim() == wanted.trim(),
        View::Bool(_) | View::Int(_) | View::Float(_) | View::Time(_) | View::Text(_) => fold_view(view) == fold(wanted),
    }
}

/// The dedupe key as one text to hash; none unless every part is there.
fn key_of(row: &Row, columns: &[Column]) -> Option<String> {
    let parts = columns.iter().map(|column| row.get(*column).map(|view| fold_view(view).into_owned()));
    let key = parts.collect::<Option<Vec<_>>>()?.join("\u{1}");
    (!columns.is_empty()).then_some(key)
}
