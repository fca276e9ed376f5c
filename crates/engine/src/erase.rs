//! One person is erased: from Marketo by policy, and from our state.
//!
//! A tombstone that holds nothing but its GUID keeps it from coming back while Dynamics still has the row. It is set first, so that whatever
//! is cut off is finished by erasing once more.

use std::collections::BTreeSet;

use base::{Guid, Object, RecordId, Table};
use futures::{FutureExt, future::BoxFuture};
use serde::Serialize;
use store::{
    Batch, Record, StoreExt,
    record::{
        Alias, DirtyRoles, Fact, Link, MsiDue, MsiUrgent, Outbox, PersonIndex, Refetch, Role, RoleSource,
        alias::AliasOf,
        link::links_of,
        record_key,
        role::{SourceBy, SourceIndex},
    },
};

use crate::{
    bridge::Bridge,
    capture::ERASED_FACT,
    chain::{self, Follow},
    error::{Side, SyncError},
    held::Dismissal,
    options::PersonParting,
    prepare::prepare,
    push::{aliases_of, holders, load_links, take_out},
};

/// Values in one query (Adobe, "Lead database": filter values).
const VALUES_MAX: usize = 300;

/// Links read from the state at a time.
const LINKS: usize = 1_000;

/// What is to be erased.
#[derive(Debug, Clone, Serialize)]
pub struct Erasure {
    /// The Dynamics records that are this person: itself, and those that stand for it.
    pub records: Vec<Guid>,
    /// Its Marketo persons.
    pub persons: Vec<i64>,
    /// What becomes of them: `unlink`, `keep` or `delete`.
    pub marketo: PersonParting,
}

/// Finds a person by the id of its Dynamics record or by Marketo's; none when neither our state nor Marketo knows it.
///
/// # Errors
/// When a side or the state can't be read.
pub fn find<'a>(bridge: &'a Bridge, id: &'a str, marketo: Option<PersonParting>) -> BoxFuture<'a, Result<Option<Erasure>, SyncError>> {
    async move {
        let marketo = marketo.unwrap_or(bridge.options.on_delete.person);
        let guid = match (id.parse::<Guid>(), id.parse::<i64>()) {
            (Ok(guid), _) => guid,
            (Err(_), Ok(person)) => match bridge.store.read_one::<PersonIndex>(PersonIndex::key_of(person)).await? {
                Some(entry) => entry.record.id,
                None => match key_of(bridge, person).await? {
                    Some(None) if let Some(record) = known_as(bridge, person).await? => record.id,
                    Some(Some(guid)) => guid,
                    // Somebody whom Marketo has and who is no record of ours, such as one that was unlinked.
                    Some(None) => return Ok(Some(Erasure { records: Vec::new(), persons: vec![person], marketo })),
                    None => return Ok(None),
                },
            },
            (Err(_), Err(_)) => return Ok(None),
        };
        // Whoever it stands for is the same person, and whoever stands for that.
        let records: BTreeSet<RecordId> = both_tables(guid).into();
        let ends = chain::ends(bridge, records.clone(), Follow::All).await?;
        let records: BTreeSet<RecordId> = records.into_iter().chain(ends.into_values()).collect();
        let mut ids: BTreeSet<Guid> = records.iter().map(|record| record.id).collect();
        for aliases in aliases_of(bridge, &records.iter().copied().collect::<Vec<_>>()).await?.into_values() {
            ids.extend(aliases);
        }
        let links = load_links(bridge, &ids.iter().flat_map(|id| both_tables(*id)).collect()).await?;
        let mut persons: BTreeSet<i64> = links.values().filter_map(|link| link.marketo_id).collect();
        let prepared = prepare(bridge).await?;
        let spellings: Vec<String> = ids.iter().flat_map(|id| id.spellings()).collect();
        for key in std::iter::once(&prepared.person_key).chain(&prepared.second_person_key) {
            for chunk in spellings.chunks(VALUES_MAX) {
                let found = bridge.marketo.people(key, chunk.to_vec(), &["id".to_owned()]).await;
                persons.extend(found.map_err(|error| SyncError::of_call(Side::Marketo, error))?.people.into_iter().map(|person| person.id));
            }
        }
        // Who was ours once may be another's by now.
        let holders = holders(bridge, &persons.iter().copied().collect::<Vec<_>>()).await?;
        persons.retain(|person| holders.get(person).is_none_or(|holder| ids.contains(&holder.id)));
        let known = !links.is_empty() || !persons.is_empty() || erased_before(bridge, guid).await?;
        Ok(known.then(|| Erasure { records: ids.into_iter().collect(), persons: persons.into_iter().collect(), marketo }))
    }
    .boxed()
}

