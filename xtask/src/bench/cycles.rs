//! `idle` and `audit`: what a cycle costs that finds nothing, and one that compares everybody and finds nothing.

use anyhow::{Result, bail};
use serde_json::json;

use super::{
    Bench,
    measure::{Figure, calls, number},
    processes::{Pace, Run},
};

/// Cycles after the first until one finds nothing, which is the one that counts.
///
/// # Errors
/// When the sandbox or the bridge fails.
pub fn idle(bench: &Bench) -> Result<Vec<Figure>> {
    let people = bench.people(100_000, 5_000);
    let world = bench.world("idle", people, &[], None)?;
    world.sync(Pace::UNLIMITED)?;
    let run = world.sync(Pace::UNLIMITED)?;
    let dynamics = run.summary.get("dynamics_calls").cloned().unwrap_or_default();
    let dynamics_calls: u64 = dynamics.as_object().map_or(0, |kinds| kinds.keys().map(|kind| number(&dynamics, &format!("/{kind}"))).sum());
    Ok(vec![Figure {
        name: "idle",
        line: format!(
            "{:.2} s, {:.2} s of CPU, {} Marketo calls and {dynamics_calls} Dynamics calls for a cycle that finds nothing, at {people} people",
            run.wall_s,
            run.cpu_s,
            calls(&run)
        ),
        measured: run.wall_s,
        floor: None,
        unit: "s",
        details: json!({
            "people": people, "cpu_s": run.cpu_s, "peak_kib": run.peak_kib, "marketo_calls": run.summary.get("marketo_calls"),
            "dynamics_calls": dynamics,
        }),
    }])
}

/// Everybody is read again, as after a delta link has expired, and compared by fingerprints with what was confirmed.
///
/// # Errors
/// When the sandbox or the bridge fails, or anything is sent.
pub fn audit(bench: &Bench) -> Result<Vec<Figure>> {
    let people = bench.people(1_000_000, 5_000);
    let world = bench.world("audit", people, &[], None)?;
    world.sync(Pace::UNLIMITED)?;
    world.control("POST", "expire", r#"{"what":"delta-tokens"}"#)?;
    let run = world.sync(Pace::UNLIMITED)?;
    let (rows, sent) = (rows(&run), super::measure::records(&run));
    if sent > 0 {
        bail!("{sent} records were sent although nothing has changed");
    }
    Ok(vec![Figure {
        name: "audit",
        line: format!(
            "{:.1} s, {:.1} s of CPU and {} MiB at most to read and compare {rows} rows of {people} people, of which none has changed; {} Marketo calls",
            run.wall_s,
            run.cpu_s,
            run.peak_kib / 1024,
            calls(&run)
        ),
        measured: run.wall_s,
        floor: None,
        unit: "s",
        details: json!({
            "people": people, "rows": rows, "rows_per_cpu_s": rows as f64 / run.cpu_s, "cpu_s": run.cpu_s, "peak_kib": run.peak_kib,
            "marketo_calls": run.summary.get("marketo_calls"), "dynamics_calls": run.summary.get("dynamics_calls"),
        }),
    }])
}

/// Rows of Dynamics that a run has read.
fn rows(run: &Run) -> u64 {
    let tables = run.summary.get("captured").and_then(serde_json::Value::as_object);
    tables.map_or(0, |tables| tables.values().map(|table| number(table, "/rows")).sum())
}
