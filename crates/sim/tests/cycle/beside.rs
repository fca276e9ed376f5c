//! What runs beside something long: moments are neither lost nor held up by a sweep, a cycle or a cap, and what was urgent stays urgent.

use std::{future::Future, sync::Arc, time::Duration};

use emulator::Effect;
use engine::{Bridge, Progress, cycle, options::DailyWrites, options::RunOptions};
use serde_json::{Map, Value, json};
use tokio::{task::JoinHandle, time::Instant};

use crate::world::World;

const FIRST: u64 = 0x1000;

/// So many contacts who are linked and have scores.
async fn world(contacts: u64) -> World {
    let world = World::small();
    for n in 0..contacts {
        world.contact(FIRST + n, &format!("Bo{n}"), json!({}));
    }
    world.clean_cycle().await;
    for n in 0..contacts {
        let (person, now) = (person(&world, n), world.now());
        assert!(world.sandbox.marketo.state().change_score(person, 10, 1, 1, now));
    }
    world.clean_cycle().await;
    // Activities of the last minutes are read again: these are to be older than that.
    world.pass(Duration::from_secs(600)).await;
    world.clean_cycle().await;
    world
}

fn person(world: &World, n: u64) -> i64 {
    world.persons_of(FIRST + n)[0]
}

fn moment(world: &World, n: u64, text: &str) {
    let (person, now) = (person(world, n), world.now());
    assert!(world.sandbox.marketo.state().interesting_moment(person, "Web", text, "Website", now));
}

fn row(world: &World, n: u64) -> Map<String, Value> {
    world.dynamics("contact", FIRST + n)
}

fn shows(world: &World, n: u64, text: &str) -> bool {
    row(world, n).get("mkt_lastinterestingmomentdesc") == Some(&json!(text))
}

fn pass(bridge: &Bridge) -> Bridge {
    bridge.pass(RunOptions { served: true, ..RunOptions::default() }, Progress::silent())
}

async fn moments(bridge: &Bridge) -> Duration {
    let begun = Instant::now();
    let (_, error) = cycle::moments(&pass(bridge).in_lane(wire::Lane::Urgent)).await;
    assert!(error.is_none(), "{error:?}");
    begun.elapsed()
}

fn spawn<T>(bridge: &Bridge, run: impl FnOnce(Arc<Bridge>) -> T) -> JoinHandle<<T as Future>::Output>
where
    T: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(run(Arc::new(pass(bridge))))
}

/// Two calls in any 20 seconds: everything long takes minutes.
async fn slow(world: &mut World) -> Bridge {
    world.calls_per_20s = 2;
    world.bridge().await
}

#[tokio::test(start_paused = true)]
async fn a_moment_does_not_wait_for_a_sweep() {
    let mut world = world(3_000).await;
    let now = world.now();
    assert!(world.sandbox.marketo.state().recut_tiers(5, now) > 1_000);
    let bridge = slow(&mut world).await;
    let sweep = spawn(&bridge, |pass| async move { cycle::sweep(&pass).await });
    world.pass(Duration::from_secs(25)).await;
    // One that finds nobody doesn't wait, so that the next one comes in time.
    assert!(moments(&bridge).await < Duration::from_secs(45));
    moment(&world, 7, "In the middle");
    let took = moments(&bridge).await;
    // Three windows: one that is used up, and two of calls of which the sweep had its share.
    assert!(took < Duration::from_secs(65), "{took:?}");
    assert!(shows(&world, 7, "In the middle") && !sweep.is_finished());
    let (summary, error) = sweep.await.unwrap();
    assert!(error.is_none() && summary.written_back.written > 1_000, "{error:?}");
    // Nobody was left out because of it.
    world.fresh_records();
    let next = cycle::sweep(&pass(&bridge)).await.0;
    assert_eq!((next.written_back.read, next.written_back.written), (3_000, 0));
    bridge.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn beside_a_cycle_a_merge_waits_and_moments_do_not() {
    let mut world = world(1_500).await;
    let (winner, loser) = (person(&world, 1), person(&world, 2));
    for n in 0..1_500 {
        world.update("contact", FIRST + n, json!({"jobtitle": "Chief"}));
    }
    let bridge = slow(&mut world).await;
    let cycle = spawn(&bridge, |pass| async move { cycle::run(&pass).await });
    world.pass(Duration::from_secs(25)).await;
    let now = world.now();
    assert!(world.sandbox.marketo.state().merge_leads(winner, &[loser], now));
    for (n, text) in [(7, "One"), (8, "Two")] {
        moment(&world, n, text);
        moments(&bridge).await;
        assert!(shows(&world, n, text) && !cycle.is_finished(), "{text}");
    }
    cycle.await.unwrap();
    bridge.close().await.unwrap();
    world.calls_per_20s = 100;
    // Contacts 1 and 2 are two records whose persons somebody has made one: each is told, and everybody else is in step.
    world.cycle().await;
    world.cycle().await;
    assert_eq!(world.person(FIRST + 9)["title"], json!("Chief"));
}

#[tokio::test(start_paused = true)]
async fn who_was_urgent_and_could_not_be_seen_to_is_urgent_still() {
    let world = world(3).await;
    let bridge = world.bridge().await;
    moment(&world, 1, "Unread");
    world.marketo_fault("leads.get", Effect::DropBefore, None);
    let (_, error) = cycle::moments(&pass(&bridge)).await;
    assert!(error.is_some());
    world.heal();
    moments(&bridge).await;
    assert!(shows(&world, 1, "Unread"));
    bridge.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_more_rows_are_written_a_day_than_may_be_and_moments_have_a_tenth() {
    let mut world = world(30).await;
    let now = world.now();
    assert!(world.sandbox.marketo.state().recut_tiers(5, now) > 20);
    world.pass(Duration::from_secs(25 * 3_600)).await;
    world.options.daily_writes = DailyWrites(10);
    let first = world.cycle().await.summary.written_back;
    assert_eq!(first.written, 9, "{first:?}");
    assert!(first.put_off > 10, "{first:?}");
    for n in 0..3 {
        moment(&world, n, "Late");
    }
    let second = world.cycle().await.summary.written_back;
    assert_eq!(second.written, 1, "{second:?}");
    assert_eq!((0..3).filter(|n| shows(&world, *n, "Late")).count(), 1);
    let third = world.cycle().await.summary.written_back;
    assert_eq!((third.written, third.read), (0, 0), "who can't be written to isn't read: {third:?}");
    world.pass(Duration::from_secs(24 * 3_600)).await;
    world.options.daily_writes = DailyWrites(1_000);
    world.cycle().await;
    assert_eq!((0..3).filter(|n| shows(&world, *n, "Late")).count(), 3);
    world.assert_agreed();
}
