//! Records that are the same person as another one: qualified leads, merged records (rule R4).

use base::{Guid, RecordId, Table};
use serde::Deserialize;

use crate::{
    StoreError,
    record::{
        Family, Record,
        bytes::{Bytes, is_json},
        of_json, read_record_key, record_key,
    },
};

/// The version of the format below. In the first release values were JSON.
const VERSION: u8 = 2;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
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

    const ALL: [Self; 4] = [Self::Merged, Self::Qualified, Self::Origin, Self::Heir];

    /// Its saved number.
    const fn code(self) -> u8 {
        match self {
            Self::Merged => 0,
            Self::Qualified => 1,
            Self::Origin => 2,
            Self::Heir => 3,
        }
    }
}

impl Alias {
    /// The key of a record's alias.
    #[must_use]
    pub fn key_of(alias: RecordId) -> Vec<u8> {
        record_key(alias)
    }
}

/// The value in the first release.
#[derive(Deserialize)]
struct Body {
    table: Table,
    id: Guid,
    kind: AliasKind,
    #[serde(default)]
    event: bool,
}

/// The bit beside the kind's number that says that we saw it happen.
const EVENT: u8 = 0x80;

impl Record for Alias {
    const FAMILY: Family = Family::Alias;

    fn key(&self) -> Vec<u8> {
        record_key(self.alias)
    }

    /// Version, kind, and the survivor's key.
    fn value(&self) -> Vec<u8> {
        let event = if self.event { EVENT } else { 0 };
        let mut out = vec![VERSION, self.kind.code() | event];
        out.extend(record_key(self.survivor));
        out
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let alias = read_record_key(Self::FAMILY, key)?;
        if is_json(value) {
            let Body { table, id, kind, event } = of_json(Self::FAMILY, value)?;
            return Ok(Self { alias, survivor: RecordId::new(table, id), kind, event });
        }
        let mut rest = Bytes(value);
        let (version, kind) = (rest.byte(), rest.byte().unwrap_or_default());
        let known = AliasKind::ALL.into_iter().find(|known| known.code() == kind & !EVENT).filter(|_| version == Some(VERSION));
        let kind_of = known.ok_or_else(|| StoreError::Unreadable { what: Self::FAMILY.name(), why: "its format is unknown".into() })?;
        Ok(Self { alias, survivor: read_record_key(Self::FAMILY, rest.0)?, kind: kind_of, event: kind & EVENT != 0 })
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
