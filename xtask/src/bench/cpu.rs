//! `cpu`: what a first sync costs in CPU time without limits, next to the bare cost of its bytes; and how fast one core is.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    Bench,
    measure::{Figure, records},
    processes::Pace,
};

/// The cores that the bridge and the sandbox are bound to, where there are two.
const BRIDGE_CORE: u32 = 0;
const SANDBOX_CORE: u32 = 1;

/// Runs it: once with all bodies recorded, and once with a core for each process.
///
/// # Errors
/// When the sandbox or the bridge fails.
pub fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let people = bench.people(100_000, 10_000);
    Ok(vec![bytes(bench, people)?, pinned(bench, people)?])
}

fn bytes(bench: &Bench, people: u64) -> Result<Figure> {
    // Beside the world's folder, which is emptied when the sandbox starts.
    let recorded = bench.folder.join("bodies");
    let world = bench.world("cpu", people, &["--record".into(), recorded.display().to_string()], None)?;
    let run = world.sync(Pace::UNLIMITED)?;
    world.end()?;
    let bare = bare(&recorded)?;
    fs::remove_file(&recorded)?;
    let (bare_s, per_second) = (bare.cpu.as_secs_f64(), records(&run) as f64 / run.cpu_s);
    Ok(Figure {
        name: "cpu",
        line: format!(
            "{:.2} s of CPU for a first sync of {people} people, {per_second:.0} records per CPU second; parsing and serialising its {:.0} MB costs {bare_s:.2} s",
            run.cpu_s,
            bare.bytes as f64 / 1e6
        ),
        measured: run.cpu_s,
        floor: Some(bare_s),
        unit: "CPU s",
        details: json!({
            "people": people, "records": records(&run), "records_per_cpu_s": per_second, "wall_s": run.wall_s, "sandbox_cpu_s": run.sandbox_cpu_s,
            "bodies": bare.bodies, "bodies_json_bytes": bare.bytes, "bodies_other_bytes": bare.other,
        }),
    })
}

fn pinned(bench: &Bench, people: u64) -> Result<Figure> {
    let two = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    if !two {
        bail!("a core for each process needs two cores");
    }
    let world = bench.world("pinned", people, &[], Some(SANDBOX_CORE))?;
    let run = world.sync(Pace { core: Some(BRIDGE_CORE), ..Pace::UNLIMITED })?;
    let busy = |cpu_s: f64| 100.0 * cpu_s / run.wall_s;
    let (speed, sandbox_us) = (people as f64 / run.wall_s, run.sandbox_cpu_s * 1e6 / people as f64);
    Ok(Figure {
        name: "speed",
        line: format!(
            "{speed:.0} people per second with a core each; the bridge's core is {:.0} % busy, the sandbox's {:.0} % ({sandbox_us:.0} µs a person)",
            busy(run.cpu_s),
            busy(run.sandbox_cpu_s)
        ),
        measured: speed,
        floor: None,
        unit: "people/s",
        details: json!({
            "people": people, "wall_s": run.wall_s, "bridge_cpu_s": run.cpu_s, "sandbox_cpu_s": run.sandbox_cpu_s,
            "bridge_busy_percent": busy(run.cpu_s), "sandbox_busy_percent": busy(run.sandbox_cpu_s), "sandbox_us_per_person": sandbox_us,
        }),
    })
}

/// The cost of bodies alone.
struct Bare {
    cpu: Duration,
    bodies: u64,
    bytes: u64,
    /// Bytes of bodies that aren't JSON (forms, batches), which cost nothing here.
    other: u64,
}

/// Parses each recorded body and serialises it again, by the CPU time of this thread.
fn bare(path: &Path) -> Result<Bare> {
    let recorded = fs::read(path)?;
    let mut rest = &recorded[..];
    let bodies: Vec<&[u8]> = std::iter::from_fn(|| {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (body, behind) = behind.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        rest = behind;
        Some(body)
    })
    .collect();
    if bodies.is_empty() || !rest.is_empty() {
        bail!("{} is incomplete", path.display());
    }
    let begun = thread_cpu()?;
    let (json, other) = bodies.iter().fold((0, 0), |(json, other), body| match serde_json::from_slice::<Value>(body) {
        Ok(value) => {
            std::hint::black_box(serde_json::to_vec(&value).unwrap_or_default());
            (json + body.len() as u64, other)
        }
        Err(_) => (json, other + body.len() as u64),
    });
    Ok(Bare { cpu: thread_cpu()?.saturating_sub(begun), bodies: bodies.len() as u64, bytes: json, other })
}

/// CPU time of this thread, exact to the nanosecond.
fn thread_cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").context("this benchmark needs Linux's /proc")?;
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok()).context("schedstat can't be read")?;
    Ok(Duration::from_nanos(nanoseconds))
}
