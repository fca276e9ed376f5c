//! What is wrong with one person's chain is named first, with what to do; and where sending everything anew mends it, that does.

use base::Object;
use engine::{
    Bridge,
    inspect::{Inspection, View, inspect},
    options::{Filter, RunOptions},
};
use marketo_emulator::Object as Theirs;
use serde_json::{Value, json};

use crate::pages;
use crate::world::{ANN, BEN, FIRM, World, id};

const BO: u64 = 0x31;
const CY: u64 = 0x32;
const EVE: u64 = 0x41;
const DEAL: u64 = 0x51;
const TEAM: u64 = 0x11;

/// Bo, Ann's contact at her account, with a deal; Cy, another; Eve, a lead. Both sides agree.
async fn world() -> World {
    let world = World::small();
    world.role_name(0x61, "Champion");
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({}));
    world.lead(EVE, "Eve", json!({}));
    world.deal(DEAL, json!({}));
    world.connect(0x71, DEAL, BO, Some(0x61));
    world.clean_cycle().await;
    world.assert_agreed();
    world
}

async fn look(world: &World, n: u64) -> Inspection {
    let bridge = world.bridge().await;
    let mut inspections = inspect(&bridge, &id(n).to_string()).await.unwrap();
    bridge.close().await.unwrap();
    assert_eq!(inspections.len(), 1, "{n:x}");
    for cause in &inspections[0].causes {
        assert!(pages::is_there(&cause.page), "{} has no page {}", cause.code, cause.page);
    }
    inspections.remove(0)
}

/// What people read first.
fn first(inspection: &Inspection) -> (&str, &str) {
    let cause = inspection.causes.iter().find(|cause| cause.fault).or(inspection.causes.first());
    cause.map_or(("", ""), |cause| (&cause.code, &cause.remedy))
}

async fn sync_only(world: &World, n: u64) {
    let opened = world.bridge().await;
    let only = engine::cycle::chain(&opened, &id(n).to_string()).await.unwrap();
    let bridge: Bridge =
        opened.pass(RunOptions { only: Some(only), retry_held: true, ..RunOptions::default() }, engine::Progress::silent());
    let (_, error) = engine::cycle::run_only(&bridge).await;
    assert!(error.is_none(), "{}", error.unwrap());
    opened.close().await.unwrap();
}

fn delete_record(world: &World, object: Theirs, field: &str, n: u64) {
    let row = world.records(object).into_iter().find(|row| row[field] == json!(id(n))).unwrap();
    let key = row.get("marketoGUID").or(row.get("id")).unwrap().clone();
    assert!(world.sandbox.marketo.state().delete(object, &key, world.now()));
}

fn delete_person(world: &World, n: u64) {
    let person = world.persons_of(n)[0];
    assert!(world.sandbox.marketo.state().delete_lead(person, world.now()));
}

fn update_person(world: &World, n: u64, value: Value) {
    world.update_person(world.persons_of(n)[0], value);
}

/// What is done, what is named, a part of the remedy, and whether `sync --only` mends it.
type Case = (fn(&mut World), &'static str, &'static str, bool);

