//! Whether both sides are in step in the end, by rules that share no code with the planner: the sandbox's agreement, told what marketing did,
//! and what becomes of persons whose rows are gone.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object};
use engine::options::{InactivePerson, Join, PersonParting, TeamOwner};
use sandbox::agreement::{self, Rules, Team};
use serde_json::{Map, Value};
use store::{
    StoreExt,
    record::{Outbox, OutboxState},
};

use super::{
    settings::OUT_OF_SCOPE,
    watch::{Ledger, Owned, Violation, Watch},
};
use crate::world::World;

/// What the bridge itself says is left, and why: by record, the code under which it is held, or what it waits for. For messages only.
pub type Left = BTreeMap<(Object, Guid), String>;

/// Reads it.
pub async fn left(world: &World) -> Left {
    let entries = world.store.list::<Outbox>(&[], None, usize::MAX).await.unwrap_or_default();
    let why = |entry: &Outbox| match &entry.body.state {
        OutboxState::Ready => "ready".to_owned(),
        OutboxState::Waiting { on } => format!("waits for {on}"),
        OutboxState::Held { code, .. } => code.clone(),
    };
    entries.into_iter().map(|entry| ((entry.object, entry.record.id), why(&entry))).collect()
}

/// What is wrong in the end; nothing when all is right.
#[must_use]
pub fn differences(world: &World, watch: &Watch, left: &Left) -> Vec<Violation> {
    let ledger = watch.ledger();
    let owned = Owned::new(&world.options, &world.sandbox);
    let (dynamics, marketo) = (world.sandbox.dataverse.state(), world.sandbox.marketo.state());
    let options = marketo.options();
    let rules = Rules {
        default_role: world.options.policy.default_role.clone(),
        require_company: world.options.policy.require_company,
        joins_held: [world.options.policy.on_qualify, world.options.policy.on_merge].contains(&Join::Hold),
        out: out(world, &dynamics),
        team: match world.options.owners.team {
            TeamOwner::Administrator => Team::Administrator,
            TeamOwner::Hold => Team::Nobody,
            TeamOwner::User(user) => Team::User(user),
        },
        external_lookup: options.external_person_id_lookup,
        matches_max: options.matches_max,
        removed: watch.removed(),
        email_moves: !options.sales_person_email_frozen && !options.sales_person_email_refused,
        foreign: ledger.foreign().clone(),
        edited: edited(&owned, &dynamics, &marketo, &ledger),
        ..Rules::default()
    };
    let agreement = agreement::agree(&dynamics, &marketo, &rules);
    let mut found = Vec::new();
    if !agreement.is_full() {
        let roles = marketo.rows(marketo_emulator::Object::Roles);
        let named = |role: &Map<String, Value>| {
            let guid = role.get("marketoGUID").and_then(Value::as_str).map(|guid| guid.trim().to_owned());
            agreement.differences.iter().any(|difference| difference.marketo.is_some() && difference.marketo == guid)
        };
        let roles: Vec<String> = roles.filter(named).map(|role| Value::Object(role).to_string()).collect();
        found.push(Violation::new("in-step", format!("{agreement}  left {left:?} {}", roles.join(" "))));
    }
    drop((dynamics, marketo));
    found.extend(blanks(world, &owned, &ledger, left));
    found.extend(parted(world, &ledger, left));
    found
}

/// The rows of people, by GUID as text.
fn rows(dynamics: &dataverse_emulator::State) -> BTreeMap<String, Map<String, Value>> {
    ["contact", "lead"].into_iter().flat_map(|table| dynamics.rows(table)).map(|(id, row)| (id.to_string(), row)).collect()
}

/// The text as both sides compare it.
fn text(value: Option<&Value>) -> String {
    value
        .filter(|value| !value.is_null())
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_lowercase))
        .unwrap_or_default()
}

