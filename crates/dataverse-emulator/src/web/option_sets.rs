//! `GlobalOptionSetDefinitions`: option sets that columns share.

use emulator::Response;
use http::Method;
use serde_json::{Map, Value as Json};

use super::{
    Call,
    column_write::{label_of, text},
    definition,
    metadata::{listing, shape},
    metadata_write::made,
    projection::{filter, project, selection},
};
use crate::{
    error::{Outcome, Refusal},
    headers::{json, no_content},
    odata::{
        syntax::Literal,
        uri::{Key, Segment, key},
    },
    schema::{Label, OptionSet},
    state::State,
};

impl State {
    /// Any request under `GlobalOptionSetDefinitions`.
    pub(crate) fn option_sets(&mut self, call: &Call<'_>, first: &Segment) -> Outcome<Response> {
        let select = selection(call.options.get("$select"));
        match (call.request.method.clone(), &first.arguments) {
            (Method::GET, None) => {
                let all = self.store.schema.option_sets.iter().map(definition::global_option_set).collect();
                let kept = filter(all, call.options.get("$filter"), &call.options, "OptionSetMetadataBase")?;
                let values = kept.into_iter().map(|map| project(map, select.as_deref(), "OptionSetMetadataBase").map(Json::Object));
                let values = values.collect::<Outcome<Vec<_>>>()?;
                Ok(listing(call, &format!("GlobalOptionSetDefinitions{}", shape(&call.options)), values))
            }
            (Method::GET, Some(arguments)) => {
                let set = definition::global_option_set(self.option_set_by(&key(arguments)?)?);
                let mut map = project(set, select.as_deref(), "OptionSetMetadata")?;
                let context = format!("{}/$metadata#GlobalOptionSetDefinitions{}/$entity", call.base, shape(&call.options));
                map.insert("@odata.context".to_owned(), context.into());
                Ok(json(200, Json::Object(map).to_string()))
            }
            (Method::POST, None) => {
                let body = self.body(call, "OptionSetMetadata")?;
                let name = text(&body, "Name").to_lowercase();
                if name.is_empty() || self.store.schema.option_sets.iter().any(|set| set.name == name) {
                    return Err(Refusal::new(400, "0x80044363", format!("An option set needs a name of its own, not '{name}'.")));
                }
                let id = definition::metadata_id(&format!("global:{name}"));
                self.store.schema.option_sets.push(OptionSet {
                    label: label_of(&body, "DisplayName"),
                    options: options_of(Some(&Json::Object(body))),
                    name,
                });
                Ok(made(call, &format!("GlobalOptionSetDefinitions({id})")))
            }
            (Method::PUT, Some(arguments)) => {
                let name = self.option_set_by(&key(arguments)?)?.name.clone();
                let body = self.body(call, "OptionSetMetadata")?;
                self.edit_option_set(&name, &body);
                Ok(no_content())
            }
            (Method::DELETE, Some(arguments)) => {
                let name = self.option_set_by(&key(arguments)?)?.name.clone();
                let used = self.store.schema.tables().flat_map(|(_, table)| table.columns());
                if used.into_iter().any(|(_, column)| column.option_set.as_deref() == Some(name.as_str())) {
                    let text = format!("The OptionSet({name}) component cannot be deleted because it is referenced by other components.");
                    return Err(Refusal::new(400, "0x8004f01f", text));
                }
                self.store.schema.option_sets.retain(|set| set.name != name);
                Ok(no_content())
            }
            (method, _) => Err(Refusal::method(format!("The requested resource does not support http method '{method}'."))),
        }
    }

    fn edit_option_set(&mut self, name: &str, body: &Map<String, Json>) {
        let (label, options) = (label_of(body, "DisplayName"), options_of(Some(&Json::Object(body.clone()))));
        if let Some(set) = self.store.schema.option_sets.iter_mut().find(|set| set.name == name) {
            set.label = label.or_else(|| set.label.take());
            if !options.is_empty() {
                set.options.clone_from(&options);
            }
        }
        let tables: Vec<usize> = self.store.schema.tables().map(|(at, _)| at).collect();
        for table in tables {
            let Some(definition) = self.store.schema.get_mut(table) else { continue };
            let users: Vec<u16> =
                definition.columns().filter(|(_, column)| column.option_set.as_deref() == Some(name)).map(|(at, _)| at).collect();
            for at in users.into_iter().filter(|_| !options.is_empty()) {
                if let Some(column) = definition.column_mut(at) {
                    column.options.clone_from(&options);
                }
            }
        }
    }

    /// The option set behind `Name='x'` or a metadata id.
    pub(crate) fn option_set_by(&self, key: &Key) -> Outcome<&OptionSet> {
        let found = self.store.schema.option_sets.iter().find(|set| match key {
            Key::Id(id) => definition::metadata_id(&format!("global:{}", set.name)) == *id,
            Key::Named(named) => matches!(named.as_slice(), [(name, Literal::Text(value))] if name == "Name" && *value == set.name),
        });
        found.ok_or_else(|| Refusal::new(404, "0x80060888", "Could not find an optionset with the given name or id."))
    }
}

/// The options of a set as a body describes it.
pub(crate) fn options_of(set: Option<&Json>) -> Vec<Label> {
    let options = set.and_then(|set| set.get("Options")?.as_array()).into_iter().flatten().filter_map(|option| {
        let value = i32::try_from(option.get("Value")?.as_i64()?).ok()?;
        let label = option.pointer("/Label/LocalizedLabels/0/Label")?.as_str()?.to_owned();
        Some(Label { value, label, state: 0 })
    });
    options.collect()
}
