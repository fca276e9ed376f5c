//! Changes of the schema through the API: columns, keys and plain tables. Relationships can't be made this way.

use emulator::Response;
use http::Method;
use serde_json::Value as Json;

use super::{Call, definition, list::with_applied};
use crate::{
    error::{Outcome, Refusal},
    headers::{json, no_content},
    odata::{
        syntax::Literal,
        uri::{Key, Segment, key},
    },
    schema::{Kind, NewColumn, Table},
    state::State,
};

/// Object type codes of tables that customers make start here.
pub(crate) const FIRST_CUSTOM_CODE: i32 = 10_000;

impl State {
    /// POST, PUT and DELETE under `EntityDefinitions`.
    pub(crate) fn change_metadata(&mut self, call: &Call<'_>, first: &Segment, rest: &[Segment]) -> Outcome<Response> {
        let unsupported = || Refusal::new(501, "0x80060888", "This change of the schema isn't supported here.");
        let table = match &first.arguments {
            Some(arguments) => self.metadata_table(arguments)?,
            None => return Err(unsupported()),
        };
        let name = self.table_name(table).to_owned();
        let fault = |text: String| Refusal::new(400, "0x80047013", text);
        match (call.request.method.clone(), rest) {
            (Method::POST, [child]) if child.name == "Attributes" => {
                let column = column_of(&self.body(call, "Attribute")?)?;
                let id = definition::metadata_id(&format!("{name}.{}", column.name));
                self.add_column(&name, column, call.now).map_err(fault)?;
                Ok(made(call, &format!("EntityDefinitions({})/Attributes({id})", definition::metadata_id(&name))))
            }
            (Method::POST, [child]) if child.name == "Keys" => {
                let body = self.body(call, "EntityKey")?;
                let key_name = text(&body, "SchemaName").to_lowercase();
                let columns: Vec<String> = body
                    .get("KeyAttributes")
                    .and_then(Json::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(|c| c.as_str().map(str::to_lowercase))
                    .collect();
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                self.add_key(&name, &key_name, &columns).map_err(fault)?;
                let id = definition::metadata_id(&format!("key:{name}.{key_name}"));
                Ok(made(call, &format!("EntityDefinitions({})/Keys({id})", definition::metadata_id(&name))))
            }
            (Method::DELETE, []) if self.store.schema.get(table).is_some_and(|table| table.code >= FIRST_CUSTOM_CODE) => {
                self.store.drop_table(table);
                Ok(no_content())
            }
            (Method::DELETE, [child]) if child.name == "Attributes" => {
                let arguments = child.arguments.as_deref().unwrap_or_default();
                let column = self.column_by(table, arguments)?;
                self.remove_column(&name, &column).map_err(fault)?;
                Ok(no_content())
            }
            (Method::DELETE, [child]) if child.name == "Keys" => {
                let Key::Id(id) = key(child.arguments.as_deref().unwrap_or_default())? else { return Err(unsupported()) };
                if let Some(definition) = self.store.schema.get_mut(table) {
                    definition.keys.retain(|key| definition::metadata_id(&format!("key:{name}.{}", key.name)) != id);
                }
                self.store.index_keys(table);
                Ok(no_content())
            }
            (Method::PUT, [child, ..]) if child.name == "Attributes" => {
                let column = self.column_by(table, child.arguments.as_deref().unwrap_or_default())?;
                let wanted = column_of(&self.body(call, "Attribute")?)?;
                self.edit_column(&name, &column, |own| {
                    own.label = wanted.label.or_else(|| own.label.take());
                    if std::mem::discriminant(&own.kind) == std::mem::discriminant(&wanted.kind) {
                        own.kind = wanted.kind;
                    }
                })
                .map_err(fault)?;
                Ok(no_content())
            }
            _ => Err(unsupported()),
        }
    }

    fn column_by(&self, table: usize, arguments: &str) -> Outcome<String> {
        let definition = self.store.schema.get(table).ok_or_else(|| Refusal::no_segment("Attributes"))?;
        let wanted = key(arguments)?;
        let found = definition.columns().find(|(_, column)| match &wanted {
            Key::Id(id) => definition::metadata_id(&format!("{}.{}", definition.name, column.name)) == *id,
            Key::Named(named) => named.iter().any(|(_, value)| *value == Literal::Text(column.name.clone())),
        });
        found.map(|(_, column)| column.name.clone()).ok_or_else(|| Refusal::new(404, "0x80060888", "The column was not found."))
    }

    /// `POST /CreateEntities`, as Microsoft's Python client makes tables.
    pub(crate) fn create_entities(&mut self, call: &Call<'_>) -> Outcome<Response> {
        let body = self.body(call, "CreateEntities")?;
        for entity in body.get("Entities").and_then(Json::as_array).into_iter().flatten() {
            let Json::Object(entity) = entity else { continue };
            let schema = text(entity, "SchemaName").to_owned();
            let name = schema.to_lowercase();
            if schema.is_empty() || self.store.schema.find(&name).is_some() {
                return Err(Refusal::new(400, "0x80044363", format!("A table with the name '{schema}' already exists.")));
            }
            let mut columns = Vec::new();
            for attribute in entity.get("Attributes").and_then(Json::as_array).into_iter().flatten() {
                if let Json::Object(attribute) = attribute {
                    columns.push((column_of(attribute)?, attribute.get("IsPrimaryName").and_then(Json::as_bool) == Some(true)));
                }
            }
            let code = FIRST_CUSTOM_CODE + i32::try_from(self.store.schema.tables().count()).unwrap_or_default();
            let plural = label_of(entity, "DisplayCollectionName").unwrap_or_else(|| schema.clone());
            let at = self.store.add_table(Table::custom(
                &schema,
                &label_of(entity, "DisplayName").unwrap_or_else(|| schema.clone()),
                &plural,
                code,
            ));
            for (column, title) in columns {
                if let Some(table) = self.store.schema.get_mut(at) {
                    let position = table.add_column(column, i64::MIN).map_err(|text| Refusal::new(400, "0x80047013", text))?;
                    if title {
                        table.title = Some(position);
                    }
                }
            }
        }
        Ok(json(
            200,
            serde_json::json!({"@odata.context": format!("{}/$metadata#Microsoft.Dynamics.CRM.CreateEntitiesResponse", call.base)})
                .to_string(),
        ))
    }
}

fn made(call: &Call<'_>, address: &str) -> Response {
    let address = format!("{}/{address}", call.base);
    with_applied(no_content().with("odata-entityid", &address).with("location", &address), None)
}

fn text<'a>(map: &'a serde_json::Map<String, Json>, name: &str) -> &'a str {
    map.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn label_of(map: &serde_json::Map<String, Json>, name: &str) -> Option<String> {
    map.get(name)?.pointer("/LocalizedLabels/0/Label")?.as_str().map(str::to_owned)
}

