//! Rows as the outside gives and gets them: plain JSON by logical name.

use base::Guid;
use serde_json::{Map, Value as Json};

use super::convert::{LongText, convert};
use crate::{
    headers::LOGICAL_NAME,
    row::{Record, Row},
    schema::{Column, Kind},
    state::State,
    value::Value,
};

impl State {
    /// Reads a seeded row: its own id, if it has one, and its cells.
    pub(crate) fn read_seed(&self, table: usize, row: &Map<String, Json>) -> Result<(Option<Guid>, Record), String> {
        let definition = self.store.schema.get(table).ok_or("no such table")?;
        let (mut id, mut cells) = (None, Record::new());
        for (name, json) in row {
            if name.contains('@') || name == "versionnumber" {
                continue;
            }
            let at = definition
                .find_property(name)
                .or_else(|| definition.find(name))
                .ok_or_else(|| format!("{} has no column {name}", definition.name))?;
            let Some(column) = definition.column(at) else { continue };
            if column.kind == Kind::Key {
                id = json.as_str().map(|text| text.parse().map_err(|_| format!("{name}: not a GUID"))).transpose()?;
                continue;
            }
            let value = if column.is_lookup() {
                let hint = row.get(&format!("{name}@{LOGICAL_NAME}")).and_then(Json::as_str);
                self.seed_lookup(column, json, hint).map_err(|fault| format!("{name}: {fault}"))?
            } else {
                let long = if self.options.seed_long_text { LongText::Keep } else { LongText::Refuse };
                convert(&definition.name, column, json, long).map_err(|refusal| refusal.message)?
            };
            cells.insert(at, value);
        }
        Ok((id, cells))
    }

    /// Without a hint, a lookup points to the first of its tables that has the row, else to the first.
    fn seed_lookup(&self, column: &Column, json: &Json, hint: Option<&str>) -> Result<Value<'static>, String> {
        if json.is_null() {
            return Ok(Value::Null);
        }
        let id: Guid = json.as_str().ok_or("a GUID expected")?.parse().map_err(|_| "not a GUID")?;
        let holds = |name: &str| self.store.schema.find(name).is_some_and(|at| self.store.row(at, id).is_some());
        let table = match hint {
            Some(hint) => column.targets.iter().find(|to| to.table == hint).ok_or_else(|| format!("can't point to {hint}"))?,
            None => column.targets.iter().find(|to| holds(&to.table)).or(column.targets.first()).ok_or("points nowhere")?,
        };
        self.reference(&table.table, id).ok_or_else(|| "no such table".to_owned())
    }

    /// A row as [`insert`](State::insert) takes it.
    pub(crate) fn seed_form(&self, table: usize, id: Guid, row: &Row) -> Map<String, Json> {
        let mut out = Map::new();
        let Some(definition) = self.store.schema.get(table) else { return out };
        out.insert(definition.key_name().to_owned(), id.to_string().into());
        out.insert("versionnumber".to_owned(), row.version.into());
        for (at, value) in row.cells() {
            let Some(column) = definition.column(at) else { continue };
            let name = column.property();
            if let Some((to, _)) = value.as_ref()
                && let Some(target) = self.store.schema.get(to)
            {
                out.insert(format!("{name}@{LOGICAL_NAME}"), target.name.clone().into());
            }
            out.insert(name, value.to_json());
        }
        out
    }
}
