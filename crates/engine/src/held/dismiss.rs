//! On request: a record leaves the outbox and isn't tried again until something else would be sent.
//!
//! What happens to it then is told by [`super::dismissed`]. What waits for it goes on waiting: it can't be sent without it.

use std::collections::BTreeSet;

use base::{Guid, RecordId};
use serde::Serialize;
use store::{
    Batch, Record, StoreError, StoreExt,
    record::{Fact, Outbox},
};

use super::{
    Dismissal, HeldRecord, State,
    dismissed::print,
    doubt::Doubts,
    entry::Understood,
    listing::{entries_of, waited_for},
};
use crate::{bridge::Bridge, error::SyncError, prepare::saved_key, push::load_links, task::is_merged};

/// What is to be dismissed, and what can't be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dismissing {
    /// Records that leave the outbox.
    pub records: Vec<HeldRecord>,
    /// Records that stay, each with the reason.
    pub stay: Vec<Stays>,
    /// How many others wait for them.
    pub waited_for_by: u64,
}

/// A record that can't be dismissed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stays {
    /// The record.
    pub record: HeldRecord,
    /// Why.
    pub why: &'static str,
}

const IS_READY: &str = "the next sync sends it; dismiss it when it is held";
const IS_MERGED: &str = "Marketo has merged its person, and the one that is left has yet to be read back; run sync";
const IN_A_FILE: &str = "it is in a file that Marketo works through; run sync until that is done";
const IS_THERE: &str = "Marketo has it, by a call that was never answered; run sync, which takes it in";

/// Finds what is left of these records. Not while a pass is changing the outbox.
///
/// # Errors
/// When the state can't be read; or a side, where a call was never answered and Marketo has to be asked what came of it.
pub async fn find(bridge: &Bridge, ids: &[Guid]) -> Result<Dismissing, SyncError> {
    let mut found = Dismissing { records: Vec::new(), stay: Vec::new(), waited_for_by: 0 };
    let mut doubts = Doubts::load(bridge).await?;
    for id in ids {
        for understood in Understood::all(&*bridge.store, entries_of(&*bridge.store, *id).await?).await? {
            let why = match () {
                () if is_merged(&understood.entry) => Some(IS_MERGED),
                () if doubts.is_in_a_file(&understood.entry) => Some(IN_A_FILE),
                () if understood.record.state == State::Ready => Some(IS_READY),
                () if doubts.may_be_ours(&understood.entry).await? => Some(IS_THERE),
                () => None,
            };
            match why {
                Some(why) => found.stay.push(Stays { record: understood.record, why }),
                None => found.records.push(understood.record),
            }
        }
    }
    let waited: BTreeSet<RecordId> = found.records.iter().filter(|record| record.part.is_none()).map(HeldRecord::record).collect();
    if !waited.is_empty() {
        found.waited_for_by = waited_for(&*bridge.store, &waited.into_iter().collect::<Vec<_>>()).await?;
    }
    Ok(found)
}

/// Dismisses what was found, as decided by somebody for some reason. Not while a pass is changing the outbox.
///
/// # Errors
/// When the state can't be read or written, or the lease is gone; or a side can't be read, where a call was never answered.
pub async fn dismiss(bridge: &Bridge, found: &Dismissing, by: &str, why: &str) -> Result<(), SyncError> {
    let mut doubts = Doubts::load(bridge).await?;
    let unreadable = || StoreError::Unreadable { what: "fact", why: "the key of the fingerprints is missing".into() };
    let key = saved_key(&*bridge.store).await?.ok_or_else(unreadable)?;
    for record in &found.records {
        let part = record.part.as_deref().unwrap_or_default();
        let Some(entry) = bridge.store.read_one::<Outbox>(Outbox::key_of(record.object, record.id, part)).await? else { continue };
        let _links = bridge.links.lock().await;
        let link = load_links(bridge, &BTreeSet::from([entry.record])).await?.remove(&entry.record);
        let mut batch = Batch::new();
        // What may have been done without anybody having heard of it is known only to whoever is in the outbox.
        let link = doubts.remember(&entry, link, &mut batch).await?;
        let dismissal = Dismissal {
            record: HeldRecord { retry_at: None, ..record.clone() },
            dismissed_at: bridge.clock.now(),
            by: by.to_owned(),
            why: why.to_owned(),
            print: print(&entry.body.desired, key),
            linked: entry.part.is_empty() && link.is_some_and(|link| link.is_confirmed()),
        };
        batch.put::<Fact>(&dismissal.fact());
        batch.remove::<Outbox>(entry.key());
        bridge.commit(batch).await?;
        tracing::info!(record = %entry.record, object = entry.object.name(), by, "dismissed");
    }
    Ok(())
}
