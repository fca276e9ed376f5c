//! Writing one lead: who is meant, what may be written, and what follows from it.
//!
//! A sync, a push, an imported row and a merge all come through here, so that rules and activities are the same for each.

use serde_json::{Map, Value};

use crate::{
    answer::Reason,
    cell::{Cell, Change, View},
    log::{Changes, Detail, Facts, FieldChange, kind},
    options::{CompanyFields, EmptyText, ReadOnly, UnknownParent, Unlink},
    schema::{Column, Field, Object, Place},
    state::State,
    value::{Source, read},
};

/// Who changed something, as activities name it.
pub(crate) const WEB_SERVICE: &str = "Web service API";

/// What a sync does with found and missing leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    CreateOrUpdate,
    CreateOnly,
    UpdateOnly,
    CreateDuplicate,
}

impl Action {
    pub(crate) fn of(name: Option<&str>) -> Result<Self, Reason> {
        let known = [
            ("createOrUpdate", Self::CreateOrUpdate),
            ("createOnly", Self::CreateOnly),
            ("updateOnly", Self::UpdateOnly),
            ("createDuplicate", Self::CreateDuplicate),
        ];
        let Some(name) = name else { return Ok(Self::CreateOrUpdate) };
        let found = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, action)| action);
        found.ok_or_else(|| Reason::invalid(format!("Invalid value '{name}' for 'action'")))
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Created,
    Updated,
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
        }
    }
}

/// How leads are to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub action: Action,
    pub lookup: Column,
    pub partition: Option<i64>,
    pub source: Source,
    /// Leads numbered from `.0` up to `.1` were made by others while this request was in flight, and it doesn't see them.
    pub unseen: (u32, u32),
}

/// What will be written: to the lead, and to its company.
#[derive(Debug, Default)]
struct Plan {
    own: Vec<Change>,
    company: Vec<Change>,
}

impl State {
    /// Creates or updates one lead.
    pub(crate) fn upsert_lead(&mut self, record: &Map<String, Value>, how: &How, now: i64) -> Result<(u32, Status), Reason> {
        let mut fields = Vec::with_capacity(record.len());
        for (name, value) in record {
            let column = self.column(Object::Leads, name).ok_or_else(|| Reason::no_field(name))?;
            fields.push((column, value));
        }
        let target = self.lead_meant(&fields, how)?;
        let plan = self.plan_lead(&fields, target, how)?;
        let (number, status) = match target {
            Some(number) => {
                self.change_lead(number, &plan.own, WEB_SERVICE, now);
                (number, Status::Updated)
            }
            None => (self.create_lead(plan.own, how.partition, now, now), Status::Created),
        };
        let company = self.leads.get(number).and_then(|lead| self.company_of(lead));
        if let (Some(company), false) = (company, plan.company.is_empty()) {
            self.change_object(Object::Companies, company, &plan.company, now);
        }
        Ok((number, status))
    }

    /// The lead that the lookup field names; none when it is to be created.
    fn lead_meant(&self, fields: &[(Column, &Value)], how: &How) -> Result<Option<u32>, Reason> {
        if how.action == Action::CreateDuplicate {
            return Ok(None);
        }
        let field = self.field(Object::Leads, how.lookup);
        let name = field.map_or("", |field| &field.name);
        let value = fields.iter().find(|(column, _)| *column == how.lookup).map(|(_, value)| *value);
        let text = match value {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => String::new(),
        };
        if text.is_empty() {
            return Err(Reason::invalid(format!("Lookup field '{name}' has no value")));
        }
        let is_id = field.is_some_and(|field| field.place == Place::Id);
        if is_id && how.action == Action::CreateOnly {
            return Err(Reason::invalid("Field 'id' is not allowed with action 'createOnly'"));
        }
        let mut found = self.leads_with(how.lookup, std::slice::from_ref(&text), 64);
        found.retain(|number| !(how.unseen.0..how.unseen.1).contains(number));
        match (found.as_slice(), how.action) {
            ([], Action::UpdateOnly) => Err(Reason::no_lead(text)),
            ([], Action::CreateOrUpdate) if is_id => Err(Reason::no_lead(text)),
            ([], Action::CreateOrUpdate | Action::CreateOnly | Action::CreateDuplicate) => Ok(None),
            ([_, _, ..], _) => Err(Reason::of("1007")),
            ([_], Action::CreateOnly) => Err(Reason::of("1005")),
            ([only], Action::CreateOrUpdate | Action::UpdateOnly | Action::CreateDuplicate) => Ok(Some(*only)),
        }
    }

