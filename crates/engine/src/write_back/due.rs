//! Whose Sales Insight fields are to be looked at.
//!
//! Everybody who was linked is on the list already ([`MsiDue`]). Onto it come those with an interesting moment, a score change or a merge,
//! and, over a day, everybody once: Marketo cuts the tiers of all people anew every night without an activity for any of them (Adobe,
//! "Sales Insight": relative score and urgency).

use std::{collections::BTreeSet, time::Duration};

use base::{
    RecordId, Timestamp,
    time::{earlier, since},
};
use serde::{Deserialize, Serialize};
use store::{
    Batch, Record, StoreExt,
    record::{Cursor, Fact, MsiDue, PersonIndex, record_key},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    prepare::Prepared,
    write_back::PEOPLE_PER_CALL,
};

const ACTIVITY_CURSOR: &str = "activities";
const SWEEP_CURSOR: &str = "msi_sweep";

/// The fact that holds which fields are written to which columns.
const MAP_FACT: &str = "msi_map";

/// The fact that holds which people Marketo didn't show when they were looked at.
const ABSENT_FACT: &str = "msi_absent";

/// Activities that change MSI fields: Interesting Moment, Change Score, Merge Leads (Adobe's well-known activity types).
const ACTIVITY_NAMES: [(&str, i64); 3] = [("interesting moment", 46), ("change score", 22), ("merge leads", 32)];

/// Activities may show late, and clocks differ: what is read again around a boundary. Neither is documented.
const OVERLAP: Duration = Duration::from_secs(300);

/// When the last reading is longer ago, one call for a new token is cheaper than reading all since the one before.
const FAR: Duration = Duration::from_secs(900);

/// Activities that are recognised when they come again; the others have their people looked at twice.
const RECOGNISED_MAX: usize = 5_000;

/// People that are remembered as absent.
const ABSENT_MAX: usize = 5_000;

/// People put on the list in one commit.
const PAGE: usize = 1_000;

/// Where the activity feed goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The token behind the last activity that was read.
    token: String,
    /// When that was; none in the states of the first release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    /// Tokens before it, with the time of each, as far as the overlap needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<(Timestamp, String)>,
    /// Where a reading that was cut off goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
    /// Fingerprints of the last activities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recognised: Vec<u64>,
    /// The types that are read, looked up by name once.
    types: Vec<i64>,
}

/// Puts everybody on the list who had an interesting moment or a score change. The first time only a token is taken, because everybody who
/// was linked is on the list already.
pub(super) async fn from_activities(bridge: &Bridge) -> Result<(), SyncError> {
    let marketo = |error| SyncError::of_call(Side::Marketo, error);
    let now = bridge.clock.now();
    let before = bridge.store.read_one::<Cursor>(ACTIVITY_CURSOR.into()).await?;
    let position = before.as_ref().and_then(|cursor| serde_json::from_value::<Position>(cursor.position.clone()).ok());
    let Some(mut position) = position else {
        let token = bridge.marketo.token_since(earlier(now, OVERLAP)).await.map_err(marketo)?;
        let types = bridge.marketo.activity_types(&ACTIVITY_NAMES).await.map_err(marketo)?;
        return save(bridge, before.as_ref(), &Position { token, types, at: Some(now), ..Position::default() }, Batch::new())
            .await
            .map(drop);
    };
    let start = position.start();
    let mut token = match (position.resume.clone(), start, position.at) {
        (Some(resume), _, _) => resume,
        (None, _, Some(at)) if since(at, now) > FAR => bridge.marketo.token_since(earlier(at, OVERLAP)).await.map_err(marketo)?,
        (None, start, _) => start,
    };
    let known: BTreeSet<u64> = position.recognised.iter().copied().collect();
    let (mut saved, mut met) = (before, Vec::new());
    loop {
        let page = match bridge.marketo.activities(&token, &position.types).await {
            Err(error) if is_refused(&error) => return restart(bridge, saved.as_ref(), error).await,
            page => page.map_err(marketo)?,
        };
        let fresh: Vec<(u64, i64)> = page
            .activities
            .iter()
            .map(|(guid, lead)| (xxh3_64(guid.as_bytes()), *lead))
            .filter(|(print, _)| !known.contains(print))
            .collect();
        met.extend(page.activities.iter().map(|(guid, _)| xxh3_64(guid.as_bytes())));
        let mut batch = Batch::new();
        let keys: Vec<_> = fresh.iter().map(|(_, lead)| *lead).collect::<BTreeSet<_>>().into_iter().map(PersonIndex::key_of).collect();
        for person in bridge.store.read::<PersonIndex>(&keys).await?.into_iter().flatten() {
            batch.put(&MsiDue { record: person.record });
        }
        bridge.count(|summary| summary.written_back.activities += fresh.len() as u64);
        if !page.more || page.next == token {
            position.reached(page.next, now, met);
            return save(bridge, saved.as_ref(), &position, batch).await.map(drop);
        }
        token = page.next;
        position.resume = Some(token.clone());
        saved = Some(save(bridge, saved.as_ref(), &position, batch).await?);
    }
}

impl Position {
    /// From where to read: a token taken some minutes before the end of the last reading.
    fn start(&self) -> String {
        let Some(at) = self.at else { return self.token.clone() };
        let old_enough = self.before.iter().rev().find(|(taken, _)| since(*taken, at) >= OVERLAP);
        old_enough.or(self.before.first()).map_or_else(|| self.token.clone(), |(_, token)| token.clone())
    }

