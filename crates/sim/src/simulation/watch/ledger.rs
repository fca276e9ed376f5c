//! What was sent last of every field of every record, and who changed it since: only what changed is sent, and no marketing edit is
//! overwritten (rule R5).

use std::collections::{BTreeMap, BTreeSet};

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

/// A record: a person by Marketo's id, a role by all of its key, any other by its key.
type Key = String;

/// What was sent of a field.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    value: Value,
    /// Whether Marketo is known to have taken it.
    sure: bool,
}

/// What is known of one person's or record's fields.
#[derive(Debug, Clone, Default)]
struct Known {
    fields: BTreeMap<String, Sent>,
    /// Fields that marketing changed since.
    edited: BTreeSet<String>,
}

/// Everything that was sent.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    known: BTreeMap<Key, Known>,
    /// Records sent by the process that runs.
    touched: BTreeSet<Key>,
    /// What was known before a request that isn't answered yet.
    before: BTreeMap<u64, BTreeMap<Key, Known>>,
    /// Persons that others made.
    foreign: BTreeSet<i64>,
    /// Kinds of which a record was removed behind our back: what others say of it is sent again.
    lost: BTreeSet<&'static str>,
    /// Those of which one was removed since the last cycle, or in the one that runs.
    just_lost: BTreeSet<&'static str>,
}

fn person_key(id: i64) -> Key {
    format!("person {id}")
}

/// The key of a record that is to be there already; none where this request may create it as somebody new.
fn key_of(object: Theirs, lookup: &str, record: &Map<String, Value>) -> Option<Key> {
    let key = |field: &str| record.get(field).map(folded);
    match object {
        Theirs::Leads => (lookup == "id").then(|| record.get("id").and_then(number).map(person_key)).flatten(),
        Theirs::Companies => Some(format!("company {}", key("externalCompanyId")?)),
        Theirs::SalesPersons => Some(format!("seller {}", key("externalSalesPersonId")?)),
        Theirs::Opportunities => Some(format!("deal {}", key("externalOpportunityId")?)),
        Theirs::Roles => Some(format!("role {} {} {}", key("externalOpportunityId")?, key("leadId")?, key("role")?)),
    }
}

fn is_key_field(object: Theirs, field: &str) -> bool {
    match object {
        Theirs::Leads => field == "id",
        Theirs::Companies => field == "externalCompanyId",
        Theirs::SalesPersons => field == "externalSalesPersonId",
        Theirs::Opportunities => field == "externalOpportunityId",
        Theirs::Roles => matches!(field, "externalOpportunityId" | "leadId" | "role"),
    }
}

fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        (_, _) => one == other,
    }
}

fn persons_of(sandbox: &Sandbox, ids: &[Guid]) -> Vec<i64> {
    let persons = sandbox.marketo.state().leads_by_person();
    ids.iter().filter_map(|id| persons.get(&id.to_string())).flatten().copied().collect()
}

impl Ledger {
    pub(super) fn process_begins(&mut self) {
        self.touched.clear();
        self.before.clear();
    }

    pub(super) fn process_ends(&mut self) {
        self.just_lost.clear();
    }

    /// Nobody knows what of its answers was kept.
    pub(super) fn process_died(&mut self) {
        for key in std::mem::take(&mut self.touched) {
            self.doubt(&key);
        }
        self.before.clear();
    }

    fn doubt(&mut self, key: &str) {
        if let Some(known) = self.known.get_mut(key) {
            known.fields.values_mut().for_each(|sent| sent.sure = false);
        }
    }

    /// Whether others made this person.
    #[must_use]
    pub fn is_foreign(&self, person: i64) -> bool {
        self.foreign.contains(&person)
    }

    /// What was last sent of a person's field.
    #[must_use]
    pub fn sent(&self, person: i64, field: &str) -> Option<&Value> {
        self.known.get(&person_key(person))?.fields.get(field).map(|sent| &sent.value)
    }

