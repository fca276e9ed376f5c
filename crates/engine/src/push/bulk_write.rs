//! Who of a push is written into a file instead of being sent, and what becomes of the files that an earlier process left.

use std::time::Duration;

use base::{Timestamp, time::since};
use store::Batch;

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    import::{ImportBy, Note, Row, Stage},
    intent::Intent,
    marketo::Reports,
    prepare::Prepared,
    push::{
        brake::Brake,
        bulk_settle::Settling,
        person::{Candidate, How, Pusher, Resting, Write, email_of},
        person_calls::is_plain,
    },
};

/// How long nothing is sent for people whose file was given to Marketo without an answer, unless they are there before: if there is a job, it is
/// worked through by then. The queue has ten places, and jobs take minutes.
const DOUBT_REST: Duration = Duration::from_secs(3_600);

/// Finishes what earlier processes gave to Marketo. Gives the outbox keys of people for whom nothing may be sent yet.
pub(super) async fn finish_imports(bridge: &Bridge, prepared: &Prepared, brake: &Brake) -> Result<Resting, SyncError> {
    let notes = Note::all(bridge).await?;
    if notes.is_empty() {
        return Ok(Resting::default());
    }
    let people = notes.iter().map(|note| note.rows.len() as u64).sum();
    let mut pusher = Pusher::new(bridge, prepared, brake, people, Resting::default()).await?;
    // None but these people.
    pusher.exhausted = true;
    pusher.bulk.end();
    let jobs = pusher.resume(notes).await?;
    pusher.run(jobs).await?;
    Ok(pusher.bulk.resting)
}

impl Pusher<'_> {
    /// Takes up noted files; gives the jobs that are to be asked about.
    async fn resume(&mut self, notes: Vec<Note>) -> Result<Vec<(Note, i64)>, SyncError> {
        let mut jobs = Vec::new();
        let now = self.bridge.clock.now();
        for note in notes {
            match note.stage {
                Stage::Job { batch } => {
                    self.bulk.resumed();
                    jobs.push((note, batch));
                }
                Stage::Doubtful { .. } if note.by.creates() && self.are_there(&note).await? => {
                    self.bulk.resumed();
                    self.settling.push_back(Settling::new(note, Reports::default()));
                }
                Stage::Doubtful { since } => self.rest(&note, since, now).await?,
            }
        }
        Ok(jobs)
    }

    /// Whether Marketo has the first and the last person of a file that creates: then it was worked through.
    async fn are_there(&self, note: &Note) -> Result<bool, SyncError> {
        let ends: Vec<String> = note.rows.first().into_iter().chain(note.rows.last()).map(|row| row.record.id.to_string()).collect();
        let (fields, wanted) = (["id".to_owned(), self.key_field.clone()], if ends.first() == ends.last() { 1 } else { 2 });
        let found = self.bridge.marketo.people(&self.key_field, ends, &fields).await;
        Ok(found.map_err(|error| SyncError::of_call(Side::Marketo, error))?.people.len() >= wanted)
    }

    async fn rest(&mut self, note: &Note, begun: Timestamp, now: Timestamp) -> Result<(), SyncError> {
        if since(begun, now) < DOUBT_REST {
            self.bulk.resting.add(&note.rows);
            return Ok(());
        }
        let keys: Vec<_> = note.rows.iter().map(Row::key).collect();
        tracing::info!(
            people = note.rows.len(),
            "a file that was given to Marketo without an answer hasn't shown; its people are looked up again"
        );
        self.take_back(&self.gone_of(&note.rows).await?).await?;
        let mut batch = Batch::new();
        note.remove(&mut batch);
        Intent::left_open(self.bridge, keys).close(&mut batch);
        self.bridge.commit(batch).await
    }

    /// Whether somebody whom Marketo doesn't know by external id goes by file, and is looked up by e-mail for that.
    pub(super) fn goes_by_file(&self, candidate: &Candidate, email: &str) -> bool {
        // An import only warns of an address that a call refuses.
        let is_address = is_plain(email) && email.is_ascii() && email.contains('@');
        self.bulk.uses(ImportBy::Email) && !candidate.by_call && is_address
    }

    /// Writes somebody whom Marketo doesn't have into a file, if that can be; else gives it back, to go by a call.
    pub(super) fn create_by_file(&mut self, mut candidate: Candidate) -> Result<Option<Candidate>, SyncError> {
        if email_of(&candidate).is_none_or(|email| !self.goes_by_file(&candidate, email)) {
            return Ok(Some(candidate));
        }
        candidate.by_call = true;
        let write = self.creation(candidate);
        Ok(self.bulk.write(ImportBy::Email, write)?.map(|write| write.candidate))
    }

    /// Writes a person's change into a file, if that can be; else gives it back. Only what is known of nobody else goes that way: a first link, in which
    /// no other record's person is taken over and the brake has stopped nothing.
    pub(super) fn update_by_file(&mut self, write: Write) -> Result<Option<Write>, SyncError> {
        let Write { candidate, how, held_back, .. } = &write;
        let is_plain = candidate.inherits.is_none() && candidate.aliases.is_empty() && *how != How::ReKeyed && !held_back;
        let is_first = !candidate.link.is_confirmed();
        if is_first {
            self.bulk.saw(|sample| sample.changed += 1);
        }
        if !is_plain || !is_first || candidate.by_call || !self.bulk.uses(ImportBy::Id) {
            return Ok(Some(write));
        }
        // A report tells whose row it is by the key.
        let mut row = write.clone();
        row.body.extend(self.keys(write.candidate.entry.record.id));
        Ok(self.bulk.write(ImportBy::Id, row)?.map(|_| write))
    }
}
