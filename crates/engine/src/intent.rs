//! What is about to be sent, noted before it is (read, plan, save intent, send, save outcome).
//!
//! A record in the outbox may have been sent although nobody heard what came of it: its process died, or the answer never came. Only then
//! does a later change have to take back what may have arrived. So each call that writes is preceded by the keys of its records, and its
//! outcome takes them away again.

use std::collections::BTreeSet;

use serde_json::Value;
use store::{Batch, StoreExt, record::Fact};

use crate::{bridge::Bridge, error::SyncError, import::in_files};

/// Facts that hold keys of the outbox, one for each call under way.
const INTENT_FACT: &str = "intent/";

/// The one that holds what calls of earlier cycles have left open.
const OPEN_FACT: &str = "intent/open";

/// Keys of outbox records that may have been sent, and of which nobody knows.
pub(crate) type MaybeSent = BTreeSet<Vec<u8>>;

/// The note of one call.
#[derive(Debug, Default)]
pub(crate) struct Intent {
    name: String,
    /// What stays open: keys of records of which nobody knows what became.
    pub(crate) open: Vec<Vec<u8>>,
}

impl Intent {
    /// A note of what was sent already, and of which nobody knows what became.
    pub(crate) fn left_open(bridge: &Bridge, open: Vec<Vec<u8>>) -> Self {
        Self { name: format!("{INTENT_FACT}{}/{}", bridge.fence.0, bridge.next_number()), open }
    }

    /// Notes that these records are about to be sent.
    pub(crate) async fn note(bridge: &Bridge, keys: Vec<Vec<u8>>) -> Result<Self, SyncError> {
        let name = format!("{INTENT_FACT}{}/{}", bridge.fence.0, bridge.next_number());
        let mut batch = Batch::new();
        put(&name, &keys, &mut batch);
        bridge.commit(batch).await?;
        Ok(Self { name, open: Vec::new() })
    }

    /// The call was answered: only what is open stays noted.
    pub(crate) fn close(&self, batch: &mut Batch) {
        put(&self.name, &self.open, batch);
    }
}

/// What may have been sent in earlier cycles, or in this one.
pub(crate) async fn maybe_sent(bridge: &Bridge) -> Result<MaybeSent, SyncError> {
    let mut keys = MaybeSent::new();
    for fact in all(bridge).await? {
        keys.extend(fact.value.as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(unhex));
    }
    keys.append(&mut in_files(bridge).await?);
    Ok(keys)
}

/// Keeps only what is still open of all notes.
pub(crate) async fn keep(bridge: &Bridge, open: &MaybeSent) -> Result<(), SyncError> {
    let noted = all(bridge).await?;
    if noted.is_empty() && open.is_empty() {
        return Ok(());
    }
    let mut batch = Batch::new();
    for fact in noted {
        batch.remove::<Fact>(fact.name.into());
    }
    put(OPEN_FACT, &open.iter().cloned().collect::<Vec<_>>(), &mut batch);
    bridge.commit(batch).await
}

async fn all(bridge: &Bridge) -> Result<Vec<Fact>, SyncError> {
    Ok(bridge.store.list::<Fact>(INTENT_FACT.as_bytes(), None, usize::MAX).await?)
}

fn put(name: &str, keys: &[Vec<u8>], batch: &mut Batch) {
    if keys.is_empty() {
        return batch.remove::<Fact>(name.into());
    }
    let keys: Vec<Value> = keys.iter().map(|key| hex(key).into()).collect();
    batch.put(&Fact { name: name.to_owned(), value: keys.into() });
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().as_chunks::<2>().0;
    digits.iter().map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}
