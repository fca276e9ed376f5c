//! Whether a bridge is paused: kept in the state, so that a restart changes nothing about it.
//!
//! It concerns the passes of a process that serves. What somebody asks for by a command is done all the same.

use base::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Batch, Fence, Store, StoreError, StoreExt, record::Fact};

/// The fact that is there while a bridge is paused.
const PAUSED_FACT: &str = "paused";

#[derive(Debug, Serialize, Deserialize)]
struct Paused {
    since: Timestamp,
}

/// Since when it is paused; none where it isn't.
///
/// # Errors
/// When the state can't be read.
pub async fn pause_since(store: &dyn Store) -> Result<Option<Timestamp>, StoreError> {
    let Some(fact) = store.read_one::<Fact>(PAUSED_FACT.into()).await? else { return Ok(None) };
    let unreadable = |error: serde_json::Error| StoreError::Unreadable { what: PAUSED_FACT, why: error.to_string() };
    Ok(Some(serde_json::from_value::<Paused>(fact.value).map_err(unreadable)?.since))
}

/// Pauses it, or resumes it.
///
/// # Errors
/// When the state can't be written, or the lease is gone.
pub async fn set_paused(store: &dyn Store, fence: Fence, since: Option<Timestamp>) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    match since {
        Some(since) => batch.put(&Fact { name: PAUSED_FACT.into(), value: serde_json::to_value(Paused { since }).unwrap_or_default() }),
        None => batch.remove::<Fact>(PAUSED_FACT.into()),
    }
    store.commit(fence, batch).await
}
