//! Files that others are not to read: what is written for people and may say more than they think.
//!
//! Only the owner may read one. It is there as a whole or not at all, and takes no other's place unless that is asked for.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::exit::Failure;

/// A file that is being written, or stdout. Dropped before it is finished, it is taken away.
pub(crate) struct PrivateFile {
    to: To,
    /// As it was named.
    named: PathBuf,
}

enum To {
    /// A reader that has gone away, such as `head`, is no error.
    Stdout,
    File {
        file: BufWriter<File>,
        /// Where it is while it is being written.
        begun: PathBuf,
    },
    Finished,
}

impl PrivateFile {
    /// Begins a file; `-` is stdout. With `force` it takes the place of one that is there, once it is finished.
    pub(crate) fn begin(path: &Path, force: bool) -> Result<Self, Failure> {
        let named = path.to_owned();
        if path == Path::new("-") {
            return Ok(Self { to: To::Stdout, named });
        }
        let mut begun = path.as_os_str().to_owned();
        if force {
            begun.push(format!(".{}.part", std::process::id()));
        }
        let begun = PathBuf::from(begun);
        match create(&begun) {
            Ok(file) => Ok(Self { to: To::File { file: BufWriter::new(file), begun }, named }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(failed(format!("{} is there already; name another file, or replace it with --force", path.display())))
            }
            Err(error) => Err(not_written(path, &error)),
        }
    }

    /// It is written: from now on it stays.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let finished = self.flush().and_then(|()| match &self.to {
            To::File { begun, .. } if *begun != self.named => fs::rename(begun, &self.named),
            To::File { .. } | To::Stdout | To::Finished => Ok(()),
        });
        finished.map_err(|error| self.not_written(&error))?;
        self.to = To::Finished;
        Ok(())
    }

    /// The failure to write it.
    pub(crate) fn not_written(&self, error: &io::Error) -> Failure {
        not_written(&self.named, error)
    }
}

impl Write for PrivateFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Stdout => heard(io::stdout().lock().write(bytes), bytes.len()),
            To::File { file, .. } => file.write(bytes),
            To::Finished => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Stdout => heard(io::stdout().lock().flush(), ()),
            To::File { file, .. } => file.flush(),
            To::Finished => Ok(()),
        }
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if let To::File { begun, .. } = &self.to {
            let _ = fs::remove_file(begun);
        }
    }
}

fn heard<T>(outcome: io::Result<T>, as_if: T) -> io::Result<T> {
    outcome.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(as_if) } else { Err(error) })
}

/// A new file that only its owner may read.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    failed(format!("{} can't be written: {error}; name another file", path.display()))
}

fn failed(text: String) -> Failure {
    Failure::Other(anyhow::anyhow!(text))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
        let mut file = PrivateFile::begin(path, force)?;
        file.write_all(text.as_bytes()).map_err(|error| not_written(path, &error))?;
        file.finish()
    }

    #[test]
    fn it_is_its_owner_s_alone_and_takes_no_other_s_place_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        write(&path, "one", false).unwrap();
        assert!(matches!(write(&path, "two", false), Err(Failure::Other(error)) if error.to_string().contains("--force")));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, "three", true).unwrap();
        assert_eq!(
            (fs::read_to_string(&path).unwrap(), fs::metadata(&path).unwrap().permissions().mode() & 0o777),
            ("three".into(), 0o600)
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_that_is_given_up_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        for force in [false, true] {
            drop(PrivateFile::begin(&path, force).unwrap());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        assert!(matches!(write(&folder.path().join("no/folder"), "x", false), Err(Failure::Other(_))));
    }
}
