//! What has happened in Marketo: moments, scores, merges and deletions, read from where the last cycle ended.

pub(crate) mod lost;

use std::{collections::BTreeSet, time::Duration};

use base::{
    Timestamp,
    time::{earlier, since},
};
use serde::{Deserialize, Serialize};
use store::{
    Batch, Record, StoreExt,
    record::{Cursor, MsiUrgent, PersonIndex},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    marketo::Happened,
    write_back::everybody,
};

const ACTIVITY_CURSOR: &str = "activities";
const DELETION_CURSOR: &str = "deletions";

/// Activities that change MSI fields: Interesting Moment, Change Score, Merge Leads (Adobe's well-known activity types).
const ACTIVITY_NAMES: [(&str, i64); 3] = [("interesting moment", 46), ("change score", 22), ("merge leads", 32)];

/// Activities may show late, and clocks differ: what is read again around a boundary. Neither is documented.
const OVERLAP: Duration = Duration::from_secs(300);

/// When the last reading is longer ago, one call for a new token is cheaper than reading all since the one before.
const FAR: Duration = Duration::from_secs(900);

/// Activities that are recognised when they come again; the others have their people looked at twice.
const RECOGNISED_MAX: usize = 5_000;

/// Where a feed goes on. That of deletions has neither types nor anything to recognise: whoever comes again is nobody's by then.
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    types: Vec<i64>,
}

/// Tokens for a time. One that was taken for one feed does for the other.
struct Tokens<'a> {
    bridge: &'a Bridge,
    taken: Option<(Timestamp, String)>,
}

impl Tokens<'_> {
    /// A token from which everything since `at` is read, and some minutes before.
    async fn since(&mut self, at: Timestamp) -> Result<String, SyncError> {
        if let Some((taken, token)) = &self.taken
            && *taken <= at
            && since(*taken, at) < OVERLAP
        {
            return Ok(token.clone());
        }
        let token = self.bridge.marketo.token_since(earlier(at, OVERLAP)).await;
        let token = token.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
        self.taken = Some((at, token.clone()));
        Ok(token)
    }
}

/// Reads what has happened in Marketo since the last time. Everybody who had an interesting moment, a score change or a merge is put on the
/// list of those whose MSI fields are looked at, and whose person is gone is looked for again. The first time only a token is taken, because
/// everybody who is linked is on the list anyway.
///
/// # Errors
/// When Marketo can't be read or the state can't be written.
pub(crate) async fn notice(bridge: &Bridge) -> Result<(), SyncError> {
    let before = bridge.store.read_one::<Cursor>(ACTIVITY_CURSOR.into()).await?;
    let is_first = before.is_none();
    let position = before.and_then(|cursor| serde_json::from_value::<Position>(cursor.position).ok());
    // Under a process that reads them every minute they are left to that, unless it doesn't.
    let is_old = position.and_then(|position| position.at).is_none_or(|at| since(at, bridge.clock.now()) > FAR);
    let mut tokens = Tokens { bridge, taken: None };
    if is_old || !bridge.run.served {
        activities(bridge, &mut tokens, Merges::TakeIn).await?;
    }
    if is_first {
        return Ok(());
    }
    deletions(bridge, &mut tokens).await?;
    lost::give_up(bridge).await
}

/// What is done with merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merges {
    /// Whose person is gone is looked for again.
    TakeIn,
    /// Those of ours are left to the next reading, which begins with the page that tells of one.
    Leave,
}

/// Reads only what says whose MSI fields have changed.
///
/// # Errors
/// As [`notice`].
pub(crate) async fn notice_activities(bridge: &Bridge, merges: Merges) -> Result<(), SyncError> {
    activities(bridge, &mut Tokens { bridge, taken: None }, merges).await
}

