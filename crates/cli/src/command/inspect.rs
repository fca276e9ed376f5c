//! `inspect`: one record's whole chain on both sides, and whether Marketo Sales Insight shows it.

use engine::{
    Bridge, Progress,
    inspect::{Inspection, MomentShown, Told, inspect as look},
    options::RunOptions,
};
use serde_json::{Map, Value};

use crate::{
    args::Inspect,
    exit::{Failure, IN_STEP, UNFINISHED},
    out::Out,
    printer,
};

/// Runs it, beside whatever else is done: it only reads.
pub(crate) async fn inspect(bridge: &Bridge, args: &Inspect, out: &Out) -> Result<u8, Failure> {
    let bridge = &bridge.pass(RunOptions::default(), Progress::silent()).in_lane(wire::Lane::Urgent);
    let inspections = look(bridge, &args.id).await?;
    if inspections.is_empty() {
        let text = "neither Dynamics, Marketo nor the state knows it; give the GUID of a contact, lead, account, opportunity or user, an e-mail \
                    address, or Marketo's id of a person";
        return Err(Failure::Other(anyhow::anyhow!(text)));
    }
    match args.json {
        true => out.data(serde_json::to_string_pretty(&inspections).map_err(anyhow::Error::from)?),
        false => inspections.iter().for_each(|inspection| out.data(told(inspection, out.width()))),
    }
    Ok(if inspections.iter().all(|inspection| inspection.good) { IN_STEP } else { UNFINISHED })
}

/// The verdict in the first line, then what each view shows, then both sides.
fn told(inspection: &Inspection, width: Option<u16>) -> String {
    let mut lines = vec![verdict(inspection)];
    let first = inspection.causes.iter().position(|cause| cause.fault).or((!inspection.causes.is_empty()).then_some(0));
    if let Some(cause) = first.and_then(|at| inspection.causes.get(at)) {
        lines.extend(remedy(cause));
    }
    for (at, cause) in inspection.causes.iter().enumerate() {
        if Some(at) != first {
            lines.push(format!("{}: {}", if cause.fault { "also" } else { "note" }, cause.text));
            lines.extend(remedy(cause));
        }
    }
    lines.extend(inspection.views.iter().map(|view| {
        let because = view.because.as_ref().map(|because| format!(" ({because})")).unwrap_or_default();
        format!("{} {}{because}", if view.shown { "yes" } else { "no " }, view.view.name())
    }));
    lines.extend(sides(inspection));
    let (empty, filled): (Vec<_>, Vec<_>) =
        inspection.moments.iter().partition(|moment| moment.marketo.is_null() && moment.dynamics.is_null());
    if !filled.is_empty() {
        let row = |moment: &MomentShown| vec![moment.field.clone(), shown(&moment.marketo), moment.column.clone(), shown(&moment.dynamics)];
        let rows = filled.into_iter().map(row).collect();
        lines.push(printer::table(&["field in Marketo", "holds", "column in Dynamics", "holds"], rows, width));
    }
    if !empty.is_empty() {
        let fields: Vec<&str> = empty.iter().map(|moment| moment.field.as_str()).collect();
        lines.push(format!("empty on both sides: {}", fields.join(", ")));
    }
    lines.push(format!("{}\n  answers: {}", inspection.call, answer(&inspection.answer)));
    for person in &inspection.elsewhere {
        lines.push(format!("  under another key: {}", Value::Object(person.clone())));
    }
    lines.join("\n")
}

fn verdict(inspection: &Inspection) -> String {
    let record = inspection.record;
    let hidden: Vec<&str> = inspection.views.iter().filter(|view| !view.shown).map(|view| view.view.name()).collect();
    let all = hidden.len() == inspection.views.len();
    let fault = inspection.causes.iter().find(|cause| cause.fault);
    match (fault.or(inspection.causes.first()), hidden.is_empty()) {
        (None, _) => format!("{record}: shown"),
        (Some(cause), true) => format!("{record}: shown, but {}", cause.text),
        (Some(cause), false) if all => format!("{record}: NOT SHOWN, because {}", cause.text),
        // What isn't shown may have another, harmless reason.
        (Some(cause), false) if fault.is_none() => format!("{record}: shown; {}", cause.text),
        (Some(cause), false) => format!("{record}: NOT SHOWN in {}, because {}", hidden.join(", "), cause.text),
    }
}

fn remedy(cause: &Told) -> [String; 2] {
    [format!("  what to do: {}", cause.remedy), format!("  {} · {}", cause.code, cause.page)]
}

/// Both sides, a line for each link of the chain.
fn sides(inspection: &Inspection) -> Vec<String> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let owner = &inspection.owner;
    let team = owner.team.as_ref().map(|team| format!(" by team {team}")).unwrap_or_default();
    let mut lines = vec![format!(
        "owner:   user {}{team}, e-mail {} · sales person's e-mail {}",
        or_none(&owner.user),
        or_none(&owner.email),
        or_none(&owner.sales_person_email)
    )];
    lines.push(match &inspection.company {
        Some(company) => format!("account: {} · company {}", company.account, if company.in_marketo { "there" } else { "missing" }),
        None => "account: none".to_owned(),
    });
    for deal in &inspection.deals {
        let roles: Vec<String> = deal
            .roles
            .iter()
            .map(|(contact, role, there)| format!("{role} ({contact}, {})", if *there { "there" } else { "missing" }))
            .collect();
        let there = if deal.in_marketo { "there" } else { "missing" };
        lines.push(format!("opportunity: {} · {there} in Marketo; roles: {}", deal.opportunity, roles.join(", ")));
    }
    let state = &inspection.state;
    let mut text = match (state.marketo_id, state.confirmed) {
        (Some(id), true) => format!("state:   Marketo id {id}, confirmed"),
        (Some(id), false) => format!("state:   Marketo id {id}, not confirmed"),
        (None, true) => "state:   confirmed".to_owned(),
        (None, false) => "state:   not in Marketo as far as we know".to_owned(),
    };
    if let (Some(outbox), Some(since)) = (state.outbox, &state.since) {
        text.push_str(&format!("; {outbox} since {since}"));
    }
    if !state.flags.is_empty() {
        text.push_str(&format!("; {}", state.flags.join(", ")));
    }
    lines.push(text);
    lines
}

fn answer(records: &[Map<String, Value>]) -> String {
    match records {
        [] => "nobody".to_owned(),
        records => records.iter().map(|record| Value::Object(record.clone()).to_string()).collect::<Vec<_>>().join("\n           "),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "·".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
