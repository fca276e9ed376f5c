//! State in memory: for simulations, which kill and restart the bridge, and for trying things out. Gone with the process.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{Batch, Entry, Family, Fence, StateCopy, Store, StoreError, range::KeyRange};

/// State in memory. A clone is another process with the same state: what one commits, all see, and only one can have the lease.
#[derive(Clone, Default)]
pub struct MemoryStore {
    data: Arc<Mutex<Data>>,
}

#[derive(Default)]
struct Data {
    families: BTreeMap<Family, BTreeMap<Vec<u8>, Vec<u8>>>,
    /// How many batches were committed.
    commits: u64,
    /// The newest lease ever given.
    fence: u64,
    lease: Lease,
}

#[derive(Default)]
enum Lease {
    /// Given back, or never taken.
    #[default]
    Free,
    /// A living process has it.
    Held(String),
    /// The process that had it died; its fence is the newest until somebody takes the lease.
    Orphaned,
}

impl MemoryStore {
    /// Without any record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the next process finds after this one was killed: the same state, and the lease free to be taken. Commits of the killed
    /// one that are still under way go through until somebody takes the lease, as they can with a real database.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut data = self.lock();
        if matches!(data.lease, Lease::Held(_)) {
            data.lease = Lease::Orphaned;
        }
        drop(data);
        self.clone()
    }

    /// How many batches have been committed, whoever did.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    fn lock(&self) -> MutexGuard<'_, Data> {
        // Nothing here panics halfway through a change, so that what a poisoned lock guards is whole.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values can be personal data, so that only their number is shown.
        let data = self.lock();
        let records: usize = data.families.values().map(BTreeMap::len).sum();
        f.debug_struct("MemoryStore").field("records", &records).field("fence", &data.fence).finish_non_exhaustive()
    }
}

impl Data {
    fn value(&self, family: Family, key: &[u8]) -> Option<&Vec<u8>> {
        self.families.get(&family)?.get(key)
    }

    fn range<'a>(&'a self, family: Family, prefix: &'a [u8], after: Option<&[u8]>) -> impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> {
        let start = KeyRange::new(prefix, after).start;
        let keys = self.families.get(&family).into_iter().flat_map(move |keys| keys.range((start.clone(), Bound::Unbounded)));
        keys.take_while(move |(key, _)| key.starts_with(prefix))
    }

    fn commit(&mut self, fence: Fence, batch: Batch) -> Result<(), StoreError> {
        if fence.0 != self.fence || matches!(self.lease, Lease::Free) {
            return Err(StoreError::Fenced);
        }
        let moved = batch.expects.iter().find(|expect| self.value(expect.family, &expect.key) != expect.value.as_ref());
        if let Some(expect) = moved {
            return Err(StoreError::Moved { what: expect.family.name() });
        }
        self.commits += 1;
        for (family, key, value) in batch.changes {
            let keys = self.families.entry(family).or_default();
            match value {
                Some(value) => keys.insert(key, value),
                None => keys.remove(&key),
            };
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, family: Family, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let data = self.lock();
        Ok(keys.iter().map(|key| data.value(family, key).cloned()).collect())
    }

    async fn scan(&self, family: Family, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let data = self.lock();
        Ok(data.range(family, prefix, after).take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn count(&self, family: Family, prefix: &[u8]) -> Result<u64, StoreError> {
        let data = self.lock();
        Ok(data.range(family, prefix, None).count() as u64)
    }

    async fn commit(&self, fence: Fence, batch: Batch) -> Result<(), StoreError> {
        self.lock().commit(fence, batch)
    }

    async fn acquire(&self, holder: &str) -> Result<Fence, StoreError> {
        let mut data = self.lock();
        if let Lease::Held(holder) = &data.lease {
            return Err(StoreError::Busy { holder: holder.clone() });
        }
        data.fence += 1;
        data.lease = Lease::Held(holder.to_owned());
        Ok(Fence(data.fence))
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        let mut data = self.lock();
        if data.fence == fence.0 {
            data.lease = Lease::Free;
        }
        Ok(())
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn copy(&self) -> Result<StateCopy, StoreError> {
        let (families, fence) = {
            let data = self.lock();
            (data.families.clone(), data.fence)
        };
        let data = Data { families, fence, ..Data::default() };
        Ok(StateCopy::in_memory(Arc::new(Self { data: Arc::new(Mutex::new(data)) })))
    }

    fn place(&self) -> String {
        "memory".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(name: &str) -> Batch {
        Batch { changes: vec![(Family::Fact, name.as_bytes().to_vec(), Some(b"1".to_vec()))], expects: Vec::new() }
    }

    #[tokio::test]
    async fn a_killed_process_changes_nothing_once_another_has_the_lease() {
        let killed = MemoryStore::new();
        let old = killed.acquire("first").await.unwrap();
        let next = killed.restart();
        killed.commit(old, fact("under way")).await.unwrap();
        let new = next.acquire("second").await.unwrap();
        assert!(matches!(killed.commit(old, fact("late")).await, Err(StoreError::Fenced)));
        next.commit(new, fact("fresh")).await.unwrap();
        assert_eq!(next.count(Family::Fact, b"").await.unwrap(), 2);
    }

    #[test]
    fn printing_shows_no_values() {
        let store = MemoryStore::new();
        store.lock().families.entry(Family::Fact).or_default().insert(b"k".to_vec(), b"ann@x.test".to_vec());
        assert_eq!(format!("{store:?}"), "MemoryStore { records: 1, fence: 0, .. }");
    }
}
