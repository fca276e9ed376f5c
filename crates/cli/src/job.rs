//! What a process that serves can be asked for, and the same done here where none does.
//!
//! One process at a time works with a state. Where that is a `serve`, every command that calls Marketo or writes state is done there, through
//! its control socket; else this process takes the lease itself. What is printed and the exit code are the same.

use std::{collections::BTreeSet, process};

use base::Timestamp;
use engine::{Bridge, Progress, SyncError, fix::Fix, options::RunOptions, pause::set_paused};
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::{
    args, command,
    config::{Config, Source},
    connect::{self, Gates},
    control,
    exit::{Failure, IN_STEP, OTHER},
    out::Out,
    printer,
    signal::asked_to_stop,
};

/// What is to be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Job {
    /// Something with an open bridge.
    Task(Task),
    /// The configuration and both sides are looked at.
    Check(args::Check),
    /// What is wrong there is put right, as far as that can be done.
    Fix(Fixing),
    /// Something with the passes of a process that serves.
    Steer(Steer),
}

/// One of the two halves of a fix, between which people decide.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fixing {
    /// Says what could be put right.
    Propose {
        /// The publisher's prefix of new columns.
        prefix: Option<String>,
    },
    /// Puts right what was chosen.
    Apply {
        /// It.
        fixes: BTreeSet<Fix>,
    },
}

/// What is done with an open bridge.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    Sync(args::Sync),
    Inspect(args::Inspect),
    Audit(args::Audit),
    Plan(args::Plan),
    Map(args::Map),
    Erase(args::Erase),
    MendOwnerEmail(args::MendOwnerEmail),
    HeldRetry(args::held::Retry),
    HeldDismiss(args::held::Dismiss),
}

/// What is done with the passes of a process that serves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Steer {
    Pause(args::Pause),
    Resume,
    /// Begins a pass now, and doesn't wait for it.
    Run(args::Run),
    /// Says whether the bridge is ready.
    Health,
}

/// Does it, in the process that serves this state where there is one.
pub(crate) async fn run(source: &Source, job: Job) -> Result<u8, Failure> {
    run_to(source, job, &Out::here()).await
}

/// The same, saying it there.
pub(crate) async fn run_to(source: &Source, job: Job, out: &Out) -> Result<u8, Failure> {
    let config = source.load()?;
    if let Some(code) = control::ask(&config.state(), &job, out).await? {
        return Ok(code);
    }
    match here(&config, &job, out).await {
        // It may have just opened the bridge.
        Err(Failure::Sync(busy @ SyncError::Store(StoreError::Busy { .. }))) => {
            control::ask(&config.state(), &job, out).await?.ok_or(Failure::Sync(busy))
        }
        outcome => outcome,
    }
}

/// Does it in this process, which takes the lease.
async fn here(config: &Config, job: &Job, out: &Out) -> Result<u8, Failure> {
    match job {
        Job::Check(args) => command::check::check(config, None, args, out).await,
        Job::Fix(fixing) => command::check::fix::fix(config, None, fixing, out).await,
        Job::Steer(Steer::Pause(_)) => {
            pause(config, Some(Timestamp::now())).await?;
            out.data("paused: no process is serving this bridge now, and one that begins to runs no pass until it is resumed");
            Ok(IN_STEP)
        }
        Job::Steer(Steer::Resume) => {
            pause(config, None).await?;
            out.data("resumed: no process is serving this bridge now; one that begins to runs its passes");
            Ok(IN_STEP)
        }
        Job::Steer(Steer::Run(_) | Steer::Health) => {
            let text = "no process serves this bridge; start serve (or see its log, if it runs), or run one cycle with sync instead";
            Err(Failure::NotServed(text.into()))
        }
        Job::Task(task) => {
            let bridge = connect::bridge(config, &Gates::default(), RunOptions::default(), Progress::silent()).await?;
            let outcome = until_asked_to_stop(&bridge, perform(&bridge, task, out)).await;
            bridge.close().await?;
            outcome
        }
    }
}

/// Does something with a bridge that is open, here or in the process that serves.
pub(crate) async fn perform(bridge: &Bridge, task: &Task, out: &Out) -> Result<u8, Failure> {
    match task {
        Task::Sync(args) => command::sync::sync(bridge, args, out).await,
        Task::Inspect(args) => command::inspect::inspect(bridge, args, out).await,
        Task::Audit(args) => command::audit::audit(bridge, args, out).await,
        Task::Plan(args) => command::plan::plan(bridge, args, out).await,
        Task::Map(args) => command::map::map(bridge, args, out).await,
        Task::Erase(args) => command::erase::erase(bridge, args, out).await,
        Task::MendOwnerEmail(args) => command::mend_owner_email::mend(bridge, args, out).await,
        Task::HeldRetry(args) => command::held::retry::retry(bridge, args, out).await,
        Task::HeldDismiss(args) => command::held::dismiss::dismiss(bridge, args, out).await,
    }
}

/// Does something with a bridge; Ctrl-C or SIGTERM lets the calls in flight end and starts no others.
pub(crate) async fn until_asked_to_stop<T>(bridge: &Bridge, work: impl Future<Output = T>) -> T {
    let asked = asked_to_stop();
    tokio::pin!(work);
    tokio::select! {
        outcome = &mut work => return outcome,
        () = asked => {
            printer::say("stopping after the calls in flight … (once more ends it at once; nothing is lost by that)");
            bridge.stop();
        }
    }
    tokio::select! {
        outcome = &mut work => outcome,
        () = asked_to_stop() => process::exit(i32::from(OTHER)),
    }
}

/// Pauses the bridge, or resumes it, while nobody serves it.
async fn pause(config: &Config, since: Option<Timestamp>) -> Result<(), Failure> {
    let store = connect::store(config).await?;
    let fence = store.acquire(&connect::holder()).await?;
    let saved = set_paused(&*store, fence, since).await;
    store.release(fence).await?;
    Ok(saved?)
}
