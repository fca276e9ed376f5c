//! `held dismiss`: a record is let be until something else would be sent.

use base::Timestamp;
use engine::{
    Bridge, Progress,
    held::dismiss::{self, Dismissing},
    options::RunOptions,
};

use super::{
    lines::Line,
    told::{headline, standing},
};
use crate::{
    args::held::Dismiss,
    exit::{Failure, IN_STEP, ONLY_SHOWN, OTHER},
    out::Out,
};

/// The user that runs this process, as far as it says so; who becomes root for a command is still the one who decides.
pub(super) fn who() -> Option<String> {
    ["SUDO_USER", "USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.trim().is_empty()))
}

/// Runs it. No pass changes the outbox meanwhile.
pub(crate) async fn dismiss(bridge: &Bridge, args: &Dismiss, out: &Out) -> Result<u8, Failure> {
    let _turn = bridge.turn().await;
    let bridge = &bridge.pass(RunOptions::default(), Progress::silent());
    let found = dismiss::find(bridge, &args.ids).await?;
    if found.records.is_empty() && found.stay.is_empty() {
        let ids: Vec<String> = args.ids.iter().map(ToString::to_string).collect();
        let text = format!("nothing is held or waiting of {}; see held list --waiting", ids.join(", "));
        return Err(Failure::Other(anyhow::anyhow!(text)));
    }
    if args.yes {
        dismiss::dismiss(bridge, &found, args.by.as_deref().unwrap_or("unknown"), &args.reason).await?;
    }
    match args.json {
        true => out.data(serde_json::to_string_pretty(&found).map_err(anyhow::Error::from)?),
        false => out.data(told(&found, args.yes)),
    }
    Ok(match (args.yes, found.records.is_empty()) {
        (true, false) => IN_STEP,
        (true, true) => OTHER,
        (false, _) => ONLY_SHOWN,
    })
}

fn told(found: &Dismissing, done: bool) -> String {
    let mut lines = Vec::new();
    for record in &found.records {
        lines.push(headline(record));
        lines.extend(standing(&Line::of(record.clone()), Timestamp::now()).into_iter().map(|line| format!("    {line}")));
    }
    for stays in &found.stay {
        lines.push(format!("{}\n    stays: {}", headline(&stays.record), stays.why));
    }
    if found.waited_for_by > 0 {
        lines.push(format!("{} other records wait for it, and go on waiting; see held list --waiting", found.waited_for_by));
    }
    lines.push(match (done, found.records.len()) {
        (_, 0) => "Nothing can be dismissed.".to_owned(),
        (true, count) => {
            format!("{count} dismissed: not tried again until something else would be sent. held retry with the same GUID takes it back.")
        }
        (false, count) => format!("{count} to be dismissed. Nothing was changed. To do it, run the same command with --yes."),
    });
    lines.join("\n")
}
