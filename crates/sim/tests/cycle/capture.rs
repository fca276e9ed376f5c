//! How changes are found in Dynamics: tracked, untracked, with tokens that expire, and with MSI columns of other names.

use std::time::Duration;

use base::Object;
use dataverse_emulator::{options::DeltaStamp, schema::MsiColumns};
use emulator::Effect;
use engine::{SyncError, summary::CaptureMode};
use planner::msi::{MsiField, MsiSpec};
use serde_json::json;

use crate::world::{ANN, World, id};

const BO: u64 = 0x31;
const CY: u64 = 0x32;
const DEAL: u64 = 0x51;
const LINK: u64 = 0x61;
const CHIEF: u64 = 0x71;

fn fill(world: &World) {
    world.contact(BO, "Bo", json!({}));
    world.contact(CY, "Cy", json!({}));
    world.deal(DEAL, json!({}));
    world.role_name(CHIEF, "Champion");
    world.connect(LINK, DEAL, BO, Some(CHIEF));
}

#[tokio::test(start_paused = true)]
async fn without_tracking_changes_are_found_by_date_and_deletions_by_absence() {
    let mut world = World::small_with(|options| {
        (options.dataverse.track_connections, options.dataverse.track_connection_roles) = (false, false);
        options.dataverse.untracked_tables = ["contact".to_owned()].into();
        options.dataverse.page_max = 7;
    });
    world.allow.push("role-removals");
    fill(&world);
    for n in 0..20 {
        world.contact(0x100 + n, &format!("P{n}"), json!({}));
        world.connect(0x1000 + n, DEAL, 0x100 + n, Some(CHIEF));
    }
    world.clean_cycle().await;
    world.assert_agreed();
    world.pass(Duration::from_secs(3600)).await;
    world.update("contact", BO, json!({"jobtitle": "Chief"}));
    world.connect(LINK + 1, DEAL, CY, None);
    world.delete("connection", LINK);
    world.update("connectionrole", CHIEF, json!({"name": "Leader"}));
    let ran = world.clean_cycle().await;
    for table in ["contact", "connection", "connectionrole"] {
        assert_eq!(ran.summary.captured[table].mode, CaptureMode::Watermark, "{table}");
    }
    assert_eq!(world.person(BO)["title"], json!("Chief"));
    world.assert_agreed();
    let again = world.clean_cycle().await;
    assert_eq!((again.written(), again.summary.captured["connection"].deleted), (0, 0));
    assert!(again.summary.captured["contact"].rows <= 1, "only what lies around the watermark: {:?}", again.summary.captured["contact"]);
}

#[tokio::test(start_paused = true)]
async fn a_delta_token_that_has_expired_costs_a_full_read_and_sends_only_differences() {
    let mut world = World::small();
    world.allow.push("role-removals");
    fill(&world);
    world.clean_cycle().await;
    world.update("contact", BO, json!({"jobtitle": "Chief"}));
    world.delete("connection", LINK);
    world.sandbox.dataverse.state().expire_delta_tokens();
    let ran = world.clean_cycle().await;
    assert_eq!(ran.summary.captured["contact"].mode, CaptureMode::Full);
    assert_eq!((ran.pushed(Object::Lead).fields, ran.pushed(Object::Role).removed), (1, 1));
    assert_eq!(ran.written(), 2, "a deletion that happened meanwhile is found by absence");
    world.assert_agreed();
    let next = world.clean_cycle().await;
    assert_eq!((next.summary.captured["contact"].mode, next.written()), (CaptureMode::Changes, 0));
}

#[tokio::test(start_paused = true)]
async fn a_week_of_rest_is_no_harm() {
    let world = World::small();
    fill(&world);
    world.clean_cycle().await;
    world.pass(Duration::from_secs(8 * 24 * 3600)).await;
    world.update("contact", BO, json!({"jobtitle": "Chief"}));
    let ran = world.clean_cycle().await;
    assert_eq!(ran.written(), 1);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_delta_link_that_is_left_out_with_annotations_is_still_had() {
    let world = World::small_with(|options| options.dataverse.omit_delta_link_with_annotations = true);
    fill(&world);
    world.clean_cycle().await;
    world.assert_agreed();
    world.update("contact", BO, json!({"parentcustomerid": ["contact", CY], "jobtitle": "Chief"}));
    let ran = world.clean_cycle().await;
    assert_eq!(ran.summary.captured["contact"].mode, CaptureMode::Changes);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_change_while_the_first_read_is_under_way_is_not_missed() {
    for stamp in [DeltaStamp::LastPage, DeltaStamp::Start] {
        let world = World::small_with(|options| {
            options.dataverse.delta_stamp = stamp;
            options.dataverse.page_max = 5;
        });
        for n in 0..40 {
            world.contact(0x100 + n, &format!("P{n}"), json!({}));
        }
        // Pages take a while; a row of the first one changes before the last one is made.
        world.sandbox.dataverse.faults().set_latency(Some(emulator::Latency::fixed(2_000.0)));
        let sandbox = world.sandbox.clone();
        let editor = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if sandbox.dataverse.journal().count("contact.changes") >= 4 {
                    let (now, patch) = (sandbox.now(), crate::world::map(json!({"jobtitle": "Changed"})));
                    sandbox.dataverse.state().update("contact", id(0x100), patch, now).unwrap();
                    return;
                }
            }
        });
        world.clean_cycle().await;
        editor.await.unwrap();
        world.clean_cycle().await;
        assert_eq!(world.person(0x100).get("title"), Some(&json!("Changed")), "{stamp:?}");
        world.assert_agreed();
    }
}

