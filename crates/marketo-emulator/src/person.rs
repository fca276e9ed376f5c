//! What a lead's fields say, wherever their values live: in the lead, in its company, or in neither.

use serde_json::{Map, Value};

use crate::{
    cell::{View, among},
    schema::{Column, Place, Schema},
    state::State,
    table::Record,
    value::{show, time},
};

/// Columns of a lead that the emulator itself writes or follows. Standard fields never move, so they are looked up once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub email: Column,
    pub first_name: Column,
    pub last_name: Column,
    pub person: Column,
    pub company: Column,
    pub owner: Column,
    pub partition: Column,
    pub moment_type: Column,
    pub moment_date: Column,
    pub moment_desc: Column,
    pub moment_source: Column,
    pub priority: Column,
    pub urgency: Column,
    pub relative_urgency: Column,
    pub relative_score: Column,
    pub relative_scoring: Column,
    pub score: Column,
}

impl Columns {
    pub(crate) fn of(schema: &Schema) -> Self {
        let at = |name: &str| schema.find(name).unwrap_or(Column::MAX);
        Self {
            email: at("email"),
            first_name: at("firstName"),
            last_name: at("lastName"),
            person: at("externalPersonId"),
            company: at("externalCompanyId"),
            owner: at("externalSalesPersonId"),
            partition: at("leadPartitionId"),
            moment_type: at("msiLastInterestingMomentType"),
            moment_date: at("msiLastInterestingMomentDate"),
            moment_desc: at("msiLastInterestingMomentDesc"),
            moment_source: at("msiLastInterestingMomentSource"),
            priority: at("priority"),
            urgency: at("urgency"),
            relative_urgency: at("relativeUrgency"),
            relative_score: at("relativeScore"),
            relative_scoring: at("relativeScoring"),
            score: at("leadScore"),
        }
    }

    /// Fields that Sales Insight computes.
    pub(crate) fn computed(&self, column: Column) -> bool {
        let moment = [self.moment_type, self.moment_date, self.moment_desc, self.moment_source];
        let tiers = [self.priority, self.urgency, self.relative_urgency, self.relative_score, self.relative_scoring];
        moment.contains(&column) || tiers.contains(&column)
    }
}

impl State {
    /// The record number of the company a lead belongs to, when it names one that exists.
    pub(crate) fn company_of(&self, lead: &Record) -> Option<u32> {
        let key = lead.row.get(self.columns.company)?.text()?;
        self.company_by_key(key)
    }

    /// The company with this external id.
    pub(crate) fn company_by_key(&self, key: &str) -> Option<u32> {
        self.companies.by_key(&[key.to_owned()], self.options.case_sensitive_keys).first().copied()
    }

    /// A lead's fields, in the order asked. Empty ones are `null` or left out, but those in `always` are there in any case.
    pub(crate) fn show_lead(&self, number: u32, columns: &[Column], always: &[Column], nulls: bool) -> Map<String, Value> {
        let mut shown = Map::new();
        let Some(record) = self.leads.get(number) else { return shown };
        let cells = record.row.cells();
        let key = among(&cells, self.columns.company).and_then(View::text);
        let company = key.and_then(|key| self.companies.get(self.company_by_key(key)?)).map(|company| company.row.cells());
        for column in columns {
            let Some(field) = self.leads.schema.field(*column) else { continue };
            let value = match field.place {
                Place::Id => Some(Value::from(self.leads.id(number))),
                Place::CreatedAt => Some(Value::from(time(record.created, &self.options))),
                Place::UpdatedAt => Some(Value::from(time(record.updated, &self.options))),
                Place::Own => among(&cells, *column).map(|view| show(field.data_type, view, &self.options)),
                Place::Company(theirs) => {
                    let view = company.as_ref().map_or_else(|| among(&cells, *column), |company| among(company, theirs));
                    view.map(|view| show(field.data_type, view, &self.options))
                }
            };
            match value {
                Some(value) => {
                    shown.insert(field.name.clone(), value);
                }
                None if nulls || always.contains(column) => {
                    shown.insert(field.name.clone(), Value::Null);
                }
                None => {}
            }
        }
        shown
    }

    /// What activities call a lead: its name, else its e-mail address.
    pub(crate) fn lead_name(&self, number: u32) -> Option<String> {
        let record = self.leads.get(number)?;
        let part = |column| record.row.get(column).and_then(View::text);
        let name: Vec<_> = [part(self.columns.first_name), part(self.columns.last_name)].into_iter().flatten().collect();
        if name.is_empty() { part(self.columns.email).map(str::to_owned) } else { Some(name.join(" ")) }
    }

    /// The record numbers of every lead with this value in a searchable field.
    pub(crate) fn leads_with(&self, column: Column, wanted: &[String], most: usize) -> Vec<u32> {
        let exact = self.options.case_sensitive_keys && column == self.columns.person;
        match self.leads.schema.field(column).map(|field| field.place) {
            Some(Place::Id) => {
                let ids = wanted.iter().filter_map(|text| self.leads.by_id(text.trim().parse().ok()?));
                let found: std::collections::BTreeSet<_> = ids.collect();
                found.into_iter().take(most).collect()
            }
            Some(Place::Own | Place::Company(_)) => self.leads.by_values(column, wanted, exact, most),
            Some(Place::CreatedAt | Place::UpdatedAt) | None => Vec::new(),
        }
    }
}
