//! `map`: the field maps as they are in force, with both sides' types, and what could be mapped besides.

use engine::{
    Bridge, Progress,
    map::{FieldShown, Owner, TableMap, map as read},
    options::RunOptions,
};

use crate::{
    args::Map,
    exit::{Failure, IN_STEP},
    out::Out,
    printer,
};

/// Runs it.
pub(crate) async fn map(bridge: &Bridge, args: &Map, out: &Out) -> Result<u8, Failure> {
    let _turn = bridge.turn().await;
    let maps = read(&bridge.pass(RunOptions::default(), Progress::silent())).await?;
    match (args.json, args.suggest) {
        (true, _) => out.data(serde_json::to_string_pretty(&maps).map_err(anyhow::Error::from)?),
        (false, true) => out.data(suggested(&maps)),
        (false, false) => maps.iter().for_each(|map| out.data(told(map, out.width()))),
    }
    Ok(IN_STEP)
}

fn told(map: &TableMap, width: Option<u16>) -> String {
    let row = |shown: &FieldShown| {
        let owner = match shown.owner {
            Owner::Crm => "crm",
            Owner::Marketo => "marketo",
            Owner::Fill => "fill",
        };
        let cut = if shown.may_be_cut { "may be cut" } else { "" };
        [&shown.field, &shown.marketo, &shown.source, &shown.dynamics, owner, cut].map(str::to_owned).to_vec()
    };
    let header = [map.object.name(), "type", &format!("from {}", map.table), "type", "owner", ""];
    let mut text = printer::table(&header, map.fields.iter().map(row).collect(), width);
    for (field, note) in &map.notes {
        text.push_str(&format!("\n{field}: {note}"));
    }
    for change in &map.schema_changes {
        text.push_str(&format!("\n{}", printer::schema_change(change)));
    }
    if !map.written_back.is_empty() {
        let rows = map
            .written_back
            .iter()
            .map(|shown| vec![shown.field.clone(), shown.marketo.clone(), shown.source.clone(), shown.dynamics.clone()]);
        text.push_str(&format!(
            "\nback to Dynamics:\n{}",
            printer::table(&["person", "type", &format!("to {}", map.table), "type"], rows.collect(), width)
        ));
    }
    if !map.changed.is_empty() {
        text.push_str("\nchanged in the last 30 days:");
        for changed in &map.changed {
            text.push_str(&format!("\n  {}  {}: {}", changed.at.strftime("%Y-%m-%d %H:%M"), changed.field, changed.text));
        }
    }
    if !map.suggestions.is_empty() {
        text.push_str(&format!("\n{} more fields could be sent: `insight-bridge map --suggest`", map.suggestions.len()));
    }
    text.push('\n');
    text
}

/// Lines for the configuration, each to be taken or left.
fn suggested(maps: &[TableMap]) -> String {
    let mut lines = Vec::new();
    for map in maps.iter().filter(|map| !map.suggestions.is_empty()) {
        lines.push(format!("[fields.{}]", map.table));
        for suggestion in &map.suggestions {
            let cut = if suggestion.may_be_cut { "   # longer texts are cut" } else { "" };
            let source = match suggestion.by_label {
                true => format!("{{ label = \"{}\" }}", suggestion.column),
                false => format!("\"{}\"", suggestion.column),
            };
            lines.push(format!("{} = {source}{cut}", suggestion.field));
        }
        lines.push(String::new());
    }
    if lines.is_empty() {
        lines.push("# No column is named like a field of Marketo that nothing is sent to.".into());
    }
    lines.join("\n")
}
