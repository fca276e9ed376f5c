//! What came of a scenario, as lines for a reviewer: the writing calls of each cycle, what is left, and both sides in the end.
//!
//! Shows names instead of ids, and nothing that differs between two runs of the same history.

use base::Object;
use engine::held::{Dismissal, Dismissals, Selection};
use marketo_emulator::Object as Theirs;
use sandbox::control::Side;
use serde_json::{Map, Value};
use store::{
    StoreExt,
    record::{Outbox, OutboxState},
};

use crate::{names::Names, record, step::Performed, tap::Call, world::World};

/// Left records that are listed, by object.
const LEFT_MAX: usize = 200;

/// What every scenario starts with, as it ends where nothing happened to it: not worth a line.
const GIVEN: [&str; 3] = [
    "salesperson ann: email=ann@seller.example firstName=Ann lastName=Seller",
    "salesperson ben: email=ben@seller.example firstName=Ben lastName=Seller",
    "company firm: company=Firm owner=@ann",
];

/// One cycle.
pub async fn cycle(number: u32, performed: &Performed, world: &World, names: &Names) -> Vec<String> {
    let end = match (&performed.ran, performed.died) {
        (_, true) => "the process dies".to_owned(),
        (Some(ran), false) => {
            let error = ran.summary.error.as_ref().map(|error| format!(", {}", error.code)).unwrap_or_default();
            format!("exit {}{error}", ran.summary.exit_code)
        }
        (None, false) => "no cycle".to_owned(),
    };
    let mut lines = written(format!("cycle {number}: {end}"), performed, names);
    if performed.died {
        return lines;
    }
    lines.extend(left(world, names).await);
    if let Some(ran) = &performed.ran {
        for (kind, count) in &ran.summary.stopped_by_brake {
            lines.push(format!("  the brake stops {kind}: {count}"));
        }
        let not_writable = ran.summary.written_back.not_writable;
        if not_writable > 0 {
            lines.push(format!("  closed leads left alone: {not_writable}"));
        }
        for (code, count) in &ran.summary.written_back.refused {
            lines.push(format!("  Dynamics refuses {count} rows: {code}"));
        }
        for (code, count) in &ran.summary.flagged {
            lines.push(format!("  flagged: {code} {count}"));
        }
        for change in &ran.summary.schema_changes {
            lines.push(format!("  {}: {}: {}", change.code, change.place(), change.text));
        }
        for warning in &ran.summary.warnings {
            lines.push(format!("  warning: {}", names.told(warning, world).replace('\n', "\n    ")));
        }
        if let Some(error) = &ran.summary.error {
            lines.push(format!("  error: {}", names.told(&error.message, world).replace('\n', "\n    ")));
        }
    }
    lines
}

/// A request of somebody's.
#[must_use]
pub fn request(performed: &Performed, names: &Names) -> Vec<String> {
    written(format!("on request: {}", if performed.died { "the process dies" } else { "done" }), performed, names)
}

/// A headline and the writing calls.
fn written(head: String, performed: &Performed, names: &Names) -> Vec<String> {
    let mut lines = vec![head];
    for call in performed.calls.iter().filter(|call| call.writes) {
        match call.side {
            Side::Marketo => marketo_call(call, names, &mut lines),
            Side::Dataverse => dynamics_call(call, names, &mut lines),
        }
    }
    if lines.len() == 1 && !performed.died {
        lines.push("  nothing is written".to_owned());
    }
    lines
}

/// What is held and what waits.
async fn left(world: &World, names: &Names) -> Vec<String> {
    let mut lines = Vec::new();
    for object in Object::ALL {
        let entries = world.store.list::<Outbox>(&[object.code()], None, LEFT_MAX).await.unwrap_or_default();
        for entry in entries {
            let part = if entry.part.is_empty() { String::new() } else { format!(" {}", names.told(&entry.part, world)) };
            let who = format!("{} {}{part}", object.name(), names.name(entry.record.id));
            match &entry.body.state {
                OutboxState::Ready => lines.push(format!("  still to be sent: {who}")),
                OutboxState::Waiting { on } => lines.push(format!("  waiting: {who}, for {}", names.name(on.id))),
                OutboxState::Held { code, reason, .. } => {
                    lines.push(format!("  held: {who}, {code}: {}", names.told(reason, world)));
                }
            }
        }
    }
    lines.extend(dismissed(world, names).await);
    lines
}

