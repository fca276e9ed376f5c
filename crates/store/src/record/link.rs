//! What we know about one Dynamics record and its Marketo twin.

use base::{Guid, RecordId, Table};

use crate::{
    StoreError,
    record::{
        Family, Record,
        bytes::{Bytes, write_number},
        read_record_key, record_key,
    },
};

/// The version of the format below. In the first, flags were one byte.
const VERSION: u8 = 2;

/// One record of Dynamics, and what of it Marketo has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The Dynamics record.
    pub record: RecordId,
    /// What is true of it.
    pub flags: LinkFlags,
    /// Marketo's own id of its twin (lead, company, sales person), once known.
    pub marketo_id: Option<i64>,
    /// The key under which Marketo stores it, where that isn't the canonical spelling and can't be rewritten.
    pub stored_key: Option<String>,
    /// Fingerprints of the fields that Marketo confirmed, as the planner writes them.
    pub confirmed: Vec<u8>,
    /// Fingerprints of what the seven MSI columns hold in Dynamics, as the planner writes them.
    pub msi: Vec<u8>,
}

/// What is true of a link; a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkFlags(pub u16);

impl LinkFlags {
    /// Marketo has it.
    pub const CONFIRMED: Self = Self(1);
    /// It is not sent on its own account (a user outside the filter), unless something refers to it.
    pub const DORMANT: Self = Self(2);
    /// Something in scope refers to it.
    pub const WANTED: Self = Self(4);
    /// Dynamics has deleted it.
    pub const GONE: Self = Self(8);
    /// A closed lead: Dynamics may refuse to write to it.
    pub const CLOSED: Self = Self(16);
    /// A lead in the state Qualified.
    pub const QUALIFIED: Self = Self(32);
    /// Dynamics refused to write MSI fields to it.
    pub const NOT_WRITABLE: Self = Self(64);
    /// A filter doesn't let it through.
    pub const OUT: Self = Self(128);
    /// It is deactivated in Dynamics.
    pub const INACTIVE: Self = Self(256);
    /// Its Marketo person is known, and whether that still holds our key isn't: it is read before the next update.
    pub const KEY_IN_DOUBT: Self = Self(512);

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// With `flags` set or cleared.
    #[must_use]
    pub const fn with(self, flags: Self, on: bool) -> Self {
        Self(if on { self.0 | flags.0 } else { self.0 & !flags.0 })
    }
}

impl Link {
    /// A record of which nothing is known in Marketo.
    #[must_use]
    pub fn new(record: RecordId) -> Self {
        Self { record, flags: LinkFlags::default(), marketo_id: None, stored_key: None, confirmed: Vec::new(), msi: Vec::new() }
    }

    /// Whether Marketo has it.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.flags.has(LinkFlags::CONFIRMED)
    }

    /// The key that other Marketo records refer to it by: as Marketo stores it, else canonical.
    #[must_use]
    pub fn reference(&self) -> String {
        self.stored_key.clone().unwrap_or_else(|| self.record.id.to_string())
    }
}

impl Record for Link {
    const FAMILY: Family = Family::Link;

    fn key(&self) -> Vec<u8> {
        record_key(self.record)
    }

    /// Version, flags, Marketo id (0: none) and three byte strings, each with its length as a LEB128 number.
    fn value(&self) -> Vec<u8> {
        let stored = self.stored_key.as_deref().unwrap_or_default().as_bytes();
        let mut out = Vec::with_capacity(16 + stored.len() + self.confirmed.len() + self.msi.len());
        out.push(VERSION);
        write_number(&mut out, u64::from(self.flags.0));
        write_number(&mut out, self.marketo_id.and_then(|id| u64::try_from(id).ok()).unwrap_or_default());
        for bytes in [stored, &self.confirmed, &self.msi] {
            write_number(&mut out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        out
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let unreadable = |why: &str| StoreError::Unreadable { what: Self::FAMILY.name(), why: why.into() };
        let record = read_record_key(Self::FAMILY, key)?;
        let cut = || unreadable("it is cut off");
        let mut rest = Bytes(value);
        let flags = match rest.byte().ok_or_else(cut)? {
            1 => rest.byte().map(u16::from).ok_or_else(cut)?,
            VERSION => rest.number().and_then(|flags| u16::try_from(flags).ok()).ok_or_else(cut)?,
            _ => return Err(unreadable("it has an unknown version")),
        };
        let marketo_id = rest.number().ok_or_else(cut)?;
        let stored_key = rest.bytes().ok_or_else(cut)?;
        let confirmed = rest.bytes().ok_or_else(cut)?.to_vec();
        let msi = rest.bytes().ok_or_else(cut)?.to_vec();
        let stored_key = String::from_utf8(stored_key.to_vec()).map_err(|_| unreadable("its key is not text"))?;
        Ok(Self {
            record,
            flags: LinkFlags(flags),
            marketo_id: i64::try_from(marketo_id).ok().filter(|id| *id != 0),
            stored_key: Some(stored_key).filter(|key| !key.is_empty()),
            confirmed,
            msi,
        })
    }
}

/// Which Dynamics record a Marketo person is. It can be stale: the link itself decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonIndex {
    /// Marketo's lead id.
    pub marketo_id: i64,
    /// The Dynamics record.
    pub record: RecordId,
}

impl PersonIndex {
    /// The key of a lead id.
    #[must_use]
    pub fn key_of(marketo_id: i64) -> Vec<u8> {
        marketo_id.to_be_bytes().to_vec()
    }
}

impl Record for PersonIndex {
    const FAMILY: Family = Family::PersonIndex;

    fn key(&self) -> Vec<u8> {
        Self::key_of(self.marketo_id)
    }

    fn value(&self) -> Vec<u8> {
        record_key(self.record)
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let unreadable = || StoreError::Unreadable { what: Self::FAMILY.name(), why: "its key is not a lead id".into() };
        let marketo_id = i64::from_be_bytes(key.try_into().map_err(|_| unreadable())?);
        Ok(Self { marketo_id, record: read_record_key(Self::FAMILY, value)? })
    }
}

/// The key prefix of all links of a table.
#[must_use]
pub fn links_of(table: Table) -> Vec<u8> {
    vec![table.code()]
}

/// The key of a record's link.
#[must_use]
pub fn link_key(table: Table, id: Guid) -> Vec<u8> {
    record_key(RecordId { table, id })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_link_comes_back(id in any::<u128>(), flags in any::<u16>(), marketo in proptest::option::of(1i64..), stored in proptest::option::of("[A-Z{}-]{1,40}"), confirmed in prop::collection::vec(any::<u8>(), 0..400)) {
            let link = Link { record: RecordId::new(Table::Contact, Guid::from_u128(id)), flags: LinkFlags(flags), marketo_id: marketo, stored_key: stored, confirmed, msi: vec![1, 2] };
            prop_assert_eq!(Link::read(&link.key(), &link.value()).unwrap(), link);
        }

        #[test]
        fn no_bytes_make_it_panic(key in prop::collection::vec(any::<u8>(), 0..40), value in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Link::read(&key, &value);
        }
    }
}
