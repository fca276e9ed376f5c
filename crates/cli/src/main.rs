//! The `insight-bridge` command: wiring, and nothing that decides.
//!
//! stdout is data, stderr is talk. Exit codes are the same for every command; see [`exit`].

mod args;
mod asker;
mod config;
mod connect;
mod control;
mod exit;
mod job;
mod out;
mod private_file;
mod printer;
mod reference;
mod signal;
mod spreadsheet;
mod watch;
mod command {
    //! One file for each command.
    pub(crate) mod check;
    pub(crate) mod completions;
    pub(crate) mod demo;
    pub(crate) mod init;
    pub(crate) mod inspect;
    pub(crate) mod audit;
    pub(crate) mod plan;
    pub(crate) mod docs;
    pub(crate) mod map;
    pub(crate) mod erase;
    pub(crate) mod health;
    pub(crate) mod held;
    pub(crate) mod man;
    pub(crate) mod mend_owner_email;
    pub(crate) mod sandbox;
    pub(crate) mod schema;
    pub(crate) mod serve;
    pub(crate) mod status;
    pub(crate) mod support_bundle;
    pub(crate) mod sync;
}

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    args::{Args, Command},
    config::Source,
    exit::Failure,
    job::{Job, Steer, Task},
};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    // The first thing that needs TLS panics without a provider; a second installation only means that one is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // What serve has to tell is its log.
    let verbose = if matches!(args.command, Command::Serve) { args.verbose.max(1) } else { args.verbose };
    printer::start_log(verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&Failure::Other(anyhow::anyhow!("the runtime can't be started: {error}"))),
    };
    let source = Source { file: args.config.clone(), bridge: args.bridge.clone() };
    let outcome = runtime.block_on(async {
        match args.command {
            Command::Demo(demo) => command::demo::run(demo).await,
            Command::Init(init) => command::init::run(&args.config, &init).await,
            Command::Sandbox(sandbox) => command::sandbox::run(sandbox).await,
            Command::Serve => command::serve::run(&args.config, args.bridge.as_deref()).await,
            Command::Sync(sync) => {
                let sync = args::Sync { plan: sync.plan.map(in_this_folder), ..sync };
                job::run(&source, Job::Task(Task::Sync(sync))).await
            }
            Command::Status(status) => command::status::run(&source, status).await,
            Command::Held(held) => command::held::run(&source, held).await,
            Command::Check(check) if check.fix => command::check::fix::run(&source, &check).await,
            Command::Check(check) => job::run(&source, Job::Check(check)).await,
            Command::Inspect(inspect) => job::run(&source, Job::Task(Task::Inspect(inspect))).await,
            Command::Audit(audit) => {
                let audit = args::Audit { csv: audit.csv.map(in_this_folder), ..audit };
                job::run(&source, Job::Task(Task::Audit(audit))).await
            }
            Command::Plan(plan) => {
                let plan = args::Plan { output: plan.output.map(in_this_folder), ..plan };
                job::run(&source, Job::Task(Task::Plan(plan))).await
            }
            Command::Map(map) => job::run(&source, Job::Task(Task::Map(map))).await,
            Command::Erase(erase) => job::run(&source, Job::Task(Task::Erase(erase))).await,
            Command::MendOwnerEmail(mend) => job::run(&source, Job::Task(Task::MendOwnerEmail(mend))).await,
            Command::Pause(pause) => job::run(&source, Job::Steer(Steer::Pause(pause))).await,
            Command::Health(health) => command::health::run(&source, health).await,
            Command::SupportBundle(args) => command::support_bundle::run(&source, args).await,
            Command::Resume => job::run(&source, Job::Steer(Steer::Resume)).await,
            Command::Run(run) => job::run(&source, Job::Steer(Steer::Run(run))).await,
            Command::Completions(completions) => command::completions::run(&completions),
            Command::Man(man) => command::man::run(&man),
            Command::Schema => command::schema::run(),
            Command::Docs(docs) => command::docs::run(&docs),
        }
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => exit::report(&failure),
    }
}

/// The same file, whatever folder a process that serves is in. `-` stays stdout.
fn in_this_folder(file: PathBuf) -> PathBuf {
    if file == Path::new("-") { file } else { std::path::absolute(&file).unwrap_or(file) }
}
