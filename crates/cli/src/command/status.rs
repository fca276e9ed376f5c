//! `status`: what the state says, without calling anybody.

use base::{Object, Timestamp};

use crate::{
    args::Status,
    config::Source,
    connect,
    exit::{Failure, IN_STEP},
    printer,
};

/// Runs it.
pub(crate) async fn run(source: &Source, args: Status) -> Result<u8, Failure> {
    let config = source.load()?;
    let store = connect::store(&config).await?;
    let status = engine::status::status(&*store, Timestamp::now()).await?;
    if args.json {
        printer::data(&serde_json::to_string_pretty(&status).map_err(anyhow::Error::from)?);
        return Ok(IN_STEP);
    }
    match &status.last_run {
        Some(run) => printer::data(&format!(
            "last run: {} · {}",
            run.begun.strftime("%Y-%m-%d %H:%M:%S UTC"),
            run.exit_code.map_or_else(|| "not ended".to_owned(), |code| format!("exit code {code}"))
        )),
        None => printer::data("no run yet"),
    }
    if let Some(forecast) = &status.forecast {
        printer::data(&printer::forecast(forecast));
    }
    if let Some(since) = status.paused {
        printer::data(&format!("paused since {}: serve runs no pass until it is resumed", since.strftime("%Y-%m-%d %H:%M:%S UTC")));
    }
    let known: Vec<String> = status.known.iter().map(|(name, count)| format!("{count} {name}")).collect();
    printer::data(&format!("known: {}", known.join(", ")));
    let rows = Object::ALL.into_iter().filter_map(|object| {
        let left = status.left.get(&object)?;
        let held: Vec<String> = left.held.iter().map(|(code, count)| format!("{code} × {count}")).collect();
        Some(vec![object.plural().to_owned(), left.ready.to_string(), left.waiting.to_string(), held.join(", ")])
    });
    printer::data(&printer::table(&["left in the outbox", "to send", "waiting", "held"], rows.collect(), printer::width()));
    for change in &status.schema_changes {
        printer::data(&printer::schema_change(change));
    }
    if status.dismissed > 0 {
        printer::data(&format!("dismissed: {} (held list --dismissed)", status.dismissed));
    }
    printer::data(&format!("people whose Sales Insight fields are to be looked at: {}", status.msi_due));
    let calls: u64 = status.calls_today.values().sum();
    printer::data(&format!("Marketo calls today (midnight to midnight US Central): {calls} of {}", config.marketo.daily_calls));
    Ok(IN_STEP)
}
