//! What answers to written people mean: confirmed, lost, or tried again.

use std::collections::BTreeSet;

use base::{Object, RecordId, Table, Timestamp};
use store::{
    Batch,
    record::{Link, LinkFlags, MsiDue, Outbox, PersonIndex, record_key, role::SourceBy},
};

use crate::{
    capture::dirty_by,
    codes::Ours,
    error::SyncError,
    noticed::lost,
    push::{
        absent::{absent, may_be_its_parents},
        alias::aliases_of,
        gate::{again_or_hold, hold, parents, refuse, settled},
        outcome::Failure,
        person::{Candidate, How, Pusher, Write, email_of},
        person_calls::Kind,
        pieces::Fate,
    },
};

/// How often a record goes back to the first stage in one cycle.
pub(super) const TRIES_MAX: u8 = 3;

/// By how much the batch of a record shrinks each time that Marketo fails over it: 300, 17, 1.
const BATCH_SHRINKS_BY: usize = 17;

/// In how many cycles a record's answers may not fit together before it is held.
const CYCLES_MAX: u32 = 3;

impl Pusher<'_> {
    /// The person that we knew is gone: merged or deleted behind our back. It is looked for again.
    pub(super) async fn lost(&mut self, mut candidate: Candidate, batch: &mut Batch) -> Result<(), SyncError> {
        tracing::info!(record = %candidate.entry.record, "its Marketo person is gone; it is looked for again");
        if let Some(person) = candidate.link.marketo_id.take() {
            batch.put(&lost::note(person, self.bridge.clock.now()));
        }
        // A known person was not asked who else it is.
        let record = candidate.entry.record;
        candidate.aliases = aliases_of(self.bridge, &[record]).await?.remove(&record).unwrap_or_default();
        candidate.inherits = None;
        candidate.link.confirmed = Vec::new();
        candidate.link.flags = candidate.link.flags.with(LinkFlags::CONFIRMED, false);
        batch.put(&candidate.link);
        // Its roles are gone with it, or with whom it was merged into.
        dirty_by(self.bridge, SourceBy::Contact, candidate.entry.record.id).await?;
        self.again(candidate);
        Ok(())
    }

    /// Back to the first stage, unless it has been there too often. Then it stays in the outbox: the next cycle begins with the same question.
    fn again(&mut self, mut candidate: Candidate) {
        candidate.tries += 1;
        if candidate.tries > 1 {
            candidate.batch_max = (candidate.batch_max / BATCH_SHRINKS_BY).max(1);
        }
        if candidate.tries < TRIES_MAX {
            self.queue_lookup(candidate);
        } else {
            self.done += 1;
        }
    }

    /// Nobody knows what became of it. Where Marketo fails over its batch, it may be to blame: it is tried in ever smaller ones.
    fn unknown(&mut self, mut candidate: Candidate, doubt: Option<Failure>, now: Timestamp, batch: &mut Batch) {
        let Some(failure) = doubt else { return self.again(candidate) };
        if candidate.batch_max > 1 {
            candidate.batch_max /= BATCH_SHRINKS_BY;
            return self.queue_lookup(candidate);
        }
        batch.put(&again_or_hold(&candidate.entry, &failure, now));
        self.done += 1;
    }

    /// Marketo's answers don't fit together: it is looked at again in the next cycle, and after a few of them a person has to.
    pub(super) fn put_off(&mut self, candidate: Candidate, batch: &mut Batch) {
        let mut entry = candidate.entry;
        entry.body.attempts += 1;
        if entry.body.attempts < CYCLES_MAX {
            batch.put(&entry);
        } else {
            let reason = "Marketo says that this person exists and doesn't show it; it may be in a partition or workspace that the API user \
                          can't read";
            batch.put(&hold(&entry, Ours::HiddenPerson, reason, self.bridge.clock.now()));
        }
        self.done += 1;
    }

    pub(super) async fn after_write(
        &mut self,
        kind: Kind,
        write: Write,
        fate: Fate,
        absent: &BTreeSet<RecordId>,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        if kind == Kind::Create
            && let Some(email) = email_of(&write.candidate)
        {
            let waiting = self.creating.remove(&email.to_lowercase()).unwrap_or_default();
            match fate {
                // Nobody had it before: whoever has it now is that record's person, so that these get persons of their own. No call is made for that.
                Fate::Confirmed { created: true, .. } if self.external_lookup.is_some() => {
                    for candidate in waiting {
                        self.queue_external(candidate, batch).await?;
                    }
                }
                Fate::Confirmed { .. } | Fate::Refused(_) | Fate::Unknown(_) => self.same_email.extend(waiting),
            }
        }
        let now = self.bridge.clock.now();
        match fate {
            Fate::Confirmed { id, created } => {
                self.bulk.saw(|sample| sample.created += u64::from(kind == Kind::Create));
                self.confirm(write, Some((id, created)), batch);
            }
            Fate::Unknown(doubt) => self.unknown(write.candidate, doubt, now, batch),
            Fate::Refused(failure) => self.refused(kind, write.candidate, failure, absent, batch).await?,
        }
        Ok(())
    }

    async fn refused(
        &mut self,
        kind: Kind,
        mut candidate: Candidate,
        failure: Failure,
        absent: &BTreeSet<RecordId>,
        batch: &mut Batch,
    ) -> Result<(), SyncError> {
        let now = self.bridge.clock.now();
        match (kind, failure.code.as_str()) {
            (Kind::Create, "1005" | "1007" | "1017") => {
                candidate.email_exists = true;
                self.bulk.saw(|sample| sample.exists += 1);
                self.email.push(candidate);
                self.fill_email();
            }
            // Who has its key can't be seen.
            (Kind::CreateExternal, "1005" | "1017") if candidate.tries + 1 >= TRIES_MAX => self.put_off(candidate, batch),
            (Kind::CreateExternal, "1005" | "1017") => self.again(candidate),
            (Kind::Update, "1004") => self.lost(candidate, batch).await?,
            (Kind::Create | Kind::CreateExternal | Kind::Update | Kind::Lookup | Kind::ByEmail | Kind::Read | Kind::ReadBack, _) => {
                let lost = parents(&candidate.desired).filter(|parent| absent.contains(parent)).collect();
                refuse(self.bridge, &candidate.entry, &failure, lost, now, batch).await?;
                self.done += 1;
            }
        }
        Ok(())
    }

    /// What refused records refer to and Marketo doesn't have.
    pub(super) async fn absent_parents(&self, fates: &[(Write, Fate)]) -> Result<BTreeSet<RecordId>, SyncError> {
        let is_doubtful = |fate: &Fate| matches!(fate, Fate::Refused(failure) if may_be_its_parents(&failure.code));
        let refused = fates.iter().filter(|(_, fate)| is_doubtful(fate));
        absent(self.bridge, &refused.flat_map(|(write, _)| parents(&write.candidate.desired)).collect()).await
    }

    /// Marketo has it: only now do fingerprints move. Gives what is known of it now.
    pub(super) fn confirm(&mut self, write: Write, answered: Option<(Option<i64>, bool)>, batch: &mut Batch) -> Link {
        let Write { candidate, fields, confirmed, body, how, held_back } = write;
        let Candidate { entry, mut link, inherits, .. } = candidate;
        if let Some(mut alias) = inherits {
            // Its person is this record's now: its own link leads nowhere any more.
            batch.remove::<MsiDue>(record_key(alias.record));
            alias.marketo_id = None;
            alias.confirmed = Vec::new();
            alias.flags = alias.flags.with(LinkFlags::CONFIRMED, false).with(LinkFlags::KEY_IN_DOUBT, false);
            batch.put(&alias);
            batch.remove::<Outbox>(Outbox::key_of(Object::Lead, alias.record.id, ""));
        }
        let was_linked = link.is_confirmed();
        link.marketo_id = answered.and_then(|(id, _)| id).or(link.marketo_id);
        link.confirmed = confirmed.write();
        // One that was on its way when its key came to be doubted says nothing of it.
        let in_doubt = self.doubted.contains(&link.record) && !body.has_key(&self.key_field);
        link.flags = link.flags.with(LinkFlags::CONFIRMED, true).with(LinkFlags::KEY_IN_DOUBT, in_doubt);
        batch.put(&link);
        settled(&entry, held_back, batch);
        if !was_linked && link.record.table == Table::Contact && self.any_roles {
            self.relinked.push(link.record.id);
        }
        if let Some(marketo_id) = link.marketo_id.filter(|_| !was_linked) {
            batch.put(&PersonIndex { marketo_id, record: link.record });
            batch.put(&MsiDue { record: link.record });
        }
        self.done += 1;
        self.bridge.count(|summary| {
            let line = summary.pushed(Object::Lead);
            match answered {
                Some((_, true)) => line.created += 1,
                Some((_, false)) => line.updated += 1,
                None if was_linked => {}
                None => line.linked += 1,
            }
            line.adopted += u64::from(how == How::Adopted);
            line.rekeyed += u64::from(how == How::ReKeyed);
            line.fields += if body.is_empty() { 0 } else { fields as u64 };
        });
        link
    }
}
