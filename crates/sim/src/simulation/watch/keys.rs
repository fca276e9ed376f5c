//! One person, one record (rule R3): no key is in two creating requests at once, and nobody is made twice.

use std::collections::{BTreeMap, BTreeSet};

use base::Guid;
use marketo_emulator::Object as Theirs;
use sandbox::Sandbox;
use serde_json::{Map, Value};

use super::{Ledger, Violation, call::Write, shown};

/// Keys of requests that were not answered yet.
#[derive(Debug, Default)]
pub(super) struct InFlight(BTreeMap<u64, BTreeSet<String>>);

/// The fields of an object that make it one.
pub(super) fn key_fields(object: Theirs, lookup: &str) -> Vec<String> {
    match object {
        Theirs::Leads => vec![lookup.to_owned(), "externalPersonId".to_owned()],
        Theirs::Companies => vec!["externalCompanyId".to_owned()],
        Theirs::SalesPersons => vec!["externalSalesPersonId".to_owned()],
        Theirs::Opportunities => vec!["externalOpportunityId".to_owned()],
        Theirs::Roles => Vec::new(),
    }
}

/// A key as it compares: GUIDs whatever their spelling, other texts whatever their case.
pub(super) fn folded(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse::<Guid>().map_or_else(|_| text.trim().to_lowercase(), |guid| guid.to_string())
}

fn keys(object: Theirs, lookup: &str, record: &Map<String, Value>) -> BTreeSet<String> {
    let of =
        |field: &String| record.get(field).filter(|value| !value.is_null()).map(|value| format!("{object:?} {field} {}", folded(value)));
    key_fields(object, lookup).iter().filter_map(of).collect()
}

impl InFlight {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn asked(&mut self, number: u64, write: &Write, broken: &mut Vec<Violation>) {
        let Write::Upsert { object, action, lookup, records } = write else { return };
        let creates = action != "updateOnly";
        if action == "createDuplicate" {
            broken.push(Violation::new("keys", format!("a person is created whoever is there: {}", shown(write))));
        }
        let mut own = BTreeSet::new();
        for record in records {
            for key in keys(*object, lookup, record) {
                if !own.insert(key.clone()) {
                    broken.push(Violation::new("keys", format!("{key} is twice in one request: {}", shown(write))));
                }
                if creates && self.0.values().any(|keys| keys.contains(&key)) {
                    broken.push(Violation::new("keys", format!("{key} is in two requests at once: {}", shown(write))));
                }
            }
        }
        if creates {
            self.0.insert(number, own);
        }
    }

    pub(super) fn answered(&mut self, number: u64) {
        self.0.remove(&number);
    }
}

/// Nobody is created beside a person without an external id who has the same e-mail, where only one row of Dynamics has it: that person is
/// adopted, or somebody decides.
pub(super) fn check_adoption(sandbox: &Sandbox, write: &Write, free: &BTreeSet<i64>, broken: &mut Vec<Violation>) {
    let Write::Upsert { object: Theirs::Leads, action, lookup, records } = write else { return };
    if action == "updateOnly" || lookup == "email" && action == "createOnly" {
        return;
    }
    for email in records.iter().filter_map(|record| record.get("email")).filter(|email| email.is_string()).map(folded) {
        let has_it = |row: &Map<String, Value>, field: &str| row.get(field).is_some_and(|value| folded(value) == email);
        let rows = {
            let dynamics = sandbox.dataverse.state();
            ["lead", "contact"].iter().flat_map(|table| dynamics.rows(table)).filter(|(_, row)| has_it(row, "emailaddress1")).count()
        };
        let marketo = sandbox.marketo.state();
        let beside =
            free.iter().filter_map(|id| marketo.lead(*id)).find(|lead| has_it(lead, "email") && !lead.contains_key("externalPersonId"));
        if let Some(beside) = beside.filter(|_| rows == 1) {
            broken.push(Violation::new("adoption", format!("somebody is created beside {:?}: {}", beside.get("id"), shown(write))));
        }
    }
}

/// Persons without an external id.
pub(super) fn free(sandbox: &Sandbox) -> BTreeSet<i64> {
    let marketo = sandbox.marketo.state();
    marketo.leads().filter(|lead| !lead.contains_key("externalPersonId")).filter_map(|lead| lead.get("id")?.as_i64()).collect()
}

/// No two persons that we made have one GUID.
pub(super) fn check_twins(sandbox: &Sandbox, write: &Write, ledger: &Ledger, broken: &mut Vec<Violation>) {
    let Write::Upsert { object: Theirs::Leads, action, .. } = write else { return };
    if action == "updateOnly" {
        return;
    }
    for (guid, persons) in sandbox.marketo.state().duplicates() {
        let ours: Vec<i64> = persons.into_iter().filter(|id| !ledger.is_foreign(*id)).collect();
        if ours.len() > 1 {
            broken.push(Violation::new("twins", format!("the persons {ours:?} were all made for {guid}")));
        }
    }
}
