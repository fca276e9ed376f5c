//! Connections: every one is stored as two rows that mirror each other (Microsoft's "Connection" table page).

use base::Guid;

use super::{Actor, By};
use crate::{error::Outcome, row::Record, state::State, value::Value};

/// Columns of one side and the column of the other side that holds the same.
const SWAPPED: [(&str, &str); 4] =
    [("record1id", "record2id"), ("record2id", "record1id"), ("record1roleid", "record2roleid"), ("record2roleid", "record1roleid")];

/// Columns both rows share.
const SHARED: [&str; 6] = ["statecode", "statuscode", "description", "effectivestart", "effectiveend", "ownerid"];

impl State {
    /// The type codes of both records, and the name: that of the record connected to.
    pub(crate) fn compute_connection(&self, table: usize, record: &mut Record) {
        for side in ["1", "2"] {
            let target = self.get_cell(table, record, &format!("record{side}id")).and_then(Value::as_ref);
            let code = target.and_then(|(at, _)| self.store.schema.get(at)).map(|table| Value::Int(i64::from(table.code)));
            if let Some(at) = self.column(table, &format!("record{side}objecttypecode")) {
                match code {
                    Some(code) => record.insert(at, code),
                    None => record.remove(&at),
                };
            }
            if let (Some((at, id)), "2") = (target, side) {
                let title = self.title_of(at, id);
                if let (Some(name), Some(title)) = (self.column(table, "name"), title) {
                    record.insert(name, Value::Text(title.into()));
                }
            }
        }
    }

    /// The primary name of a row.
    pub(crate) fn title_of(&self, table: usize, id: Guid) -> Option<String> {
        let title = self.store.schema.get(table)?.title?;
        self.store.row(table, id)?.get(title).as_text().map(str::to_owned)
    }

    /// The other row of a pair.
    pub(crate) fn mirror_of(&self, table: usize, id: Guid) -> Option<Guid> {
        self.store.row(table, id)?.get(self.column(table, "relatedconnectionid")?).as_guid()
    }

    /// Adds the mirror of a connection that was just created, unless the row came with one, as a seeded copy of a pair does.
    pub(crate) fn mirror(&mut self, table: usize, id: Guid, actor: Actor) -> Outcome<()> {
        if self.mirror_of(table, id).is_some() {
            return Ok(());
        }
        let (Some(related), Some(master)) = (self.column(table, "relatedconnectionid"), self.column(table, "ismaster")) else {
            return Ok(());
        };
        let Some(row) = self.store.row(table, id) else { return Ok(()) };
        let mut mirror = self.swapped(table, &row.unpack());
        let other = self.dice.guid();
        let (Some(to_first), Some(to_other)) = (self.reference("connection", id), self.reference("connection", other)) else {
            return Ok(());
        };
        mirror.insert(related, to_first);
        // The pair refers to each other before the second row exists, so that this runs once.
        self.patch_quietly(table, id, Record::from([(related, to_other), (master, Value::Bool(true))]));
        let modified = self.store.row(table, id).map(|row| row.modified);
        if let (Some(at), Some(column)) = (modified, self.column(table, "modifiedon")) {
            mirror.insert(column, Value::Time(at));
        }
        self.create(table, Some(other), mirror, actor, By::Seed).map(|_| ())
    }

    /// Carries a change of one row over to its mirror.
    pub(crate) fn follow_mirror(&mut self, table: usize, id: Guid, actor: Actor) -> Outcome<()> {
        let Some(other) = self.mirror_of(table, id).filter(|other| self.store.row(table, *other).is_some()) else { return Ok(()) };
        let Some(row) = self.store.row(table, id) else { return Ok(()) };
        let record = row.unpack();
        let wanted = self.swapped(table, &record);
        let mut changes = Record::new();
        for name in SWAPPED.iter().map(|(_, to)| *to).chain(SHARED) {
            if let Some(at) = self.column(table, name) {
                changes.insert(at, wanted.get(&at).cloned().unwrap_or(Value::Null));
            }
        }
        self.modify(table, other, changes, actor, By::Service)
    }

    fn swapped(&self, table: usize, record: &Record) -> Record {
        let mut out = Record::new();
        let pairs =
            SWAPPED.into_iter().chain(SHARED.map(|name| (name, name))).chain([("createdon", "createdon"), ("createdby", "createdby")]);
        for (from, to) in pairs {
            if let (Some(value), Some(to)) = (self.get_cell(table, record, from), self.column(table, to)) {
                out.insert(to, value.clone());
            }
        }
        out
    }

    /// Changes cells of a row that was written in this very step, without a new version.
    fn patch_quietly(&mut self, table: usize, id: Guid, cells: Record) {
        let Some(row) = self.store.row(table, id) else { return };
        let (version, modified) = (row.version, row.modified);
        let mut record = row.unpack();
        record.extend(cells);
        self.store.put(table, id, Some(crate::row::Row::pack(&record, version, modified)));
    }
}
