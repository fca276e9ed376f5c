//! Opportunity roles: what connections and primary contacts yield, against what Marketo has.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table};
use planner::{
    Row,
    reference::primary_contact,
    role::{self, Kind as SourceKind, RoleTexts, Source},
};
use serde_json::Value;
use store::{
    StoreExt,
    record::{LinkFlags, Outbox},
};

use super::{
    compare::{Held, held, id_of, is_there, role as difference},
    expected::Expected,
    report::{Difference, Kind},
};
use crate::{
    bridge::Bridge,
    capture::erased,
    chain::{self, Follow},
    error::{Side, SyncError},
    marketo::key_field,
    prepare::Prepared,
};

/// What of roles is otherwise, and the roles that Dynamics doesn't ask for: opportunity, person, text.
pub(super) type Found = (Vec<Difference>, Vec<(Guid, i64, String)>);

/// Compares the roles of opportunities that Marketo has.
pub(super) async fn compare(
    bridge: &Bridge,
    prepared: &Prepared,
    texts: &RoleTexts,
    deals: &[Expected],
    there: &Held,
) -> Result<Found, SyncError> {
    let deals: Vec<&Expected> = deals.iter().filter(|deal| is_there(there, deal.record.id)).collect();
    let ids: Vec<Guid> = deals.iter().map(|deal| deal.record.id).collect();
    if ids.is_empty() {
        return Ok(Found::default());
    }
    let mut sources = connections(bridge, prepared, &ids).await?;
    for deal in &deals {
        if let Some(contact) = primary_contact(Row(&deal.row)) {
            let source = Source { id: deal.record.id, contact, kind: SourceKind::Primary, role: None, related: None };
            sources.entry(deal.record.id).or_default().push(source);
        }
    }
    let contacts: BTreeSet<RecordId> = sources.values().flatten().map(|source| RecordId::new(Table::Contact, source.contact)).collect();
    // The roles of a contact that is merged into another are that one's.
    let ends = chain::ends(bridge, contacts, Follow::Merged).await?;
    for source in sources.values_mut().flatten() {
        source.contact = ends.get(&RecordId::new(Table::Contact, source.contact)).map_or(source.contact, |end| end.id);
    }
    let people: BTreeSet<Guid> = sources.values().flatten().map(|source| source.contact).collect();
    let people: Vec<Guid> = people.into_iter().collect();
    let fields = ["id".to_owned(), prepared.person_key.clone()];
    let mut persons = Held::new();
    for chunk in people.chunks(super::compare::VALUES_MAX) {
        persons.extend(held(bridge, Object::Lead, &prepared.person_key, &fields, chunk.to_vec()).await?);
    }
    // A person that is missing or there twice is a difference of its own, and the role that was sent for it is none.
    let known = super::expected::links(bridge, Table::Contact, &people).await?;
    let has_none = |contact: Guid| {
        known.get(&contact).is_some_and(|link| {
            let has = |flag| link.flags.has(flag);
            let is_out = has(LinkFlags::DORMANT) && !has(LinkFlags::WANTED);
            has(LinkFlags::GONE) || has(LinkFlags::DORMANT) && has(LinkFlags::INACTIVE) || is_out && !bridge.options.policy.by_reference
        })
    };
    let person_of = |contact: Guid| {
        let found: Vec<i64> = persons.get(&contact).into_iter().flatten().filter_map(id_of).collect();
        let known = known.get(&contact).and_then(|link| link.marketo_id);
        let person = known.filter(|known| found.is_empty() || found.contains(known)).or(found.first().copied())?;
        Some((person, !found.is_empty()))
    };
    let erased = erased(bridge, people.clone()).await?;
    let fields = ["externalOpportunityId", "leadId", "role"].map(str::to_owned);
    let roles = held(bridge, Object::Role, key_field(Object::Role), &fields, ids.clone()).await?;
    let mut found = Found::default();
    for deal in deals {
        let id = deal.record.id;
        // What is on its way is no difference.
        if !bridge.store.list::<Outbox>(&Outbox::key_of(Object::Role, id, ""), None, 1).await?.is_empty() {
            continue;
        }
        let wanted = role::derive(sources.get(&id).map_or(&[][..], Vec::as_slice), texts, &bridge.options.policy.default_role);
        let mut wanted: BTreeMap<(i64, String), (String, bool)> = wanted
            .into_iter()
            .filter(|role| !has_none(role.contact) && !erased.contains(&role.contact))
            .filter_map(|role| {
                let (person, is_there) = person_of(role.contact)?;
                Some(((person, role.name.to_lowercase()), (role.name, is_there)))
            })
            .collect();
        for record in roles.get(&id).map_or(&[][..], Vec::as_slice) {
            let text = record.get("role").and_then(Value::as_str).unwrap_or_default();
            let Some(lead) = record.get("leadId").and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok())) else { continue };
            if wanted.remove(&(lead, text.to_lowercase())).is_none() {
                found.0.push(difference(Kind::RoleExtra, id, Some(lead), text.to_owned(), deal.desired.owner));
                found.1.push((id, lead, text.to_owned()));
            }
        }
        let missing = wanted.into_iter().filter(|(_, (_, is_there))| *is_there);
        let missing = missing.map(|((lead, _), (text, _))| difference(Kind::RoleMissing, id, Some(lead), text, deal.desired.owner));
        found.0.extend(missing);
    }
    Ok(found)
}

async fn connections(bridge: &Bridge, prepared: &Prepared, ids: &[Guid]) -> Result<BTreeMap<Guid, Vec<Source>>, SyncError> {
    let mut sources: BTreeMap<Guid, Vec<Source>> = BTreeMap::new();
    let Some(plan) = prepared.tables.get(&Table::Connection) else { return Ok(sources) };
    let columns: Vec<&str> = ["_record1id_value", "_record2id_value"]
        .into_iter()
        .filter(|column| plan.select.iter().any(|selected| selected == column))
        .collect();
    let rows = bridge.dynamics.pointing(&plan.table, &plan.select, &columns, ids).await;
    let rows = rows.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows;
    let mut met = BTreeSet::new();
    for row in rows.iter().map(Row) {
        let Some((id, read)) = row.guid(&plan.table.primary_id).zip(role::connection(row)) else { continue };
        if met.insert(id) {
            let source = Source { id, contact: read.contact, kind: read.kind, role: read.role, related: read.related };
            sources.entry(read.opportunity).or_default().push(source);
        }
    }
    Ok(sources)
}
