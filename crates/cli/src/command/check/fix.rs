//! `check --fix`: what `check` finds and what can be put right from here, each only after somebody has said so.
//!
//! Two halves, between which people decide at their own terminal: the process that serves the bridge, where one does, says what could be put
//! right, and later puts right what was chosen.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use engine::{
    Bridge,
    check::Finding,
    fix::{self, Fix, Fixes},
};
use serde_json::{Value, json};

use super::told;
use crate::{
    args::Check,
    asker::Asker,
    config::{Config, Source},
    connect,
    exit::{Failure, IN_STEP, ONLY_SHOWN},
    job::{self, Fixing, Job},
    out::{Out, Said},
    printer,
};

/// One half of it, done by whoever may call both sides. What it says is data for the other half.
pub(crate) async fn fix(config: &Config, served: Option<&Bridge>, fixing: &Fixing, out: &Out) -> Result<u8, Failure> {
    let serving = served.map(|bridge| bridge.marketo.pace());
    let (dynamics, marketo) = (connect::dynamics(config)?, connect::marketo(config, serving)?);
    let counted = if serving.is_some() { None } else { connect::existing_state(config).await? };
    let pace = marketo.pace().clone();
    let said = match fixing {
        Fixing::Propose { prefix } => json!(fix::fixes(dynamics, marketo, config.options(), prefix.clone(), counted).await?),
        Fixing::Apply { fixes } => json!(fix::apply(dynamics, marketo, fixes.clone(), counted).await?),
    };
    if let Some(serving) = serving {
        serving.count_in(&pace);
    }
    out.data(said.to_string());
    Ok(IN_STEP)
}

/// Asks what can be put right, has decided, has it done, and checks again.
pub(crate) async fn run(source: &Source, args: &Check) -> Result<u8, Failure> {
    let out = Out::here();
    let proposed = match heard(source, Job::Fix(Fixing::Propose { prefix: args.prefix.clone() })).await? {
        Ok(said) => serde_json::from_value::<Fixes>(said).map_err(anyhow::Error::from)?,
        Err(code) => return Ok(code),
    };
    if !args.json {
        proposed.left.iter().for_each(|left| out.data(format!("{} {left}", out.colour("note", "33"))));
    }
    let Some(chosen) = choose(&proposed, args, &out)? else {
        if args.json {
            out.data(pretty(&json!({ "proposed": shown(&proposed.fixes), "left": proposed.left, "changed": false }))?);
        }
        out.talk("nothing was changed; run it on a terminal, or with --yes for all of it");
        return Ok(ONLY_SHOWN);
    };
    let done = match chosen.is_empty() {
        true => Vec::new(),
        false => match heard(source, Job::Fix(Fixing::Apply { fixes: chosen.clone() })).await? {
            Ok(said) => serde_json::from_value::<Vec<Finding>>(said).map_err(anyhow::Error::from)?,
            Err(code) => return Ok(code),
        },
    };
    if args.json {
        return checked_as_json(source, args, &proposed, &done, &out).await;
    }
    done.iter().for_each(|finding| out.data(told(finding, &out)));
    if !proposed.lines.is_empty() && !chosen.is_empty() {
        out.data(format!("\nThe configuration needs these lines for the new columns:\n{}", proposed.lines.join("\n")));
    }
    out.data("\nChecked again:");
    job::run(source, Job::Check(args.clone())).await
}

/// What shall be put right; none where somebody has to be asked and can't be.
fn choose(proposed: &Fixes, args: &Check, out: &Out) -> Result<Option<BTreeSet<Fix>>, Failure> {
    if args.yes || proposed.fixes.is_empty() {
        if !args.json && proposed.fixes.is_empty() {
            out.data("nothing that can be put right from here");
        }
        return Ok(Some(proposed.fixes.iter().cloned().collect()));
    }
    let Some(mut asker) = Asker::of_terminal() else {
        if !args.json {
            proposed.fixes.iter().for_each(|fix| out.data(format!("could be done: {fix}")));
        }
        return Ok(None);
    };
    let mut chosen = BTreeSet::new();
    for fix in &proposed.fixes {
        if asker.confirm(&format!("{fix}?"))? {
            chosen.insert(fix.clone());
        }
    }
    Ok(Some(chosen))
}

/// Everything as one document.
async fn checked_as_json(source: &Source, args: &Check, proposed: &Fixes, done: &[Finding], out: &Out) -> Result<u8, Failure> {
    let (code, said) = listen(source, Job::Check(args.clone())).await?;
    let findings: Value = serde_json::from_str(&said).map_err(anyhow::Error::from)?;
    let told = json!({
        "proposed": shown(&proposed.fixes), "left": proposed.left, "changed": !done.is_empty(), "done": done, "lines": proposed.lines,
        "findings": findings,
    });
    out.data(pretty(&told)?);
    Ok(code)
}

fn shown(fixes: &[Fix]) -> Vec<String> {
    fixes.iter().map(ToString::to_string).collect()
}

fn pretty(value: &Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?)
}

/// What one half says; its exit code, where it could not do it.
async fn heard(source: &Source, job: Job) -> Result<Result<Value, u8>, Failure> {
    let (code, said) = listen(source, job).await?;
    match code {
        IN_STEP => Ok(Ok(serde_json::from_str(&said).map_err(anyhow::Error::from)?)),
        code => Ok(Err(code)),
    }
}

/// The exit code and the data of a job; its talk goes to stderr.
async fn listen(source: &Source, job: Job) -> Result<(u8, String), Failure> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = lines.clone();
    let out = Out::new(None, move |said| match said {
        Said::Data(text) => heard.lock().unwrap_or_else(PoisonError::into_inner).push(text),
        Said::Talk(text) => printer::say(&text),
        Said::Step(_) => {}
    });
    let code = job::run_to(source, job, &out).await?;
    let said = lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
    Ok((code, said))
}
