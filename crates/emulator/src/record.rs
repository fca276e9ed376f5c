//! The bodies of all exchanges, written down on request: what a measurement needs to say what the same bytes cost at least.
//!
//! They hold what a client sent, secrets and people included, so that nothing but a sandbox's invented data should ever be recorded.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// A file that takes bodies, each after its length as four bytes, the lowest first. Cheap to clone; every clone writes to the same file.
///
/// What was recorded is complete when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Mutex<BufWriter<File>>>);

impl Recorder {
    /// Records into a new file.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(BufWriter::new(File::create(path)?)))))
    }

    /// Adds a body; an empty one isn't worth an entry. A disk that is full is noticed by whoever reads the file.
    pub(crate) fn body(&self, body: &[u8]) {
        let Some(length) = u32::try_from(body.len()).ok().filter(|length| *length > 0) else { return };
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _incomplete = file.write_all(&length.to_le_bytes()).and_then(|()| file.write_all(body));
    }
}
