//! What one commit changes.

use crate::record::{Family, Record};

/// Changes that happen together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Keys with their new value, or without one when they go; the last change to a key wins.
    pub changes: Vec<(Family, Vec<u8>, Option<Vec<u8>>)>,
    /// What must be so for the batch to happen.
    pub expects: Vec<Expect>,
}

/// A value that must be as its writer last saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// The family.
    pub family: Family,
    /// The key.
    pub key: Vec<u8>,
    /// The value it must have, or none.
    pub value: Option<Vec<u8>>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Saves a record.
    pub fn put<R: Record>(&mut self, record: &R) {
        self.changes.push((R::FAMILY, record.key(), Some(record.value())));
    }

    /// Removes the record with this key.
    pub fn remove<R: Record>(&mut self, key: Vec<u8>) {
        self.changes.push((R::FAMILY, key, None));
    }

    /// The batch happens only if the record of this key is still `seen`.
    pub fn expect<R: Record>(&mut self, key: Vec<u8>, seen: Option<&R>) {
        self.expects.push(Expect { family: R::FAMILY, key, value: seen.map(Record::value) });
    }

    /// Adds what `other` changes.
    pub fn append(&mut self, mut other: Self) {
        self.changes.append(&mut other.changes);
        self.expects.append(&mut other.expects);
    }
}
