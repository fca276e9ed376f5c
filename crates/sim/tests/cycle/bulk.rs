//! First loads by import: the same people as by calls, whatever becomes of a file (rules R3, R11 and R12).

use std::time::Duration;

use base::Object;
use emulator::{Effect, Latency};
use engine::options::{Bootstrap, Bulk};
use serde_json::json;

use crate::world::{Ran, World, refuse};

/// Everybody goes by import, in files of so many.
fn always(bulk_rows: usize) -> Bootstrap {
    Bootstrap { bulk_above: 1, bulk: Bulk::Always, bulk_rows, ..Bootstrap::default() }
}

/// So many contacts, all by import.
fn world(contacts: u64) -> World {
    let mut world = World::small();
    world.options.bootstrap = always(1_000);
    for n in 0..contacts {
        world.contact(0x1000 + n, &format!("Bo{n}"), json!({"jobtitle": "Chief"}));
    }
    world
}

fn calls(world: &World, operation: &str) -> u64 {
    world.sandbox.marketo.journal().count(operation)
}

#[track_caller]
fn assert_created(ran: &Ran, people: u64) {
    let pushed = ran.pushed(Object::Lead);
    assert_eq!((pushed.created, pushed.held_total(), pushed.waiting), (people, 0, 0), "{pushed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_organisation_comes_by_import_as_it_would_by_calls() {
    for seed in [1, 7] {
        let mut world = World::generated(300, seed);
        world.options.bootstrap = always(100);
        let census = world.sandbox.census();
        let first = world.cycle().await;
        world.assert_agreed();
        let held: u64 = first.summary.pushed.values().map(engine::summary::Pushed::held_total).sum();
        assert_eq!(held, census.expected.held_ambiguous, "seed {seed}: {:?}", first.held(Object::Lead));
        assert!(calls(&world, "leads.import") >= 4, "{:?}", first.summary.marketo_calls);
        let second = world.cycle().await;
        assert_eq!((second.written(), second.fields()), (0, 0), "seed {seed}");
        assert_eq!(second.summary.written_back.written, 0, "seed {seed}");
        world.assert_agreed();
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_by_a_call_and_nobody_is_read_twice() {
    let world = world(400);
    let ran = world.clean_cycle().await;
    assert_created(&ran, 400);
    assert_eq!(calls(&world, "leads.sync"), 0, "{:?}", ran.summary.marketo_calls);
    assert_eq!(calls(&world, "leads.import"), 2, "one row to try it, and the rest");
    assert_eq!(ran.summary.written_back.read, 400);
    // Spellings, external ids, e-mails, and who was imported, each 300 at a time.
    assert_eq!(ran.summary.marketo_calls["leads.get"], 1 + 2 + 2 + 3, "{:?}", ran.summary.marketo_calls);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn more_files_than_may_be_there_at_once_wait_their_turn() {
    let mut world = World::small_with(|options| {
        options.marketo.bulk_queue_max = 4;
        options.marketo.bulk_run_s = 60;
    });
    world.options.bootstrap = always(10);
    for n in 0..120 {
        world.contact(0x1000 + n, &format!("Bo{n}"), json!({}));
    }
    let ran = world.clean_cycle().await;
    assert_created(&ran, 120);
    assert_eq!(calls(&world, "leads.import"), 13, "{:?}", ran.summary.marketo_calls);
    assert_eq!(calls(&world, "leads.sync"), 0);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn people_below_the_size_go_by_calls() {
    let mut world = world(20);
    world.options.bootstrap.bulk_above = 20;
    assert_created(&world.clean_cycle().await, 20);
    assert_eq!((calls(&world, "leads.import"), calls(&world, "leads.sync")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn few_people_by_import_would_take_more_calls() {
    let mut world = world(20);
    world.options.bootstrap.bulk = Bulk::Forecast;
    assert_created(&world.clean_cycle().await, 20);
    assert_eq!((calls(&world, "leads.import"), calls(&world, "leads.sync")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_kind_of_import_that_marketo_refuses_is_not_used() {
    for code in ["1003", "1006", "1011", "610"] {
        let world = world(30);
        world.marketo_fault("leads.import", refuse(code), None);
        assert_created(&world.clean_cycle().await, 30);
        assert_eq!((calls(&world, "leads.import"), calls(&world, "leads.sync")), (1, 1), "{code}");
        world.assert_agreed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_has_room_again_is_used() {
    let world = world(30);
    world.marketo_fault("leads.import", refuse("1016"), Some(3));
    let ran = world.clean_cycle().await;
    assert_created(&ran, 30);
    assert_eq!(calls(&world, "leads.sync"), 0, "{:?}", ran.summary.marketo_calls);
    world.assert_agreed();
}

#[tokio::test(start_paused = true)]
async fn reports_that_cannot_be_read_confirm_nobody() {
    for operation in ["leads.import.failures", "leads.import.warnings"] {
        let world = world(0);
        world.clean_cycle().await;
        assert!(world.sandbox.marketo.state().set_field_limit(marketo_emulator::Object::Leads, "title", Some(5)));
        for n in 0..30 {
            let (email, title) = match n % 3 {
                0 => (format!("bo{n}@@buyer.example"), "Chief"),
                1 => (format!("bo{n}@buyer.example"), "Director"),
                _ => (format!("bo{n}@buyer.example"), "Clerk"),
            };
            world.contact(0x1000 + n, &format!("Bo{n}"), json!({"emailaddress1": email, "jobtitle": title}));
        }
        world.marketo_fault(operation, refuse("404"), None);
        let ran = world.cycle().await;
        assert_eq!(ran.held(Object::Lead), [("1003".to_owned(), 10)], "{operation}");
        assert_eq!(world.people().len(), 20, "{operation}");
        let duplicates = world.sandbox.marketo.state().duplicates();
        assert!(duplicates.is_empty(), "{duplicates:?}");
        assert_eq!(world.cycle().await.written(), 0, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_process_dies_anywhere_and_nobody_comes_to_be_twice() {
    // What it does in the first minute and after: look-ups, a file with one row, the rest, and the reads.
    for at_ms in (500..14_000).step_by(900) {
        let mut world = world(12);
        world.insert_person(json!({"email": "bo3@buyer.example"}));
        world.marketo_fault("leads", Effect::Latency(Latency::fixed(150.0)), None);
        let bridge = world.bridge().await;
        let run = tokio::time::timeout(Duration::from_millis(at_ms), engine::cycle::run(&bridge)).await;
        drop((run, bridge));
        world.store = world.store.restart();
        for _ in 0..2 {
            world.cycle().await;
            world.pass(Duration::from_secs(3_700)).await;
        }
        world.clean_cycle().await;
        world.assert_agreed();
        assert_eq!(world.people().len(), 12, "killed after {at_ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_load_has_limits_of_its_own() {
    let mut world = World::small();
    world.calls_per_20s = 2;
    world.options.bootstrap.calls_per_20s = Some(50);
    world.options.bootstrap.max_in_flight = Some(5);
    let most = |world: &World| {
        let starts = world.to_marketo.starts();
        starts.iter().map(|from| starts.iter().filter(|at| **at >= *from && **at < *from + Duration::from_secs(20)).count()).max().unwrap()
    };
    world.clean_cycle().await;
    assert!(most(&world) > 2, "{}", most(&world));
    world.pass(Duration::from_secs(60)).await;
    world.to_marketo = sim::recorder::Recorder::default();
    for n in 0..5 {
        world.account(0x40 + n, "Firm");
        world.contact(0x80 + n, &format!("Bo{n}"), json!({}));
        world.clean_cycle().await;
    }
    assert!(most(&world) <= 2, "{}", most(&world));
}

#[tokio::test(start_paused = true)]
async fn a_first_row_that_is_refused_stops_nothing() {
    let mut world = world(0);
    world.options.bootstrap = always(10);
    world.clean_cycle().await;
    assert!(world.sandbox.marketo.state().set_field_limit(marketo_emulator::Object::Leads, "title", Some(5)));
    // The outbox is in the order of the ids: the first is tried alone, while files fill behind it.
    for n in 0..25 {
        world.contact(0x1000 + n, &format!("Bo{n}"), json!({"jobtitle": if n == 0 { "Director" } else { "Chief" }}));
    }
    let ran = tokio::time::timeout(Duration::from_secs(24 * 3_600), world.cycle()).await.unwrap();
    let pushed = ran.pushed(Object::Lead);
    assert_eq!((pushed.created, ran.held(Object::Lead)), (24, vec![("1003".to_owned(), 1)]), "{pushed:?}");
}
