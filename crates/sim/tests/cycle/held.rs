//! R11 and R12: what can't be sent is held with Marketo's own reason, alone, and is tried again in its time.

use std::time::Duration;

use base::Object;
use emulator::{Effect, Fault, When};
use marketo_emulator::Object as Theirs;
use serde_json::json;
use store::{
    StoreExt,
    record::{Outbox, OutboxState},
};

use crate::world::{World, id, refuse};

const HOUR: Duration = Duration::from_secs(3600);
const FIRST: u64 = 0x1000;
const DEAL: u64 = 0x51;

/// So many people, every `bad`-th of whom has a text that Marketo has stopped to take.
async fn world(people: u64, bad: u64) -> World {
    let world = World::small();
    world.clean_cycle().await;
    // Describe tells of a longer field, so that the text isn't cut.
    world.sandbox.marketo.state().set_field_limit(Theirs::Leads, "title", Some(5));
    for n in 0..people {
        let title = if n % bad == bad - 1 { "Director" } else { "Chief" };
        world.contact(FIRST + n, &format!("P{n}"), json!({"jobtitle": title}));
    }
    world
}

async fn outbox(world: &World, object: Object) -> Vec<Outbox> {
    world.store.list::<Outbox>(&[object.code()], None, 10_000).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn seven_bad_records_of_three_hundred_hold_only_themselves() {
    let world = world(300, 40).await;
    world.deal(DEAL, json!({"parentcontactid": ["contact", FIRST + 39]}));
    world.deal(DEAL + 1, json!({"parentcontactid": ["contact", FIRST + 38]}));
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("1003".to_owned(), 7)]);
    assert_eq!(ran.pushed(Object::Lead).created, 293);
    assert_eq!((ran.pushed(Object::Role).created, ran.pushed(Object::Role).waiting), (1, 1), "the role of a held person waits");
    assert_eq!((ran.summary.exit_code, world.people().len()), (3, 293));
    for entry in outbox(&world, Object::Lead).await {
        let OutboxState::Held { code, reason, .. } = &entry.body.state else { panic!("{:?}", entry.body.state) };
        assert!(code == "1003" && reason.contains("title"), "Marketo's own words: {reason}");
    }
    // Nothing more happens: nothing is sent again.
    let next = world.cycle().await;
    assert_eq!((next.written(), world.to_marketo.all().len()), (0, 0));
    assert_eq!(next.held(Object::Lead), [("1003".to_owned(), 7)]);
}

#[tokio::test(start_paused = true)]
async fn a_held_record_is_sent_when_its_row_changes() {
    let world = world(40, 20).await;
    world.cycle().await;
    world.update("contact", FIRST + 19, json!({"jobtitle": "Clerk"}));
    let ran = world.cycle().await;
    assert_eq!((ran.pushed(Object::Lead).created, ran.held(Object::Lead)), (1, vec![("1003".to_owned(), 1)]));
    assert_eq!(world.to_marketo.records("leads.json").len(), 1, "the other one is left alone");
    // A change of something that isn't mapped changes nothing.
    world.update("contact", FIRST + 39, json!({"description": "tea"}));
    world.cycle().await;
    assert!(world.to_marketo.records("leads.json").is_empty());
}

#[tokio::test(start_paused = true)]
async fn held_records_are_tried_again_on_request() {
    let mut world = world(40, 20).await;
    world.cycle().await;
    world.sandbox.marketo.state().set_field_limit(Theirs::Leads, "title", Some(255));
    world.pass(HOUR).await;
    assert_eq!(world.cycle().await.pushed(Object::Lead).created, 0);
    world.retry_held = true;
    let ran = world.clean_cycle().await;
    assert_eq!(ran.pushed(Object::Lead).created, 2);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn held_records_are_tried_again_after_a_day() {
    let world = world(40, 20).await;
    world.cycle().await;
    world.sandbox.marketo.state().set_field_limit(Theirs::Leads, "title", Some(255));
    world.pass(23 * HOUR).await;
    assert_eq!(world.cycle().await.pushed(Object::Lead).created, 0, "not yet");
    world.pass(2 * HOUR).await;
    let ran = world.clean_cycle().await;
    assert_eq!(ran.pushed(Object::Lead).created, 2);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn the_daily_retry_costs_a_small_budget_only() {
    let world = World::small();
    for n in 0..330 {
        world.contact(FIRST + n, &format!("P{n}"), json!({}));
        for _ in 0..2 {
            world.insert_person(json!({"email": format!("p{n}@buyer.example")}));
        }
    }
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("ambiguous".to_owned(), 330)]);
    world.pass(25 * HOUR).await;
    world.cycle().await;
    assert_eq!(world.to_marketo.records("leads.json").len(), 300, "of 330");
    world.pass(HOUR).await;
    world.cycle().await;
    assert_eq!(world.to_marketo.records("leads.json").len(), 30, "the rest, and none twice a day");
}

#[tokio::test(start_paused = true)]
async fn one_record_that_spoils_its_whole_call_is_isolated() {
    // 718 of an unknown owner refuses the whole request of opportunities by default.
    let world = World::small();
    for n in 0..20 {
        world.deal(0x500 + n, json!({}));
    }
    world.clean_cycle().await;
    for n in 0..20 {
        world.update("opportunity", 0x500 + n, json!({"name": format!("New {n}"), "ownerid": ["systemuser", if n == 7 { 2 } else { 1 }]}));
    }
    // Somebody deleted Ben's sales person in Marketo.
    let ben = id(crate::world::BEN).to_string();
    delete_sales_person(&world, &ben).await;
    let ran = world.cycle().await;
    // The one waits for its owner, which is found to be gone, sent again, and then followed by it.
    assert_eq!(ran.pushed(Object::Opportunity).updated, 20, "{:?}", ran.summary.pushed);
    assert_eq!(ran.pushed(Object::SalesPerson).created, 1, "{:?}", ran.summary.pushed);
    assert_eq!(ran.summary.left(), (0, 0));
}

async fn delete_sales_person(world: &World, key: &str) {
    let bridge = world.bridge().await;
    let mut record = serde_json::Map::new();
    record.insert("externalSalesPersonId".into(), key.into());
    let verdicts = bridge.marketo.remove(Object::SalesPerson, vec![record]).await.unwrap();
    assert!(verdicts[0].confirmed, "{verdicts:?}");
    bridge.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_record_in_a_batch_that_fails_as_a_whole_is_found_by_halving() {
    let world = world(64, 1000).await;
    // A whole call fails three times; no record is to blame, and all are sent in the end.
    world.marketo_fault("leads.sync", refuse("1003"), Some(3));
    let ran = world.clean_cycle().await;
    assert_eq!(ran.pushed(Object::Lead).created, 64);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn what_is_held_before_a_fault_is_over_is_sent_after_it() {
    let mut world = world(10, 1000).await;
    world.sandbox.marketo.faults().add(Fault { when: When::operation("leads.sync"), effect: refuse("1006"), times: None });
    let ran = world.try_cycle().await;
    assert!(ran.error.is_some() || ran.pushed(Object::Lead).held_total() == 10, "{:?}", ran.summary);
    world.heal();
    world.retry_held = true;
    world.clean_cycle().await;
    world.assert_agreed();
    assert_eq!(world.people().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_answer_cut_short_loses_nothing() {
    let world = world(50, 1000).await;
    world.marketo_fault("leads.sync", Effect::Truncate, Some(2));
    world.try_cycle().await;
    world.heal();
    world.clean_cycle().await;
    world.assert_agreed();
    assert_eq!(world.people().len(), 50);
}
