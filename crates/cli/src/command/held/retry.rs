//! `held retry`: the next sync tries them, whatever rest they have left.

use engine::{
    Bridge,
    held::retry::{self, Reach, Retried},
};

use crate::{
    args::held::Retry,
    exit::{Failure, IN_STEP},
    out::Out,
};

/// Runs it. No pass changes the outbox meanwhile.
pub(crate) async fn retry(bridge: &Bridge, args: &Retry, out: &Out) -> Result<u8, Failure> {
    let _turn = bridge.turn().await;
    // Who names a record means it, whatever became of it.
    let reach = match (args.dismissed, args.ids.is_empty()) {
        (true, _) => Reach::Dismissed,
        (false, true) => Reach::Held,
        (false, false) => Reach::Both,
    };
    let retried = retry::retry(bridge, &args.chosen.among(&args.ids), reach).await?;
    match args.json {
        true => out.data(serde_json::to_string_pretty(&retried).map_err(anyhow::Error::from)?),
        false => out.data(told(&retried)),
    }
    Ok(IN_STEP)
}

fn told(retried: &Retried) -> String {
    let mut lines = Vec::new();
    let held: u64 = retried.retried.values().sum();
    if held > 0 {
        let codes: Vec<String> = retried.retried.iter().map(|(code, count)| format!("{code} × {count}")).collect();
        lines.push(format!("{held} held records are tried again: {}", codes.join(", ")));
    }
    if retried.taken_back > 0 {
        lines.push(format!("{} records are no longer dismissed", retried.taken_back));
    }
    if retried.waiting > 0 {
        lines.push(format!("{} wait for another record; they are looked at in every sync anyway", retried.waiting));
    }
    lines.push(match retried.total() {
        0 => "There is nothing to try again.".to_owned(),
        _ => "The next sync sends them.".to_owned(),
    });
    lines.join("\n")
}
