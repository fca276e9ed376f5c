//! `sandbox`: both emulators on loopback, until asked to stop.

use base::Clock;
use sandbox::{MarketoOptions, Options, Running};

use crate::{
    args::Sandbox,
    exit::{Failure, IN_STEP},
    printer,
    signal::asked_to_stop,
};

/// Marketo's and Dataverse's ports where none is given: those that `init --sandbox` writes down.
pub(crate) const PORTS: [u16; 2] = [4101, 4102];

/// Runs it.
pub(crate) async fn run(args: Sandbox) -> Result<u8, Failure> {
    let options = Options {
        people: args.people,
        seed: args.seed,
        enforce_limits: args.enforce_limits,
        latency_ms: args.latency_ms,
        marketo: MarketoOptions { rate_max: args.calls_per_20s, concurrency_max: args.in_flight, ..MarketoOptions::default() },
        ..Options::default()
    };
    let sandbox = sandbox::Sandbox::new(options, Clock::system()).map_err(anyhow::Error::from)?;
    if let Some(median_ms) = args.latency_median_ms {
        sandbox.spread_marketo_latency(median_ms, args.latency_sigma);
    }
    if let Some(path) = &args.record {
        sandbox.record(path).map_err(|error| anyhow::anyhow!("{} can't be written: {error}", path.display()))?;
    }
    let running = start(&sandbox, &args).await.map_err(|error| anyhow::anyhow!("a port can't be opened: {error}"))?;
    printer::data(&serde_json::to_string(&running.ready).map_err(anyhow::Error::from)?);
    printer::say("both emulators are serving; Ctrl-C ends them");
    running.finished().await.map_err(anyhow::Error::from)?;
    Ok(IN_STEP)
}

/// Both emulators on the ports that are given, the usual ones, or free ones.
async fn start(sandbox: &sandbox::Sandbox, args: &Sandbox) -> std::io::Result<Running> {
    let (None, None) = (args.marketo_port, args.dataverse_port) else {
        return sandbox::start(sandbox, args.marketo_port.unwrap_or(0), args.dataverse_port.unwrap_or(0), asked_to_stop()).await;
    };
    match sandbox::start(sandbox, PORTS[0], PORTS[1], asked_to_stop()).await {
        // Both or neither: what `init --sandbox` writes down is one sandbox.
        Err(_) => {
            printer::say(&format!("ports {} and {} are taken: name these addresses to `init --sandbox`", PORTS[0], PORTS[1]));
            sandbox::start(sandbox, 0, 0, asked_to_stop()).await
        }
        running => running,
    }
}
