//! `cargo xtask bench`: figures that say how fast, how small and how sparing the bridge is, each next to what nobody could be better than.
//!
//! The sandbox and the bridge are processes of their own, from the same release binary. What is measured how, and what bounds it, is in
//! `docs/benchmarks.md`.

mod calls;
mod cpu;
mod cycles;
mod http;
mod measure;
mod memory;
mod micro;
mod neighbour;
mod processes;
mod quota;
mod refusals;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use self::{
    measure::Figure,
    processes::{Start, World},
};
use crate::{cargo, tidy};

type Run = fn(&Bench) -> Result<Vec<Figure>>;

/// All benchmarks by name, in the order in which they run.
const ALL: [(&str, Run); 7] = [
    ("micro", micro::run),
    ("calls", calls::run),
    ("cpu", cpu::run),
    ("idle", cycles::idle),
    ("audit", cycles::audit),
    ("memory", memory::run),
    ("quota", quota::run),
];

/// What was asked for.
pub struct Bench {
    names: Vec<String>,
    /// The size, where it is given.
    people: Option<u64>,
    /// Small sizes, about a minute in all.
    quick: bool,
    json: bool,
    bin: PathBuf,
    /// Where worlds are.
    folder: PathBuf,
}

impl Bench {
    /// How many people: as asked for, or the one that counts, or the quick one.
    fn people(&self, usual: u64, quick: u64) -> u64 {
        self.people.unwrap_or(if self.quick { quick } else { usual })
    }

    /// A sandbox of its own for a benchmark.
    fn world(&self, name: &str, people: u64, flags: &[String], core: Option<u32>) -> Result<World> {
        eprintln!("── {name}: {people} people");
        World::start(&Start { bin: &self.bin, people, flags: flags.to_vec(), core }, &self.folder.join(name))
    }
}

/// Runs what the flags ask for.
///
/// # Errors
/// When a flag isn't known, or a benchmark fails.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let arguments: Vec<String> = arguments.collect();
    // The bare cost of the bytes is measured in this program, so that it must be as optimised as the bridge.
    if cfg!(debug_assertions) {
        let status = cargo(&["run", "--quiet", "--release", "--package", "xtask", "--", "bench"]).args(arguments).status();
        return if status.context("the benchmarks could not be run")?.success() { Ok(()) } else { bail!("a benchmark failed") };
    }
    let bench = asked(arguments.into_iter())?;
    let chosen = |name: &str| bench.names.is_empty() || bench.names.iter().any(|wanted| wanted == name);
    let mut figures = Vec::new();
    for (_, run) in ALL.iter().filter(|(name, _)| chosen(name)) {
        let measured = run(&bench)?;
        measured.iter().for_each(|figure| tell(figure, bench.json));
        figures.extend(measured);
    }
    let report = report(&bench, &figures);
    let path = tidy::root().join("target/bench").join(format!("{}.json", now_name()));
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    fs::write(&path, format!("{report:#}\n"))?;
    if bench.json {
        println!("{report:#}");
    }
    eprintln!("stored in {}", path.display());
    Ok(())
}

/// A line for people; on stderr when stdout is for JSON.
fn tell(figure: &Figure, json: bool) {
    let ratio = figure.ratio().map(|ratio| format!(" · ratio {ratio:.2}")).unwrap_or_default();
    let line = format!("{}: {}{ratio}", figure.name, figure.line);
    if json { eprintln!("{line}") } else { println!("{line}") }
}

fn report(bench: &Bench, figures: &[Figure]) -> Value {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let figures: Vec<Value> = figures.iter().map(Figure::json).collect();
    json!({"at": now_name(), "cores": cores, "quick": bench.quick, "bin": bench.bin, "figures": figures})
}

fn asked(mut arguments: impl Iterator<Item = String>) -> Result<Bench> {
    let folder = tidy::root().join("target/bench/worlds");
    let mut bench = Bench { names: Vec::new(), people: None, quick: false, json: false, bin: PathBuf::new(), folder };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => bench.quick = true,
            "--json" => bench.json = true,
            "--people" => bench.people = Some(arguments.next().and_then(|count| count.parse().ok()).context("--people takes a number")?),
            "--bin" => bench.bin = arguments.next().context("--bin takes a path")?.into(),
            name if ALL.iter().any(|(known, _)| *known == name) => bench.names.push(argument),
            other => bail!("no such benchmark or flag: {other}; there are {}", ALL.map(|(name, _)| name).join(", ")),
        }
    }
    fs::create_dir_all(&bench.folder)?;
    if bench.bin.as_os_str().is_empty() {
        eprintln!("── building the release binary");
        let built = cargo(&["build", "--quiet", "--release", "--package", "insight-bridge"]).status()?;
        if !built.success() {
            bail!("the bridge can't be built");
        }
        bench.bin = tidy::root().join("target/release/insight-bridge");
    }
    Ok(bench)
}

/// The time as a file's name: seconds since 1970 where `date` isn't there.
fn now_name() -> String {
    let told = Command::new("date").args(["-u", "+%Y-%m-%dT%H-%M-%SZ"]).output().ok().filter(|output| output.status.success());
    let told = told.and_then(|output| String::from_utf8(output.stdout).ok()).map(|text| text.trim().to_owned());
    told.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_secs()).to_string())
}
