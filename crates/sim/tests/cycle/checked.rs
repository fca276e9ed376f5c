//! What is wrong with the set-up is named by `check`, with what to do; and nothing of it is changed by looking.

use dataverse_emulator::options::ApplicationUser;
use engine::{
    Quota,
    check::{About, Finding, Grade, check},
};
use marketo_emulator::{Object as Theirs, Permission};
use serde_json::json;

use crate::pages;
use crate::world::{ANN, World, id};

const BO: u64 = 0x31;
const TEAM: u64 = 0x11;

/// Those of Adobe's package.
const MSI_COLUMNS: [&str; 7] = [
    "mkt_lastinterestingmomenttype",
    "mkt_lastinterestingmomentdate",
    "mkt_lastinterestingmomentdesc",
    "mkt_leadinterestingmomentsource",
    "mkt_priority",
    "mkt_urgency",
    "mkt_relativescore",
];

async fn look(world: &World) -> Vec<Finding> {
    let (dynamics, marketo) = world.clients();
    let about = About { quota: Some(Quota::default()), last_run: None, state: None };
    let findings = check(dynamics, marketo, world.options.clone(), about, None).await;
    for finding in &findings {
        let Some(page) = &finding.page else { continue };
        assert!(pages::is_there(page), "{:?} has no page {page}", finding.code);
    }
    findings
}

/// Bo, Ann's contact; both sides agree.
async fn world() -> World {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world.clean_cycle().await;
    world
}