/// A column as metadata describes it.
fn column_of(map: &serde_json::Map<String, Json>) -> Outcome<NewColumn> {
    let schema = text(map, "SchemaName").to_owned();
    let kind = text(map, "@odata.type").trim_start_matches('#').trim_start_matches(super::route::NAMESPACE);
    // The action that makes tables prefixes the same types with "Complex".
    let kind = kind.trim_start_matches("Complex");
    let number = |name: &str| map.get(name).and_then(Json::as_f64);
    #[expect(clippy::cast_possible_truncation, reason = "limits of a column, saturating is right")]
    let whole = |name: &str, default: i64| number(name).map_or(default, |n| n as i64);
    let length = |default: i64| u32::try_from(whole("MaxLength", default)).unwrap_or(100);
    let decimals = u8::try_from(whole("Precision", 2)).unwrap_or(2);
    let kind = match kind {
        "StringAttributeMetadata" => Kind::Text(length(100)),
        "MemoAttributeMetadata" => Kind::Memo(length(2000)),
        "IntegerAttributeMetadata" => Kind::Integer(whole("MinValue", -2_147_483_648), whole("MaxValue", 2_147_483_647)),
        "BigIntAttributeMetadata" => Kind::BigInt,
        "DecimalAttributeMetadata" => Kind::Decimal(decimals),
        "DoubleAttributeMetadata" => Kind::Double(decimals),
        "MoneyAttributeMetadata" => Kind::Money(whole("MinValue", -922_337_203_685_477), whole("MaxValue", 922_337_203_685_477)),
        "BooleanAttributeMetadata" => Kind::Boolean,
        "DateTimeAttributeMetadata" if text(map, "Format") == "DateOnly" => Kind::DateOnly,
        "DateTimeAttributeMetadata" => Kind::DateTime,
        "PicklistAttributeMetadata" => Kind::Choice,
        "UniqueIdentifierAttributeMetadata" => Kind::Guid,
        other => return Err(Refusal::new(501, "0x80060888", format!("Columns of type '{other}' can't be made here."))),
    };
    let options = map.get("OptionSet").and_then(|set| set.get("Options")?.as_array()).into_iter().flatten().filter_map(|option| {
        let value = i32::try_from(option.get("Value")?.as_i64()?).ok()?;
        Some((value, option.pointer("/Label/LocalizedLabels/0/Label")?.as_str()?.to_owned()))
    });
    Ok(NewColumn {
        name: schema.to_lowercase(),
        schema: Some(schema.clone()),
        label: label_of(map, "DisplayName"),
        kind,
        options: options.collect(),
        targets: Vec::new(),
    })
}
