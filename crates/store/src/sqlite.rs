//! State in one SQLite file: nothing to install, and safe against being killed at any moment.
//!
//! One connection writes and two read, so that a page or a command that looks never waits for a commit. The write-ahead log makes a
//! commit survive the end of the process; after a power cut the last commits may be missing, but none is there by half. Every process on
//! a file must be on the same machine: neither locks nor the log work over a network share.

mod lock;
mod statement;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Connection, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::task::AbortOnDropHandle;

use crate::{Batch, Entry, Expect, Family, Fence, Store, StoreError, migrate::migrate, range::KeyRange};

use lock::Lock;

/// How many connections read at once.
const READERS: u32 = 2;
/// How long a statement waits for another process before it fails.
const WAIT: Duration = Duration::from_secs(10);
/// Cache a connection, in KiB, whatever the size of the file.
const CACHE_KIB: u32 = 2_000;
/// What the log shrinks to after a large commit, in bytes.
const LOG_MAX: u32 = 16 << 20;
/// How often the log is asked for while another process makes it too; 20 ms apart.
const LOG_TRIES: u32 = 250;
/// Prepared statements kept a connection.
const STATEMENTS: usize = 64;

/// State in a SQLite file.
pub struct SqliteStore {
    place: String,
    /// The file's one true name, so that processes that name it differently still lock the same.
    path: PathBuf,
    writer: Arc<Mutex<SqliteConnection>>,
    readers: SqlitePool,
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
        let place = path.display().to_string();
        let failed = |why: String| StoreError::Database { place: place.clone(), why };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(StoreError::NoFolder { folder: folder.display().to_string() });
        }
        lock::private().truncate(false).open(path).map_err(|e| failed(e.to_string()))?;
        let path = path.canonicalize().map_err(|e| failed(e.to_string()))?;

        let options = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(WAIT)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(false)
            .statement_cache_capacity(STATEMENTS)
            .pragma("cache_size", format!("-{CACHE_KIB}"))
            .pragma("journal_size_limit", LOG_MAX.to_string())
            .disable_statement_logging();
        let mut writer = options.connect().await.map_err(|e| failed(e.to_string()))?;
        keep_log(&mut writer).await.map_err(|e| failed(e.to_string()))?;
        migrate(&mut writer, &place).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(120))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self { place, path, writer: Arc::new(Mutex::new(writer)), readers, lease: Mutex::new(None) })
    }

    fn failed(&self, error: &sqlx::Error) -> StoreError {
        let why = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        StoreError::Database { place: self.place.clone(), why }
    }

    /// Who has the lease, in its own words.
    async fn holder(&self) -> Result<String, StoreError> {
        let holder: Option<String> =
            sqlx::query_scalar("SELECT holder FROM lease WHERE id = 1").fetch_one(&self.readers).await.map_err(|e| self.failed(&e))?;
        Ok(holder.unwrap_or_else(|| "one that has just started".into()))
    }

    /// Commits in a task of its own: who waits for the writer must never wait for somebody who isn't polled.
    async fn try_commit(&self, fence: Fence, batch: Batch) -> Result<Outcome, sqlx::Error> {
        let task = tokio::spawn(commit_with(self.writer.clone(), fence, batch));
        match AbortOnDropHandle::new(task).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(sqlx::Error::WorkerCrashed),
        }
    }

    async fn try_get(&self, family: Family, keys: &[Vec<u8>]) -> Result<HashMap<Vec<u8>, Vec<u8>>, sqlx::Error> {
        let mut keys: Vec<&Vec<u8>> = keys.iter().collect();
        keys.sort_unstable();
        keys.dedup();
        let mut connection = self.readers.acquire().await?;
        // One transaction, so that no commit falls between two statements and is seen by half.
        let mut transaction = connection.begin().await?;
        let found = values(&mut transaction, family, &keys).await?;
        transaction.commit().await?;
        Ok(found)
    }
}

/// What became of a batch.
enum Outcome {
    Done,
    Fenced,
    Moved(Family),
}

