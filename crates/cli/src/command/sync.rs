//! `sync`: one cycle.

use engine::{Bridge, Progress, cycle, options::RunOptions};

use crate::{args::Sync, command::plan, exit::Failure, out::Out, printer};

/// Runs it.
pub(crate) async fn sync(bridge: &Bridge, args: &Sync, out: &Out) -> Result<u8, Failure> {
    if let Some(file) = &args.plan {
        return plan::carry(bridge, args, file, out).await;
    }
    let run = RunOptions { retry_held: args.retry_held, allow: args.allow.iter().cloned().collect(), ..RunOptions::default() };
    let (summary, error) = match &args.only {
        None => cycle::run(&bridge.pass(run, out.progress())).await,
        Some(id) => {
            let records = cycle::chain(&bridge.pass(RunOptions::default(), Progress::silent()), id).await?;
            if records.is_empty() {
                let text = "neither Dynamics, Marketo nor the state knows it; give a GUID, an e-mail address, or Marketo's id of a person";
                return Err(Failure::Other(anyhow::anyhow!(text)));
            }
            let run = RunOptions { retry_held: true, only: Some(records), ..run };
            cycle::run_only(&bridge.pass(run, out.progress())).await
        }
    };
    if args.json {
        out.data(serde_json::to_string_pretty(&summary).map_err(anyhow::Error::from)?);
    } else if error.is_none() || !summary.captured.is_empty() {
        out.data(printer::summary(&summary, out.width()));
    }
    if let Some(error) = error {
        out.talk(Failure::from(error).to_string());
    }
    Ok(summary.exit_code)
}
