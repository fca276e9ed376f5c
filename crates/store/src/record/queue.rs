//! Small work lists: what to read again, which roles to derive again, whose MSI fields to look at.

use base::{Guid, RecordId};

use crate::{
    StoreError,
    record::{Family, Record, guid_at, read_record_key, record_key},
};

/// `child` was mapped with the help of `parent`: when that changes, it has to be mapped again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependent {
    /// The team, or the parent contact.
    pub parent: RecordId,
    /// What was mapped with its help.
    pub child: RecordId,
}

impl Record for Dependent {
    const FAMILY: Family = Family::Dependent;

    fn key(&self) -> Vec<u8> {
        let mut key = record_key(self.parent);
        key.extend(record_key(self.child));
        key
    }

    fn value(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(key: &[u8], _: &[u8]) -> Result<Self, StoreError> {
        let (parent, child) = key.split_at(key.len().min(17));
        Ok(Self { parent: read_record_key(Self::FAMILY, parent)?, child: read_record_key(Self::FAMILY, child)? })
    }
}

/// A set of Dynamics records under their own key.
macro_rules! record_set {
    ($(#[$doc:meta])* $name:ident, $family:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            /// The record.
            pub record: RecordId,
        }

        impl Record for $name {
            const FAMILY: Family = Family::$family;

            fn key(&self) -> Vec<u8> {
                record_key(self.record)
            }

            fn value(&self) -> Vec<u8> {
                Vec::new()
            }

            fn read(key: &[u8], _: &[u8]) -> Result<Self, StoreError> {
                Ok(Self { record: read_record_key(Self::FAMILY, key)? })
            }
        }
    };
}

record_set!(
    /// A record to be read again from Dynamics by its id.
    Refetch,
    Refetch
);
record_set!(
    /// A person whose MSI fields are to be read from Marketo.
    MsiDue,
    MsiDue
);
record_set!(
    /// A person with whom something has just happened: its MSI fields are read before those of all others.
    MsiUrgent,
    MsiUrgent
);
record_set!(
    /// A record met by the full read or sweep under way; what is linked and not met has been deleted.
    Seen,
    Seen
);

/// An opportunity whose roles have to be derived again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirtyRoles {
    /// The opportunity.
    pub opportunity: Guid,
}

impl Record for DirtyRoles {
    const FAMILY: Family = Family::DirtyRoles;

    fn key(&self) -> Vec<u8> {
        self.opportunity.to_bytes().to_vec()
    }

    fn value(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(key: &[u8], _: &[u8]) -> Result<Self, StoreError> {
        Ok(Self { opportunity: guid_at(Self::FAMILY, key, 0)? })
    }
}
