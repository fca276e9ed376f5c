//! `check`: connects to both sides and names what is missing. It calls, reads and compares, and changes nothing.

use engine::Bridge;
use serde::Serialize;

use crate::{
    args::Check,
    config::Config,
    connect,
    exit::{CONFIGURATION, Failure, IN_STEP},
    out::Out,
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

/// Runs it. Where this process serves the bridge, its calls are held to the same limits and counted with the bridge's.
pub(crate) async fn check(config: &Config, served: Option<&Bridge>, args: &Check, out: &Out) -> Result<u8, Failure> {
    let serving = served.map(|bridge| bridge.marketo.pace());
    let (dynamics, marketo) = (connect::dynamics(config)?, connect::marketo(config, serving)?);
    let state = if serving.is_some() { None } else { connect::existing_state(config).await? };
    let pace = marketo.pace().clone();
    let findings = engine::check::check(dynamics, marketo, config.options(), state).await;
    if let Some(serving) = serving {
        serving.count_in(&pace);
    }
    let findings: Vec<Finding> = findings
        .into_iter()
        .map(|finding| Finding { what: finding.what, good: finding.good, text: finding.text, code: finding.code.map(str::to_owned) })
        .collect();
    let good = findings.iter().all(|finding| finding.good);
    if args.json {
        out.data(serde_json::to_string_pretty(&findings).map_err(anyhow::Error::from)?);
    } else {
        for finding in &findings {
            let mark = if finding.good { "ok  " } else { "FAIL" };
            out.data(format!("{mark} {}: {}", finding.what, finding.text));
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
