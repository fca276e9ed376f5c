//! Where the configuration goes: as a whole or not at all, and never unasked in the place of another.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::wrong;
use crate::exit::Failure;

/// That nothing is lost by writing there.
pub(super) fn is_free(file: &Path, force: bool) -> Result<(), Failure> {
    match !force && file.exists() {
        true => Err(is_there(file)),
        false => Ok(()),
    }
}

fn is_there(file: &Path) -> Failure {
    wrong(format!("{} is there already; name another file with --config, or replace it with --force", file.display()))
}

/// Writes it beside, and then puts it there.
pub(super) fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    is_free(file, force)?;
    let begun = PathBuf::from(format!("{}.{}.part", file.display(), std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).open(&begun).and_then(|mut part| {
        let put = part.write_all(text.as_bytes()).and_then(|()| part.sync_all()).and_then(|()| put(&begun, file, text, force));
        // After a rename it is gone already.
        let _ = fs::remove_file(&begun);
        put
    });
    written.map_err(|error| match error.kind() == ErrorKind::AlreadyExists && file.exists() && !force {
        true => is_there(file),
        false => wrong(format!("{} can't be written: {error}; name another file with --config", file.display())),
    })
}

/// Puts what was begun in its place. Without `force` it takes nobody's place, not even that of a file that has come meanwhile.
fn put(begun: &Path, file: &Path, text: &str, force: bool) -> io::Result<()> {
    if force {
        // Whoever might read the other may read this one.
        if let Ok(replaced) = fs::metadata(file) {
            fs::set_permissions(begun, replaced.permissions())?;
        }
        return fs::rename(begun, file);
    }
    match fs::hard_link(begun, file) {
        // Some file systems know no second name of a file.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let mut made = OpenOptions::new().write(true).create_new(true).open(file)?;
            made.write_all(text.as_bytes()).and_then(|()| made.sync_all()).inspect_err(|_| drop(fs::remove_file(file)))
        }
        linked => linked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_meanwhile_stays_and_what_is_replaced_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (begun, file) = (folder.path().join("begun"), folder.path().join("x.toml"));
        fs::write(&begun, "new").unwrap();
        fs::write(&file, "theirs").unwrap();
        assert_eq!(put(&begun, &file, "new", false).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        #[cfg(unix)]
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        fs::set_permissions(&file, permissions).unwrap();
        let permissions = fs::metadata(&file).unwrap().permissions();
        write(&file, "new", true).unwrap();
        assert_eq!((fs::read_to_string(&file).unwrap(), fs::metadata(&file).unwrap().permissions()), ("new".into(), permissions));
        write(&folder.path().join("y.toml"), "y", false).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
