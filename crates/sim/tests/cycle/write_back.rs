//! R10: moments and scores go back to Dynamics, only where they differ, and come to nothing in Marketo.

use std::time::Duration;

use base::{Object, Table};
use dataverse_emulator::options::ClosedRows;
use engine::options::ClosedLeads;
use serde_json::{Value, json};

use crate::world::{World, map, refuse};

const BO: u64 = 0x31;
const CY: u64 = 0x32;
const EVE: u64 = 0x41;
const LOST: u64 = 0x42;

fn world_with(change: impl FnOnce(&mut sandbox::Options)) -> World {
    let world = World::small_with(change);
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({}));
    world.lead(EVE, "Eve", json!({}));
    world.lead(LOST, "Lost", json!({"statecode": 2, "statuscode": 4}));
    world
}

async fn synced() -> World {
    let world = world_with(|_| ());
    world.clean_cycle().await;
    world
}

fn moment(world: &World, n: u64, kind: &str) {
    let (person, now) = (world.persons_of(n)[0], world.now());
    assert!(world.sandbox.marketo.state().interesting_moment(person, kind, "Read the price list", "Website", now));
}

fn score(world: &World, n: u64, priority: i64, urgency: i64, stars: i64) {
    let (person, now) = (world.persons_of(n)[0], world.now());
    assert!(world.sandbox.marketo.state().change_score(person, priority, urgency, stars, now));
}

/// The columns written to rows of Dynamics in the last cycle, without keys.
fn written(world: &World) -> Vec<Value> {
    let mut rows = Vec::new();
    for sent in world.to_dynamics.all() {
        let targets = sent.body["Targets"].as_array().cloned().unwrap_or_else(|| vec![sent.body.clone()]);
        rows.extend(targets.into_iter().filter_map(|row| row.as_object().cloned()));
    }
    rows.iter_mut().for_each(|row| row.retain(|name, _| name.starts_with("mkt_")));
    rows.into_iter().filter(|row| !row.is_empty()).map(Value::Object).collect()
}

