//! R9: what becomes of records that Dynamics has deleted, that left the scope or were deactivated, and the brake.

use base::Object;
use engine::options::{Filter, InactivePerson, PersonParting, RecordParting};
use marketo_emulator::Object as Theirs;
use serde_json::json;

use crate::world::{ANN, FIRM, World, id};

const BO: u64 = 0x201;
const CY: u64 = 0x202;
const DEAL: u64 = 0x501;
const ROLE: u64 = 0x601;

async fn synced() -> World {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({}));
    world.deal(DEAL, json!({}));
    world.connect(ROLE, DEAL, BO, None);
    world.clean_cycle().await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_deleted_person_is_unlinked_kept_or_deleted() {
    for policy in [PersonParting::Unlink, PersonParting::Keep, PersonParting::Delete] {
        let mut world = synced().await;
        world.options.on_delete.person = policy;
        let person = world.persons_of(BO)[0];
        world.delete("contact", BO);
        let ran = world.clean_cycle().await;
        let there = world.sandbox.marketo.state().lead(person);
        let line = ran.pushed(Object::Lead);
        match policy {
            PersonParting::Unlink => {
                assert_eq!((there.unwrap().get("externalPersonId"), line.unlinked), (None, 1));
            }
            PersonParting::Keep => assert_eq!((there.unwrap().get("externalPersonId"), line.kept), (Some(&json!(id(BO))), 1)),
            PersonParting::Delete => assert_eq!((there, line.removed), (None, 1)),
        }
        assert!(world.roles(DEAL).is_empty(), "{policy:?}");
        assert_eq!(world.clean_cycle().await.written(), 0, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_opportunity_goes_after_its_roles() {
    for policy in [RecordParting::Delete, RecordParting::Keep] {
        let mut world = synced().await;
        world.options.on_delete.opportunity = policy;
        world.delete("opportunity", DEAL);
        let ran = world.clean_cycle().await;
        assert!(world.roles(DEAL).is_empty());
        let left = world.records(Theirs::Opportunities).len();
        assert_eq!(left, usize::from(policy == RecordParting::Keep), "{:?}", ran.summary);
        assert_eq!(world.clean_cycle().await.written(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_company_goes_only_where_nothing_refers_to_it() {
    let mut world = synced().await;
    world.options.on_delete.company = RecordParting::Delete;
    world.account(0x22, "Lone");
    world.account(0x23, "Left");
    world.contact(0x203, "Dee", json!({"parentcustomerid": ["account", 0x23]}));
    world.clean_cycle().await;
    world.delete("account", 0x22);
    // Its contact loses its account, which Marketo can't do.
    world.update("contact", 0x203, json!({"parentcustomerid": null}));
    world.delete("account", 0x23);
    let ran = world.clean_cycle().await;
    let left: Vec<String> = world.records(Theirs::Companies).iter().map(|company| company["company"].to_string()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!((ran.pushed(Object::Company).removed, ran.pushed(Object::Company).kept), (1, 1));
    assert_eq!((ran.summary.flagged.get("still-referred-to"), ran.summary.flagged.get("company-kept")), (Some(&1), Some(&1)));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_filter_is_unlinked_and_comes_back_as_the_same_person() {
    let mut world = synced().await;
    world.options.filters.contact = Some(Filter::Expression("jobtitle != 'Intern'".into()));
    let person = world.persons_of(CY)[0];
    world.clean_cycle().await;
    world.update("contact", CY, json!({"jobtitle": "Intern"}));
    let ran = world.clean_cycle().await;
    assert_eq!((world.persons_of(CY), ran.pushed(Object::Lead).unlinked), (vec![], 1));
    world.update("contact", CY, json!({"jobtitle": "Clerk"}));
    world.clean_cycle().await;
    assert_eq!(world.persons_of(CY), [person]);
    assert_eq!(world.person(CY)["title"], json!("Clerk"));
    world.assert_agreed();
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_something_in_scope_refers_to_is_in_scope_unless_policy_says_otherwise() {
    for by_reference in [true, false] {
        let mut world = World::small();
        world.options.policy.by_reference = by_reference;
        world.options.filters.account = Some(Filter::Expression("name == 'Other'".into()));
        world.options.filters.contact = Some(Filter::Expression("firstname == 'Cy'".into()));
        world.contact(BO, "Bo", json!({}));
        world.contact(CY, "Cy", json!({}));
        world.deal(DEAL, json!({}));
        world.connect(ROLE, DEAL, BO, None);
        world.clean_cycle().await;
        assert_eq!(world.records(Theirs::Companies).len(), usize::from(by_reference));
        assert_eq!((world.persons_of(BO).len(), world.persons_of(CY).len()), (usize::from(by_reference), 1));
        assert_eq!(world.roles(DEAL).len(), usize::from(by_reference));
        assert_eq!(world.person(CY).contains_key("externalCompanyId"), by_reference);
        assert_eq!(world.clean_cycle().await.written(), 0);
        let _ = (ANN, FIRM);
    }
}

#[tokio::test(start_paused = true)]
async fn deactivated_people_stay_in_sync_unless_policy_says_otherwise() {
    for policy in [InactivePerson::Sync, InactivePerson::Keep, InactivePerson::Unlink, InactivePerson::Delete] {
        let mut world = synced().await;
        world.options.on_inactive.person = policy;
        world.clean_cycle().await;
        world.update("contact", CY, json!({"statecode": 1, "statuscode": 2, "jobtitle": "Gone"}));
        world.clean_cycle().await;
        let title = world.persons_of(CY).first().and_then(|person| world.sandbox.marketo.state().lead(*person)?.get("title").cloned());
        let there = world.people().len();
        let expected = match policy {
            InactivePerson::Sync => (Some(json!("Gone")), 1, 2),
            InactivePerson::Keep => (None, 1, 2),
            InactivePerson::Unlink => (None, 0, 2),
            InactivePerson::Delete => (None, 0, 1),
        };
        assert_eq!((title, world.persons_of(CY).len(), there), expected, "{policy:?}");
        assert_eq!(world.clean_cycle().await.written(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_brake_stops_each_kind_alone() {
    let mut world = synced().await;
    (world.options.brake.percent, world.options.brake.count) = (0.0, 0);
    world.delete("contact", CY);
    world.update("contact", BO, json!({"jobtitle": "Boss", "emailaddress1": null, "ownerid": ["systemuser", 2]}));
    let ran = world.cycle().await;
    let stopped: Vec<&str> = ran.summary.stopped_by_brake.keys().map(String::as_str).collect();
    assert_eq!((stopped, ran.summary.exit_code), (vec!["blanked-fields", "owner-moves", "unlinks"], 3));
    let bo = world.person(BO);
    assert_eq!((&bo["title"], &bo["email"], &bo["externalSalesPersonId"]), (&json!("Boss"), &json!("bo@buyer.example"), &json!(id(ANN))));
    assert_eq!(world.persons_of(CY).len(), 1);
    world.allow = vec!["blanked-fields", "unlinks"];
    let ran = world.cycle().await;
    assert_eq!(ran.summary.stopped_by_brake.keys().collect::<Vec<_>>(), ["owner-moves"]);
    assert_eq!((world.person(BO).get("email"), world.persons_of(CY).len()), (None, 0));
    world.allow = vec!["owner-moves"];
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["externalSalesPersonId"], json!(id(2)));
    world.allow = Vec::new();
    assert_eq!(world.clean_cycle().await.written(), 0);
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_out_of_reach_are_not_deleted() {
    let mut world = World::with(0, 1, |options| options.dataverse.untracked_tables = ["contact".to_owned()].into());
    world.user(ANN, "Ann");
    world.account(FIRM, "Firm");
    world.contact(BO, "Bo", json!({}));
    world.clean_cycle().await;
    world.sandbox.dataverse.state().options_mut().hidden_rows.insert(id(BO));
    let ran = world.clean_cycle().await;
    assert!(ran.summary.warnings.iter().any(|text| text.contains("may no longer reach them")), "{:?}", ran.summary.warnings);
    assert_eq!(world.persons_of(BO).len(), 1);
    world.sandbox.dataverse.state().options_mut().hidden_rows.clear();
    world.delete("contact", BO);
    world.clean_cycle().await;
    assert!(world.persons_of(BO).is_empty());
    world.allow = Vec::new();
}
