//! `audit`: both sides read and compared, and how much of what each salesperson owns is whole.

use base::Table;
use engine::{
    Bridge,
    audit::{Asked, Report, audit as run},
    options::RunOptions,
};

use crate::{
    args::Audit,
    exit::{Failure, IN_STEP, UNFINISHED},
    out::Out,
    printer,
    private_file::PrivateFile,
    spreadsheet::plain,
};

/// Differences and owners that are shown to people; all are in the JSON and CSV forms.
const SHOWN_MAX: usize = 20;

/// Runs it. No pass changes meanwhile what is compared.
pub(crate) async fn audit(bridge: &Bridge, args: &Audit, out: &Out) -> Result<u8, Failure> {
    let _turn = bridge.turn().await;
    let bridge = &bridge.pass(RunOptions::default(), out.progress()).in_lane(wire::Lane::Spare);
    // One that can't be written is told before anything is read.
    let csv = args.csv.as_deref().map(|file| PrivateFile::begin(file, true)).transpose()?;
    let report = run(bridge, Asked { sample_percent: args.sample.0, repair: args.repair }).await?;
    if let Some(csv) = csv {
        write_csv(csv, &report)?;
    }
    match args.json {
        true => out.data(serde_json::to_string_pretty(&report).map_err(anyhow::Error::from)?),
        false => out.data(told(&report, out.width())),
    }
    Ok(if report.total() == 0 { IN_STEP } else { UNFINISHED })
}

fn told(report: &Report, width: Option<u16>) -> String {
    let mut lines = Vec::new();
    let compared: Vec<String> = report.compared.iter().map(|(object, count)| format!("{count} {}", object.plural())).collect();
    lines.push(format!("compared: {}", compared.join(", ")));
    let pending: u64 = report.pending.values().sum();
    if pending > 0 {
        lines.push(format!("{pending} records are still to be sent, wait or are held: see `insight-bridge held`"));
    }
    if report.total() == 0 {
        lines.push("No difference.".into());
    } else {
        let counts: Vec<String> = report.counts.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
        lines.push(format!("{} differences: {}", report.total(), counts.join(", ")));
        let rows = report.differences.iter().take(SHOWN_MAX).map(|difference| {
            let id = difference.marketo_id.map(|id| id.to_string()).unwrap_or_default();
            vec![
                difference.record.to_string(),
                difference.kind.name().to_owned(),
                difference.object.name().to_owned(),
                id,
                difference.detail.clone(),
            ]
        });
        lines.push(printer::table(&["Dynamics record", "differs", "object", "Marketo id", "what"], rows.collect(), width));
        if report.total() > SHOWN_MAX as u64 {
            lines.push(format!("the first {SHOWN_MAX} are shown; all are in --json and --csv"));
        }
    }
    lines.push(scores(report, width));
    if !report.unlinked.is_empty() {
        let ids: Vec<String> = report.unlinked.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "the external id was taken from persons {}, who held another person's; merge them in Marketo if they are the same people",
            ids.join(", ")
        ));
    }
    if !report.not_unlinked.is_empty() {
        let ids: Vec<String> = report.not_unlinked.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
        lines.push(format!(
            "{} persons hold another person's external id and were left as they are (too many for the brake, another record's, or refused): {}",
            report.not_unlinked.len(),
            ids.join(", ")
        ));
    }
    match report.repaired {
        Some(0) if report.unlinked.is_empty() => lines.push("Nothing to repair.".into()),
        Some(count) => lines.push(format!("{count} records are compared and sent anew by the next `insight-bridge sync`")),
        None if report.total() > 0 => lines.push("what to do: `insight-bridge audit --repair`, then `insight-bridge sync`".into()),
        None => {}
    }
    lines.join("\n")
}

/// Those whose share is smallest first.
fn scores(report: &Report, width: Option<u16>) -> String {
    const TABLES: [Table; 4] = [Table::Lead, Table::Contact, Table::Account, Table::Opportunity];
    let mut owners: Vec<_> = report.scores.iter().collect();
    let lacking = |score: &engine::audit::Score| score.tables.values().map(|share| share.records - share.whole).sum::<u64>();
    owners.sort_by_key(|(owner, score)| (std::cmp::Reverse(lacking(score)), (*owner).clone()));
    let rows = owners.iter().take(SHOWN_MAX).map(|(owner, score)| {
        let mut row = vec![(*owner).clone()];
        row.extend(
            TABLES
                .map(|table| score.tables.get(&table).map_or_else(|| "·".to_owned(), |share| format!("{}/{}", share.whole, share.records))),
        );
        row
    });
    let header = ["whole, by owner", "leads", "contacts", "accounts", "opportunities"];
    let mut text = printer::table(&header, rows.collect(), width);
    if owners.len() > SHOWN_MAX {
        text.push_str(&format!("\nof {} owners those with most that isn't whole are shown", owners.len()));
    }
    text
}

/// All differences, for spreadsheets.
fn write_csv(mut file: PrivateFile, report: &Report) -> Result<(), Failure> {
    rows(&mut file, report).map_err(|error| file.not_written(&error.into()))?;
    file.finish()
}

fn rows(file: &mut PrivateFile, report: &Report) -> csv::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(["kind", "object", "table", "id", "marketo_id", "what", "owner"])?;
    for difference in &report.differences {
        let id = difference.marketo_id.map(|id| id.to_string()).unwrap_or_default();
        let owner = difference.owner.map(|owner| owner.to_string()).unwrap_or_default();
        writer.write_record([
            difference.kind.name(),
            difference.object.name(),
            difference.record.table.name(),
            &difference.record.id.to_string(),
            &id,
            &plain(&difference.detail),
            &owner,
        ])?;
    }
    Ok(writer.flush()?)
}
