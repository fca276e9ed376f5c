//! `plan`: what the next sync would do; and what `sync --plan` says of one that it carried out.

use std::{
    fs::File,
    io::{BufReader, Write},
    path::Path,
};

use base::Object;
use engine::{
    Bridge, Summary,
    options::RunOptions,
    plan::{Carried, Kept, LeftOut, Plan, Refusal, Sample, Wanted, carry_out, plan as make},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    args,
    exit::{Failure, IN_STEP, ONLY_SHOWN, UNFINISHED},
    out::Out,
    printer::{self, duration},
    private_file::PrivateFile,
};

/// What was left out and is shown to people; all of it is in the JSON form.
const SHOWN_MAX: usize = 20;

/// Fields of a write that are shown to people; all of them are in the JSON form.
const FIELDS_MAX: usize = 5;

/// The longest value that is shown.
const VALUE_MAX: usize = 40;

/// Makes one.
pub(crate) async fn plan(bridge: &Bridge, args: &args::Plan, out: &Out) -> Result<u8, Failure> {
    let run = RunOptions { retry_held: args.retry_held, allow: args.allow.iter().cloned().collect(), ..RunOptions::default() };
    // One that can't be written is told before anything is read.
    let file = args.output.as_deref().map(|file| begin(file, args.force)).transpose()?;
    let bridge = &bridge.pass(run, out.progress()).in_lane(wire::Lane::Spare);
    let mut plan = make(bridge, Wanted { samples: args.samples, values: args.values }).await?;
    let (code, to_stdout) = (if plan.writes() == 0 { IN_STEP } else { ONLY_SHOWN }, args.output.as_deref() == Some(Path::new("-")));
    if !to_stdout && !args.json {
        out.data(told(&plan, out.width()));
    }
    if let Some(mut file) = file {
        let samples = std::mem::take(&mut plan.samples);
        if to_stdout {
            out.data(serde_json::to_string(&plan).map_err(anyhow::Error::from)?);
        } else {
            let written = serde_json::to_writer(&mut file, &plan).map_err(std::io::Error::from).and_then(|()| file.write_all(b"\n"));
            written.map_err(|error| file.not_written(&error))?;
        }
        file.finish()?;
        plan.samples = samples;
    }
    if args.json && !to_stdout {
        plan.records.clear();
        plan.rows.clear();
        out.data(serde_json::to_string_pretty(&plan).map_err(anyhow::Error::from)?);
    }
    if let Some(file) = args.output.as_deref().filter(|_| !to_stdout && !args.json) {
        out.data(format!("saved; to do exactly that: `insight-bridge sync --plan {}`", file.display()));
    }
    Ok(code)
}

/// Begins the file; only an earlier plan gives its place unasked.
fn begin(file: &Path, force: bool) -> Result<PrivateFile, Failure> {
    let is_ours = file != Path::new("-") && file.exists() && (read(file).is_ok() || file.metadata().is_ok_and(|about| about.len() == 0));
    PrivateFile::begin(file, force || is_ours)
}

/// Carries one out.
pub(crate) async fn carry(bridge: &Bridge, args: &args::Sync, file: &Path, out: &Out) -> Result<u8, Failure> {
    let plan = read(file)?;
    let run = RunOptions { retry_held: plan.retry_held, allow: plan.allow.clone(), ..RunOptions::default() };
    match carry_out(&bridge.pass(run, out.progress()), &plan).await? {
        Carried::Refused(refusal) => {
            match args.json {
                true => {
                    out.data(serde_json::to_string_pretty(&RefusedText { code: REFUSED, refused: &refusal }).map_err(anyhow::Error::from)?)
                }
                false => out.talk(refused(&refusal, out.width())),
            }
            Ok(UNFINISHED)
        }
        Carried::Out { summary, error, kept } => {
            if args.json {
                out.data(serde_json::to_string_pretty(&Outcome { summary: &summary, plan: &kept }).map_err(anyhow::Error::from)?);
            } else {
                out.data(printer::summary(&summary, out.width()));
                out.data(kept_to(&kept, out.width()));
            }
            if let Some(error) = error {
                out.talk(Failure::from(error).to_string());
            }
            // What was stopped says why; what is left of the plan then is no wonder.
            Ok(if summary.error.is_some() || kept.left_out.is_empty() { summary.exit_code } else { summary.exit_code.max(UNFINISHED) })
        }
    }
}

/// The code of a plan that isn't carried out, with a page in `docs/errors`.
const REFUSED: &str = "plan-refused";

#[derive(Serialize)]
struct RefusedText<'a> {
    code: &'static str,
    refused: &'a Refusal,
}

#[derive(Serialize)]
struct Outcome<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    plan: &'a Kept,
}

fn read(file: &Path) -> Result<Plan, Failure> {
    let unreadable = |why: String| {
        Failure::Other(anyhow::anyhow!(
            "{} could not be read as a plan: {why}; make one with `insight-bridge plan -o FILE`",
            file.display()
        ))
    };
    let opened = File::open(file).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_reader(BufReader::new(opened)).map_err(|error| unreadable(error.to_string()))
}

