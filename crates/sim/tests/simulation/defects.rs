//! The proof of the harness: a bridge with a mistake doesn't get through.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use engine::defect::{Defect, plant};
use sim::simulation::{history, run};

/// Seeds within which a mistake has to be found.
const SEEDS: u64 = 1_000;

/// The first seed that a mistake breaks, and the rule.
fn found(defect: Defect) -> Option<(u64, &'static str)> {
    let breaks = |seed| {
        plant(Some(defect));
        let failure = run(&history(seed), false).err()?;
        plant(None);
        // It has to be the mistake that breaks it.
        run(&history(seed), false).is_ok().then_some((seed, failure.rule()))
    };
    (1..=SEEDS).find_map(breaks)
}

#[test]
fn every_mistake_is_found() {
    let (next, lost) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(defect) = Defect::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match found(*defect) {
                        Some((seed, rule)) => println!("{defect:?}: seed {seed}, {rule}"),
                        None => lost.lock().unwrap().push(*defect),
                    }
                }
            });
        }
    });
    let lost = lost.into_inner().unwrap();
    assert!(lost.is_empty(), "nobody noticed {lost:?} in {SEEDS} seeds");
}
