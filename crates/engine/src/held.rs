//! Held and waiting records as values: what each is, why it is left, since when, and what to do about it.
//!
//! The outbox is read page by page, without the lease and without calling anybody. A value never holds what Dynamics says of a person, but
//! for [`values`], which is asked for on its own: ids and codes are enough to find and mend a record. [`retry`] and [`dismiss`] change what
//! becomes of them.

mod entry;
mod listing;
mod discreet;
pub mod values;
pub mod retry;
pub mod dismiss;
mod doubt;
pub(crate) mod dismissed;

use std::collections::BTreeSet;

use base::{Guid, Object, RecordId, Table, Timestamp};
use serde::{Deserialize, Serialize};

pub use discreet::without_addresses;
pub(crate) use discreet::without_quotes;
pub use dismissed::{Dismissal, Dismissals};
pub use listing::{Listing, Waiting, of_record, waited_for};

/// One record that is left: held, waiting, or dismissed while it was either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRecord {
    /// What it becomes in Marketo.
    pub object: Object,
    /// Its Dynamics table; of a role, its opportunity's.
    pub table: Table,
    /// Its Dynamics id; of a role, its opportunity's.
    pub id: Guid,
    /// Which of the opportunity's roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// What is asked for.
    pub asks: Asks,
    /// How it is left.
    pub state: State,
    /// Why it is held: a code of ours, or Marketo's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same in words, without what Dynamics says of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it is left so.
    pub since: Timestamp,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// When it is tried again by itself. What waits is looked at in every cycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The first record it refers to that isn't in Marketo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<RecordId>,
    /// The user that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Guid>,
    /// The team that owns it, where that resolves to no user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Guid>,
    /// The account it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<Guid>,
}

/// How a record is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be sent by the next sync.
    Ready,
    /// Something it refers to isn't in Marketo yet.
    Waiting,
    /// A person has to change something.
    Held,
}

impl State {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Held => "held",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asks {
    /// Marketo shall hold what Dynamics says.
    Send,
    /// Its person is to become another record's.
    Join,
    /// It is no longer there for us, and its Marketo record is parted with.
    Part,
    /// A role that shall be there.
    KeepRole,
    /// A role that shall not be there.
    RemoveRole,
}

impl HeldRecord {
    /// The Dynamics record.
    #[must_use]
    pub fn record(&self) -> RecordId {
        RecordId::new(self.table, self.id)
    }
}

/// Which records are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only what becomes this.
    pub object: Option<Object>,
    /// Only what is held with this code.
    pub code: Option<String>,
    /// Only what this user owns.
    pub owner: Option<Guid>,
    /// Only these; all where there are none.
    pub ids: BTreeSet<Guid>,
}

impl Selection {
    /// These records.
    #[must_use]
    pub fn of(ids: impl IntoIterator<Item = Guid>) -> Self {
        Self { ids: ids.into_iter().collect(), ..Self::default() }
    }

    /// Whether a record is meant.
    #[must_use]
    pub fn has(&self, record: &HeldRecord) -> bool {
        self.object.is_none_or(|object| object == record.object)
            && self.code.as_ref().is_none_or(|code| record.code.as_ref() == Some(code))
            && self.owner.is_none_or(|owner| record.owner == Some(owner))
            && (self.ids.is_empty() || self.ids.contains(&record.id))
    }
}