/// People whom the filter or their state may keep out. Whether something in scope has ever named them, which keeps them in, isn't asked.
fn out(world: &World, dynamics: &dataverse_emulator::State) -> BTreeSet<Guid> {
    let options = &world.options;
    let state = |row: &Map<String, Value>| row.get("statecode").and_then(Value::as_i64);
    let is_out = |table: &str, row: &Map<String, Value>| {
        let is_inactive = state(row) == Some(if table == "contact" { 1 } else { 2 });
        let is_filtered =
            table == "contact" && options.filters.contact.is_some() && text(row.get("jobtitle")) == text(Some(&OUT_OF_SCOPE.into()));
        is_filtered || is_inactive && options.on_inactive.person != InactivePerson::Sync
    };
    let rows = ["contact", "lead"].into_iter().flat_map(|table| dynamics.rows(table).map(move |(id, row)| (table, id, row)));
    rows.filter(|(table, _, row)| is_out(table, row)).map(|(_, id, _)| id).collect()
}

/// Fields that may differ: marketing changed them, and what Dynamics says is what was sent before that, so that nothing had to be sent since; or
/// they aren't Dynamics' at all.
fn edited(
    owned: &Owned,
    dynamics: &dataverse_emulator::State,
    marketo: &marketo_emulator::State,
    ledger: &Ledger,
) -> BTreeSet<(i64, &'static str)> {
    let rows = rows(dynamics);
    let mut edited = BTreeSet::new();
    for (external, persons) in marketo.leads_by_person() {
        let Some(row) = rows.get(&external) else { continue };
        for person in persons {
            for (column, field) in agreement::person_fields() {
                let sent = ledger.sent(person, field);
                let is_theirs = owned.contains(field);
                if is_theirs
                    || ledger.is_edited(person, field) && sent.is_none_or(|sent| text(Some(sent)).trim() == text(row.get(column)).trim())
                {
                    edited.insert((person, field));
                }
            }
            edited.extend(agreement::consent_fields().filter(|field| ledger.is_edited(person, field)).map(|field| (person, field)));
        }
    }
    edited
}

/// A column that has nothing any more empties its field, where we had put something there and nobody changed it since.
fn blanks(world: &World, owned: &Owned, ledger: &Ledger, left: &Left) -> Vec<Violation> {
    let rows = rows(&world.sandbox.dataverse.state());
    let out = out(world, &world.sandbox.dataverse.state());
    let marketo = world.sandbox.marketo.state();
    let mut found = Vec::new();
    for (external, persons) in marketo.leads_by_person() {
        let [person] = persons.as_slice() else { continue };
        // What is held or waits keeps what it has.
        if external.parse().is_ok_and(|id| left.contains_key(&(Object::Lead, id))) {
            continue;
        }
        if external.parse().is_ok_and(|id| out.contains(&id)) {
            continue;
        }
        let (Some(row), Some(lead)) = (rows.get(&external), marketo.lead(*person)) else { continue };
        for (column, field) in agreement::person_fields() {
            let is_ours = !owned.contains(field) && ledger.is_sure(*person, field) && !ledger.is_edited(*person, field);
            if is_ours
                && text(row.get(column)).trim().is_empty()
                && !text(lead.get(field)).is_empty()
                && ledger.sent(*person, field).is_some_and(|sent| !sent.is_null())
            {
                found.push(Violation::new("blank", format!("{field} of person {person} isn't empty, as {column} of {external} is")));
            }
        }
    }
    found
}

/// What becomes of the persons of rows that Dynamics has deleted (rule R9).
fn parted(world: &World, ledger: &Ledger, left: &Left) -> Vec<Violation> {
    let rows = rows(&world.sandbox.dataverse.state());
    let parting = world.options.on_delete.person;
    let marketo = world.sandbox.marketo.state();
    let mut found = Vec::new();
    for (external, persons) in marketo.leads_by_person() {
        if rows.contains_key(&external) || external.parse::<Guid>().is_err() {
            continue;
        }
        for person in persons.into_iter().filter(|person| !ledger.is_foreign(*person)) {
            // It is to become the person of a lead that is held.
            let waits = external.parse().is_ok_and(|id| left.contains_key(&(Object::Lead, id)));
            if parting != PersonParting::Keep && !waits {
                found.push(Violation::new("parted", format!("{external} is deleted, and person {person} has still its id ({parting:?})")));
            }
        }
    }
    found
}
