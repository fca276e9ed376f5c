//! Listens on a bridge's control socket for as long as the bridge is open, and has done what is asked for.

use std::{fs, io, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc, time::Duration};

use engine::{
    Bridge,
    supervisor::{Handle, NotReady, Running, Trigger},
};
use futures::future::BoxFuture;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{LINE_MAX, Reply, Request, Spoken, VERSION, place::Place};
use crate::{
    command,
    config::Source,
    exit::{Failure, IN_STEP, OTHER},
    job::{Job, Steer, perform},
    out::{Out, Said},
};

/// How long somebody who has connected may take to say what is wanted.
const ASK_MAX: Duration = Duration::from_secs(10);

/// Connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 32;

/// Lines that wait to be written. Progress takes half of them at most, so that there is room for what matters.
const LINES_MAX: usize = 1_024;

/// How soon it is looked again whether a process that has just ended has let go of the socket.
const RETRY: Duration = Duration::from_secs(1);

/// Listens until the bridge is no longer kept in step. `state` is the file of its state, as it is configured when the bridge is opened;
/// `source` is what a check reads anew.
pub(crate) async fn listen(handle: Handle, source: Source, state: impl Fn() -> Option<PathBuf>) {
    while handle.until(|view| view.bridge().is_some()).await {
        let Some(place) = state().map(|state| Place::beside(&state)) else {
            // State in memory has no place for a socket.
            handle.until(|view| view.bridge().is_none()).await;
            continue;
        };
        let mut talking = JoinSet::new();
        let closed = handle.until(|view| view.bridge().is_none());
        tokio::select! {
            () = accept(&place, &handle, &source, &mut talking) => {}
            _ = closed => {}
        }
        let _ = place.remove();
        // What was asked for has ended by now, and its last words are written.
        while talking.join_next().await.is_some() {}
    }
}

/// Never ends.
async fn accept(place: &Place, handle: &Handle, source: &Source, talking: &mut JoinSet<()>) {
    let (listener, owner) = match bind(place).await {
        Ok(bound) => {
            tracing::info!(bridge = handle.name(), "commands are taken at {}", place.path().display());
            bound
        }
        Err(error) => {
            tracing::error!(bridge = handle.name(), %error, "no control socket at {}: commands can't reach this process; mend that, and send SIGHUP", place.path().display());
            return std::future::pending().await;
        }
    };
    loop {
        tokio::select! {
            Some(_) = talking.join_next(), if !talking.is_empty() => {}
            accepted = listener.accept(), if talking.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) if is_ours(&stream, owner) => {
                    talking.spawn(talk(stream, handle.clone(), source.clone()));
                }
                Ok(_) => tracing::warn!(bridge = handle.name(), "another user was turned away from the control socket"),
                Err(error) => {
                    tracing::warn!(bridge = handle.name(), %error, "the control socket can't be listened to");
                    sleep(RETRY).await;
                }
            },
        }
    }
}

/// The listener, and the user whose it is.
async fn bind(place: &Place) -> io::Result<(UnixListener, u32)> {
    loop {
        match place.bind().await? {
            Some(listener) => return Ok((listener, fs::metadata(place.path())?.uid())),
            // We have the lease: whoever still listens is about to end.
            None => sleep(RETRY).await,
        }
    }
}

/// Whether it is the same user, or the machine's own. The socket's mode says so, too; but not before it is set.
fn is_ours(stream: &UnixStream, owner: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == 0)
}

async fn talk(stream: UnixStream, handle: Handle, source: Source) {
    let (asks, answers) = stream.into_split();
    let (lines, waiting) = mpsc::channel(LINES_MAX);
    let writing = write(answers, waiting);
    let asking = async {
        let nothing = |_| {
            let max = ASK_MAX.as_secs();
            Err(Failure::Control(format!("nothing was asked within {max} s; connect again, and send a request as one line")))
        };
        let code = match timeout(ASK_MAX, read(asks)).await.unwrap_or_else(nothing) {
            Ok(Request { width, job, .. }) => {
                let said = lines.clone();
                let out = Out::new(width, move |words| {
                    if !matches!(words, Said::Step(_)) || said.capacity() > LINES_MAX / 2 {
                        let _ = said.try_send(Reply::Said(words));
                    }
                });
                obey(&handle, source, job, out).await
            }
            Err(failure) => told(&failure, |text| drop(lines.try_send(Reply::Said(Said::Talk(text))))),
        };
        // Whoever asked may have gone.
        let _ = lines.send(Reply::End { code }).await;
        drop(lines);
    };
    tokio::join!(writing, asking);
}

