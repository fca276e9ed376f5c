//! Which records have a value: an index that keeps no keys, only their hashes.
//!
//! Whoever asks gets candidates and compares for itself, so a collision costs time and never a wrong answer.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

/// Record numbers by hash of the folded value.
#[derive(Debug, Default)]
pub(crate) struct Index(HashMap<u64, Bucket>);

#[derive(Debug)]
enum Bucket {
    One(u32),
    /// Sorted, so that taking one of a hundred thousand out stays cheap.
    #[expect(clippy::box_collection, reason = "keeps the common bucket at 16 bytes")]
    Many(Box<BTreeSet<u32>>),
}

impl Index {
    pub(crate) fn insert(&mut self, key: &str, record: u32) {
        let key = hash(key);
        match self.0.get_mut(&key) {
            None => {
                self.0.insert(key, Bucket::One(record));
            }
            Some(Bucket::Many(records)) => {
                records.insert(record);
            }
            Some(bucket @ Bucket::One(_)) => {
                let Bucket::One(first) = *bucket else { return };
                *bucket = Bucket::Many(Box::new([first, record].into()));
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &str, record: u32) {
        let key = hash(key);
        let empty = match self.0.get_mut(&key) {
            None => return,
            Some(Bucket::One(only)) => *only == record,
            Some(Bucket::Many(records)) => {
                records.remove(&record);
                records.is_empty()
            }
        };
        if empty {
            self.0.remove(&key);
        }
    }

    /// Records that may have this value, in ascending order.
    pub(crate) fn candidates(&self, key: &str) -> impl Iterator<Item = u32> + '_ {
        let (one, many) = match self.0.get(&hash(key)) {
            None => (None, None),
            Some(Bucket::One(only)) => (Some(*only), None),
            Some(Bucket::Many(records)) => (None, Some(records.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
