//! Creating, changing and deleting a row: the one path every write takes.

use base::Guid;

use super::{Actor, By};
use crate::{
    error::{Outcome, Refusal},
    options::ClosedRows,
    row::{Record, Row},
    schema::{Kind, OnDelete, Required},
    state::State,
    value::Value,
};

impl State {
    /// Creates a row; without an id it gets a new one.
    pub(crate) fn create(&mut self, table: usize, id: Option<Guid>, mut cells: Record, actor: Actor, by: By) -> Outcome<Guid> {
        let id = match id {
            Some(id) if self.store.row(table, id).is_some() => {
                return Err(Refusal::new(412, "0x80040237", "Cannot insert duplicate key."));
            }
            Some(id) => id,
            None => self.dice.guid(),
        };
        if by == By::Client {
            for (column, value) in &cells {
                self.refuse_missing(table, *column, value)?;
            }
        }
        cells.retain(|_, value| !value.is_null());
        self.fill_new(table, &mut cells, actor);
        if by == By::Client {
            self.refuse_incomplete(table, &cells)?;
        }
        self.settle_state(table, None, &cells.clone(), &mut cells)?;
        self.compute(table, None, &mut cells);
        self.refuse_collision(table, id, &cells)?;
        let seeded = if by == By::Seed { self.cell(table, &cells, "modifiedon") } else { None };
        self.store_row(table, id, cells, actor, seeded.or(Some(actor.now)));
        if self.is_table(table, "connection") {
            self.mirror(table, id, actor)?;
        }
        Ok(id)
    }

    /// Changes a row: nulls clear, other columns stay.
    pub(crate) fn modify(&mut self, table: usize, id: Guid, changes: Record, actor: Actor, by: By) -> Outcome<()> {
        let before = self.store.row(table, id).ok_or_else(|| Refusal::no_row(self.table_name(table), id))?.unpack();
        if by == By::Client {
            self.refuse_closed(table, &before, &changes)?;
        }
        let mut record = before.clone();
        for (column, value) in &changes {
            if by != By::Seed {
                self.refuse_missing(table, *column, value)?;
            }
            if value.is_null() {
                record.remove(column);
            } else {
                record.insert(*column, value.clone());
            }
        }
        if by != By::Service {
            self.settle_state(table, Some(&before), &changes, &mut record)?;
        }
        self.compute(table, Some(&before), &mut record);
        self.refuse_collision(table, id, &record)?;
        let own = if by == By::Seed { self.cell(table, &changes, "modifiedon") } else { None };
        let modified = match by {
            By::Service if !self.options.cascades_move_modifiedon => None,
            By::Service | By::Client | By::Seed => own.or(Some(actor.now)),
        };
        self.store_row(table, id, record, actor, modified);
        if by != By::Service && self.is_table(table, "connection") {
            self.follow_mirror(table, id, actor)?;
        }
        Ok(())
    }

    /// Deletes a row, and what its relationships say.
    pub(crate) fn remove(&mut self, table: usize, id: Guid, actor: Actor, by: By) -> Outcome<()> {
        if self.store.row(table, id).is_none() {
            return Err(Refusal::no_row(self.table_name(table), id));
        }
        if by == By::Client
            && matches!(self.table_name(table), "organization" | "businessunit" | "transactioncurrency" | "sdkmessage" | "sdkmessagefilter")
        {
            return Err(Refusal::new(
                405,
                "0x80040227",
                format!("The {} cannot be deleted because it is associated with other rows.", self.table_name(table)),
            ));
        }
        for (other, column, from) in self.store.pointing_at(id) {
            if self.store.row(table, id).is_none() {
                return Ok(());
            }
            self.unlink(table, other, column, from, actor)?;
        }
        let mirror = self.is_table(table, "connection").then(|| self.mirror_of(table, id)).flatten();
        self.untie_all(table, id);
        self.store.put(table, id, None);
        if let Some(mirror) = mirror.filter(|_| self.options.delete_mirrors)
            && self.store.row(table, mirror).is_some()
        {
            self.store.put(table, mirror, None);
        }
        Ok(())
    }

    fn unlink(&mut self, deleted: usize, table: usize, column: u16, from: Guid, actor: Actor) -> Outcome<()> {
        if self.store.row(table, from).is_none() {
            return Ok(());
        }
        let gone = self.table_name(deleted).to_owned();
        let definition = self.store.schema.get(table).and_then(|table| table.column(column));
        let action =
            definition.and_then(|column| column.targets.iter().find(|to| to.table == gone)).map_or(OnDelete::Keep, |to| to.on_delete);
        match action {
            OnDelete::Cascade => self.remove(table, from, actor, By::Service),
            OnDelete::RemoveLink => self.modify(table, from, Record::from([(column, Value::Null)]), actor, By::Service),
            OnDelete::Keep => Ok(()),
            OnDelete::Restrict => {
                Err(Refusal::new(405, "0x80040227", format!("The {gone} is still referred to by a {}.", self.table_name(table))))
            }
        }
    }

