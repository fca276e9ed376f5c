//! `memory`: the bridge's peak and the state's size, by the number of people.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::json;

use super::{
    Bench,
    measure::Figure,
    processes::{Pace, Run, World},
};

/// Sizes that are compared with each other.
const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];
const SIZES_QUICK: [u64; 2] = [2_000, 10_000];

/// First syncs of several sizes, the smallest being what the others are compared with.
///
/// # Errors
/// When the sandbox or the bridge fails.
pub fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let sizes: Vec<u64> = match bench.people {
        Some(people) => [10_000, people].into_iter().filter(|size| *size <= people).collect(),
        None if bench.quick => SIZES_QUICK.to_vec(),
        None => SIZES.to_vec(),
    };
    let mut smallest = None;
    sizes.into_iter().try_fold(Vec::new(), |mut figures, people| {
        let world = bench.world("memory", people, &[], None)?;
        let run = world.sync(Pace::UNLIMITED)?;
        let mib = run.peak_kib as f64 / 1024.0;
        let floor = *smallest.get_or_insert(mib);
        figures.push(peak(&world, &run, people, mib, floor));
        figures.push(state(&world, people)?);
        Ok(figures)
    })
}

fn peak(world: &World, run: &Run, people: u64, mib: f64, smallest: f64) -> Figure {
    let sandbox = world.sandbox_peak_kib() as f64 / 1024.0;
    Figure {
        name: "memory",
        line: format!("{mib:.0} MiB at most for a first sync of {people} people; the smallest size takes {smallest:.0} MiB"),
        measured: mib,
        floor: Some(smallest),
        unit: "MiB",
        details: json!({"people": people, "sandbox_peak_mib": sandbox, "sandbox_started_s": world.started_s, "wall_s": run.wall_s}),
    }
}

/// The state's file after the process has closed it, and how much of it is free pages.
fn state(world: &World, people: u64) -> Result<Figure> {
    let header = fs::read(world.state())?;
    let (bytes, free) = (header.len() as u64, free_bytes(&header).context("the state is no SQLite file")?);
    let log = fs::metadata(wal(&world.state())).map_or(0, |file| file.len());
    let each = bytes as f64 / people as f64;
    Ok(Figure {
        name: "state",
        line: format!("{each:.0} bytes of state a person at {people} people, {:.0} of them in free pages", free as f64 / people as f64),
        measured: each,
        floor: None,
        unit: "bytes",
        details: json!({"people": people, "file_bytes": bytes, "free_bytes": free, "log_bytes": log}),
    })
}

fn wal(state: &Path) -> std::path::PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Bytes in free pages (SQLite, "Database File Format": page size at 16, 1 meaning 65,536; free pages at 36).
fn free_bytes(file: &[u8]) -> Option<u64> {
    let size = u16::from_be_bytes(file.get(16..18)?.try_into().ok()?);
    let free = u32::from_be_bytes(file.get(36..40)?.try_into().ok()?);
    let size = if size == 1 { 65_536 } else { u64::from(size) };
    Some(size * u64::from(free))
}