const CASES: &[Case] = &[
    (|world| delete_person(world, BO), "person-missing", "sync --only", true),
    (|world| update_person(world, BO, json!({"externalPersonId": null})), "person-key-differs", "sync --only", true),
    (|world| update_person(world, BO, json!({"externalPersonId": id(0x999)})), "person-key-differs", "sync --only", true),
    (
        |world| {
            world.insert_person(json!({"lastName": "Again", "email": "x@y.example", "externalPersonId": id(BO)}));
        },
        "person-twice",
        "merge them in Marketo",
        false,
    ),
    (|world| delete_record(world, Theirs::SalesPersons, "externalSalesPersonId", ANN), "sales-person-missing", "sync --only", true),
    (
        |world| {
            let row = world.records(Theirs::SalesPersons).into_iter().find(|row| row["externalSalesPersonId"] == json!(id(ANN))).unwrap();
            let new = json!({"email": "other@seller.example"}).as_object().unwrap().clone();
            let now = world.now();
            assert!(world.sandbox.marketo.state().update(Theirs::SalesPersons, &row["id"], new, now));
        },
        "owner-email-differs",
        "mend-owner-email",
        true,
    ),
    (
        |world| world.update("systemuser", ANN, json!({"internalemailaddress": null})),
        "owner-without-email",
        "e-mail address in Dynamics",
        false,
    ),
    (
        |world| world.update("systemuser", BEN, json!({"internalemailaddress": "ANN@seller.example"})),
        "owner-email-twice",
        "address of its own",
        false,
    ),
    (|world| update_person(world, BO, json!({"externalSalesPersonId": id(BEN)})), "owner-differs", "sync --only", true),
    (|world| update_person(world, BO, json!({"externalSalesPersonId": null})), "owner-differs", "sync --only", true),
    (|world| delete_record(world, Theirs::Companies, "externalCompanyId", FIRM), "company-missing", "sync --only", true),
    (
        |world| {
            world.account(0x22, "Other");
            world.insert_record(Theirs::Companies, json!({"externalCompanyId": id(0x22), "company": "Other"}));
            update_person(world, BO, json!({"externalCompanyId": id(0x22)}));
        },
        "company-differs",
        "sync --only",
        true,
    ),
    (
        |world| {
            world.insert("team", json!({"teamid": id(TEAM), "name": "Alone"}));
            world.update("contact", BO, json!({"ownerid": ["team", TEAM]}));
        },
        "team-without-user",
        "administrator",
        false,
    ),
    (|world| world.delete("contact", BO), "not-in-dynamics", "merged into", false),
    (|world| world.sandbox.dataverse.state().options_mut().hidden_rows.extend([id(BO)]), "hidden-in-dynamics", "organization level", false),
    (
        |world| world.options.filters.contact = Some(Filter::Expression("emailaddress1 != \"bo@buyer.example\"".into())),
        "out-of-scope",
        "[where]",
        false,
    ),
    (|world| delete_record(world, Theirs::Opportunities, "externalOpportunityId", DEAL), "opportunity-missing", "sync --only", true),
    (|world| delete_record(world, Theirs::Roles, "externalOpportunityId", DEAL), "role-missing", "sync --only", true),
    (|world| world.update("contact", BO, json!({"mkt_priority": 3})), "columns-differ", "sync --only", true),
    (|world| world.options.write_back.enabled = false, "not-written-back", "check", false),
];

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_chain_is_named_first_with_its_remedy() {
    for (number, (break_it, code, remedy, mends)) in CASES.iter().enumerate() {
        let mut world = world().await;
        assert!(look(&world, BO).await.good, "case {number}");
        break_it(&mut world);
        let inspection = look(&world, BO).await;
        let (told, told_remedy) = first(&inspection);
        assert_eq!(told, *code, "case {number}: {:#?}", inspection.causes);
        assert!(told_remedy.contains(remedy), "case {number}: {told_remedy}");
        assert!(!inspection.good, "case {number}");
        if *mends {
            sync_only(&world, BO).await;
            let after = look(&world, BO).await;
            assert!(after.good, "case {number}, {code}: {:#?}", after.causes);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_fault_is_told_and_isn_t_shown_either() {
    let world = world().await;
    let lead = look(&world, EVE).await;
    assert!(lead.good);
    let hidden: Vec<View> = lead.views.iter().filter(|view| !view.shown).map(|view| view.view).collect();
    assert_eq!(hidden, [View::AccountPanel], "{:#?}", lead.causes);
    let cy = look(&world, CY).await;
    let hidden: Vec<View> = cy.views.iter().filter(|view| !view.shown).map(|view| view.view).collect();
    assert_eq!((cy.good, hidden), (true, vec![View::OpportunityPanel]), "{:#?}", cy.causes);
    // A contact that is merged away is shown as the other.
    let now = world.now();
    world.sandbox.dataverse.state().merge("contact", id(BO), id(CY), serde_json::Map::new(), now).unwrap();
    world.clean_cycle().await;
    let cy = look(&world, CY).await;
    assert_eq!((first(&cy).0, first(&cy).1.contains(&id(BO).to_string())), ("stands-for-another", true));
}

#[tokio::test(start_paused = true)]
async fn who_is_held_or_not_sent_yet_says_so_first() {
    let world = world().await;
    world.contact(0x33, "Di", json!({}));
    let unsent = look(&world, 0x33).await;
    assert_eq!(first(&unsent).0, "person-missing");
    assert!(first(&unsent).1.contains("`insight-bridge sync`"), "{}", first(&unsent).1);
    for _ in 0..2 {
        world.insert_person(json!({"lastName": "Di", "email": "di@buyer.example"}));
    }
    let ran = world.cycle().await;
    assert_eq!(ran.held(Object::Lead), [("ambiguous".to_owned(), 1)]);
    let held = look(&world, 0x33).await;
    assert_eq!(first(&held).0, "ambiguous", "{:#?}", held.causes);
    assert!(first(&held).1.contains("held show"), "{}", first(&held).1);
    assert!(held.causes.iter().any(|cause| cause.page == "docs/errors/ambiguous.md"), "{:#?}", held.causes);
}

#[tokio::test(start_paused = true)]
async fn anybody_is_found_by_guid_e_mail_or_marketo_id() {
    let world = world().await;
    let person = world.persons_of(BO)[0];
    let bridge = world.bridge().await;
    for asked in [id(BO).to_string().to_uppercase(), format!("{{{}}}", id(BO)), "BO@buyer.example".into(), person.to_string()] {
        let found = inspect(&bridge, &asked).await.unwrap();
        assert_eq!(found.iter().map(|found| found.record.id).collect::<Vec<_>>(), [id(BO)], "{asked}");
    }
    for asked in [id(0x998).to_string(), "nobody@nowhere.example".into(), "99999999".into(), "…".into(), String::new(), "a,b".into()] {
        assert!(inspect(&bridge, &asked).await.unwrap().is_empty(), "{asked}");
    }
    bridge.close().await.unwrap();
}