/// Turns the write-ahead log on, which stays on. SQLite doesn't wait by itself when another process is about to do the same.
async fn keep_log(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut tries = 0;
    loop {
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
        if mode.eq_ignore_ascii_case("wal") {
            return Ok(());
        }
        match sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await {
            Ok(_) => return Ok(()),
            Err(error) if tries == LOG_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The values of `keys`, which are sorted.
async fn values(connection: &mut SqliteConnection, family: Family, keys: &[&Vec<u8>]) -> Result<HashMap<Vec<u8>, Vec<u8>>, sqlx::Error> {
    let mut found = HashMap::with_capacity(keys.len());
    for piece in statement::pieces(keys) {
        let query = piece.iter().fold(sqlx::query(statement::select(family, piece.len())), |query, key| query.bind(key.as_slice()));
        for row in query.fetch_all(&mut *connection).await? {
            found.insert(row.try_get(0)?, row.try_get(1)?);
        }
    }
    Ok(found)
}

/// The family of the first expectation that does not hold.
async fn moved(connection: &mut SqliteConnection, expects: &[Expect]) -> Result<Option<Family>, sqlx::Error> {
    let mut keys: BTreeMap<Family, Vec<&Vec<u8>>> = BTreeMap::new();
    for expect in expects {
        keys.entry(expect.family).or_default().push(&expect.key);
    }
    let mut found = HashMap::new();
    for (family, mut keys) in keys {
        keys.sort_unstable();
        keys.dedup();
        found.insert(family, values(connection, family, &keys).await?);
    }
    let holds = |expect: &&Expect| found.get(&expect.family).and_then(|values| values.get(&expect.key)) == expect.value.as_ref();
    Ok(expects.iter().find(|expect| !holds(expect)).map(|expect| expect.family))
}

async fn commit_with(writer: Arc<Mutex<SqliteConnection>>, fence: Fence, batch: Batch) -> Result<Outcome, sqlx::Error> {
    let mut writer = writer.lock().await;
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT fence FROM lease WHERE id = 1 AND holder IS NOT NULL").fetch_optional(&mut *transaction).await?;
    if newest.is_none() || newest != i64::try_from(fence.0).ok() {
        transaction.rollback().await?;
        return Ok(Outcome::Fenced);
    }
    if let Some(family) = moved(&mut transaction, &batch.expects).await? {
        transaction.rollback().await?;
        return Ok(Outcome::Moved(family));
    }
    for (family, changes) in by_family(batch) {
        change(&mut transaction, family, changes).await?;
    }
    transaction.commit().await?;
    Ok(Outcome::Done)
}

/// The last change to each key, sorted: a file filled in key order is filled several times as fast.
fn by_family(batch: Batch) -> BTreeMap<Family, BTreeMap<Vec<u8>, Option<Vec<u8>>>> {
    let mut families: BTreeMap<Family, BTreeMap<_, _>> = BTreeMap::new();
    for (family, key, value) in batch.changes {
        families.entry(family).or_default().insert(key, value);
    }
    families
}

async fn change(connection: &mut SqliteConnection, family: Family, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), sqlx::Error> {
    let (mut saved, mut removed) = (Vec::new(), Vec::new());
    for (key, value) in changes {
        match value {
            Some(value) => saved.push((key, value)),
            None => removed.push(key),
        }
    }
    for piece in statement::pieces(&removed) {
        let query = sqlx::query(statement::delete(family, piece.len()));
        piece.iter().fold(query, |query, key| query.bind(key.as_slice())).execute(&mut *connection).await?;
    }
    for piece in statement::pieces(&saved) {
        let query = sqlx::query(statement::upsert(family, piece.len()));
        let query = piece.iter().fold(query, |query, (key, value)| query.bind(key.as_slice()).bind(value.as_slice()));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, family: Family, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.try_get(family, keys).await.map_err(|e| self.failed(&e))?;
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn scan(&self, family: Family, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let KeyRange { start, end } = KeyRange::new(prefix, after);
        let (start, after) = match start {
            Bound::Excluded(key) => (key, true),
            Bound::Included(key) => (key, false),
            Bound::Unbounded => (Vec::new(), false),
        };
        let query = sqlx::query_as(statement::scan(family, after, end.is_some())).bind(start);
        let query = end.into_iter().fold(query, |query, end| query.bind(end));
        let query = query.bind(i64::try_from(limit).unwrap_or(i64::MAX));
        query.fetch_all(&self.readers).await.map_err(|e| self.failed(&e))
    }

    async fn count(&self, family: Family, prefix: &[u8]) -> Result<u64, StoreError> {
        let end = KeyRange::new(prefix, None).end;
        let query = sqlx::query_scalar(statement::count(family, end.is_some())).bind(prefix);
        let query = end.into_iter().fold(query, |query, end| query.bind(end));
        let count: i64 = query.fetch_one(&self.readers).await.map_err(|e| self.failed(&e))?;
        Ok(count.unsigned_abs())
    }

    async fn commit(&self, fence: Fence, batch: Batch) -> Result<(), StoreError> {
        match self.try_commit(fence, batch).await.map_err(|e| self.failed(&e))? {
            Outcome::Done => Ok(()),
            Outcome::Fenced => Err(StoreError::Fenced),
            Outcome::Moved(family) => Err(StoreError::Moved { what: family.name() }),
        }
    }

    async fn acquire(&self, holder: &str) -> Result<Fence, StoreError> {
        let mut lease: MutexGuard<'_, Option<Held>> = self.lease.lock().await;
        if lease.is_some() {
            return Err(StoreError::Busy { holder: self.holder().await? });
        }
        let unlocked = |e: std::io::Error| StoreError::Database { place: self.place.clone(), why: format!("it could not be locked: {e}") };
        let Some(lock) = Lock::take(&self.path).map_err(unlocked)? else {
            return Err(StoreError::Busy { holder: self.holder().await? });
        };
        let fence: i64 = sqlx::query_scalar("UPDATE lease SET fence = fence + 1, holder = ? WHERE id = 1 RETURNING fence")
            .bind(holder)
            .fetch_one(&mut *self.writer.lock().await)
            .await
            .map_err(|e| self.failed(&e))?;
        let fence = Fence(fence.unsigned_abs());
        *lease = Some(Held { fence, _lock: lock });
        Ok(fence)
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        let mut lease = self.lease.lock().await;
        if lease.as_ref().is_none_or(|held| held.fence != fence) {
            return Ok(());
        }
        let cleared = sqlx::query("UPDATE lease SET holder = NULL WHERE id = 1 AND fence = ?")
            .bind(i64::try_from(fence.0).unwrap_or(i64::MAX))
            .execute(&mut *self.writer.lock().await)
            .await;
        // The lock goes even if the name stays: the next process needs only the lock.
        *lease = None;
        cleared.map(|_| ()).map_err(|e| self.failed(&e))
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}
