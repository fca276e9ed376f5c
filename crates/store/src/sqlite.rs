//! State in one SQLite file: nothing to install, and safe against being killed at any moment.
//!
//! One connection writes and two read, so that a page or a command that looks never waits for a commit. The write-ahead log makes a
//! commit survive the end of the process; after a power cut the last commits may be missing, but none is there by half. Every process on
//! a file must be on the same machine: neither locks nor the log work over a network share.

mod connection;
mod lock;
mod statement;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    Batch, Entry, Family, Fence, StateCopy, Store, StoreError,
    copy::{CopyFile, remove_left},
    migrate::{look, migrate},
    range::KeyRange,
};

use connection::{Failed, Readers, Writer};
use lock::Lock;
pub(crate) use lock::private;
use statement::Outcome;

/// How many connections read at once.
const READERS: usize = 2;

/// State in a SQLite file.
pub struct SqliteStore {
    place: String,
    /// The file's one true name, so that processes that name it differently still lock the same.
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    lease: Mutex<Option<Held>>,
}

/// The lease that this store has.
struct Held {
    fence: Fence,
    _lock: Lock,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("place", &self.place).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, or makes it (readable by its owner only), in a folder that must exist. Does not take the lease.
    ///
    /// # Errors
    /// [`StoreError::Database`] when the folder is missing, the file can't be written, or isn't ours; [`StoreError::TooNew`] when a newer
    /// version of this program has changed its layout.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || Self::open_now(&path)).await;
        match opened {
            Ok(opened) => opened,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::Fenced),
        }
    }

    fn open_now(path: &Path) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let failed = |why: String| StoreError::Database { place: place.clone(), why };
        let refused = |error: rusqlite::Error| failed(Failed::from(error).why());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(StoreError::NoFolder { folder: folder.display().to_string() });
        }
        private().truncate(false).open(path).map_err(|e| failed(e.to_string()))?;
        let path = path.canonicalize().map_err(|e| failed(e.to_string()))?;
        // Before anything of the file is changed: it may be another program's.
        let found = look(&rusqlite::Connection::open(&path).map_err(refused)?, &place)?;
        let mut writer = connection::writer(&path).map_err(refused)?;
        // Nobody may be working with the old layout meanwhile.
        let lock = found.is_old().then(|| Lock::take(&path)).transpose().map_err(|e| failed(format!("it could not be locked: {e}")))?;
        if matches!(lock, Some(None)) {
            let holder = "one of an older version, which the present layout of the state would confuse".to_owned();
            return Err(StoreError::Busy { holder });
        }
        migrate(&mut writer, &place)?;
        drop(lock);
        let readers = (0..READERS).map(|_| connection::reader(&path)).collect::<Result<_, _>>().map_err(refused)?;
        let writer = Writer::new(writer).map_err(|e| failed(e.to_string()))?;
        Ok(Self { writer, readers: Readers::new(readers), place, path, lease: Mutex::new(None) })
    }

    fn failed(&self, error: &Failed) -> StoreError {
        StoreError::Database { place: self.place.clone(), why: error.why() }
    }

    /// Who has the lease, in its own words.
    fn holder(&self) -> Result<String, StoreError> {
        let text = "SELECT holder FROM lease WHERE id = 1";
        let holder = self.readers.run(|connection| connection.query_row(text, [], |row| row.get::<_, Option<String>>(0)));
        let holder = holder.map_err(|e| self.failed(&e))?;
        Ok(holder.unwrap_or_else(|| "one that has just started".into()))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, family: Family, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.readers.run(|connection| statement::get(connection, family, keys)).map_err(|e| self.failed(&e))
    }

    async fn scan(&self, family: Family, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let range = KeyRange::new(prefix, after);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.readers.run(|connection| statement::scan(connection, family, &range, limit)).map_err(|e| self.failed(&e))
    }

    async fn count(&self, family: Family, prefix: &[u8]) -> Result<u64, StoreError> {
        self.readers.run(|connection| statement::count(connection, family, prefix)).map_err(|e| self.failed(&e))
    }

    async fn commit(&self, fence: Fence, batch: Batch) -> Result<(), StoreError> {
        let outcome = self.writer.run(move |connection| statement::commit(connection, fence, batch)).await;
        match outcome.map_err(|e| self.failed(&e))? {
            Outcome::Done => Ok(()),
            Outcome::Fenced => Err(StoreError::Fenced),
            Outcome::Moved(family) => Err(StoreError::Moved { what: family.name() }),
        }
    }

    async fn acquire(&self, holder: &str) -> Result<Fence, StoreError> {
        let mut lease: MutexGuard<'_, Option<Held>> = self.lease.lock().await;
        if lease.is_some() {
            return Err(StoreError::Busy { holder: self.holder()? });
        }
        let unlocked = |e: std::io::Error| StoreError::Database { place: self.place.clone(), why: format!("it could not be locked: {e}") };
        let Some(lock) = Lock::take(&self.path).map_err(unlocked)? else {
            return Err(StoreError::Busy { holder: self.holder()? });
        };
        // They hold what the state holds, and as much room. Where that can't be, the next one to take the lease tries again.
        if let Err(error) = remove_left(&self.path) {
            tracing::warn!(state = self.place, %error, "copies that were left can't be looked for");
        }
        let name = holder.to_owned();
        let take = move |connection: &mut rusqlite::Connection| {
            let text = "UPDATE lease SET fence = fence + 1, holder = ? WHERE id = 1 RETURNING fence";
            connection.query_row(text, [name], |row| row.get::<_, i64>(0))
        };
        let fence = Fence(self.writer.run(take).await.map_err(|e| self.failed(&e))?.unsigned_abs());
        *lease = Some(Held { fence, _lock: lock });
        Ok(fence)
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        let mut lease = self.lease.lock().await;
        if lease.as_ref().is_none_or(|held| held.fence != fence) {
            return Ok(());
        }
        let number = i64::try_from(fence.0).unwrap_or(i64::MAX);
        let clear = move |connection: &mut rusqlite::Connection| {
            connection.execute("UPDATE lease SET holder = NULL WHERE id = 1 AND fence = ?", [number])
        };
        let cleared = self.writer.run(clear).await;
        // The lock goes even if the name stays: the next process needs only the lock.
        *lease = None;
        cleared.map(|_| ()).map_err(|e| self.failed(&e))
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        self.writer.run(|connection| statement::tidy(connection)).await.map_err(|e| self.failed(&e))
    }

    async fn copy(&self) -> Result<StateCopy, StoreError> {
        let (path, place) = (self.path.clone(), self.place.clone());
        let failed = move |why: String| StoreError::Database { place: place.clone(), why: format!("it could not be copied: {why}") };
        let unmade = failed.clone();
        // On a connection of its own: reads and commits go on meanwhile.
        let copied = tokio::task::spawn_blocking(move || {
            let file = CopyFile::begin(&path).map_err(|e| unmade(e.to_string()))?;
            let refused = |error: rusqlite::Error| unmade(Failed::from(error).why());
            let connection = rusqlite::Connection::open(&path).map_err(refused)?;
            let text = file.path().to_str().ok_or_else(|| unmade("its name isn't text".into()))?;
            connection.execute("VACUUM INTO ?", [text]).map_err(refused)?;
            Ok(file)
        });
        let file = copied.await.map_err(|e| failed(e.to_string()))??;
        let store = Self::open(file.path()).await?;
        Ok(StateCopy::in_file(Arc::new(store), file))
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

#[cfg(test)]
mod test;
