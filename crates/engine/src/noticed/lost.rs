//! People who were merged into others or deleted in Marketo: their records are read and looked for again.

use std::collections::BTreeSet;

use store::{
    Batch, StoreExt,
    record::{PersonIndex, Refetch},
};

use crate::{
    bridge::Bridge,
    error::SyncError,
    push::{forget_confirmed, forget_roles_of_leads, load_links},
};

/// Has the records of these persons, who exist no more, looked for again. Who is nobody's is passed over: others' people, and those whom we
/// have merged or deleted ourselves.
pub(super) async fn look_again(bridge: &Bridge, gone: BTreeSet<i64>) -> Result<(), SyncError> {
    let keys: Vec<_> = gone.into_iter().map(PersonIndex::key_of).collect();
    let entries: Vec<PersonIndex> = bridge.store.read::<PersonIndex>(&keys).await?.into_iter().flatten().collect();
    let links = load_links(bridge, &entries.iter().map(|entry| entry.record).collect()).await?;
    let (mut batch, mut dead) = (Batch::new(), BTreeSet::new());
    for entry in entries {
        let is_its = links.get(&entry.record).is_some_and(|link| link.is_confirmed() && link.marketo_id == Some(entry.marketo_id));
        if is_its {
            tracing::info!(record = %entry.record, person = entry.marketo_id, "its Marketo person is gone; it is looked for again");
            forget_confirmed(bridge, entry.record, &mut batch).await?;
            batch.put(&Refetch { record: entry.record });
            batch.remove::<PersonIndex>(PersonIndex::key_of(entry.marketo_id));
            dead.insert(entry.marketo_id);
        }
    }
    bridge.commit(batch).await?;
    forget_roles_of_leads(bridge, &dead).await
}
