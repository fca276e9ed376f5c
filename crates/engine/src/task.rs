//! What an outbox record asks for: that Marketo holds what Dynamics says, or that its Marketo record is joined with another's or parted with.

use base::RecordId;
use planner::{Desired, Fingerprints};
use serde::{Deserialize, Serialize};
use store::{
    StoreError,
    record::{Json, Outbox},
};

use crate::error::SyncError;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Task {
    /// Marketo shall hold this.
    Send(Desired),
    /// The record stands for another (rule R4): its person is to become the other's.
    Join(Join),
    /// The record is no longer there for us (rule R9).
    Part(Why),
}

/// How far a joining is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Join {
    /// Not begun, as far as is known.
    Open,
    /// Marketo has merged the two; who is left has to be read back.
    Merged {
        /// Who it stood for when they were.
        survivor: RecordId,
        /// What was confirmed of the one that is gone, in hexadecimal.
        confirmed: String,
    },
}

/// Why a record is no longer there for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// Dynamics has deleted it, or merged it into another (accounts).
    Deleted,
    /// A filter doesn't let it through any more.
    Left,
    /// It was deactivated.
    Inactive,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", content = "how", rename_all = "snake_case")]
enum Written {
    Join(Join),
    Part(Why),
}

impl Task {
    /// Reads it.
    ///
    /// # Errors
    /// When it can't be read; what it says then must not be guessed.
    pub(crate) fn of(entry: &Outbox) -> Result<Self, SyncError> {
        let unreadable = |error| StoreError::Unreadable { what: "outbox", why: format!("{}: {error}", entry.record) };
        let saved = &entry.body.desired;
        Ok(match saved.text().starts_with(WRITTEN) {
            true => match saved.read::<Written>().map_err(unreadable)? {
                Written::Join(join) => Self::Join(join),
                Written::Part(why) => Self::Part(why),
            },
            false => Self::Send(saved.read().map_err(unreadable)?),
        })
    }

    /// For saving.
    pub(crate) fn write(&self) -> Json {
        match self {
            Self::Send(desired) => Json::of(desired),
            Self::Join(join) => Json::of(&Written::Join(join.clone())),
            Self::Part(why) => Json::of(&Written::Part(*why)),
        }
    }
}

/// How what isn't [`Desired`] begins.
const WRITTEN: &str = "{\"do\":";

/// Whether an entry is a joining that Marketo has done: it stays until the survivor was read back, whatever becomes of the record meanwhile.
pub(crate) fn is_merged(entry: &Outbox) -> bool {
    matches!(Task::of(entry), Ok(Task::Join(Join::Merged { .. })))
}

impl Join {
    /// Marketo has merged a person of which this was confirmed.
    pub(crate) fn merged(survivor: RecordId, confirmed: &[u8]) -> Self {
        Self::Merged { survivor, confirmed: crate::intent::hex(confirmed) }
    }

    /// What was confirmed of the person that was merged away.
    pub(crate) fn confirmed(&self) -> Option<Fingerprints> {
        match self {
            Self::Open => None,
            Self::Merged { confirmed, .. } => Some(Fingerprints::read(&crate::intent::unhex(confirmed).unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{Guid, Object, Table, Timestamp};

    use super::*;

    #[test]
    fn what_is_saved_comes_back() {
        let tasks = [
            Task::Send(Desired { owner: Some(Guid::from_u128(7)), ..Desired::default() }),
            Task::Join(Join::Open),
            Task::Join(Join::merged(RecordId::new(Table::Contact, Guid::from_u128(2)), &[1, 255])),
            Task::Part(Why::Left),
        ];
        let record = RecordId::new(Table::Contact, Guid::from_u128(1));
        for task in tasks {
            let entry = Outbox::ready(Object::Lead, record, String::new(), task.write(), Timestamp::UNIX_EPOCH);
            assert_eq!(Task::of(&entry).unwrap(), task);
        }
    }
}
