//! Rows and their indexes: by id, by version, by modification time, by alternate key, by the row pointed at.
//!
//! Every change goes through [`Store::put`], which keeps the indexes true and, inside a transaction, remembers how to undo it.
//! The store knows no rules: what a change means is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use base::Guid;

use crate::{
    row::{Record, Row},
    schema::{Kind, MsiColumns, Schema},
    value::Value,
};

/// The rows of one table.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableRows {
    pub rows: BTreeMap<Guid, Row>,
    pub by_version: BTreeMap<u64, Guid>,
    pub by_modified: BTreeSet<(i64, Guid)>,
    /// The delete log: at which version which row went.
    pub deleted: BTreeMap<u64, Guid>,
    keys: BTreeMap<(usize, String), Guid>,
}

/// A reference between rows: what is pointed at, then who points, with which column.
type Reference = (Guid, u8, u16, Guid);

#[derive(Debug, Clone)]
struct Undo {
    table: usize,
    id: Guid,
    before: Option<Row>,
    delete_logged: Option<u64>,
}

/// All tables' rows.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub schema: Schema,
    tables: Vec<TableRows>,
    references: BTreeSet<Reference>,
    version: u64,
    journal: Option<Vec<Undo>>,
    empty: TableRows,
}

/// Where version numbers start.
const FIRST_VERSION: u64 = 1_000_000;