    /// Checks every member and turns it into a change.
    fn plan_lead(&self, fields: &[(Column, &Value)], target: Option<u32>, how: &How) -> Result<Plan, Reason> {
        let old = target.and_then(|number| self.leads.get(number));
        if let (Some(partition), Some(old)) = (how.partition, old)
            && old.row.get(self.columns.partition) != Some(View::Int(partition))
        {
            return Err(Reason::of("1010"));
        }
        let linked = old.is_some_and(|old| old.row.get(self.columns.company).is_some());
        let named = |value: &Value| !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty());
        let linking = fields.iter().any(|(column, value)| *column == self.columns.company && named(value));
        let mut plan = Plan::default();
        for (column, value) in fields {
            let Some(field) = self.field(Object::Leads, *column) else { continue };
            if *column == how.lookup && target.is_some() {
                // It already has this value; what differs in case or blanks stays as first stored.
                continue;
            }
            if field.place == Place::Id {
                return Err(Reason::invalid("Field 'id' is only allowed with action 'updateOnly' and lookupField 'id'"));
            }
            if field.read_only {
                match self.options.read_only {
                    ReadOnly::Skip => return Err(not_updateable(field)),
                    ReadOnly::Ignore => continue,
                }
            }
            if value.as_str() == Some("") && self.options.empty_text == EmptyText::Ignored {
                continue;
            }
            let cell = read(Object::Leads, field, value, how.source, &self.options)?.filter(|cell| *cell != Cell::Text(String::new()));
            let theirs = match field.place {
                Place::Company(theirs) => Some(theirs),
                Place::Own | Place::Id | Place::CreatedAt | Place::UpdatedAt => None,
            };
            match (theirs, self.options.company_fields, linked || linking) {
                (Some(_), CompanyFields::Refused, _) | (Some(_), CompanyFields::RefusedWhenLinked, true) => return Err(Reason::of("1021")),
                (Some(theirs), CompanyFields::Spread, true) => plan.company.push((theirs, cell)),
                (Some(_), CompanyFields::RefusedWhenLinked | CompanyFields::Spread, false) => plan.own.push((*column, cell)),
                (None, _, _) if *column == self.columns.company => match (cell, linked, self.options.company_unlink) {
                    (None, true, Unlink::Skip) => return Err(Reason::invalid("A lead cannot be removed from its company")),
                    (None, _, _) => {}
                    (Some(cell), _, _) => plan.own.push((*column, Some(self.link(Object::Companies, cell)?))),
                },
                (None, _, _) if *column == self.columns.owner => {
                    let cell = cell.map(|cell| self.link(Object::SalesPersons, cell)).transpose()?;
                    plan.own.push((*column, cell));
                }
                (None, _, _) => plan.own.push((*column, cell)),
            }
        }
        Ok(plan)
    }

    /// A reference to a company or sales person in the spelling it is stored under, or 1013.
    pub(crate) fn link(&self, object: Object, cell: Cell) -> Result<Cell, Reason> {
        let Cell::Text(key) = &cell else { return Ok(cell) };
        match self.known(object, &cell) {
            Some(stored) => Ok(stored),
            None if self.options.accept_dangling => Ok(cell),
            None => {
                let table = self.table(object);
                let name = table.key.first().and_then(|column| table.schema.field(*column)).map_or("key", |field| &field.name);
                Err(self.no_parent(Reason::new("1013", format!("Object not found: {name} '{key}'"))))
            }
        }
    }

    /// A record's external key in the spelling it is stored under, when there is such a record.
    pub(crate) fn known(&self, object: Object, key: &Cell) -> Option<Cell> {
        let table = self.table(object);
        let found = table.by_key(&[key.view().text()?.to_owned()], self.options.case_sensitive_keys).first().copied()?;
        table.get(found)?.row.get(*table.key.first()?).map(View::to_cell)
    }

    /// The reason under the code that the options have for what a record refers to and isn't there.
    pub(crate) fn no_parent(&self, reason: Reason) -> Reason {
        match self.options.unknown_parent {
            UnknownParent::NotFound => reason,
            UnknownParent::Invalid => Reason::invalid(reason.message),
        }
    }

    /// Stores a new lead and says so in the log. What was created in the past has long been told; nothing is told before now.
    pub(crate) fn create_lead(&mut self, mut changes: Vec<Change>, partition: Option<i64>, created: i64, now: i64) -> u32 {
        changes.push((self.columns.partition, Some(Cell::Int(partition.unwrap_or(1)))));
        changes.retain(|(_, cell)| cell.is_some());
        if changes.iter().any(|(column, _)| *column == self.columns.company) {
            changes.retain(|(column, _)| !self.is_company_field(*column));
        }
        let number = self.leads.insert(&changes, created);
        self.log.push(self.leads.id(number), kind::NEW_LEAD, created, created.min(now), Detail::Plain);
        number
    }

    /// Writes what differs, bumps the times, and logs what lead changes show. Nothing happens when nothing differs.
    pub(crate) fn change_lead(&mut self, number: u32, changes: &[Change], source: &'static str, now: i64) {
        let Some(record) = self.leads.get(number) else { return };
        let differs = |(column, cell): &&Change| record.row.get(*column) != cell.as_ref().map(Cell::view);
        let mut effective: Vec<Change> = changes.iter().filter(differs).cloned().collect();
        if effective.is_empty() {
            return;
        }
        let silent = |column: Column| self.columns.computed(column) && !self.options.msi_in_lead_changes;
        let logged: Vec<_> = effective
            .iter()
            .filter(|(column, _)| !silent(*column))
            .map(|(column, new)| FieldChange { column: *column, old: record.row.get(*column).map(View::to_cell), new: new.clone() })
            .collect();
        let visible = logged.iter().any(|change| self.field(Object::Leads, change.column).is_some_and(|field| !field.custom));
        if effective.iter().any(|(column, new)| *column == self.columns.company && new.is_some()) {
            // The lead leaves its hidden company, and what that knew is gone.
            let left: Vec<_> = record.row.iter().map(|(column, _)| column).filter(|column| self.is_company_field(*column)).collect();
            effective.extend(left.into_iter().map(|column| (column, None)));
        }
        self.note_for_index(Object::Leads, number, &effective, now);
        self.leads.write(number, &effective);
        if let Some(record) = self.leads.get_mut(number) {
            record.updated = if visible { now } else { record.updated };
            record.changed = if logged.is_empty() { record.changed } else { now };
        }
        let lead = self.leads.id(number);
        let owner = logged.iter().find(|change| change.column == self.columns.owner).map(|change| owner_facts(change, source));
        if !logged.is_empty() {
            self.log.push(lead, kind::CHANGE_DATA_VALUE, now, now, Detail::Changes(Box::new(Changes { source, fields: logged })));
        }
        if let Some(facts) = owner {
            self.log.push(lead, kind::CHANGE_OWNER, now, now, Detail::Facts(Box::new(facts)));
        }
    }

    fn is_company_field(&self, column: Column) -> bool {
        self.field(Object::Leads, column).is_some_and(|field| matches!(field.place, Place::Company(_)))
    }
}

fn owner_facts(change: &FieldChange, source: &'static str) -> Facts {
    let text = |cell: &Option<Cell>| cell.as_ref().and_then(|cell| cell.view().text().map(str::to_owned));
    let mut attributes = vec![("Source", Value::from(source))];
    attributes.extend(text(&change.old).map(|old| ("Old Owner", Value::from(old))));
    attributes.extend(text(&change.new).map(|new| ("New Owner", Value::from(new))));
    Facts { value_id: None, value: text(&change.new), attributes }
}

pub(crate) fn not_updateable(field: &Field) -> Reason {
    Reason::invalid(format!("Field '{}' is not updateable", field.name))
}
