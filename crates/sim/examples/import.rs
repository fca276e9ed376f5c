//! A first load by import, counted: `cargo run --release -p sim --example import -- [--people N] [--minutes-per-file M]`.
//!
//! One in a thousand of the contacts has a title that Marketo refuses. Each of those must be held with its reason and everybody else be there once; the
//! calls that imports take must be a tenth at most of the calls of 300 that they replace. Time is virtual.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a program that can't go on has failed")]

use std::{process::ExitCode, time::Instant};

use base::Object;
use engine::options::{Bootstrap, Bulk};
use marketo_emulator::Object as Theirs;
use serde_json::json;
use sim::World;

/// One of so many has a bad row.
const BAD_EVERY: u64 = 1_000;

/// Length of titles that Marketo takes, once it has said that it takes more.
const TITLE_MAX: u32 = 20;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> ExitCode {
    let (mut people, mut minutes_per_file) = (1_000_000, 10);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        match word.as_str() {
            "--people" => people = value.parse().unwrap(),
            "--minutes-per-file" => minutes_per_file = value.parse().unwrap(),
            other => panic!("what is {other}?"),
        }
    }
    let mut world = World::small_with(|options| options.marketo.bulk_run_s = minutes_per_file * 60);
    world.options.bootstrap = Bootstrap { bulk: Bulk::Always, ..Bootstrap::default() };
    world.quota = engine::Quota::NONE;
    world.clean_cycle().await;
    assert!(world.sandbox.marketo.state().set_field_limit(Theirs::Leads, "title", Some(TITLE_MAX)));
    for n in 0..people {
        let title = if n % BAD_EVERY == 0 { "Director of more than fits" } else { "Chief" };
        world.contact(0x1000 + n, &format!("Bo{n}"), json!({"jobtitle": title}));
    }
    println!("{people} people are there");
    let begun = Instant::now();
    let ran = world.try_cycle().await;
    println!("{:.0} s of both sides' work, in one thread", begun.elapsed().as_secs_f64());
    println!("{:#?}", ran.summary.marketo_calls);
    let bad = people.div_ceil(BAD_EVERY);
    let count = |names: &[&str]| names.iter().filter_map(|name| ran.summary.marketo_calls.get(*name)).sum::<u64>();
    let imports = count(&["import.create", "import.status", "import.failures", "import.warnings"]);
    let replaced = (people - bad).div_ceil(300);
    let held = ran.held(Object::Lead);
    println!("reads besides (look-ups by external id and by e-mail, and the one read back): {}", count(&["leads.get"]));
    println!("held: {held:?}; imports took {imports} calls instead of {replaced}; calls for bad rows: {}", count(&["leads.sync"]));
    let there = world.people().len() as u64;
    let good = ran.error.is_none()
        && held == [("1003".to_owned(), bad)]
        && there == people - bad
        && world.sandbox.marketo.state().duplicates().is_empty()
        && imports * 10 <= replaced;
    println!("{}", if good { "as it has to be" } else { "NOT as it has to be" });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
