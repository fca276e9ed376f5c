//! `serve`: keeps the bridge in step until it is asked to stop.

use std::{path::Path, sync::Arc};

use engine::{
    Progress,
    options::RunOptions,
    supervisor::{self, Open, Served},
};
use tokio_util::sync::CancellationToken;

use super::sync::asked_to_stop;
use crate::{
    config::Config,
    connect,
    exit::{self, Failure, IN_STEP, OTHER},
};

/// Runs it. A configuration that can't be understood ends it at once; a side that can't be reached doesn't.
pub(crate) async fn run(config: &Path) -> Result<u8, Failure> {
    let config = Arc::new(Config::load(config)?);
    let served = Served { name: "default".into(), schedule: config.schedule.clone().into(), open: opens(config) };
    let (stop, asked) = (CancellationToken::new(), asked_to_stop());
    let serving = supervisor::run(vec![served], stop.clone(), Arc::new(|_, _, _| {}));
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(IN_STEP),
        () = asked => {
            tracing::info!("stopping after the calls in flight; a second signal ends it at once, and nothing is lost by that");
            stop.cancel();
        }
    }
    tokio::select! {
        () = serving => Ok(IN_STEP),
        () = asked_to_stop() => std::process::exit(i32::from(OTHER)),
    }
}

fn opens(config: Arc<Config>) -> Open {
    Arc::new(move || {
        let config = config.clone();
        Box::pin(async move {
            connect::bridge(&config, RunOptions::default(), Progress::silent()).await.map_err(|failure| exit::text(&failure))
        })
    })
}
