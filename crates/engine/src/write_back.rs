//! MSI fields from Marketo to Dynamics (rule R10).
//!
//! Who to look at comes from [`due`]; what to write comes from a fresh read, compared with what Dynamics was seen to hold ([`rows`]). A person
//! leaves the list only when its row is right. Those with whom something has just happened have a list of their own and go first. Here is who goes
//! through which list when; [`round`] is how.

mod allowance;
mod due;
mod round;
mod rows;
mod seen;

pub(crate) use due::everybody;
pub(crate) use seen::{Seen, fields, save_seen, seen};

use std::{collections::BTreeSet, time::Duration};

use base::RecordId;
use tokio_util::sync::CancellationToken;

use allowance::Allowance;
use round::{Ended, List, go_through};

use crate::{bridge::Bridge, error::SyncError, import, prepare::Prepared};

/// People read in one call (Adobe, "Leads": filter values).
const PEOPLE_PER_CALL: usize = 300;

/// How often it is looked whether the list fills a call.
const LOOK: Duration = Duration::from_secs(1);

/// People who were looked at in this cycle and stay on the list: Marketo doesn't show them, or Dynamics doesn't take their row. They aren't read again
/// in it, unless something happens with them.
pub(crate) type Left = BTreeSet<RecordId>;

/// Brings the MSI columns up to date: first of those with whom something has just happened, then of everybody whose turn it is, but for those who
/// were looked at in this cycle and are `left`.
///
/// # Errors
/// When a side can't be reached or the state can't be written. What was written is saved.
pub(crate) async fn write_back(bridge: &Bridge, prepared: &Prepared, mut left: Left) -> Result<(), SyncError> {
    if !bridge.options.write_back.enabled {
        return Ok(());
    }
    {
        let _turn = bridge.writing_back.lock().await;
        due::from_the_map(bridge, prepared).await?;
        due::from_the_sweep(bridge).await?;
    }
    to_its_end(bridge, prepared, &mut left).await
}

/// Begins a round in which everybody is looked at once, and goes through as much of it as one pass may; later passes go on with it.
///
/// # Errors
/// As [`write_back`].
pub(crate) async fn sweep(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    if !bridge.options.write_back.enabled || bridge.options.write_back.sweep_hours == 0 {
        return Ok(());
    }
    {
        let _turn = bridge.writing_back.lock().await;
        due::begin_round(bridge).await?;
    }
    to_its_end(bridge, prepared, &mut Left::new()).await
}

/// Goes through both lists. Whoever becomes urgent meanwhile is seen to first, by this pass or another.
async fn to_its_end(bridge: &Bridge, prepared: &Prepared, left: &mut Left) -> Result<(), SyncError> {
    loop {
        let _turn = bridge.writing_back.lock().await;
        go_through(bridge, prepared, List::Urgent, left).await?;
        if go_through(bridge, prepared, List::Due, left).await? == Ended::Whole {
            return tell_put_off(bridge).await;
        }
    }
}

/// Brings up to date the MSI columns of those with whom something has just happened.
///
/// # Errors
/// As [`write_back`].
pub(crate) async fn write_urgent(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    // Whoever goes through a long list gives it up for those who are urgent, and for nobody else.
    if !bridge.options.write_back.enabled || List::Urgent.count(bridge).await? == 0 {
        return Ok(());
    }
    let _turn = bridge.writing_back.lock().await;
    go_through(bridge, prepared, List::Urgent, &mut Left::new()).await?;
    tell_put_off(bridge).await
}

/// Goes through the list in full calls while others put people on it, until `filled`: calls that nobody else has a use for. Gives who was looked at
/// and stays on it.
///
/// # Errors
/// As [`write_back`].
pub(crate) async fn meanwhile(bridge: &Bridge, prepared: &Prepared, filled: &CancellationToken) -> Result<Left, SyncError> {
    let mut left = Left::new();
    if !bridge.options.write_back.enabled {
        return Ok(left);
    }
    loop {
        // Also where nothing can be done just now: no column to write to, or no rows left today.
        tokio::select! {
            () = filled.cancelled() => return Ok(left),
            () = tokio::time::sleep(LOOK) => {}
        }
        let due = List::Due.count(bridge).await?.saturating_sub(left.len() as u64);
        // People who come by import are read with that.
        if due >= PEOPLE_PER_CALL as u64 && !import::Note::any(bridge).await? {
            let _turn = bridge.writing_back.lock().await;
            go_through(bridge, prepared, List::DueInFullCalls, &mut left).await?;
        }
    }
}

/// Counts who is left for tomorrow, on both lists.
async fn tell_put_off(bridge: &Bridge) -> Result<(), SyncError> {
    let mut people = 0;
    for list in [List::Urgent, List::Due] {
        if Allowance::load(bridge, list).await?.is_used_up(bridge.clock.now()) {
            people += list.count(bridge).await?;
        }
    }
    bridge.count(|summary| summary.written_back.put_off = people);
    Ok(())
}