/// Runs a cycle in which something happens to Dynamics once so many pages of contacts were made.
async fn cycle_with(world: &World, pages: u64, act: impl FnOnce(&sandbox::Sandbox) + Send + 'static) {
    world.sandbox.dataverse.faults().set_latency(Some(emulator::Latency::fixed(2_000.0)));
    let sandbox = world.sandbox.clone();
    let editor = tokio::spawn(async move {
        while sandbox.dataverse.journal().count("contact.changes") < pages {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        act(&sandbox);
    });
    world.clean_cycle().await;
    editor.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_row_deleted_while_the_first_read_is_under_way_is_not_sent() {
    let world = World::small_with(|options| options.dataverse.page_max = 5);
    for n in 0..40 {
        world.contact(0x100 + n, &format!("P{n}"), json!({}));
    }
    cycle_with(&world, 4, |sandbox| {
        let now = sandbox.now();
        sandbox.dataverse.state().delete("contact", id(0x100), now).unwrap();
    })
    .await;
    assert!(world.persons_of(0x100).is_empty());
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_row_deleted_after_a_first_read_that_was_cut_off_is_not_sent() {
    let mut world = World::small_with(|options| options.dataverse.page_max = 5);
    for n in 0..40 {
        world.contact(0x100 + n, &format!("P{n}"), json!({}));
    }
    world.sandbox.dataverse.faults().set_latency(Some(emulator::Latency::fixed(2_000.0)));
    let bridge = world.bridge().await;
    let cut = async {
        while world.sandbox.dataverse.journal().count("contact.changes") < 4 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! { biased; () = cut => {}, _ = engine::cycle::run(&bridge) => panic!("it came to its end") }
    drop(bridge);
    world.store = world.store.restart();
    world.delete("contact", 0x100);
    world.clean_cycle().await;
    assert!(world.persons_of(0x100).is_empty());
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_delta_link_that_leads_nowhere_costs_a_full_read() {
    let mut world = World::small();
    world.allow.push("role-removals");
    fill(&world);
    world.clean_cycle().await;
    // The table is no longer tracked.
    world.sandbox.dataverse.state().options_mut().untracked_tables = ["contact".to_owned()].into();
    world.update("contact", BO, json!({"jobtitle": "Chief"}));
    world.delete("connection", LINK);
    world.clean_cycle().await;
    assert_eq!(world.person(BO)["title"], json!("Chief"));
    world.assert_agreed();
    // The link can't be read.
    world.dynamics_fault("account.changes", Effect::Refuse { code: "400".into(), wait_s: None }, Some(1));
    let ran = world.clean_cycle().await;
    assert_eq!((ran.written(), ran.summary.captured["account"].mode), (0, CaptureMode::Full));
}

#[tokio::test(start_paused = true)]
async fn columns_of_the_customer_s_own_are_asked_for_and_then_used() {
    let mut world = World::small_with(|options| options.dataverse.msi_columns = MsiColumns::New);
    fill(&world);
    let ran = world.try_cycle().await;
    let Some(SyncError::Configuration(problems)) = &ran.error else { panic!("{:?}", ran.error) };
    assert_eq!(ran.summary.exit_code, 2);
    let text = ran.error.as_ref().unwrap().to_string();
    assert!(text.contains("[msi.contact]") && text.contains("[msi.lead]") && text.contains("= \"new_"), "{text}");
    assert_eq!(problems.len(), 14, "all seven of both tables at once: {text}");
    assert!(world.to_marketo.all().is_empty(), "nothing was sent");

    // What the message says is what helps.
    let named = |table: &str, field: MsiField| {
        let key = serde_json::to_value(field).unwrap().as_str().unwrap().to_owned();
        let of_table = problems.iter().filter(|problem| problem.place.contains(table)).map(|problem| problem.message.as_str());
        let line = of_table
            .flat_map(str::lines)
            .find(|line| line.trim().starts_with(&format!("{key} = \"")))
            .unwrap_or_else(|| panic!("{key} in {text}"));
        MsiSpec::Column(line.split('"').nth(1).unwrap().to_owned())
    };
    for field in MsiField::ALL {
        world.options.msi.contact.insert(field, named("contact", field));
        world.options.msi.lead.insert(field, named("lead", field));
    }
    world.clean_cycle().await;
    let (person, now) = (world.persons_of(BO)[0], world.now());
    world.sandbox.marketo.state().interesting_moment(person, "Web", "d", "s", now);
    world.sandbox.marketo.state().change_score(person, 7, 1, 2, now);
    let ran = world.clean_cycle().await;
    assert_eq!(ran.summary.written_back.written, 1);
    let bo = world.dynamics("contact", BO);
    let filled = bo.keys().filter(|name| name.starts_with("new_")).count();
    assert_eq!(filled, 7, "{bo:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_columns_everything_else_works() {
    let world = World::small_with(|options| options.dataverse.msi_columns = MsiColumns::Absent);
    fill(&world);
    let ran = world.clean_cycle().await;
    assert!(ran.summary.warnings.iter().any(|warning| warning.contains("no column")), "{:?}", ran.summary.warnings);
    let (person, now) = (world.persons_of(BO)[0], world.now());
    world.sandbox.marketo.state().interesting_moment(person, "Web", "d", "s", now);
    let ran = world.clean_cycle().await;
    assert_eq!(ran.summary.written_back.written, 0);
}

#[tokio::test(start_paused = true)]
async fn a_person_deleted_in_dynamics_is_left_to_the_policy_and_hurts_nobody() {
    let world = World::small();
    fill(&world);
    world.clean_cycle().await;
    world.delete("contact", CY);
    let ran = world.cycle().await;
    assert_eq!(ran.summary.captured["contact"].deleted, 1);
    assert_eq!(world.person(BO)["externalSalesPersonId"], json!(id(ANN)));
    assert_eq!(world.people().len(), 2, "the person itself stays");
    assert_eq!(world.cycle().await.written(), 0);
}
