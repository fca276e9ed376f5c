//! Marketo's limits, enforced by the emulator: we never run into them, not even with one process right after another.

use base::Timestamp;
use emulator::Latency;
use sandbox::Options;

use crate::{
    rows::assert_agreed,
    world::{World, options},
};

fn limited(people: u64, change: impl FnOnce(&mut marketo_emulator::Options)) -> World {
    let mut options = Options { enforce_limits: true, ..options(people) };
    change(&mut options.marketo);
    World::with(options, Timestamp::now())
}

#[track_caller]
fn never_refused(world: &World) {
    let codes = world.tap.codes();
    assert!(!codes.iter().any(|code| matches!(code.as_str(), "606" | "615" | "607")), "{codes:?}");
}

#[test]
fn the_full_limits_are_used_and_never_passed() {
    let world = limited(600, |_| {});
    world.sandbox.marketo.faults().set_latency(Some(Latency::Spread { median_ms: 40.0, p99_ms: 400.0 }));
    let text = world.configuration().replacen("calls_per_20s = 0", "calls_per_20s = 100", 1);
    world.configure(&text.replacen("max_in_flight = 5", "max_in_flight = 10", 1));
    let ran = world.run(&["sync"]);
    assert_eq!(ran.code(), Some(3), "{ran:?}");
    never_refused(&world);
    assert!(world.sandbox.marketo.journal().in_flight_max <= 10);
    assert_agreed("limited", &world.sandbox);
}

#[test]
fn a_narrow_concurrency_is_kept() {
    let world = limited(300, |marketo| marketo.concurrency_max = 2);
    world.sandbox.marketo.faults().set_latency(Some(Latency::Spread { median_ms: 20.0, p99_ms: 200.0 }));
    world.configured("max_in_flight = 5", "max_in_flight = 2");
    assert_eq!(world.run(&["sync"]).code(), Some(3));
    never_refused(&world);
}

#[test]
fn two_processes_share_one_window() {
    let world = limited(60, |_| {});
    world.configured("calls_per_20s = 0", "calls_per_20s = 100");
    let first = world.run(&["sync"]);
    assert!(matches!(first.code(), Some(0 | 3)), "{first:?}");
    let calls = usize::try_from(world.sandbox.marketo.state().usage_today(Timestamp::now())).unwrap();
    // From now on Marketo allows two calls more than were made; the next run needs more than two, and has to wait for the window.
    let window = calls + 2;
    world.sandbox.marketo.state().options_mut().rate_max = window;
    world.configured("calls_per_20s = 0", &format!("calls_per_20s = {window}"));
    let now = world.sandbox.now();
    sandbox::edits::edit_people(&mut world.sandbox.dataverse.state(), 5, 50.0, now).unwrap();
    sandbox::activity::moments(&mut world.sandbox.marketo.state(), 6, 10, now);
    let second = world.run(&["sync"]);
    assert!(matches!(second.code(), Some(0 | 3)), "{second:?}");
    never_refused(&world);
    assert_agreed("after the window", &world.sandbox);
}

#[test]
fn a_daily_quota_stops_and_says_until_when() {
    let world = limited(60, |marketo| marketo.daily_quota = 9);
    let ran = world.run(&["sync"]).expect(4).tells(&["error[quota]", "midnight US Central"]);
    assert!(!ran.stderr.contains('@'));
    world.sandbox.marketo.state().options_mut().daily_quota = 50_000;
    let ran = world.run(&["sync"]);
    assert!(matches!(ran.code(), Some(0 | 3)), "{ran:?}");
    assert_agreed("after the quota", &world.sandbox);
}

#[test]
fn our_own_cap_stops_and_is_counted_over_processes() {
    let world = World::new(60);
    world.configured("calls_per_20s = 0", "calls_per_20s = 0\ndaily_calls = 12");
    for run in 0..2 {
        world.run(&["sync"]).expect(4).tells(&["error[quota]", "marketo.daily_calls", "12"]);
        let calls = world.sandbox.marketo.state().usage_today(Timestamp::now());
        assert!(calls <= 12, "{calls} calls after run {run}");
    }
    world.configure(&world.configuration());
    let ran = world.run(&["sync"]);
    assert!(matches!(ran.code(), Some(0 | 3)), "{ran:?}");
    assert_agreed("after the cap", &world.sandbox);
}
