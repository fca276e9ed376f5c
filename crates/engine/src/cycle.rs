//! One cycle: prepare, capture, push, write back, and a summary that says what came of it.

use std::collections::BTreeSet;

use base::RecordId;
use futures::{
    FutureExt,
    future::{BoxFuture, join},
};
use serde_json::Value;
use store::{
    Batch, Record,
    record::{Run, setting::RunBody},
};
use tokio_util::sync::CancellationToken;
use wire::Lane;

use crate::{
    bootstrap,
    bridge::Bridge,
    capture::{again, capture, find_gone, first_load, is_first},
    error::SyncError,
    forecast,
    inspect::{RECORDS_MAX, chain_of, subject},
    noticed::{Merges, notice, notice_activities},
    prepare::{Prepared, forget_describes, prepare},
    progress::Step,
    push::{push, tell},
    renew::{made_anew, pushed, swept, wrote_back, wrote_urgent},
    repair::{Extent, doubt},
    schema_change::SchemaChange,
    share::Share,
    summary::{ErrorText, Outcome, Summary},
    write_back::{Left, meanwhile},
};

/// Runs kept in the state.
const RUNS_KEPT: usize = 500;

/// Runs a cycle to its end. Whatever happens, there is a summary, and what was confirmed is saved.
pub fn run(bridge: &Bridge) -> BoxFuture<'_, (Summary, Option<SyncError>)> {
    async move {
        let error = cycle(bridge).await.err();
        let summary = summed_up(bridge, error.as_ref());
        save_run(bridge, &summary, error.as_ref()).await;
        if error.is_some() || !summary.written_back.refused.is_empty() {
            // It may be because of what has changed there.
            bridge.metadata.forget().await;
        }
        if let Err(error) = forecast::forget(bridge).await {
            tracing::warn!(%error, "the forecast could not be taken back");
        }
        if let Err(error) = bridge.store.tidy().await {
            tracing::warn!(%error, "the state's file could not be made smaller");
        }
        bridge.progress.tell(Step::Done);
        (summary, error)
    }
    .boxed()
}

/// The records that have to be right for those to be shown that are meant by a GUID, an e-mail address or a Marketo id; none where nobody knows any.
///
/// # Errors
/// When a side or the state can't be read.
pub fn chain<'a>(bridge: &'a Bridge, asked: &'a str) -> BoxFuture<'a, Result<BTreeSet<RecordId>, SyncError>> {
    async move {
        let _turn = bridge.turn.lock().await;
        let prepared = prepare(bridge).await?;
        let mut records = BTreeSet::new();
        for record in subject::find(bridge, &prepared, asked).await?.into_iter().take(RECORDS_MAX) {
            records.extend(chain_of(bridge, &prepared, record).await?);
        }
        Ok(records)
    }
    .boxed()
}

/// A pass for the records of [`crate::options::RunOptions::only`] alone: read again in Dynamics, compared with Marketo, sent, and their MSI fields back. It isn't kept
/// among the runs.
pub fn run_only(bridge: &Bridge) -> BoxFuture<'_, (Summary, Option<SyncError>)> {
    async move {
        let error = cycle_of_some(bridge).await.err();
        bridge.progress.tell(Step::Done);
        (summed_up(bridge, error.as_ref()), error)
    }
    .boxed()
}

async fn cycle_of_some(bridge: &Bridge) -> Result<(), SyncError> {
    let _turn = bridge.turn.lock().await;
    bridge.commit(Batch::new()).await?;
    let mut prepared = prepare(bridge).await?;
    bridge.ledger.learn(&bridge.marketo).await?;
    let only = bridge.run.only.iter().flatten().map(|record| (*record, Extent::Whole)).collect();
    doubt(bridge, &prepared, &only).await?;
    if let Err(error) = again(bridge, &prepared).await {
        prepared = made_anew(bridge, &prepared, error).await?;
        again(bridge, &prepared).await?;
    }
    // Moments may be written at the same time, where it is done by a process that serves.
    let writer = &bridge.beside(Share::Push);
    pushed(writer, &mut prepared).await?;
    if again(bridge, &prepared).await? {
        push(writer, &prepared).await?;
    }
    wrote_urgent(&bridge.beside(Share::WriteBack), &mut prepared).await
}

/// The short pass: what has happened in Marketo, and those people's MSI fields back. It isn't kept among the runs, of which it would leave
/// no other within a day. It doesn't wait for a whole cycle that is under way.
pub fn moments(bridge: &Bridge) -> BoxFuture<'_, (Summary, Option<SyncError>)> {
    async move {
        let error = noticed_and_written_back(bridge).await.err();
        bridge.progress.tell(Step::Done);
        (summed_up(bridge, error.as_ref()), error)
    }
    .boxed()
}

async fn noticed_and_written_back(bridge: &Bridge) -> Result<(), SyncError> {
    let turn = bridge.turn.try_lock();
    let bridge = &bridge.beside(Share::WriteBack);
    bridge.commit(Batch::new()).await?;
    let mut prepared = prepare(bridge).await?;
    match &turn {
        Ok(_) => notice_activities(&bridge.beside(Share::Push), Merges::TakeIn).await?,
        // Who is linked to whom is the other pass's while it runs.
        Err(_) => notice_activities(bridge, Merges::Leave).await?,
    }
    drop(turn);
    wrote_urgent(bridge, &mut prepared).await
}

