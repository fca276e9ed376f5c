//! One side down, a quota used up, a login refused: the cycle says so, loses nothing, and the next one goes on.

use std::time::Duration;

use emulator::Effect;
use engine::{Quota, Side, SyncError};
use serde_json::json;

use crate::world::{World, refuse};

const BO: u64 = 0x31;

fn world() -> World {
    let world = World::small();
    world.contact(BO, "Bo", json!({}));
    world
}

#[tokio::test(start_paused = true)]
async fn a_side_that_is_down_is_named() {
    for side in [Side::Marketo, Side::Dynamics] {
        for effect in [refuse("503"), Effect::DropBefore, Effect::Html] {
            let world = world();
            match side {
                Side::Marketo => world.marketo_fault("*", effect.clone(), None),
                Side::Dynamics => world.dynamics_fault("*", effect.clone(), None),
            }
            let ran = world.try_cycle().await;
            assert!(
                matches!(&ran.error, Some(SyncError::Side { side: named, .. }) if *named == side),
                "{side} {effect:?}: {:?}",
                ran.error
            );
            assert_eq!(ran.summary.exit_code, 5);
            world.heal();
            world.clean_cycle().await;
            world.assert_agreed();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_side_that_goes_down_on_the_way_loses_nothing() {
    for operation in [
        "salespersons.sync",
        "companies.sync",
        "leads.get",
        "leads.sync",
        "opportunities.sync",
        "roles.sync",
        "activities",
        "leads.describe2",
    ] {
        let world = World::generated(60, 9);
        world.marketo_fault(operation, refuse("502"), None);
        let ran = world.try_cycle().await;
        assert_eq!(ran.summary.exit_code, 5, "{operation}: {:?}", ran.error);
        world.heal();
        world.cycle().await;
        world.assert_agreed();
    }
    for operation in
        ["systemuser", "account", "contact.changes", "lead.changes", "opportunity", "connection", "metadata", "contact.update_multiple"]
    {
        let world = World::generated(60, 9);
        world.dynamics_fault(operation, refuse("503"), None);
        let ran = world.try_cycle().await;
        let nothing_to_write = operation.ends_with("multiple") && ran.error.is_none();
        assert!(ran.summary.exit_code == 5 || nothing_to_write, "{operation}: {:?}", ran.error);
        world.heal();
        world.cycle().await;
        world.assert_agreed();
    }
}

#[tokio::test(start_paused = true)]
async fn what_changes_during_an_outage_arrives_after_it() {
    let world = world();
    world.clean_cycle().await;
    world.marketo_fault("leads", Effect::DropBefore, None);
    world.update("contact", BO, json!({"jobtitle": "Chief"}));
    world.try_cycle().await;
    world.update("contact", BO, json!({"telephone1": "1"}));
    world.try_cycle().await;
    world.heal();
    world.clean_cycle().await;
    assert_eq!(world.to_marketo.records("leads.json").len(), 1, "both changes in one");
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_used_up_stops_until_the_reset() {
    let mut world = World::generated(60, 9);
    // Nothing is kept for others, so that it is Marketo that says so.
    world.quota = Quota::NONE;
    let now = world.now();
    world.sandbox.marketo.state().set_usage(49_990, now);
    let ran = world.try_cycle().await;
    assert!(matches!(ran.error, Some(SyncError::Quota { .. })), "{:?}", ran.error);
    assert_eq!(ran.summary.exit_code, 4);
    assert!(ran.error.unwrap().to_string().contains("midnight US Central"));
    // The same day, nothing more is possible, and nothing is lost.
    let ran = world.try_cycle().await;
    assert_eq!(ran.summary.exit_code, 4);
    world.pass(Duration::from_secs(24 * 3600)).await;
    world.cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_others_is_never_used_even_when_marketo_cannot_be_asked_again() {
    let world = World::generated(60, 9);
    let now = world.now();
    world.sandbox.marketo.state().set_usage(46_000, now);
    let ran = world.try_cycle().await;
    assert_eq!(ran.summary.exit_code, 4, "{:?}", ran.error);
    assert!(ran.error.unwrap().to_string().contains("marketo.reserve"));
    let used = world.sandbox.marketo.state().usage_today(world.now());
    // Its word is old by now, and asking again would be a call as well.
    for _ in 0..3 {
        world.pass(Duration::from_secs(3_700)).await;
        assert_eq!(world.try_cycle().await.summary.exit_code, 4);
    }
    assert_eq!(world.sandbox.marketo.state().usage_today(world.now()), used);
    world.pass(Duration::from_secs(24 * 3600)).await;
    world.cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn the_own_cap_on_calls_holds_across_processes() {
    let mut world = World::generated(60, 9);
    world.quota.daily_calls = 9;
    let mut calls = 0;
    for _ in 0..3 {
        let ran = world.try_cycle().await;
        assert_eq!(ran.summary.exit_code, 4, "{:?}", ran.error);
        calls += ran.marketo_calls();
    }
    assert!(calls <= 9, "{calls}");
    assert!(world.sandbox.marketo.state().usage_today(world.now()) <= 9);
    world.pass(Duration::from_secs(24 * 3600)).await;
    world.quota.daily_calls = 1_000;
    world.cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn the_rate_holds_across_processes() {
    // 100 calls in any 20 s: the emulator refuses what comes faster, and a client that asks again hides it.
    let world = World::generated(60, 9);
    let mut refused = 0;
    for _ in 0..12 {
        world.try_cycle().await;
        let journal = world.sandbox.marketo.journal();
        refused += journal.last.iter().filter(|exchange| exchange.status != Some(200)).count();
        drop(journal);
    }
    let now = world.now();
    let errors = world.sandbox.marketo.state().usage_today(now);
    assert!(errors > 0 && refused == 0);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn tokens_that_expire_on_the_way_are_renewed() {
    for revoke in [false, true] {
        let world = World::generated(60, 9);
        let sandbox = world.sandbox.clone();
        world.sandbox.marketo.faults().set_latency(Some(emulator::Latency::fixed(100.0)));
        let expiring = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(350)).await;
                let now = sandbox.now();
                match revoke {
                    true => sandbox.marketo.state().revoke_tokens(),
                    false => sandbox.marketo.state().expire_tokens(now),
                }
                sandbox.dataverse.state().revoke_tokens();
            }
        });
        world.cycle().await;
        expiring.abort();
        world.assert_agreed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_native_sync_and_a_missing_permission_are_refusals_with_a_remedy() {
    let world = world();
    world.sandbox.marketo.state().options_mut().native_crm = true;
    let ran = world.try_cycle().await;
    assert_eq!(ran.summary.error.as_ref().map(|error| error.code.as_str()), Some("marketo-native-sync"), "{:?}", ran.error);
    assert!(world.people().is_empty());
    world.sandbox.marketo.state().options_mut().native_crm = false;
    world.sandbox.marketo.state().options_mut().permissions.remove(&marketo_emulator::options::Permission::WriteLead);
    let ran = world.try_cycle().await;
    assert_eq!(ran.summary.exit_code, 5);
    assert!(ran.error.unwrap().to_string().contains("permission"));
    world.sandbox.marketo.state().options_mut().permissions = marketo_emulator::options::Permission::all();
    world.clean_cycle().await;
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_over_already_is_no_reason_to_hammer() {
    // The date that Dynamics names lies in the past by this machine's clock.
    let world = World::with(20, 9, |options| {
        (options.dataverse.limit_requests, options.dataverse.retry_after) = (30, dataverse_emulator::options::RetryAfter::Date);
    });
    world.sandbox.dataverse.faults().set_latency(Some(emulator::Latency::fixed(200.0)));
    let begun = tokio::time::Instant::now();
    world.try_cycle().await;
    let (requests, seconds) = (world.sandbox.dataverse.journal().total, begun.elapsed().as_secs());
    assert!(requests < 100 + 5 * seconds, "{requests} requests in {seconds} s");
}
