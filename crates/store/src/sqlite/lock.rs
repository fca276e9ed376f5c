//! The lock file beside the database, which tells whether the process with the lease still lives.
//!
//! The operating system lets go of it however that process ends, also when it is killed. The file stays: a lock on a file that somebody
//! removes and another makes anew would be two locks.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

/// The lock, held as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the database at `path`; none when another has it.
    ///
    /// # Errors
    /// When there can be no lock, for example because the folder can't be written.
    pub(super) fn take(path: &Path) -> std::io::Result<Option<Self>> {
        let file = private().truncate(false).open(lock_path(path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// `state.db` has `state.db.lock`.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Opens files, and makes missing ones so that only their owner reads them: state can hold personal data.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_has_it_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let first = Lock::take(&path).unwrap().unwrap();
        assert!(Lock::take(&path).unwrap().is_none());
        drop(first);
        assert!(Lock::take(&path).unwrap().is_some());
        assert!(folder.path().join("state.db.lock").exists());
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        assert!(Lock::take(Path::new("/nowhere/at/all/state.db")).is_err());
    }
}
