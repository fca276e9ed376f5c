//! Whether a record may be sent now: not held, and everything it refers to in Marketo already.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use base::{
    Guid, Object, RecordId, Table, Timestamp,
    time::{later, since},
};
use planner::Desired;
use store::{
    Batch, Record, StoreExt,
    record::{Link, LinkFlags, Outbox, OutboxState, PersonIndex, Refetch, record_key},
};

use crate::{
    bridge::Bridge,
    codes::{Code, Ours},
    error::SyncError,
    noticed::lost,
    options::TeamOwner,
    push::{absent::says_so, outcome::Failure},
    task::Task,
};

/// How long a held record rests before it is tried again by itself.
pub(super) const HELD_REST: Duration = Duration::from_secs(24 * 3600);

/// How long something may wait before a person is asked.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Held records tried again by themselves in one cycle, for each object.
const RETRIES_MAX: usize = 300;

/// In how many cycles a record is tried whose refusal may pass by itself.
pub(super) const TRIES_MAX: u32 = 3;

/// The code of a record that has waited too long; it costs no call to look again, so that it is looked at in every cycle.
pub(crate) const PARENT_MISSING: &str = Ours::ParentMissing.name();

/// Decides, page by page, what is sent.
#[derive(Debug)]
pub(super) struct Gate<'a> {
    bridge: &'a Bridge,
    retry_held: bool,
    retries_left: usize,
}

/// The links of a page's records and of what they refer to.
pub(crate) type Links = BTreeMap<RecordId, Link>;

impl<'a> Gate<'a> {
    pub(super) fn new(bridge: &'a Bridge, retry_held: bool) -> Self {
        Self { bridge, retry_held, retries_left: if retry_held { usize::MAX } else { RETRIES_MAX } }
    }

    /// Whether a record that is held may be tried now.
    pub(super) fn may_try(&mut self, entry: &Outbox, now: Timestamp) -> bool {
        if !self.bridge.means(entry.record) {
            return false;
        }
        match &entry.body.state {
            OutboxState::Waiting { .. } => true,
            OutboxState::Held { code, .. } if code == PARENT_MISSING => true,
            OutboxState::Ready | OutboxState::Held { .. } if self.bridge.was_tried(entry) => false,
            OutboxState::Ready => true,
            // Something has changed, or somebody has asked for it: only what is tried by itself is counted.
            OutboxState::Held { retry_at, .. } if *retry_at <= now && *retry_at < later(entry.body.since, HELD_REST) => true,
            OutboxState::Held { retry_at, .. } => {
                let due = self.retry_held || *retry_at <= now;
                let may = due && self.retries_left > 0;
                self.retries_left -= usize::from(may);
                may
            }
        }
    }

    /// Loads the links of records and of all they refer to.
    pub(super) async fn links(&self, entries: &[(Outbox, Desired)]) -> Result<Links, SyncError> {
        let mut ids: BTreeSet<RecordId> = BTreeSet::new();
        for (entry, desired) in entries {
            ids.insert(entry.record);
            ids.extend(parents(desired));
        }
        load_links(self.bridge, &ids).await
    }

    /// The first thing a record refers to that Marketo doesn't have.
    pub(super) fn missing_parent(desired: &Desired, links: &Links) -> Option<RecordId> {
        parents(desired).find(|parent| links.get(parent).is_none_or(|link| !link.is_confirmed()))
    }

    /// Notes that a record waits, or that it has waited too long.
    pub(super) fn wait(&self, entry: &Outbox, on: RecordId, now: Timestamp, batch: &mut Batch) {
        let mut entry = entry.clone();
        let waiting_since = match &entry.body.state {
            OutboxState::Waiting { .. } => entry.body.since,
            OutboxState::Held { code, .. } if code == PARENT_MISSING => entry.body.since,
            OutboxState::Ready | OutboxState::Held { .. } => now,
        };
        let state = if since(waiting_since, now) >= WAIT_MAX {
            let reason =
                format!("it refers to {on}, which has not come to Marketo for 24 hours; see whether that record is held or missing");
            OutboxState::Held { code: PARENT_MISSING.into(), reason, retry_at: later(now, HELD_REST) }
        } else {
            OutboxState::Waiting { on }
        };
        let is_told = match (&entry.body.state, &state) {
            (OutboxState::Held { reason, .. }, OutboxState::Held { reason: again, .. }) => reason == again,
            (before, after) => before == after,
        };
        if !is_told {
            entry.body.since = waiting_since;
            entry.body.state = state;
            batch.put(&entry);
        }
    }
}

/// What records of the outbox say that Marketo shall hold; those that ask for something else are left out.
pub(super) fn sendable(page: Vec<Outbox>, mut may_try: impl FnMut(&Outbox) -> bool) -> Result<Vec<(Outbox, Desired)>, SyncError> {
    let mut entries = Vec::with_capacity(page.len());
    for entry in page {
        if let Task::Send(desired) = Task::of(&entry)?
            && may_try(&entry)
        {
            entries.push((entry, desired));
        }
    }
    Ok(entries)
}

/// Why a record can't be sent under the policy as it is: a code, and words.
pub(super) fn objection(bridge: &Bridge, desired: &Desired, needs_company: bool) -> Option<(Ours, String)> {
    if needs_company && desired.company.is_none() && bridge.options.policy.require_company {
        return Some((Ours::CompanyRequired, "it has no account, and policy.require_company asks for one".into()));
    }
    let team = desired.team.filter(|_| bridge.options.owners.team == TeamOwner::Hold)?;
    Some((
        Ours::TeamOwned,
        format!("team {team} owns it, and owners.team is \"hold\"; give it to a user, or let owners.team say whose it is"),
    ))
}