    /// Everything until `now` was read; the activities met were these.
    fn reached(&mut self, token: String, now: Timestamp, met: Vec<u64>) {
        let start = self.start();
        if let Some(at) = self.at {
            self.before.push((at, std::mem::replace(&mut self.token, token)));
        } else {
            self.token = token;
        }
        self.at = Some(now);
        let first = self.before.iter().position(|(_, token)| *token == start).unwrap_or_default();
        self.before.drain(..first);
        // Those from which nothing can begin any more: there is a later one that is old enough.
        while self.before.get(1).is_some_and(|(taken, _)| since(*taken, now) >= OVERLAP) {
            self.before.remove(0);
        }
        self.resume = None;
        self.recognised = met;
        let surplus = self.recognised.len().saturating_sub(RECOGNISED_MAX);
        self.recognised.drain(..surplus);
    }
}

async fn save(bridge: &Bridge, before: Option<&Cursor>, position: &Position, mut batch: Batch) -> Result<Cursor, SyncError> {
    let cursor = Cursor { name: ACTIVITY_CURSOR.into(), position: serde_json::to_value(position).unwrap_or_default() };
    batch.expect::<Cursor>(cursor.key(), before);
    batch.put(&cursor);
    bridge.commit(batch).await?;
    Ok(cursor)
}

/// Whether the service didn't like what it was asked, rather than being out of reach or out of quota.
fn is_refused(error: &wire::CallError) -> bool {
    use wire::Class;
    matches!(error.class(), Some(Class::Record | Class::Bug | Class::Missing | Class::Config))
}

/// The saved token or the saved types are no longer taken: the feed starts anew from now, and everybody is looked at once. When a fresh
/// token is refused as well, the fault is elsewhere, and nobody is looked at.
async fn restart(bridge: &Bridge, before: Option<&Cursor>, refusal: wire::CallError) -> Result<(), SyncError> {
    let marketo = |error| SyncError::of_call(Side::Marketo, error);
    let now = bridge.clock.now();
    let token = bridge.marketo.token_since(earlier(now, OVERLAP)).await.map_err(marketo)?;
    let types = bridge.marketo.activity_types(&ACTIVITY_NAMES).await.map_err(marketo)?;
    match bridge.marketo.activities(&token, &types).await {
        Err(error) if is_refused(&error) => return Err(marketo(refusal)),
        page => drop(page.map_err(marketo)?),
    }
    tracing::warn!("Marketo no longer takes the activity token; everybody's MSI fields are read once");
    everybody(bridge).await?;
    save(bridge, before, &Position { token, types, at: Some(now), ..Position::default() }, Batch::new()).await.map(drop)
}

/// When fields come to be written to other columns than before, everybody is looked at.
pub(super) async fn from_the_map(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    let targets = prepared.tables.iter().flat_map(|(table, plan)| plan.msi.targets.iter().map(move |target| (table, target)));
    let text: String = targets.map(|(table, (_, field, column))| format!("{table} {field} {} {:?}\n", column.name, column.kind)).collect();
    let fact = Fact { name: MAP_FACT.into(), value: text.into() };
    let before = bridge.store.read_one::<Fact>(fact.key()).await?;
    if before.as_ref() == Some(&fact) {
        return Ok(());
    }
    if before.is_some() {
        everybody(bridge).await?;
    }
    let mut batch = Batch::new();
    batch.put(&fact);
    bridge.commit(batch).await
}

async fn everybody(bridge: &Bridge) -> Result<(), SyncError> {
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

/// How far the sweep under way is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sweep {
    /// When people were last put on the list by it.
    at: Timestamp,
    /// The last of them.
    after: Option<i64>,
    /// How many people there were when it began.
    people: u64,
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
    let mut batch = Batch::new();
    let next = match sweep {
        None => Sweep { at: now, after: None, people: bridge.store.count(PersonIndex::FAMILY, &[]).await? },
        Some(sweep) => {
            let share = since(sweep.at, now).as_secs_f64() / round.as_secs_f64();
            let most = u64::from(bridge.options.write_back.sweep_calls) * PEOPLE_PER_CALL as u64;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // a share of a count
            let wanted = ((sweep.people as f64 * share) as u64).min(sweep.people).min(most);
            if share < 1.0 && wanted < PEOPLE_PER_CALL as u64 {
                return Ok(());
            }
            let limit = usize::try_from(wanted.max(1)).unwrap_or(usize::MAX);
            let after = sweep.after.map(PersonIndex::key_of);
            let people = bridge.store.list::<PersonIndex>(&[], after.as_deref(), limit).await?;
            people.iter().for_each(|person| batch.put(&MsiDue { record: person.record }));
            match people.last().filter(|_| people.len() == limit) {
                Some(last) => Sweep { at: now, after: Some(last.marketo_id), people: sweep.people },
                None => Sweep { at: now, after: None, people: bridge.store.count(PersonIndex::FAMILY, &[]).await? },
            }
        }
    };
    let cursor = Cursor { name: SWEEP_CURSOR.into(), position: serde_json::to_value(&next).unwrap_or_default() };
    batch.expect::<Cursor>(cursor.key(), before.as_ref());
    batch.put(&cursor);
    bridge.commit(batch).await
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