    /// Whether Marketo is known to have taken what was sent last of a person's field.
    #[must_use]
    pub fn is_sure(&self, person: i64, field: &str) -> bool {
        self.known.get(&person_key(person)).and_then(|known| known.fields.get(field)).is_some_and(|sent| sent.sure)
    }

    /// Whether marketing changed a person's field, or it came with a merge.
    #[must_use]
    pub fn is_edited(&self, person: i64, field: &str) -> bool {
        self.known.get(&person_key(person)).is_some_and(|known| known.edited.contains(field))
    }

    /// The persons that others made, from now on.
    pub fn add_foreign(&mut self, persons: impl Iterator<Item = i64>) {
        self.foreign.extend(persons);
    }

    /// The persons that others made.
    #[must_use]
    pub fn foreign(&self) -> &BTreeSet<i64> {
        &self.foreign
    }

    /// Notes what somebody does.
    pub(super) fn notice(&mut self, sandbox: &Sandbox, operation: &Operation) {
        match operation {
            Operation::MarketoUpdate { object, id, row } if object == "leads" => {
                if let Some(id) = number(id) {
                    self.known.entry(person_key(id)).or_default().edited.extend(row.keys().cloned());
                }
            }
            Operation::MarketoDelete { object, id } if object == "leads" => {
                // It may not come to it, as below.
                self.known.entry(person_key(number(id).unwrap_or_default())).or_default().fields.clear();
                let id = folded(id);
                self.known.retain(|key, _| !(key.starts_with("role ") && key.split(' ').nth(2) == Some(&id)));
            }
            Operation::MarketoDelete { object, .. } => {
                // Which it was doesn't matter: all of its kind are in doubt, and so is what belonged to it.
                let kinds: &[&'static str] = match object.as_str() {
                    "companies" => &["company "],
                    "salespersons" => &["seller "],
                    _ => &["deal ", "role "],
                };
                self.lost.extend(kinds);
                self.just_lost.extend(kinds);
                self.known.retain(|key, _| !kinds.iter().any(|kind| key.starts_with(kind)));
            }
            Operation::MarketoMerge { winner, losers } => {
                let marketo = sandbox.marketo.state();
                let taken: BTreeSet<String> =
                    losers.iter().filter_map(|id| marketo.lead(*id)).flat_map(|lead| lead.into_iter()).map(|(field, _)| field).collect();
                drop(marketo);
                self.known.entry(person_key(*winner)).or_default().edited.extend(taken);
                self.doubt(&person_key(*winner));
                // It may not come to it: a process that dies first takes what is to happen in its middle along. So what was edited stays noted.
                let mut forget = |loser: &i64| self.known.entry(person_key(*loser)).or_default().fields.clear();
                losers.iter().for_each(&mut forget);
                self.known.retain(|key, _| !key.starts_with("role "));
            }
            // Who is looked for again may have been found again, and is compared with what Marketo holds then.
            Operation::Qualify { id, .. } | Operation::Delete { id, .. } => self.doubt_persons_of(sandbox, &[*id]),
            Operation::Merge { winner, loser, .. } => self.doubt_persons_of(sandbox, &[*winner, *loser]),
            Operation::Update { id, row, .. } if row.contains_key("statecode") => self.doubt_persons_of(sandbox, &[*id]),
            // Consent that is given isn't sent, and one that is withheld anew after that is.
            Operation::Update { id, row, .. } if row.keys().any(|column| column.starts_with("donot")) => {
                for person in persons_of(sandbox, &[*id]) {
                    let fields = self.known.get_mut(&person_key(person)).map(|known| &mut known.fields);
                    let consent =
                        |(field, _): &(&String, &mut Sent)| sandbox::agreement::consent_fields().any(|name| name == field.as_str());
                    fields.into_iter().flatten().filter(consent).for_each(|(_, sent)| sent.sure = false);
                }
            }
            Operation::Create { .. }
            | Operation::Update { .. }
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

    /// Where one role of an opportunity is refused, the opportunity may be gone, and then all its roles are sent again.
    fn doubt_roles_beside(&mut self, key: &Key) {
        let Some(("role", rest)) = key.split_once(' ') else { return };
        let all = format!("role {} ", rest.split(' ').next().unwrap_or_default());
        let beside = self.known.iter_mut().filter(|(key, _)| key.starts_with(&all));
        beside.flat_map(|(_, known)| known.fields.values_mut()).for_each(|sent| sent.sure = false);
    }

    fn doubt_persons_of(&mut self, sandbox: &Sandbox, ids: &[Guid]) {
        persons_of(sandbox, ids).into_iter().for_each(|person| self.doubt(&person_key(person)));
    }

    pub(super) fn asked(&mut self, number: u64, write: &Write, broken: &mut Vec<Violation>) {
        let Write::Upsert { object, lookup, records, .. } = write else { return };
        let mut before = BTreeMap::new();
        for record in records {
            let Some(key) = key_of(*object, lookup, record) else { continue };
            self.touched.insert(key.clone());
            let known = self.known.entry(key.clone()).or_default();
            before.insert(key.clone(), known.clone());
            for (field, value) in record.iter().filter(|(field, _)| !is_key_field(*object, field)) {
                let excused = field == "externalCompanyId" && self.lost.contains("company ")
                    || self.just_lost.iter().any(|kind| key.starts_with(kind));
                if let Some(sent) = known.fields.get(field)
                    && sent.sure
                    && same(&sent.value, value)
                    && !excused
                {
                    let edited = if known.edited.contains(field) { ", over what marketing wrote" } else { "" };
                    broken.push(Violation::new("unchanged", format!("{field} of {key} is sent again{edited}: {}", shown(write))));
                }
                known.fields.insert(field.clone(), Sent { value: value.clone(), sure: false });
            }
        }
        self.before.insert(number, before);
    }

    pub(super) fn answered(&mut self, number: u64, write: &Write, verdict: &Verdict) {
        let before = self.before.remove(&number).unwrap_or_default();
        match (write, verdict) {
            (Write::Upsert { object, lookup, records, .. }, Verdict::Done(outcomes)) if outcomes.len() == records.len() => {
                let mut refused = Vec::new();
                for (record, outcome) in records.iter().zip(outcomes) {
                    let key = match (object, outcome.id) {
                        (Theirs::Leads, Some(id)) => Some(person_key(id)),
                        (_, _) => key_of(*object, lookup, record),
                    };
                    let Some(key) = key else { continue };
                    if !outcome.is_done() {
                        if let Some(before) = before.get(&key) {
                            self.known.insert(key.clone(), before.clone());
                        }
                        refused.push(key);
                        continue;
                    }
                    self.touched.insert(key.clone());
                    let known = self.known.entry(key).or_default();
                    if outcome.status == "created" {
                        *known = Known::default();
                    }
                    for (field, value) in record.iter().filter(|(field, _)| !is_key_field(*object, field)) {
                        known.fields.insert(field.clone(), Sent { value: value.clone(), sure: true });
                        known.edited.remove(field);
                    }
                    // It may become somebody else's, to whom nothing was sent yet.
                    if record.get("externalPersonId") == Some(&Value::Null) {
                        known.fields.values_mut().for_each(|sent| sent.sure = false);
                    }
                }
                refused.iter().for_each(|key| self.doubt_roles_beside(key));
            }
            (Write::Delete { object, records }, _) => {
                for record in records {
                    let key = match object {
                        Theirs::Leads => record.get("id").and_then(super::call::number).map(person_key),
                        Theirs::Companies | Theirs::SalesPersons | Theirs::Opportunities | Theirs::Roles => key_of(*object, "", record),
                    };
                    key.map(|key| self.known.remove(&key));
                }
            }
            (Write::Merge { winner, losers }, _) => {
                self.doubt(&person_key(*winner));
                losers.iter().for_each(|loser| drop(self.known.remove(&person_key(*loser))));
            }
            (Write::Upsert { .. }, _) => {}
        }
    }
}
