//! `mend-owner-email`: a sales person whose e-mail Marketo doesn't change is made anew.

use base::Guid;
use engine::{
    Bridge, Progress,
    mend::{self, Mending},
    options::RunOptions,
};

use crate::{
    args::MendOwnerEmail,
    exit::{Failure, IN_STEP, ONLY_SHOWN},
    out::Out,
};

/// Runs it. No pass changes meanwhile what was found.
pub(crate) async fn mend(bridge: &Bridge, args: &MendOwnerEmail, out: &Out) -> Result<u8, Failure> {
    let guid =
        |text: &str| text.trim().parse::<Guid>().map_err(|_| Failure::Other(anyhow::anyhow!("{text} is no GUID of a Dynamics user")));
    let user = guid(&args.user)?;
    let via = args.via.as_deref().map(guid).transpose()?;
    let _turn = bridge.turn().await;
    let bridge = &bridge.pass(RunOptions::default(), Progress::silent());
    let mending = mend::plan(bridge, user, via).await?;
    if !args.json {
        out.data(told(&mending));
    }
    if args.yes {
        mend::mend(bridge, &mending).await?;
    }
    match (args.json, args.yes) {
        (true, _) => out.data(serde_json::to_string_pretty(&mending).map_err(anyhow::Error::from)?),
        (false, true) => out.data("Done: the sales person has its user's e-mail, and its records."),
        (false, false) => out.data("Nothing was changed. To do it, run the same command with --yes; if it is cut off, run it again."),
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
