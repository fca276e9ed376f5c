//! A sales person whose e-mail Marketo doesn't change is made anew (rule R6): everything it owns goes to another sales person, it is
//! deleted and created under the same id with its user's e-mail, and gets everything back.
//!
//! What it owns is known from our state, which this doesn't change: at any point the same steps may be done again, and only how far they
//! got is noted.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table};
use futures::{FutureExt, future::BoxFuture};
use planner::{
    Desired, Fingerprints, Row,
    diff::{Known, change},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{
    Batch, StoreExt,
    record::{Fact, Link, LinkFlags, link::links_of, record_key},
};

use crate::{
    bridge::Bridge,
    error::{Problem, Side, SyncError},
    marketo::{SyncMode, Verdict, key_field},
    prepare::{Prepared, prepare},
    push::FROZEN_FACT,
    refers,
};

/// Facts that say how far the mending of a sales person got.
const MEND_FACT: &str = "mend-owner-email/";

/// Records in one call (Adobe, "Lead database").
const RECORDS_MAX: usize = 300;

/// Links read at a time.
const LINKS: usize = 2_000;

/// What is to be done.
#[derive(Debug, Clone, Serialize)]
pub struct Mending {
    /// The user.
    pub user: Guid,
    /// The sales person that owns everything meanwhile.
    pub via: Guid,
    /// Records that it owns, by object.
    pub owned: BTreeMap<Object, u64>,
    /// Marketo calls that this takes.
    pub calls: u64,
    /// Whether it was begun before.
    pub begun: bool,
}

/// How far it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Everything is being given to the other.
    Away,
    /// It was deleted, and is being created.
    Anew,
    /// It gets everything back.
    Back,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Noted {
    via: Guid,
    stage: Stage,
}

/// Plans it: nothing is changed.
///
/// # Errors
/// When the user is no sales person in Marketo, its e-mail there is right, there is nobody to own its records meanwhile, or the state can't be read.
pub fn plan(bridge: &Bridge, user: Guid, via: Option<Guid>) -> BoxFuture<'_, Result<Mending, SyncError>> {
    async move {
        let prepared = prepare(bridge).await?;
        let noted = noted(bridge, user).await?;
        if noted.is_none() && !is_sales_person(bridge, user).await? {
            return Err(problem("user", format!("user {user} is no sales person in Marketo as far as our state knows")));
        }
        if noted.is_none() && bridge.store.read_one::<Fact>(format!("{FROZEN_FACT}{user}").into()).await?.is_none() {
            return Err(problem(
                "user",
                format!("nothing needs to be mended: Marketo has taken the e-mail of user {user}, as it was read back"),
            ));
        }
        let via = match (noted, via) {
            (Some(noted), _) => noted.via,
            (None, Some(via)) if via == user || !is_sales_person(bridge, via).await? => {
                return Err(problem("via", format!("user {via} is no other sales person in Marketo as far as our state knows")));
            }
            (None, Some(via)) => via,
            (None, None) => another(bridge, user).await?,
        };
        let owned: BTreeMap<Object, u64> =
            owned(bridge, &prepared, &[user]).await?.into_iter().map(|(object, links)| (object, links.len() as u64)).collect();
        let calls: u64 = owned.values().map(|count| 2 * count.div_ceil(RECORDS_MAX as u64)).sum();
        Ok(Mending { user, via, owned, calls: calls + 4, begun: noted.is_some() })
    }
    .boxed()
}

/// Does it, or goes on with it.
///
/// # Errors
/// When Marketo refuses, can't be reached, or the state can't be written. Doing it once more goes on where it stopped.
pub fn mend<'a>(bridge: &'a Bridge, mending: &'a Mending) -> BoxFuture<'a, Result<(), SyncError>> {
    async move {
        let prepared = prepare(bridge).await?;
        let (user, via) = (mending.user, mending.via);
        let mut stage = noted(bridge, user).await?.map_or(Stage::Away, |noted| noted.stage);
        note(bridge, user, Noted { via, stage }).await?;
        if stage == Stage::Away {
            give(bridge, &prepared, user, via).await?;
            delete(bridge, user).await?;
            stage = Stage::Anew;
            note(bridge, user, Noted { via, stage }).await?;
        }
        if stage == Stage::Anew {
            create(bridge, &prepared, user).await?;
            note(bridge, user, Noted { via, stage: Stage::Back }).await?;
        }
        give(bridge, &prepared, user, user).await?;
        let mut batch = Batch::new();
        batch.remove::<Fact>(format!("{MEND_FACT}{user}").into());
        batch.remove::<Fact>(format!("{FROZEN_FACT}{user}").into());
        bridge.commit(batch).await
    }
    .boxed()
}

