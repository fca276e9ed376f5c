//! Connections: one that writes, on a thread of its own, and some that read, on the thread of whoever asks.
//!
//! A commit may wait for the disk, so that it has a thread; many rows are one hand-over. A read finds most of what it wants in memory and
//! takes microseconds, less than a hand-over would.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Mutex, PoisonError, TryLockError, mpsc},
    thread,
    time::Duration,
};

use rusqlite::{Connection, config::DbConfig};
use tokio::sync::oneshot;

/// How long a statement waits for another process before it fails.
const WAIT: Duration = Duration::from_secs(10);
/// Cache a connection, in KiB, whatever the size of the file.
const CACHE_KIB: u32 = 2_000;
/// What the log shrinks to after a large commit, in bytes.
const LOG_MAX: u32 = 48 << 20;
/// Pages in the log after which they are taken over into the file: a page that is written often meanwhile is taken over once.
const LOG_PAGES: u32 = 10_000;
/// How often the log is asked for while another process makes it too; 20 ms apart.
const LOG_TRIES: u32 = 250;
/// Prepared statements kept a connection: all shapes of all families.
const STATEMENTS: usize = 128;

/// What is to be done on a connection.
type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A thread with a connection. It ends when this is dropped, after what it has been given.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn new(mut connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let work = move || {
            for job in queue {
                // Who waits for it is told that it ended. A transaction that it had begun is rolled back, and the next one goes on.
                let _ = catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
            }
        };
        thread::Builder::new().name("state writer".into()).spawn(work)?;
        Ok(Self { jobs })
    }

    /// Runs `act` after what was asked for before. It is done also when nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failed> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Who isn't there any more needs no answer.
            let _ = tell.send(act(connection));
        });
        self.jobs.send(job).map_err(|_| Failed::Ended)?;
        Ok(told.await.map_err(|_| Failed::Ended)??)
    }
}

/// Connections that read.
pub(super) struct Readers(Vec<Mutex<Connection>>);

impl Readers {
    /// Over these, at least one.
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self(connections.into_iter().map(Mutex::new).collect())
    }

    /// Runs `act` on one that is free, else on the first.
    pub(super) fn run<T>(&self, act: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, Failed> {
        for reader in &self.0 {
            match reader.try_lock() {
                Ok(mut connection) => return Ok(act(&mut connection)?),
                // A read that panicked has changed nothing.
                Err(TryLockError::Poisoned(poisoned)) => return Ok(act(&mut poisoned.into_inner())?),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let first = self.0.first().ok_or(Failed::Ended)?;
        Ok(act(&mut first.lock().unwrap_or_else(PoisonError::into_inner))?)
    }
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// SQLite refused.
    #[error(transparent)]
    Refused(#[from] rusqlite::Error),
    /// The thread has ended, which it does only when it panics.
    #[error("the thread that works on it has ended")]
    Ended,
}

impl Failed {
    /// SQLite's own words, without the statement.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Refused(rusqlite::Error::SqliteFailure(_, Some(message))) => message.clone(),
            Self::Refused(error) => error.to_string(),
            Self::Ended => self.to_string(),
        }
    }
}

/// Opens the file for writing; it must exist.
pub(super) fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path)?;
    keep_log(&connection)?;
    connection.pragma_update(None, "journal_size_limit", LOG_MAX)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    Ok(connection)
}

/// Opens the file for reading, once the log is on.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan never depends on the values: otherwise SQLite makes each statement with a range anew whenever it is run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    Ok(connection)
}

/// Turns the write-ahead log on, which stays on. SQLite doesn't wait by itself when another process is about to do the same.
fn keep_log(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if mode.eq_ignore_ascii_case("wal") {
            return Ok(());
        }
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Ok(()) => return Ok(()),
            Err(error) if tries == LOG_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
        thread::sleep(Duration::from_millis(20));
    }
}
