//! Fields of persons that are marketing's by configuration (rule R5): sent to whom we create only, or where there is nothing.

use std::collections::{BTreeMap, BTreeSet};

use engine::Options;
use marketo_emulator::Object as Theirs;
use sandbox::Sandbox;
use serde_json::{Map, Value};

use super::{
    Violation,
    call::{Write, number},
    shown,
};

/// Whose fields are, where they aren't Dynamics'.
#[derive(Debug, Clone, Default)]
pub struct Owned {
    owners: BTreeMap<String, String>,
    /// Persons and fields that had something when the process began.
    full: BTreeSet<(i64, String)>,
}

impl Owned {
    /// As the options say it, and what there is now.
    #[must_use]
    pub fn new(options: &Options, sandbox: &Sandbox) -> Self {
        let map = serde_json::to_value(&options.fields.lead).unwrap_or_default();
        let owner = |spec: &Value| spec.get("owner").and_then(Value::as_str).filter(|owner| *owner != "crm").map(str::to_owned);
        let fields = map.as_object().into_iter().flatten();
        let owners: BTreeMap<String, String> = fields.filter_map(|(field, spec)| Some((field.clone(), owner(spec)?))).collect();
        let mut full = BTreeSet::new();
        if !owners.is_empty() {
            let marketo = sandbox.marketo.state();
            for lead in marketo.rows(Theirs::Leads) {
                let Some(id) = lead.get("id").and_then(number) else { continue };
                full.extend(owners.keys().filter(|field| has(&lead, field)).map(|field| (id, field.clone())));
            }
        }
        Self { owners, full }
    }

    /// Whether marketing has a say in it.
    #[must_use]
    pub fn contains(&self, field: &str) -> bool {
        self.owners.contains_key(field)
    }

    pub(super) fn asked(&self, sandbox: &Sandbox, write: &Write, broken: &mut Vec<Violation>) {
        let Write::Upsert { object: Theirs::Leads, lookup, records, .. } = write else { return };
        if lookup != "id" {
            return;
        }
        for record in records {
            let Some(id) = record.get("id").and_then(number) else { continue };
            for (field, owner) in self.owners.iter().filter(|(field, _)| record.contains_key(*field)) {
                let is_full = || sandbox.marketo.state().lead(id).is_some_and(|lead| has(&lead, field));
                if owner != "fill" || self.full.contains(&(id, field.clone())) && is_full() {
                    broken.push(Violation::new("owned", format!("{field} of person {id} is marketing's ({owner}): {}", shown(write))));
                }
            }
        }
    }
}

fn has(lead: &Map<String, Value>, field: &str) -> bool {
    lead.get(field).is_some_and(|value| !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty()))
}
