//! How soon an interesting moment is in Dynamics, and what a day of looking costs.

use std::{sync::Arc, time::Duration};

use base::{Dice, Guid, Timestamp, time::later};
use emulator::Latency;
use engine::supervisor::{Schedule, Served, Supervisor};
use serde_json::{Map, Value, json};

use crate::{served::served, world::World};

const PEOPLE: u64 = 600;

/// The people that are counted with: each 300 of them cost one call of the sweep a day.
const MANY: u64 = 100_000;

/// Moments of a day.
const MOMENTS: usize = 144;

/// Contacts that are linked, with their person.
fn contacts(world: &World) -> Vec<(Guid, i64)> {
    let linked = |person: Map<String, Value>| {
        let id: Guid = person.get("externalPersonId")?.as_str()?.parse().ok()?;
        world.sandbox.dataverse.state().get("contact", id)?;
        Some((id, person.get("id")?.as_i64()?))
    };
    world.people().into_iter().filter_map(linked).collect()
}

#[tokio::test(start_paused = true)]
async fn a_moment_is_in_dynamics_within_75_seconds_and_a_day_costs_less_than_2500_calls() {
    let world = Arc::new(World::generated(PEOPLE, 5));
    let slow = Latency::Spread { median_ms: 1_200.0, p99_ms: 3_900.0 };
    world.sandbox.marketo.faults().set_latency(Some(slow));
    world.sandbox.dataverse.faults().set_latency(Some(slow));
    // As `serve` has it.
    let served = Served { schedule: Schedule::default(), ..served("one", &world) };
    let supervisor = Supervisor::start(vec![served], |_| ());
    tokio::time::sleep(Duration::from_secs(1_800)).await;
    let calls_of_first_load = world.sandbox.marketo.state().usage_today(world.now());
    let (contacts, mut dice, begun) = (contacts(&world), Dice::new(7), world.now());
    let mut delays = Vec::new();
    for number in 0..MOMENTS {
        tokio::time::sleep(Duration::from_secs(dice.below(1_000))).await;
        let (contact, person) = *dice.pick(&contacts).unwrap();
        let (text, at) = (format!("Moment {number}"), tokio::time::Instant::now());
        assert!(world.sandbox.marketo.state().interesting_moment(person, "Web", &text, "Website", world.now()));
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let row = world.sandbox.dataverse.state().get("contact", contact).unwrap();
            if row.get("mkt_lastinterestingmomentdesc") == Some(&json!(text)) {
                break;
            }
            assert!(at.elapsed() < Duration::from_secs(600), "{text} did not come");
        }
        delays.push(at.elapsed().as_secs());
    }
    let end = later(begun, Duration::from_secs(24 * 3_600));
    tokio::time::sleep(base::time::since(world.now(), end)).await;
    supervisor.stop().await;
    delays.sort_unstable();
    let p95 = delays[MOMENTS * 95 / 100];
    assert!(p95 <= 75, "{p95} s; {delays:?}");
    let days = |at: Timestamp| world.sandbox.marketo.state().usage_today(at);
    let calls = days(begun) + days(world.now()) - calls_of_first_load;
    let of_many = calls + (MANY - PEOPLE) / 300;
    assert!(of_many <= 2_500, "{calls} calls with {PEOPLE} people, {of_many} with {MANY}");
    println!("p95 {p95} s, median {} s; {calls} calls with {PEOPLE} people, {of_many} with {MANY}", delays[MOMENTS / 2]);
}