    /// Writes a finished record under a new version. Without `modified` the modification columns stay as they were.
    fn store_row(&mut self, table: usize, id: Guid, mut record: Record, actor: Actor, modified: Option<i64>) {
        let mut set = |state: &Self, name: &str, value: Option<Value<'static>>| {
            if let Some(column) = state.column(table, name) {
                match value {
                    Some(value) => record.insert(column, value),
                    None => record.remove(&column),
                };
            }
        };
        if let Some(at) = modified {
            set(self, "modifiedon", Some(Value::Time(at)));
            let user = self.user_value(actor.user);
            set(self, "modifiedby", user);
            let behalf = actor.behalf.and_then(|user| self.user_value(user));
            set(self, "modifiedonbehalfby", behalf);
        }
        let at = self.cell(table, &record, "modifiedon").unwrap_or(actor.now);
        let version = self.store.next_version();
        self.store.put(table, id, Some(Row::pack(&record, version, at)));
    }

    fn refuse_collision(&self, table: usize, id: Guid, record: &Record) -> Outcome<()> {
        let Some((key, _)) = self.store.collision(table, id, record) else { return Ok(()) };
        let definition = self.store.schema.get(table);
        let key = definition.and_then(|table| table.keys.get(key));
        let names =
            key.map(|key| key.columns.iter().filter_map(|at| Some(definition?.column(*at)?.name.clone())).collect::<Vec<_>>().join(","));
        Err(Refusal::new(
            412,
            "0x80060892",
            format!(
                "Entity Key {} violated. A record with the same value for {} already exists. A duplicate record cannot be created. Select one or more unique values and try again.",
                key.map_or("", |key| key.name.as_str()),
                names.unwrap_or_default()
            ),
        ))
    }

    fn refuse_missing(&self, table: usize, column: u16, value: &Value<'_>) -> Outcome<()> {
        let definition = self.store.schema.get(table).and_then(|table| table.column(column));
        match definition {
            Some(column)
                if value.is_null() && column.required == Required::System && !matches!(column.kind, Kind::State | Kind::Status) =>
            {
                Err(Refusal::new(
                    400,
                    "0x80040203",
                    format!("The '{}' attribute of the '{}' entity cannot be null.", column.name, self.table_name(table)),
                ))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A column that has to have a value and was given none, by the client or by default.
    fn refuse_incomplete(&self, table: usize, cells: &Record) -> Outcome<()> {
        let columns = self.store.schema.get(table).into_iter().flat_map(|table| table.columns());
        for (at, column) in columns.filter(|(at, column)| column.required == Required::System && !cells.contains_key(at)) {
            if column.creatable {
                self.refuse_missing(table, at, &Value::Null)?;
            }
        }
        Ok(())
    }

    /// Closed rows are read-only unless the change reopens them (Microsoft's lead, opportunity and connection pages).
    fn refuse_closed(&self, table: usize, before: &Record, changes: &Record) -> Outcome<()> {
        let name = self.table_name(table);
        let setting = match name {
            "lead" => self.options.closed_leads,
            "opportunity" | "connection" => self.options.closed_others,
            _ => return Ok(()),
        };
        let Some(statecode) = self.column(table, "statecode") else { return Ok(()) };
        let state = before.get(&statecode).and_then(Value::as_int).unwrap_or_default();
        let reopened = changes.get(&statecode).and_then(Value::as_int) == Some(0);
        if setting == ClosedRows::Accept || state == 0 || reopened {
            return Ok(());
        }
        Err(Refusal::new(
            400,
            "0x80040203",
            format!("The {name} is closed and read-only. Reactivate it before changing it. (statecode {state})"),
        ))
    }

    /// A moment in a record, by the column's name.
    pub(crate) fn cell(&self, table: usize, record: &Record, name: &str) -> Option<i64> {
        record.get(&self.column(table, name)?)?.as_time()
    }

    pub(crate) fn column(&self, table: usize, name: &str) -> Option<u16> {
        self.store.schema.get(table)?.find(name)
    }

    pub(crate) fn table_name(&self, table: usize) -> &str {
        self.store.schema.get(table).map_or("", |table| table.name.as_str())
    }

    pub(crate) fn is_table(&self, table: usize, name: &str) -> bool {
        self.table_name(table) == name
    }

    pub(crate) fn reference(&self, table: &str, id: Guid) -> Option<Value<'static>> {
        Some(Value::Ref(u8::try_from(self.store.schema.find(table)?).ok()?, id))
    }

    fn user_value(&self, user: Guid) -> Option<Value<'static>> {
        self.reference("systemuser", user)
    }
}