/// The sweep: everybody's MSI fields, begun anew. It doesn't wait for a whole cycle that is under way; at its end that one waits for it. It isn't
/// kept among the runs either.
pub fn sweep(bridge: &Bridge) -> BoxFuture<'_, (Summary, Option<SyncError>)> {
    async move {
        let swept = async {
            let bridge = &bridge.beside(Share::WriteBack);
            bridge.commit(Batch::new()).await?;
            let mut prepared = prepare(bridge).await?;
            bridge.ledger.learn(&bridge.marketo).await?;
            swept(bridge, &mut prepared).await
        };
        let error = swept.await.err();
        bridge.progress.tell(Step::Done);
        (summed_up(bridge, error.as_ref()), error)
    }
    .boxed()
}

fn summed_up(bridge: &Bridge, error: Option<&SyncError>) -> Summary {
    let mut summary = bridge.summary();
    summary.ended = bridge.clock.now();
    [summary.marketo_calls, summary.dynamics_calls] = bridge.calls();
    let (held, waiting) = summary.left();
    let refused: u64 = summary.written_back.refused.values().sum();
    let unreadable: u64 = summary.captured.values().map(|captured| captured.unreadable).sum();
    let stopped = summary.schema_changes.iter().any(SchemaChange::stops);
    let clean = held + waiting + refused + unreadable == 0 && summary.stopped_by_brake.is_empty() && !stopped;
    summary.outcome = match (error, clean) {
        (None, true) => Outcome::InStep,
        (None, false) => Outcome::Unfinished,
        (Some(_), _) => Outcome::Stopped,
    };
    summary.exit_code = exit_code(error, clean);
    summary.error = error.map(|error| ErrorText {
        code: error.code().into(),
        message: error.to_string(),
        request_id: error.request_id().map(str::to_owned),
    });
    summary
}

async fn cycle(bridge: &Bridge) -> Result<(), SyncError> {
    let _turn = bridge.turn.lock().await;
    // The day may have turned since the last pass.
    bridge.commit(Batch::new()).await?;
    let _limits = bootstrap::raise_limits(bridge).await?;
    let prepared = prepare(bridge).await?;
    let (mut prepared, noticed, left) = match is_first(bridge).await? {
        true => {
            let prepared = match prepared.is_of_now(bridge).await {
                Err(SyncError::Stale) => prepare(bridge).await?,
                now => now.map(|()| prepared)?,
            };
            let (noticed, left) = first(bridge, &prepared).await?;
            (prepared, noticed, left)
        }
        false => later(bridge, prepared).await?,
    };
    prepared.keep_policy(bridge).await?;
    noticed?;
    bridge.ledger.learn(&bridge.marketo).await?;
    let beside = bridge.run.served.then(|| bridge.beside(Share::WriteBack));
    wrote_back(beside.as_ref().unwrap_or(bridge), &mut prepared, left).await?;
    bootstrap::loaded(bridge).await
}

/// What has happened in Marketo; where that is refused and nothing else, the refusal.
type Noticed = Result<(), SyncError>;

/// The first cycle. It reads, sends and writes back at the same time, as far as one doesn't need the other.
async fn first(bridge: &Bridge, prepared: &Prepared) -> Result<(Noticed, Left), SyncError> {
    let writer = &bridge.beside(Share::Push);
    let filled = CancellationToken::new();
    let loading = async {
        let noticing = async {
            bridge.ledger.learn(&bridge.marketo).await?;
            noticed(writer).await
        };
        let reading = async {
            forecast::of_first_load(bridge).await?;
            first_load(bridge, prepared).await
        };
        let (noticed, walks) = join(noticing, reading).await;
        let (noticed, walks) = (noticed?, walks?);
        push(writer, prepared).await?;
        let gone = find_gone(bridge, prepared, walks).await?;
        if again(bridge, prepared).await? || gone {
            push(writer, prepared).await?;
        }
        tell(writer, prepared).await?;
        Ok(noticed)
    };
    let loading = loading.inspect(|_: &Result<Noticed, SyncError>| filled.cancel());
    let back = bridge.beside(Share::WriteBack).in_lane(Lane::Spare).unwatched();
    let (loaded, left) = join(loading, meanwhile(&back, prepared, &filled)).await;
    // What stopped it stops the write-back at the end as well, if it still does.
    let left = left.unwrap_or_else(|error| {
        tracing::info!(code = error.code(), "Sales Insight fields are read at the end");
        Left::new()
    });
    Ok((loaded?, left))
}

/// Any later cycle.
async fn later(bridge: &Bridge, mut prepared: Prepared) -> Result<(Prepared, Noticed, Left), SyncError> {
    // Under a process that does nothing else all day, moments go on meanwhile.
    let beside = bridge.run.served.then(|| bridge.beside(Share::Push));
    let writer = beside.as_ref().unwrap_or(bridge);
    bridge.ledger.learn(&bridge.marketo).await?;
    if let Err(error) = capture(bridge, &prepared).await {
        prepared = made_anew(bridge, &prepared, error).await?;
        capture(bridge, &prepared).await?;
    }
    let noticed = noticed(writer).await?;
    again(bridge, &prepared).await?;
    forecast::of_outbox(bridge).await?;
    pushed(writer, &mut prepared).await?;
    // What has turned out to be otherwise than it was thought is read and sent again at once, and after that in the next cycle.
    if again(bridge, &prepared).await? {
        push(writer, &prepared).await?;
    }
    tell(writer, &prepared).await?;
    Ok((prepared, noticed, Left::new()))
}

/// What has happened in Marketo. Where only that is refused, everything else goes on; the refusal is given back.
async fn noticed(bridge: &Bridge) -> Result<Noticed, SyncError> {
    match notice(bridge).await {
        Err(error @ SyncError::Side { .. }) if error.is_refusal() => Ok(Err(error)),
        noticed => noticed.map(Ok),
    }
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
        || summary.pushed.values().any(|pushed| pushed.held.contains_key("1006"))
        || bridge.metadata.were_fields_doubted();
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
