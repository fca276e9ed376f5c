//! Systems without Unix sockets: no process can be asked, so that commands take the lease themselves or say that it is taken.

use std::path::PathBuf;

use engine::supervisor::Handle;

use crate::{config::Source, exit::Failure, job::Job, out::Out};

/// Nobody can be asked.
pub(crate) async fn ask(_: &str, _: &Job, _: &Out) -> Result<Option<u8>, Failure> {
    Ok(None)
}

/// Nobody asks.
pub(crate) async fn listen(_: Handle, _: Source, _: impl Fn() -> Option<PathBuf>) {}
