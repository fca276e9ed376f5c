//! Passes of a process that looks all day: cheap while nothing changes, as careful as any when something does, and each bridge on its own.

use std::{sync::Arc, time::Duration};

use base::{Dice, Table, Timestamp};
use emulator::{Effect, Latency};
use engine::{
    Bridge, Progress, SyncError,
    capture::capture,
    cycle,
    options::RunOptions,
    prepare::prepare,
    supervisor::{Open, PassKind, Running, Schedule, Served, Supervisor, Trigger, When},
};
use sandbox::edits;
use serde_json::json;
use store::{Batch, Store, record::Cursor};

use crate::world::World;

pub(crate) const BO: u64 = 0x31;

pub(crate) fn world() -> World {
    let world = World::small();
    world.contact(BO, "Bo", json!({"jobtitle": "Chief"}));
    world
}

/// One pass of the process that has `bridge`.
fn pass(bridge: &Bridge) -> Bridge {
    bridge.pass(RunOptions { served: true, ..RunOptions::default() }, Progress::silent())
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_finds_nothing_makes_one_call_for_each_table_and_one_to_marketo() {
    let world = world();
    let bridge = world.bridge().await;
    for _ in 0..2 {
        let (_, error) = cycle::run(&pass(&bridge)).await;
        assert!(error.is_none(), "{error:?}");
    }
    world.pass(Duration::from_secs(300)).await;
    let (summary, _) = cycle::run(&pass(&bridge)).await;
    assert_eq!(summary.dynamics_calls.values().sum::<u64>(), 8, "{:?}", summary.dynamics_calls);
    assert_eq!(summary.marketo_calls.keys().collect::<Vec<_>>(), ["activities.deleted"], "{:?}", summary.marketo_calls);
    let (summary, _) = cycle::moments(&pass(&bridge)).await;
    assert_eq!(summary.dynamics_calls.values().sum::<u64>(), 0, "{:?}", summary.dynamics_calls);
    assert_eq!(summary.marketo_calls.values().sum::<u64>(), 1, "{:?}", summary.marketo_calls);
    bridge.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_moment_reaches_dynamics_by_the_short_pass() {
    let world = world();
    let bridge = world.bridge().await;
    cycle::run(&pass(&bridge)).await;
    let (person, now) = (world.persons_of(BO)[0], world.now());
    assert!(world.sandbox.marketo.state().interesting_moment(person, "Web", "Read the price list", "Website", now));
    let (summary, error) = cycle::moments(&pass(&bridge)).await;
    assert!(error.is_none() && summary.written_back.written == 1, "{error:?}");
    assert_eq!(world.dynamics("contact", BO)["mkt_lastinterestingmomenttype"], json!("Web"));
    bridge.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_column_that_is_secured_between_passes_blanks_nothing() {
    let world = world();
    let bridge = world.bridge().await;
    cycle::run(&pass(&bridge)).await;
    world.sandbox.dataverse.state().secure_column("contact", "jobtitle", true).unwrap();
    world.update("contact", BO, json!({"telephone1": "2"}));
    let (summary, error) = cycle::run(&pass(&bridge)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((summary.exit_code, &world.person(BO)["title"]), (3, &json!("Chief")));
    assert_eq!(world.person(BO)["phone"], json!("2"), "everything else goes on");
    world.sandbox.dataverse.state().secure_column("contact", "jobtitle", false).unwrap();
    let (_, error) = cycle::run(&pass(&bridge)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(world.person(BO)["title"], json!("Chief"));
    bridge.close().await.unwrap();
}

/// The next cycle reads all tables in full.
async fn forget_positions(world: &World) {
    let fence = world.store.acquire("test").await.unwrap();
    let mut batch = Batch::new();
    Table::ALL.into_iter().for_each(|table| batch.remove::<Cursor>(table.name().into()));
    world.store.commit(fence, batch).await.unwrap();
    world.store.release(fence).await.unwrap();
}

/// Cycles that take longer than the time between moments, so that those run beside them, while people work on both sides; now and
/// then everything is stopped in the middle.
#[tokio::test(start_paused = true)]
async fn whatever_runs_beside_long_cycles_both_sides_agree() {
    for seed in 1..=3 {
        let mut world = World::generated(150, seed);
        world.calls_per_20s = 12;
        for mut faults in [world.sandbox.marketo.faults(), world.sandbox.dataverse.faults()] {
            faults.set_latency(Some(Latency::Spread { median_ms: 600.0, p99_ms: 5_000.0 }));
        }
        let (world, mut dice) = (Arc::new(world), Dice::new(seed));
        let often = |seconds| When::After(Duration::from_secs(seconds));
        let mut one = served("one", &world);
        one.schedule = Schedule { changes: often(30), moments: often(5), sweep: often(40) };
        let supervisor = Supervisor::start(vec![one], |_| ());
        let one = supervisor.handles().remove(0);
        for round in 0..15 {
            let now = world.now();
            {
                let mut dynamics = world.sandbox.dataverse.state();
                edits::edit_people(&mut dynamics, seed * 1_000 + round, 50.0, now).unwrap();
                edits::edit_owners(&mut dynamics, seed * 2_000 + round, 3, now).unwrap();
                edits::edit_roles(&mut dynamics, seed * 3_000 + round, 3, now).unwrap();
            }
            sandbox::activity::moments(&mut world.sandbox.marketo.state(), seed * 4_000 + round, 80, now);
            tokio::time::sleep(Duration::from_secs(dice.below(120))).await;
            if dice.percent(20.0) {
                // It may be about to be opened again.
                let _ = one.ask(Trigger::Pause(Running::Stops)).await;
                one.until(|view| view.bridge().is_some()).await;
                one.ask(Trigger::Resume).await.unwrap();
            }
        }
        let moments = one.view().passes[&PassKind::Moments].ended.values().sum::<u64>();
        let cycles = one.view().passes[&PassKind::Changes].ended.values().sum::<u64>();
        supervisor.stop().await;
        assert!(moments > 2 * cycles && cycles > 5, "{moments} moments, {cycles} cycles");
        world.cycle().await;
        // What is remembered as confirmed is what Marketo has: reading all tables anew finds nothing to send.
        forget_positions(&world).await;
        let ran = world.cycle().await;
        assert!(ran.written() == 0 && world.agreement().is_full(), "seed {seed}: {} written, {}", ran.written(), world.agreement());
        assert!(world.sandbox.marketo.state().duplicates().is_empty(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_another_pass_reads_meanwhile_don_t_hide_that_they_changed() {
    let world = world();
    let bridge = world.bridge().await;
    cycle::run(&pass(&bridge)).await;
    let long = pass(&bridge);
    let prepared = prepare(&long).await.unwrap();
    world.sandbox.dataverse.state().secure_column("contact", "jobtitle", true).unwrap();
    world.update("contact", BO, json!({"telephone1": "2"}));
    world.pass(Duration::from_secs(7_200)).await;
    let (summary, error) = cycle::moments(&pass(&bridge)).await;
    assert!(error.is_none() && summary.schema_changes.len() == 1, "{error:?} {summary:?}");
    let taken_in = capture(&long, &prepared).await;
    assert!(matches!(taken_in, Err(SyncError::Stale)), "{taken_in:?}");
    bridge.close().await.unwrap();
}

/// What one of them may call a day: less than its passes need.
const CAP: u64 = 250;

pub(crate) fn served(name: &str, world: &Arc<World>) -> Served {
    let world = world.clone();
    let open: Open = Arc::new(move || {
        let world = world.clone();
        Box::pin(async move { Ok(world.bridge().await) })
    });
    let schedule =
        Schedule { changes: When::After(Duration::from_secs(900)), moments: When::After(Duration::from_secs(300)), sweep: When::Asked };
    Served { name: name.into(), open, schedule, dice: Dice::new(1) }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_three_bridges_with_a_used_up_quota_and_a_dead_tenant() {
    let (living, mut capped, dead) = (Arc::new(world()), world(), Arc::new(world()));
    capped.quota.daily_calls = CAP;
    let capped = Arc::new(capped);
    for path in ["leads", "companies", "salespersons", "activities", "opportunities"] {
        dead.marketo_fault(path, Effect::DropBefore, None);
    }
    let bridges = [("living", &living), ("capped", &capped), ("dead", &dead)].map(|(name, world)| served(name, world));
    let supervisor = Supervisor::start(bridges.into(), |_| ());
    let usage = |world: &World, at: Timestamp| world.sandbox.marketo.state().usage_today(at);
    let begun = living.now();
    let mut used_up = false;
    for hour in 0..24 {
        living.update("contact", BO, json!({"telephone1": hour.to_string()}));
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(living.person(BO)["phone"], json!(hour.to_string()), "hour {hour}");
        assert!(usage(&capped, capped.now()) <= CAP);
        used_up |= usage(&capped, capped.now()) == CAP;
        if hour == 22 {
            capped.update("contact", BO, json!({"jobtitle": "Chair"}));
        }
    }
    let took = base::time::since(begun, living.now());
    assert!(took >= Duration::from_secs(24 * 3_600));
    // Marketo's midnight was between: the one that had used its calls up went on by itself.
    assert!(used_up, "there was something to wait for");
    assert_eq!(capped.person(BO)["title"], json!("Chair"));
    // Nobody is lost with the dead one: when it lives again, all is as it should be.
    dead.heal();
    tokio::time::sleep(Duration::from_secs(1_800)).await;
    supervisor.stop().await;
    for world in [&living, &capped, &dead] {
        world.clean_cycle().await;
        world.assert_agreed();
    }
}
