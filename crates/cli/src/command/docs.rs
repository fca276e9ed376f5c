//! `docs`: the pages that are made from the program, written into a folder. Hidden: `cargo xtask docs` is for people.

use std::fs;

use anyhow::Context;

use crate::{
    args::Folder,
    exit::{Failure, IN_STEP},
    reference,
};

/// Runs it.
pub(crate) fn run(args: &Folder) -> Result<u8, Failure> {
    for (name, text) in reference::pages()? {
        let path = args.folder.join(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| path.display().to_string())?;
    }
    Ok(IN_STEP)
}
