//! Bulk lead extract.

/// The name of the call that reads a finished file.
pub(crate) const FILE: &str = "extract.file";
/// The name of the call that queues a job.
pub(crate) const ENQUEUE: &str = "extract.enqueue";
