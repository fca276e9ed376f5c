//! How many records of an object wait or are held, as the outbox says.

use std::collections::{BTreeMap, BTreeSet};

use base::{Object, RecordId, Timestamp};
use store::{
    Record, Store, StoreError, StoreExt,
    record::{Outbox, OutboxState},
};

use crate::{bridge::Bridge, error::SyncError};

/// Outbox records read at a time.
const PAGE: usize = 1_000;

/// What of an object is left in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// Not yet tried, or to be tried again.
    pub ready: u64,
    /// Waiting for something they refer to.
    pub waiting: u64,
    /// Held, by code.
    pub held: BTreeMap<String, u64>,
    /// Since when the oldest of those has been there that aren't held.
    pub oldest: Option<Timestamp>,
}

/// Counts what is left of an object.
///
/// # Errors
/// When the state can't be read.
pub async fn left(store: &dyn Store, object: Object) -> Result<Left, StoreError> {
    let mut left = Left::default();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let entries = store.list::<Outbox>(&[object.code()], after.as_deref(), PAGE).await?;
        let Some(last) = entries.last() else { return Ok(left) };
        after = Some(last.key());
        entries.into_iter().for_each(|entry| left.add(entry));
    }
}

/// Counts what is left of these records.
async fn left_of(bridge: &Bridge, object: Object, only: &BTreeSet<RecordId>) -> Result<Left, SyncError> {
    let mut left = Left::default();
    for record in only {
        let entries = bridge.store.list::<Outbox>(&Outbox::key_of(object, record.id, ""), None, PAGE).await?;
        entries.into_iter().for_each(|entry| left.add(entry));
    }
    Ok(left)
}

impl Left {
    fn add(&mut self, entry: Outbox) {
        match entry.body.state {
            OutboxState::Ready => self.ready += 1,
            OutboxState::Waiting { .. } => self.waiting += 1,
            OutboxState::Held { code, .. } => {
                *self.held.entry(code).or_default() += 1;
                return;
            }
        }
        self.oldest = Some(self.oldest.map_or(entry.body.since, |oldest| oldest.min(entry.body.since)));
    }
}

pub(super) async fn count_left(bridge: &Bridge, object: Object) -> Result<(), SyncError> {
    let left = match &bridge.run.only {
        None => left(&*bridge.store, object).await?,
        Some(only) => left_of(bridge, object, only).await?,
    };
    bridge.count(|summary| {
        let line = summary.pushed(object);
        line.waiting = left.waiting + left.ready;
        line.held = left.held;
    });
    Ok(())
}
