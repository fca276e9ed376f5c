//! Where the socket is: beside the state's file, under its name with `.sock` behind it.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// The longest address of a Unix socket that every system takes, in bytes (`sun_path` has 108 in Linux, 104 in others, with a zero at the end).
const ADDRESS_MAX: usize = 103;

/// The path of a socket, whatever its length.
#[derive(Debug, Clone)]
pub(super) struct Place(PathBuf);

/// An address that is short enough.
struct Address {
    path: PathBuf,
    /// The folder that the path leads through, open.
    _folder: Option<File>,
}

impl Place {
    /// Of the state in this file.
    pub(super) fn beside(state: &Path) -> Self {
        let mut name = state.as_os_str().to_owned();
        name.push(".sock");
        Self(name.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A connection to the process that listens there; none where there is none.
    ///
    /// # Errors
    /// When there is one, and it can't be reached.
    pub(super) async fn connect(&self) -> io::Result<Option<UnixStream>> {
        if !self.0.exists() {
            return Ok(None);
        }
        match UnixStream::connect(self.address()?.path).await {
            Ok(stream) => Ok(Some(stream)),
            // The process that made it has died, or has just ended.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Listens there; none when a living process does already. What a dead one left is replaced. Only its owner may connect.
    ///
    /// Only for the process that has the lease: two at once would take each other's for a dead one's.
    ///
    /// # Errors
    /// When there can be no socket.
    pub(super) async fn bind(&self) -> io::Result<Option<UnixListener>> {
        if self.connect().await?.is_some() {
            return Ok(None);
        }
        self.remove()?;
        let listener = UnixListener::bind(self.address()?.path)?;
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o600))?;
        Ok(Some(listener))
    }

    /// Takes the socket away.
    ///
    /// # Errors
    /// When it is there and can't be.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A long path is reached through its folder, which Linux names shortly while it is open.
    fn address(&self) -> io::Result<Address> {
        let length = |path: &Path| path.as_os_str().as_bytes().len();
        if length(&self.0) <= ADDRESS_MAX {
            return Ok(Address { path: self.0.clone(), _folder: None });
        }
        let too_long = || io::Error::new(ErrorKind::InvalidFilename, format!("{} is too long for a socket", self.0.display()));
        let (folder, name) = self.0.parent().zip(self.0.file_name()).ok_or_else(too_long)?;
        if !cfg!(target_os = "linux") {
            return Err(too_long());
        }
        let folder = File::open(folder)?;
        let path = Path::new("/proc/self/fd").join(std::os::fd::AsRawFd::as_raw_fd(&folder).to_string()).join(name);
        if length(&path) > ADDRESS_MAX {
            return Err(too_long());
        }
        Ok(Address { path, _folder: Some(folder) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(folder: &Path) {
        let place = Place::beside(&folder.join("state.db"));
        assert!(place.connect().await.unwrap().is_none());
        let first = place.bind().await.unwrap().unwrap();
        assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(place.connect().await.unwrap().is_some());
        assert!(place.bind().await.unwrap().is_none(), "a living process was taken for a dead one");
        drop(first);
        assert!(place.path().exists() && place.connect().await.unwrap().is_none());
        drop(place.bind().await.unwrap().unwrap());
        place.remove().unwrap();
        assert!(!place.path().exists());
    }

    #[tokio::test]
    async fn a_dead_process_s_socket_is_replaced_and_a_living_one_s_never() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path()).await;
        let deep = folder.path().join("d".repeat(90)).join("e".repeat(90));
        fs::create_dir_all(&deep).unwrap();
        check(&deep).await;
    }
}
