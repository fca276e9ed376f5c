//! From what is saved to what people are told.

use std::collections::BTreeMap;

use base::{Object, RecordId, Table};
use planner::Desired;
use store::{
    Store, StoreError, StoreExt,
    record::{Alias, Link, Outbox, OutboxState, record_key},
};

use super::{
    Asks, HeldRecord, State,
    discreet::{without_addresses, without_values},
};
use crate::{
    codes::Ours,
    error::SyncError,
    push::{PARENT_MISSING, Wish, parents, read_wish},
    task::Task,
};

/// An entry of the outbox, understood.
#[derive(Debug)]
pub(super) struct Understood {
    pub(super) entry: Outbox,
    pub(super) record: HeldRecord,
    /// What Marketo shall hold, where that is asked for.
    pub(super) desired: Option<Desired>,
}

/// What an entry refers to, in the order in which it is waited for.
pub(super) enum Refers {
    To(Vec<RecordId>),
    /// Whom a record stands for: that is in a record of its own.
    ToSurvivor,
}

impl Understood {
    /// Understands entries; links are read only for those that wait too long, whose saved words don't say for what in a form of its own.
    pub(super) async fn all(store: &dyn Store, entries: Vec<Outbox>) -> Result<Vec<Self>, SyncError> {
        let mut all = Vec::with_capacity(entries.len());
        let mut missing = Vec::new();
        for entry in entries {
            let (asks, desired, refers) = asked(&entry)?;
            let understood = Self { record: told(&entry, asks, desired.as_ref()), entry, desired };
            if understood.record.code.as_deref() == Some(PARENT_MISSING) {
                missing.push((all.len(), refers));
            }
            all.push(understood);
        }
        for (at, on) in first_missing(store, missing, &all).await? {
            if let Some(understood) = all.get_mut(at) {
                understood.record.waits_for = on;
            }
        }
        Ok(all)
    }
}

fn asked(entry: &Outbox) -> Result<(Asks, Option<Desired>, Refers), SyncError> {
    if entry.object == Object::Role {
        return Ok(match read_wish(entry) {
            Some(Wish::Keep { contact, .. }) => {
                (Asks::KeepRole, None, Refers::To(vec![entry.record, RecordId::new(Table::Contact, contact)]))
            }
            Some(Wish::Remove { .. }) => (Asks::RemoveRole, None, Refers::To(Vec::new())),
            None => return Err(StoreError::Unreadable { what: "outbox", why: format!("the role of {}", entry.record) }.into()),
        });
    }
    Ok(match Task::of(entry)? {
        Task::Send(desired) => {
            let refers = parents(&desired).collect();
            (Asks::Send, Some(desired), Refers::To(refers))
        }
        Task::Join(_) => (Asks::Join, None, Refers::ToSurvivor),
        Task::Part(_) => (Asks::Part, None, Refers::To(Vec::new())),
    })
}

fn told(entry: &Outbox, asks: Asks, desired: Option<&Desired>) -> HeldRecord {
    let (state, code, reason, retry_at, waits_for) = match &entry.body.state {
        OutboxState::Ready => (State::Ready, None, None, None, None),
        OutboxState::Waiting { on } => (State::Waiting, None, None, None, Some(*on)),
        OutboxState::Held { code, reason, retry_at } => {
            // Our own words never quote a value.
            let reason = match Ours::of_name(code) {
                Some(_) => without_addresses(reason),
                None => without_values(reason, desired.unwrap_or(&Desired::default())),
            };
            (State::Held, Some(code.clone()), Some(reason), Some(*retry_at), None)
        }
    };
    HeldRecord {
        object: entry.object,
        table: entry.record.table,
        id: entry.record.id,
        part: Some(entry.part.clone()).filter(|part| !part.is_empty()),
        asks,
        state,
        // It costs no call to look at it again, so that its rest means nothing.
        retry_at: retry_at.filter(|_| code.as_deref() != Some(PARENT_MISSING)),
        code,
        reason,
        since: entry.body.since,
        attempts: entry.body.attempts,
        waits_for,
        owner: desired.and_then(|desired| desired.owner),
        team: desired.and_then(|desired| desired.team),
        company: desired.and_then(|desired| desired.company),
    }
}

/// The first of what each refers to that isn't in Marketo.
async fn first_missing(
    store: &dyn Store,
    missing: Vec<(usize, Refers)>,
    all: &[Understood],
) -> Result<Vec<(usize, Option<RecordId>)>, SyncError> {
    let mut refers = Vec::with_capacity(missing.len());
    for (at, to) in missing {
        let records = match to {
            Refers::To(records) => records,
            Refers::ToSurvivor => match all.get(at) {
                Some(understood) => survivor(store, understood.entry.record).await?.into_iter().collect(),
                None => Vec::new(),
            },
        };
        refers.push((at, records));
    }
    let ids: Vec<RecordId> = refers.iter().flat_map(|(_, records)| records.iter().copied()).collect();
    let keys: Vec<_> = ids.iter().map(|id| record_key(*id)).collect();
    let links: BTreeMap<RecordId, Link> = store.read::<Link>(&keys).await?.into_iter().flatten().map(|link| (link.record, link)).collect();
    let is_missing = |record: &RecordId| links.get(record).is_none_or(|link| !link.is_confirmed());
    Ok(refers.into_iter().map(|(at, records)| (at, records.into_iter().find(is_missing))).collect())
}

async fn survivor(store: &dyn Store, record: RecordId) -> Result<Option<RecordId>, SyncError> {
    Ok(store.read_one::<Alias>(Alias::key_of(record)).await?.map(|alias| alias.survivor))
}
