//! R4: a qualified lead, and a record merged into another, stay one person, with its history.

use base::Object;
use emulator::{Effect, When};
use engine::options::Join;
use serde_json::{Value, json};

use crate::world::{ANN, BEN, FIRM, World, id};

const LEA: u64 = 0x101;
const CARL: u64 = 0x201;
const CLEO: u64 = 0x202;
const DEAL: u64 = 0x501;

fn qualify(world: &World, lead: u64, contact: u64) {
    world.update("lead", lead, json!({"statecode": 1, "statuscode": 3, "parentcontactid": ["contact", contact]}));
}

fn merge(world: &World, table: &str, loser: u64, winner: u64) {
    let now = world.now();
    world.sandbox.dataverse.state().merge(table, id(winner), id(loser), serde_json::Map::new(), now).unwrap();
}

/// A lead and a contact, each with a person of its own, and a deal with the contact.
async fn both() -> World {
    let world = World::small();
    world.lead(LEA, "Lea", json!({"telephone1": "1"}));
    world.contact(CARL, "Carl", json!({"jobtitle": "Buyer"}));
    world.deal(DEAL, json!({"parentcontactid": ["contact", CARL]}));
    world.clean_cycle().await;
    world
}

fn moments(world: &World, person: i64) {
    let now = world.now();
    assert!(world.sandbox.marketo.state().interesting_moment(person, "Web", "looked", "site", now));
}

