//! Many bridges in one process for one virtual day: `scale [--bridges N] [--people N] [--hours N]`.
//!
//! Each has a Dynamics and a Marketo of its own, in the same process and in virtual time, and the default schedule. Every hour somebody changes a
//! contact in each Dynamics. Printed are passes, calls, commits, time and memory; what must hold is asserted: no quota is passed, nobody is
//! refused, every change arrives, and no bridge runs fewer passes than its schedule asks for.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for who wants to know how many bridges a process carries")]

use std::{sync::Arc, time::Duration};

use base::{Dice, Timestamp};
use engine::supervisor::{Handle, Open, PassKind, Schedule, Served, Supervisor};
use serde_json::json;
use sim::World;

const HOUR: Duration = Duration::from_secs(3_600);

/// Whole cycles an hour at the default schedule, when each takes some seconds of virtual time at most; one less for where an hour is cut.
const CYCLES_AN_HOUR: u64 = 11;

/// Passes for moments an hour, likewise.
const MOMENTS_AN_HOUR: u64 = 55;

struct Asked {
    bridges: usize,
    people: u64,
    hours: u64,
}

fn asked() -> Asked {
    let mut asked = Asked { bridges: 1_000, people: 10, hours: 24 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        match word.as_str() {
            "--bridges" => asked.bridges = value.parse().unwrap(),
            "--people" => asked.people = value.parse().unwrap(),
            "--hours" => asked.hours = value.parse().unwrap(),
            other => println!("what is {other}?"),
        }
    }
    asked
}

fn world(people: u64) -> Arc<World> {
    let world = World::small();
    (0..people).for_each(|n| world.contact(0x100 + n, &format!("C{n}"), json!({})));
    Arc::new(world)
}

fn served(number: usize, world: &Arc<World>) -> Served {
    let world = world.clone();
    let open: Open = Arc::new(move || {
        let world = world.clone();
        Box::pin(async move { Ok(world.bridge().await) })
    });
    Served { name: format!("{number:04}"), open, schedule: Schedule::default(), dice: Dice::new(number as u64) }
}

fn passes(handle: &Handle, kind: PassKind) -> u64 {
    handle.view().passes.get(&kind).map_or(0, |passes| passes.ended.values().sum())
}

/// A figure of this process, in the unit in which Linux tells it.
fn told(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.trim_start_matches(':').split_whitespace().next()?.parse().ok())
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(day(&asked()));
}

async fn day(asked: &Asked) {
    let began = std::time::Instant::now();
    let worlds: Vec<Arc<World>> = (0..asked.bridges).map(|_| world(asked.people)).collect();
    let filled = told("/proc/self/status", "VmRSS").unwrap_or_default();
    let supervisor = Supervisor::start(worlds.iter().enumerate().map(|(number, world)| served(number, world)).collect(), |_| ());
    for hour in 0..asked.hours {
        worlds.iter().for_each(|world| world.update("contact", 0x100, json!({"telephone1": hour.to_string()})));
        tokio::time::sleep(HOUR).await;
        let late = worlds.iter().filter(|world| world.person(0x100)["phone"] != json!(hour.to_string())).count();
        assert_eq!(late, 0, "bridges whose change has not arrived within hour {hour}");
    }
    let took = began.elapsed();
    let handles = supervisor.handles();
    let count = |kind| handles.iter().map(|handle| passes(handle, kind)).collect::<Vec<_>>();
    let (cycles, moments) = (count(PassKind::Changes), count(PassKind::Moments));
    let fewest = cycles.iter().min().copied().unwrap_or_default();
    assert!(fewest >= CYCLES_AN_HOUR * asked.hours, "one bridge ran {fewest} cycles only");
    let fewest_moments = moments.iter().min().copied().unwrap_or_default();
    assert!(fewest_moments >= MOMENTS_AN_HOUR * asked.hours, "one bridge looked for moments {fewest_moments} times only");
    let days: Vec<Timestamp> = (0..=asked.hours / 24 + 1).map(|day| base::time::earlier(worlds[0].now(), HOUR * 24 * day as u32)).collect();
    let calls = |world: &World| days.iter().map(|day| world.sandbox.marketo.state().usage_today(*day)).collect::<Vec<_>>();
    let most = worlds.iter().flat_map(|world| calls(world)).max().unwrap_or_default();
    let all: u64 = worlds.iter().map(|world| calls(world).iter().sum::<u64>()).sum();
    let refused: u64 = worlds.iter().map(|world| world.sandbox.marketo.state().errors_by_code().values().sum::<u64>()).sum();
    assert!(most <= engine::Quota::default().daily_calls && refused == 0, "{most} calls on a day, {refused} refused");
    let commits: u64 = worlds.iter().map(|world| world.store.commits()).sum();
    let peak = told("/proc/self/status", "VmHWM").unwrap_or_default();
    supervisor.stop().await;
    let (bridges, seconds) = (asked.bridges as f64, took.as_secs_f64());
    println!(
        "{} bridges, {} people each, {} virtual hours: {seconds:.0} s of one core, both emulators included",
        asked.bridges, asked.people, asked.hours
    );
    println!(
        "passes: {} whole cycles (fewest of a bridge {fewest}), {} of moments",
        cycles.iter().sum::<u64>(),
        moments.iter().sum::<u64>()
    );
    println!("Marketo calls: {all}, most of a bridge on a day {most}, refused {refused}");
    println!("commits: {commits}, {:.1} a virtual second in all", commits as f64 / (asked.hours as f64 * 3_600.0));
    println!(
        "memory: {:.1} KiB a bridge besides its emulators; {:.0} MiB in all",
        (peak.saturating_sub(filled)) as f64 / bridges,
        peak as f64 / 1024.0
    );
}
