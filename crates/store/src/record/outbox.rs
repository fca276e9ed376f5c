//! What is to be sent, waits, or is held.

use base::{Guid, Object, RecordId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError,
    record::{Family, Record, guid_at, json, of_json},
};

/// One record on its way to Marketo. A later capture of the same record takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// What it becomes.
    pub object: Object,
    /// The Dynamics record (for a role: its opportunity).
    pub record: RecordId,
    /// Empty, but for a role: which of the opportunity's roles.
    pub part: String,
    /// The rest.
    pub body: OutboxBody,
}

/// The value of an outbox record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxBody {
    /// The table of the record.
    table: base::Table,
    /// What Marketo shall hold, as the planner writes it.
    pub desired: serde_json::Value,
    /// Where it stands.
    #[serde(flatten)]
    pub state: OutboxState,
    /// Since when it has been in this state.
    pub since: Timestamp,
    /// How often it was sent and came back to be tried again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Where an outbox record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum OutboxState {
    /// To be sent in the next push.
    Ready,
    /// Something it refers to isn't in Marketo yet.
    Waiting {
        /// What it waits for.
        on: RecordId,
    },
    /// It can't be sent until a person changes something.
    Held {
        /// A stable code: ours in lower case with hyphens, or Marketo's own number.
        code: String,
        /// The reason in words; Marketo's own where Marketo refused.
        reason: String,
        /// When it is tried again by itself.
        retry_at: Timestamp,
    },
}

impl Outbox {
    /// A record ready to be sent.
    #[must_use]
    pub fn ready(object: Object, record: RecordId, part: String, desired: serde_json::Value, now: Timestamp) -> Self {
        let body = OutboxBody { table: record.table, desired, state: OutboxState::Ready, since: now, attempts: 0 };
        Self { object, record, part, body }
    }

    /// The key of a record without parts.
    #[must_use]
    pub fn key_of(object: Object, id: Guid, part: &str) -> Vec<u8> {
        let mut key = vec![object.code()];
        key.extend_from_slice(&id.to_bytes());
        key.extend_from_slice(part.as_bytes());
        key
    }
}

impl Record for Outbox {
    const FAMILY: Family = Family::Outbox;

    fn key(&self) -> Vec<u8> {
        Self::key_of(self.object, self.record.id, &self.part)
    }

    fn value(&self) -> Vec<u8> {
        json(&self.body)
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let unreadable = |why: &str| StoreError::Unreadable { what: Self::FAMILY.name(), why: why.into() };
        let object = key.first().and_then(|code| Object::of_code(*code)).ok_or_else(|| unreadable("its key names no object"))?;
        let id = guid_at(Self::FAMILY, key, 1)?;
        let part = std::str::from_utf8(&key[17..]).map_err(|_| unreadable("its part is not text"))?.to_owned();
        let body: OutboxBody = of_json(Self::FAMILY, value)?;
        Ok(Self { object, record: RecordId { table: body.table, id }, part, body })
    }
}