/// Loads links by id.
pub(crate) async fn load_links(bridge: &Bridge, ids: &BTreeSet<RecordId>) -> Result<Links, SyncError> {
    let keys: Vec<_> = ids.iter().map(|id| record_key(*id)).collect();
    let links = bridge.store.read::<Link>(&keys).await?;
    Ok(links.into_iter().flatten().map(|link| (link.record, link)).collect())
}

/// Whose these Marketo persons are, by our own state.
pub(crate) async fn holders(bridge: &Bridge, persons: &[i64]) -> Result<BTreeMap<i64, RecordId>, SyncError> {
    let keys: Vec<_> = persons.iter().map(|person| PersonIndex::key_of(*person)).collect();
    let entries: Vec<PersonIndex> = bridge.store.read::<PersonIndex>(&keys).await?.into_iter().flatten().collect();
    let links = load_links(bridge, &entries.iter().map(|entry| entry.record).collect()).await?;
    let holds =
        |entry: &PersonIndex| links.get(&entry.record).is_some_and(|link| link.is_confirmed() && link.marketo_id == Some(entry.marketo_id));
    Ok(entries.into_iter().filter(holds).map(|entry| (entry.marketo_id, entry.record)).collect())
}

/// What a record refers to.
pub(crate) fn parents(desired: &Desired) -> impl Iterator<Item = RecordId> {
    let owner = desired.owner.map(|id| RecordId::new(Table::SystemUser, id));
    let company = desired.company.map(|id| RecordId::new(Table::Account, id));
    owner.into_iter().chain(company)
}

/// What becomes of a record that Marketo refused: it waits for what it refers to and Marketo has `lost`, which is sent again; or is tried
/// again in the next cycle, a few times, where the refusal may pass by itself; or is held.
pub(super) async fn refuse(
    bridge: &Bridge,
    entry: &Outbox,
    failure: &Failure,
    lost: Vec<RecordId>,
    now: Timestamp,
    batch: &mut Batch,
) -> Result<(), SyncError> {
    let mut again = entry.clone();
    match lost.first().filter(|_| entry.body.attempts < TRIES_MAX) {
        Some(first) => {
            again.body.attempts += 1;
            again.body.state = OutboxState::Waiting { on: *first };
            again.body.since = now;
            for parent in &lost {
                forget_confirmed(bridge, *parent, batch).await?;
            }
        }
        None => again = again_or_hold(entry, failure, now),
    }
    batch.put(&again);
    Ok(())
}

/// A refused record is tried again in the next cycle, a few times, where the refusal may pass by itself; else it is held.
pub(super) fn again_or_hold(entry: &Outbox, failure: &Failure, now: Timestamp) -> Outbox {
    let mut again = entry.clone();
    if !failure.lasting && failure.alone && since(entry.body.since, now) < WAIT_MAX {
        again.body.state = OutboxState::Ready;
        return again;
    }
    again.body.attempts += 1;
    if again.body.attempts < TRIES_MAX && (!failure.lasting || failure.alone || says_so(&failure.code)) {
        again.body.state = OutboxState::Ready;
        return again;
    }
    hold(entry, Code::Theirs(&failure.code), &*failure.message, now)
}

/// A record that Marketo no longer has: it counts as unsent, and is read and sent again in the next cycle. Where a person's roles are by now, Marketo
/// has yet to tell.
pub(crate) async fn forget_confirmed(bridge: &Bridge, record: RecordId, batch: &mut Batch) -> Result<(), SyncError> {
    if let Some(mut link) = load_links(bridge, &BTreeSet::from([record])).await?.remove(&record) {
        link.flags = link.flags.with(LinkFlags::CONFIRMED, false);
        link.confirmed = Vec::new();
        if record.table.object() == Some(Object::Lead)
            && let Some(person) = link.marketo_id.take()
        {
            batch.put(&lost::note(person, bridge.clock.now()));
        }
        batch.put(&link);
        batch.put(&Refetch { record });
    }
    Ok(())
}

/// A record is as it was asked for; where the brake has held something back, it stays in the outbox.
pub(super) fn settled(entry: &Outbox, held_back: bool, batch: &mut Batch) {
    if !held_back {
        return batch.remove::<Outbox>(entry.key());
    }
    let mut entry = entry.clone();
    entry.body.state = OutboxState::Ready;
    batch.put(&entry);
}

/// A record put aside until a person changes something.
pub(super) fn hold<'a>(entry: &Outbox, code: impl Into<Code<'a>>, reason: impl Into<String>, now: Timestamp) -> Outbox {
    let mut entry = entry.clone();
    let (code, reason) = (code.into().name().to_owned(), reason.into());
    tracing::info!(record = %entry.record, object = entry.object.name(), code, "held");
    entry.body.attempts += 1;
    entry.body.since = now;
    entry.body.state = OutboxState::Held { code, reason, retry_at: later(now, HELD_REST) };
    entry
}

/// Pages of an object's outbox.
pub(super) async fn next_page(bridge: &Bridge, object: Object, after: Option<&[u8]>, limit: usize) -> Result<Vec<Outbox>, SyncError> {
    Ok(bridge.store.list::<Outbox>(&[object.code()], after, limit).await?)
}

/// The key under which others refer to a record.
pub(super) fn reference(links: &Links, table: Table, id: Guid) -> String {
    links.get(&RecordId::new(table, id)).map_or_else(|| id.to_string(), Link::reference)
}
