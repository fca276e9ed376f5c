//! `micro`: what one record costs the pure core, in this process alone. The benchmarks themselves are `crates/planner/benches`.

use anyhow::{Context, Result, bail};

use super::{Bench, measure::Figure};
use crate::cargo;

/// Runs them; they print their own table.
///
/// # Errors
/// When they can't be built or fail.
pub fn run(bench: &Bench) -> Result<Vec<Figure>> {
    eprintln!("── micro");
    let mut command = cargo(&["bench", "--quiet", "--package", "planner", "--bench", "records"]);
    if bench.json {
        // Stdout is the report's.
        command.stdout(std::process::Stdio::null());
    }
    let ended = command.status().context("the benchmarks of the planner could not be run")?;
    if !ended.success() {
        bail!("the benchmarks of the planner failed");
    }
    Ok(Vec::new())
}
