//! What Dynamics asks of Marketo for each row of a page: made of the rows alone, as far as they tell.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, RecordId, Table, Values};
use planner::{
    Desired, Fingerprints, Row,
    reference::{CompanyRef, OwnerRef, alias, company, is_inactive, is_sales_user, owner},
};
use store::{
    StoreExt,
    record::{Fact, Link, LinkFlags, Outbox, record_key},
};

use crate::{
    bridge::Bridge,
    capture::{climb, erased},
    chain::{self, Follow},
    error::SyncError,
    held::Dismissal,
    options::{InactivePerson, InactiveRecord, TeamOwner},
    prepare::{Prepared, TablePlan},
};

/// A row that Marketo should have.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) record: RecordId,
    pub(super) row: Values,
    pub(super) desired: Desired,
    pub(super) link: Option<Link>,
    /// Whether something of it is still to be sent, waits or is held.
    pub(super) is_pending: bool,
}

/// Administrators of teams, as Dynamics says now.
pub(super) type Teams = BTreeMap<Guid, Guid>;

/// What is expected of a page's rows; those that stand for others, are out of scope or were erased are left out.
pub(super) async fn of(
    bridge: &Bridge,
    prepared: &Prepared,
    plan: &TablePlan,
    teams: &Teams,
    rows: Vec<Values>,
) -> Result<Vec<Expected>, SyncError> {
    let table = plan.table.table;
    let rows: BTreeMap<Guid, Values> = rows.into_iter().filter_map(|row| Some((Row(&row).guid(&plan.table.primary_id)?, row))).collect();
    let ids: Vec<Guid> = rows.keys().copied().collect();
    let links = links(bridge, table, &ids).await?;
    let pending = pending(bridge, table, &ids).await?;
    let erased = erased(bridge, ids.clone()).await?;
    let records = ids.iter().map(|id| RecordId::new(table, *id)).collect();
    let stands_for = chain::ends(bridge, records, Follow::All).await?;
    let parents = rows.values().filter_map(|row| match company(table, Row(row)) {
        CompanyRef::ViaContact(contact) => Some(contact),
        CompanyRef::Account(_) | CompanyRef::None => None,
    });
    let climbed = climb(bridge, prepared, &parents.collect::<Vec<_>>()).await?;
    let accounts: BTreeMap<Guid, Guid> = rows
        .iter()
        .filter_map(|(id, row)| match company(table, Row(row)) {
            CompanyRef::Account(account) => Some((*id, account)),
            CompanyRef::ViaContact(contact) => Some((*id, climbed.get(&contact).copied().flatten()?)),
            CompanyRef::None => None,
        })
        .collect();
    let named: BTreeSet<RecordId> = accounts.values().map(|account| RecordId::new(Table::Account, *account)).collect();
    let masters = chain::ends(bridge, named.clone(), Follow::Merged).await?;
    let left_out = left_out(bridge, named.iter().map(|named| masters.get(named).unwrap_or(named).id).collect()).await?;
    let map = prepared.map(table)?;
    let mut expected = Vec::new();
    for (id, row) in rows {
        let record = RecordId::new(table, id);
        let link = links.get(&id).cloned();
        if erased.contains(&id) || stands_for.contains_key(&record) || !is_ours(bridge, plan, record, Row(&row), link.as_ref()) {
            continue;
        }
        let company = accounts.get(&id).map(|account| {
            let named = RecordId::new(Table::Account, *account);
            masters.get(&named).unwrap_or(&named).id
        });
        let company = company.filter(|account| !left_out.contains(account));
        let owner = if table == Table::SystemUser { None } else { owner_of(bridge, teams, Row(&row)) };
        let mut mapped = map.map(Row(&row));
        if let Some(link) = link.as_ref().filter(|link| link.is_confirmed()) {
            map.leave_confirmed(&mut mapped, Row(&row), &Fingerprints::read(&link.confirmed), prepared.key);
        }
        let desired = Desired::new(mapped, owner, company, None);
        expected.push(Expected { record, row, desired, link, is_pending: pending.contains(&id) });
    }
    Ok(expected)
}

