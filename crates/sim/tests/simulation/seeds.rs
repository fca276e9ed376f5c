//! Seeds that have to end well. `cargo xtask soak` runs others, for as long as one likes.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sim::simulation::{Failure, check_seed, history, run, shrink, story};

/// How many seeds.
const SEEDS: u64 = 500;

/// Every so many seeds, one runs twice: twice the same is twice the time.
const TWICE_EVERY: u64 = 10;

/// How long a failing seed is made smaller.
const SHRINK_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn seeds_end_in_step() {
    let next = AtomicU64::new(1);
    let failed: Mutex<BTreeMap<u64, Box<Failure>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > SEEDS || failed.lock().unwrap().len() > 3 {
                        return;
                    }
                    let outcome = if seed.is_multiple_of(TWICE_EVERY) { check_seed(seed) } else { run(&history(seed), false) };
                    if let Err(failure) = outcome {
                        failed.lock().unwrap().insert(seed, failure);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let seeds: Vec<u64> = failed.keys().copied().collect();
    let Some((seed, failure)) = failed.into_iter().next() else { return };
    let (_, failure) = shrink::shrink(&history(seed), failure, SHRINK_WITHIN);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("seed-{seed}.toml"));
    fs::write(&path, story::scenario(seed, &failure)).unwrap();
    panic!("seeds {seeds:?} failed. Seed {seed}, as a scenario in {}:\n{failure}", path.display());
}