/// What was dismissed, and why.
async fn dismissed(world: &World, names: &Names) -> Vec<String> {
    let page = Dismissals::new(&world.store, Selection::default()).next_page().await.ok().flatten().unwrap_or_default();
    let told = |dismissal: Dismissal| {
        let part = dismissal.record.part.map(|part| format!(" {}", names.told(&part, world))).unwrap_or_default();
        format!("  dismissed: {} {}{part}, {}", dismissal.record.object.name(), names.name(dismissal.record.id), dismissal.why)
    };
    page.into_iter().map(told).collect()
}

fn marketo_call(call: &Call, names: &Names, lines: &mut Vec<String>) {
    if call.path.starts_with("/bulk/") {
        return import(call, names, lines);
    }
    let path = call.path.trim_start_matches("/rest/v1/").trim_end_matches(".json");
    let (object, verb) = match path.split_once('/') {
        Some(("opportunities", "roles")) => ("roles", "sync"),
        Some(("opportunities", "roles/delete")) => ("roles", "delete"),
        Some((object, rest)) => (object, rest.rsplit('/').next().unwrap_or(rest)),
        None => (path, "sync"),
    };
    let theirs = match object {
        "companies" => Theirs::Companies,
        "salespersons" => Theirs::SalesPersons,
        "opportunities" => Theirs::Opportunities,
        "roles" => Theirs::Roles,
        _ => Theirs::Leads,
    };
    let mut head = match (verb, call.body["action"].as_str()) {
        ("sync", Some(action)) => format!("  {object} {action}"),
        _ => format!("  {object} {verb}"),
    };
    if let Some(field) = call.body["lookupField"].as_str() {
        head += &format!(" by {field}");
    }
    if verb == "merge" {
        let id = |text: &str| text.parse().map_or_else(|_| text.to_owned(), |id| names.person_name(id));
        let winner = path.split('/').nth(1).map(id).unwrap_or_default();
        let losers = call.query.trim_start_matches("leadIds=").replace("%2C", ",");
        let losers: Vec<String> = losers.split(',').map(id).collect();
        head += &format!(": {} into {winner}", losers.join(", "));
    }
    match &call.answer {
        None => head += " (no answer)",
        Some(answer) if answer["success"] == Value::Bool(false) => head += &format!(" (refused: {})", codes(&answer["errors"])),
        Some(_) => {}
    }
    lines.push(head);
    let results = call.answer.as_ref().and_then(|answer| answer["result"].as_array()).cloned().unwrap_or_default();
    let inputs = call.body["input"].as_array().cloned().unwrap_or_default();
    for (at, input) in inputs.iter().filter_map(Value::as_object).enumerate() {
        let sent = record::sent(theirs, input, names);
        let verdict = results.get(at).map(|result| verdict(result, object, names)).unwrap_or_default();
        lines.push(format!("    {sent}{verdict}"));
    }
}

/// A file of people, row by row.
fn import(call: &Call, names: &Names, lines: &mut Vec<String>) {
    let parameters = call.query.split('&').filter_map(|parameter| parameter.split_once('='));
    let by = parameters.filter(|(name, _)| *name == "lookupField").map(|(_, field)| field).collect::<String>();
    let answer = match &call.answer {
        None => " (no answer)".to_owned(),
        Some(answer) if answer["success"] == Value::Bool(false) => format!(" (refused: {})", codes(&answer["errors"])),
        Some(_) => String::new(),
    };
    lines.push(format!("  people imported by {by}{answer}"));
    // The part's head ends with an empty line, and its end begins with a line break.
    let file = call.body.as_str().and_then(|body| body.split_once("\r\n\r\n")?.1.split_once("\r\n--")).map_or("", |(file, _)| file);
    let mut rows = csv::Reader::from_reader(file.as_bytes());
    let header = rows.headers().cloned().unwrap_or_default();
    for row in rows.records().flatten() {
        let cells = header.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
        let read =
            |name: &str, cell: &str| if name == "id" { cell.parse::<i64>().map_or(Value::Null, Value::from) } else { Value::from(cell) };
        let record = cells.map(|(name, cell)| (name.to_owned(), read(name, cell))).collect();
        lines.push(format!("    {}", record::sent(Theirs::Leads, &record, names)));
    }
}