/// What is done, how bad it is, the code, and a part of what is found and of the remedy.
type Case = (fn(&mut World), Grade, &'static str, &'static str, &'static str);

fn forbid(world: &World, permissions: &[Permission]) {
    let mut state = world.sandbox.marketo.state();
    state.options_mut().permissions.retain(|permission| !permissions.contains(permission));
}

fn lack(world: &World, privilege: &str) {
    world.sandbox.dataverse.state().options_mut().missing_privileges.insert(privilege.into());
}

const CASES: &[Case] = &[
    (
        |world| world.sandbox.marketo.state().options_mut().external_person_id_described = false,
        Grade::Red,
        "person-key-missing",
        "no field externalPersonId",
        "MSI Non-Native",
    ),
    (
        |world| world.sandbox.marketo.state().options_mut().external_person_id_lookup = false,
        Grade::Amber,
        "no-email-of-its-own",
        "no lookup field",
        "custom field",
    ),
    (|world| world.sandbox.marketo.state().options_mut().native_crm = true, Grade::Red, "marketo-native-sync", "1018", "without it"),
    (|world| forbid(world, &[Permission::WriteCompany]), Grade::Red, "marketo-refused", "Read-Write Company", "give the API role"),
    (|world| forbid(world, &[Permission::WriteLead]), Grade::Red, "marketo-refused", "Read-Write Person", "give the API role"),
    (|world| forbid(world, &[Permission::WriteSalesPerson]), Grade::Red, "marketo-refused", "Read-Write Sales Person", "give the API role"),
    (|world| forbid(world, &[Permission::WriteOpportunity]), Grade::Red, "marketo-refused", "Read-Write Opportunity", "give the API role"),
    (
        |world| forbid(world, &[Permission::ReadActivity, Permission::WriteActivity]),
        Grade::Red,
        "marketo-refused",
        "Read-Only Activity",
        "give the API role",
    ),
    (
        |world| world.sandbox.marketo.state().options_mut().permissions.clear(),
        Grade::Red,
        "marketo-refused",
        "every call is refused",
        "IP allow-list",
    ),
    (
        |world| world.sandbox.dataverse.state().options_mut().application_user = ApplicationUser::Missing,
        Grade::Red,
        "dynamics-refused",
        "0x80072560",
        "application user",
    ),
    (|world| lack(world, "prvReadContact"), Grade::Red, "dynamics-refused", "rows can't be read", "Read on contact"),
    (|world| lack(world, "prvWriteLead"), Grade::Red, "dynamics-refused", "rows can't be written", "Write on lead"),
    (
        |world| world.sandbox.dataverse.state().options_mut().untracked_tables = ["contact".to_owned()].into(),
        Grade::Amber,
        "not-tracked",
        "without change tracking",
        "Track changes",
    ),
    (
        |world| {
            let mut state = world.sandbox.dataverse.state();
            for column in MSI_COLUMNS {
                state.remove_column("contact", column).unwrap();
            }
        },
        Grade::Red,
        "msi-column",
        "none of them",
        "package",
    ),
    (
        |world| world.sandbox.dataverse.state().remove_column("lead", "mkt_urgency").unwrap(),
        Grade::Amber,
        "msi-column-missing",
        "Relative Urgency Value",
        "[msi.lead]",
    ),
    (
        |world| world.sandbox.dataverse.state().secure_column("lead", "mkt_priority", true).unwrap(),
        Grade::Amber,
        "msi-column-secured",
        "mkt_priority",
        "column security profile",
    ),
    (
        |world| {
            let edit = |column: &mut dataverse_emulator::schema::Column| column.kind = dataverse_emulator::schema::Kind::Boolean;
            world.sandbox.dataverse.state().edit_column("lead", "mkt_priority", edit).unwrap();
        },
        Grade::Red,
        "msi-column",
        "type",
        "name another column",
    ),
    (|world| world.sandbox.dataverse.state().secure_column("contact", "jobtitle", true).unwrap(), Grade::Red, "field-map", "jobtitle", ""),
    (|world| world.options.keys.company = Some("crmAccountId".into()), Grade::Red, "company-key-missing", "crmAccountId", "make it"),
    (|world| world.options.keys.person = "crmGuid".into(), Grade::Red, "person-key-missing", "crmGuid", "MSI Non-Native"),
    (
        |world| {
            let now = world.now();
            world.sandbox.marketo.state().set_usage(45_000, now);
        },
        Grade::Amber,
        "quota",
        "of 50000 calls",
        "quota.md",
    ),
    (|world| world.user(0x03, "ANN"), Grade::Amber, "owner-email-twice", "one e-mail", "address of its own"),
    (
        |world| world.update("systemuser", ANN, json!({"internalemailaddress": null})),
        Grade::Amber,
        "owner-without-email",
        "owns 2 records",
        "e-mail address in Dynamics",
    ),
    (
        |world| {
            let row = world.records(Theirs::SalesPersons).into_iter().find(|row| row["externalSalesPersonId"] == json!(id(ANN))).unwrap();
            let new = json!({"email": "other@seller.example"}).as_object().unwrap().clone();
            let now = world.now();
            assert!(world.sandbox.marketo.state().update(Theirs::SalesPersons, &row["id"], new, now));
        },
        Grade::Red,
        "owner-email-differs",
        "another e-mail",
        "mend-owner-email",
    ),
    (
        |world| {
            world.insert("team", json!({"teamid": id(TEAM), "name": "Alone"}));
            world.update("contact", BO, json!({"ownerid": ["team", TEAM]}));
        },
        Grade::Amber,
        "team-without-administrator",
        "owns 1 records",
        "owners.team",
    ),
];

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_set_up_is_named_with_its_remedy() {
    let mut wrong = Vec::new();
    for (number, (break_it, grade, code, found, remedy)) in CASES.iter().enumerate() {
        let mut world = world().await;
        break_it(&mut world);
        let findings = look(&world).await;
        let is_it = |finding: &&Finding| {
            let told = format!("{} {}", finding.text, finding.remedy.as_deref().unwrap_or_default());
            finding.code.as_deref() == Some(code) && finding.grade == *grade && finding.text.contains(found) && told.contains(remedy)
        };
        // Of all that is found it is the first.
        let named = findings.first().filter(is_it).is_some_and(|finding| finding.page.is_some());
        if !named || findings.iter().all(|finding| finding.good) != (*grade != Grade::Red) {
            let told: Vec<&Finding> = findings.iter().filter(|finding| finding.grade != Grade::Green).collect();
            wrong.push(format!("case {number}, {code}, {found:?}, {remedy:?}: {told:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn two_good_sides_have_no_finding_that_is_red_and_are_as_they_were() {
    let world = world().await;
    world.fresh_records();
    let (people, rows) = (world.people(), world.dynamics("contact", BO));
    let findings = look(&world).await;
    assert!(findings.iter().all(|finding| finding.good), "{findings:#?}");
    let amber: Vec<_> = findings.iter().filter(|finding| finding.grade == Grade::Amber).map(|finding| finding.code.as_deref()).collect();
    assert!(amber.iter().all(|code| *code == Some("field-note")), "{findings:#?}");
    assert_eq!((people, rows), (world.people(), world.dynamics("contact", BO)));
    assert_eq!(world.clean_cycle().await.written(), 0);
}
