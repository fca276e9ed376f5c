//! R5: a record is sent when a mapped value differs from what was last confirmed, and only with what differs.

use base::Object;
use engine::SyncError;
use planner::{
    FieldSpec,
    mapping::{DetailedSpec, Owner},
};
use serde_json::{Value, json};

use crate::world::{BEN, World, id, map};

const BO: u64 = 0x31;
const EVE: u64 = 0x41;

fn world() -> World {
    let world = World::small();
    world.contact(BO, "Bo", json!({"jobtitle": "Chief", "telephone1": "+1 555 1"}));
    world
}

fn owned(column: &str, owner: Owner) -> FieldSpec {
    FieldSpec::Detailed(DetailedSpec { column: Some(column.into()), owner, ..DetailedSpec::default() })
}

/// The records sent to Marketo's people in the last cycle, without their ids.
fn sent(world: &World) -> Vec<Value> {
    let mut records = world.to_marketo.records("leads.json");
    records.iter_mut().for_each(|record| drop(record.remove("id")));
    records.into_iter().map(Value::Object).collect()
}

#[tokio::test(start_paused = true)]
async fn only_what_changed_is_sent() {
    let world = world();
    world.clean_cycle().await;
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    let ran = world.clean_cycle().await;
    assert_eq!(sent(&world), [json!({"title": "Clerk"})]);
    assert_eq!(ran.pushed(Object::Lead).fields, 1);
    // What isn't mapped, and what is changed back, is nothing.
    world.update("contact", BO, json!({"description": "likes tea"}));
    world.update("contact", BO, json!({"jobtitle": "Other"}));
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    let ran = world.clean_cycle().await;
    assert_eq!((ran.written(), world.to_marketo.all().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_company_and_an_opportunity_send_only_what_changed() {
    let world = world();
    world.deal(0x51, json!({"estimatedvalue": 10.5, "description": "d"}));
    world.clean_cycle().await;
    world.update("account", crate::world::FIRM, json!({"telephone1": "1"}));
    world.update("opportunity", 0x51, json!({"description": null}));
    world.update("systemuser", BEN, json!({"title": "Manager"}));
    let ran = world.clean_cycle().await;
    assert_eq!(ran.fields(), 3);
    assert_eq!(world.to_marketo.records("companies.json"), [map(json!({"externalCompanyId": id(crate::world::FIRM), "mainPhone": "1"}))]);
    assert_eq!(world.to_marketo.records("opportunities.json"), [map(json!({"externalOpportunityId": id(0x51), "description": null}))]);
    assert_eq!(world.to_marketo.records("salespersons.json"), [map(json!({"externalSalesPersonId": id(BEN), "title": "Manager"}))]);
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_send_blanks_nothing_and_a_later_null_does() {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    let visitor = world.insert_person(json!({"email": "bo@buyer.example", "title": "From a form", "phone": "7"}));
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["title"], json!("From a form"));
    assert!(sent(&world).iter().all(|record| !record.as_object().unwrap().values().any(Value::is_null)), "{:?}", sent(&world));
    world.update("contact", BO, json!({"jobtitle": "Chief", "telephone1": "8"}));
    world.clean_cycle().await;
    world.update("contact", BO, json!({"jobtitle": null}));
    world.clean_cycle().await;
    assert_eq!(sent(&world), [json!({"title": null})]);
    let bo = world.sandbox.marketo.state().lead(visitor).unwrap();
    assert_eq!((bo.get("title"), &bo["phone"]), (None, &json!("8")));
}

#[tokio::test(start_paused = true)]
async fn a_marketo_edit_of_an_unchanged_field_stays() {
    let world = world();
    world.clean_cycle().await;
    let person = world.persons_of(BO)[0];
    world.update_person(person, json!({"phone": "corrected", "city": "Ulm"}));
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    world.clean_cycle().await;
    let bo = world.person(BO);
    assert_eq!((&bo["phone"], &bo["city"], &bo["title"]), (&json!("corrected"), &json!("Ulm"), &json!("Clerk")));
    // Until Dynamics says something new of it.
    world.update("contact", BO, json!({"telephone1": "+1 555 2"}));
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["phone"], json!("+1 555 2"));
}

#[tokio::test(start_paused = true)]
async fn a_field_of_marketos_is_sent_on_creation_only() {
    let mut world = world();
    world.options.fields.contact.insert("title".into(), owned("jobtitle", Owner::Marketo));
    world.contact(0x32, "Cy", json!({"jobtitle": "Chief"}));
    world.insert_person(json!({"email": "cy@buyer.example", "title": "Visitor"}));
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["title"], json!("Chief"), "it was created with it");
    assert_eq!(world.person(0x32)["title"], json!("Visitor"), "it was there before");
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    let ran = world.clean_cycle().await;
    assert_eq!((ran.written(), sent(&world).len()), (0, 0));
    assert_eq!(world.person(BO)["title"], json!("Chief"));
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_filled_is_sent_only_where_marketo_has_nothing() {
    let mut world = world();
    world.options.fields.contact.insert("title".into(), owned("jobtitle", Owner::Fill));
    world.contact(0x32, "Cy", json!({"jobtitle": "Chief"}));
    world.insert_person(json!({"email": "cy@buyer.example", "title": "Visitor"}));
    world.clean_cycle().await;
    assert_eq!((&world.person(BO)["title"], &world.person(0x32)["title"]), (&json!("Chief"), &json!("Visitor")));
    // Marketing clears it, Dynamics changes it: Marketo has nothing, so it is filled.
    world.update_person(world.persons_of(BO)[0], json!({"title": null}));
    world.update("contact", BO, json!({"jobtitle": "Clerk"}));
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["title"], json!("Clerk"));
    world.update("contact", BO, json!({"jobtitle": "Third"}));
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["title"], json!("Clerk"), "Marketo has something");
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn consent_goes_one_way() {
    let world = world();
    world.lead(EVE, "Eve", json!({"donotbulkemail": true}));
    world.clean_cycle().await;
    assert!(sent(&world).iter().all(|record| record.get("doNotCall").is_none()), "only true is sent: {:?}", sent(&world));
    assert_eq!(world.person(EVE)["unsubscribed"], json!(true));
    // A visitor unsubscribes; Dynamics knows nothing of it.
    world.update_person(world.persons_of(BO)[0], json!({"unsubscribed": true, "doNotCall": true}));
    world.update("contact", BO, json!({"jobtitle": "Clerk", "donotemail": false, "donotphone": false}));
    world.clean_cycle().await;
    assert_eq!((&world.person(BO)["unsubscribed"], &world.person(BO)["doNotCall"]), (&json!(true), &json!(true)));
    // In Dynamics it is set and taken back: set goes, taken back doesn't.
    world.update("lead", EVE, json!({"donotphone": true}));
    world.clean_cycle().await;
    assert_eq!(world.person(EVE)["doNotCall"], json!(true));
    world.update("lead", EVE, json!({"donotphone": false, "donotbulkemail": false}));
    let ran = world.clean_cycle().await;
    assert_eq!((ran.written(), &world.person(EVE)["doNotCall"], &world.person(EVE)["unsubscribed"]), (0, &json!(true), &json!(true)));
    // And set again, after Marketo was told otherwise: it is sent again.
    world.update_person(world.persons_of(EVE)[0], json!({"doNotCall": false}));
    world.update("lead", EVE, json!({"donotphone": true}));
    world.clean_cycle().await;
    assert_eq!(world.person(EVE)["doNotCall"], json!(true));
}

#[tokio::test(start_paused = true)]
async fn a_secured_column_stops_before_anything_is_sent() {
    let mut world = world();
    world.sandbox.dataverse.state().secure_column("contact", "jobtitle", true).unwrap();
    let ran = world.try_cycle().await;
    let Some(SyncError::Configuration(problems)) = &ran.error else { panic!("{:?}", ran.error) };
    assert!(problems.iter().any(|problem| problem.message.contains("jobtitle") || problem.place.contains("title")), "{problems:?}");
    assert_eq!(ran.summary.exit_code, 2);
    assert!(world.to_marketo.all().is_empty(), "nothing was sent");
    // The operator leaves the field out.
    world.options.fields.contact.insert("title".into(), FieldSpec::Off(false));
    world.clean_cycle().await;
    assert!(!world.person(BO).contains_key("title"));
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_lost_blanks_nothing() {
    let world = world();
    world.clean_cycle().await;
    world.sandbox.dataverse.state().secure_column("contact", "jobtitle", true).unwrap();
    world.update("contact", BO, json!({"telephone1": "2"}));
    let ran = world.try_cycle().await;
    assert_eq!(ran.summary.exit_code, 3, "{:?}", ran.error);
    assert_eq!((&world.person(BO)["title"], &world.person(BO)["phone"]), (&json!("Chief"), &json!("2")));
    // A table that can't be read any more, or whose rows vanish, takes nothing away either.
    world.sandbox.dataverse.state().secure_column("contact", "jobtitle", false).unwrap();
    world.sandbox.dataverse.state().options_mut().missing_privileges.insert("prvReadContact".into());
    let ran = world.try_cycle().await;
    assert!(ran.error.is_some() || ran.written() == 0);
    assert_eq!(world.person(BO)["title"], json!("Chief"));
    world.sandbox.dataverse.state().options_mut().missing_privileges.clear();
    world.clean_cycle().await;
    assert_eq!((&world.person(BO)["title"], &world.person(BO)["phone"]), (&json!("Chief"), &json!("2")));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_new_entry_of_the_map_is_sent_for_everybody_and_alone() {
    let mut world = world();
    world.contact(0x32, "Cy", json!({"description": "tea"}));
    world.clean_cycle().await;
    world.options.fields.contact.insert("personNotes".into(), FieldSpec::Column("description".into()));
    let ran = world.try_cycle().await;
    if matches!(ran.error, Some(SyncError::Configuration(_))) {
        panic!("{}", ran.error.unwrap());
    }
    assert_eq!(sent(&world), [json!({"personNotes": "tea"})]);
    assert_eq!(ran.written(), 1);
}

#[tokio::test(start_paused = true)]
async fn consent_is_never_cleared_whatever_the_map_says() {
    let mut world = World::small();
    world.options.fields.contact.insert("unsubscribed".into(), FieldSpec::Column("donotbulkemail".into()));
    world.insert_person(json!({"email": "bo@buyer.example", "unsubscribed": true}));
    world.contact(BO, "Bo", json!({"donotbulkemail": false}));
    world.contact(EVE, "Eve", json!({"donotbulkemail": true}));
    world.clean_cycle().await;
    assert_eq!((&world.person(BO)["unsubscribed"], &world.person(EVE)["unsubscribed"]), (&json!(true), &json!(true)));
    world.update("contact", EVE, json!({"donotbulkemail": false}));
    let ran = world.clean_cycle().await;
    assert_eq!((ran.written(), &world.person(EVE)["unsubscribed"]), (0, &json!(true)));
}