fn verdict(result: &Value, object: &str, names: &Names) -> String {
    let status = result["status"].as_str().unwrap_or("?");
    let whose = match result["id"].as_i64() {
        Some(id) if object == "leads" && status == "created" => format!(" {}", names.person_name(id)),
        Some(_) | None => String::new(),
    };
    let reasons = codes(&result["reasons"]);
    format!(" → {status}{whose}{}{reasons}", if reasons.is_empty() { "" } else { " " })
}

fn codes(errors: &Value) -> String {
    let codes = errors.as_array().into_iter().flatten().map(|error| error["code"].to_string().trim_matches('"').to_owned());
    codes.collect::<Vec<_>>().join(", ")
}

fn dynamics_call(call: &Call, names: &Names, lines: &mut Vec<String>) {
    let what = call.path.rsplit('/').next().unwrap_or_default();
    let what = what.trim_start_matches("Microsoft.Dynamics.CRM.");
    let answer = match &call.answer {
        Some(answer) if answer.get("error").is_some() => format!(" (refused: {})", answer["error"]["code"].as_str().unwrap_or("?")),
        Some(_) | None => String::new(),
    };
    let what = names.told_ids(what);
    lines.push(format!("  Dynamics {} {what}{answer}", call.method));
    if let Some(parts) = call.body.as_str() {
        return batch_parts(parts, names, lines);
    }
    let rows = call.body["Targets"].as_array().cloned().unwrap_or_else(|| vec![call.body.clone()]);
    for row in rows.iter().filter_map(Value::as_object) {
        let key = row.iter().find(|(name, _)| ["leadid", "contactid"].contains(&name.as_str()));
        let key = key.and_then(|(_, id)| id.as_str()?.parse().ok()).map(|id| names.name(id)).unwrap_or_default();
        lines.push(format!("    {key}:{}", columns(row)));
    }
}

/// The single updates of a batch.
fn batch_parts(parts: &str, names: &Names, lines: &mut Vec<String>) {
    let mut whose = String::new();
    for line in parts.lines() {
        if let Some(address) = line.strip_prefix("PATCH ") {
            whose = address.split(['(', ')']).nth(1).map(|id| names.told_ids(id)).unwrap_or_default();
        } else if let Ok(Value::Object(row)) = serde_json::from_str(line) {
            lines.push(format!("    {whose}:{}", columns(&row)));
        }
    }
}

/// The Sales Insight columns of a row.
fn columns(row: &Map<String, Value>) -> String {
    let insight = row.iter().filter(|(name, _)| name.starts_with("mkt_") || name.starts_with("new_"));
    insight.map(|(name, value)| format!(" {name}={}", record::value(value))).collect()
}

/// Both sides in the end.
#[must_use]
pub fn end(world: &World, names: &Names) -> Vec<String> {
    let mut lines = vec!["in the end".to_owned()];
    let objects = [Theirs::SalesPersons, Theirs::Companies, Theirs::Leads, Theirs::Opportunities, Theirs::Roles];
    for object in objects {
        let rows = if object == Theirs::Leads { world.people() } else { world.records(object) };
        let word = match object {
            Theirs::SalesPersons => "salesperson",
            Theirs::Companies => "company",
            Theirs::Leads => "person",
            Theirs::Opportunities => "opportunity",
            Theirs::Roles => "role",
        };
        let mut shown: Vec<String> = rows.into_iter().map(|row| format!("  {word} {}", record::kept(object, row, names))).collect();
        shown.retain(|line| !GIVEN.contains(&line.trim_start()));
        if object != Theirs::Leads {
            shown.sort();
        }
        lines.extend(shown);
    }
    for table in ["lead", "contact"] {
        let rows: Vec<_> = world.sandbox.dataverse.state().rows(table).collect();
        let mut shown: Vec<String> = rows
            .into_iter()
            .map(|(id, row)| (names.name(id), columns(&row)))
            .filter(|(_, columns)| !columns.is_empty())
            .map(|(name, columns)| format!("  {table} {name}:{columns}"))
            .collect();
        shown.sort();
        lines.extend(shown);
    }
    lines
}
