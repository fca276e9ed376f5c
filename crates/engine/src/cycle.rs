//! One cycle: prepare, capture, push, write back, and a summary that says what came of it.

use serde_json::Value;
use store::{
    Batch, Record,
    record::{Run, setting::RunBody},
};

use crate::{
    bridge::Bridge,
    capture::{again, capture},
    error::SyncError,
    noticed::{notice, notice_activities},
    prepare::{forget_describes, prepare},
    progress::Step,
    push::{push, tell},
    summary::{ErrorText, Outcome, Summary},
    write_back::write_back,
};

/// Runs kept in the state.
const RUNS_KEPT: usize = 500;

/// Runs a cycle to its end. Whatever happens, there is a summary, and what was confirmed is saved.
pub async fn run(bridge: &Bridge) -> (Summary, Option<SyncError>) {
    let error = cycle(bridge).await.err();
    let summary = summed_up(bridge, error.as_ref());
    save_run(bridge, &summary, error.as_ref()).await;
    if error.is_some() || !summary.written_back.refused.is_empty() {
        // It may be because of what has changed there.
        bridge.metadata.forget().await;
    }
    if let Err(error) = bridge.store.tidy().await {
        tracing::warn!(%error, "the state's file could not be made smaller");
    }
    bridge.progress.tell(Step::Done);
    (summary, error)
}

/// The short pass: what has happened in Marketo, and those people's MSI fields back. It isn't kept among the runs, of which it would leave
/// no other within a day.
pub async fn moments(bridge: &Bridge) -> (Summary, Option<SyncError>) {
    let error = noticed_and_written_back(bridge).await.err();
    bridge.progress.tell(Step::Done);
    (summed_up(bridge, error.as_ref()), error)
}

/// The sweep: the MSI fields of those whom no activity tells of, as far as it is their turn. It isn't kept among the runs either.
pub async fn sweep(bridge: &Bridge) -> (Summary, Option<SyncError>) {
    let error = swept(bridge).await.err();
    bridge.progress.tell(Step::Done);
    (summed_up(bridge, error.as_ref()), error)
}

async fn swept(bridge: &Bridge) -> Result<(), SyncError> {
    let _turn = bridge.turn.lock().await;
    bridge.commit(Batch::new()).await?;
    let prepared = prepare(bridge).await?;
    write_back(bridge, &prepared).await
}

async fn noticed_and_written_back(bridge: &Bridge) -> Result<(), SyncError> {
    let _turn = bridge.turn.lock().await;
    bridge.commit(Batch::new()).await?;
    let prepared = prepare(bridge).await?;
    notice_activities(bridge).await?;
    write_back(bridge, &prepared).await
}

fn summed_up(bridge: &Bridge, error: Option<&SyncError>) -> Summary {
    let mut summary = bridge.summary();
    summary.ended = bridge.clock.now();
    [summary.marketo_calls, summary.dynamics_calls] = bridge.calls();
    let (held, waiting) = summary.left();
    let refused: u64 = summary.written_back.refused.values().sum();
    let unreadable: u64 = summary.captured.values().map(|captured| captured.unreadable).sum();
    let clean = held + waiting + refused + unreadable == 0 && summary.stopped_by_brake.is_empty();
    summary.outcome = match (error, clean) {
        (None, true) => Outcome::InStep,
        (None, false) => Outcome::Unfinished,
        (Some(_), _) => Outcome::Stopped,
    };
    summary.exit_code = exit_code(error, clean);
    summary.error = error.map(|error| ErrorText { code: error.code().into(), message: error.to_string() });
    summary
}

async fn cycle(bridge: &Bridge) -> Result<(), SyncError> {
    let _turn = bridge.turn.lock().await;
    // The day may have turned since the last pass.
    bridge.commit(Batch::new()).await?;
    let mut prepared = prepare(bridge).await?;
    bridge.ledger.learn(&bridge.marketo).await?;
    match capture(bridge, &prepared).await {
        Err(SyncError::Stale) => {
            prepared = prepare(bridge).await?;
            capture(bridge, &prepared).await?;
        }
        captured => captured?,
    }
    // Where only that is refused, everything else goes on.
    let noticed = match notice(bridge).await {
        Err(error @ SyncError::Side { .. }) if error.is_refusal() => Err(error),
        noticed => Ok(noticed?),
    };
    again(bridge, &prepared).await?;
    push(bridge, &prepared).await?;
    // What has turned out to be otherwise than it was thought is read and sent again at once, and after that in the next cycle.
    if again(bridge, &prepared).await? {
        push(bridge, &prepared).await?;
    }
    tell(bridge, &prepared).await?;
    prepared.keep_policy(bridge).await?;
    noticed?;
    bridge.ledger.learn(&bridge.marketo).await?;
    write_back(bridge, &prepared).await
}

/// The exit code, the same for every command: 0 in step, 2 configuration, 3 something is left, 4 quota, 5 a side, 1 anything else.
#[must_use]
pub fn exit_code(error: Option<&SyncError>, clean: bool) -> u8 {
    match error {
        None if clean => 0,
        None => 3,
        Some(SyncError::Configuration(_)) => 2,
        Some(SyncError::Quota { .. }) => 4,
        Some(SyncError::Side { .. }) => 5,
        Some(SyncError::Store(_) | SyncError::Stale | SyncError::Stopped) => 1,
    }
}

/// Keeps the summary; a field that Marketo no longer knows has its describes read anew next time.
async fn save_run(bridge: &Bridge, summary: &Summary, error: Option<&SyncError>) {
    let body = RunBody {
        ended: Some(summary.ended),
        exit: Some(summary.exit_code),
        summary: serde_json::to_value(summary).unwrap_or(Value::Null),
    };
    let run = Run { begun: summary.begun, body };
    let mut batch = Batch::new();
    batch.put(&run);
    let stale = matches!(error, Some(SyncError::Side { error, .. }) if error.code() == "1006")
        || summary.pushed.values().any(|pushed| pushed.held.contains_key("1006"));
    if stale {
        forget_describes(&mut batch);
    }
    if let Ok(runs) = store::StoreExt::list::<Run>(&*bridge.store, &[], None, RUNS_KEPT * 2).await
        && runs.len() > RUNS_KEPT
    {
        runs[..runs.len() - RUNS_KEPT].iter().for_each(|run| batch.remove::<Run>(run.key()));
    }
    if let Err(error) = bridge.commit(batch).await {
        tracing::warn!(%error, "the run's summary could not be saved");
    }
}
