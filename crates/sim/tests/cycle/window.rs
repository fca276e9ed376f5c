//! The rolling window and the day's count hold across sudden deaths (design section 5).

use std::time::Duration;

use base::Dice;
use engine::cycle;
use store::{MemoryStore, StoreExt, record::CallCount};
use tokio::time::Instant;
use wire::{Pace, PaceOptions};

use crate::world::World;

/// Calls in any 20 seconds, in these worlds.
const MAX: usize = 20;

#[tokio::test(start_paused = true)]
async fn processes_that_die_one_after_the_other_keep_the_window() {
    let mut world = World::generated(100, 4);
    world.calls_per_20s = MAX;
    world.sandbox.marketo.faults().set_latency(Some(emulator::Latency::fixed(300.0)));
    let (mut dice, begun) = (Dice::new(9), Instant::now());
    for _ in 0..60 {
        let bridge = world.bridge().await;
        let dead = tokio::time::sleep(Duration::from_millis(200 + dice.below(9_000)));
        tokio::select! { biased; () = dead => {}, _ = cycle::run(&bridge) => {} }
        drop(bridge);
        world.store = world.store.restart();
    }
    let starts: Vec<Duration> = world.to_marketo.starts().into_iter().map(|at| at.duration_since(begun)).collect();
    assert!(starts.len() > 3 * MAX, "{} calls", starts.len());
    for (first, next) in starts.iter().zip(starts.iter().skip(MAX)) {
        assert!(*next - *first >= Duration::from_secs(20), "{MAX} calls from {first:?} and one more at {next:?}");
    }
    let counted: u64 = world.store.list::<CallCount>(&[], None, 1_000).await.unwrap().iter().map(|count| count.count).sum();
    assert!(counted >= starts.len() as u64, "{counted} counted of {}", starts.len());
}

#[tokio::test(start_paused = true)]
async fn bridges_of_one_subscription_share_its_window_and_count_for_themselves() {
    let mut world = World::generated(100, 4);
    world.gate = Some(Pace::new(PaceOptions { calls_max: Some(MAX), in_flight_max: 5, ..PaceOptions::default() }));
    let one = world.bridge().await;
    world.store = MemoryStore::new();
    let two = world.bridge().await;
    let begun = Instant::now();
    tokio::join!(cycle::run(&one), cycle::run(&two));
    let starts: Vec<Duration> = world.to_marketo.starts().into_iter().map(|at| at.duration_since(begun)).collect();
    assert!(starts.len() > 2 * MAX, "{} calls", starts.len());
    for (first, next) in starts.iter().zip(starts.iter().skip(MAX)) {
        assert!(*next - *first >= Duration::from_secs(20), "{MAX} calls from {first:?} and one more at {next:?}");
    }
    let counted = [&one, &two].map(|bridge| bridge.marketo.pace().counts().values().sum::<u64>());
    assert!(
        counted.iter().all(|count| *count > 10) && counted.iter().sum::<u64>() == starts.len() as u64,
        "{counted:?} of {}",
        starts.len()
    );
    for bridge in [one, two] {
        bridge.close().await.unwrap();
    }
}
