//! `calls`: how many Marketo calls a first sync takes, next to the fewest that could do it.

use anyhow::Result;
use serde_json::json;

use super::{
    Bench,
    measure::{Figure, calls, fewest_calls},
    processes::Pace,
};

/// Runs it.
///
/// # Errors
/// When the sandbox or the bridge fails.
pub fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let people = bench.people(100_000, 10_000);
    let world = bench.world("calls", people, &[], None)?;
    let run = world.sync(Pace::UNLIMITED)?;
    let (made, fewest) = (calls(&run), fewest_calls(&run, people));
    Ok(vec![Figure {
        name: "calls",
        line: format!("{made} Marketo calls for a first sync of {people} people; the fewest possible are {fewest}"),
        measured: made as f64,
        floor: Some(fewest as f64),
        unit: "calls",
        details: json!({"people": people, "by_kind": run.summary.get("marketo_calls")}),
    }])
}
