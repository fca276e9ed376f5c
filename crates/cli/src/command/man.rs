//! `man`: manual pages, written into a folder.

use anyhow::Context;
use clap::CommandFactory;

use crate::{
    args::{Args, Folder},
    exit::{Failure, IN_STEP},
};

/// Runs it.
pub(crate) fn run(args: &Folder) -> Result<u8, Failure> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Args::command(), folder))
        .with_context(|| format!("manual pages can't be written into {}", folder.display()))?;
    Ok(IN_STEP)
}
