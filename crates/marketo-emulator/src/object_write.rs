//! Writing one company, sales person, opportunity or role: who is meant, what may be written, and what follows from it.

use serde_json::{Map, Value};

use crate::{
    answer::Reason,
    cell::{Cell, Change, View},
    lead_write::{Action, Status, not_updateable},
    log::{Detail, Facts, kind},
    options::ReadOnly,
    schema::{Column, Object, Place},
    state::State,
    value::{Source, read, whole},
};

/// By which key records are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The vendor's own id.
    Id,
    /// The external key.
    Key,
}

impl By {
    pub(crate) fn of(name: Option<&str>, parameter: &str) -> Result<Self, Reason> {
        match name {
            None => Ok(Self::Key),
            Some(name) if name.eq_ignore_ascii_case("dedupeFields") => Ok(Self::Key),
            Some(name) if name.eq_ignore_ascii_case("idField") => Ok(Self::Id),
            Some(name) => Err(Reason::invalid(format!("Invalid value '{name}' for '{parameter}'"))),
        }
    }
}

/// A record's members by column.
pub(crate) type Members<'a> = Vec<(Column, &'a Value)>;

impl State {
    /// The columns of a record's members, or 1006.
    pub(crate) fn members<'a>(&self, object: Object, record: &'a Map<String, Value>) -> Result<Members<'a>, Reason> {
        record
            .iter()
            .map(|(name, value)| self.column(object, name).map(|column| (column, value)).ok_or_else(|| Reason::no_field(name)))
            .collect()
    }

    /// The record's key as texts, in the order of the key's columns: 1002 when a part is missing, 1001 when it is of the wrong type.
    pub(crate) fn key_parts(&self, object: Object, members: &Members<'_>, source: Source) -> Result<Vec<String>, Reason> {
        let table = self.table(object);
        let part = |column: &Column| {
            let field = table.schema.field(*column).ok_or_else(|| Reason::of("1006"))?;
            let value = members.iter().find(|(at, _)| at == column).map(|(_, value)| *value);
            let cell = value.map(|value| read(object, field, value, source, &self.options)).transpose()?.flatten();
            match cell {
                Some(Cell::Text(text)) if !text.trim().is_empty() => Ok(text),
                Some(Cell::Int(number)) => Ok(number.to_string()),
                Some(Cell::Text(_) | Cell::Bool(_) | Cell::Float(_) | Cell::Time(_)) | None => Err(Reason::missing(&field.name)),
            }
        };
        table.key.iter().map(part).collect()
    }

    /// The record number that an id value names.
    pub(crate) fn by_id_value(&self, object: Object, value: &Value) -> Option<u32> {
        let table = self.table(object);
        match object {
            Object::Opportunities | Object::Roles => table.by_guid(value.as_str()?),
            Object::Leads | Object::Companies | Object::SalesPersons => table.by_id(whole(value)?),
        }
    }

    /// Record numbers that a record's key members name.
    pub(crate) fn meant(&self, object: Object, members: &Members<'_>, by: By) -> Result<Vec<u32>, Reason> {
        let table = self.table(object);
        let id = members.iter().find(|(column, _)| table.schema.field(*column).is_some_and(|field| field.place == Place::Id));
        match (by, id) {
            (By::Key, Some(_)) => Err(not_allowed(self.id_field(object), "dedupeFields")),
            (By::Key, None) => Ok(table.by_key(&self.key_parts(object, members, Source::Json)?, self.options.case_sensitive_keys)),
            (By::Id, Some((_, value))) if !value.is_null() => Ok(self.by_id_value(object, value).into_iter().collect()),
            (By::Id, Some(_) | None) => Err(Reason::missing(self.id_field(object))),
        }
    }

    /// Creates or updates one record.
    pub(crate) fn upsert_object(
        &mut self,
        object: Object,
        record: &Map<String, Value>,
        action: Action,
        by: By,
        now: i64,
    ) -> Result<(u32, Status), Reason> {
        let members = self.members(object, record)?;
        let found = self.meant(object, &members, by)?;
        let target = match (found.as_slice(), action) {
            ([], Action::UpdateOnly) => return Err(Reason::of("1013")),
            ([], Action::CreateOrUpdate | Action::CreateOnly | Action::CreateDuplicate) => None,
            ([_, _, ..], _) => return Err(Reason::new("1007", "Multiple objects match the key")),
            ([_], Action::CreateOnly) => return Err(Reason::of("1017")),
            ([only], Action::CreateOrUpdate | Action::UpdateOnly | Action::CreateDuplicate) => Some(*only),
        };
        let changes = self.plan_object(object, &members, target, by)?;
        match target {
            Some(number) => {
                self.change_object(object, number, &changes, now);
                Ok((number, Status::Updated))
            }
            None => Ok((self.create_object(object, &changes, now, now), Status::Created)),
        }
    }

    fn plan_object(&self, object: Object, members: &Members<'_>, target: Option<u32>, by: By) -> Result<Vec<Change>, Reason> {
        let table = self.table(object);
        let mut changes = Vec::with_capacity(members.len());
        for (column, value) in members {
            let Some(field) = table.schema.field(*column) else { continue };
            let in_key = table.key.contains(column);
            if in_key && by == By::Id {
                return Err(not_allowed(&field.name, "idField"));
            }
            if field.place == Place::Id || (in_key && target.is_some()) {
                // Keys are what the record was found by; they never change.
                continue;
            }
            if field.read_only {
                match self.options.read_only {
                    ReadOnly::Skip => return Err(not_updateable(field)),
                    ReadOnly::Ignore => continue,
                }
            }
            if object == Object::SalesPersons && field.name == "email" && target.is_some() {
                if self.options.sales_person_email_refused {
                    return Err(not_updateable(field));
                }
                if self.options.sales_person_email_frozen {
                    continue;
                }
            }
            let cell = read(object, field, value, Source::Json, &self.options)?.filter(|cell| *cell != Cell::Text(String::new()));
            if object == Object::Opportunities && field.name == "name" && cell.is_none() {
                return Err(Reason::invalid("Field 'name' must not be null"));
            }
            let cell = cell.map(|cell| self.checked_reference(object, &field.name, cell)).transpose()?;
            changes.push((*column, cell));
        }
        Ok(changes)
    }

    /// A reference in the spelling it is stored under; anything else as it is.
    fn checked_reference(&self, object: Object, name: &str, cell: Cell) -> Result<Cell, Reason> {
        match (object, name) {
            (Object::Companies, "externalSalesPersonId") => self.link(Object::SalesPersons, cell),
            (Object::Opportunities, "externalCompanyId") => self.link(Object::Companies, cell),
            (Object::Opportunities, "externalSalesPersonId") => self.known(Object::SalesPersons, &cell).ok_or_else(|| Reason::of("718")),
            (Object::Roles, "externalOpportunityId") => {
                let Some(key) = cell.view().text() else { return Ok(cell) };
                let found = self.opportunities.by_key(&[key.to_owned()], self.options.case_sensitive_keys).first().copied();
                let stored = found.and_then(|number| self.opportunities.get(number)?.row.get(*self.opportunities.key.first()?)?.text());
                stored.map(|key| Cell::Text(key.to_owned())).ok_or_else(|| self.no_parent(Reason::of("1013")))
            }
            (Object::Roles, "leadId") => match cell.view().int().and_then(|id| self.leads.by_id(id)) {
                Some(_) => Ok(cell),
                None => Err(self.no_parent(Reason::of("1004"))),
            },
            (Object::Leads | Object::Companies | Object::SalesPersons | Object::Opportunities | Object::Roles, _) => Ok(cell),
        }
    }

    pub(crate) fn create_object(&mut self, object: Object, changes: &[Change], created: i64, now: i64) -> u32 {
        let number = self.table_mut(object).insert(changes, created);
        if object == Object::Roles {
            self.log_role(number, kind::ADD_TO_OPPORTUNITY, created, now);
        }
        number
    }

    /// Writes what differs; nothing happens when nothing does.
    pub(crate) fn change_object(&mut self, object: Object, number: u32, changes: &[Change], now: i64) {
        let Some(record) = self.table(object).get(number) else { return };
        let differs = |(column, cell): &&Change| record.row.get(*column) != cell.as_ref().map(Cell::view);
        let effective: Vec<Change> = changes.iter().filter(differs).cloned().collect();
        if effective.is_empty() {
            return;
        }
        self.note_for_index(object, number, &effective, now);
        let table = self.table_mut(object);
        table.write(number, &effective);
        if let Some(record) = table.get_mut(number) {
            record.updated = now;
            record.changed = now;
        }
        if object == Object::Opportunities {
            for role in self.roles_of_opportunity(number) {
                self.log_role(role, kind::UPDATE_OPPORTUNITY, now, now);
            }
        }
    }

    /// Roles of an opportunity, by number.
    pub(crate) fn roles_of_opportunity(&self, number: u32) -> Vec<u32> {
        let key = self.opportunities.key.first().and_then(|column| self.opportunities.get(number)?.row.get(*column)?.text());
        let column = self.roles.schema.find("externalOpportunityId");
        key.zip(column).map(|(key, column)| self.roles.by_value(column, key, false)).unwrap_or_default()
    }

    /// Logs on a role's lead what happened to its opportunity.
    pub(crate) fn log_role(&mut self, number: u32, kind: u16, at: i64, now: i64) {
        let key = self.roles.key.clone();
        let (Some(record), [opportunity, lead, role]) = (self.roles.get(number), key.as_slice()) else { return };
        let Some(lead) = record.row.get(*lead).and_then(View::int) else { return };
        let text = |column| record.row.get(column).and_then(View::text).unwrap_or_default();
        let found = self.opportunities.by_key(&[text(*opportunity).to_owned()], false).first().copied();
        let name = self.opportunities.schema.find("name").zip(found);
        let name = name.and_then(|(column, number)| self.opportunities.get(number)?.row.get(column)?.text().map(str::to_owned));
        let attributes = vec![("Role", Value::from(text(*role))), ("External Opportunity Id", Value::from(text(*opportunity)))];
        let facts = Facts { value_id: found.map(|number| self.opportunities.id(number)), value: name, attributes };
        self.log.push(lead, kind, at, at.min(now), Detail::Facts(Box::new(facts)));
    }
}

fn not_allowed(field: &str, by: &str) -> Reason {
    Reason::invalid(format!("Field '{field}' is not allowed when dedupeBy is '{by}'"))
}
