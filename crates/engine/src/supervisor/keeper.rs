//! Keeps one bridge open, and opens it anew whenever it can't go on.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Served,
    handle::{Asked, NotDone, Trigger},
    schedule::pause,
    session::{After, Session},
    view::{Phase, View},
};
use crate::bridge::Bridge;

/// The longest pause before a bridge that could not be opened is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// What keeps one bridge in step.
pub(super) struct Keeper {
    served: Served,
    inbox: mpsc::Receiver<Asked>,
    view: watch::Sender<View>,
}

/// However it ends, also dropped or by a mistake of the program, nobody sees a bridge that is open or takes anything more.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.show(Phase::Ending);
    }
}

/// What is next for a bridge that isn't open.
enum Next {
    Session(Arc<Bridge>),
    Open,
    End,
}

impl Keeper {
    pub(super) fn new(served: Served, inbox: mpsc::Receiver<Asked>) -> (Self, watch::Receiver<View>) {
        let (view, seen) = watch::channel(View::new());
        (Self { served, inbox, view }, seen)
    }

    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let bridge = match self.open().await {
                Ok(Next::Session(bridge)) => bridge,
                Ok(Next::Open) => continue,
                Ok(Next::End) => break,
                Err(why) => {
                    tracing::error!(bridge = self.served.name, error = why, "not ready; it is tried again");
                    failures += 1;
                    match self.rest(failures, why).await {
                        Next::Session(_) | Next::Open => continue,
                        Next::End => break,
                    }
                }
            };
            tracing::info!(bridge = self.served.name, "opened");
            let opened = Instant::now();
            let session = Session::new(&mut self.served, &mut self.inbox, &self.view, bridge.clone());
            let after = session.run().await;
            if let Err(error) = bridge.close().await {
                tracing::warn!(bridge = self.served.name, %error, "the lease could not be given back");
            }
            // To be opened is no success yet: only one that went on for a while begins to count anew.
            if opened.elapsed() >= PAUSE_MAX {
                failures = 0;
            }
            match after {
                After::Become(served) => (self.served, failures) = (*served, 0),
                After::Open => {}
                After::Lost { why } => {
                    failures += 1;
                    if let Next::End = self.rest(failures, why).await {
                        break;
                    }
                }
                After::End => break,
            }
        }
    }

    /// Opens it, and listens meanwhile. The error is why it could not be opened.
    async fn open(&mut self) -> Result<Next, String> {
        let open = self.served.open.clone();
        // Called in that task, too, so that a panic of it is not the keeper's.
        let opened = AbortOnDropHandle::new(tokio::spawn(async move { open().await }));
        tokio::pin!(opened);
        loop {
            tokio::select! {
                opened = &mut opened => {
                    let opened = opened.unwrap_or_else(|error| Err(format!("opening it failed in a way that is a mistake of the program: {error}")));
                    return opened.map(|bridge| Next::Session(Arc::new(bridge)));
                }
                asked = self.inbox.recv() => if let Some(next) = self.take(asked, "it is being opened") {
                    return Ok(next);
                },
            }
        }
    }

    /// Waits before it is opened again, and listens meanwhile.
    async fn rest(&mut self, failures: u32, why: String) -> Next {
        let until = Instant::now() + pause(failures, PAUSE_MAX, &mut self.served.dice);
        self.show(Phase::NotReady { why: why.clone() });
        loop {
            tokio::select! {
                () = sleep_until(until) => return Next::Open,
                asked = self.inbox.recv() => if let Some(next) = self.take(asked, &why) {
                    return next;
                },
            }
        }
    }

    /// What a trigger does to a bridge that isn't open.
    fn take(&mut self, asked: Option<Asked>, why: &str) -> Option<Next> {
        // Nobody can ask for anything any more, so that nobody could stop it either.
        let Some(Asked { trigger, answer }) = asked else { return Some(Next::End) };
        let (outcome, next) = match trigger {
            Trigger::Run(_) | Trigger::Pause(_) | Trigger::Resume | Trigger::Work(_) => {
                (Err(NotDone::NotOpen { why: why.to_owned() }), None)
            }
            Trigger::Become(served) => {
                self.served = *served;
                (Ok(()), Some(Next::Open))
            }
            Trigger::Stop(_) => (Ok(()), Some(Next::End)),
        };
        // Whoever asked may have gone.
        let _ = answer.send(outcome);
        next
    }

    fn show(&self, phase: Phase) {
        self.view.send_modify(|view| view.phase = phase);
    }
}
