//! The stores that the contract is tried on. Another one is another implementation of [`Kind`].

use std::sync::Arc;

use store::{MemoryStore, SqliteStore, Store};
use tempfile::TempDir;

/// One state, and processes that come and go on it.
pub trait Kind {
    /// A process that opens the state.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>>;

    /// The end of a process that gives nothing back.
    fn kill(&self, process: Arc<dyn Store>);

    /// How much room it takes on the disk.
    fn bytes(&self) -> u64;
}

/// State in memory.
pub struct Memory(MemoryStore);

impl Memory {
    pub fn new() -> Self {
        Self(MemoryStore::new())
    }
}

impl Kind for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    fn kill(&self, process: Arc<dyn Store>) {
        drop(process);
        drop(self.0.restart());
    }

    fn bytes(&self) -> u64 {
        0
    }
}

/// State in a file.
pub struct Sqlite(TempDir);

impl Sqlite {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Kind for Sqlite {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.0.path().join("state.db")).await.unwrap())
    }

    fn kill(&self, process: Arc<dyn Store>) {
        // The file's lock goes with it, as it does when a process is killed.
        drop(process);
    }

    fn bytes(&self) -> u64 {
        ["state.db", "state.db-wal"].iter().filter_map(|name| self.0.path().join(name).metadata().ok()).map(|file| file.len()).sum()
    }
}
