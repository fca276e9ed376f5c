//! R1: nothing is sent before what it refers to; what waits costs nothing and goes as soon as it can.

use std::time::Duration;

use base::{Object, Table};
use emulator::{Effect, Latency, Level};
use marketo_emulator::Object as Theirs;
use serde_json::json;
use store::{StoreExt, record::Outbox};

use crate::world::{ANN, FIRM, Ran, World, id};

const HOUR: Duration = Duration::from_secs(3600);
const BO: u64 = 0x31;
const DEAL: u64 = 0x51;

/// Objects in the order in which their first writes arrived at Marketo. A user whom only a person names is sent after the first companies; that
/// nothing is sent before what it refers to is watched elsewhere, for every call of every simulation.
fn writes_in_order(world: &World) -> Vec<String> {
    let journal = world.sandbox.marketo.journal();
    let mut order: Vec<String> = Vec::new();
    for exchange in journal.last.iter().filter(|exchange| exchange.operation.ends_with(".sync")) {
        if !order.contains(&exchange.operation) {
            order.push(exchange.operation.clone());
        }
    }
    order
}

#[tokio::test(start_paused = true)]
async fn parents_are_sent_before_children() {
    let world = World::generated(200, 5);
    world.sandbox.marketo.journal().keep(10_000);
    world.cycle().await;
    assert_eq!(writes_in_order(&world), ["salespersons.sync", "companies.sync", "leads.sync", "opportunities.sync", "roles.sync"]);
}

/// A firm that Marketo refuses, a person and an opportunity of it.
fn world_with_a_refused_firm() -> World {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.deal(DEAL, json!({"parentcontactid": ["contact", BO]}));
    world
}

