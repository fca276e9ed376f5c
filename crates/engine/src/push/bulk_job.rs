//! A file's way through Marketo: given, worked through, and what it says of its rows. The state knows it before Marketo does.

use std::time::Duration;

use store::Batch;
use tokio::time::{Instant, sleep};
use wire::{CallError, Class};

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    import::{Note, Stage},
    marketo::{Import, Reports},
    push::bulk::Load,
};

/// How long after it was given a small job is asked about first, and the shortest time between two questions (Adobe, "Bulk lead import": 5 to 30 seconds).
const ASK_MIN: Duration = Duration::from_secs(5);

/// By how much longer for each row: how fast Marketo is, nobody documents, and a thousand rows a second would be fast.
const ASK_LATER: Duration = Duration::from_millis(1);

/// The longest time between two questions. A job that takes long is asked about ever more rarely, so that it doesn't cost more calls than it saves.
const ASK_MAX: Duration = Duration::from_secs(300);

/// How long a full queue is waited for between two tries; jobs take minutes.
const QUEUE_WAIT: Duration = Duration::from_secs(60);

/// How often a full queue is tried.
const QUEUE_TRIES: u32 = 10;

/// What became of giving a file to Marketo.
#[derive(Debug)]
pub(super) enum Given {
    /// A job works through it.
    Taken(Note),
    /// Nobody knows whether there is a job.
    Doubtful(Note),
    /// Marketo doesn't take it.
    Refused(Note, CallError),
    /// Marketo's queue is full of others' files.
    Crowded,
    /// Nothing more can be sent.
    Stopped(SyncError),
}

/// How a job ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It is complete, or Marketo has forgotten it and nothing is known.
    Complete(Note, Reports),
    /// It failed as a whole, in Marketo's words.
    Failed(Note, String),
    /// It can't be asked about now.
    Stopped(SyncError),
}

/// Gives a file to Marketo. Its note is saved before, and says what came of it.
pub(super) async fn give(bridge: &Bridge, load: Load, key_field: &str) -> Given {
    let Load { by, file, rows } = load;
    let mut note = Note::new(bridge, by, rows);
    for _ in 0..QUEUE_TRIES {
        note.stage = Stage::Doubtful { since: bridge.clock.now() };
        if let Err(error) = save(bridge, |batch| note.put(batch)).await {
            return Given::Stopped(error);
        }
        let error = match bridge.marketo.import(by.column(key_field), file.clone()).await {
            Ok(job) => {
                note.stage = Stage::Job { batch: job };
                return match save(bridge, |batch| note.put(batch)).await {
                    Ok(()) => Given::Taken(note),
                    Err(error) => Given::Stopped(error),
                };
            }
            Err(error) if error.may_have_acted() => return Given::Doubtful(note),
            Err(error) => error,
        };
        // It wasn't taken: there is nothing to remember.
        if let Err(error) = save(bridge, |batch| note.remove(batch)).await {
            return Given::Stopped(error);
        }
        match error.class() {
            Some(Class::Transient) => {}
            Some(Class::Bug | Class::Config | Class::Record | Class::Missing | Class::Split) => return Given::Refused(note, error),
            Some(Class::Auth | Class::Doubtful | Class::Throttled | Class::Crowded | Class::Quota) | None => {
                return Given::Stopped(SyncError::of_call(Side::Marketo, error));
            }
        }
        if let Err(error) = pause(bridge, QUEUE_WAIT).await {
            return Given::Stopped(error);
        }
    }
    Given::Crowded
}

/// Asks about a job until it has ended, ever more rarely.
pub(super) async fn watch(bridge: &Bridge, note: Note, job: i64, key_field: &str) -> Ended {
    let begun = Instant::now();
    let first = ASK_MIN + ASK_LATER * u32::try_from(note.rows.len()).unwrap_or(u32::MAX);
    loop {
        if let Err(error) = pause(bridge, (begun.elapsed() / 2).min(ASK_MAX).max(first)).await {
            return Ended::Stopped(error);
        }
        match bridge.marketo.import_state(job, key_field).await {
            Ok(Import::UnderWay) => {}
            Ok(Import::Complete(reports)) => return Ended::Complete(note, reports),
            Ok(Import::Unknown) => return Ended::Complete(note, Reports::default()),
            Ok(Import::Failed(message)) => return Ended::Failed(note, message),
            Err(error) => return Ended::Stopped(SyncError::of_call(Side::Marketo, error)),
        }
    }
}

/// Waits, unless the process is asked to stop.
async fn pause(bridge: &Bridge, span: Duration) -> Result<(), SyncError> {
    tokio::select! {
        () = sleep(span) => Ok(()),
        () = bridge.marketo.pace().stopped() => Err(SyncError::of_call(Side::Marketo, CallError::Stopped)),
    }
}

async fn save(bridge: &Bridge, change: impl FnOnce(&mut Batch)) -> Result<(), SyncError> {
    let mut batch = Batch::new();
    change(&mut batch);
    bridge.commit(batch).await
}
