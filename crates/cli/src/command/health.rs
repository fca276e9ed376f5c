//! `health`: whether the process that serves is there, and whether its bridges are ready.

use crate::{
    args::Health,
    config::{File, Source},
    control,
    exit::{Failure, IN_STEP, OTHER},
    job::{Job, Steer},
    printer,
};

/// Runs it: for the bridge that is named, or all.
pub(crate) async fn run(source: &Source, args: Health) -> Result<u8, Failure> {
    let file = File::load(&source.file)?;
    let bridges = match &source.bridge {
        Some(name) => vec![file.bridge(Some(name))?],
        None => file.bridges,
    };
    let mut worst = IN_STEP;
    for bridge in bridges {
        let answer = control::ask(&bridge.state(), &Job::Steer(Steer::Health)).await;
        worst = worst.max(match answer {
            Ok(Some(code)) if args.ready => code,
            Ok(Some(_)) => IN_STEP,
            Ok(None) => {
                printer::data(&format!("{}: no process serves it, or could open it", bridge.name));
                OTHER
            }
            Err(failure) => {
                printer::say(&failure.to_string());
                OTHER
            }
        });
    }
    Ok(worst)
}
