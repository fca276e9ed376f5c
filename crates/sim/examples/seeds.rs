//! Runs seeds and says what fails: `seeds FIRST COUNT`, or one seed with every call: `seeds SEED`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for who looks into a seed")]

use std::{collections::BTreeMap, time::Instant};

use sim::simulation::{history, run};

fn main() {
    std::panic::set_hook(Box::new(|_| ()));
    let numbers: Vec<u64> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let (first, count) = (numbers[0], numbers.get(1).copied());
    let Some(count) = count else {
        let history = history(first);
        match run(&history, true) {
            Ok(passed) => println!("{passed:?}"),
            Err(failure) => println!("{}\n{failure}", failure.lines.join("\n")),
        }
        return;
    };
    let begun = Instant::now();
    let mut rules: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for seed in first..first + count {
        let history = history(seed);
        if let Err(failure) = run(&history, false) {
            let rule = failure.rule();
            let seeds = rules.entry(rule).or_default();
            seeds.push(seed);
            if seeds.len() <= 3 {
                println!("seed {seed}: {}", failure.to_string().chars().take(500).collect::<String>());
            }
        }
    }
    let failed: usize = rules.values().map(Vec::len).sum();
    for (rule, seeds) in &rules {
        println!("{rule}: {} {:?}", seeds.len(), &seeds[..seeds.len().min(15)]);
    }
    let spent = begun.elapsed().as_secs_f64();
    println!("{failed} of {count} failed, {:.1} seeds/s", count as f64 / spent);
}
