//! A copy of a state to try something out on, gone when it is dropped.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Store, sqlite::private};

/// How many copies this process has made.
static MADE: AtomicU64 = AtomicU64::new(0);

/// The copies that this process has now.
static LIVING: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn living() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What comes between the state's name and a copy's number.
const MARK: &str = ".copy-";

/// What SQLite and the lease put beside a file.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", ".lock"];

/// A copy of a state. Its files go with it.
#[derive(Debug)]
pub struct StateCopy {
    /// The copy.
    pub store: Arc<dyn Store>,
    /// Dropped after the store has closed it.
    _file: Option<CopyFile>,
}

impl StateCopy {
    pub(crate) fn in_memory(store: Arc<dyn Store>) -> Self {
        Self { store, _file: None }
    }

    pub(crate) fn in_file(store: Arc<dyn Store>, file: CopyFile) -> Self {
        Self { store, _file: Some(file) }
    }
}

/// A copy's file, readable by its owner only; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct CopyFile(PathBuf);

impl CopyFile {
    /// An empty one beside the state at `path`, of which this process holds the lease.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let mut name = path.as_os_str().to_owned();
        name.push(format!("{MARK}{}-{number}", process::id()));
        let path = PathBuf::from(name);
        // Known before it is there, so that nobody takes it for one that was left.
        living().insert(path.clone());
        let made = Self(path);
        private().create_new(true).open(made.path())?;
        Ok(made)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CopyFile {
    fn drop(&mut self) {
        remove(&self.0);
        living().remove(&self.0);
    }
}

/// Removes copies of processes that are no more: nobody else makes any while we have the lease.
pub(crate) fn remove_left(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { return Ok(()) };
    let prefix = format!("{name}{MARK}");
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.file_name();
        let Some(number) = found.to_str().and_then(|found| found.strip_prefix(&prefix)) else { continue };
        // What SQLite puts beside it goes with it.
        let number = number.split(['.']).next().unwrap_or(number).trim_end_matches("-wal").trim_end_matches("-shm");
        let path = folder.join(format!("{prefix}{number}"));
        if !living().contains(&path) {
            remove(&path);
        }
    }
    Ok(())
}

fn remove(path: &Path) {
    for suffix in BESIDE {
        let mut name: OsString = path.as_os_str().to_owned();
        name.push(suffix);
        if let Err(error) = fs::remove_file(&name)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file = %Path::new(&name).display(), %error, "a copy of the state could not be removed");
        }
    }
}