async fn read(asks: OwnedReadHalf) -> Result<Request, Failure> {
    let mut line = String::new();
    let read = BufReader::new(asks.take(LINE_MAX)).read_line(&mut line).await;
    read.map_err(|error| Failure::Control(format!("what is asked for can't be read: {error}; run the command again")))?;
    let not_understood = |error: serde_json::Error| {
        Failure::Control(format!(
            "what is asked for isn't understood: {error}; write it as docs/guide/serve.md shows, or ask with a command"
        ))
    };
    let Spoken { version } = serde_json::from_str(&line).map_err(not_understood)?;
    if version != VERSION {
        let ours = env!("CARGO_PKG_VERSION");
        return Err(Failure::Control(format!(
            "the serving process (insight-bridge {ours}) speaks version {VERSION} of the control language and was asked in version {version}; \
             use the same release for both: after an update, start serve anew"
        )));
    }
    serde_json::from_str(&line).map_err(not_understood)
}

/// Writes what is said for as long as somebody listens; what is done goes on without.
async fn write(mut answers: OwnedWriteHalf, mut waiting: mpsc::Receiver<Reply>) {
    while let Some(reply) = waiting.recv().await {
        let mut line = serde_json::to_vec(&reply).unwrap_or_default();
        line.push(b'\n');
        if answers.write_all(&line).await.is_err() {
            break;
        }
    }
}

/// Has it done, and gives the exit code.
async fn obey(handle: &Handle, source: Source, job: Job, out: Out) -> u8 {
    let outcome = match job {
        Job::Steer(steer) => self::steer(handle, &steer, &out).await,
        Job::Task(task) => {
            let out = out.clone();
            work(handle, move |bridge| Box::pin(async move { perform(&bridge, &task, &out).await })).await
        }
        Job::Check(args) => {
            let out = out.clone();
            work(handle, move |bridge| Box::pin(async move { command::check::check(&source.load()?, Some(&bridge), &args, &out).await }))
                .await
        }
        Job::Fix(fixing) => {
            let out = out.clone();
            work(handle, move |bridge| {
                Box::pin(async move { command::check::fix::fix(&source.load()?, Some(&bridge), &fixing, &out).await })
            })
            .await
        }
    };
    outcome.unwrap_or_else(|failure| told(&failure, |text| out.talk(text)))
}

fn told(failure: &Failure, talk: impl FnOnce(String)) -> u8 {
    talk(failure.to_string());
    failure.code()
}

/// Does something with the open bridge. It is brought to its end also when nobody listens any more.
async fn work<W>(handle: &Handle, work: W) -> Result<u8, Failure>
where
    W: FnOnce(Arc<Bridge>) -> BoxFuture<'static, Result<u8, Failure>> + Send + 'static,
{
    let (done, outcome) = oneshot::channel();
    let work = |bridge| -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let _ = done.send(work(bridge).await);
        })
    };
    handle.ask(Trigger::Work(Box::new(work))).await?;
    outcome
        .await
        .unwrap_or_else(|_| Err(Failure::Control("the serving process dropped it; its log says why. Run the command again".into())))
}

async fn steer(handle: &Handle, steer: &Steer, out: &Out) -> Result<u8, Failure> {
    match steer {
        Steer::Pause(args) => {
            handle.ask(Trigger::Pause(if args.now { Running::Stops } else { Running::Ends })).await?;
            let running = handle.view().passes.iter().any(|(_, passes)| passes.running.is_some());
            out.data(match (running, args.now) {
                (false, _) => "paused",
                (true, false) => "paused; the pass that is running goes on to its end (--now ends it after the calls in flight)",
                (true, true) => "paused; the pass that is running ends after the calls in flight",
            });
        }
        Steer::Resume => {
            handle.ask(Trigger::Resume).await?;
            out.data("resumed");
        }
        Steer::Health => match handle.view().not_ready() {
            None => out.data(format!("{}: ready", handle.name())),
            Some(NotReady { code, why }) => {
                out.data(format!("{}: not ready ({code}): {why}", handle.name()));
                return Ok(OTHER);
            }
        },
        Steer::Run(args) => {
            let running = handle.view().passes.get(&args.pass).is_some_and(|passes| passes.running.is_some());
            handle.ask(Trigger::Run(args.pass)).await?;
            let when = if running { "begins after the one that is running" } else { "begins now" };
            out.data(format!("the {} pass {when}; its outcome is in the log of serve", args.pass.name()));
        }
    }
    Ok(IN_STEP)
}
