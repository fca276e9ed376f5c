//! The build's own program. `cargo xtask test` is exactly what continuous integration runs.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this program talks to whoever builds")]

mod bench;
mod book;
mod markdown;
mod tidy;

use std::{
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context, Result, bail};

const USAGE: &str = "cargo xtask test     format, lints, tests: all that must be good
cargo xtask tidy     only our own rules (they are tests too)
cargo xtask soak [--minutes N] [--seed S] [--count N]
                     run seeds of the simulation, each twice, until time is up
cargo xtask scenarios [--accept] [part of a name]
                     play the scenarios; with --accept, take changed outcomes over
cargo xtask docs     write the pages of docs that are made from the program
cargo xtask book     all pages as plain HTML in target/book
cargo xtask bench [--quick] [--json] [--people N] [--bin PATH] [names]
                     measure; see docs/benchmarks.md";

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("test") => test(),
        Some("tidy") => tidy_only(),
        Some("soak") => soak(std::env::args().skip(2)),
        Some("scenarios") => scenarios(std::env::args().skip(2)),
        Some("docs") => docs(),
        Some("book") => book(),
        Some("bench") => bench::run(std::env::args().skip(2)),
        Some(_) | None => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn tidy_only() -> Result<()> {
    let complaints = tidy::complaints();
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    if complaints.is_empty() { Ok(()) } else { bail!("{} complaints", complaints.len()) }
}

/// Runs the simulation's program, which takes the flags.
fn soak(arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut command = cargo(&["run", "--quiet", "--release", "--package", "sim", "--example", "soak", "--"]);
    let status = command.args(arguments).status().context("the simulation could not be run")?;
    if status.success() { Ok(()) } else { bail!("some seeds failed") }
}

/// Plays all scenarios, or those whose name has this part. Accepting writes what came of them into their files, and the page of rules anew.
fn scenarios(arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut command = cargo(&["test", "--quiet", "--workspace", "--test", "scenarios", "--", "--nocapture"]);
    for argument in arguments {
        match argument.as_str() {
            "--accept" => command.env("SCENARIOS_ACCEPT", "1"),
            other if other.starts_with('-') => bail!("no such flag: {other}\n{USAGE}"),
            name => command.env("SCENARIOS_ONLY", name),
        };
    }
    let status = command.status().context("cargo test could not be run")?;
    if status.success() { Ok(()) } else { bail!("some scenarios don't end as accepted") }
}

/// Writes the pages of `docs` that are made from the program. A test compares them, and writes them when it is asked to, so that nothing is built
/// that the tests don't build.
fn docs() -> Result<()> {
    let mut command = cargo(&["test", "--quiet", "--workspace", "--test", "command", "--", "pages::pages_made_from_the_program"]);
    let status = command.env("DOCS_WRITE", "1").status().context("cargo test could not be run")?;
    if status.success() { Ok(()) } else { bail!("the pages could not be written") }
}

/// Renders the pages, and says where.
fn book() -> Result<()> {
    println!("{}", book::write(&tidy::root())?.display());
    Ok(())
}

/// Everything that must be good, in the order in which a mistake is found soonest.
fn test() -> Result<()> {
    needed()?;
    step("format", &["fmt", "--all", "--check"])?;
    step("our own rules", &["run", "--quiet", "--package", "xtask", "--", "tidy"])?;
    step("lints", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    step("tests", &["test", "--workspace", "--no-fail-fast"])
}

/// What is needed beyond Rust: the components of its own distribution, and the C compiler that Rust links with.
fn needed() -> Result<()> {
    for (component, probe) in [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])] {
        if cargo(&probe).output().is_ok_and(|output| output.status.success()) {
            continue;
        }
        eprintln!("{component} is missing; installing it");
        let added = Command::new("rustup").args(["component", "add", component]).status().is_ok_and(|status| status.success());
        if !added {
            bail!("{component} is missing and could not be installed; run: rustup component add {component}");
        }
    }
    if Command::new("cc").arg("--version").output().is_err() {
        bail!("a C compiler is missing (SQLite and the TLS library need one); on Debian run: apt-get install gcc libc6-dev");
    }
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("curl is missing: the commands of the pages are not run");
    }
    Ok(())
}

fn step(name: &str, arguments: &[&str]) -> Result<()> {
    println!("── {name}");
    let begun = Instant::now();
    let status = cargo(arguments).status().with_context(|| format!("cargo {} could not be run", arguments.join(" ")))?;
    if !status.success() {
        bail!("{name} failed; run it alone with: cargo {}", arguments.join(" "));
    }
    println!("── {name}: good ({:.0} s)", begun.elapsed().as_secs_f64());
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(tidy::root());
    command
}
