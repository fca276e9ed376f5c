//! `schema`: the JSON schema of the configuration file, on stdout.

use crate::{
    config,
    exit::{Failure, IN_STEP},
    printer,
};

/// Runs it.
pub(crate) fn run() -> Result<u8, Failure> {
    printer::data(&text()?);
    Ok(IN_STEP)
}

/// The schema as it is printed.
pub(crate) fn text() -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(&config::schema()).map_err(anyhow::Error::from)?)
}
