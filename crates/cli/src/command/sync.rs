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
    let asked = asked_to_stop();
    let cycle = cycle::run(bridge);
    tokio::pin!(cycle);
    tokio::select! {
        outcome = &mut cycle => return outcome,
        () = asked => {
            printer::say("stopping after the calls in flight … (once more ends it at once; nothing is lost by that)");
            bridge.stop();
        }
    }
    tokio::select! {
        outcome = &mut cycle => outcome,
        () = asked_to_stop() => std::process::exit(i32::from(OTHER)),
    }
}

/// Ends when the process is asked to stop, from now on: whoever has been told that we are there may ask at once.
pub(crate) fn asked_to_stop() -> impl Future<Output = ()> + Send + 'static {
    let (interrupted, terminated) = signals();
    async move {
        tokio::select! {
            () = interrupted => {}
            () = terminated => {}
        }
    }
}

/// Ctrl-C and SIGTERM. What can't be listened to never comes.
#[cfg(unix)]
fn signals() -> (impl Future<Output = ()> + Send, impl Future<Output = ()> + Send) {
    use tokio::signal::unix::{SignalKind, signal};
    let heard = |kind| {
        let listening = signal(kind);
        async move {
            match listening {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        }
    };
    (heard(SignalKind::interrupt()), heard(SignalKind::terminate()))
}

/// Ctrl-C.
#[cfg(not(unix))]
fn signals() -> (impl Future<Output = ()> + Send, impl Future<Output = ()> + Send) {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    (interrupted, std::future::pending())
}