#[tokio::test(start_paused = true)]
async fn what_happens_in_marketo_is_seen_in_dynamics_and_comes_to_nothing() {
    let world = synced().await;
    moment(&world, BO, "Web");
    score(&world, EVE, 17, 2, 3);
    let ran = world.clean_cycle().await;
    assert_eq!(ran.summary.written_back.written, 2);
    let bo = world.dynamics("contact", BO);
    assert_eq!(bo["mkt_lastinterestingmomenttype"], json!("Web"), "{bo:?}");
    assert_eq!(bo["mkt_lastinterestingmomentdesc"], json!("Read the price list"));
    let eve = world.dynamics("lead", EVE);
    assert_eq!((&eve["mkt_priority"], eve.get("mkt_lastinterestingmomenttype")), (&json!(17), None));
    world.assert_agreed();

    // Our own writes come back as changes of Dynamics, and are none.
    let next = world.clean_cycle().await;
    assert!(next.summary.captured["contact"].rows > 0, "Dynamics tells of our own write");
    assert_eq!((next.written(), next.summary.written_back.written), (0, 0));
    assert!(world.to_marketo.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_the_columns_that_differ_are_written() {
    let world = synced().await;
    moment(&world, BO, "Web");
    score(&world, BO, 17, 2, 3);
    world.clean_cycle().await;
    score(&world, BO, 18, 2, 3);
    world.clean_cycle().await;
    assert_eq!(written(&world), [json!({"mkt_priority": 18})]);
    // A score that changes nothing that Sales Insight shows writes nothing.
    score(&world, BO, 18, 2, 3);
    let ran = world.clean_cycle().await;
    assert_eq!((written(&world).len(), ran.summary.written_back.unchanged), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_the_first_sync_is_written_after_it() {
    let world = world_with(|_| ());
    let bo = world.insert_person(json!({"email": "bo@buyer.example", "priority": 5, "msiLastInterestingMomentType": "Email"}));
    let ran = world.clean_cycle().await;
    assert_eq!((ran.pushed(Object::Lead).adopted, world.persons_of(BO)), (1, vec![bo]));
    assert_eq!(world.dynamics("contact", BO)["mkt_priority"], json!(5));
    assert_eq!(written(&world), [json!({"mkt_priority": 5, "mkt_lastinterestingmomenttype": "Email"})]);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_closed_lead_is_left_alone_and_counted() {
    let world = synced().await;
    moment(&world, LOST, "Web");
    let ran = world.clean_cycle().await;
    assert_eq!((ran.summary.written_back.not_writable, ran.summary.written_back.written), (1, 0));
    assert!(!world.dynamics("lead", LOST).contains_key("mkt_lastinterestingmomenttype"));
    assert_eq!(world.dynamics("lead", LOST)["statecode"], json!(2));
    assert!(written(&world).is_empty());
    world.assert_agreed();
    // It is opened again, and what was missed is written.
    world.update("lead", LOST, json!({"statecode": 0, "statuscode": 1}));
    score(&world, LOST, 3, 1, 1);
    world.clean_cycle().await;
    assert_eq!(world.dynamics("lead", LOST)["mkt_lastinterestingmomenttype"], json!("Web"));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_lead_that_is_opened_again_gets_what_it_missed() {
    let world = synced().await;
    moment(&world, LOST, "Web");
    world.clean_cycle().await;
    // Nothing more happens in Marketo.
    world.update("lead", LOST, json!({"statecode": 0, "statuscode": 1}));
    for _ in 0..2 {
        world.clean_cycle().await;
    }
    assert_eq!(world.dynamics("lead", LOST).get("mkt_lastinterestingmomenttype"), Some(&json!("Web")));
}

#[tokio::test(start_paused = true)]
async fn closed_leads_are_tried_where_that_is_asked_for() {
    for (closed, expected) in [(ClosedRows::Accept, Some(json!("Web"))), (ClosedRows::Refuse, None)] {
        let mut world = world_with(|options| options.dataverse.closed_leads = closed);
        world.options.write_back.closed_leads = ClosedLeads::Try;
        world.clean_cycle().await;
        moment(&world, LOST, "Web");
        moment(&world, BO, "Web");
        let ran = world.clean_cycle().await;
        assert_eq!(world.dynamics("lead", LOST).get("mkt_lastinterestingmomenttype").cloned(), expected);
        assert_eq!(world.dynamics("contact", BO)["mkt_lastinterestingmomenttype"], json!("Web"));
        assert!(ran.summary.written_back.refused.is_empty());
        // A refused one isn't tried again and again.
        let again = world.clean_cycle().await;
        assert_eq!((written(&world).len(), again.summary.written_back.written), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_a_column_by_hand_is_put_right_when_the_person_is_looked_at() {
    let world = synced().await;
    moment(&world, BO, "Web");
    score(&world, BO, 17, 2, 3);
    world.clean_cycle().await;
    world.update("contact", BO, json!({"mkt_priority": 99, "mkt_lastinterestingmomenttype": null}));
    world.clean_cycle().await;
    moment(&world, BO, "Web");
    world.clean_cycle().await;
    let bo = world.dynamics("contact", BO);
    assert_eq!((&bo["mkt_priority"], &bo["mkt_lastinterestingmomenttype"]), (&json!(17), &json!("Web")));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn without_bulk_messages_rows_go_in_batches() {
    let world = world_with(|options| options.dataverse.no_bulk.extend(["contact".to_owned(), "lead".to_owned()]));
    world.clean_cycle().await;
    moment(&world, BO, "Web");
    moment(&world, EVE, "Email");
    let ran = world.clean_cycle().await;
    assert_eq!(ran.summary.written_back.written, 2);
    assert!(world.sandbox.dataverse.journal().count("batch") > 0);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_bulk_message_that_is_refused_is_taken_apart() {
    let world = synced().await;
    moment(&world, BO, "Web");
    moment(&world, CY, "Web");
    // A plug-in refuses whatever comes in bulk.
    world.dynamics_fault("contact.update_multiple", refuse("400"), None);
    let ran = world.clean_cycle().await;
    assert_eq!(ran.summary.written_back.written, 2);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn one_bad_row_holds_only_itself() {
    let world = synced().await;
    for n in [BO, CY, EVE] {
        moment(&world, n, "Web");
    }
    // A text that is too long for the column since an administrator made it shorter, after metadata were read for the last time.
    let long = "x".repeat(400);
    world.update_person(world.persons_of(CY)[0], json!({"msiLastInterestingMomentDesc": long}));
    // The row is deleted while we write: Dynamics' delta doesn't tell of it before the next cycle.
    let sandbox = world.sandbox.clone();
    let gone = tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            if sandbox.marketo.journal().count("activities.get") > 0 {
                let now = sandbox.now();
                sandbox.dataverse.state().delete("contact", crate::world::id(CY), now).unwrap();
                return;
            }
        }
    });
    world.marketo_fault("activities.get", emulator::Effect::Latency(emulator::Latency::fixed(2_000.0)), Some(1));
    let ran = world.clean_cycle().await;
    gone.await.unwrap();
    assert_eq!(ran.summary.written_back.written, 2, "{:?}", ran.summary.written_back);
    for (table, n) in [("contact", BO), ("lead", EVE)] {
        assert_eq!(world.dynamics(table, n)["mkt_lastinterestingmomenttype"], json!("Web"), "{table}");
    }
    let next = world.cycle().await;
    assert_eq!((next.written(), next.summary.written_back.written), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_row_is_named_and_tried_again() {
    let world = synced().await;
    for n in [BO, EVE] {
        moment(&world, n, "Web");
    }
    // Closed by somebody while we write.
    let sandbox = world.sandbox.clone();
    let closing = tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            if sandbox.marketo.journal().count("activities.get") > 0 {
                let (now, patch) = (sandbox.now(), map(json!({"statecode": 2, "statuscode": 4})));
                sandbox.dataverse.state().update("lead", crate::world::id(EVE), patch, now).unwrap();
                return;
            }
        }
    });
    world.marketo_fault("activities.get", emulator::Effect::Latency(emulator::Latency::fixed(2_000.0)), Some(1));
    let ran = world.cycle().await;
    closing.await.unwrap();
    assert_eq!(ran.summary.written_back.written, 1);
    assert_eq!(ran.summary.written_back.refused.values().sum::<u64>(), 1, "{:?}", ran.summary.written_back);
    assert_eq!(ran.summary.exit_code, 3);
    // Now it is known to be closed.
    let next = world.clean_cycle().await;
    assert_eq!((next.summary.written_back.not_writable, next.written()), (1, 0));
    world.assert_agreed();
}

fn rows(world: &World) -> [usize; 2] {
    let dynamics = world.sandbox.dataverse.state();
    [dynamics.count("lead"), dynamics.count("contact")]
}

#[tokio::test(start_paused = true)]
async fn nobody_is_made_in_dynamics() {
    let world = synced().await;
    world.insert_person(json!({"email": "stranger@web.example", "priority": 9}));
    let before = rows(&world);
    let now = world.now();
    sandbox::activity::moments(&mut world.sandbox.marketo.state(), 4, 10, now);
    world.cycle().await;
    assert_eq!(before, rows(&world));
}

#[tokio::test(start_paused = true)]
async fn the_way_back_can_be_off() {
    let mut world = world_with(|_| ());
    world.options.write_back.enabled = false;
    world.clean_cycle().await;
    moment(&world, BO, "Web");
    let ran = world.clean_cycle().await;
    // Whose person was merged or deleted has to be known all the same.
    let calls: Vec<&str> = ran.summary.marketo_calls.keys().map(String::as_str).collect();
    assert_eq!((ran.summary.written_back.read, calls), (0, vec!["activities.deleted", "activities.get"]));
    assert!(!world.dynamics("contact", BO).contains_key("mkt_lastinterestingmomenttype"));
    assert!(ran.summary.captured.contains_key(Table::Contact.name()));
}

#[tokio::test(start_paused = true)]
async fn tiers_that_are_cut_anew_at_night_come_within_a_day() {
    let world = synced().await;
    score(&world, BO, 10, 1, 1);
    world.clean_cycle().await;
    let now = world.now();
    assert!(world.sandbox.marketo.state().recut_tiers(5, now) > 0);
    let ran = world.clean_cycle().await;
    assert_eq!(ran.summary.written_back.read, 0, "no activity tells of it");
    world.pass(Duration::from_secs(25 * 3600)).await;
    let ran = world.clean_cycle().await;
    assert!(ran.summary.written_back.read >= 1, "{:?}", ran.summary.written_back);
    world.assert_agreed();
    let calls = world.clean_cycle().await.marketo_calls();
    assert!(calls <= 2, "{calls} calls with nothing to do");
}

#[tokio::test(start_paused = true)]
async fn the_same_activity_is_not_looked_at_twice() {
    let world = synced().await;
    moment(&world, BO, "Web");
    let ran = world.clean_cycle().await;
    assert_eq!((ran.summary.written_back.activities, ran.summary.written_back.read), (1, 1));
    for _ in 0..4 {
        world.pass(Duration::from_secs(120)).await;
        let ran = world.clean_cycle().await;
        assert_eq!((ran.summary.written_back.activities, ran.summary.written_back.read), (0, 0));
    }
    world.pass(Duration::from_secs(4_000)).await;
    moment(&world, BO, "Email");
    let ran = world.clean_cycle().await;
    assert_eq!((ran.summary.written_back.activities, ran.summary.written_back.read), (1, 1));
}