fn told(plan: &Plan, width: Option<u16>) -> String {
    let count = |number: u64| if number == 0 { "·".to_owned() } else { number.to_string() };
    let mut lines = Vec::new();
    lines.push(match plan.writes() {
        0 => "Nothing to do: the next sync would write nothing. Nothing was changed.".to_owned(),
        1 => "The next sync would make 1 write. Nothing was changed.".to_owned(),
        writes => format!("The next sync would make {writes} writes. Nothing was changed."),
    });
    let rows = Object::ALL.into_iter().map(|object| {
        let of = plan.objects.get(&object).cloned().unwrap_or_default();
        let updated = of.updated.saturating_sub(of.adopted + of.rekeyed);
        vec![
            object.plural().to_owned(),
            count(of.created),
            count(updated),
            count(of.adopted),
            count(of.rekeyed),
            count(of.merged),
            count(of.unlinked),
            count(of.removed),
            count(of.held_total()),
            count(of.waiting),
        ]
    });
    let header = ["Dynamics → Marketo", "create", "update", "adopt", "re-key", "merge", "unlink", "remove", "hold", "wait"];
    lines.push(printer::table(&header, rows.collect(), width));
    let back: Vec<String> = plan.rows_by_table.iter().map(|(table, rows)| format!("{rows} of {table}")).collect();
    lines.push(format!(
        "Sales Insight fields back: {}",
        if back.is_empty() { "no rows".into() } else { format!("rows: {}", back.join(", ")) }
    ));
    lines.push(format!("new people in Marketo's database, which is paid by their number: {}", plan.new_people));
    for (code, number) in plan.objects.values().flat_map(|object| &object.held) {
        lines.push(format!("held as {code}: {number}"));
    }
    for (kind, number) in &plan.stopped_by_brake {
        lines.push(format!("the brake would stop: {number} {kind}; look at them, then let them through with --allow {kind}"));
    }
    // The brake is told above.
    lines.extend(plan.warnings.iter().filter(|warning| !warning.contains("sync --allow")).cloned());
    let cost = &plan.cost;
    let share = match cost.left_today {
        Some(left) => format!(" ({:.1} % of the {left} that are left today)", cost.of_today * 100.0),
        None => String::new(),
    };
    lines.push(format!(
        "about {} Marketo calls{share}, {}, and {} requests to Dynamics",
        cost.marketo_calls,
        duration(cost.seconds),
        cost.dynamics_calls
    ));
    lines.push(format!(
        "this plan took {} Marketo calls, {} of them only to tell what is there now, and {} requests to Dynamics",
        cost.plan_marketo_calls, cost.plan_only_to_tell, cost.plan_dynamics_calls
    ));
    if !plan.samples.is_empty() {
        lines.push("some of it, as it is → as it would be:".into());
        lines.extend(plan.samples.iter().map(sample));
    }
    lines.join("\n")
}

fn sample(sample: &Sample) -> String {
    let person = sample.person.map(|person| format!(" (person {person})")).unwrap_or_default();
    let what = sample.act.map_or_else(|| "write back".to_owned(), |act| format!("{} {}", act.name(), sample.what));
    let mut text = format!("  {what}: {}{person}", sample.record);
    // Its own key is its name already.
    let id = sample.record.id.to_string();
    let is_told = |after: &Value| after.as_str() == Some(&id);
    let differing: Vec<_> =
        sample.values.iter().filter(|(_, [before, after])| before != after && !(before.is_null() && is_told(after))).collect();
    for (field, [before, after]) in differing.iter().take(FIELDS_MAX) {
        text.push_str(&format!("\n    {field}: {} → {}", value(before), value(after)));
    }
    if differing.len() > FIELDS_MAX {
        text.push_str(&format!("\n    and {} more fields", differing.len() - FIELDS_MAX));
    }
    text
}

/// A value in a few words, in one line and without what a terminal would obey.
fn value(value: &Value) -> String {
    if value.is_null() {
        return "nothing".into();
    }
    let text = value.to_string();
    match text.chars().count() > VALUE_MAX {
        true => format!("{}…", text.chars().take(VALUE_MAX).collect::<String>()),
        false => text,
    }
}

fn refused(refusal: &Refusal, width: Option<u16>) -> String {
    let mut text = format!("error[{REFUSED}]: the plan isn't carried out: {}. Nothing was written.", refusal.reason);
    if !refusal.changed.is_empty() {
        text.push_str(&format!("\n{}", list(&refusal.changed, width)));
    }
    text
}

fn kept_to(kept: &Kept, width: Option<u16>) -> String {
    let mut text = format!("of the plan: {} of {} writes done", kept.done, kept.planned);
    if !kept.left_out.is_empty() {
        text.push_str(&format!("; left out, for the next sync:\n{}", list(&kept.left_out, width)));
    }
    text
}

fn list(left_out: &[LeftOut], width: Option<u16>) -> String {
    let rows = left_out.iter().take(SHOWN_MAX).map(|left| vec![left.what.clone(), left.record.to_string(), left.why.words().to_owned()]);
    let mut text = printer::table(&["object", "Dynamics record", "why"], rows.collect(), width);
    if left_out.len() > SHOWN_MAX {
        text.push_str(&format!("\nand {} more; all are in --json", left_out.len() - SHOWN_MAX));
    }
    text
}
