//! Whether what would be done hurts too many records at once (rule R9): counted before anything is sent.

use std::collections::{BTreeMap, BTreeSet};

use base::{Object, RecordId, Table};
use planner::{
    Fingerprints, Harm, Harms, brake,
    diff::{Known, change},
};
use store::{
    Record, StoreExt,
    record::{Alias, Link, Outbox, OutboxState, PersonIndex, Role, link::links_of},
};

use crate::{
    bridge::Bridge,
    chain::{self, Follow},
    defect::{Defect, has},
    error::SyncError,
    options::Join as JoinPolicy,
    prepare::Prepared,
    push::{
        alias::join_policy,
        gate::{Links, PARENT_MISSING, load_links},
        join::instead,
        part::{Parted, parting},
    },
    task::{Join, Task, Why},
};

/// Outbox records looked at at a time.
const PAGE: usize = 1_000;

/// Kinds of harmful change that are stopped in this push.
#[derive(Debug, Default)]
pub(super) struct Brake {
    stopped: BTreeSet<Harm>,
}

impl Brake {
    /// Counts what the outbox would do, roles not included.
    pub(super) async fn measure(bridge: &Bridge, prepared: &Prepared) -> Result<Self, SyncError> {
        let objects = [Object::SalesPerson, Object::Company, Object::Lead, Object::Opportunity];
        let mut most = 0;
        for object in objects {
            most += bridge.store.count(Outbox::FAMILY, &[object.code()]).await?;
        }
        let mut measured = Self::default();
        // Fewer than the limit can't be too many.
        if most <= bridge.options.brake.count {
            return Ok(measured);
        }
        // Neither can the first of all loads, in which nothing is linked yet.
        if bridge.store.list::<PersonIndex>(&[], None, 1).await?.is_empty() {
            return Ok(measured);
        }
        let mut harms = Harms::default();
        for object in objects {
            let mut entries = bridge.store.pages::<Outbox>(vec![object.code()], PAGE);
            loop {
                let page = entries.next_page().await?;
                if page.is_empty() {
                    break;
                }
                count(bridge, prepared, &page, &mut harms).await?;
            }
        }
        for (harm, number) in harms.0 {
            measured.judge(bridge, harm, number).await?;
        }
        Ok(measured)
    }

    /// Whether this kind is stopped.
    pub(super) fn stops(&self, harm: Harm) -> bool {
        self.stopped.contains(&harm)
    }

    /// Whether anything is stopped.
    pub(super) fn stops_anything(&self) -> bool {
        !self.stopped.is_empty()
    }

    /// Stops a kind when it is too much, and says so.
    pub(super) async fn judge(&mut self, bridge: &Bridge, harm: Harm, number: u64) -> Result<(), SyncError> {
        let total = total(bridge, harm).await?;
        let limits = &bridge.options.brake;
        if brake::allows(number, total, limits.percent, limits.count) || bridge.run.allow.contains(harm.name()) || has(Defect::BrakeIgnored)
        {
            return Ok(());
        }
        tracing::warn!(harm = harm.name(), number, total, "stopped by the brake");
        self.stopped.insert(harm);
        bridge.count(|summary| {
            summary.stopped_by_brake.insert(harm.name().into(), number);
            summary.warn(format!(
                "{number} of {total} {}, more than [brake] allows; if that is right, run\n  insight-bridge sync --allow {harm}",
                harm.what()
            ));
        });
        Ok(())
    }
}

/// All records that could suffer it.
async fn total(bridge: &Bridge, harm: Harm) -> Result<u64, SyncError> {
    let tables: &[Table] = match harm {
        Harm::RoleRemovals => return Ok(bridge.store.count(Role::FAMILY, &[]).await?),
        Harm::OpportunityDeletions => &[Table::Opportunity],
        Harm::PersonDeletions | Harm::Unlinks | Harm::Merges | Harm::ReKeys => &[Table::Lead, Table::Contact],
        Harm::CompanyDeletions => &[Table::Account],
        Harm::SalesPersonDeletions => &[Table::SystemUser],
        Harm::BlankedFields | Harm::OwnerMoves => &[Table::SystemUser, Table::Account, Table::Lead, Table::Contact, Table::Opportunity],
    };
    let mut total = 0;
    for table in tables {
        total += bridge.store.count(Link::FAMILY, &links_of(*table)).await?;
    }
    Ok(total)
}