/// How many records these users own in Marketo, as far as our state knows.
pub(crate) async fn count_owned(bridge: &Bridge, prepared: &Prepared, users: &[Guid]) -> Result<usize, SyncError> {
    Ok(owned(bridge, prepared, users).await?.values().map(Vec::len).sum())
}

/// Users whose mending was begun and not ended.
pub(crate) async fn unfinished(bridge: &Bridge) -> Result<Vec<String>, SyncError> {
    let facts = bridge.store.list::<Fact>(MEND_FACT.as_bytes(), None, usize::MAX).await?;
    Ok(facts.iter().filter_map(|fact| fact.name.strip_prefix(MEND_FACT).map(str::to_owned)).collect())
}

fn problem(place: &str, message: String) -> SyncError {
    SyncError::Configuration(vec![Problem { code: "mend-owner-email", place: place.into(), message }])
}

async fn noted(bridge: &Bridge, user: Guid) -> Result<Option<Noted>, SyncError> {
    let fact = bridge.store.read_one::<Fact>(format!("{MEND_FACT}{user}").into()).await?;
    Ok(fact.and_then(|fact| serde_json::from_value(fact.value).ok()))
}

async fn note(bridge: &Bridge, user: Guid, noted: Noted) -> Result<(), SyncError> {
    let mut batch = Batch::new();
    batch.put(&Fact { name: format!("{MEND_FACT}{user}"), value: serde_json::to_value(noted).unwrap_or_default() });
    bridge.commit(batch).await
}

async fn link_of(bridge: &Bridge, user: Guid) -> Result<Option<Link>, SyncError> {
    Ok(bridge.store.read_one::<Link>(record_key(RecordId::new(Table::SystemUser, user))).await?)
}

async fn is_sales_person(bridge: &Bridge, user: Guid) -> Result<bool, SyncError> {
    Ok(link_of(bridge, user).await?.is_some_and(|link| link.is_confirmed() && !link.flags.has(LinkFlags::GONE)))
}

async fn another(bridge: &Bridge, user: Guid) -> Result<Guid, SyncError> {
    let mut users = bridge.store.pages::<Link>(links_of(Table::SystemUser), LINKS);
    loop {
        let page = users.next_page().await?;
        if page.is_empty() {
            return Err(problem("via", "there is no other sales person to own its records meanwhile".into()));
        }
        let able = |link: &&Link| {
            link.is_confirmed() && link.record.id != user && !link.flags.has(LinkFlags::DORMANT) && !link.flags.has(LinkFlags::GONE)
        };
        if let Some(link) = page.iter().find(able) {
            return Ok(link.record.id);
        }
    }
}

/// What Marketo was told that these users own.
async fn owned(bridge: &Bridge, prepared: &Prepared, users: &[Guid]) -> Result<BTreeMap<Object, Vec<Link>>, SyncError> {
    let prints: BTreeSet<u64> = users.iter().filter_map(|user| refers::print_of(*user, prepared.key)).collect();
    let mut owned: BTreeMap<Object, Vec<Link>> = BTreeMap::new();
    refers::each(bridge, prepared, |map, link, confirmed| {
        if confirmed.get(map.owner_slot).is_some_and(|owner| prints.contains(&owner)) {
            owned.entry(map.object).or_default().push(link);
        }
    })
    .await?;
    Ok(owned)
}

