//! People who were merged into others or deleted in Marketo: their records are read and looked for again.

use std::{collections::BTreeMap, time::Duration};

use base::{Object, Timestamp, time::since};
use store::{
    Batch, StoreExt,
    record::{Fact, Outbox, OutboxState, PersonIndex, Refetch},
};

use crate::{
    bridge::Bridge,
    error::SyncError,
    push::{forget_confirmed, load_links, pass_on_roles},
    task::Task,
};

/// Facts that name a person that an update didn't find, with the time. Whether it was merged or deleted isn't known until Marketo tells, which may
/// take minutes; until then its roles may be another's, and nothing is done about them.
const LOST_FACT: &str = "lost-person/";

/// How long that is waited for. Then it was deleted; Adobe's note on the deleted-leads feed says that entries may be pruned.
const TOLD_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Notes that a person isn't there any more.
pub(crate) fn note(person: i64, now: Timestamp) -> Fact {
    Fact { name: fact_name(person), value: serde_json::json!(now) }
}

fn fact_name(person: i64) -> String {
    format!("{LOST_FACT}{person}")
}

/// Persons that aren't there any more, and of whom Marketo hasn't told yet what became of them.
pub(crate) async fn untold(bridge: &Bridge) -> Result<BTreeMap<i64, Timestamp>, SyncError> {
    let facts = bridge.store.list::<Fact>(LOST_FACT.as_bytes(), None, usize::MAX).await?;
    let read = |fact: Fact| Some((fact.name.strip_prefix(LOST_FACT)?.parse().ok()?, serde_json::from_value(fact.value).ok()?));
    Ok(facts.into_iter().filter_map(read).collect())
}

/// Those of whom Marketo has told nothing for long are dead, and their roles with them.
pub(super) async fn give_up(bridge: &Bridge) -> Result<(), SyncError> {
    let (now, mut batch) = (bridge.clock.now(), Batch::new());
    let late = untold(bridge).await?.into_iter().filter(|(_, at)| since(*at, now) > TOLD_WITHIN);
    let dead: BTreeMap<i64, Option<i64>> = late.map(|(person, _)| (person, None)).collect();
    dead.keys().for_each(|person| batch.remove::<Fact>(fact_name(*person).into()));
    pass_on_roles(bridge, &dead).await?;
    bridge.commit(batch).await
}

/// Has the records of these persons, who exist no more, looked for again; with each goes whom it was merged into. Who is nobody's is passed
/// over: others' people, and those whom we have merged or deleted ourselves.
pub(super) async fn look_again(bridge: &Bridge, gone: BTreeMap<i64, Option<i64>>) -> Result<(), SyncError> {
    let keys: Vec<_> = gone.keys().map(|person| PersonIndex::key_of(*person)).collect();
    let entries: Vec<PersonIndex> = bridge.store.read::<PersonIndex>(&keys).await?.into_iter().flatten().collect();
    let links = load_links(bridge, &entries.iter().map(|entry| entry.record).collect()).await?;
    let keys: Vec<_> = entries.iter().map(|entry| Outbox::key_of(Object::Lead, entry.record.id, "")).collect();
    let asked = bridge.store.read::<Outbox>(&keys).await?;
    let (mut batch, mut dead) = (Batch::new(), BTreeMap::new());
    for person in untold(bridge).await?.into_keys() {
        if let Some(winner) = gone.get(&person) {
            dead.insert(person, *winner);
            batch.remove::<Fact>(fact_name(person).into());
        }
    }
    for (entry, asked) in entries.into_iter().zip(asked) {
        // One that is being joined with another was merged by us, or by somebody else to the same end: the joining looks who is left.
        if let Some(mut asked) = asked
            && let Task::Join(_) = Task::of(&asked)?
        {
            // Its roles are with whom Marketo gave them to, whoever it was to be joined with.
            dead.insert(entry.marketo_id, gone.get(&entry.marketo_id).copied().flatten());
            if let OutboxState::Held { retry_at, .. } = &mut asked.body.state {
                *retry_at = bridge.clock.now();
                batch.put(&asked);
            }
            continue;
        }
        let is_its = links.get(&entry.record).is_some_and(|link| link.is_confirmed() && link.marketo_id == Some(entry.marketo_id));
        if is_its {
            tracing::info!(record = %entry.record, person = entry.marketo_id, "its Marketo person is gone; it is looked for again");
            forget_confirmed(bridge, entry.record, &mut batch).await?;
            // Marketo has told.
            batch.remove::<Fact>(fact_name(entry.marketo_id).into());
            batch.put(&Refetch { record: entry.record });
            batch.remove::<PersonIndex>(PersonIndex::key_of(entry.marketo_id));
            dead.insert(entry.marketo_id, gone.get(&entry.marketo_id).copied().flatten());
        }
    }
    // First: once the index forgets the person, nobody would ask for its roles again.
    pass_on_roles(bridge, &dead).await?;
    bridge.commit(batch).await
}
