//! Every key of the configuration with its type, default and meaning, from the schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{MADE, cell};
use crate::config;

/// The page.
pub(super) fn page() -> String {
    let schema = config::schema();
    let about = "The file `insight-bridge.toml`; [the guide](../guide/configuration.md) explains it. Unknown keys are errors. Editors know the \
                 same from [its schema](../insight-bridge.schema.json).";
    let mut page = Page { schema: &schema, text: format!("# Configuration keys\n\n{MADE}\n\n{about}\n") };
    let needed = schema.get("else").map(|form| list(form, "required")).unwrap_or_default();
    page.text.push_str("\n## Outside of sections\n\n");
    let (sections, outside): (Vec<_>, Vec<_>) = properties(&schema).partition(|(_, property)| page.has_keys(property));
    page.table(&outside, &[]);
    // What must be there comes first, in the order in which it is asked for.
    for key in &needed {
        sections.iter().filter(|(name, _)| name == key).for_each(|(name, property)| page.section(name, property));
    }
    let rest = sections.iter().filter(|(name, _)| !needed.contains(name));
    rest.for_each(|(name, property)| page.section(name, property));
    page.text.push_str("\n## Values that can be written in several forms\n");
    for (name, definition) in schema.get("definitions").and_then(Value::as_object).into_iter().flatten() {
        if values(definition).is_none() && forms(definition).is_some() {
            page.forms(name, definition);
        }
    }
    page.text
}

struct Page<'a> {
    schema: &'a Map<String, Value>,
    text: String,
}

impl<'a> Page<'a> {
    /// What a property is, behind its reference; and the reference's name, where it is one.
    fn resolved(&self, property: &'a Value) -> (Option<&'a str>, &'a Value) {
        let reference = property.get("$ref").or_else(|| property.pointer("/allOf/0/$ref")).and_then(Value::as_str);
        let name = reference.and_then(|reference| reference.strip_prefix("#/definitions/"));
        let definition = name.and_then(|name| self.schema.get("definitions")?.get(name));
        (name, definition.unwrap_or(property))
    }

    fn has_keys(&self, property: &'a Value) -> bool {
        self.resolved(property).1.get("properties").is_some()
    }

    /// A section, and those within it.
    fn section(&mut self, name: &str, property: &'a Value) {
        let (_, section) = self.resolved(property);
        let level = if name.contains('.') { "###" } else { "##" };
        let _ = write!(self.text, "\n{level} `[{name}]`\n\n{}\n", text(property, "description"));
        let Some(keys) = section.as_object() else { return };
        let (below, own): (Vec<_>, Vec<_>) = properties(keys).partition(|(_, property)| self.has_keys(property));
        if !own.is_empty() {
            self.text.push('\n');
            self.table(&own, &list(section, "required"));
        }
        below.iter().for_each(|(key, property)| self.section(&format!("{name}.{key}"), property));
    }

    fn table(&mut self, keys: &[(&str, &'a Value)], needed: &[&str]) {
        self.text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        // What must be there comes first.
        let (first, rest): (Vec<_>, Vec<_>) = keys.iter().partition(|(key, _)| needed.contains(key));
        for &(key, property) in first.into_iter().chain(rest) {
            let default = match property.get("default") {
                Some(default) => format!("`{default}`"),
                None if needed.contains(&key) => "needed".into(),
                None => String::new(),
            };
            let mut meaning = cell(text(property, "description"));
            for (value, explained) in values(self.resolved(property).1).unwrap_or_default() {
                let _ = write!(meaning, "<br>`{value}`: {}", cell(explained));
            }
            let _ = writeln!(self.text, "| `{key}` | {} | {default} | {meaning} |", self.kind(property));
        }
    }

    /// What may be written there, in words.
    fn kind(&self, property: &'a Value) -> String {
        let (name, schema) = self.resolved(property);
        if let Some(values) = values(schema) {
            return values.iter().map(|(value, _)| format!("`{value}`")).collect::<Vec<_>>().join(", ");
        }
        match (schema.get("type"), name) {
            (Some(Value::Array(kinds)), _) => kinds.iter().filter_map(Value::as_str).map(plain).collect::<Vec<_>>().join(", "),
            (Some(Value::String(kind)), _) => match kind.as_str() {
                "array" => format!("list of {}s", schema.get("items").map(|items| self.kind(items)).unwrap_or_default()),
                "object" => match schema.get("additionalProperties") {
                    Some(value @ Value::Object(_)) => format!("table of {}", self.kind(value)),
                    Some(_) | None => "table".into(),
                },
                kind => format!("{}{}", plain(kind), range(schema)),
            },
            (_, Some(name)) => format!("[{}](#{})", words(name), words(name).replace(' ', "-")),
            (_, None) => String::new(),
        }
    }

    /// A value of several forms.
    fn forms(&mut self, name: &str, definition: &'a Value) {
        let _ = write!(self.text, "\n### {}\n\n{}\n\n| form | meaning |\n|---|---|\n", title(name), text(definition, "description"));
        let mut detailed = Vec::new();
        for form in forms(definition).unwrap_or_default() {
            let (_, schema) = self.resolved(form);
            let keys: Vec<_> = schema.as_object().into_iter().flat_map(properties).collect();
            let written = match form.get("const") {
                Some(value) => format!("`{value}`"),
                None if keys.is_empty() => self.kind(form),
                None if keys.len() == 1 => keys.iter().map(|(key, _)| format!("`{{ {key} = \"…\" }}`")).collect(),
                None => {
                    detailed.extend(keys);
                    "`{ … }`, with the keys below".into()
                }
            };
            let _ = writeln!(self.text, "| {written} | {} |", cell(text(form, "description")));
        }
        if !detailed.is_empty() {
            self.text.push('\n');
            self.table(&detailed, &[]);
        }
    }
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(key, property)| (key.as_str(), property))
}

/// The words that may stand there, each explained; none where it isn't only words.
fn values(schema: &Value) -> Option<Vec<(&Value, &str)>> {
    forms(schema)?.into_iter().map(|form| Some((form.get("const")?, text(form, "description")))).collect()
}

fn forms(schema: &Value) -> Option<Vec<&Value>> {
    let forms = schema.get("anyOf").or_else(|| schema.get("oneOf").filter(|_| schema.get("properties").is_none()))?;
    Some(forms.as_array()?.iter().collect())
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(schema: &'a Value, key: &str) -> Vec<&'a str> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A plain type in words.
fn plain(kind: &str) -> &'static str {
    match kind {
        "integer" => "whole number",
        "number" => "number",
        "boolean" => "`true` or `false`",
        _ => "text",
    }
}

fn range(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) if *least != 0 => format!(", at least {least}"),
        (Some(_) | None, None) => String::new(),
        (None, Some(most)) => format!(", at most {most}"),
    }
}

/// The same as [`words`], as a heading.
fn title(name: &str) -> String {
    let words = words(name);
    let mut letters = words.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// A name in camel case as words.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}
