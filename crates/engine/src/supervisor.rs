//! Keeps bridges in step all day: passes of two lanes for each bridge, one after the other in a lane, until it is asked to stop.
//!
//! Bridges know nothing of each other: one that fails, hangs or panics delays no other. How a bridge is opened is given from outside, and
//! all time is Tokio's and the bridge's clock, so that days pass in moments where a test pauses them.

use std::{fmt, sync::Arc, time::Duration};

use base::{Timestamp, time::since};
use futures::future::BoxFuture;
use store::StoreError;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    bridge::Bridge,
    calls::next_reset,
    cycle,
    error::SyncError,
    options::RunOptions,
    progress::Progress,
    summary::{Outcome, Summary},
};

/// How long calls in flight may take to end after a stop; service managers kill after 30 seconds.
const STOP_MAX: Duration = Duration::from_secs(25);

/// The first pause after a failure; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(60);

/// The longest pause before a bridge that could not be opened is tried again; passes that fail wait up to their own interval.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// How often the clock is looked at while a quota is used up.
const QUOTA_LOOK: Duration = Duration::from_secs(60);

/// A kind of pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The whole cycle, as [`cycle::run`].
    Changes,
    /// The Sales Insight fields of those with whom something happened, as [`cycle::moments`].
    Moments,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Changes, Self::Moments];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Moments => "moments",
        }
    }
}

/// How long after the end of a pass the next of its lane begins.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The whole cycle.
    pub changes: Duration,
    /// Moments.
    pub moments: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { changes: Duration::from_secs(300), moments: Duration::from_secs(60) }
    }
}

/// Opens a bridge, which takes its lease; an error is told as it is written.
pub type Open = Arc<dyn Fn() -> BoxFuture<'static, Result<Bridge, String>> + Send + Sync>;

/// Who is told of each pass that ended.
pub type Ended = Arc<dyn Fn(&str, Lane, &Summary) + Send + Sync>;

/// One bridge to be kept in step.
#[derive(Clone)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// How it is opened.
    pub open: Open,
    /// When its passes run.
    pub schedule: Schedule,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("name", &self.name).field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

/// Runs every bridge until `stop`; then no call starts, those in flight end and are saved. What hasn't ended 25 seconds later is dropped:
/// by that nothing is lost, because what was meant is saved before it is sent.
pub async fn run(bridges: Vec<Served>, stop: CancellationToken, ended: Ended) {
    let mut running = JoinSet::new();
    for served in bridges {
        running.spawn(keep(served, stop.clone(), ended.clone()));
    }
    let all = async {
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a bridge is no longer kept in step, by a mistake of the program; start it anew");
            }
        }
    };
    tokio::pin!(all);
    tokio::select! {
        () = &mut all => return,
        () = stop.cancelled() => {}
    }
    if timeout(STOP_MAX, all).await.is_err() {
        tracing::warn!(
            "calls in flight did not end within {} s of the stop and were dropped; the next run looks at them",
            STOP_MAX.as_secs()
        );
    }
}

/// Opens a bridge and runs its lanes; opens it anew whenever it can't go on.
async fn keep(served: Served, stop: CancellationToken, ended: Ended) {
    let mut failures = 0;
    while !stop.is_cancelled() {
        let opened = AbortOnDropHandle::new(tokio::spawn((served.open)()));
        let opened = tokio::select! {
            opened = opened => opened.unwrap_or_else(|error| Err(format!("opening it failed in a way that is a mistake of the program: {error}"))),
            () = stop.cancelled() => return,
        };
        match opened {
            Ok(bridge) => {
                failures = 0;
                let bridge = Arc::new(bridge);
                tracing::info!(bridge = served.name, "opened");
                let lost = stop.child_token();
                tokio::join!(
                    lane(&served, &bridge, Lane::Changes, &lost, &ended),
                    lane(&served, &bridge, Lane::Moments, &lost, &ended),
                    async {
                        lost.cancelled().await;
                        bridge.stop();
                    }
                );
                if let Err(error) = bridge.close().await {
                    tracing::warn!(bridge = served.name, %error, "the lease could not be given back");
                }
            }
            Err(error) => tracing::error!(bridge = served.name, error, "not ready; it is tried again"),
        }
        failures += 1;
        wait(pause(failures, PAUSE_MAX), &stop).await;
    }
}

