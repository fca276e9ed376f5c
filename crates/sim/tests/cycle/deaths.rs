//! R11: the process dies anywhere, and the next one ends where an undisturbed one would have.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use base::Dice;
use engine::cycle;
use marketo_emulator::Object as Theirs;
use sandbox::edits;
use serde_json::{Map, Value};

use crate::world::World;

const PEOPLE: u64 = 20;
const SEED: u64 = 12;

fn world() -> World {
    let world = World::generated(PEOPLE, SEED);
    // Answers take a while, so that there is a middle in which to die.
    world.sandbox.marketo.faults().set_latency(Some(emulator::Latency::fixed(40.0)));
    world.sandbox.dataverse.faults().set_latency(Some(emulator::Latency::fixed(20.0)));
    world
}

fn stir(world: &World) {
    let now = world.now();
    let mut dynamics = world.sandbox.dataverse.state();
    edits::edit_people(&mut dynamics, 777, 20.0, now).unwrap();
    edits::edit_owners(&mut dynamics, 778, 6, now).unwrap();
    edits::edit_roles(&mut dynamics, 779, 6, now).unwrap();
    drop(dynamics);
    sandbox::activity::moments(&mut world.sandbox.marketo.state(), 780, 15, now);
}

/// What Marketo holds as far as Dynamics decides it, without ids and times of its own. Which roles there must be depends on ids that Dynamics
/// gives to new connections; the agreement knows them.
fn end_state(world: &World) -> Vec<String> {
    const OWN: [&str; 6] = ["id", "createdAt", "updatedAt", "marketoGUID", "leadScore", "urgency"];
    let bare = |mut record: Map<String, Value>| {
        record.retain(|name, _| {
            !OWN.contains(&name.as_str()) && !name.starts_with("msi") && !name.starts_with("relative") && name != "priority"
        });
        Value::Object(record).to_string()
    };
    let mut all: Vec<String> = world.people().into_iter().map(bare).collect();
    for object in [Theirs::SalesPersons, Theirs::Companies, Theirs::Opportunities] {
        all.extend(world.records(object).into_iter().map(bare));
    }
    all.sort();
    all
}

/// Runs a cycle that dies when `ends` says so; true when it came to its end before.
async fn dying(world: &mut World, ends: impl Future<Output = ()>) -> bool {
    let bridge = world.bridge().await;
    let finished = tokio::select! {
        biased;
        () = ends => false,
        _ = cycle::run(&bridge) => true,
    };
    drop(bridge);
    world.store = world.store.restart();
    finished
}

/// Runs a cycle that is dropped after so many polls; true when it came to its end before.
async fn dying_after_polls(world: &mut World, polls: usize) -> bool {
    let bridge = world.bridge().await;
    let finished = {
        let mut run = pin!(cycle::run(&bridge));
        let mut left = polls;
        std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(false);
            }
            left -= 1;
            run.as_mut().poll(context).map(|_| true)
        })
        .await
    };
    drop(bridge);
    world.store = world.store.restart();
    finished
}

async fn undisturbed() -> Vec<String> {
    let world = world();
    world.cycle().await;
    stir(&world);
    world.cycle().await;
    world.assert_agreed();
    end_state(&world)
}

async fn assert_recovers(world: &World, expected: &[String], name: &str) {
    world.cycle().await;
    let agreement = world.agreement();
    assert!(agreement.is_full(), "{name}: {agreement}");
    let duplicates = world.sandbox.marketo.state().duplicates();
    assert!(duplicates.is_empty(), "{name}: {duplicates:?}");
    let state = end_state(world);
    let extra: Vec<&String> = state.iter().filter(|record| !expected.contains(record)).collect();
    let missing: Vec<&String> = expected.iter().filter(|record| !state.contains(record)).collect();
    assert!(state.len() == expected.len() && extra.is_empty() && missing.is_empty(), "{name}: extra {extra:#?}, missing {missing:#?}");
    assert_eq!(world.cycle().await.written(), 0, "{name}");
}

/// A first synchronisation dies, and so does the one that mends it.
async fn first_sync_dies(points: u64, seed: u64) {
    let expected = undisturbed().await;
    let mut dice = Dice::new(seed);
    for point in 0..points {
        let mut world = world();
        let after = Duration::from_millis(20 + dice.below(3_000));
        let finished = dying(&mut world, tokio::time::sleep(after)).await;
        let again = Duration::from_millis(20 + dice.below(1_500));
        dying(&mut world, tokio::time::sleep(again)).await;
        world.cycle().await;
        stir(&world);
        assert_recovers(&world, &expected, &format!("point {point}, dead after {after:?} and {again:?}, finished {finished}")).await;
    }
}

/// A later synchronisation, with changes to carry both ways, dies.
async fn later_sync_dies(points: u64, seed: u64) {
    let expected = undisturbed().await;
    let mut dice = Dice::new(seed);
    for point in 0..points {
        let mut world = world();
        world.cycle().await;
        stir(&world);
        let after = Duration::from_millis(20 + dice.below(1_800));
        let finished = dying(&mut world, tokio::time::sleep(after)).await;
        assert_recovers(&world, &expected, &format!("point {point}, dead after {after:?}, finished {finished}")).await;
    }
}

/// A first synchronisation is dropped after so many polls, and so many more, until it comes to its end.
async fn dropped_at_polls(step: usize) -> usize {
    let expected = undisturbed().await;
    let (mut polls, mut points) = (3, 0);
    loop {
        let mut world = world();
        let finished = dying_after_polls(&mut world, polls).await;
        world.cycle().await;
        stir(&world);
        assert_recovers(&world, &expected, &format!("dead after {polls} polls, finished {finished}")).await;
        if finished {
            return points;
        }
        (points, polls) = (points + 1, polls + step);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_sync_that_dies_at_any_time_ends_the_same() {
    first_sync_dies(8, 0x5eed_0001).await;
}

#[tokio::test(start_paused = true)]
async fn a_later_sync_that_dies_at_any_time_ends_the_same() {
    later_sync_dies(8, 0x5eed_0002).await;
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_is_dropped_at_any_poll_ends_the_same() {
    let points = dropped_at_polls(5).await;
    assert!(points >= 4, "{points} points only");
}
