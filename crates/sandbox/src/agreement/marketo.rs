//! The Marketo side: records by the GUID in their key, whatever its spelling.

use std::collections::BTreeMap;

use base::Guid;
use marketo_emulator::{Object, State};
use serde_json::{Map, Value};

/// A record as the emulator gives it.
pub(super) type Record = Map<String, Value>;

/// Records by key. People are read one by one when they are needed.
pub(super) struct Marketo<'a> {
    pub(super) state: &'a State,
    pub(super) sales_persons: BTreeMap<Guid, Record>,
    pub(super) companies: BTreeMap<Guid, Record>,
    pub(super) opportunities: BTreeMap<Guid, Record>,
    /// Marketo ids by external person id.
    people: BTreeMap<Guid, Vec<i64>>,
    /// How many people without a GUID have this address, in lower case.
    free: BTreeMap<String, u32>,
    /// How many people have it in all.
    emails: BTreeMap<String, usize>,
    /// All roles, by the opportunity's GUID.
    pub(super) roles: BTreeMap<Guid, Vec<Record>>,
}

pub(super) fn text<'r>(record: &'r Record, field: &str) -> Option<&'r str> {
    record.get(field)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

pub(super) fn guid(record: &Record, field: &str) -> Option<Guid> {
    text(record, field)?.parse().ok()
}

pub(super) fn number(record: &Record, field: &str) -> Option<i64> {
    let value = record.get(field)?;
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

impl<'a> Marketo<'a> {
    pub(super) fn read(state: &'a State) -> Self {
        let keyed = |object, key: &'static str| state.rows(object).filter_map(move |row| Some((guid(&row, key)?, row))).collect();
        let mut people: BTreeMap<Guid, Vec<i64>> = BTreeMap::new();
        let mut free: BTreeMap<String, u32> = BTreeMap::new();
        let mut emails: BTreeMap<String, usize> = BTreeMap::new();
        for lead in state.leads() {
            if let Some(email) = text(&lead, "email") {
                *emails.entry(email.to_lowercase()).or_default() += 1;
            }
            match (guid(&lead, "externalPersonId"), number(&lead, "id"), text(&lead, "email")) {
                (Some(external), Some(id), _) => people.entry(external).or_default().push(id),
                (None, _, Some(email)) => *free.entry(email.to_lowercase()).or_default() += 1,
                _ => {}
            }
        }
        let mut roles: BTreeMap<Guid, Vec<Record>> = BTreeMap::new();
        for role in state.rows(Object::Roles) {
            if let Some(opportunity) = guid(&role, "externalOpportunityId") {
                roles.entry(opportunity).or_default().push(role);
            }
        }
        Self {
            state,
            sales_persons: keyed(Object::SalesPersons, "externalSalesPersonId"),
            companies: keyed(Object::Companies, "externalCompanyId"),
            opportunities: keyed(Object::Opportunities, "externalOpportunityId"),
            people,
            free,
            emails,
            roles,
        }
    }

    /// Marketo ids of the persons whose external id is this GUID.
    pub(super) fn people(&self, id: Guid) -> &[i64] {
        self.people.get(&id).map_or(&[], Vec::as_slice)
    }

    /// How many persons have this address.
    pub(super) fn with_email(&self, email: &str) -> usize {
        self.emails.get(&email.trim().to_lowercase()).copied().unwrap_or(0)
    }

    /// Whether several persons without an external id have this address.
    pub(super) fn is_ambiguous(&self, email: &str) -> bool {
        self.free.get(&email.trim().to_lowercase()).is_some_and(|count| *count > 1)
    }
}
