//! People looked up before their turn: while companies are sent and people are still being read, the quota has calls to spare.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base::{Guid, Object};
use futures::{StreamExt, stream::FuturesUnordered};
use planner::pack::RECORDS_MAX;
use tokio_util::sync::CancellationToken;

use super::spelling::Spellings;
use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    prepare::Prepared,
};

/// How often it is looked whether those who were read fill a call.
const LOOK: Duration = Duration::from_millis(500);

/// People looked up ahead at most; each takes some 30 bytes until people are sent.
const AHEAD_MAX: usize = 40_000;

/// One in so many may be found: whoever is has to be looked up again when its turn comes, because found people are large.
const FOUND_MAX: usize = 20;

/// Who may be looked up ahead, and who was in vain.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// External ids that were read and not asked for yet; none while nobody is looked up ahead.
    offered: Option<Vec<Guid>>,
    /// How many were offered.
    count: usize,
    /// External ids under which Marketo was seen to have nobody a short while ago.
    absent: HashSet<Guid>,
}

impl Ahead {
    /// Somebody was read who is to be sent, or stands for somebody who is.
    pub(crate) fn offer(&self, id: Guid) {
        let state = &mut *self.state();
        if let Some(offered) = state.offered.as_mut().filter(|_| state.count < AHEAD_MAX) {
            offered.push(id);
            state.count += 1;
        }
    }

    /// Under which of these Marketo was seen to have nobody.
    pub(super) fn absent_of(&self, ids: impl Iterator<Item = Guid>) -> Vec<Guid> {
        let state = self.state();
        ids.filter(|id| state.absent.contains(id)).collect()
    }

    /// What was seen is too long ago, or of no more use.
    pub(crate) fn forget(&self) {
        *self.state() = State::default();
    }

    /// As many as fill a call.
    fn take(&self) -> Option<Vec<Guid>> {
        let mut state = self.state();
        let offered = state.offered.get_or_insert_default();
        let first = offered.len().checked_sub(RECORDS_MAX)?;
        Some(offered.split_off(first))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks up who is read, in full calls, until `over`. Who isn't found needs no look-up when its turn comes, unless Marketo turns out to hold keys
/// in other spellings too.
///
/// # Errors
/// When Marketo can't be asked, or the state can't be read.
pub(crate) async fn look_ahead(bridge: &Bridge, prepared: &Prepared, over: &CancellationToken) -> Result<(), SyncError> {
    let looked = look_up(bridge, prepared, over).await;
    bridge.ahead.state().offered = None;
    looked
}

async fn look_up(bridge: &Bridge, prepared: &Prepared, over: &CancellationToken) -> Result<(), SyncError> {
    // Nobody is known to be absent before all keys and spellings were asked for.
    let spellings = Spellings::load(bridge, Object::Lead, &prepared.person_key).await?;
    if prepared.second_person_key.is_some() || spellings.is_some_and(|spellings| spellings.count() > 1) {
        return Ok(());
    }
    let (field, fields) = (&prepared.person_key, [prepared.person_key.clone(), "id".to_owned()]);
    let (mut asked, mut found_total) = (0, 0);
    let mut calls = FuturesUnordered::new();
    loop {
        let may_ask = !over.is_cancelled() && found_total <= asked / FOUND_MAX;
        while may_ask && calls.len() < bridge.marketo.in_flight_max() {
            let Some(ids) = bridge.ahead.take() else { break };
            asked += ids.len();
            let values = ids.iter().map(ToString::to_string).collect();
            let (marketo, fields) = (&bridge.marketo, &fields);
            calls.push(async move { (ids, marketo.people(field, values, fields).await) });
        }
        tokio::select! {
            Some((ids, found)) = calls.next() => {
                let found = found.map_err(|error| SyncError::of_call(Side::Marketo, error))?.people;
                let present: BTreeSet<Guid> = found.iter().filter_map(|person| person.text(field)?.parse().ok()).collect();
                found_total += present.len();
                bridge.ahead.state().absent.extend(ids.into_iter().filter(|id| !present.contains(id)));
            }
            () = tokio::time::sleep(LOOK), if may_ask => {}
            () = over.cancelled(), if may_ask => {}
            else => return Ok(()),
        }
    }
}
