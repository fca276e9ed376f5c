//! `serve`: it brings both sides into agreement by itself, and ends cleanly when it is asked to, also in the middle of a pass.

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

use emulator::Latency;

use crate::{rows::assert_agreed, world::World};

fn terminate(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success(), "it had ended before");
}

#[test]
fn a_stop_in_the_middle_of_a_pass_ends_cleanly_and_loses_nothing() {
    let world = World::new(60);
    for mut faults in [world.sandbox.marketo.faults(), world.sandbox.dataverse.faults()] {
        faults.set_latency(Some(Latency::fixed(120.0)));
    }
    let child = world.start(&["serve"]);
    assert!(world.tap.wait_for(20), "never so many requests");
    let asked = Instant::now();
    terminate(&child);
    let ran = world.end(child).expect(0).tells(&["stopping after the calls in flight", "code=\"stopped\""]);
    assert!(asked.elapsed() < Duration::from_secs(5) && ran.stdout.is_empty() && !ran.stderr.contains('@'), "{ran:?}");
    assert_eq!(world.tap.unanswered(), 0, "calls in flight were thrown away");
    for mut faults in [world.sandbox.marketo.faults(), world.sandbox.dataverse.faults()] {
        faults.set_latency(None);
    }
    let ran = world.run(&["sync"]);
    assert!(matches!(ran.code(), Some(0 | 3)), "{ran:?}");
    assert_agreed("after serve was stopped", &world.sandbox);
}

#[test]
fn passes_follow_each_other_until_it_is_asked_to_stop() {
    let world = World::new(20);
    world.configure(&format!("{}\n[schedule]\nchanges = \"1s\"\nmoments = \"1s\"\n", world.configuration()));
    let child = world.start(&["serve"]);
    // The first cycle of so small an organisation makes about 150 requests, the others 20.
    assert!(world.tap.wait_for(400), "passes don't follow each other");
    terminate(&child);
    let ran = world.end(child).expect(0).tells(&["pass ended bridge=\"default\" pass=\"changes\"", "pass=\"moments\""]);
    assert!(ran.stderr.matches("pass=\"changes\"").count() > 1, "{}", ran.stderr);
    assert_agreed("under serve", &world.sandbox);
}

#[test]
fn an_interval_of_nothing_is_refused() {
    let world = World::new(0);
    world.configure(&format!("{}\n[schedule]\nmoments = \"0s\"\n", world.configuration()));
    world.run(&["serve"]).expect(2).tells(&["schedule.moments must be at least 1s"]);
}
