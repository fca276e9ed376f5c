//! Flags of `support-bundle`.

use std::path::PathBuf;

/// Flags of `support-bundle`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SupportBundle {
    /// The file; - for stdout. insight-bridge-support-<time>.json unless it is said.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Put the values of held records in, too: personal data.
    #[arg(long)]
    pub(crate) values: bool,
    /// Replace the file if it is there.
    #[arg(long)]
    pub(crate) force: bool,
}