async fn count(bridge: &Bridge, prepared: &Prepared, page: &[Outbox], harms: &mut Harms) -> Result<(), SyncError> {
    let now = bridge.clock.now();
    let is_due = |entry: &&Outbox| match &entry.body.state {
        OutboxState::Ready | OutboxState::Waiting { .. } => true,
        // It costs no call to look at it again, so that it is in every push.
        OutboxState::Held { code, .. } if code == PARENT_MISSING => true,
        OutboxState::Held { retry_at, .. } => prepared.retry_held || *retry_at <= now,
    };
    let due: Vec<&Outbox> = page.iter().filter(|entry| bridge.means(entry.record)).filter(is_due).collect();
    let links = load_links(bridge, &due.iter().map(|entry| entry.record).collect()).await?;
    let mut joins = BTreeSet::new();
    for entry in due {
        let Some(link) = links.get(&entry.record).filter(|link| link.is_confirmed()) else { continue };
        match Task::of(entry)? {
            Task::Send(desired) => {
                let (map, before) = (prepared.map(entry.record.table)?, Fingerprints::read(&link.confirmed));
                let change = change(map, &desired, &before, prepared.key, Known::Confirmed);
                change.harms(map, &before).into_iter().for_each(|harm| harms.add(harm));
            }
            Task::Join(Join::Open) => drop(joins.insert(entry.record)),
            Task::Join(Join::Merged { .. }) => {}
            Task::Part(why) => count_parting(bridge, entry.object, why, harms),
        }
    }
    count_joins(bridge, prepared, joins, &links, harms).await
}

fn count_parting(bridge: &Bridge, object: Object, why: Why, harms: &mut Harms) {
    match parting(bridge, object, why) {
        Parted::Unlinked => harms.add(Harm::Unlinks),
        Parted::Deleted => harms.add(Harm::deletions(object)),
        Parted::Kept => {}
    }
}

/// A joining is a merge where both have a person, a new key for the one person where only the alias has, with what else that changes, and a
/// parting where the survivor is not there for us either.
async fn count_joins(
    bridge: &Bridge,
    prepared: &Prepared,
    aliases: BTreeSet<RecordId>,
    theirs: &Links,
    harms: &mut Harms,
) -> Result<(), SyncError> {
    if aliases.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = aliases.iter().map(|alias| Alias::key_of(*alias)).collect();
    let known: Vec<Alias> = bridge.store.read::<Alias>(&keys).await?.into_iter().flatten().collect();
    let ends = chain::ends(bridge, aliases, Follow::All).await?;
    let links: Links = load_links(bridge, &ends.values().copied().collect()).await?;
    let keys: Vec<_> = ends.values().map(|end| Outbox::key_of(Object::Lead, end.id, "")).collect();
    let sends = bridge.store.read::<Outbox>(&keys).await?.into_iter().flatten();
    let sends: BTreeMap<RecordId, Outbox> = sends.map(|entry| (entry.record, entry)).collect();
    for alias in known {
        let Some(survivor) = ends.get(&alias.alias) else { continue };
        let link = links.get(survivor);
        if let Some(why) = link.and_then(instead) {
            count_parting(bridge, Object::Lead, why, harms);
        } else if link.is_none_or(|link| !link.is_confirmed()) {
            harms.add(Harm::ReKeys);
            if let (Some(entry), Some(own)) = (sends.get(survivor), theirs.get(&alias.alias))
                && let Task::Send(desired) = Task::of(entry)?
            {
                let (map, before) = (prepared.map(survivor.table)?, Fingerprints::read(&own.confirmed));
                let change = change(map, &desired, &before, prepared.key, Known::Confirmed);
                change.harms(map, &before).into_iter().for_each(|harm| harms.add(harm));
            }
        } else if join_policy(bridge, &alias) == JoinPolicy::Merge {
            harms.add(Harm::Merges);
        }
    }
    Ok(())
}