impl Store {
    pub(crate) fn new(msi: MsiColumns) -> Self {
        let schema = Schema::new(msi);
        let tables = schema.tables().map(|_| TableRows::default()).collect();
        Self { schema, tables, references: BTreeSet::new(), version: FIRST_VERSION, journal: None, empty: TableRows::default() }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// A new table, without rows.
    pub(crate) fn add_table(&mut self, table: crate::schema::Table) -> usize {
        let at = self.schema.add(table);
        if self.tables.len() <= at {
            self.tables.resize(at + 1, TableRows::default());
        }
        at
    }

    /// Removes a table with its rows. What pointed at them points at nothing from now on.
    pub(crate) fn drop_table(&mut self, at: usize) {
        self.schema.remove(at);
        if let Some(rows) = self.tables.get_mut(at) {
            *rows = TableRows::default();
        }
        self.references.retain(|(_, table, ..)| usize::from(*table) != at);
    }

    pub(crate) fn table(&self, table: usize) -> &TableRows {
        self.tables.get(table).unwrap_or(&self.empty)
    }

    pub(crate) fn row(&self, table: usize, id: Guid) -> Option<&Row> {
        self.table(table).rows.get(&id)
    }

    /// The rows that point at `id`: table, lookup column, row.
    pub(crate) fn pointing_at(&self, id: Guid) -> Vec<(usize, u16, Guid)> {
        let range = (id, 0, 0, Guid::from_u128(0))..=(id, u8::MAX, u16::MAX, Guid::from_u128(u128::MAX));
        self.references.range(range).map(|(_, table, column, from)| (usize::from(*table), *column, *from)).collect()
    }

    /// The rows of `table` whose `column` points at `id`, when that column is indexed.
    pub(crate) fn pointing_with(&self, id: Guid, table: usize, column: u16) -> Option<Vec<Guid>> {
        if !self.is_indexed(table, column) {
            return None;
        }
        let table = u8::try_from(table).ok()?;
        let range = (id, table, column, Guid::from_u128(0))..=(id, table, column, Guid::from_u128(u128::MAX));
        Some(self.references.range(range).map(|(.., from)| *from).collect())
    }

    /// Whether references of a column are indexed. Users, teams, units and currencies are pointed at by nearly every row, and nothing cascades
    /// from them, so those references are left out.
    pub(crate) fn is_indexed(&self, table: usize, column: u16) -> bool {
        let Some(column) = self.schema.get(table).and_then(|table| table.column(column)) else { return false };
        column.is_lookup()
            && column.kind != Kind::Owner
            && !column.targets.iter().all(|to| matches!(to.table.as_str(), "systemuser" | "team" | "businessunit" | "transactioncurrency"))
    }

    /// The row with these values of an alternate key.
    pub(crate) fn find_key(&self, table: usize, key: usize, values: &[Value<'_>]) -> Option<Guid> {
        self.table(table).keys.get(&(key, key_text(values)?)).copied()
    }

    fn key_texts(&self, table: usize, row: &Row) -> Vec<(usize, String)> {
        let Some(definition) = self.schema.get(table) else { return Vec::new() };
        let keys = definition.keys.iter().enumerate();
        keys.filter_map(|(at, key)| {
            let values: Vec<_> = key.columns.iter().map(|column| row.get(*column)).collect();
            Some((at, key_text(&values)?))
        })
        .collect()
    }

    /// The row that a record would collide with on an alternate key, and the key's position.
    pub(crate) fn collision(&self, table: usize, id: Guid, record: &Record) -> Option<(usize, Guid)> {
        let definition = self.schema.get(table)?;
        definition.keys.iter().enumerate().find_map(|(at, key)| {
            let values: Vec<_> = key.columns.iter().map(|column| record.get(column).cloned().unwrap_or(Value::Null)).collect();
            let other = self.find_key(table, at, &values)?;
            (other != id).then_some((at, other))
        })
    }

    /// Fills the index of a key that was just defined.
    pub(crate) fn index_keys(&mut self, table: usize) {
        let entries: Vec<_> =
            self.table(table).rows.iter().flat_map(|(id, row)| self.key_texts(table, row).into_iter().map(|key| (key, *id))).collect();
        if let Some(rows) = self.tables.get_mut(table) {
            rows.keys = entries.into_iter().collect();
        }
    }

    /// Stores, replaces or (with `None`) deletes a row. A deletion takes a version of its own and is logged.
    pub(crate) fn put(&mut self, table: usize, id: Guid, row: Option<Row>) {
        let logged = if row.is_none() && self.row(table, id).is_some() {
            let version = self.next_version();
            if let Some(rows) = self.tables.get_mut(table) {
                rows.deleted.insert(version, id);
            }
            Some(version)
        } else {
            None
        };
        let before = self.swap(table, id, row);
        if let Some(journal) = &mut self.journal {
            journal.push(Undo { table, id, before, delete_logged: logged });
        }
    }

    fn swap(&mut self, table: usize, id: Guid, row: Option<Row>) -> Option<Row> {
        let old_keys = self.row(table, id).map(|old| self.key_texts(table, old)).unwrap_or_default();
        let new_keys = row.as_ref().map(|new| self.key_texts(table, new)).unwrap_or_default();
        let old_refs = self.row(table, id).map(|old| self.references_of(table, id, old)).unwrap_or_default();
        let new_refs = row.as_ref().map(|new| self.references_of(table, id, new)).unwrap_or_default();
        if old_refs != new_refs {
            for reference in &old_refs {
                self.references.remove(reference);
            }
            self.references.extend(new_refs);
        }
        let rows = self.tables.get_mut(table)?;
        for key in old_keys {
            rows.keys.remove(&key);
        }
        for key in new_keys {
            rows.keys.insert(key, id);
        }
        if let Some(old) = rows.rows.get(&id) {
            rows.by_version.remove(&old.version);
            rows.by_modified.remove(&(old.modified, id));
        }
        let Some(row) = row else { return rows.rows.remove(&id) };
        rows.by_version.insert(row.version, id);
        rows.by_modified.insert((row.modified, id));
        rows.rows.insert(id, row)
    }

    fn references_of(&self, table: usize, id: Guid, row: &Row) -> Vec<Reference> {
        let Ok(at) = u8::try_from(table) else { return Vec::new() };
        row.cells()
            .filter_map(|(column, value)| {
                let (_, target) = value.as_ref()?;
                self.is_indexed(table, column).then_some((target, at, column, id))
            })
            .collect()
    }

    /// Runs `work` so that a failure leaves no trace but used-up version numbers. Inside another transaction it is part of that one.
    pub(crate) fn begin(&mut self) -> bool {
        if self.journal.is_some() {
            return false;
        }
        self.journal = Some(Vec::new());
        true
    }

    /// Ends a transaction that [`begin`](Self::begin) opened.
    pub(crate) fn finish(&mut self, keep: bool) {
        let journal = self.journal.take().unwrap_or_default();
        if keep {
            return;
        }
        for undo in journal.into_iter().rev() {
            if let (Some(version), Some(rows)) = (undo.delete_logged, self.tables.get_mut(undo.table)) {
                rows.deleted.remove(&version);
            }
            self.swap(undo.table, undo.id, undo.before);
        }
    }
}

/// The text under which a key is indexed: equal for values that the service takes as equal; none when a value is missing.
fn key_text(values: &[Value<'_>]) -> Option<String> {
    let mut text = String::new();
    for value in values {
        if value.is_null() {
            return None;
        }
        value.write_json(&mut text);
        text.push('\u{1f}');
    }
    Some(text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(store: &Store, table: usize, cells: &[(&str, Value<'static>)]) -> Record {
        let table = store.schema.get(table).unwrap();
        cells.iter().map(|(name, value)| (table.find(name).unwrap(), value.clone())).collect()
    }

    #[test]
    fn a_rolled_back_change_leaves_every_index_as_it_was() {
        let mut store = Store::new(MsiColumns::Mkt);
        let account = store.schema.find("account").unwrap();
        let contact = store.schema.find("contact").unwrap();
        let (a, c) = (Guid::from_u128(1), Guid::from_u128(2));
        let made = record(&store, account, &[("accountnumber", Value::Text("A-1".into()))]);
        store.put(account, a, Some(Row::pack(&made, 1, 10)));
        let made = record(&store, contact, &[("parentcustomerid", Value::Ref(u8::try_from(account).unwrap(), a))]);
        store.put(contact, c, Some(Row::pack(&made, 2, 10)));
        let before = store.clone();

        assert!(store.begin());
        store.put(contact, c, None);
        store.put(account, a, None);
        assert!(store.pointing_at(a).is_empty() && store.find_key(account, 0, &[Value::Text("a-1".into())]).is_none());
        store.finish(false);

        assert_eq!(store.pointing_at(a), before.pointing_at(a));
        assert_eq!(store.find_key(account, 0, &[Value::Text("a-1".into())]), Some(a));
        assert!(store.table(account).deleted.is_empty());
        assert_eq!(store.row(contact, c), before.row(contact, c));
        assert_eq!(store.table(contact).by_modified, before.table(contact).by_modified);
    }
}
