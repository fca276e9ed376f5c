//! Runs seed after seed until time is up: `soak --minutes N [--seed S]`. One seed with every call: `soak --only SEED`. Used by
//! `cargo xtask soak`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for who looks into a seed")]

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sim::simulation::{check_seed, history, run, shrink, story};

/// How long a failing seed is made smaller.
const SHRINK_WITHIN: Duration = Duration::from_secs(60);

/// Failing seeds that are told in full; of the others the rule.
const TOLD_MAX: usize = 3;

struct Asked {
    minutes: f64,
    seed: u64,
    count: u64,
    only: Option<u64>,
}

fn asked() -> Asked {
    let mut asked = Asked { minutes: 1.0, seed: 1, count: u64::MAX, only: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().unwrap_or_default();
        match word.as_str() {
            "--minutes" => asked.minutes = value.parse().unwrap(),
            "--seed" => asked.seed = value.parse().unwrap(),
            "--count" => asked.count = value.parse().unwrap(),
            "--only" => asked.only = value.parse().ok(),
            other => println!("what is {other}?"),
        }
    }
    asked
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| ()));
    let asked = asked();
    if let Some(seed) = asked.only {
        return match run(&history(seed), true) {
            Ok(passed) => {
                println!("{passed:?}");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                println!("{}\n{failure}", failure.lines.join("\n"));
                ExitCode::FAILURE
            }
        };
    }
    let begun = Instant::now();
    let until = begun + Duration::from_secs_f64(asked.minutes * 60.0);
    let next = AtomicU64::new(asked.seed);
    let last = asked.seed.saturating_add(asked.count);
    let failed: Mutex<BTreeMap<&'static str, Vec<u64>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while Instant::now() < until {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last {
                        return;
                    }
                    if let Err(failure) = check_seed(seed) {
                        tell(seed, failure, &failed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let seeds = next.into_inner().min(last) - asked.seed;
    for (rule, seeds) in &failed {
        println!("{rule}: {} seeds, among them {:?}", seeds.len(), &seeds[..seeds.len().min(10)]);
    }
    let failures: usize = failed.values().map(Vec::len).sum();
    println!(
        "{seeds} seeds, each twice, in {:.0} s: {:.1} a second; {failures} failed",
        begun.elapsed().as_secs_f64(),
        seeds as f64 / begun.elapsed().as_secs_f64()
    );
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(seed: u64, failure: Box<sim::simulation::Failure>, failed: &Mutex<BTreeMap<&'static str, Vec<u64>>>) {
    let is_told = {
        let mut failed = failed.lock().unwrap();
        failed.entry(failure.rule()).or_default().push(seed);
        failed.values().map(Vec::len).sum::<usize>() <= TOLD_MAX
    };
    if !is_told {
        println!("seed {seed} broke {}: {}", failure.rule(), failure.to_string().chars().take(300).collect::<String>().replace('\n', " "));
        return;
    }
    let (_, failure) = shrink::shrink(&history(seed), failure, SHRINK_WITHIN);
    println!("seed {seed} broke {}:\n{failure}as a scenario:\n{}", failure.rule(), story::scenario(seed, &failure));
}
