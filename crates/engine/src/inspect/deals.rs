//! The opportunities of a contact, or an opportunity itself, with the roles that Dynamics asks for and those that Marketo has.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table, Values};
use planner::{
    Row,
    reference::primary_contact,
    role::{self, Kind, RoleTexts, RoleWanted, Source},
};
use serde_json::{Map, Value};
use store::{
    StoreExt,
    record::{Link, record_key, role::RoleName},
};

use super::look::{Chain, Kept, Look};
use crate::{
    chain::{self, Follow},
    dynamics::Holds,
    error::{Side, SyncError},
    marketo::key_field,
};

/// Connections and opportunities of one contact that are looked at.
const DEALS_MAX: usize = 50;

/// An opportunity, with the roles of the people that are looked at.
#[derive(Debug, Clone)]
pub(super) struct Deal {
    pub(super) opportunity: Guid,
    pub(super) kept: Kept,
    /// What Marketo has under its key.
    pub(super) found: Vec<Map<String, Value>>,
    /// The roles that Dynamics asks for, with Marketo's id of each contact's person where we know it.
    pub(super) wanted: Vec<(RoleWanted, Option<i64>)>,
    /// The roles that Marketo has.
    pub(super) roles: Vec<Map<String, Value>>,
}

impl Deal {
    /// Whether Marketo has a role.
    pub(super) fn has(&self, wanted: &RoleWanted, lead: i64) -> bool {
        self.roles.iter().any(|role| {
            let text = role.get("role").and_then(Value::as_str).unwrap_or_default();
            let theirs = role.get("leadId").and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok()));
            theirs == Some(lead) && text.eq_ignore_ascii_case(&wanted.name)
        })
    }
}

/// Those of a contact or an opportunity; none of other records.
pub(super) async fn of(look: &Look<'_>, chain: &Chain) -> Result<Vec<Deal>, SyncError> {
    let Some(row) = chain.seen.row() else { return Ok(Vec::new()) };
    let mut ids = BTreeSet::new();
    match chain.record.table {
        Table::Opportunity => drop(ids.insert(chain.record.id)),
        Table::Contact => ids.extend(opportunities_of(look, chain.record.id).await?),
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Account | Table::Lead | Table::Connection => {}
    }
    let mut deals = Vec::new();
    for id in ids {
        let only = (chain.record.table == Table::Contact).then_some(chain.record.id);
        let own = (chain.record.table == Table::Opportunity).then_some(row);
        deals.push(deal(look, id, only, own).await?);
    }
    Ok(deals)
}

async fn opportunities_of(look: &Look<'_>, contact: Guid) -> Result<BTreeSet<Guid>, SyncError> {
    let mut ids = BTreeSet::new();
    let columns = present(look, Table::Opportunity, &["_parentcontactid_value", "_customerid_value"])?;
    for row in holding(look, Table::Opportunity, &columns, contact).await? {
        ids.extend(Row(&row).guid(&look.prepared.table(Table::Opportunity)?.table.primary_id));
    }
    ids.extend(connections(look, contact).await?.into_iter().filter(|(_, source)| source.contact == contact).map(|(id, _)| id));
    Ok(ids)
}

/// The connections that name a row, each with its opportunity.
async fn connections(look: &Look<'_>, id: Guid) -> Result<Vec<(Guid, Source)>, SyncError> {
    let columns = present(look, Table::Connection, &["_record1id_value", "_record2id_value"])?;
    let primary_id = &look.prepared.table(Table::Connection)?.table.primary_id;
    let rows = holding(look, Table::Connection, &columns, id).await?;
    let source = |row: &Values| {
        let read = role::connection(Row(row))?;
        let source =
            Source { id: Row(row).guid(primary_id)?, contact: read.contact, kind: read.kind, role: read.role, related: read.related };
        Some((read.opportunity, source))
    };
    Ok(rows.iter().filter_map(source).collect())
}

async fn deal(look: &Look<'_>, id: Guid, only: Option<Guid>, own: Option<&Values>) -> Result<Deal, SyncError> {
    let record = RecordId::new(Table::Opportunity, id);
    let key = key_field(Object::Opportunity);
    let found = look.in_marketo(Object::Opportunity, key, id).await?;
    let roles = look.in_marketo(Object::Role, key_field(Object::Role), id).await?;
    let mut sources: Vec<Source> = connections(look, id).await?.into_iter().map(|(_, source)| source).collect();
    let row = match own {
        Some(row) => Some(row.clone()),
        None => look.row(record).await?.row().cloned(),
    };
    if let Some(contact) = row.as_ref().and_then(|row| primary_contact(Row(row))) {
        sources.push(Source { id, contact, kind: Kind::Primary, role: None, related: None });
    }
    // The roles of a contact that is merged into another are that one's.
    let contacts = sources.iter().map(|source| RecordId::new(Table::Contact, source.contact)).collect();
    let ends = chain::ends(look.bridge, contacts, Follow::Merged).await?;
    for source in &mut sources {
        source.contact = ends.get(&RecordId::new(Table::Contact, source.contact)).map_or(source.contact, |end| end.id);
    }
    let names = names_of(look, sources.iter().filter_map(|source| source.role).collect()).await?;
    let mut wanted = role::derive(&sources, &RoleTexts::new(names), &look.bridge.options.policy.default_role);
    wanted.retain(|role| only.is_none_or(|contact| role.contact == contact));
    let keys: Vec<_> = wanted.iter().map(|role| record_key(RecordId::new(Table::Contact, role.contact))).collect();
    let links = look.bridge.store.read::<Link>(&keys).await?;
    let wanted = wanted.into_iter().zip(links).map(|(role, link)| (role, link.and_then(|link| link.marketo_id))).collect();
    Ok(Deal { opportunity: id, kept: look.kept(record).await?, found, wanted, roles })
}

/// All names of connection roles: what one is cut to depends on the others.
async fn names_of(look: &Look<'_>, used: Vec<Guid>) -> Result<BTreeMap<Guid, String>, SyncError> {
    let mut names = BTreeMap::new();
    if used.is_empty() {
        return Ok(names);
    }
    let mut pages = look.bridge.store.pages::<RoleName>(Vec::new(), 1_000);
    loop {
        let page = pages.next_page().await?;
        if page.is_empty() {
            return Ok(names);
        }
        names.extend(page.into_iter().map(|role| (role.id, role.name)));
    }
}

async fn holding(look: &Look<'_>, table: Table, columns: &[&str], id: Guid) -> Result<Vec<Values>, SyncError> {
    let plan = look.prepared.table(table)?;
    let rows = look.bridge.dynamics.holding(&plan.table, &plan.select, columns, Holds::Id(id), DEALS_MAX).await;
    Ok(rows.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows)
}

/// Those of these lookups that the table has.
fn present<'a>(look: &Look<'_>, table: Table, columns: &[&'a str]) -> Result<Vec<&'a str>, SyncError> {
    let plan = look.prepared.table(table)?;
    Ok(columns.iter().copied().filter(|column| plan.select.iter().any(|selected| selected == column)).collect())
}
