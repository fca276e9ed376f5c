//! Where the configuration goes: as a whole or not at all, and never unasked in the place of another.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use super::wrong;
use crate::exit::Failure;

/// That nothing is lost by writing there.
pub(super) fn is_free(file: &Path, force: bool) -> Result<(), Failure> {
    match !force && file.exists() {
        true => Err(wrong(format!("{} is there already; name another file with --config, or replace it with --force", file.display()))),
        false => Ok(()),
    }
}

/// Writes it beside, and then puts it there.
pub(super) fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    is_free(file, force)?;
    let begun = PathBuf::from(format!("{}.{}.part", file.display(), std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).open(&begun).and_then(|mut part| {
        part.write_all(text.as_bytes())?;
        part.sync_all()?;
        fs::rename(&begun, file)
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&begun);
        wrong(format!("{} can't be written: {error}; name another file with --config", file.display()))
    })
}
