//! Whether salespeople are the same on both sides: Marketo Sales Insight joins them by e-mail.

use std::collections::BTreeMap;

use base::{Guid, Object, Table, Values};
use planner::{Row, reference::is_sales_user};
use serde_json::Value;

use super::finding::Finding;
use crate::{
    audit::pages::Pages,
    bridge::Bridge,
    error::{Side, SyncError},
    marketo::key_field,
    options::TeamOwner,
    prepare::{Prepared, TablePlan},
};

/// Users and teams that are looked at.
const ROWS_MAX: usize = 20_000;

/// Users or teams that are named in one finding.
const NAMED_MAX: usize = 20;

/// Users or teams whose records are counted, four calls each.
const COUNTED_MAX: usize = 100;

/// Values in one query (Adobe, "Lead database": filter values).
const VALUES_MAX: usize = 300;

const OWNERS: &str = "docs/guide/owners.md";

/// Compares users with sales persons, and says whose records have none.
pub(super) async fn owners(bridge: &Bridge, prepared: &Prepared, findings: &mut Vec<Finding>) -> Result<(), SyncError> {
    let plan = prepared.table(Table::SystemUser)?;
    let users = all(bridge, plan).await?;
    let id = |row: &Values| Row(row).guid(&plan.table.primary_id);
    let sellers: BTreeMap<Guid, &str> = users
        .iter()
        .filter(|row| is_sales_user(Row(row)))
        .filter_map(|row| Some((id(row)?, Row(row).text("internalemailaddress")?)))
        .collect();
    let before = findings.len();
    without_email(bridge, prepared, &users, plan, findings).await?;
    twice(&sellers, findings);
    differing(bridge, &sellers, findings).await?;
    teams(bridge, prepared, findings).await?;
    if findings.len() == before {
        findings.push(Finding::green("owners", format!("{} users with an e-mail of their own, the same on both sides", sellers.len())));
    }
    Ok(())
}

async fn all(bridge: &Bridge, plan: &TablePlan) -> Result<Vec<Values>, SyncError> {
    let mut rows = Vec::new();
    let mut pages = Pages::new(&plan.table, &plan.select);
    while let Some(page) = pages.next(bridge).await?.filter(|_| rows.len() < ROWS_MAX) {
        rows.extend(page);
    }
    Ok(rows)
}

/// Leads, contacts, accounts and opportunities that somebody owns.
async fn owned(bridge: &Bridge, prepared: &Prepared, owner: Guid) -> Result<u64, SyncError> {
    let mut owned = 0;
    for table in [Table::Account, Table::Lead, Table::Contact, Table::Opportunity] {
        let Some(plan) = prepared.tables.get(&table) else { continue };
        owned += bridge.dynamics.owned(&plan.table, owner).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
    }
    Ok(owned)
}

/// Users without e-mail who own something: what they own has no sales person.
async fn without_email(
    bridge: &Bridge,
    prepared: &Prepared,
    users: &[Values],
    plan: &TablePlan,
    findings: &mut Vec<Finding>,
) -> Result<(), SyncError> {
    // Applications and the system's own users own nothing that people look for.
    let is_person = |row: &Row<'_>| row.value("applicationid").is_none() && !matches!(row.integer("accessmode"), Some(3..=5));
    let silent = users.iter().map(Row).filter(|row| row.text("internalemailaddress").is_none() && is_person(row));
    let silent = silent.filter_map(|row| row.guid(&plan.table.primary_id)).take(COUNTED_MAX);
    for user in silent.collect::<Vec<_>>() {
        let records = owned(bridge, prepared, user).await?;
        if records > 0 {
            let text =
                format!("user {user} has no e-mail (internalemailaddress) and owns {records} records, which wait or have no sales person");
            findings.push(
                Finding::amber("owners", text, "give the user an e-mail address in Dynamics").explained("owner-without-email", OWNERS),
            );
        }
    }
    Ok(())
}

fn twice(sellers: &BTreeMap<Guid, &str>, findings: &mut Vec<Finding>) {
    let mut by_email: BTreeMap<String, Vec<Guid>> = BTreeMap::new();
    for (user, email) in sellers {
        by_email.entry(email.to_lowercase()).or_default().push(*user);
    }
    for users in by_email.into_values().filter(|users| users.len() > 1).take(NAMED_MAX) {
        let text = format!("users {} have one e-mail; Marketo Sales Insight can't tell them apart", list(&users));
        findings.push(Finding::amber("owners", text, "give each user an address of its own").coded("owner-email-twice"));
    }
}

/// Sales persons whose e-mail isn't their user's.
async fn differing(bridge: &Bridge, sellers: &BTreeMap<Guid, &str>, findings: &mut Vec<Finding>) -> Result<(), SyncError> {
    let key = key_field(Object::SalesPerson);
    let mut differing = Vec::new();
    for chunk in sellers.keys().collect::<Vec<_>>().chunks(VALUES_MAX) {
        let values = chunk.iter().map(ToString::to_string).collect();
        let found = bridge.marketo.query(Object::SalesPerson, key, values, &[key, "email"]).await;
        for record in found.map_err(|error| SyncError::of_call(Side::Marketo, error))? {
            let text = |field: &str| record.get(field).and_then(Value::as_str).map(str::trim);
            let user = text(key).and_then(|id| id.parse::<Guid>().ok());
            let Some((user, ours)) = user.and_then(|user| Some((user, *sellers.get(&user)?))) else { continue };
            if text("email").is_none_or(|theirs| !theirs.eq_ignore_ascii_case(ours)) {
                differing.push(user);
            }
        }
    }
    if !differing.is_empty() {
        let text = format!("Marketo's sales persons of users {} have another e-mail than in Dynamics", list(&differing));
        let remedy = "run `insight-bridge sync`; where it stays so, Marketo doesn't change it: `insight-bridge mend-owner-email <user>`";
        findings.push(Finding::red("owners", text, remedy).explained("owner-email-differs", OWNERS));
    }
    Ok(())
}

/// Teams that own something and that nobody stands for.
async fn teams(bridge: &Bridge, prepared: &Prepared, findings: &mut Vec<Finding>) -> Result<(), SyncError> {
    let Some(plan) = prepared.tables.get(&Table::Team) else { return Ok(()) };
    if let TeamOwner::User(_) = bridge.options.owners.team {
        return Ok(());
    }
    let teams = all(bridge, plan).await?;
    let alone = |row: &Row<'_>| bridge.options.owners.team == TeamOwner::Hold || row.lookup("administratorid").is_none();
    let teams = teams.iter().map(Row).filter(alone).filter_map(|row| row.guid(&plan.table.primary_id)).take(COUNTED_MAX);
    for team in teams.collect::<Vec<_>>() {
        let records = owned(bridge, prepared, team).await?;
        if records > 0 {
            let text = format!("team {team} owns {records} records, and neither an administrator nor owners.team names a user for them");
            let remedy = "give the team an administrator, or name a user in owners.team";
            findings.push(Finding::amber("owners", text, remedy).coded("team-without-administrator"));
        }
    }
    Ok(())
}

fn list(ids: &[Guid]) -> String {
    let named: Vec<String> = ids.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    match ids.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more", named.join(", ")),
        None => named.join(", "),
    }
}
