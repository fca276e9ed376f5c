//! `check`: connects to both sides and names what is missing. It calls, reads and compares, and changes nothing.

use std::path::Path;

use serde::Serialize;

use crate::{
    args::Check,
    config::Config,
    connect,
    exit::{CONFIGURATION, Failure, IN_STEP},
    printer,
};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    /// What.
    what: String,
    /// Whether it is good.
    good: bool,
    /// What was found, and what to do where it isn't good.
    text: String,
    /// The error's code, where it isn't good.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// Runs it.
pub(crate) async fn run(config: &Path, args: Check) -> Result<u8, Failure> {
    let config = Config::load(config)?;
    let (dynamics, marketo) = (connect::dynamics(&config)?, connect::marketo(&config)?);
    let findings: Vec<Finding> = engine::check::check(dynamics, marketo, config.options(), connect::existing_state(&config).await?)
        .await
        .into_iter()
        .map(|finding| Finding { what: finding.what, good: finding.good, text: finding.text, code: finding.code.map(str::to_owned) })
        .collect();
    let good = findings.iter().all(|finding| finding.good);
    if args.json {
        printer::data(&serde_json::to_string_pretty(&findings).map_err(anyhow::Error::from)?);
    } else {
        for finding in &findings {
            let mark = if finding.good { "ok  " } else { "FAIL" };
            printer::data(&format!("{mark} {}: {}", finding.what, finding.text));
        }
    }
    let side = findings.iter().any(|finding| {
        !finding.good && finding.code.as_deref().is_some_and(|code| code.starts_with("marketo-") || code.starts_with("dynamics-"))
    });
    Ok(match (good, side) {
        (true, _) => IN_STEP,
        (false, true) => 5,
        (false, false) => CONFIGURATION,
    })
}
