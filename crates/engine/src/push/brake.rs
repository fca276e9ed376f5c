//! Whether what would be done hurts too many records at once (rule R9): counted before anything is sent.

use std::collections::BTreeSet;

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
        gate::{Links, load_links},
        part::{Parted, parting},
    },
    task::{Join, Task},
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
        if bridge.store.count(PersonIndex::FAMILY, &[]).await? == 0 {
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
        OutboxState::Held { retry_at, .. } => prepared.retry_held || *retry_at <= now,
    };
    let due: Vec<&Outbox> = page.iter().filter(is_due).collect();
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
            Task::Join(Join::Merged(_)) => {}
            Task::Part(why) => match parting(bridge, entry.object, why) {
                Parted::Unlinked => harms.add(Harm::Unlinks),
                Parted::Deleted => harms.add(Harm::deletions(entry.object)),
                Parted::Kept => {}
            },
        }
    }
    count_joins(bridge, joins, harms).await
}

/// A joining is a merge where both have a person, and a new key for the one person where only the alias has.
async fn count_joins(bridge: &Bridge, aliases: BTreeSet<RecordId>, harms: &mut Harms) -> Result<(), SyncError> {
    if aliases.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = aliases.iter().map(|alias| Alias::key_of(*alias)).collect();
    let known: Vec<Alias> = bridge.store.read::<Alias>(&keys).await?.into_iter().flatten().collect();
    let ends = chain::ends(bridge, aliases, Follow::All).await?;
    let links: Links = load_links(bridge, &ends.values().copied().collect()).await?;
    for alias in known {
        let Some(survivor) = ends.get(&alias.alias) else { continue };
        if links.get(survivor).is_none_or(|link| !link.is_confirmed()) {
            harms.add(Harm::ReKeys);
        } else if join_policy(bridge, &alias) == JoinPolicy::Merge {
            harms.add(Harm::Merges);
        }
    }
    Ok(())
}
