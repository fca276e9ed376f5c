//! Whose Sales Insight fields are to be looked at.
//!
//! Everybody who was linked is on the list already ([`MsiDue`]), and who had an interesting moment, a score change or a merge is on one of its own
//! ([`crate::noticed`]). Onto it comes, over a day, everybody once: Marketo cuts the tiers of all people anew every night without an
//! activity for any of them (Adobe, "Sales Insight": relative score and urgency).

use std::{collections::BTreeSet, time::Duration};

use base::{
    RecordId, Timestamp,
    time::{later, since},
};
use serde::{Deserialize, Serialize};
use store::{
    Batch, Record, StoreExt,
    record::{Cursor, Fact, MsiDue, PersonIndex, record_key},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{bridge::Bridge, error::SyncError, prepare::Prepared, write_back::PEOPLE_PER_CALL};

const SWEEP_CURSOR: &str = "msi_sweep";

/// The fact that holds which fields are written to which columns.
const MAP_FACT: &str = "msi_map";

/// The fact that holds which people Marketo didn't show when they were looked at.
const ABSENT_FACT: &str = "msi_absent";

/// People that are remembered as absent.
const ABSENT_MAX: usize = 5_000;

/// People put on the list in one commit.
const PAGE: usize = 1_000;

/// When fields come to be written to columns to which they weren't before, everybody is looked at; where some are only no longer written, nobody is.
pub(super) async fn from_the_map(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    let targets = prepared.tables.iter().flat_map(|(table, plan)| plan.msi.targets.iter().map(move |target| (table, target)));
    let text: String = targets.map(|(table, (_, field, column))| format!("{table} {field} {} {:?}\n", column.name, column.kind)).collect();
    let fact = Fact { name: MAP_FACT.into(), value: text.into() };
    let before = bridge.store.read_one::<Fact>(fact.key()).await?;
    if before.as_ref() == Some(&fact) {
        return Ok(());
    }
    let known: BTreeSet<&str> = before.iter().filter_map(|before| before.value.as_str()).flat_map(str::lines).collect();
    if before.is_some() && fact.value.as_str().into_iter().flat_map(str::lines).any(|line| !known.contains(line)) {
        everybody(bridge).await?;
    }
    let mut batch = Batch::new();
    batch.put(&fact);
    bridge.commit(batch).await
}

pub(crate) async fn everybody(bridge: &Bridge) -> Result<(), SyncError> {
    let mut people = bridge.store.pages::<PersonIndex>(Vec::new(), PAGE);
    loop {
        let page = people.next_page().await?;
        if page.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        page.iter().for_each(|person| batch.put(&MsiDue { record: person.record }));
        bridge.commit(batch).await?;
    }
}

/// How far a round of the sweep is, in which everybody is put on the list once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sweep {
    /// When it began; none in the states of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<Timestamp>,
    /// Until when enough people have been put on the list.
    at: Timestamp,
    /// The last of them.
    after: Option<i64>,
    /// How many people there were when it began.
    people: u64,
    /// Whether everybody was put on the list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

/// Begins a round now, whatever became of the last one, and puts on the list at once whom the budget of a pass allows.
pub(super) async fn begin_round(bridge: &Bridge) -> Result<(), SyncError> {
    let before = bridge.store.read_one::<Cursor>(SWEEP_CURSOR.into()).await?;
    let round = Sweep::begin(bridge).await?;
    let (all, now) = (round.people, round.at);
    take(bridge, before.as_ref(), round, all, now).await
}

/// Puts as many people on the list as the time since the last ones asks for, so that everybody is looked at once in `sweep_hours`. It waits
/// until they fill a call.
pub(super) async fn from_the_sweep(bridge: &Bridge) -> Result<(), SyncError> {
    let round = Duration::from_secs(u64::from(bridge.options.write_back.sweep_hours) * 3_600);
    if round.is_zero() {
        return Ok(());
    }
    let now = bridge.clock.now();
    let before = bridge.store.read_one::<Cursor>(SWEEP_CURSOR.into()).await?;
    let sweep = before.as_ref().and_then(|cursor| serde_json::from_value::<Sweep>(cursor.position.clone()).ok());
    match sweep {
        Some(sweep) if !sweep.ended => {
            let share = since(sweep.at, now).as_secs_f64() / round.as_secs_f64();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // a share of a count
            let wanted = ((sweep.people as f64 * share) as u64).min(sweep.people);
            if share >= 1.0 {
                return take(bridge, before.as_ref(), sweep, wanted.max(1), now).await;
            }
            // Only full calls; who is left over is wanted the next time.
            let full = wanted - wanted % PEOPLE_PER_CALL as u64;
            if full == 0 {
                return Ok(());
            }
            #[allow(clippy::cast_precision_loss)] // a share of a count
            let at = later(sweep.at, round.mul_f64(full as f64 / sweep.people as f64));
            take(bridge, before.as_ref(), sweep, full, at).await
        }
        Some(sweep) if since(sweep.begun.unwrap_or(sweep.at), now) < round => Ok(()),
        // Who is linked is on the list already: a new round takes its time.
        Some(_) | None => {
            let sweep = Sweep::begin(bridge).await?;
            save(bridge, before.as_ref(), &sweep, Batch::new()).await.map(drop)
        }
    }
}

impl Sweep {
    async fn begin(bridge: &Bridge) -> Result<Self, SyncError> {
        let now = bridge.clock.now();
        let people = bridge.store.count(PersonIndex::FAMILY, &[]).await?;
        Ok(Self { begun: Some(now), at: now, after: None, people, ended: false })
    }
}

/// Puts the next people on the list, no more than a pass may. The next ones are wanted from `at` on.
async fn take(bridge: &Bridge, before: Option<&Cursor>, sweep: Sweep, wanted: u64, at: Timestamp) -> Result<(), SyncError> {
    let most = u64::from(bridge.options.write_back.sweep_calls) * PEOPLE_PER_CALL as u64;
    let mut left = usize::try_from(wanted.min(most)).unwrap_or(usize::MAX);
    let (mut sweep, mut saved) = (Sweep { at, ..sweep }, before.cloned());
    while left > 0 && !sweep.ended {
        let limit = left.min(PAGE);
        let after = sweep.after.map(PersonIndex::key_of);
        let people = bridge.store.list::<PersonIndex>(&[], after.as_deref(), limit).await?;
        let mut batch = Batch::new();
        people.iter().for_each(|person| batch.put(&MsiDue { record: person.record }));
        sweep.after = people.last().map(|person| person.marketo_id).or(sweep.after);
        sweep.ended = people.len() < limit;
        left -= people.len().min(left);
        saved = Some(save(bridge, saved.as_ref(), &sweep, batch).await?);
    }
    Ok(())
}

async fn save(bridge: &Bridge, before: Option<&Cursor>, sweep: &Sweep, mut batch: Batch) -> Result<Cursor, SyncError> {
    let cursor = Cursor { name: SWEEP_CURSOR.into(), position: serde_json::to_value(sweep).unwrap_or_default() };
    batch.expect::<Cursor>(cursor.key(), before);
    batch.put(&cursor);
    bridge.commit(batch).await?;
    Ok(cursor)
}

/// Remembers who was absent from an answer, and gives those who were absent the last time already.
pub(super) async fn note_absent(
    bridge: &Bridge,
    absent: &BTreeSet<RecordId>,
    present: &BTreeSet<RecordId>,
    batch: &mut Batch,
) -> Result<BTreeSet<RecordId>, SyncError> {
    let before = bridge.store.read_one::<Fact>(ABSENT_FACT.into()).await?;
    if absent.is_empty() && before.is_none() {
        return Ok(BTreeSet::new());
    }
    let known: BTreeSet<u64> = before.and_then(|fact| serde_json::from_value(fact.value).ok()).unwrap_or_default();
    let print = |record: &RecordId| xxh3_64(&record_key(*record));
    let (again, first): (Vec<RecordId>, Vec<RecordId>) = absent.iter().partition(|record| known.contains(&print(record)));
    let forgotten: BTreeSet<u64> = again.iter().chain(present).map(print).collect();
    let prints: Vec<u64> = first.iter().map(print).chain(known.difference(&forgotten).copied()).take(ABSENT_MAX).collect();
    match prints.is_empty() {
        true => batch.remove::<Fact>(ABSENT_FACT.into()),
        false => batch.put(&Fact { name: ABSENT_FACT.into(), value: serde_json::to_value(prints).unwrap_or_default() }),
    }
    Ok(again.into_iter().collect())
}
