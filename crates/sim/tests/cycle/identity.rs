//! R3: one person, one record, whoever was there before.

use base::Object;
use emulator::{Effect, Latency};
use planner::identity::Ambiguous;
use serde_json::json;
use std::time::Duration;

use crate::world::{FIRM, World, id};

const BO: u64 = 0x31;
const CY: u64 = 0x32;
const EVE: u64 = 0x41;

fn world_of_bo() -> World {
    let world = World::small();
    world.contact(BO, "Bo", json!({"jobtitle": "Chief"}));
    world
}

#[tokio::test(start_paused = true)]
async fn a_person_from_a_web_form_is_adopted() {
    let world = world_of_bo();
    let visitor = world.insert_person(json!({"email": "BO@buyer.example", "leadSource": "Web form", "city": "Ulm"}));
    let ran = world.clean_cycle().await;
    assert_eq!((ran.pushed(Object::Lead).created, ran.pushed(Object::Lead).adopted), (0, 1));
    assert_eq!(world.persons_of(BO), [visitor]);
    let bo = world.person(BO);
    assert_eq!((&bo["leadSource"], &bo["city"], &bo["title"]), (&json!("Web form"), &json!("Ulm"), &json!("Chief")));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_person_of_another_record_is_left_alone() {
    let world = world_of_bo();
    for theirs in [json!("SAP-17"), json!(id(0x999))] {
        world.insert_person(json!({"email": "bo@buyer.example", "externalPersonId": theirs, "title": "Theirs"}));
    }
    let ran = world.clean_cycle().await;
    assert_eq!(ran.pushed(Object::Lead).created, 1);
    assert_eq!(world.people().len(), 3);
    assert_eq!(world.people().iter().filter(|person| person.get("title") == Some(&json!("Theirs"))).count(), 2);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn several_candidates_are_held_and_nothing_is_made() {
    let world = world_of_bo();
    world.contact(CY, "Cy", json!({}));
    world.insert_person(json!({"email": "bo@buyer.example"}));
    world.insert_person(json!({"email": "bo@buyer.example", "lastName": "Buyer"}));
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("ambiguous".to_owned(), 1)]);
    assert_eq!(ran.summary.exit_code, 3);
    assert_eq!(world.people().len(), 3, "Cy is there, Bo is nobody yet");
    assert_eq!(world.persons_of(CY).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_several_candidates_the_policy_adopts_the_best() {
    let mut world = world_of_bo();
    world.insert_person(json!({"email": "bo@buyer.example", "lastName": "Else", "updatedAt": "2026-07-30T00:00:00Z"}));
    world.insert_person(json!({"email": "bo@buyer.example", "lastName": "buyer", "updatedAt": "2026-07-01T00:00:00Z"}));
    let latest = world.insert_person(json!({"email": "bo@buyer.example", "lastName": "Buyer", "updatedAt": "2026-07-02T00:00:00Z"}));
    world.insert_person(json!({"email": "bo@buyer.example", "lastName": "Buyer", "updatedAt": "2026-07-02T00:00:00Z"}));
    world.cycle().await;
    assert!(world.persons_of(BO).is_empty());
    // The policy changes: what is held is tried again at once.
    world.options.policy.ambiguous = Ambiguous::Adopt;
    let ran = world.clean_cycle().await;
    assert_eq!(world.persons_of(BO), [latest]);
    assert_eq!(ran.pushed(Object::Lead).adopted, 1);
    assert_eq!(world.people().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn two_records_with_one_address_are_two_people() {
    let world = world_of_bo();
    world.contact(CY, "Cy", json!({"emailaddress1": "Bo@Buyer.example"}));
    world.lead(EVE, "Eve", json!({"emailaddress1": "bo@buyer.example"}));
    world.clean_cycle().await;
    assert_eq!(world.people().len(), 3);
    world.assert_agreed();
    let again = world.clean_cycle().await;
    assert_eq!(again.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_records_with_one_address_don_t_share_the_one_that_was_there() {
    let world = world_of_bo();
    world.contact(CY, "Cy", json!({"emailaddress1": "bo@buyer.example"}));
    world.insert_person(json!({"email": "bo@buyer.example"}));
    let ran = world.clean_cycle().await;
    assert_eq!((ran.pushed(Object::Lead).adopted, ran.pushed(Object::Lead).created), (1, 1));
    assert_eq!(world.people().len(), 2);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn an_address_with_a_comma_is_no_obstacle() {
    let world = World::small();
    world.contact(BO, "Bo", json!({"emailaddress1": "bo,buyer@buyer.example"}));
    world.contact(CY, "Cy", json!({}));
    let ran = world.clean_cycle().await;
    assert_eq!(ran.pushed(Object::Lead).created, 2);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn an_address_with_a_comma_that_is_taken_is_held_and_holds_nobody_else() {
    let world = World::small();
    world.contact(BO, "Bo", json!({"emailaddress1": "bo,buyer@buyer.example"}));
    world.contact(CY, "Cy", json!({}));
    world.insert_person(json!({"email": "bo,buyer@buyer.example"}));
    world.insert_person(json!({"email": "cy@buyer.example"}));
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("email-not-searchable".to_owned(), 1)]);
    assert_eq!((ran.pushed(Object::Lead).adopted, world.people().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn people_without_an_address_are_made_by_their_id_and_once() {
    let world = World::small();
    for n in 0x100..0x120 {
        world.contact(n, "Same", json!({"emailaddress1": null}));
    }
    let ran = world.clean_cycle().await;
    assert_eq!(ran.pushed(Object::Lead).created, 32);
    world.assert_agreed();
    let again = world.clean_cycle().await;
    assert_eq!((again.written(), world.people().len()), (0, 32));
}

#[tokio::test(start_paused = true)]
async fn where_the_id_is_no_lookup_field_people_without_address_are_held_and_others_are_not() {
    let world = World::small_with(|options| options.marketo.external_person_id_lookup = false);
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({"emailaddress1": null}));
    world.lead(EVE, "Eve", json!({"emailaddress1": "bo@buyer.example"}));
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("no-email-of-its-own".to_owned(), 2)], "Cy has none, and Eve's is Bo's");
    assert_eq!(world.people().len(), 1);
    assert_eq!(world.person(BO)["email"], json!("bo@buyer.example"));
    // An address of its own is the remedy.
    world.update("contact", CY, json!({"emailaddress1": "cy@buyer.example"}));
    let ran = world.cycle().await;
    assert_eq!(ran.pushed(Object::Lead).created, 1);
    assert_eq!(ran.held(Object::Lead), [("no-email-of-its-own".to_owned(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_form_that_is_filled_in_between_looking_and_creating_makes_no_second_person() {
    let world = world_of_bo();
    // The creating call takes a while, in which the visitor arrives.
    world.marketo_fault("leads.sync", Effect::Latency(Latency::fixed(20_000.0)), Some(1));
    let sandbox = world.sandbox.clone();
    let visitor = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if sandbox.marketo.journal().count("leads.sync") > 0 {
                let now = sandbox.now();
                return sandbox.marketo.state().insert_lead(crate::world::map(json!({"email": "bo@buyer.example"})), now);
            }
        }
    });
    let ran = world.clean_cycle().await;
    let visitor = visitor.await.unwrap();
    assert_eq!(world.persons_of(BO), [visitor]);
    assert_eq!((ran.pushed(Object::Lead).adopted, world.people().len()), (1, 1));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn an_index_that_lags_makes_no_second_person() {
    let world = World::small_with(|options| options.marketo.read_lag_s = 120);
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({"emailaddress1": null}));
    // In Marketo, but no query shows them yet.
    world.insert_person(json!({"email": "bo@buyer.example"}));
    world.insert_person(json!({"externalPersonId": id(CY)}));
    world.marketo_fault("leads.sync", Effect::DropAfter, Some(1));
    for _ in 0..3 {
        world.try_cycle().await;
        world.pass(Duration::from_secs(90)).await;
    }
    world.clean_cycle().await;
    assert_eq!(world.people().len(), 2);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn more_than_a_thousand_persons_with_one_address_hold_only_their_record() {
    let world = World::small_with(|options| options.marketo.matches_max = 40);
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({}));
    for _ in 0..60 {
        world.insert_person(json!({"email": "bo@buyer.example"}));
    }
    world.insert_person(json!({"email": "cy@buyer.example"}));
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("ambiguous".to_owned(), 1)]);
    assert_eq!((ran.pushed(Object::Lead).adopted, world.people().len()), (1, 61));
}

#[tokio::test(start_paused = true)]
async fn a_person_deleted_in_marketo_is_made_again_once() {
    let world = world_of_bo();
    world.clean_cycle().await;
    let old = world.persons_of(BO)[0];
    let now = world.now();
    world.sandbox.marketo.state().delete_lead(old, now);
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    let ran = world.clean_cycle().await;
    assert_eq!(ran.pushed(Object::Lead).created, 1);
    let new = world.persons_of(BO);
    assert!(new.len() == 1 && new[0] != old);
    world.assert_agreed();
    let again = world.clean_cycle().await;
    assert_eq!((again.written(), world.people().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_person_merged_away_in_marketo_is_found_again() {
    let world = world_of_bo();
    world.clean_cycle().await;
    let old = world.persons_of(BO)[0];
    let winner = world.insert_person(json!({"email": "bo@buyer.example", "externalPersonId": id(BO)}));
    let now = world.now();
    assert!(world.sandbox.marketo.state().merge_leads(winner, &[old], now));
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    let ran = world.clean_cycle().await;
    assert_eq!((ran.pushed(Object::Lead).created, world.people().len()), (0, 1));
    assert_eq!(world.persons_of(BO), [winner]);
    assert_eq!(world.person(BO)["title"], json!("Clerk"));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_role_of_a_person_that_was_deleted_comes_back_with_it() {
    let world = world_of_bo();
    world.deal(0x51, json!({"parentcontactid": ["contact", BO]}));
    world.clean_cycle().await;
    let old = world.persons_of(BO)[0];
    let now = world.now();
    world.sandbox.marketo.state().delete_lead(old, now);
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    for _ in 0..2 {
        world.cycle().await;
    }
    let new = world.persons_of(BO)[0];
    let roles = world.roles(0x51);
    assert!(roles.iter().any(|(lead, _, primary)| *lead == new && *primary), "{roles:?}");
    assert_eq!(world.person(BO)["externalCompanyId"], json!(id(FIRM)));
}

#[tokio::test(start_paused = true)]
async fn many_records_with_one_address_cost_a_few_calls() {
    let world = World::small();
    for n in 0..60 {
        world.contact(0x100 + n, &format!("P{n}"), json!({"emailaddress1": "info@buyer.example"}));
    }
    let ran = world.clean_cycle().await;
    assert_eq!(world.people().len(), 60);
    world.assert_agreed();
    assert!(ran.marketo_calls() < 25, "{:?}", ran.summary.marketo_calls);
}

#[tokio::test(start_paused = true)]
async fn a_key_field_written_in_another_case_is_the_same_field() {
    let mut world = world_of_bo();
    world.options.keys.person = "EXTERNALPERSONID".into();
    world.clean_cycle().await;
    // Somebody else's person with the same address is not taken over.
    world.insert_person(json!({"email": "cy@buyer.example", "externalPersonId": "SAP-17"}));
    world.contact(CY, "Cy", json!({}));
    world.clean_cycle().await;
    assert!(world.people().iter().any(|person| person.get("externalPersonId") == Some(&json!("SAP-17"))));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_lead_that_is_opened_again_is_held_until_it_is_closed_or_untied() {
    let mut world = World::small();
    world.lead(EVE, "Eve", json!({}));
    world.clean_cycle().await;
    world.contact(BO, "Bo", json!({"originatingleadid": ["lead", EVE], "emailaddress1": "eve@prospect.example"}));
    let qualified = json!({"statecode": 1, "statuscode": 3, "parentcontactid": ["contact", BO]});
    world.update("lead", EVE, qualified.clone());
    world.clean_cycle().await;
    assert_eq!((world.persons_of(BO).len(), world.persons_of(EVE).len()), (1, 0), "the lead's person is the contact's now");
    world.update("lead", EVE, json!({"statecode": 0, "statuscode": 1, "lastname": "Evans"}));
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("reopened-lead".to_owned(), 1)]);
    // Closed again, it is an alias at once, although nothing that is mapped has changed.
    world.update("lead", EVE, qualified);
    world.clean_cycle().await;
    // Opened and untied, it is a person of its own.
    world.update("lead", EVE, json!({"statecode": 0, "statuscode": 1, "parentcontactid": null}));
    world.update("contact", BO, json!({"originatingleadid": null}));
    world.retry_held = true;
    world.clean_cycle().await;
    assert_eq!((world.persons_of(BO).len(), world.persons_of(EVE).len(), world.people().len()), (1, 1, 2));
}
