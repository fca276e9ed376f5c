//! `mend-owner-email`: a sales person whose e-mail Marketo doesn't change is made anew.

use std::path::Path;

use base::Guid;
use engine::{
    Bridge, Progress,
    mend::{self, Mending},
    options::RunOptions,
};

use crate::{
    args::MendOwnerEmail,
    config::Config,
    connect,
    exit::{Failure, IN_STEP, ONLY_SHOWN},
    printer,
};

/// Runs it.
pub(crate) async fn run(config: &Path, args: MendOwnerEmail) -> Result<u8, Failure> {
    let config = Config::load(config)?;
    let guid =
        |text: &str| text.trim().parse::<Guid>().map_err(|_| Failure::Other(anyhow::anyhow!("{text} is no GUID of a Dynamics user")));
    let user = guid(&args.user)?;
    let via = args.via.as_deref().map(guid).transpose()?;
    let bridge = connect::bridge(&config, RunOptions::default(), Progress::silent()).await?;
    let outcome = mend(&bridge, user, via, &args).await;
    bridge.close().await?;
    outcome
}

async fn mend(bridge: &Bridge, user: Guid, via: Option<Guid>, args: &MendOwnerEmail) -> Result<u8, Failure> {
    let mending = mend::plan(bridge, user, via).await?;
    if !args.json {
        printer::data(&told(&mending));
    }
    if args.yes {
        mend::mend(bridge, &mending).await?;
    }
    match (args.json, args.yes) {
        (true, _) => printer::data(&serde_json::to_string_pretty(&mending).map_err(anyhow::Error::from)?),
        (false, true) => printer::data("Done: the sales person has its user's e-mail, and its records."),
        (false, false) => printer::data("Nothing was changed. To do it, run the same command with --yes; if it is cut off, run it again."),
    }
    Ok(if args.yes { IN_STEP } else { ONLY_SHOWN })
}

fn told(mending: &Mending) -> String {
    let owned: Vec<String> = mending.owned.iter().map(|(object, count)| format!("{count} {}", object.plural())).collect();
    let owned = if owned.is_empty() { "no records".to_owned() } else { owned.join(", ") };
    let begun = if mending.begun { "It was begun before and is gone on with.\n" } else { "" };
    format!(
        "{begun}1. {owned} of {} are given to {}\n2. the sales person is deleted, and created under the same id with its user's e-mail\n\
         3. it gets everything back\nMarketo calls: about {}",
        mending.user, mending.via, mending.calls
    )
}
