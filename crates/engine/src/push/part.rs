//! Parting with records that are no longer there for us, in the order children before parents (rule R9).
//!
//! What becomes of each is policy: people are unlinked, kept or deleted, everything else is kept or deleted. What something in scope still
//! refers to stays in sync (`policy.by_reference`) or at least in Marketo. Unlinking is no deletion: the people of deleted rows are unlinked before
//! other people are sent, because one of those may be the same person.

pub(super) mod people;
mod records;

use base::Object;
use store::{
    Batch, StoreExt,
    record::{Link, LinkFlags, MsiDue, Outbox, PersonIndex, record_key},
};

use crate::{
    bridge::Bridge,
    error::SyncError,
    options::{InactivePerson, InactiveRecord, PersonParting, RecordParting},
    prepare::Prepared,
    push::{brake::Brake, gate::Gate},
    task::{Task, Why},
};

/// What a record is after it was parted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parted {
    /// As before.
    Kept,
    /// Without our key.
    Unlinked,
    /// Gone.
    Deleted,
}

/// Parts with what is to be parted with, but for people who were tried before in this push.
pub(super) async fn push(bridge: &Bridge, prepared: &Prepared, brake: &Brake, tried: &people::Tried) -> Result<(), SyncError> {
    records::part(bridge, prepared, brake, Object::Opportunity).await?;
    people::part(bridge, prepared, brake, tried, |_| true).await?;
    records::part(bridge, prepared, brake, Object::Company).await?;
    records::part(bridge, prepared, brake, Object::SalesPerson).await
}

/// What policy says.
pub(super) fn parting(bridge: &Bridge, object: Object, why: Why) -> Parted {
    let options = &bridge.options;
    let policy = match why {
        Why::Deleted => options.on_delete,
        Why::Left => options.on_leave,
        Why::Inactive => {
            return match object {
                Object::Lead => match options.on_inactive.person {
                    InactivePerson::Unlink => Parted::Unlinked,
                    InactivePerson::Delete => Parted::Deleted,
                    InactivePerson::Keep | InactivePerson::Sync => Parted::Kept,
                },
                Object::Company => match options.on_inactive.company {
                    InactiveRecord::Delete => Parted::Deleted,
                    InactiveRecord::Keep | InactiveRecord::Sync => Parted::Kept,
                },
                Object::SalesPerson | Object::Opportunity | Object::Role => Parted::Kept,
            };
        }
    };
    let record = match object {
        Object::Lead => {
            return match policy.person {
                PersonParting::Unlink => Parted::Unlinked,
                PersonParting::Keep => Parted::Kept,
                PersonParting::Delete => Parted::Deleted,
            };
        }
        Object::SalesPerson => policy.sales_person,
        Object::Company => policy.company,
        Object::Opportunity | Object::Role => policy.opportunity,
    };
    match record {
        RecordParting::Keep => Parted::Kept,
        RecordParting::Delete => Parted::Deleted,
    }
}

/// Records to be parted with, a page at a time.
struct Entries<'a> {
    bridge: &'a Bridge,
    gate: Gate<'a>,
    object: Object,
    after: Option<Vec<u8>>,
}

/// Outbox records looked at at a time.
const PAGE: usize = 300;

impl<'a> Entries<'a> {
    fn new(bridge: &'a Bridge, prepared: &Prepared, object: Object) -> Self {
        Self { bridge, gate: Gate::new(bridge, prepared.retry_held), object, after: None }
    }

    /// The next of them; none when there are no more.
    async fn next(&mut self) -> Result<Option<Vec<(Outbox, Why)>>, SyncError> {
        let page = self.bridge.store.list::<Outbox>(&[self.object.code()], self.after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = Some(store::Record::key(last));
        let now = self.bridge.clock.now();
        let mut found = Vec::new();
        for entry in page {
            if let Task::Part(why) = Task::of(&entry)?
                && self.gate.may_try(&entry, now)
            {
                found.push((entry, why));
            }
        }
        Ok(Some(found))
    }
}

/// Marketo has nothing of ours under this record any more. A person that still exists there is remembered, in case the row comes back.
pub(super) fn forget(mut link: Link, parted: Parted, batch: &mut Batch) {
    if let Some(marketo_id) = link.marketo_id.filter(|_| link.record.table.object() == Some(Object::Lead)) {
        batch.remove::<PersonIndex>(PersonIndex::key_of(marketo_id));
        batch.remove::<MsiDue>(record_key(link.record));
    }
    link.flags = link.flags.with(LinkFlags::CONFIRMED, false).with(LinkFlags::KEY_IN_DOUBT, false);
    link.confirmed = Vec::new();
    link.stored_key = None;
    link.marketo_id = link.marketo_id.filter(|_| parted == Parted::Unlinked);
    batch.put(&link);
}
