//! What would be sent for a record: names, addresses, whatever Dynamics says of a person. Only for whoever asks for it.

use std::collections::BTreeMap;

use base::Guid;
use planner::Fingerprints;
use serde::Serialize;
use serde_json::Value;
use store::{
    Store, StoreExt,
    record::{Link, Outbox, OutboxState, record_key},
};

use super::{entry::Understood, listing::entries_of};
use crate::{
    error::SyncError,
    prepare::{saved_key, saved_slots},
};

/// One entry's fields.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Values {
    /// Mapped fields whose value Marketo isn't known to hold, so that a sync would send them, unless a field's owner keeps it from that.
    pub open: BTreeMap<String, Value>,
    /// The other mapped fields: Marketo has confirmed them, or they are empty and it has nothing yet.
    pub settled: BTreeMap<String, Value>,
    /// The reason in the side's own words, which may quote a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The values of all entries of a record, in the order of [`super::of_record`].
///
/// # Errors
/// When the state can't be read.
pub async fn of_record(store: &dyn Store, id: Guid) -> Result<Vec<Values>, SyncError> {
    let (key, slots) = (saved_key(store).await?, saved_slots(store).await?);
    let mut values = Vec::new();
    for understood in Understood::all(store, entries_of(store, id).await?).await? {
        let link = store.read_one::<Link>(record_key(understood.entry.record)).await?.filter(Link::is_confirmed);
        let confirmed = link.map(|link| Fingerprints::read(&link.confirmed));
        let slots = slots.get(&understood.entry.object);
        let is_settled = |field: &str, value: &Value| match (&confirmed, key, slots.and_then(|slots| slots.get(field))) {
            (Some(confirmed), Some(key), Some(slot)) => confirmed.get(slot) == key.of(value),
            // A first send says nothing of what is empty.
            (None, _, _) => value.is_null(),
            (Some(_), _, _) => false,
        };
        let fields = understood.desired.map(|desired| desired.fields).unwrap_or_default();
        let (settled, open) = fields.into_iter().partition(|(field, value)| is_settled(field, value));
        values.push(Values { open, settled, reason: reason(&understood.entry) });
    }
    Ok(values)
}

fn reason(entry: &Outbox) -> Option<String> {
    match &entry.body.state {
        OutboxState::Held { reason, .. } => Some(reason.clone()),
        OutboxState::Ready | OutboxState::Waiting { .. } => None,
    }
}
