//! What only a terminal shows: colours, unless nobody wants them, and how far long work is.

use emulator::Latency;

use crate::{
    terminal::{self, Talk},
    world::World,
};

/// What a terminal takes for a colour or another wish.
const ESCAPE: char = '\u{1b}';

#[test]
fn colours_are_for_terminals_whose_user_wants_them() {
    let world = World::new(0);
    let coloured = terminal::run(&world, &["check"], 100, Talk::Piped, &[]);
    assert!(coloured.stdout.contains("\u{1b}[32mok  \u{1b}[0m "), "{}", coloured.stdout);
    let plain = terminal::run(&world, &["check"], 100, Talk::Piped, &[("NO_COLOR", "1")]);
    assert!(plain.stdout.contains("ok   Dynamics") && !plain.stdout.contains(ESCAPE), "{}", plain.stdout);
    world.configured("max_in_flight", "max_inflight");
    let plain = terminal::run(&world, &["check"], 100, Talk::Shown, &[("NO_COLOR", "1")]);
    assert!(plain.stdout.contains("error[configuration]: unknown field") && !plain.stdout.contains(ESCAPE), "{}", plain.stdout);
}

#[test]
fn long_work_says_how_far_it_is_and_what_is_left_of_the_day_s_calls() {
    let world = World::new(60);
    for mut faults in [world.sandbox.marketo.faults(), world.sandbox.dataverse.faults()] {
        faults.set_latency(Some(Latency::fixed(120.0)));
    }
    for (args, fragments) in [
        (["sync"], ["reading contact", "sending people", "Sales Insight fields back", " Marketo calls left today"].as_slice()),
        (["audit"], ["comparing lead", "comparing contact", "/36 ", " left", " Marketo calls left today"].as_slice()),
    ] {
        let watched = terminal::run(&world, &args, 140, Talk::Shown, &[]);
        for fragment in fragments {
            assert!(watched.stdout.contains(fragment), "{args:?} shows no {fragment:?}: {:?}", watched.stdout);
        }
        assert!(!watched.stdout.contains('@'), "an e-mail address: {}", watched.stdout);
        // In a pipe nobody watches.
        assert_eq!(world.run(&args).stderr, "", "{args:?}");
    }
}
