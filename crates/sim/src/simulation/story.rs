//! A failing history as a scenario file: the same steps with all ids, to be kept once the bridge is mended.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::run::Failure;
use crate::step::Step;

/// The file's text, without its outcome.
#[must_use]
pub fn scenario(seed: u64, failure: &Failure) -> String {
    let what = failure.broken.first().map_or_else(String::new, |violation| violation.what.chars().take(300).collect());
    let mut text = String::new();
    let _ = writeln!(text, "# Seed {seed} broke the rule \"{}\": {}", failure.rule(), what.replace('\n', " "));
    let _ = writeln!(text, "proves = \"(say here what is right)\"\nrules = [\"R11\"]\n\nwhen = [");
    for step in &failure.steps {
        let _ = writeln!(text, "    {},", inline(&told(step)));
    }
    text + "]\n"
}

/// A step in the form that scenarios have.
fn told(step: &Step) -> Value {
    match step {
        Step::Pass(seconds) => json!({ "pass": format!("{seconds}s") }),
        Step::Heal => json!("heal"),
        Step::Emulators(settings) => json!({ "emulators": { "marketo": settings.marketo, "dynamics": settings.dataverse } }),
        Step::Do(_)
        | Step::Ask(_)
        | Step::Cycle(_)
        | Step::Jump(_)
        | Step::Fault(_)
        | Step::Latency(_)
        | Step::Expire { .. }
        | Step::Configure(_) => serde_json::to_value(step).unwrap_or_default(),
    }
}

/// A value as TOML on one line. TOML has no null: scenarios write an empty text for it.
fn inline(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        // A JSON text is a TOML text.
        Value::String(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => table(members),
    }
}

fn table(members: &Map<String, Value>) -> String {
    if members.is_empty() {
        return "{}".to_owned();
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{} = {}", Value::from(name.as_str()), inline(value))).collect();
    format!("{{ {} }}", members.join(", "))
}