async fn activities(bridge: &Bridge, tokens: &mut Tokens<'_>, merges: Merges) -> Result<(), SyncError> {
    let marketo = |error| SyncError::of_call(Side::Marketo, error);
    let _feed = bridge.noticing.lock().await;
    let now = bridge.clock.now();
    let before = bridge.store.read_one::<Cursor>(ACTIVITY_CURSOR.into()).await?;
    let position = before.as_ref().and_then(|cursor| serde_json::from_value::<Position>(cursor.position.clone()).ok());
    let Some(mut position) = position else {
        let token = tokens.since(now).await?;
        let types = bridge.marketo.activity_types(&ACTIVITY_NAMES).await.map_err(marketo)?;
        let mut batch = Batch::new();
        batch.put(&deletions_from(&Position { token: token.clone(), at: Some(now), ..Position::default() }));
        return save(bridge, before.as_ref(), &Position { token, types, at: Some(now), ..Position::default() }, batch).await.map(drop);
    };
    let mut token = position.begin(now, tokens).await?;
    let known: BTreeSet<u64> = position.recognised.iter().copied().collect();
    let (mut saved, mut met) = (before, Vec::new());
    // Of what comes from the first page on that is left: what needn't be noticed again.
    let mut beyond: Option<Vec<u64>> = None;
    loop {
        let page = match bridge.marketo.activities(&token, &position.types).await {
            Err(error) if is_refused(&error) => return restart(bridge, saved.as_ref(), error).await,
            page => page.map_err(marketo)?,
        };
        let print = |happened: &Happened| xxh3_64(happened.guid.as_bytes());
        let fresh: Vec<&Happened> = page.activities.iter().filter(|happened| !known.contains(&print(happened))).collect();
        let losers: Vec<_> = fresh.iter().flat_map(|happened| &happened.merged).map(|loser| PersonIndex::key_of(*loser)).collect();
        let is_left = merges == Merges::Leave && bridge.store.read::<PersonIndex>(&losers).await?.iter().any(Option::is_some);
        if is_left {
            beyond.get_or_insert_default();
        }
        met.extend(page.activities.iter().map(print));
        let mut batch = Batch::new();
        if !is_left {
            let merged = fresh.iter().flat_map(|happened| happened.merged.iter().map(|loser| (*loser, Some(happened.person))));
            lost::look_again(bridge, merged.collect()).await?;
        }
        let people: BTreeSet<i64> = fresh.iter().map(|happened| happened.person).collect();
        let keys: Vec<_> = people.into_iter().map(PersonIndex::key_of).collect();
        for person in bridge.store.read::<PersonIndex>(&keys).await?.into_iter().flatten() {
            batch.put(&MsiUrgent { record: person.record });
        }
        bridge.count(|summary| summary.written_back.activities += fresh.len() as u64);
        if let Some(beyond) = &mut beyond {
            beyond.extend(fresh.iter().filter(|happened| happened.merged.is_empty()).map(|happened| print(happened)));
            bridge.commit(batch).await?;
            if page.more && page.next != token {
                token = page.next;
                continue;
            }
            position.recognised.append(beyond);
            let surplus = position.recognised.len().saturating_sub(RECOGNISED_MAX);
            position.recognised.drain(..surplus);
            return save(bridge, saved.as_ref(), &position, Batch::new()).await.map(drop);
        }
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
    /// Where to go on.
    async fn begin(&self, now: Timestamp, tokens: &mut Tokens<'_>) -> Result<String, SyncError> {
        match (&self.resume, self.at) {
            (Some(resume), _) => Ok(resume.clone()),
            (None, Some(at)) if since(at, now) > FAR => tokens.since(at).await,
            (None, _) => Ok(self.start()),
        }
    }

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

/// Where deletions go on.
fn deletions_from(position: &Position) -> Cursor {
    Cursor { name: DELETION_CURSOR.into(), position: serde_json::to_value(position).unwrap_or_default() }
}

/// Reads which people were deleted. The vendor may forget them after 14 days; an update that finds nobody tells of them as well.
async fn deletions(bridge: &Bridge, tokens: &mut Tokens<'_>) -> Result<(), SyncError> {
    let marketo = |error| SyncError::of_call(Side::Marketo, error);
    let now = bridge.clock.now();
    let saved = bridge.store.read_one::<Cursor>(DELETION_CURSOR.into()).await?;
    let mut position = match saved.as_ref().map(|cursor| &cursor.position) {
        // The first release saved nothing but the token.
        Some(serde_json::Value::String(token)) => Position { token: token.clone(), ..Position::default() },
        Some(position) => serde_json::from_value(position.clone()).unwrap_or_default(),
        None => Position::default(),
    };
    if position.token.is_empty() {
        position = Position { token: tokens.since(now).await?, at: Some(now), ..Position::default() };
    }
    let mut token = position.begin(now, tokens).await?;
    loop {
        let page = match bridge.marketo.deletions(&token).await {
            // A token that is no longer taken: the next cycle begins with a new one.
            Err(error) if is_refused(&error) && saved.is_some() => {
                tracing::warn!(%error, "Marketo's list of deleted people can't be read on; it is begun anew");
                let mut batch = Batch::new();
                batch.remove::<Cursor>(DELETION_CURSOR.into());
                return bridge.commit(batch).await;
            }
            page => page.map_err(marketo)?,
        };
        lost::look_again(bridge, page.activities.iter().map(|happened| (happened.person, None)).collect()).await?;
        let ended = !page.more || page.next == token;
        token = page.next;
        match ended {
            true => position.reached(token.clone(), now, Vec::new()),
            false => position.resume = Some(token.clone()),
        }
        let mut batch = Batch::new();
        batch.put(&deletions_from(&position));
        bridge.commit(batch).await?;
        if ended {
            return Ok(());
        }
    }
}
