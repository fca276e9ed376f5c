//! On request: held records are tried in the next cycle, whatever rest they have left, and dismissed ones are asked for again.
//!
//! A record stays held, with its code and its words, until it has really been tried. Its rest is cut short, and a rest that was cut short
//! isn't counted in the small budget of what is tried again by itself.

use std::collections::BTreeMap;

use serde::Serialize;
use store::{
    Batch,
    record::{Outbox, OutboxState},
};

use super::{
    Selection,
    dismissed::{Dismissals, take_back},
    listing::{Listing, Waiting},
};
use crate::{bridge::Bridge, error::SyncError, push::PARENT_MISSING};

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// Records that the next cycle tries, by the code that holds them.
    pub retried: BTreeMap<String, u64>,
    /// Records that only wait for another: they are looked at in every cycle anyway.
    pub waiting: u64,
    /// Dismissed records that are asked for again.
    pub taken_back: u64,
}

impl Retried {
    /// Records that the next cycle tries.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.retried.values().sum::<u64>() + self.taken_back
    }
}

/// Which are meant, besides what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only what is held.
    Held,
    /// Only what was dismissed.
    Dismissed,
    /// Both.
    Both,
}

/// Has those that are meant tried in the next cycle. Not while a pass is changing the outbox.
///
/// # Errors
/// When the state can't be read or written, or the lease is gone.
pub async fn retry(bridge: &Bridge, selection: &Selection, reach: Reach) -> Result<Retried, SyncError> {
    let mut done = Retried::default();
    if reach != Reach::Dismissed {
        let mut listing = Listing::new(&*bridge.store, selection.clone(), Waiting::Listed);
        while let Some(page) = listing.next().await? {
            let mut batch = Batch::new();
            for understood in page {
                match cut_short(understood.entry) {
                    Some((code, entry)) => {
                        *done.retried.entry(code).or_default() += 1;
                        batch.put(&entry);
                    }
                    None => done.waiting += 1,
                }
            }
            bridge.commit(batch).await?;
        }
    }
    if reach != Reach::Held {
        let mut dismissals = Dismissals::new(&*bridge.store, selection.clone());
        while let Some(page) = dismissals.next_page().await? {
            let mut batch = Batch::new();
            page.iter().for_each(|dismissal| take_back(dismissal, &mut batch));
            bridge.commit(batch).await?;
            done.taken_back += page.len() as u64;
        }
    }
    Ok(done)
}

/// A held record without its rest; none of one that only waits.
fn cut_short(mut entry: Outbox) -> Option<(String, Outbox)> {
    let since = entry.body.since;
    match &mut entry.body.state {
        OutboxState::Held { code, retry_at, .. } if code != PARENT_MISSING => {
            *retry_at = since;
            Some((code.clone(), entry))
        }
        OutboxState::Held { .. } | OutboxState::Waiting { .. } | OutboxState::Ready => None,
    }
}
