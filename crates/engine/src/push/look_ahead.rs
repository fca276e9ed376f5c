//! People looked up before their turn: while companies are sent and people are still being read, the quota has calls to spare.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base::{Guid, Object};
use futures::{StreamExt, stream::FuturesUnordered};
use planner::pack::RECORDS_MAX;
use store::Record;
use tokio_util::sync::CancellationToken;

use super::{gate::next_page, spelling::Spellings};
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

/// External ids under which Marketo was seen to have nobody a short while ago.
#[derive(Debug, Default)]
pub(crate) struct KnownAbsent(Mutex<HashSet<Guid>>);

impl KnownAbsent {
    /// Whether that is known of all of these.
    pub(super) fn has_all(&self, mut ids: impl Iterator<Item = Guid>) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !known.is_empty() && ids.all(|id| known.contains(&id))
    }

    fn add(&self, ids: impl Iterator<Item = Guid>) -> usize {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(ids);
        known.len()
    }

    /// What was seen is too long ago, or of no more use.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = HashSet::new();
    }
}

/// Looks people of the outbox up in full calls, until `over`. Who isn't found needs no look-up when its turn comes, unless Marketo turns out to
/// hold keys in other spellings too.
///
/// # Errors
/// When Marketo can't be asked, or the state can't be read or written.
pub(crate) async fn look_ahead(bridge: &Bridge, prepared: &Prepared, over: &CancellationToken) -> Result<(), SyncError> {
    if prepared.second_person_key.is_some() {
        // Nobody is known to be absent before both keys were asked for.
        return Ok(());
    }
    if Spellings::load(bridge, Object::Lead, &prepared.person_key).await?.is_some_and(|spellings| spellings.count() > 1) {
        return Ok(());
    }
    let (field, fields) = (&prepared.person_key, [prepared.person_key.clone(), "id".to_owned()]);
    let mut after: Option<Vec<u8>> = None;
    let (mut asked, mut found_total, mut known) = (0, 0, 0);
    let mut calls = FuturesUnordered::new();
    loop {
        let may_ask = !over.is_cancelled() && known < AHEAD_MAX && found_total <= asked / FOUND_MAX;
        while may_ask && calls.len() < bridge.marketo.in_flight_max() {
            let page = next_page(bridge, Object::Lead, after.as_deref(), RECORDS_MAX).await?;
            let Some(last) = page.last().filter(|_| page.len() == RECORDS_MAX) else { break };
            after = Some(last.key());
            asked += page.len();
            let ids: Vec<Guid> = page.iter().map(|entry| entry.record.id).collect();
            let values = ids.iter().map(ToString::to_string).collect();
            let (marketo, fields) = (&bridge.marketo, &fields);
            calls.push(async move { (ids, marketo.people(field, values, fields).await) });
        }
        tokio::select! {
            Some((ids, found)) = calls.next() => {
                let found = found.map_err(|error| SyncError::of_call(Side::Marketo, error))?.people;
                let present: BTreeSet<Guid> = found.iter().filter_map(|person| person.text(field)?.parse().ok()).collect();
                found_total += present.len();
                known = bridge.known_absent.add(ids.into_iter().filter(|id| !present.contains(id)));
            }
            () = tokio::time::sleep(LOOK), if may_ask => {}
            () = over.cancelled(), if may_ask => {}
            else => return Ok(()),
        }
    }
}
