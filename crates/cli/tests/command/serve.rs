//! `serve`: it brings both sides into agreement by itself, and ends cleanly when it is asked to, also in the middle of a pass.

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

use emulator::Latency;

use crate::{rows::assert_agreed, serving::Serving, world::World};

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
    world.run(&["serve"]).expect(2).tells(&["an interval must be at least 1s"]);
}

#[test]
fn a_configuration_is_read_anew_whole_or_not_at_all() {
    let world = World::new(10);
    let with = |changes: &str| format!("{}\n[schedule]\nchanges = \"{changes}\"\nmoments = \"1h\"\n", world.configuration());
    world.configure(&with("1h"));
    let serving = Serving::ready(&world);
    serving.wait_for("pass=\"changes\"", 1);
    for (text, told) in [
        (with("0s"), "must be at least 1s"),
        (with("1s").replace("[schedule]", "[schedule]\nhurry = true"), "unknown field `hurry`"),
        ("[marketo".into(), "code=\"configuration\""),
    ] {
        let before = serving.count("is refused as a whole");
        world.configure(&text);
        serving.signal("-HUP");
        serving.wait_for("is refused as a whole", before + 1);
        serving.wait_for(told, 1);
    }
    assert_eq!(serving.count("pass=\"changes\""), 1, "nothing of them was taken");
    world.configure(&with("1s"));
    serving.signal("-HUP");
    serving.wait_for("pass=\"changes\"", 4);
    serving.stop().expect(0);
    assert_agreed("after a reload", &world.sandbox);
}

/// The configuration as one of several bridges.
fn as_bridge(world: &World, name: &str) -> String {
    let text = world.configuration().replace("\n[", "\n[bridge.").replacen("[marketo]", "[bridge.marketo]", 1);
    format!("[[bridge]]\nname = \"{name}\"\n{}", text.replace("state.db", &format!("{name}.db")))
}

#[test]
fn a_bad_bridge_delays_no_other_and_commands_name_one() {
    let world = World::new(20);
    let nowhere = as_bridge(&world, "bad").replace(&world.ready.dataverse.url, "http://127.0.0.1:9");
    world.configure(&(as_bridge(&world, "good") + &nowhere));
    let serving = Serving::start(&world);
    serving.wait_for("pass ended bridge=\"good\" pass=\"changes\"", 1);
    serving.wait_for("pass stopped; it goes on later bridge=\"bad\"", 1);
    serving.wait_for("commands are taken at", 2);
    let command = |args: &[&str]| world.end(world.command(args).spawn().unwrap());
    command(&["sync"]).expect(2).tells(&["--bridge: good, bad"]);
    command(&["sync", "--bridge", "ugly"]).expect(2).tells(&["no bridge ugly; it has good, bad"]);
    assert!(matches!(command(&["sync", "--bridge", "good"]).code(), Some(0 | 3)));
    command(&["sync", "--bridge", "bad"]).expect(5).tells(&["error[dynamics-unreachable]"]);
    assert!(command(&["status", "--bridge", "good"]).expect(0).stdout.contains("last run"));
    // One that is no longer named ends; the other goes on.
    world.configure(&as_bridge(&world, "good"));
    serving.signal("-HUP");
    serving.wait_for("no longer configured", 1);
    serving.wait_for("commands are taken at", 3);
    command(&["run", "--bridge", "good"]).expect(0);
    serving.stop().expect(0);
    assert_agreed("beside a bad bridge", &world.sandbox);
}
