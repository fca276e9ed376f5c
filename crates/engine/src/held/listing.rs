//! The outbox, read page by page.

use std::collections::VecDeque;

use base::{Guid, Object, RecordId};
use store::{
    Record, Store, StoreExt,
    record::{Outbox, OutboxState},
};

use super::{HeldRecord, Selection, entry::Understood};
use crate::error::SyncError;

/// Entries read at a time.
const PAGE: usize = 500;

/// What is held, and what waits where that is wanted, in the order in which it is sent: object by object, and by id.
#[derive(Debug)]
pub struct Listing<'a> {
    store: &'a dyn Store,
    selection: Selection,
    waiting: Waiting,
    left: Left,
}

/// What is still to be read.
#[derive(Debug)]
enum Left {
    /// All of these objects; of the first, what comes after this key.
    Objects(VecDeque<Object>, Option<Vec<u8>>),
    /// These records.
    Records(VecDeque<Guid>),
}

/// Whether what waits is listed as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It is.
    Listed,
    /// It isn't.
    LeftOut,
}

impl<'a> Listing<'a> {
    /// A listing of what is meant.
    #[must_use]
    pub fn new(store: &'a dyn Store, selection: Selection, waiting: Waiting) -> Self {
        let left = match selection.ids.is_empty() {
            true => {
                Left::Objects(Object::ALL.into_iter().filter(|object| selection.object.is_none_or(|only| only == *object)).collect(), None)
            }
            false => Left::Records(selection.ids.iter().copied().collect()),
        };
        Self { store, selection, waiting, left }
    }

    /// The next of them; none when there are no more. A page may be empty.
    ///
    /// # Errors
    /// When the state can't be read.
    pub async fn next_page(&mut self) -> Result<Option<Vec<HeldRecord>>, SyncError> {
        Ok(self.next().await?.map(|page| page.into_iter().map(|understood| understood.record).collect()))
    }

    /// The same with the entries themselves.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Understood>>, SyncError> {
        let entries = match &mut self.left {
            Left::Objects(objects, after) => {
                let Some(object) = objects.front() else { return Ok(None) };
                let entries = self.store.list::<Outbox>(&[object.code()], after.as_deref(), PAGE).await?;
                *after = entries.last().map(Record::key);
                if after.is_none() {
                    objects.pop_front();
                }
                entries
            }
            Left::Records(records) => {
                let Some(record) = records.pop_front() else { return Ok(None) };
                entries_of(self.store, record).await?
            }
        };
        Ok(Some(self.chosen(entries).await?))
    }

    async fn chosen(&self, mut entries: Vec<Outbox>) -> Result<Vec<Understood>, SyncError> {
        entries.retain(|entry| match entry.body.state {
            OutboxState::Ready => false,
            OutboxState::Waiting { .. } => self.waiting == Waiting::Listed,
            OutboxState::Held { .. } => true,
        });
        let mut all = Understood::all(self.store, entries).await?;
        all.retain(|understood| self.selection.has(&understood.record));
        Ok(all)
    }
}

/// All entries of a record, whatever they are left as; an opportunity's roles are among its own.
pub(super) async fn entries_of(store: &dyn Store, id: Guid) -> Result<Vec<Outbox>, SyncError> {
    let mut entries = Vec::new();
    for object in Object::ALL {
        entries.extend(store.list::<Outbox>(&Outbox::key_of(object, id, ""), None, usize::MAX).await?);
    }
    Ok(entries)
}

/// All that is left of a record, whatever as; an opportunity's roles with it.
///
/// # Errors
/// When the state can't be read.
pub async fn of_record(store: &dyn Store, id: Guid) -> Result<Vec<HeldRecord>, SyncError> {
    let all = Understood::all(store, entries_of(store, id).await?).await?;
    Ok(all.into_iter().map(|understood| understood.record).collect())
}

/// How many records wait for one of these. Reads the whole outbox.
///
/// # Errors
/// When the state can't be read.
pub async fn waited_for(store: &dyn Store, records: &[RecordId]) -> Result<u64, SyncError> {
    let mut waiting = 0;
    let mut listing = Listing::new(store, Selection::default(), Waiting::Listed);
    while let Some(page) = listing.next_page().await? {
        waiting += page.iter().filter(|record| record.waits_for.is_some_and(|on| records.contains(&on))).count() as u64;
    }
    Ok(waiting)
}
