//! R6: whose record it is, in Marketo's terms.

use base::Object;
use marketo_emulator::Object as Theirs;
use serde_json::json;

use crate::world::{ANN, BEN, FIRM, World, id};

const TEAM: u64 = 0x11;
const BO: u64 = 0x31;
const EVE: u64 = 0x41;
const DEAL: u64 = 0x51;

fn sellers(world: &World) -> Vec<String> {
    let mut ids: Vec<String> =
        world.records(Theirs::SalesPersons).iter().map(|person| person["externalSalesPersonId"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn owner(world: &World, n: u64) -> Option<serde_json::Value> {
    world.person(n).get("externalSalesPersonId").cloned()
}

#[tokio::test(start_paused = true)]
async fn a_team_s_records_are_its_administrator_s() {
    let world = World::small();
    world.insert("team", json!({"teamid": id(TEAM), "name": "North", "administratorid": ["systemuser", BEN]}));
    world.contact(BO, "Bo", json!({"ownerid": ["team", TEAM]}));
    world.lead(EVE, "Eve", json!({"ownerid": ["team", TEAM]}));
    world.deal(DEAL, json!({"ownerid": ["team", TEAM]}));
    world.insert("account", json!({"accountid": id(0x22), "name": "Team's", "ownerid": ["team", TEAM]}));
    world.clean_cycle().await;
    world.assert_agreed();
    assert_eq!((owner(&world, BO), owner(&world, EVE)), (Some(json!(id(BEN))), Some(json!(id(BEN)))));

    // The administrator changes; nothing that the team owns does.
    world.update("team", TEAM, json!({"administratorid": ["systemuser", ANN]}));
    let ran = world.clean_cycle().await;
    world.assert_agreed();
    assert_eq!(owner(&world, BO), Some(json!(id(ANN))));
    assert_eq!((ran.written(), ran.fields()), (4, 4), "{:?}", ran.summary.pushed);
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_team_without_administrator_has_no_sales_person_until_it_gets_one() {
    let world = World::small();
    world.insert("team", json!({"teamid": id(TEAM), "name": "Alone"}));
    world.contact(BO, "Bo", json!({"ownerid": ["team", TEAM]}));
    let ran = world.cycle().await;
    assert!(ran.pushed(Object::Lead).created == 1 || ran.pushed(Object::Lead).held_total() == 1);
    world.assert_agreed();
    world.update("team", TEAM, json!({"administratorid": ["systemuser", BEN]}));
    world.clean_cycle().await;
    assert_eq!(owner(&world, BO), Some(json!(id(BEN))));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn who_owns_something_is_a_sales_person_whatever_the_filter_says() {
    let world = World::small();
    let (disabled, application, idle, no_owner) = (0x03, 0x04, 0x05, 0x06);
    for (n, name) in [(disabled, "Dis"), (application, "App"), (idle, "Idle"), (no_owner, "Robot")] {
        world.user(n, name);
    }
    for n in [disabled, idle] {
        world.update("systemuser", n, json!({"isdisabled": true}));
    }
    for n in [application, no_owner] {
        world.update("systemuser", n, json!({"applicationid": id(0x900 + n)}));
    }
    world.contact(BO, "Bo", json!({"ownerid": ["systemuser", disabled]}));
    world.deal(DEAL, json!({"ownerid": ["systemuser", application]}));
    world.clean_cycle().await;
    world.assert_agreed();
    let mut expected: Vec<String> = [ANN, BEN, disabled, application].iter().map(|n| id(*n).to_string()).collect();
    expected.sort();
    assert_eq!(sellers(&world), expected);

    // One who owned nothing gets something later.
    world.update("contact", BO, json!({"ownerid": ["systemuser", idle]}));
    world.clean_cycle().await;
    assert_eq!(owner(&world, BO), Some(json!(id(idle))));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn an_alias_owns_nothing_into_scope() {
    let world = World::small();
    world.user(0x03, "Dis");
    world.update("systemuser", 0x03, json!({"isdisabled": true}));
    world.contact(BO, "Bo", json!({}));
    world.lead(EVE, "Eve", json!({"ownerid": ["systemuser", 0x03], "statecode": 1, "statuscode": 3, "parentcontactid": ["contact", BO]}));
    world.clean_cycle().await;
    world.assert_agreed();
    assert_eq!(world.people().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_owner_is_the_only_thing_sent() {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.deal(DEAL, json!({}));
    world.clean_cycle().await;
    for (table, n) in [("contact", BO), ("opportunity", DEAL), ("account", FIRM)] {
        world.update(table, n, json!({"ownerid": ["systemuser", BEN]}));
    }
    let ran = world.clean_cycle().await;
    assert_eq!((ran.written(), ran.fields()), (3, 3));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_sales_person_has_the_user_s_address() {
    let world = World::small();
    world.clean_cycle().await;
    world.update("systemuser", ANN, json!({"internalemailaddress": "ann.new@seller.example"}));
    world.clean_cycle().await;
    world.assert_agreed();
    let ann = world.records(Theirs::SalesPersons).into_iter().find(|person| person["externalSalesPersonId"] == json!(id(ANN))).unwrap();
    assert_eq!(ann["email"], json!("ann.new@seller.example"));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_marketo_keeps_is_told_until_it_is_mended() {
    let world = World::small_with(|options| options.marketo.sales_person_email_frozen = true);
    world.clean_cycle().await;
    world.update("systemuser", ANN, json!({"internalemailaddress": "ann.new@seller.example"}));
    for _ in 0..2 {
        let ran = world.clean_cycle().await;
        assert!(ran.summary.warnings.iter().any(|text| text.starts_with("owner-email-frozen")), "{:?}", ran.summary.warnings);
    }
    world.update("systemuser", ANN, json!({"internalemailaddress": "ann@seller.example"}));
    world.clean_cycle().await;
    let ran = world.clean_cycle().await;
    assert!(ran.summary.warnings.is_empty(), "{:?}", ran.summary.warnings);
}