#[tokio::test(start_paused = true)]
async fn a_qualified_lead_keeps_its_person_which_gets_the_contacts_key() {
    let world = World::small();
    world.lead(LEA, "Lea", json!({"telephone1": "1", "jobtitle": "Boss"}));
    world.clean_cycle().await;
    let person = world.persons_of(LEA)[0];
    moments(&world, person);
    // Marketing corrects a name; that stays, because Dynamics says nothing new about it.
    world.update_person(person, json!({"lastName": "Lee"}));
    world.contact(
        CARL,
        "Carl",
        json!({"lastname": "Lea", "firstname": null, "emailaddress1": "lea@prospect.example", "telephone1": "2",
        "originatingleadid": ["lead", LEA], "ownerid": ["systemuser", BEN]}),
    );
    qualify(&world, LEA, CARL);
    let ran = world.clean_cycle().await;
    assert_eq!((world.persons_of(LEA), world.persons_of(CARL)), (vec![], vec![person]));
    let now = world.person(CARL);
    assert_eq!((&now["phone"], &now["lastName"], now.get("title")), (&json!("2"), &json!("Lee"), None), "{now:#?}");
    assert_eq!((&now["externalCompanyId"], &now["externalSalesPersonId"]), (&json!(id(FIRM)), &json!(id(BEN))));
    assert_eq!((ran.pushed(Object::Lead).rekeyed, world.people().len()), (1, 1));
    assert_eq!(world.dynamics("contact", CARL)["mkt_lastinterestingmomenttype"], json!("Web"));
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lead_qualified_into_a_contact_with_a_person_of_its_own_is_merged_into_that() {
    let world = both().await;
    let (lead, contact) = (world.persons_of(LEA)[0], world.persons_of(CARL)[0]);
    moments(&world, lead);
    qualify(&world, LEA, CARL);
    let ran = world.clean_cycle().await;
    assert_eq!((world.persons_of(LEA), world.persons_of(CARL)), (vec![], vec![contact]));
    assert_eq!((ran.pushed(Object::Lead).merged, world.people().len()), (1, 1));
    // The lead's telephone was ours and isn't the contact's.
    assert_eq!(world.person(CARL).get("phone"), None);
    assert_eq!(world.roles(DEAL), [(contact, "Primary Contact".to_owned(), true)]);
    world.assert_agreed();
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn merged_contacts_are_merged_with_their_roles_through_chains() {
    let world = both().await;
    world.contact(CLEO, "Cleo", json!({}));
    world.clean_cycle().await;
    let cleo = world.persons_of(CLEO)[0];
    qualify(&world, LEA, CARL);
    merge(&world, "contact", CARL, CLEO);
    let ran = world.clean_cycle().await;
    assert_eq!(world.people().len(), 1, "{:#?}", world.people());
    assert_eq!((world.persons_of(CLEO), ran.pushed(Object::Lead).merged), (vec![cleo], 2));
    assert_eq!(ran.summary.marketo_calls["leads.merge"], 1, "all losers in one call");
    assert_eq!(world.roles(DEAL), [(cleo, "Primary Contact".to_owned(), true)]);
    world.assert_agreed();
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_merge_whose_answer_is_lost_is_looked_at_and_not_repeated_blindly() {
    for applied in [true, false] {
        let world = both().await;
        let contact = world.persons_of(CARL)[0];
        qualify(&world, LEA, CARL);
        let effect = if applied { Effect::DropAfter } else { Effect::DropBefore };
        world.sandbox.marketo.faults().add(emulator::Fault { when: When::operation("leads.merge"), effect, times: Some(1) });
        world.try_cycle().await;
        world.clean_cycle().await;
        assert_eq!((world.persons_of(CARL), world.people().len()), (vec![contact], 1), "applied: {applied}");
        world.assert_agreed();
        assert_eq!(world.clean_cycle().await.written(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn policy_can_leave_the_merge_to_people() {
    for qualified in [true, false] {
        let mut world = both().await;
        world.contact(CLEO, "Cleo", json!({}));
        world.clean_cycle().await;
        let (loser, winner) = if qualified { (LEA, CARL) } else { (CARL, CLEO) };
        let (lost, won) = (world.persons_of(loser)[0], world.persons_of(winner)[0]);
        world.options.policy.on_qualify = if qualified { Join::Hold } else { Join::Merge };
        world.options.policy.on_merge = if qualified { Join::Merge } else { Join::Hold };
        if qualified {
            qualify(&world, LEA, CARL)
        } else {
            merge(&world, "contact", CARL, CLEO)
        }
        let ran = world.cycle().await;
        assert_eq!((ran.summary.exit_code, ran.held(Object::Lead)), (3, vec![("two-persons".to_owned(), 1)]));
        assert_eq!(world.people().len(), 3);
        // Somebody merges them in Marketo: the next try finds it done.
        let now = world.now();
        assert!(world.sandbox.marketo.state().merge_leads(won, &[lost], now));
        world.retry_held = true;
        world.clean_cycle().await;
        assert_eq!(world.persons_of(winner), [won]);
        world.assert_agreed();
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_first_load_finds_twice_is_held_unless_policy_says_otherwise() {
    for policy in [Join::Hold, Join::Merge] {
        let mut world = World::small();
        world.options.policy.on_first_load = policy;
        world.lead(LEA, "Lea", json!({"statecode": 1, "statuscode": 3, "parentcontactid": ["contact", CARL]}));
        world.contact(CARL, "Carl", json!({"originatingleadid": ["lead", LEA]}));
        world.insert_person(json!({"email": "lea@prospect.example", "externalPersonId": id(LEA)}));
        let own = world.insert_person(json!({"email": "carl@buyer.example", "externalPersonId": id(CARL)}));
        let ran = world.cycle().await;
        match policy {
            Join::Hold => assert_eq!((ran.held(Object::Lead), world.people().len()), (vec![("two-persons".to_owned(), 1)], 2)),
            Join::Merge => {
                assert_eq!((ran.summary.exit_code, world.people().len(), world.persons_of(CARL)), (0, 1, vec![own]));
                world.assert_agreed();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn contact_first_and_lead_first_end_the_same() {
    for contact_first in [true, false] {
        let world = World::small();
        world.lead(LEA, "Lea", json!({}));
        world.clean_cycle().await;
        let person = world.persons_of(LEA)[0];
        if contact_first {
            // The contact names its lead before that is qualified.
            world.contact(CARL, "Carl", json!({"originatingleadid": ["lead", LEA], "emailaddress1": "lea@prospect.example"}));
            world.cycle().await;
            world.update("lead", LEA, json!({"statecode": 1, "statuscode": 3}));
        } else {
            world.update("lead", LEA, json!({"statecode": 1, "statuscode": 3}));
            world.cycle().await;
            world.contact(CARL, "Carl", json!({"originatingleadid": ["lead", LEA], "emailaddress1": "lea@prospect.example"}));
        }
        world.clean_cycle().await;
        assert_eq!((world.people().len(), world.persons_of(LEA)), (1, vec![]), "contact first: {contact_first}");
        if !contact_first {
            assert_eq!(world.persons_of(CARL), [person]);
        }
        assert_eq!(world.clean_cycle().await.written(), 0);
        let _ = ANN;
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_merged_or_deleted_in_marketo_is_found_again_with_its_roles() {
    let world = both().await;
    let (lead, contact) = (world.persons_of(LEA)[0], world.persons_of(CARL)[0]);
    let now = world.now();
    // Marketing takes a form's duplicate of Carl for the better one.
    let form = world.insert_person(json!({"email": "carl@buyer.example", "leadSource": "Web"}));
    assert!(world.sandbox.marketo.state().merge_leads(form, &[contact], now));
    assert!(world.sandbox.marketo.state().delete(marketo_emulator::Object::Leads, &json!(lead), now));
    world.clean_cycle().await;
    assert_eq!(world.persons_of(CARL), [form]);
    assert_eq!(world.roles(DEAL), [(form, "Primary Contact".to_owned(), true)]);
    assert_eq!(world.persons_of(LEA).len(), 1);
    world.assert_agreed();
    assert_eq!(world.clean_cycle().await.written(), 0);
    let _: Value = json!(null);
}