/// The record that is, or was, linked with a Marketo person.
async fn known_as(bridge: &Bridge, person: i64) -> Result<Option<RecordId>, SyncError> {
    for table in [Table::Contact, Table::Lead] {
        let mut links = bridge.store.pages::<Link>(links_of(table), LINKS);
        loop {
            let page = links.next_page().await?;
            if page.is_empty() {
                break;
            }
            if let Some(link) = page.iter().find(|link| link.marketo_id == Some(person)) {
                return Ok(Some(link.record));
            }
        }
    }
    Ok(None)
}

/// The GUID that a Marketo person has, if any; none at all where Marketo has no such person.
async fn key_of(bridge: &Bridge, person: i64) -> Result<Option<Option<Guid>>, SyncError> {
    let prepared = prepare(bridge).await?;
    let keys: Vec<String> = std::iter::once(prepared.person_key).chain(prepared.second_person_key).collect();
    let fields: Vec<String> = std::iter::once("id".to_owned()).chain(keys.iter().cloned()).collect();
    let found = bridge.marketo.people("id", vec![person.to_string()], &fields).await;
    let found = found.map_err(|error| SyncError::of_call(Side::Marketo, error))?.people;
    Ok(found.first().map(|person| keys.iter().find_map(|key| person.text(key)?.parse().ok())))
}

/// Erases it.
///
/// # Errors
/// When Marketo refuses or can't be reached, or the state can't be written. Erasing once more goes on.
pub fn erase<'a>(bridge: &'a Bridge, erasure: &'a Erasure) -> BoxFuture<'a, Result<(), SyncError>> {
    async move {
        let mut batch = Batch::new();
        for id in &erasure.records {
            batch.put(&Fact { name: format!("{ERASED_FACT}{id}"), value: serde_json::json!(erasure.marketo) });
            // Cut off from here on, nothing of it is sent any more.
            batch.remove::<Outbox>(Outbox::key_of(Object::Lead, *id, ""));
        }
        bridge.commit(batch).await?;
        let prepared = prepare(bridge).await?;
        take_out(bridge, &prepared, &erasure.persons, erasure.marketo).await.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
        let _links = bridge.links.lock().await;
        let mut batch = Batch::new();
        for person in &erasure.persons {
            batch.remove::<PersonIndex>(PersonIndex::key_of(*person));
        }
        for id in &erasure.records {
            forget(bridge, *id, erasure, &mut batch).await?;
        }
        bridge.commit(batch).await
    }
    .boxed()
}

async fn forget(bridge: &Bridge, id: Guid, erasure: &Erasure, batch: &mut Batch) -> Result<(), SyncError> {
    batch.remove::<Fact>(Dismissal::key_of(Object::Lead, id, ""));
    for record in both_tables(id) {
        batch.remove::<Link>(record_key(record));
        batch.remove::<MsiDue>(MsiDue { record }.key());
        batch.remove::<MsiUrgent>(MsiUrgent { record }.key());
        batch.remove::<Refetch>(Refetch { record }.key());
        if let Some(alias) = bridge.store.read_one::<Alias>(Alias::key_of(record)).await? {
            batch.remove::<AliasOf>(AliasOf { survivor: alias.survivor, alias: record }.key());
            batch.remove::<Alias>(alias.key());
        }
    }
    // Its roles are derived again without it; those that went with the person need no removal.
    let entries = bridge.store.list::<SourceIndex>(&SourceIndex::prefix(SourceBy::Contact, id), None, usize::MAX).await?;
    let keys: Vec<_> = entries.iter().map(|entry| RoleSource::key_of(entry.source)).collect();
    for source in bridge.store.read::<RoleSource>(&keys).await?.into_iter().flatten() {
        batch.put(&DirtyRoles { opportunity: source.opportunity });
        if erasure.marketo == PersonParting::Delete {
            let roles = bridge.store.list::<Role>(&Role::of_opportunity(source.opportunity), None, usize::MAX).await?;
            roles.iter().filter(|role| erasure.persons.contains(&role.lead_id)).for_each(|role| batch.remove::<Role>(role.key()));
        }
    }
    Ok(())
}

/// How an erased person's Marketo record is to be parted with, where it was erased and that is known; earlier releases kept only that it was.
pub(crate) async fn erased_how(bridge: &Bridge, id: Guid) -> Result<Option<PersonParting>, SyncError> {
    let tombstone = bridge.store.read_one::<Fact>(format!("{ERASED_FACT}{id}").into()).await?;
    Ok(tombstone.and_then(|tombstone| serde_json::from_value(tombstone.value).ok()))
}

async fn erased_before(bridge: &Bridge, id: Guid) -> Result<bool, SyncError> {
    Ok(bridge.store.read_one::<Fact>(format!("{ERASED_FACT}{id}").into()).await?.is_some())
}

fn both_tables(id: Guid) -> [RecordId; 2] {
    [Table::Lead, Table::Contact].map(|table| RecordId::new(table, id))
}
