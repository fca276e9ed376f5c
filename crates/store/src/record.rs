//! Saved records: their families, keys and formats.
//!
//! A format that was ever released stays readable: what there is much of carries a version byte, the others are JSON whose readers ignore
//! what they don't know. Payloads of confirmed records are never kept, only keyed fingerprints.

pub mod alias;
mod bytes;
pub mod link;
pub mod outbox;
pub mod queue;
pub mod role;
pub mod setting;

pub use alias::{Alias, AliasKind};
pub use link::{Link, LinkFlags, PersonIndex};
pub use outbox::{Json, Outbox, OutboxState};
pub use queue::{Dependent, DirtyRoles, MsiDue, MsiUrgent, Refetch, Seen};
pub use role::{Role, RoleName, RoleSource, SourceKind};
pub use setting::{CallCount, Cursor, Fact, Run};

use base::{Guid, RecordId, Table};

use crate::StoreError;

/// A kind of record; a table of two columns in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// [`Link`]
    Link,
    /// [`PersonIndex`]
    PersonIndex,
    /// [`Outbox`]
    Outbox,
    /// [`Role`]
    Role,
    /// [`RoleSource`]
    RoleSource,
    /// Index of role sources by opportunity and by contact.
    RoleSourceIndex,
    /// [`RoleName`]
    RoleName,
    /// [`Alias`]
    Alias,
    /// Index of aliases by survivor.
    AliasIndex,
    /// [`Dependent`]
    Dependent,
    /// [`Refetch`]
    Refetch,
    /// [`DirtyRoles`]
    DirtyRoles,
    /// [`MsiDue`]
    MsiDue,
    /// [`MsiUrgent`]
    MsiUrgent,
    /// [`Seen`]
    Seen,
    /// [`Cursor`]
    Cursor,
    /// [`Fact`]
    Fact,
    /// [`CallCount`]
    CallCount,
    /// [`Run`]
    Run,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 19] = [
        Self::Link,
        Self::PersonIndex,
        Self::Outbox,
        Self::Role,
        Self::RoleSource,
        Self::RoleSourceIndex,
        Self::RoleName,
        Self::Alias,
        Self::AliasIndex,
        Self::Dependent,
        Self::Refetch,
        Self::DirtyRoles,
        Self::MsiDue,
        Self::MsiUrgent,
        Self::Seen,
        Self::Cursor,
        Self::Fact,
        Self::CallCount,
        Self::Run,
    ];

    /// Its name, which is its table's name in a database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::PersonIndex => "person_index",
            Self::Outbox => "outbox",
            Self::Role => "role",
            Self::RoleSource => "role_source",
            Self::RoleSourceIndex => "role_source_index",
            Self::RoleName => "role_name",
            Self::Alias => "alias",
            Self::AliasIndex => "alias_index",
            Self::Dependent => "dependent",
            Self::Refetch => "refetch",
            Self::DirtyRoles => "dirty_roles",
            Self::MsiDue => "msi_due",
            Self::MsiUrgent => "msi_urgent",
            Self::Seen => "seen",
            Self::Cursor => "cursor",
            Self::Fact => "fact",
            Self::CallCount => "call_count",
            Self::Run => "run",
        }
    }
}

/// Something that is saved under a key of its own.
pub trait Record: Sized + Send {
    /// Where it is saved.
    const FAMILY: Family;

    /// Its key; ordered as the records are listed.
    fn key(&self) -> Vec<u8>;

    /// Its value.
    fn value(&self) -> Vec<u8>;

    /// Reads it back.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when the bytes aren't of any released format.
    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError>;
}

/// The key of a Dynamics record: the table's number, then the GUID.
#[must_use]
pub fn record_key(record: RecordId) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.push(record.table.code());
    key.extend_from_slice(&record.id.to_bytes());
    key
}

/// Reads a key that [`record_key`] made.
pub(crate) fn read_record_key(family: Family, key: &[u8]) -> Result<RecordId, StoreError> {
    let unreadable = || StoreError::Unreadable { what: family.name(), why: "its key is not a table and a GUID".into() };
    let (code, id) = key.split_first().ok_or_else(unreadable)?;
    let table = Table::of_code(*code).ok_or_else(unreadable)?;
    Ok(RecordId { table, id: Guid::from_slice(id).map_err(|_| unreadable())? })
}

/// Writes a record's JSON value.
pub(crate) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    json_of_about(128, value)
}

/// The JSON value of a record that is about so long.
pub(crate) fn json_of_about(bytes: usize, value: &impl serde::Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes);
    // Our own records hold only texts, numbers and lists, which always have a JSON form.
    match serde_json::to_writer(&mut out, value) {
        Ok(()) => out,
        Err(_) => Vec::new(),
    }
}

/// Reads a record's JSON value.
pub(crate) fn of_json<T: serde::de::DeserializeOwned>(family: Family, value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|e| StoreError::Unreadable { what: family.name(), why: e.to_string() })
}

/// Reads a GUID out of a key at `at`.
pub(crate) fn guid_at(family: Family, key: &[u8], at: usize) -> Result<Guid, StoreError> {
    key.get(at..at + 16)
        .and_then(|bytes| Guid::from_slice(bytes).ok())
        .ok_or_else(|| StoreError::Unreadable { what: family.name(), why: "its key holds no GUID".into() })
}
