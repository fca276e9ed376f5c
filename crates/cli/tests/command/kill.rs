//! SIGKILL at random requests: nothing is lost, nothing is there twice, and what was confirmed isn't sent again (rule R11).

use std::collections::BTreeMap;

use base::{Dice, Guid, Timestamp};
use dataverse_emulator::State;
use sandbox::{activity, edits};
use serde_json::{Map, Value, json};

use crate::{
    rows::{assert_agreed, assert_same},
    tap::{Death, OBJECTS},
    world::{World, options},
};

/// Of the first syncs, and of the one that is then gone on with.
const PEOPLE: [u64; 2] = [300, 150];
const KILLS: u64 = 25;

/// In so many incremental rounds, the rows are compared once with those of an undisturbed organisation.
const COMPARE_EVERY: u64 = 4;

/// Requests in flight, by turns.
const IN_FLIGHT: [u64; 2] = [1, 5];

/// The run ends as an undisturbed one does: some records are held and waiting by the organisation's making.
const LEFT: i32 = 3;

/// What an undisturbed run asks for.
#[derive(Debug, Clone, Copy)]
struct Length {
    requests: u64,
    /// Of these, from the first write to Marketo on.
    writing: u64,
}

impl Length {
    fn of(world: &World) -> Self {
        Self { requests: world.tap.requests(), writing: world.tap.requests_while_writing() }
    }
}

/// One kill in two is anywhere, the other where something is being written.
fn death(dice: &mut Dice, Length { requests, writing }: Length) -> Death {
    let within = if dice.percent(50.0) { requests } else { writing };
    Death { request: requests - dice.below(within), applied: dice.percent(50.0) }
}

/// What the rounds of a test came to, so that a test which proves nothing doesn't pass.
#[derive(Debug, Default)]
struct Tally {
    /// Runs that were killed before they ended.
    kills: u32,
    /// Records that were confirmed for certain in a run that was killed.
    confirmed: usize,
}

/// Runs until it ends by itself; killed first at a random request, and sometimes once more.
fn killed_and_continued(world: &World, dice: &mut Dice, length: Length, what: &str, tally: &mut Tally) {
    let first_run = world.tap.run() + 1;
    let first = death(dice, length);
    tally.kills += u32::from(world.run_killed(&["sync"], first));
    if dice.percent(30.0) {
        let second = death(dice, length);
        tally.kills += u32::from(world.run_killed(&["sync"], second));
    }
    let ran = world.run(&["sync"]);
    assert_eq!(ran.code(), Some(LEFT), "{what}, killed at {first:?}: {}{}", ran.stdout, ran.stderr);
    tally.confirmed += nothing_confirmed_again(world, first_run, what);
}

/// What Marketo confirmed in one run isn't sent in a later one, unless its batch was in flight at the kill: no object comes before the one it
/// refers to is through, so a write of a later object says that all before it were saved. Gives how many were confirmed before the last run.
fn nothing_confirmed_again(world: &World, first_run: u32, what: &str) -> usize {
    let rank = |object: &str| OBJECTS.iter().position(|known| *known == object).unwrap();
    let mut confirmed: BTreeMap<(String, String), u32> = BTreeMap::new();
    let sent = world.tap.sent_since(first_run);
    let mut before = 0;
    for run in first_run..=world.tap.run() {
        before = confirmed.len();
        let writes = world.tap.write_objects(run);
        let this: Vec<_> = sent.iter().filter(|sent| sent.run == run).collect();
        for sent in &this {
            let Some(id) = &sent.id else { continue };
            let key = (sent.object.clone(), id.clone());
            assert!(!confirmed.contains_key(&key), "{what}: {key:?} was confirmed in run {} and sent again in {run}", confirmed[&key]);
        }
        for sent in this {
            let later = &writes[sent.write + 1..];
            let saved = later.iter().any(|object| rank(object) > rank(&sent.object));
            if let (true, Some(id)) = (saved, &sent.id) {
                confirmed.insert((sent.object.clone(), id.clone()), run);
            }
        }
    }
    before
}

#[test]
fn a_first_sync_killed_anywhere_ends_as_an_undisturbed_one() {
    let made = Timestamp::now();
    let undisturbed = World::with(options(PEOPLE[0]), made);
    undisturbed.run(&["sync"]).expect(LEFT);
    let length = Length::of(&undisturbed);
    assert_agreed("undisturbed", &undisturbed.sandbox);
    let mut dice = Dice::new(2_026);
    let mut tally = Tally::default();
    for round in 0..KILLS {
        let world = World::with(options(PEOPLE[0]), made);
        let in_flight = IN_FLIGHT[usize::from(round % 2 == 0)];
        world.configured("max_in_flight = 5", &format!("max_in_flight = {in_flight}"));
        let what = format!("first sync, round {round}, {in_flight} in flight");
        killed_and_continued(&world, &mut dice, length, &what, &mut tally);
        assert_agreed(&what, &world.sandbox);
        assert_same(&what, &undisturbed.sandbox, &world.sandbox);
    }
    assert!(tally.kills >= 20 && tally.confirmed >= 50, "{tally:?}");
}

