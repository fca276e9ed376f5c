//! People who are created: only if no person has their e-mail, or by external id.

use std::collections::{BTreeMap, btree_map::Entry};

use planner::{
    Fingerprints,
    diff::{Known, change},
    pack::{EMAILS_MAX, Packer},
};
use store::{Batch, Record};

use crate::{
    codes::Ours,
    error::SyncError,
    import::ImportBy,
    push::{
        body::Body,
        gate::hold,
        person::{Candidate, How, Pusher, Write, email_of},
        person_calls::Call,
    },
};

impl Pusher<'_> {
    pub(super) fn creation(&self, candidate: Candidate) -> Write {
        let map = self.prepared.map(candidate.entry.record.table);
        let doubts = Fingerprints::read(&candidate.link.confirmed);
        let change = map.map(|map| change(map, &candidate.desired, &doubts, self.prepared.key, Known::Nothing)).unwrap_or_default();
        let fields = change.len();
        let (mut record, confirmed) = candidate.fields_of(change);
        record.extend(self.keys(candidate.entry.record.id));
        if let Some(name) = &candidate.desired.company_name {
            record.insert("company".into(), name.clone().into());
        }
        Write { candidate, fields, confirmed, body: Body::Fields(record), how: How::Ours, held_back: false }
    }

    pub(super) async fn queue_create(&mut self, candidate: Candidate, batch: &mut Batch) -> Result<(), SyncError> {
        let Some(email) = email_of(&candidate).map(str::to_lowercase) else {
            return self.queue_external(candidate, batch).await;
        };
        if !self.bulk.takes_email(&email) && !candidate.by_call {
            self.bulk.leave_behind();
            return Ok(());
        }
        // Whose creation isn't planned is somebody whom Marketo has: the call that creates only who isn't there would be made in vain.
        let is_known = candidate.tries == 0 && !self.bridge.hand.may_create(&candidate.entry.key());
        if is_known || self.goes_by_file(&candidate, &email) {
            self.email.push(candidate);
            self.fill_email();
            return Ok(());
        }
        match self.creating.entry(email) {
            Entry::Occupied(mut taken) => {
                taken.get_mut().push(candidate);
                return Ok(());
            }
            Entry::Vacant(free) => drop(free.insert(Vec::new())),
        }
        let write = self.creation(candidate);
        if let Some(writes) = push_sized(&mut self.create, write, &self.key_field) {
            self.full.push_back(Call::Create(writes));
        }
        Ok(())
    }

    pub(super) fn fill_email(&mut self) {
        if self.email.len() >= EMAILS_MAX {
            self.full.push_back(Call::ByEmail(std::mem::take(&mut self.email)));
        }
    }

    /// Created by external id, where Marketo can: someone else's e-mail, or none.
    pub(super) async fn queue_external(&mut self, candidate: Candidate, batch: &mut Batch) -> Result<(), SyncError> {
        let can = match self.external_lookup {
            Some(can) => can,
            None => {
                let can = self.bridge.probe_external_lookup(&self.key_field).await?;
                self.external_lookup = Some(can);
                can
            }
        };
        if !can {
            let reason = format!(
                "it has no e-mail of its own, and this subscription doesn't create people by {}; give it an e-mail in Dynamics, or name a custom \
                 key field in keys.person",
                self.key_field
            );
            batch.put(&hold(&candidate.entry, Ours::NoEmailOfItsOwn, reason, self.bridge.clock.now()));
            self.done += 1;
            return Ok(());
        }
        if email_of(&candidate).is_none() {
            self.bulk.saw(|sample| sample.without_email += 1);
        }
        let by_call = candidate.by_call;
        let mut write = self.creation(candidate);
        if !by_call {
            let Some(given_back) = self.bulk.write(ImportBy::Key, write)? else { return Ok(()) };
            write = given_back;
        }
        if let Some(writes) = push_sized(&mut self.create_external, write, &self.key_field) {
            self.full.push_back(Call::CreateExternal(writes));
        }
        Ok(())
    }
}

fn push_sized(packers: &mut BTreeMap<usize, Packer<Write>>, mut write: Write, key_field: &str) -> Option<Vec<Write>> {
    let (bytes, records_max) = (write.body.pack(key_field), write.candidate.batch_max);
    packers.entry(records_max).or_insert_with(|| Packer::new(records_max)).push(write, bytes)
}
