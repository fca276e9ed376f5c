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
    exit::{Failure, IN_STEP, ONLY_SHOWN, UNFINISHED},
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
    let mut known = Known::default();
    let outcome = known.run(source, args, &out).await;
    // A program reads what is known, however it ended.
    if args.json {
        out.data(known.as_json()?);
    }
    outcome
}

/// What came of it so far.
#[derive(Default)]
struct Known {
    proposed: Fixes,
    /// None while it isn't known: it was asked for and didn't answer.
    done: Option<Vec<Finding>>,
    /// What the check afterwards says.
    findings: Value,
}

impl Known {
    async fn run(&mut self, source: &Source, args: &Check, out: &Out) -> Result<u8, Failure> {
        self.done = Some(Vec::new());
        self.proposed = match heard(source, Job::Fix(Fixing::Propose { prefix: args.prefix.clone() })).await? {
            Ok(said) => serde_json::from_value(said).map_err(anyhow::Error::from)?,
            Err(code) => return Ok(code),
        };
        let mut asker = Asker::of_terminal();
        let refused = args.yes && asker.is_none() && !self.proposed.unconfirmed.is_empty();
        if refused {
            self.refuse_unconfirmed();
        }
        let proposed = &self.proposed;
        if !args.json {
            proposed.left.iter().for_each(|left| out.data(format!("{} {left}", out.colour("note", "33"))));
        }
        let Some(chosen) = choose(proposed, asker.as_mut(), args, out)? else {
            out.talk("nothing was changed; run it on a terminal, or with --yes for all of it");
            return Ok(ONLY_SHOWN);
        };
        if !chosen.is_empty() {
            self.done = None;
            let done = match heard(source, Job::Fix(Fixing::Apply { fixes: chosen.clone() })).await? {
                Ok(said) => serde_json::from_value::<Vec<Finding>>(said).map_err(anyhow::Error::from)?,
                Err(code) => return Ok(code),
            };
            self.done = Some(done);
        }
        let failed = self.done.iter().flatten().any(|finding| !finding.good);
        let code = match args.json {
            true => {
                let (code, said) = listen(source, Job::Check(args.clone())).await?;
                self.findings = serde_json::from_str(&said).unwrap_or_default();
                code
            }
            false => {
                self.done.iter().flatten().for_each(|finding| out.data(told(finding, out)));
                let lines = fix::lines(self.proposed.unconfirmed.intersection(&chosen));
                if !lines.is_empty() {
                    out.data(format!("\nNo sync begins before these lines are in the configuration:\n{}", lines.join("\n")));
                }
                out.data("\nChecked again:");
                job::run(source, Job::Check(args.clone())).await?
            }
        };
        Ok(if code == IN_STEP && (failed || refused) { UNFINISHED } else { code })
    }

    /// Columns after which the sync stops until the configuration names them are nothing to say yes to unseen.
    fn refuse_unconfirmed(&mut self) {
        let Fixes { fixes, left, unconfirmed, .. } = &mut self.proposed;
        fixes.retain(|fix| !unconfirmed.contains(fix));
        left.push(format!(
            "columns of your own are not made by --yes alone, since no sync begins before the configuration names them: write these lines there \
             first, then run it again\n{}",
            fix::lines(unconfirmed.iter()).join("\n")
        ));
    }

    fn as_json(&self) -> Result<String, Failure> {
        let changed = self.done.as_ref().map(|done| done.iter().any(|finding| finding.good));
        pretty(&json!({
            "proposed": shown(&self.proposed.fixes), "left": self.proposed.left, "lines": self.proposed.lines, "changed": changed, "done": self.done,
            "findings": self.findings,
        }))
    }
}

/// What shall be put right; none where somebody has to be asked and can't be.
fn choose(proposed: &Fixes, asker: Option<&mut Asker>, args: &Check, out: &Out) -> Result<Option<BTreeSet<Fix>>, Failure> {
    if proposed.fixes.is_empty() && !args.json {
        out.data("nothing that can be put right from here");
    }
    let is_asked = |fix: &Fix| !args.yes || proposed.unconfirmed.contains(fix);
    let (asked, mut chosen): (Vec<&Fix>, BTreeSet<Fix>) = {
        let (asked, taken): (Vec<&Fix>, Vec<&Fix>) = proposed.fixes.iter().partition(|fix| is_asked(fix));
        (asked, taken.into_iter().cloned().collect())
    };
    if asked.is_empty() {
        return Ok(Some(chosen));
    }
    let Some(asker) = asker else {
        if !args.json {
            proposed.fixes.iter().for_each(|fix| out.data(format!("could be done: {fix}")));
        }
        return Ok(None);
    };
    if !proposed.lines.is_empty() {
        let lines = proposed.lines.join("\n");
        asker.headline(&format!("Once a column of your own is made, no sync begins before its line is in the configuration:\n{lines}\n"));
    }
    for fix in asked {
        let stops = if proposed.unconfirmed.contains(fix) { " (the sync then stops until its line is in the configuration)" } else { "" };
        if asker.confirm(&format!("{fix}{stops}?"))? {
            chosen.insert(fix.clone());
        }
    }
    Ok(Some(chosen))
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
