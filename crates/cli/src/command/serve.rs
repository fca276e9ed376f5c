//! `serve`: keeps bridges in step until it is asked to stop.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base::Dice;
use engine::{
    Progress,
    options::RunOptions,
    supervisor::{Handle, Open, Served, Supervisor},
};
use miette::miette;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::{
    config::{Config, File, Serve, Source},
    connect::{self, Gates},
    control,
    exit::{Failure, IN_STEP, OTHER},
    printer,
    signal::{Hangups, asked_to_stop},
};

/// How long the control sockets may take to say what came of the last things that were asked for.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs it. A configuration that can't be understood ends it at once; a side that can't be reached doesn't.
pub(crate) async fn run(config: &Path, only: Option<&str>) -> Result<u8, Failure> {
    let service = Arc::new(Service::new(config, only));
    // From now on neither is missed.
    let (asked, mut hangups) = (asked_to_stop(), Hangups::new());
    let (served, serve) = service.configured()?;
    let listener = listener(&serve).await?;
    let talking = TaskTracker::new();
    let supervisor = Arc::new(Supervisor::start(served, {
        let (service, talking) = (service.clone(), talking.clone());
        move |handle| drop(talking.spawn(service.clone().listen(handle)))
    }));
    let _shown = listener.map(|listener| show(listener, supervisor.clone()));
    tokio::pin!(asked);
    loop {
        tokio::select! {
            () = &mut asked => break,
            () = hangups.next() => match service.configured() {
                Ok((served, now)) => {
                    if now != serve {
                        tracing::warn!("[serve] counts as it was at the start until the process is started anew");
                    }
                    tracing::info!(bridges = served.len(), "the configuration was read anew; each bridge goes by it after the pass that is running");
                    supervisor.take_over(served).await;
                }
                Err(failure) => {
                    tracing::error!(code = failure.name(), "the configuration was read anew and is refused as a whole; nothing changes");
                    printer::say(&failure.to_string());
                }
            },
        }
    }
    tracing::info!("stopping after the calls in flight; a second signal ends it at once, and nothing is lost by that");
    let again = asked_to_stop();
    tokio::select! {
        () = supervisor.stop() => {
            // What was asked for has ended by now; its last words are on their way.
            talking.close();
            let _ = timeout(LAST_WORDS, talking.wait()).await;
            Ok(IN_STEP)
        }
        () = again => std::process::exit(i32::from(OTHER)),
    }
}

/// What health and metrics are shown on, where they are.
async fn listener(serve: &Serve) -> Result<Option<TcpListener>, Failure> {
    let Some(listen) = serve.listen else { return Ok(None) };
    let listener = TcpListener::bind(listen).await;
    let listener = listener.map_err(|error| {
        let help = "another process may listen there; name another port in serve.listen";
        Failure::Configuration(miette!(code = "configuration", help = help, "serve.listen: {listen} can't be listened on: {error}"))
    })?;
    let at = listener.local_addr().unwrap_or(listen);
    tracing::info!("health and metrics are at http://{at}/readyz and http://{at}/metrics");
    Ok(Some(listener))
}

/// Shows health and metrics for as long as what it gives lives.
fn show(listener: TcpListener, supervisor: Arc<Supervisor>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = server::serve(listener, Arc::new(move || supervisor.handles())).await {
            tracing::error!(%error, "health and metrics are shown no longer");
        }
    }))
}

/// What the process has for all its bridges.
#[derive(Debug)]
struct Service {
    file: PathBuf,
    /// Only the bridge of this name is served.
    only: Option<String>,
    gates: Arc<Gates>,
    /// Where each bridge's state is, as it is configured now.
    states: Mutex<BTreeMap<String, Option<PathBuf>>>,
}

impl Service {
    fn new(file: &Path, only: Option<&str>) -> Self {
        Self { file: file.to_owned(), only: only.map(str::to_owned), gates: Arc::default(), states: Mutex::default() }
    }

    /// Reads the file: all of it is right, or nothing is taken.
    fn configured(&self) -> Result<(Vec<Served>, Serve), Failure> {
        let file = File::load(&self.file)?;
        let serve = file.serve.clone();
        let bridges = match &self.only {
            Some(name) => vec![file.bridge(Some(name))?],
            None => file.bridges,
        };
        let states = bridges.iter().map(|bridge| (bridge.name.clone(), store::file_of(&bridge.state()).ok().flatten())).collect();
        *self.states.lock().unwrap_or_else(PoisonError::into_inner) = states;
        Ok((bridges.into_iter().map(|config| self.served(config)).collect(), serve))
    }

    fn served(&self, config: Config) -> Served {
        let dice = Dice::new(RandomState::new().hash_one(&config.name));
        Served { name: config.name.clone(), schedule: config.schedule.clone().into(), open: self.opens(config), dice }
    }

    fn opens(&self, config: Config) -> Open {
        let (config, gates) = (Arc::new(config), self.gates.clone());
        Arc::new(move || {
            let (config, gates) = (config.clone(), gates.clone());
            Box::pin(async move {
                let opened = connect::bridge(&config, &gates, RunOptions::default(), Progress::silent()).await;
                opened.map_err(|failure| failure.line())
            })
        })
    }

    /// Takes commands for a bridge.
    async fn listen(self: Arc<Self>, handle: Handle) {
        let name = handle.name().to_owned();
        let source = Source { file: self.file.clone(), bridge: Some(name.clone()) };
        let state = move || self.states.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned().flatten();
        control::listen(handle, source, state).await;
    }
}
