//! `serve`: keeps the bridge in step until it is asked to stop.

use std::{
    hash::{BuildHasher, RandomState},
    path::Path,
    sync::Arc,
    time::Duration,
};

use base::Dice;
use engine::{
    Progress,
    options::RunOptions,
    supervisor::{Open, Served, Supervisor},
};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::{
    config::Config,
    connect, control,
    exit::{Failure, IN_STEP, OTHER},
    signal::asked_to_stop,
};

/// How long the control socket may take to say what came of the last things that were asked for.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs it. A configuration that can't be understood ends it at once; a side that can't be reached doesn't.
pub(crate) async fn run(config: &Path) -> Result<u8, Failure> {
    let path = config;
    let config = Arc::new(Config::load(path)?);
    let state = store::file_of(&config.state.url)?;
    let dice = Dice::new(RandomState::new().hash_one("pauses"));
    let served = Served { name: "default".into(), schedule: config.schedule.clone().into(), open: opens(config), dice };
    let (listening, asked) = (TaskTracker::new(), asked_to_stop());
    let supervisor = Supervisor::start(vec![served], {
        let (listening, path) = (listening.clone(), path.to_owned());
        move |handle| {
            if let Some(state) = &state {
                listening.spawn(control::listen(handle, state.clone(), path.clone()));
            }
        }
    });
    asked.await;
    tracing::info!("stopping after the calls in flight; a second signal ends it at once, and nothing is lost by that");
    let again = asked_to_stop();
    tokio::select! {
        () = supervisor.stop() => {
            // What was asked for has ended by now; its last words are on their way.
            listening.close();
            let _ = timeout(LAST_WORDS, listening.wait()).await;
            Ok(IN_STEP)
        }
        () = again => std::process::exit(i32::from(OTHER)),
    }
}

fn opens(config: Arc<Config>) -> Open {
    Arc::new(move || {
        let config = config.clone();
        Box::pin(async move { connect::bridge(&config, RunOptions::default(), Progress::silent()).await.map_err(|failure| failure.line()) })
    })
}
