//! `quota`: how near a first sync comes to the quota's own floor, alone and beside another client, and who is refused.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    Bench,
    measure::{Figure, calls, fewest_calls},
    neighbour::Neighbour,
    processes::{Pace, Run, World},
    refusals::{Refusals, refused},
};

const MEDIAN_MS: f64 = 1200.0;
const SIGMA: f64 = 0.5;
const WINDOW_S: f64 = 20.0;

/// One setting: what Marketo allows and what the bridge is told to use.
struct Setting {
    name: &'static str,
    calls_per_20s: u32,
    in_flight: u32,
    beside_another: bool,
}

const SETTINGS: [Setting; 4] = [
    Setting { name: "quota-50", calls_per_20s: 50, in_flight: 5, beside_another: false },
    Setting { name: "quota-100", calls_per_20s: 100, in_flight: 10, beside_another: false },
    Setting { name: "quota-50-shared", calls_per_20s: 50, in_flight: 5, beside_another: true },
    Setting { name: "quota-100-shared", calls_per_20s: 100, in_flight: 10, beside_another: true },
];

/// Runs all settings; when quick, only the one of 100 calls alone.
///
/// # Errors
/// When the sandbox or the bridge fails.
pub fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let chosen = SETTINGS.iter().filter(|setting| !bench.quick || setting.name == "quota-100");
    chosen.map(|setting| one(bench, setting)).collect()
}

fn one(bench: &Bench, setting: &Setting) -> Result<Figure> {
    let people = bench.people(100_000, 3_000);
    let flags =
        ["--enforce-limits", "--latency-median-ms", &MEDIAN_MS.to_string(), "--latency-sigma", &SIGMA.to_string()].map(str::to_owned);
    let world = bench.world(setting.name, people, &flags, None)?;
    world.control("POST", "journal", r#"{"keep":1000000}"#)?;
    let neighbour = setting.beside_another.then(|| Neighbour::start(world.marketo(), world.token()?)).transpose()?;
    let refusals = Refusals::watch(world.marketo())?;
    let run = world.sync(Pace { calls_per_20s: setting.calls_per_20s, in_flight: setting.in_flight, core: None })?;
    let (theirs, grew) = (neighbour.map(Neighbour::stop), refusals.stop());
    let mut figure = figure(setting, &world, &run, people, theirs)?;
    if let Some(details) = figure.details.as_object_mut() {
        details.insert("refused_by_second".into(), json!(grew));
    }
    Ok(figure)
}

fn figure(setting: &Setting, world: &World, run: &Run, people: u64, theirs: Option<super::neighbour::Tally>) -> Result<Figure> {
    let errors = world.control("GET", "errors", "")?;
    let all = refused(&errors);
    let theirs_refused = theirs.as_ref().map_or(0, |theirs| theirs.refused.values().sum());
    let ours_refused = all.saturating_sub(theirs_refused);
    let (fewest, mean_s) = (fewest_calls(run, people), MEDIAN_MS / 1000.0 * (SIGMA * SIGMA / 2.0).exp());
    let floor = fewest as f64 * (WINDOW_S / f64::from(setting.calls_per_20s)).max(mean_s / f64::from(setting.in_flight));
    let beside = theirs
        .as_ref()
        .map_or_else(String::new, |theirs| format!(" beside a client that made {} calls, {theirs_refused} of them refused", theirs.calls));
    Ok(Figure {
        name: setting.name,
        line: format!(
            "{:.1} s for a first sync of {people} people at {} calls in 20 s{beside}; the quota's floor is {floor:.1} s; {ours_refused} refusals",
            run.wall_s, setting.calls_per_20s
        ),
        measured: run.wall_s,
        floor: Some(floor),
        unit: "s",
        details: json!({
            "people": people, "calls": calls(run), "fewest_calls": fewest, "mean_latency_s": mean_s, "cpu_s": run.cpu_s,
            "refused": ours_refused, "errors": errors.get("errors"), "others": theirs.map(|theirs| theirs.json()),
            "calls_by_window": windows(&world.control("GET", "journal", "")?),
        }),
    })
}

/// The bridge's calls by 20 s since its first, as Marketo's journal has them; the other client's are known by their operation.
fn windows(journal: &Value) -> Vec<u64> {
    let last = journal.get("last").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_ours = |exchange: &&Value| {
        let operation = exchange.get("operation").and_then(Value::as_str).unwrap_or_default();
        !operation.starts_with("identity") && !exchange.get("path").and_then(Value::as_str).unwrap_or_default().ends_with(Neighbour::PATH)
    };
    let seconds: Vec<f64> = last.iter().filter(is_ours).filter_map(|exchange| second(exchange.get("at")?.as_str()?)).collect();
    let first = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let by_window = seconds.iter().fold(BTreeMap::new(), |mut counts: BTreeMap<usize, u64>, at| {
        *counts.entry(((at - first) / WINDOW_S) as usize).or_default() += 1;
        counts
    });
    let count = by_window.last_key_value().map_or(0, |(last, _)| last + 1);
    (0..count).map(|window| by_window.get(&window).copied().unwrap_or(0)).collect()
}

/// Seconds of a time such as `2026-11-30T05:51:19.76Z` since the first day of its month; a run across months isn't told apart.
fn second(at: &str) -> Option<f64> {
    let (date, time) = at.trim_end_matches('Z').split_once('T')?;
    let day: f64 = date.rsplit('-').next()?.parse().ok()?;
    let [hours, minutes, seconds] = *time.split(':').map(|part| part.parse::<f64>().ok()).collect::<Option<Vec<_>>>()?.as_slice() else {
        return None;
    };
    Some(((day * 24.0 + hours) * 60.0 + minutes) * 60.0 + seconds)
}
