//! R8: opportunity roles follow what in Dynamics yields them.

use base::Object;
use serde_json::json;

use crate::world::{ANN, World, id};

const BO: u64 = 0x31;
const CY: u64 = 0x32;
const DEAL: u64 = 0x51;
const LINK: u64 = 0x61;
const CHIEF: u64 = 0x71;
const BUYER: u64 = 0x72;

fn world() -> World {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({}));
    world.deal(DEAL, json!({}));
    world.role_name(CHIEF, "Champion");
    world.role_name(BUYER, "Economic Buyer");
    world
}

/// The roles of the opportunity: of whom, text, whether primary.
fn roles(world: &World) -> Vec<(&'static str, String, bool)> {
    let name = |lead: i64| match lead {
        lead if world.persons_of(BO) == [lead] => "Bo",
        lead if world.persons_of(CY) == [lead] => "Cy",
        _ => "?",
    };
    let mut roles: Vec<_> = world.roles(DEAL).into_iter().map(|(lead, text, primary)| (name(lead), text, primary)).collect();
    roles.sort();
    roles
}

fn role(who: &'static str, text: &str, primary: bool) -> (&'static str, String, bool) {
    (who, text.to_owned(), primary)
}

#[tokio::test(start_paused = true)]
async fn a_role_is_made_renamed_and_removed_with_its_connection() {
    let mut world = world();
    world.allow.push("role-removals");
    world.connect(LINK, DEAL, BO, Some(CHIEF));
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Bo", "Champion", false)], "both rows of the connection make one role");
    world.update("connection", LINK, json!({"record2roleid": ["connectionrole", BUYER]}));
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Bo", "Economic Buyer", false)]);
    // The role's own name changes.
    world.update("connectionrole", BUYER, json!({"name": "Payer"}));
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Bo", "Payer", false)]);
    world.delete("connection", LINK);
    let ran = world.clean_cycle().await;
    assert_eq!((roles(&world).len(), ran.pushed(Object::Role).removed), (0, 1));
    assert_eq!(world.clean_cycle().await.written(), 0);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_connection_from_the_contact_s_side_is_the_same() {
    let world = world();
    world.insert(
        "connection",
        json!({"connectionid": id(LINK), "record1id": ["contact", BO], "record2id": ["opportunity", DEAL],
            "record1roleid": ["connectionrole", CHIEF], "ownerid": ["systemuser", ANN]}),
    );
    world.clean_cycle().await;
    world.assert_agreed();
    assert_eq!(roles(&world), [role("Bo", "Champion", false)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_role_the_default_stands() {
    let mut world = world();
    world.options.policy.default_role = "Involved".into();
    world.connect(LINK, DEAL, BO, None);
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Bo", "Involved", false)]);
}

#[tokio::test(start_paused = true)]
async fn an_inactive_connection_makes_none() {
    let mut world = world();
    world.allow.push("role-removals");
    world.connect(LINK, DEAL, BO, Some(CHIEF));
    world.clean_cycle().await;
    let now = world.now();
    let connections: Vec<base::Guid> = world.sandbox.dataverse.state().rows("connection").map(|(id, _)| id).collect();
    for connection in connections {
        let patch = crate::world::map(json!({"statecode": 1, "statuscode": 2}));
        world.sandbox.dataverse.state().update("connection", connection, patch, now).unwrap();
    }
    world.clean_cycle().await;
    assert!(roles(&world).is_empty());
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn the_primary_contact_is_marked() {
    let mut world = world();
    world.allow.push("role-removals");
    world.update("opportunity", DEAL, json!({"parentcontactid": ["contact", BO]}));
    world.connect(LINK, DEAL, CY, Some(CHIEF));
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Bo", "Primary Contact", true), role("Cy", "Champion", false)]);
    // A connection of the primary contact has a role of its own: that one is primary.
    world.connect(LINK + 1, DEAL, BO, Some(BUYER));
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Bo", "Economic Buyer", true), role("Cy", "Champion", false)]);
    // Another primary contact.
    world.update("opportunity", DEAL, json!({"parentcontactid": ["contact", CY]}));
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Bo", "Economic Buyer", false), role("Cy", "Champion", true)]);
    world.assert_agreed();
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_customer_that_is_a_contact_is_primary() {
    let world = world();
    world.deal(0x52, json!({"customerid": ["contact", BO]}));
    world.clean_cycle().await;
    let bo = world.persons_of(BO)[0];
    assert_eq!(world.roles(0x52), [(bo, "Primary Contact".to_owned(), true)]);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn long_names_are_cut_and_told_apart() {
    let world = world();
    let long = "Executive Sponsor of the Digital Transformation Programme";
    world.role_name(0x73, &format!("{long} Europe"));
    world.role_name(0x74, &format!("{long} America"));
    world.connect(LINK, DEAL, BO, Some(0x73));
    world.connect(LINK + 1, DEAL, BO, Some(0x74));
    world.clean_cycle().await;
    let texts: Vec<String> = roles(&world).into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts.iter().all(|text| text.chars().count() <= 50), "{texts:?}");
    assert!(texts.iter().any(|text| text.ends_with("~00000073") || text.ends_with("~00000074")), "{texts:?}");
    world.assert_agreed();
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_connections_of_one_role_are_one_and_it_lives_as_long_as_either() {
    let mut world = world();
    world.allow.push("role-removals");
    world.connect(LINK, DEAL, BO, Some(CHIEF));
    world.connect(LINK + 1, DEAL, BO, Some(CHIEF));
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Bo", "Champion", false)]);
    world.delete("connection", LINK);
    let ran = world.clean_cycle().await;
    assert_eq!((roles(&world).len(), ran.pushed(Object::Role).removed), (1, 0));
    world.delete("connection", LINK + 1);
    world.clean_cycle().await;
    assert!(roles(&world).is_empty());
}

/// An opportunity with many stakeholders, all of whom are about to be removed.
async fn world_before_a_mass_removal() -> World {
    let mut world = world();
    world.options.brake = engine::options::Brake { percent: 5.0, count: 5 };
    for n in 0..40 {
        world.contact(0x100 + n, &format!("P{n}"), json!({}));
        world.connect(0x1000 + n, DEAL, 0x100 + n, Some(CHIEF));
    }
    world.clean_cycle().await;
    assert_eq!(roles(&world).len(), 40);
    for n in 0..20 {
        world.delete("connection", 0x1000 + n);
    }
    world
}

#[tokio::test(start_paused = true)]
async fn the_brake_stops_a_mass_removal_and_nothing_else() {
    let mut world = world_before_a_mass_removal().await;
    world.update("contact", BO, json!({"jobtitle": "Chief"}));
    world.connect(LINK, DEAL, BO, Some(BUYER));
    let ran = world.cycle().await;
    assert_eq!(ran.summary.stopped_by_brake.get("role-removals"), Some(&20));
    assert_eq!(ran.summary.exit_code, 3);
    assert_eq!(roles(&world).len(), 41, "none is removed, Bo's is new");
    assert_eq!(world.person(BO)["title"], json!("Chief"));
    assert_eq!(world.sandbox.marketo.journal().count("roles.delete"), 0);
    // It goes on asking.
    let ran = world.cycle().await;
    assert_eq!(ran.summary.stopped_by_brake.get("role-removals"), Some(&20));
    world.allow.push("role-removals");
    let ran = world.clean_cycle().await;
    assert_eq!((roles(&world).len(), ran.pushed(Object::Role).removed), (21, 20));
    world.allow.clear();
    world.clean_cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_few_removals_are_let_through() {
    let world = world_before_a_mass_removal().await;
    // Fifteen of them come back before anybody looked.
    for n in 5..20 {
        world.connect(0x2000 + n, DEAL, 0x100 + n, Some(CHIEF));
    }
    let ran = world.clean_cycle().await;
    assert_eq!(ran.pushed(Object::Role).removed, 5);
    assert_eq!(roles(&world).len(), 35);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_role_whose_person_is_gone_waits_for_it_and_comes_back() {
    let world = world();
    world.connect(LINK, DEAL, BO, Some(CHIEF));
    world.clean_cycle().await;
    let (old, now) = (world.persons_of(BO)[0], world.now());
    world.sandbox.marketo.state().delete_lead(old, now);
    world.update("connection", LINK, json!({"record2roleid": ["connectionrole", BUYER]}));
    for _ in 0..3 {
        world.cycle().await;
    }
    assert_eq!(roles(&world), [role("Bo", "Economic Buyer", false)]);
    assert_eq!(world.person(BO)["email"], json!("bo@buyer.example"));
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_role_that_comes_or_goes_renames_the_one_it_collides_with() {
    let mut world = world();
    world.allow.push("role-removals");
    let long = "Regional procurement steering committee chairperson";
    world.role_name(0x79, &format!("{long} (South)"));
    world.connect(LINK, DEAL, BO, Some(0x79));
    world.clean_cycle().await;
    // A role with a lower id takes the short text, and this one is told apart by its own id.
    world.role_name(0x78, &format!("{long} (North)"));
    world.clean_cycle().await;
    let text = roles(&world)[0].1.clone();
    assert!(roles(&world).len() == 1 && text.contains('~'), "{text}");
    world.delete("connectionrole", 0x78);
    world.clean_cycle().await;
    let text = roles(&world)[0].1.clone();
    assert!(roles(&world).len() == 1 && !text.contains('~'), "{text}");
}

#[tokio::test(start_paused = true)]
async fn another_default_text_is_carried_to_the_roles_that_have_it() {
    let mut world = world();
    world.allow.push("role-removals");
    world.connect(LINK, DEAL, BO, None);
    world.clean_cycle().await;
    world.options.policy.default_role = "Contact".into();
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Bo", "Contact", false)]);
}

#[tokio::test(start_paused = true)]
async fn a_role_of_a_merged_contact_is_the_survivors() {
    let mut world = world();
    world.allow.push("role-removals");
    world.connect(LINK, DEAL, BO, Some(CHIEF));
    world.clean_cycle().await;
    // Dynamics usually moves connections when it merges; this one still names the contact that is no more.
    world.update("contact", BO, json!({"merged": true, "masterid": ["contact", CY], "statecode": 1, "statuscode": 2}));
    world.clean_cycle().await;
    assert_eq!(roles(&world), [role("Cy", "Champion", false)]);
}