/// Marketo takes companies no more, and the first one is sent on its own, so that it is held.
async fn cycle_with_refused_firm(world: &World) -> Ran {
    let refused = Effect::Fail { level: Level::Record, code: "1003".into(), wait_s: None, records: None, percent: None };
    world.marketo_fault("companies.sync", refused, None);
    let ran = world.cycle().await;
    world.heal();
    ran
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_company_costs_nothing_and_is_sent_with_it() {
    let world = world_with_a_refused_firm();
    let first = cycle_with_refused_firm(&world).await;
    assert_eq!(first.held(Object::Company), [("1003".to_owned(), 1)]);
    assert_eq!(
        (first.pushed(Object::Lead).waiting, first.pushed(Object::Opportunity).waiting, first.pushed(Object::Role).waiting),
        (1, 1, 1)
    );
    assert_eq!(first.summary.exit_code, 3);
    for operation in ["leads.sync", "leads.get", "opportunities.sync", "opportunities.get", "roles.sync"] {
        assert_eq!(world.sandbox.marketo.journal().count(operation), 0, "{operation}: what waits costs no call");
    }

    // Nothing is tried again before its time, so that the next cycle costs nothing either.
    world.pass(HOUR).await;
    let second = world.cycle().await;
    assert_eq!(second.pushed(Object::Lead).waiting, 1);
    assert_eq!(world.sandbox.marketo.journal().count("companies.sync"), 0);

    // The row changes: the company is accepted, and all that waited goes in the same cycle.
    world.update("account", FIRM, json!({"name": "Firm Ltd"}));
    let third = world.clean_cycle().await;
    assert_eq!((third.pushed(Object::Company).created, third.pushed(Object::Lead).created), (1, 1));
    assert_eq!((third.pushed(Object::Opportunity).created, third.pushed(Object::Role).created), (1, 1));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn after_a_day_of_waiting_it_is_held_with_the_reason_and_still_sent_when_the_parent_comes() {
    let world = world_with_a_refused_firm();
    cycle_with_refused_firm(&world).await;
    for _ in 0..25 {
        world.pass(HOUR).await;
        cycle_with_refused_firm(&world).await;
    }
    let held = cycle_with_refused_firm(&world).await;
    for object in [Object::Lead, Object::Opportunity, Object::Role] {
        assert_eq!(held.held(object), [("parent-missing".to_owned(), 1)], "{object:?}");
    }
    let entries = world.store.list::<Outbox>(&[Object::Lead.code()], None, 10).await.unwrap();
    let state = format!("{:?}", entries[0].body.state);
    assert!(state.contains(&format!("account {}", id(FIRM))) || state.contains(&id(FIRM).to_string()), "the reason names it: {state}");
    assert_eq!(world.sandbox.marketo.journal().count("leads.sync"), 0);

    world.update("account", FIRM, json!({"name": "Firm Ltd"}));
    world.clean_cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_person_arrives_before_its_account_and_waits_for_it() {
    let world = World::small();
    let stranger = 0x22;
    // The account is hidden from the application user, as in a business unit that its role can't see.
    world.account(stranger, "Hidden");
    world.sandbox.dataverse.state().options_mut().hidden_rows.insert(id(stranger));
    world.contact(BO, "Bo", json!({"parentcustomerid": ["account", stranger]}));
    let ran = world.cycle().await;
    assert_eq!(ran.pushed(Object::Lead).waiting, 1);
    world.sandbox.dataverse.state().options_mut().hidden_rows.clear();
    world.update("account", stranger, json!({"name": "Seen"}));
    world.clean_cycle().await;
    world.assert_agreed();
    assert_eq!(world.person(BO)["externalCompanyId"], json!(id(stranger)));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_what_waits_replaces_it() {
    let world = world_with_a_refused_firm();
    cycle_with_refused_firm(&world).await;
    world.update("contact", BO, json!({"lastname": "Changed"}));
    cycle_with_refused_firm(&world).await;
    world.update("contact", BO, json!({"lastname": "Changed twice"}));
    world.update("account", FIRM, json!({"name": "Firm Ltd"}));
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["lastName"], json!("Changed twice"));
    assert_eq!(world.to_marketo.records("leads.json").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_sales_person_that_is_refused_holds_only_what_it_owns() {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    let (cy, carl) = (0x32, 0x03);
    world.clean_cycle().await;
    // Marketo's describe, read a moment ago, still told of a longer field.
    world.sandbox.marketo.state().set_field_limit(Theirs::SalesPersons, "title", Some(3));
    world.user(carl, "Carl");
    world.update("systemuser", carl, json!({"title": "Director"}));
    world.contact(cy, "Cy", json!({"ownerid": ["systemuser", carl]}));
    let ran = world.cycle().await;
    assert_eq!(ran.pushed(Object::SalesPerson).held_total(), 1, "{:?}", ran.summary.pushed);
    assert_eq!(ran.pushed(Object::Lead).waiting, 1);
    assert_eq!(world.person(BO)["externalSalesPersonId"], json!(id(ANN)));
    assert!(world.persons_of(cy).is_empty());
    let waits = world.store.list::<Outbox>(&[Object::Lead.code()], None, 10).await.unwrap();
    assert_eq!(waits[0].record.table, Table::Contact);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_no_child_behind() {
    for effect in [Effect::DropAfter, Effect::Truncate] {
        let world = World::small();
        world.contact(BO, "Bo", json!({}));
        world.deal(DEAL, json!({"parentcontactid": ["contact", BO]}));
        for operation in ["companies.sync", "leads.sync", "opportunities.sync", "roles.sync"] {
            world.marketo_fault(operation, effect.clone(), Some(1));
        }
        world.try_cycle().await;
        world.heal();
        world.clean_cycle().await;
        world.assert_agreed();
    }
}

/// Look-ups that a first sync of some thousands needs besides those that are counted.
const BESIDES_MAX: u64 = 3;

#[tokio::test(start_paused = true)]
async fn people_are_looked_up_while_companies_are_sent_and_that_counts_later() {
    let world = World::generated(4_000, 3);
    let slow = Latency::Spread { median_ms: 1_200.0, p99_ms: 3_900.0 };
    world.sandbox.marketo.faults().set_latency(Some(slow));
    world.sandbox.dataverse.faults().set_latency(Some(slow));
    world.sandbox.marketo.journal().keep(10_000);
    let first = world.cycle().await.summary;
    world.assert_agreed();
    let journal = world.sandbox.marketo.journal();
    let operations: Vec<&str> = journal.last.iter().map(|exchange| exchange.operation.as_str()).collect();
    let companies = operations.iter().rposition(|operation| *operation == "companies.sync").unwrap();
    let early = operations[..companies].iter().filter(|operation| **operation == "leads.get").count() as u64;
    assert!(early > 5, "{early} look-ups before the last company");
    // Everybody once, and once for the Sales Insight fields. Besides come the sample, a look-up by e-mail, and calls that aren't full; who stands for
    // somebody is asked for once as well, whether early or not.
    let once = 4_000_u64.div_ceil(300) + first.written_back.read.div_ceil(300);
    assert!(first.marketo_calls["leads.get"] <= once + BESIDES_MAX, "{early} early: {:?}", first.marketo_calls);
}
