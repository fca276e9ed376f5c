//! `check`: connects to both sides and names what is missing. It calls, reads and compares, and changes nothing.

pub(crate) mod fix;

use engine::{
    Bridge, Quota,
    check::{About, Finding, Grade},
};
use store::{Store, StoreExt, record::Run};

use crate::{
    args::Check,
    config::Config,
    connect,
    exit::{CONFIGURATION, Failure, IN_STEP},
    out::Out,
};

/// Runs that are looked through for the last one.
const RUNS: usize = 10_000;

/// Runs it. Where this process serves the bridge, its calls are held to the same limits and counted with the bridge's.
pub(crate) async fn check(config: &Config, served: Option<&Bridge>, args: &Check, out: &Out) -> Result<u8, Failure> {
    let serving = served.map(|bridge| bridge.marketo.pace());
    let (dynamics, marketo) = (connect::dynamics(config)?, connect::marketo(config, serving)?);
    let state = if serving.is_some() { None } else { connect::existing_state(config).await? };
    let store = served.map(|bridge| &bridge.store).or(state.as_ref().map(|state| &state.store)).cloned();
    let last_run = match &store {
        Some(store) => last_run(&**store).await?,
        None => None,
    };
    let pace = marketo.pace().clone();
    let quota: Option<Quota> = Some(config.marketo.quota());
    let about = About { quota, last_run, state: store };
    let findings = engine::check::check(dynamics, marketo, config.options(), about, state).await;
    if let Some(serving) = serving {
        serving.count_in(&pace);
    }
    match args.json {
        true => out.data(serde_json::to_string_pretty(&findings).map_err(anyhow::Error::from)?),
        false => findings.iter().for_each(|finding| out.data(told(finding, out))),
    }
    Ok(code_of(&findings))
}

/// The exit code for what was found: whether it is good enough to sync, else whose fault it is.
pub(crate) fn code_of(findings: &[Finding]) -> u8 {
    let good = findings.iter().all(|finding| finding.good);
    let side = findings.iter().any(|finding| {
        !finding.good && finding.code.as_deref().is_some_and(|code| code.starts_with("marketo-") || code.starts_with("dynamics-"))
    });
    match (good, side) {
        (true, _) => IN_STEP,
        (false, true) => 5,
        (false, false) => CONFIGURATION,
    }
}

async fn last_run(store: &dyn Store) -> Result<Option<base::Timestamp>, Failure> {
    let runs = store.list::<Run>(&[], None, RUNS).await?;
    Ok(runs.iter().rev().find_map(|run| run.body.ended))
}

/// A finding as people read it.
pub(crate) fn told(finding: &Finding, out: &Out) -> String {
    let (mark, colour) = match finding.grade {
        Grade::Green => ("ok  ", "32"),
        Grade::Amber => ("note", "33"),
        Grade::Red => ("FAIL", "31;1"),
    };
    // The first line alone says what is wrong: in words, and by its code.
    let (first, rest) = finding.text.split_once('\n').unwrap_or((&finding.text, ""));
    let mut text = format!("{} {}: {first}", out.colour(mark, colour), finding.what);
    if let Some(code) = &finding.code {
        text.push_str(&format!(" [{code}]"));
    }
    if !rest.is_empty() {
        text.push_str(&format!("\n{rest}"));
    }
    if let Some(remedy) = &finding.remedy {
        text.push_str(&format!("\n       what to do: {remedy}"));
    }
    if let Some(page) = &finding.page {
        text.push_str(&format!("\n       {page}"));
    }
    text
}
