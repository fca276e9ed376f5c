//! The JSON schema of the configuration file, for editors and for the reference: from the structs that read the file, and their comments.

use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Map, Value, json};

use super::Several;

/// The schema of the whole file, in draft 7, which editors of TOML understand.
///
/// A file has one of two forms. The keys of both stand beside each other, and a condition says which belong together: with `anyOf`, editors would
/// call the whole file wrong where one key is.
pub(crate) fn schema() -> Map<String, Value> {
    let generator = SchemaSettings::draft07().with(|settings| settings.transforms.insert(0, Box::new(ForToml))).into_generator();
    let mut root = generator.into_root_schema_for::<Several>();
    let root = root.ensure_object();
    let several = root.remove("required").unwrap_or_default();
    let mut properties = taken(root, "properties");
    let outside: Vec<String> = properties.keys().cloned().collect();
    let mut definitions = taken(root, "definitions");
    if let Some(Value::Object(bridge)) = definitions.get_mut("Bridge") {
        let mut sections = taken(bridge, "properties");
        properties.extend(sections.clone());
        // It concerns the process.
        sections.remove("serve");
        root.insert("else".into(), json!({ "required": bridge.get("required") }));
        bridge.insert("properties".into(), sections.into());
    }
    root.insert("if".into(), json!({ "required": several }));
    root.insert("then".into(), json!({ "propertyNames": { "enum": outside } }));
    root.insert("properties".into(), properties.into());
    root.insert("definitions".into(), definitions.into());
    root.insert("title".into(), "insight-bridge.toml".into());
    root.insert("description".into(), "The configuration of Insight Bridge: one bridge, or several as `[[bridge]]`.".into());
    std::mem::take(root)
}

fn taken(schema: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match schema.remove(key) {
        Some(Value::Object(taken)) => taken,
        Some(_) | None => Map::new(),
    }
}

/// Takes out what TOML doesn't have, which is null, and what tells nobody anything, and makes lines of comments into paragraphs.
#[derive(Debug, Clone)]
struct ForToml;

impl Transform for ForToml {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(schema) = schema.as_object_mut() else { return };
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
        }
        // A section's default says what its keys' say.
        if schema.get("default").is_some_and(|default| default.is_null() || default.is_object()) {
            schema.remove("default");
        }
        // How many bits Rust has for it.
        if schema.get("type").is_some_and(|kind| kind != "string") {
            schema.remove("format");
        }
        if let Some(Value::Array(kinds)) = schema.get_mut("type") {
            kinds.retain(|kind| kind != "null");
            if let [only] = kinds.as_slice() {
                let only = only.clone();
                schema.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
            forms.retain(|form| form.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = forms.as_slice() {
                let only = only.clone();
                schema.remove("anyOf");
                schema.extend(only);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::File;

    const NEEDED: &str = r#"
        [marketo]
        base_url = "https://123-ABC-456.mktorest.com"
        client_id = "a"
        client_secret = { env = "X" }
        [dynamics]
        url = "https://contoso.crm4.dynamics.com"
        tenant_id = "t"
    "#;

    /// Everything that may have keys, by the name of its definition.
    fn tables() -> Vec<(String, Map<String, Value>)> {
        let mut found = Vec::new();
        let mut left = vec![(String::new(), Value::Object(schema()))];
        while let Some((name, value)) = left.pop() {
            let Value::Object(mut table) = value else { continue };
            left.extend(taken(&mut table, "definitions"));
            if table.contains_key("properties") {
                found.push((name, table));
            }
        }
        assert!(found.len() > 15, "{found:?}");
        found
    }

    #[test]
    fn unknown_keys_are_mistakes_and_known_ones_are_explained() {
        for (name, table) in tables() {
            assert_eq!(table["additionalProperties"], false, "{name}");
            for (key, property) in table["properties"].as_object().unwrap() {
                let explained = property.get("description").and_then(Value::as_str).unwrap_or_default();
                assert!(explained.ends_with('.') && !explained.contains("[`"), "{name}.{key}: {explained:?}");
            }
        }
    }

    #[test]
    fn defaults_are_what_is_read_where_nothing_is_written() {
        let (mut written, sections) = (toml::from_str::<toml::Table>(NEEDED).unwrap(), schema());
        let mut count = 0;
        for (section, property) in sections["properties"].as_object().unwrap() {
            let Some(name) = property.pointer("/allOf/0/$ref").and_then(Value::as_str) else { continue };
            let keys = sections["definitions"][name.trim_start_matches("#/definitions/")]["properties"].as_object().unwrap();
            for (key, default) in keys.iter().filter_map(|(key, property)| Some((key, property.get("default")?))) {
                let section = written.entry(section.as_str()).or_insert_with(|| toml::Table::new().into());
                section.as_table_mut().unwrap().insert(key.clone(), toml::Value::try_from(default).unwrap());
                count += 1;
            }
        }
        assert!(count > 40, "{count}");
        let read = |text: &str| format!("{:?}", File::parse(text).unwrap());
        assert_eq!(read(&written.to_string()), read(NEEDED));
    }

    #[test]
    fn both_forms_are_there() {
        let schema = schema();
        assert_eq!(schema["if"], json!({ "required": ["bridge"] }));
        assert_eq!(schema["then"]["propertyNames"]["enum"], json!(["bridge", "serve"]));
        assert_eq!(schema["else"], json!({ "required": ["marketo", "dynamics"] }));
        let keys = |table: &Value| table["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let outside: Vec<String> =
            keys(&Value::Object(schema.clone())).into_iter().filter(|key| !["bridge", "serve"].contains(&key.as_str())).collect();
        assert_eq!(keys(&schema["definitions"]["Bridge"]), outside);
    }
}
