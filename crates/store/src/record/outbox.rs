//! What is to be sent, waits, or is held.

use base::{Guid, Object, RecordId, Table, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::{
    StoreError,
    record::{Family, Record, guid_at, json_of_about, of_json},
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxBody {
    /// What Marketo shall hold, as the planner writes it.
    pub desired: Json,
    /// Where it stands.
    pub state: OutboxState,
    /// Since when it has been in this state.
    pub since: Timestamp,
    /// How often it was sent and came back to be tried again.
    pub attempts: u32,
}

/// A value as JSON text: most are written once and read once, and what is in between need not be taken apart.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The text of a value; null where it has none.
    #[must_use]
    pub fn of(value: &impl Serialize) -> Self {
        Self(serde_json::value::to_raw_value(value).unwrap_or_default())
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.text())
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Json {
    /// The same values in another order, as an earlier release may have written them, are the same.
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text() || matches!((self.read::<Value>(), other.read::<Value>()), (Ok(one), Ok(other)) if one == other)
    }
}

impl Eq for Json {}

/// Where an outbox record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// What a value has beside what is desired, where it is ready, in bytes.
const BESIDE: usize = 120;

/// The value as it is saved: one level, so that it is read in one go and people can query it.
#[derive(Serialize, Deserialize)]
struct Saved<D> {
    table: Table,
    desired: D,
    state: StateName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<RecordId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_at: Option<Timestamp>,
    since: Timestamp,
    #[serde(default, skip_serializing_if = "is_zero")]
    attempts: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateName {
    Ready,
    Waiting,
    Held,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Outbox {
    /// A record ready to be sent.
    #[must_use]
    pub fn ready(object: Object, record: RecordId, part: String, desired: Json, now: Timestamp) -> Self {
        let body = OutboxBody { desired, state: OutboxState::Ready, since: now, attempts: 0 };
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
        let OutboxBody { desired, state, since, attempts } = &self.body;
        let mut saved = Saved {
            table: self.record.table,
            desired,
            state: StateName::Ready,
            on: None,
            code: None,
            reason: None,
            retry_at: None,
            since: *since,
            attempts: *attempts,
        };
        match state {
            OutboxState::Ready => {}
            OutboxState::Waiting { on } => (saved.state, saved.on) = (StateName::Waiting, Some(*on)),
            OutboxState::Held { code, reason, retry_at } => {
                saved.state = StateName::Held;
                (saved.code, saved.reason, saved.retry_at) = (Some(code.clone()), Some(reason.clone()), Some(*retry_at));
            }
        }
        json_of_about(desired.text().len() + BESIDE, &saved)
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let unreadable = |why: &str| StoreError::Unreadable { what: Self::FAMILY.name(), why: why.into() };
        let object = key.first().and_then(|code| Object::of_code(*code)).ok_or_else(|| unreadable("its key names no object"))?;
        let id = guid_at(Self::FAMILY, key, 1)?;
        let part = std::str::from_utf8(&key[17..]).map_err(|_| unreadable("its part is not text"))?.to_owned();
        let Saved::<Json> { table, desired, state, on, code, reason, retry_at, since, attempts } = of_json(Self::FAMILY, value)?;
        let state = match (state, on, code, reason, retry_at) {
            (StateName::Ready, ..) => OutboxState::Ready,
            (StateName::Waiting, Some(on), ..) => OutboxState::Waiting { on },
            (StateName::Held, _, Some(code), Some(reason), Some(retry_at)) => OutboxState::Held { code, reason, retry_at },
            (StateName::Waiting | StateName::Held, ..) => return Err(unreadable("its state is not whole")),
        };
        Ok(Self { object, record: RecordId { table, id }, part, body: OutboxBody { desired, state, since, attempts } })
    }
}
