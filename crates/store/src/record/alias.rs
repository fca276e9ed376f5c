//! Records that are the same person as another one: qualified leads, merged records (rule R4).

use base::{Guid, RecordId, Table};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError,
    record::{Family, Record, json, of_json, read_record_key, record_key},
};

/// One record that stands for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The record that is never created.
    pub alias: RecordId,
    /// The record it stands for; which may be an alias itself.
    pub survivor: RecordId,
    /// How we know.
    pub kind: AliasKind,
    /// Whether we saw it happen; otherwise it was so when its table was first read.
    pub event: bool,
}

/// How we know of an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AliasKind {
    /// The record says that it was merged into the other.
    Merged,
    /// The lead is qualified and names its contact.
    Qualified,
    /// The contact names the lead it came from; that counts only once the lead is qualified.
    Origin,
    /// The contact is deleted, and the lead it came from stands for itself again: its person is the lead's once more.
    Heir,
}

impl AliasKind {
    /// Whether it counts only while the alias is a qualified lead.
    #[must_use]
    pub fn needs_qualified(self) -> bool {
        matches!(self, Self::Qualified | Self::Origin)
    }
}

impl Alias {
    /// The key of a record's alias.
    #[must_use]
    pub fn key_of(alias: RecordId) -> Vec<u8> {
        record_key(alias)
    }
}

#[derive(Serialize, Deserialize)]
struct Body {
    table: Table,
    id: Guid,
    kind: AliasKind,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    event: bool,
}

impl Record for Alias {
    const FAMILY: Family = Family::Alias;

    fn key(&self) -> Vec<u8> {
        record_key(self.alias)
    }

    fn value(&self) -> Vec<u8> {
        json(&Body { table: self.survivor.table, id: self.survivor.id, kind: self.kind, event: self.event })
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let body: Body = of_json(Self::FAMILY, value)?;
        Ok(Self {
            alias: read_record_key(Self::FAMILY, key)?,
            survivor: RecordId::new(body.table, body.id),
            kind: body.kind,
            event: body.event,
        })
    }
}

/// Index entry: the aliases of a survivor. It can be stale: the alias itself decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AliasOf {
    /// The survivor.
    pub survivor: RecordId,
    /// One of its aliases.
    pub alias: RecordId,
}

impl Record for AliasOf {
    const FAMILY: Family = Family::AliasIndex;

    fn key(&self) -> Vec<u8> {
        let mut key = record_key(self.survivor);
        key.extend(record_key(self.alias));
        key
    }

    fn value(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(key: &[u8], _: &[u8]) -> Result<Self, StoreError> {
        let (survivor, alias) = key.split_at(key.len().min(17));
        Ok(Self { survivor: read_record_key(Self::FAMILY, survivor)?, alias: read_record_key(Self::FAMILY, alias)? })
    }
}
