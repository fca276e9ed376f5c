//! Nothing is sent before what it refers to (rule R1).

use std::collections::BTreeSet;

use base::Guid;
use marketo_emulator::Object as Theirs;
use sandbox::{Sandbox, control::Operation};
use serde_json::{Map, Value};

use super::{
    Violation,
    call::{Verdict, Write, number},
    keys::folded,
    shown,
};

/// What others removed from Marketo: the bridge can't know yet.
#[derive(Debug, Default)]
pub(super) struct Gone {
    keys: BTreeSet<String>,
    persons: BTreeSet<i64>,
}

/// Which field of a record refers to which object.
const REFERENCES: [(&str, Theirs); 3] = [
    ("externalSalesPersonId", Theirs::SalesPersons),
    ("externalCompanyId", Theirs::Companies),
    ("externalOpportunityId", Theirs::Opportunities),
];

fn own_key(object: Theirs) -> Option<&'static str> {
    match object {
        Theirs::SalesPersons => Some("externalSalesPersonId"),
        Theirs::Companies => Some("externalCompanyId"),
        Theirs::Opportunities => Some("externalOpportunityId"),
        Theirs::Leads | Theirs::Roles => None,
    }
}

fn is_there(sandbox: &Sandbox, object: Theirs, field: &str, key: &str) -> bool {
    let marketo = sandbox.marketo.state();
    marketo.rows(object).any(|row| row.get(field).is_some_and(|value| folded(value) == key))
}

impl Gone {
    /// Notes what somebody removes.
    pub(super) fn notice(&mut self, sandbox: &Sandbox, operation: &Operation) {
        match operation {
            Operation::MarketoDelete { object, id } if object == "leads" => self.persons.extend(number(id)),
            Operation::MarketoDelete { id, .. } => {
                let marketo = sandbox.marketo.state();
                for (field, object) in REFERENCES {
                    let row = marketo.rows(object).find(|row| row.get("id").or_else(|| row.get("marketoGUID")) == Some(id));
                    self.keys.extend(row.and_then(|row| row.get(field).map(|key| format!("{object:?} {}", folded(key)))));
                }
            }
            Operation::MarketoMerge { losers, .. } => self.persons.extend(losers),
            Operation::Create { .. }
            | Operation::Update { .. }
            | Operation::Delete { .. }
            | Operation::Qualify { .. }
            | Operation::Merge { .. }
            | Operation::SecureColumn { .. }
            | Operation::RemoveColumn { .. }
            | Operation::RenameColumn { .. }
            | Operation::ChangeColumn { .. }
            | Operation::MarketoCreate { .. }
            | Operation::MarketoUpdate { .. }
            | Operation::MarketoAddField { .. }
            | Operation::MarketoRemoveField { .. }
            | Operation::MarketoChangeField { .. }
            | Operation::MarketoList { .. }
            | Operation::MarketoUsage { .. }
            | Operation::Moment { .. }
            | Operation::Score { .. }
            | Operation::Recut { .. }
            | Operation::Moments { .. }
            | Operation::EditPeople { .. }
            | Operation::EditRoles { .. }
            | Operation::EditOwners { .. } => {}
        }
    }

    /// The records among them.
    pub(super) fn records(&self) -> BTreeSet<Guid> {
        self.keys.iter().filter_map(|key| key.rsplit(' ').next()?.parse().ok()).collect()
    }

    pub(super) fn check(&self, sandbox: &Sandbox, write: &Write, broken: &mut Vec<Violation>) {
        let Write::Upsert { object, records, .. } = write else { return };
        for record in records {
            for (field, referred) in REFERENCES.into_iter().filter(|(field, _)| own_key(*object) != Some(*field)) {
                let Some(key) = key_in(record, field) else { continue };
                if !self.keys.contains(&format!("{referred:?} {key}")) && !is_there(sandbox, referred, field, &key) {
                    broken.push(Violation::new("order", format!("{referred:?} {key} isn't in Marketo: {}", shown(write))));
                }
            }
            if let Some(person) = record.get("leadId").and_then(number)
                && !self.persons.contains(&person)
                && sandbox.marketo.state().lead(person).is_none()
            {
                broken.push(Violation::new("order", format!("person {person} isn't in Marketo: {}", shown(write))));
            }
        }
    }

    /// What we remove ourselves may be gone although nobody heard of it.
    pub(super) fn answered(&mut self, write: &Write, verdict: &Verdict) {
        if *verdict != Verdict::Unknown {
            return;
        }
        match write {
            Write::Merge { losers, .. } => self.persons.extend(losers),
            Write::Delete { object: Theirs::Leads, records } => {
                self.persons.extend(records.iter().filter_map(|record| number(record.get("id")?)))
            }
            Write::Delete { object, records } => {
                let key = |record: &Map<String, Value>| Some(format!("{object:?} {}", key_in(record, own_key(*object)?)?));
                self.keys.extend(records.iter().filter_map(key));
            }
            Write::Upsert { .. } => {}
        }
    }
}

fn key_in(record: &Map<String, Value>, field: &str) -> Option<String> {
    let value = record.get(field).filter(|value| !value.is_null())?;
    let key = folded(value);
    (!key.is_empty() && key.parse::<Guid>().is_ok()).then_some(key)
}
