//! Ctrl-C and SIGTERM: what is in flight ends, nothing else starts, the next run goes on. And two processes at once.

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

use emulator::Latency;

use crate::{
    rows::assert_agreed,
    world::{Ran, World},
};

/// So slow is each answer, in milliseconds: a first sync then takes seconds.
const LATENCY_MS: f64 = 120.0;

fn slow(people: u64) -> World {
    let world = World::new(people);
    set_latency(&world, Some(Latency::fixed(LATENCY_MS)));
    world
}

fn set_latency(world: &World, latency: Option<Latency>) {
    world.sandbox.marketo.faults().set_latency(latency);
    world.sandbox.dataverse.faults().set_latency(latency);
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success(), "the process had ended before {name}");
}

/// Starts `sync`, asks it to stop at a request, and gives what it came to.
fn stopped_at(world: &World, requests: u64, name: &str) -> Ran {
    let child = world.start(&["sync"]);
    assert!(world.tap.wait_for(requests), "never so many requests");
    let asked = Instant::now();
    let before = world.tap.requests();
    signal(&child, name);
    let ran = world.end(child);
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(5), "{name} at request {requests}: {took:?} until the end");
    // What was about to be sent when the signal came may still go; nothing after it.
    let more = world.tap.requests() - before;
    assert!(more <= 13, "{name} at request {requests}: {more} requests afterwards");
    assert_eq!(world.tap.unanswered(), 0, "{name} at request {requests}: calls in flight were thrown away");
    ran
}

fn ends_cleanly(name: &str, moments: &[u64]) {
    for &requests in moments {
        let world = slow(60);
        let ran = stopped_at(&world, requests, name).expect(1).tells(&["stop"]);
        assert!(!ran.stderr.contains('@'), "{}", ran.stderr);
        set_latency(&world, None);
        let ran = world.run(&["sync"]);
        assert!(matches!(ran.code(), Some(0 | 3)), "{ran:?}");
        assert_agreed(&format!("{name} at request {requests}"), &world.sandbox);
    }
}

#[test]
fn an_interrupted_sync_ends_cleanly_and_goes_on() {
    ends_cleanly("-INT", &[1, 9, 24]);
}

#[test]
fn a_terminated_sync_ends_cleanly_and_goes_on() {
    ends_cleanly("-TERM", &[4, 17, 32]);
}

#[test]
fn a_stopped_sync_says_so_as_data() {
    let world = slow(60);
    let child = world.start(&["sync", "--json"]);
    assert!(world.tap.wait_for(20));
    signal(&child, "-INT");
    let ran = world.end(child).expect(1);
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((summary["outcome"].as_str(), summary["error"]["code"].as_str()), (Some("stopped"), Some("stopped")));
    assert_eq!(summary["exit_code"], 1);
}

#[test]
fn a_second_signal_does_not_hang_or_crash() {
    let world = slow(60);
    let child = world.start(&["sync"]);
    assert!(world.tap.wait_for(12));
    signal(&child, "-INT");
    // It may have ended already.
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let ran = world.end(child);
    assert!(matches!(ran.code(), Some(1) | None), "{ran:?}");
}

#[test]
fn only_one_process_works_on_a_bridge() {
    let world = slow(60);
    let child = world.start(&["sync"]);
    assert!(world.tap.wait_for(5));
    let busy =
        world.end(world.command(&["sync"]).spawn().unwrap()).expect(1).tells(&["busy", "another process", "wait until it has ended"]);
    assert_eq!(busy.stdout, "");
    // Reading needs no lease.
    let status = world.end(world.command(&["status"]).spawn().unwrap()).expect(0);
    assert!(status.stdout.contains("known:"), "{}", status.stdout);
    set_latency(&world, None);
    let ran = world.end(child);
    assert!(matches!(ran.code(), Some(0 | 3)), "{ran:?}");
    assert_agreed("with a second process", &world.sandbox);
}

#[test]
fn the_sandbox_ends_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["-INT", "-TERM"] {
        let mut child = crate::world::program(folder.path(), &["sandbox", "--people", "0"]).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
    }
}