/// Gives everything that the user owns to `to`.
async fn give(bridge: &Bridge, prepared: &Prepared, user: Guid, to: Guid) -> Result<(), SyncError> {
    // Marketo answers 1013 for an owner that it doesn't have as for a record that it doesn't have.
    let link = link_of(bridge, to).await?;
    let field = key_field(Object::SalesPerson);
    let reference = link.as_ref().map_or_else(|| to.to_string(), Link::reference);
    let there = bridge.marketo.query(Object::SalesPerson, field, vec![reference.clone()], &[field]).await;
    if there.map_err(|error| SyncError::of_call(Side::Marketo, error))?.is_empty() {
        return Err(problem("marketo", format!("Marketo doesn't show the sales person {to}; wait a while and run the same command again")));
    }
    let to = reference;
    for (object, links) in owned(bridge, prepared, &[user]).await? {
        for chunk in links.chunks(RECORDS_MAX) {
            let record = |link: &Link| -> Map<String, Value> {
                let key = match object {
                    Object::Lead => ("id".to_owned(), link.marketo_id.unwrap_or_default().into()),
                    Object::SalesPerson | Object::Company | Object::Opportunity | Object::Role => {
                        (key_field(object).to_owned(), link.reference().into())
                    }
                };
                [key, ("externalSalesPersonId".to_owned(), to.clone().into())].into_iter().collect()
            };
            let records: Vec<Map<String, Value>> = chunk.iter().map(record).collect();
            let sent = match object {
                Object::Lead => bridge.marketo.sync_people(SyncMode::UpdateOnly, "id", records).await,
                Object::SalesPerson | Object::Company | Object::Opportunity | Object::Role => {
                    bridge.marketo.sync(object, SyncMode::UpdateOnly, records).await
                }
            };
            let verdicts = sent.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
            for (link, verdict) in chunk.iter().zip(verdicts) {
                refused(&verdict, &format!("{}: another owner was refused", link.record))?;
            }
        }
    }
    Ok(())
}

/// A refusal ends it; what isn't there needs no owner.
fn refused(verdict: &Verdict, what: &str) -> Result<(), SyncError> {
    if verdict.confirmed || matches!(verdict.code.as_str(), "1004" | "1013") {
        return Ok(());
    }
    Err(problem("marketo", format!("{what} ({}: {}); put that right and run the same command again", verdict.code, verdict.message)))
}

fn key_of(link: Option<&Link>, user: Guid) -> Map<String, Value> {
    let key = link.map_or_else(|| user.to_string(), Link::reference);
    [(key_field(Object::SalesPerson).to_owned(), key.into())].into_iter().collect()
}

async fn delete(bridge: &Bridge, user: Guid) -> Result<(), SyncError> {
    let link = link_of(bridge, user).await?;
    let removed = bridge.marketo.remove(Object::SalesPerson, vec![key_of(link.as_ref(), user)]).await;
    for verdict in removed.map_err(|error| SyncError::of_call(Side::Marketo, error))? {
        refused(&verdict, "the sales person could not be deleted; something that isn't ours may refer to it")?;
    }
    Ok(())
}

/// Creates it under the same id, as its user is now.
async fn create(bridge: &Bridge, prepared: &Prepared, user: Guid) -> Result<(), SyncError> {
    let record = RecordId::new(Table::SystemUser, user);
    let plan = prepared.table(Table::SystemUser)?;
    let page = bridge.dynamics.by_ids(&plan.table, &plan.select, &[user]).await;
    let rows = page.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows;
    let Some(row) = rows.first() else { return Err(problem("user", format!("Dynamics has no user {user}"))) };
    let map = prepared.map(Table::SystemUser)?;
    let desired = Desired::new(map.map(Row(row)), None, None, None);
    let change = change(map, &desired, &Fingerprints::default(), prepared.key, Known::Nothing);
    let mut link = link_of(bridge, user).await?.unwrap_or_else(|| Link::new(record));
    let mut fields = key_of(Some(&link), user);
    fields.extend(change.fields.clone());
    let created = bridge.marketo.sync(Object::SalesPerson, SyncMode::CreateOrUpdate, vec![fields]).await;
    for verdict in created.map_err(|error| SyncError::of_call(Side::Marketo, error))? {
        if !verdict.confirmed {
            let text = format!(
                "the sales person could not be created ({}: {}); put that right and run the same command again",
                verdict.code, verdict.message
            );
            return Err(problem("marketo", text));
        }
        link.marketo_id = verdict.id.or(link.marketo_id);
    }
    link.confirmed = change.confirmed.write();
    link.flags = link.flags.with(LinkFlags::CONFIRMED, true);
    let mut batch = Batch::new();
    batch.put(&link);
    bridge.commit(batch).await
}