/// The passes of one lane, until `lost`: the process stops, or the bridge has to be opened anew.
async fn lane(served: &Served, bridge: &Arc<Bridge>, lane: Lane, lost: &CancellationToken, ended: &Ended) {
    let interval = match lane {
        Lane::Changes => served.schedule.changes,
        Lane::Moments => served.schedule.moments,
    };
    let mut failures = 0;
    // The first whole cycle looks at moments, too.
    if lane == Lane::Moments {
        wait(interval, lost).await;
    }
    while !lost.is_cancelled() {
        let pass = bridge.pass(RunOptions { served: true, ..RunOptions::default() }, Progress::silent());
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            match lane {
                Lane::Changes => cycle::run(&pass).await,
                Lane::Moments => cycle::moments(&pass.in_lane(wire::Lane::Urgent)).await,
            }
        }));
        let error = match task.await {
            Ok((summary, error)) => {
                tell(&served.name, lane, &summary);
                ended(&served.name, lane, &summary);
                error
            }
            Err(error) => {
                tracing::error!(bridge = served.name, lane = lane.name(), %error, "the pass ended by a mistake of the program; it is tried again");
                failures += 1;
                wait(pause(failures, interval), lost).await;
                continue;
            }
        };
        match error {
            None => {
                failures = 0;
                wait(interval, lost).await;
            }
            Some(SyncError::Quota { until, .. }) => quota_is_back(bridge, until, lost).await,
            // Another process has the lease: only a bridge that is opened anew can go on.
            Some(SyncError::Store(StoreError::Fenced)) => lost.cancel(),
            Some(SyncError::Configuration(_) | SyncError::Side { .. } | SyncError::Store(_) | SyncError::Stale | SyncError::Stopped) => {
                failures += 1;
                wait(pause(failures, interval), lost).await;
            }
        }
    }
}

/// A pass in one line. Its error's words stay in the summary: they may hold people's data.
fn tell(bridge: &str, lane: Lane, summary: &Summary) {
    let took = since(summary.begun, summary.ended).as_secs();
    let (held, waiting) = summary.left();
    let captured: u64 = summary.captured.values().map(|captured| captured.rows).sum();
    let pushed: u64 = summary.pushed.values().map(|pushed| pushed.created + pushed.updated + pushed.removed).sum();
    let written_back = summary.written_back.written;
    let (lane, run) = (lane.name(), summary.begun.to_string());
    match summary.outcome {
        Outcome::InStep | Outcome::Unfinished => {
            tracing::info!(bridge, lane, run, took, captured, pushed, written_back, held, waiting, "pass ended");
        }
        Outcome::Stopped => {
            let code = summary.error.as_ref().map_or("", |error| error.code.as_str());
            tracing::warn!(bridge, lane, run, took, captured, pushed, written_back, code, "pass stopped; it goes on later");
        }
    }
}

/// Ends when calls may be made again: as the gate says, else at Marketo's next midnight. The clock is looked at now and then, because a
/// machine may have slept.
async fn quota_is_back(bridge: &Bridge, until: Option<Timestamp>, lost: &CancellationToken) {
    let until = until.or_else(|| bridge.marketo.pace().closed_until()).unwrap_or_else(|| next_reset(bridge.clock.now()));
    while !lost.is_cancelled() && bridge.clock.now() < until {
        wait(QUOTA_LOOK.min(since(bridge.clock.now(), until)), lost).await;
    }
    // Clocks differ, and one that stood still while the machine slept is behind.
    wait(pause(1, PAUSE_FIRST), lost).await;
}

/// One minute, doubled with each failure up to `most`, and up to a tenth more so that bridges don't come at once.
fn pause(failures: u32, most: Duration) -> Duration {
    let longest = most.max(PAUSE_FIRST);
    let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(longest);
    pause.mul_f64(1.0 + fastrand::f64() / 10.0)
}

async fn wait(pause: Duration, lost: &CancellationToken) {
    tokio::select! {
        () = sleep(pause) => {}
        () = lost.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_interval_and_no_further() {
        let minutes = |failures| pause(failures, Duration::from_secs(300)).as_secs() / 60;
        assert_eq!([1, 2, 3, 4, 40].map(minutes), [1, 2, 4, 5, 5]);
    }
}