/// Two stakeholders are won, one gets another role, one is lost. The sandbox's own function lets Dynamics invent the ids, which then depend on
/// how often it was called.
fn edit_roles(dynamics: &mut State, seed: u64, now: Timestamp) {
    let mut dice = Dice::new(seed);
    let mut open = |table: &str| {
        let is_open = |row: &Map<String, Value>| {
            row.get("statecode").and_then(Value::as_i64).unwrap_or(0) == 0 && row.get("merged") != Some(&json!(true))
        };
        let ids: Vec<Guid> = dynamics.rows(table).filter(|(_, row)| is_open(row)).map(|(id, _)| id).collect();
        *dice.pick(&ids).unwrap_or_else(|| panic!("no open {table}"))
    };
    let look = |name: &str, table: &str, id: Guid| {
        [(format!("_{name}_value@Microsoft.Dynamics.CRM.lookuplogicalname"), json!(table)), (format!("_{name}_value"), json!(id))]
    };
    let mut chosen = Vec::new();
    for _ in 0..2 {
        chosen.push([open("opportunity"), open("contact"), open("connectionrole")]);
    }
    let role = open("connectionrole");
    for [opportunity, contact, role] in chosen {
        let mut row: Map<String, Value> = [
            look("record1id", "opportunity", opportunity),
            look("record2id", "contact", contact),
            look("record2roleid", "connectionrole", role),
        ]
        .into_iter()
        .flatten()
        .collect();
        row.insert("connectionid".into(), json!(dice.guid()));
        dynamics.insert("connection", row, now).unwrap();
    }
    let masters = |dynamics: &State| -> Vec<Guid> {
        let is_stakeholder =
            |row: &Map<String, Value>| row.get("record2objecttypecode") == Some(&json!(2)) && row.get("ismaster") == Some(&json!(true));
        dynamics.rows("connection").filter(|(_, row)| is_stakeholder(row)).map(|(id, _)| id).collect()
    };
    let changed = *dice.pick(&masters(dynamics)).unwrap();
    let patch = look("record2roleid", "connectionrole", role).into_iter().collect();
    dynamics.update("connection", changed, patch, now).unwrap();
    let lost = *dice.pick(&masters(dynamics)).unwrap();
    dynamics.delete("connection", lost, now).unwrap();
}

/// The same work in both organisations.
fn work(world: &World, round: u64, now: Timestamp) {
    let mut dynamics = world.sandbox.dataverse.state();
    edits::edit_people(&mut dynamics, round, 8.0, now).unwrap();
    edits::edit_owners(&mut dynamics, round + 1_000, 4, now).unwrap();
    edit_roles(&mut dynamics, round + 2_000, now);
    drop(dynamics);
    activity::moments(&mut world.sandbox.marketo.state(), round + 3_000, 20, now);
}

#[test]
fn an_incremental_sync_killed_anywhere_ends_as_an_undisturbed_one() {
    let made = Timestamp::now();
    let [undisturbed, world] = [(), ()].map(|()| World::with(options(PEOPLE[1]), made));
    undisturbed.run(&["sync"]).expect(LEFT);
    world.run(&["sync"]).expect(LEFT);
    assert_same("before the first kill", &undisturbed.sandbox, &world.sandbox);
    let mut dice = Dice::new(7);
    let mut tally = Tally::default();
    for round in 0..KILLS {
        let in_flight = IN_FLIGHT[usize::from(round % 2 == 0)];
        world.configured("max_in_flight = 5", &format!("max_in_flight = {in_flight}"));
        let now = Timestamp::now();
        work(&undisturbed, round, now);
        work(&world, round, now);
        // One undisturbed run for several rounds' work comes to the same, and gives an idea of how long one is.
        let compared = round % COMPARE_EVERY == 0;
        if compared {
            undisturbed.run(&["sync"]).expect(LEFT);
        }
        let length = Length::of(&undisturbed);
        let what = format!("incremental sync, round {round}, {in_flight} in flight");
        killed_and_continued(&world, &mut dice, length, &what, &mut tally);
        assert_agreed(&what, &world.sandbox);
        if compared {
            assert_same(&what, &undisturbed.sandbox, &world.sandbox);
        }
    }
    assert!(tally.kills >= 20 && tally.confirmed >= 20, "{tally:?}");
}
