//! Commands while `serve` runs: they are done there, and look as if they were done here.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    process::Command,
    time::{Duration, Instant},
};

use emulator::Latency;
use serde_json::Value;

use crate::{
    rows::assert_agreed,
    serving::Serving,
    world::{Ran, World},
};

/// A world whose `serve` runs no second pass by itself.
fn quiet(people: u64) -> World {
    let world = World::new(people);
    world.configure(&format!("{}\n[schedule]\nchanges = \"1h\"\nmoments = \"1h\"\n", world.configuration()));
    world
}

fn command(world: &World, args: &[&str]) -> Ran {
    world.end(world.command(args).spawn().unwrap())
}

const ENDED: &str = "pass ended bridge=\"default\" pass=\"changes\"";

#[test]
fn commands_are_done_by_the_process_that_serves() {
    let world = quiet(30);
    let serving = Serving::ready(&world);
    serving.wait_for(ENDED, 1);
    let there = command(&world, &["sync", "--json"]);
    assert!(matches!(there.code(), Some(0 | 3)) && there.stderr.is_empty(), "{there:?}");
    let summary: Value = serde_json::from_str(&there.stdout).unwrap();
    assert!(summary["marketo_calls"].as_object().is_some(), "{summary}");
    let there = [&["sync"][..], &["check"], &["check", "--json"], &["erase", "999999999"], &["mend-owner-email", "x"]]
        .map(|args| (args, command(&world, args)));
    serving.stop().expect(0);
    for (args, there) in there {
        let here = command(&world, args);
        assert_eq!((there.code(), &there.stderr), (here.code(), &here.stderr), "{args:?}");
        // A summary differs only in how long it took and what there was to do.
        let lines = |ran: &Ran| {
            ran.stdout.lines().filter(|line| !line.contains("calls") && !line.contains(" s)")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(&there), lines(&here), "{args:?}");
    }
    assert_agreed("after serve and sync", &world.sandbox);
}

#[test]
fn a_client_that_goes_away_stops_nothing() {
    let world = quiet(60);
    let serving = Serving::ready(&world);
    serving.wait_for(ENDED, 1);
    for mut faults in [world.sandbox.marketo.faults(), world.sandbox.dataverse.faults()] {
        faults.set_latency(Some(Latency::fixed(100.0)));
    }
    let before = world.tap.requests();
    let client = world.command(&["sync"]).spawn().unwrap();
    assert!(world.tap.wait_for(before + 2), "it was never begun");
    assert!(Command::new("kill").args(["-INT", &client.id().to_string()]).status().unwrap().success());
    world.end(client).expect(1).tells(&["the serving process goes on with it"]);
    // Another waits for the first, which is brought to its end.
    assert!(matches!(command(&world, &["sync"]).code(), Some(0 | 3)));
    serving.stop().expect(0);
    assert_agreed("after a client went away", &world.sandbox);
}

#[test]
fn a_stop_ends_what_was_asked_for_and_says_so() {
    let world = quiet(200);
    world.configure(&world.configuration().replace("[retry]", "[schedule]\nchanges = false\nmoments = false\nsweep = false\n[retry]"));
    let serving = Serving::ready(&world);
    for mut faults in [world.sandbox.marketo.faults(), world.sandbox.dataverse.faults()] {
        faults.set_latency(Some(Latency::fixed(100.0)));
    }
    let client = world.command(&["sync", "--json"]).spawn().unwrap();
    assert!(world.tap.wait_for(20), "it was never begun");
    let asked = Instant::now();
    serving.stop().expect(0);
    let ran = world.end(client).expect(1).tells(&["error[stopped]"]);
    let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(summary["outcome"], "stopped");
    assert!(asked.elapsed() < Duration::from_secs(10) && world.tap.unanswered() == 0, "{:?}", asked.elapsed());
}

#[test]
fn a_pause_outlasts_the_process_and_run_begins_a_pass() {
    let world = quiet(10);
    let serving = Serving::ready(&world);
    serving.wait_for(ENDED, 1);
    assert!(command(&world, &["run"]).expect(0).stdout.contains("begins"));
    serving.wait_for(ENDED, 2);
    assert_eq!(command(&world, &["pause", "--now"]).expect(0).stdout, "paused\n");
    command(&world, &["run", "moments"]).expect(1).tells(&["error[control]", "resume it first"]);
    serving.stop().expect(0);
    assert!(command(&world, &["status"]).expect(0).stdout.contains("paused since"));

    let serving = Serving::ready(&world);
    assert!(serving.count("paused: no pass begins") == 1);
    // One cycle may be asked for all the same.
    assert!(matches!(command(&world, &["sync"]).code(), Some(0 | 3)));
    assert_eq!(serving.count(ENDED), 0);
    assert_eq!(command(&world, &["resume"]).expect(0).stdout, "resumed\n");
    serving.wait_for(ENDED, 1);
    serving.stop().expect(0);
}

#[test]
fn without_a_serving_process_a_pause_is_kept_for_the_next() {
    let world = quiet(0);
    command(&world, &["run"]).expect(2).tells(&["error[not-served]", "run one cycle with sync"]);
    assert!(command(&world, &["pause"]).expect(0).stdout.contains("no process is serving"));
    assert!(command(&world, &["status", "--json"]).expect(0).stdout.contains("\"paused\""));
    assert!(command(&world, &["resume"]).expect(0).stdout.contains("resumed"));
    assert!(!command(&world, &["status", "--json"]).expect(0).stdout.contains("\"paused\""));
}

#[test]
fn a_killed_process_s_socket_is_replaced_and_a_second_serve_takes_nothing() {
    let world = quiet(0);
    let socket = world.folder.path().join("state.db.sock");
    let serving = Serving::ready(&world);
    serving.signal("-KILL");
    serving.end();
    assert!(socket.exists());
    command(&world, &["run"]).expect(2).tells(&["error[not-served]"]);
    let serving = Serving::ready(&world);
    let about = std::fs::metadata(&socket).unwrap();
    assert!(about.file_type().is_socket() && about.permissions().mode() & 0o777 == 0o600, "{about:?}");
    let second = Serving::start(&world);
    second.wait_for("not ready", 1);
    command(&world, &["run"]).expect(0);
    second.stop().expect(0);
    command(&world, &["run"]).expect(0);
    serving.stop().expect(0);
    assert!(!socket.exists());
}

#[test]
fn what_isn_t_understood_is_answered() {
    let world = quiet(0);
    let serving = Serving::ready(&world);
    let socket = world.folder.path().join("state.db.sock");
    for (asked, told) in [
        (r#"{"version":2,"job":{"dance":{}}}"#, "use the same release for both"),
        (r#"{"version":1,"job":{"dance":{}}}"#, "isn't understood"),
        ("hello", "write it as docs/guide/serve.md shows"),
        ("", "isn't understood"),
    ] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        writeln!(stream, "{asked}").unwrap();
        let lines: Vec<Value> = BufReader::new(stream).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        assert!(lines[0]["talk"].as_str().unwrap().contains(told), "{lines:?}");
        assert_eq!(lines[1]["end"]["code"], 1, "{lines:?}");
    }
    serving.stop().expect(0);
}
