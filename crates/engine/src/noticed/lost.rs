//! People who were merged into others or deleted in Marketo: their records are read and looked for again.

use std::collections::BTreeMap;

use base::Object;
use store::{
    Batch, StoreExt,
    record::{Outbox, OutboxState, PersonIndex, Refetch},
};

use crate::{
    bridge::Bridge,
    error::SyncError,
    push::{forget_confirmed, load_links, pass_on_roles},
    task::Task,
};

/// Has the records of these persons, who exist no more, looked for again; with each goes whom it was merged into. Who is nobody's is passed
/// over: others' people, and those whom we have merged or deleted ourselves.
pub(super) async fn look_again(bridge: &Bridge, gone: BTreeMap<i64, Option<i64>>) -> Result<(), SyncError> {
    let keys: Vec<_> = gone.keys().map(|person| PersonIndex::key_of(*person)).collect();
    let entries: Vec<PersonIndex> = bridge.store.read::<PersonIndex>(&keys).await?.into_iter().flatten().collect();
    let links = load_links(bridge, &entries.iter().map(|entry| entry.record).collect()).await?;
    let keys: Vec<_> = entries.iter().map(|entry| Outbox::key_of(Object::Lead, entry.record.id, "")).collect();
    let asked = bridge.store.read::<Outbox>(&keys).await?;
    let (mut batch, mut dead) = (Batch::new(), BTreeMap::new());
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
            batch.put(&Refetch { record: entry.record });
            batch.remove::<PersonIndex>(PersonIndex::key_of(entry.marketo_id));
            dead.insert(entry.marketo_id, gone.get(&entry.marketo_id).copied().flatten());
        }
    }
    // First: once the index forgets the person, nobody would ask for its roles again.
    pass_on_roles(bridge, &dead).await?;
    bridge.commit(batch).await
}
