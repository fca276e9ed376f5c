//! `sync`: one cycle.

use std::path::Path;

use engine::{Bridge, cycle, options::RunOptions};

use crate::{
    args::Sync,
    config::Config,
    connect,
    exit::{Failure, OTHER},
    printer, watch,
};

/// Runs it.
pub(crate) async fn run(config: &Path, args: Sync) -> Result<u8, Failure> {
    let config = Config::load(config)?;
    let run = RunOptions { retry_held: args.retry_held, allow: args.allow.into_iter().collect(), served: false };
    let bridge = connect::bridge(&config, run, watch::progress()).await?;
    let (summary, error) = until_asked_to_stop(&bridge).await;
    bridge.close().await?;
    if args.json {
        printer::data(&serde_json::to_string_pretty(&summary).map_err(anyhow::Error::from)?);
    } else if error.is_none() || !summary.captured.is_empty() {
        printer::data(&printer::summary(&summary));
    }
    if let Some(error) = error {
        printer::error(error.code(), &error.to_string());
    }
    Ok(summary.exit_code)
}

/// Runs a cycle; Ctrl-C or SIGTERM lets the calls in flight end and starts no others.
pub(crate) async fn until_asked_to_stop(bridge: &Bridge) -> (engine::Summary, Option<engine::SyncError>) {
    let cycle = cycle::run(bridge);
    tokio::pin!(cycle);
    tokio::select! {
        outcome = &mut cycle => return outcome,
        () = asked_to_stop() => {
            printer::say("stopping after the calls in flight … (once more ends it at once; nothing is lost by that)");
            bridge.stop();
        }
    }
    tokio::select! {
        outcome = &mut cycle => outcome,
        () = asked_to_stop() => std::process::exit(i32::from(OTHER)),
    }
}

/// Ends when the process is asked to stop.
pub(crate) async fn asked_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