/// Those of these accounts that are out of scope, where what refers to them doesn't bring them in.
async fn left_out(bridge: &Bridge, accounts: Vec<Guid>) -> Result<BTreeSet<Guid>, SyncError> {
    if bridge.options.policy.by_reference {
        return Ok(BTreeSet::new());
    }
    let links = links(bridge, Table::Account, &accounts).await?;
    let is_out = |link: &Link| link.flags.has(LinkFlags::DORMANT) && !link.flags.has(LinkFlags::WANTED);
    Ok(links.into_iter().filter(|(_, link)| is_out(link)).map(|(id, _)| id).collect())
}

/// Whether a row is a record of ours.
fn is_ours(bridge: &Bridge, plan: &TablePlan, record: RecordId, row: Row<'_>, link: Option<&Link>) -> bool {
    let has = |flag| link.is_some_and(|link| link.flags.has(flag));
    let is_wanted = has(LinkFlags::WANTED);
    if alias(record.table, row).is_some_and(|alias| matches!(alias, planner::reference::AliasRef::Merged(_))) {
        return false;
    }
    if record.table == Table::SystemUser {
        // One without e-mail can't be a sales person, whatever it owns.
        return row.text("internalemailaddress").is_some()
            && (is_wanted || is_sales_user(row) && plan.lets_in(row, false).unwrap_or(link.is_some() && !has(LinkFlags::OUT)));
    }
    let stays = match record.table {
        Table::Lead | Table::Contact => bridge.options.on_inactive.person == InactivePerson::Sync,
        Table::Account => bridge.options.on_inactive.company == InactiveRecord::Sync || is_wanted,
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Opportunity | Table::Connection => true,
    };
    let is_known = link.is_some_and(Link::is_confirmed);
    (stays || !is_inactive(record.table, row))
        && (is_wanted || plan.lets_in(row, is_known).unwrap_or(link.is_some() && !has(LinkFlags::OUT)))
}

fn owner_of(bridge: &Bridge, teams: &Teams, row: Row<'_>) -> Option<Guid> {
    match (owner(row), bridge.options.owners.team) {
        (OwnerRef::User(user), _) | (OwnerRef::Team(_), TeamOwner::User(user)) => Some(user),
        (OwnerRef::Team(team), TeamOwner::Administrator) => teams.get(&team).copied(),
        (OwnerRef::Team(_), TeamOwner::Hold) | (OwnerRef::Nobody, _) => None,
    }
}

pub(super) async fn links(bridge: &Bridge, table: Table, ids: &[Guid]) -> Result<BTreeMap<Guid, Link>, SyncError> {
    let keys: Vec<_> = ids.iter().map(|id| record_key(RecordId::new(table, *id))).collect();
    let links = bridge.store.read::<Link>(&keys).await?;
    Ok(links.into_iter().flatten().map(|link| (link.record.id, link)).collect())
}

async fn pending(bridge: &Bridge, table: Table, ids: &[Guid]) -> Result<BTreeSet<Guid>, SyncError> {
    let Some(object) = table.object() else { return Ok(BTreeSet::new()) };
    let keys: Vec<_> = ids.iter().map(|id| Outbox::key_of(object, *id, "")).collect();
    let entries = bridge.store.read::<Outbox>(&keys).await?;
    // What somebody has dismissed isn't sent either.
    let keys: Vec<_> = ids.iter().map(|id| Dismissal::key_of(object, *id, "")).collect();
    let dismissed = bridge.store.read::<Fact>(&keys).await?;
    let dismissed = ids.iter().zip(dismissed).filter(|(_, fact)| fact.is_some()).map(|(id, _)| *id);
    Ok(entries.into_iter().flatten().map(|entry| entry.record.id).chain(dismissed).collect())
}
