//! What may have been done for a record without anybody having heard of it, when it leaves the outbox without being done.
//!
//! While a record is in the outbox, a note of the call is kept (`intent.rs`), and whatever becomes of its row takes back what may have
//! arrived. Nobody looks at that note once the record is gone, so that the link has to remember it.

use base::{Object, RecordId, Table};
use planner::{Fingerprints, diff::unsure};
use store::{
    Batch, Record,
    record::{Link, LinkFlags, Outbox, Role},
};

use crate::{
    bridge::Bridge,
    error::SyncError,
    import::in_files,
    intent::{MaybeSent, maybe_sent},
    prepare::{Prepared, prepare},
    push::{Wish, has_it, load_links, read_wish},
    task::Task,
};

/// What is open, and what is needed to settle it.
pub(super) struct Doubts<'a> {
    bridge: &'a Bridge,
    maybe_sent: MaybeSent,
    in_files: MaybeSent,
    /// Both sides' metadata: read only where there is a doubt.
    prepared: Option<Prepared>,
}

impl<'a> Doubts<'a> {
    pub(super) async fn load(bridge: &'a Bridge) -> Result<Self, SyncError> {
        Ok(Self { bridge, maybe_sent: maybe_sent(bridge).await?, in_files: in_files(bridge).await?, prepared: None })
    }

    /// Whether it is in a file that Marketo was given.
    pub(super) fn is_in_a_file(&self, entry: &Outbox) -> bool {
        self.in_files.contains(&entry.key())
    }

    /// Whether Marketo has it although nobody has heard of it: asked where a call that may have created it was never answered.
    pub(super) async fn may_be_ours(&mut self, entry: &Outbox) -> Result<bool, SyncError> {
        if entry.object == Object::Role || !self.maybe_sent.contains(&entry.key()) {
            return Ok(false);
        }
        let bridge = self.bridge;
        let link = load_links(bridge, &[entry.record].into()).await?.remove(&entry.record);
        if link.is_some_and(|link| link.is_confirmed()) {
            return Ok(false);
        }
        has_it(bridge, self.prepared().await?, entry).await
    }

    /// Puts into the link what may have been done, and gives it as it is then.
    pub(super) async fn remember(&mut self, entry: &Outbox, link: Option<Link>, batch: &mut Batch) -> Result<Option<Link>, SyncError> {
        if !self.maybe_sent.contains(&entry.key()) {
            return Ok(link);
        }
        if entry.object == Object::Role {
            self.remember_role(entry, batch).await?;
            return Ok(link);
        }
        let Some(mut link) = link.filter(Link::is_confirmed) else { return Ok(None) };
        match Task::of(entry)? {
            Task::Send(sent) => {
                let prepared = self.prepared().await?;
                let map = prepared.map(entry.record.table)?;
                link.confirmed = unsure(map, &sent, &Fingerprints::read(&link.confirmed), prepared.key).write();
            }
            Task::Join(_) | Task::Part(_) if entry.object == Object::Lead => {
                link.flags = link.flags.with(LinkFlags::KEY_IN_DOUBT, true);
            }
            Task::Join(_) | Task::Part(_) => {
                link.flags = link.flags.with(LinkFlags::CONFIRMED, false);
                link.confirmed = Vec::new();
            }
        }
        batch.put(&link);
        Ok(Some(link))
    }

    /// A role that may be there counts as one of which that isn't sure: once it isn't wanted any more, it is removed.
    async fn remember_role(&self, entry: &Outbox, batch: &mut Batch) -> Result<(), SyncError> {
        let Some(Wish::Keep { contact, name, primary }) = read_wish(entry) else { return Ok(()) };
        let person = RecordId::new(Table::Contact, contact);
        let link = load_links(self.bridge, &[person].into()).await?.remove(&person);
        if let Some(lead_id) = link.and_then(|link| link.marketo_id) {
            batch.put(&Role { opportunity: entry.record.id, contact, name, lead_id, is_primary: primary, in_doubt: true });
        }
        Ok(())
    }

    async fn prepared(&mut self) -> Result<&Prepared, SyncError> {
        match self.prepared.take() {
            Some(prepared) => Ok(self.prepared.insert(prepared)),
            None => Ok(self.prepared.insert(prepare(self.bridge).await?)),
        }
    }
}
