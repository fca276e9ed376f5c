//! Columns made, changed and removed through the API.

use emulator::Response;
use http::Method;
use serde_json::{Map, Value as Json};

use super::{Call, definition, metadata_write::made_below, option_sets::options_of};
use crate::{
    error::{Outcome, Refusal},
    headers::no_content,
    odata::{
        syntax::Literal,
        uri::{Key, Reference, Segment, key, reference},
    },
    schema::{Kind, Label, NewColumn, Required},
    state::State,
};

/// A column as a body describes it.
pub(crate) struct Described {
    pub column: NewColumn,
    pub required: Option<Required>,
    pub format: Option<String>,
    pub range: Option<(f64, f64)>,
    /// Whether it is its table's primary name.
    pub title: bool,
    /// The global option set it takes its options from.
    pub option_set: Option<String>,
}

impl State {
    /// POST, PUT and DELETE on `EntityDefinitions(…)/Attributes`.
    pub(crate) fn change_column(&mut self, call: &Call<'_>, table: usize, child: &Segment) -> Outcome<Response> {
        let name = self.table_name(table).to_owned();
        let fault = |text: String| Refusal::new(400, "0x80047013", text);
        match (call.request.method.clone(), &child.arguments) {
            (Method::POST, None) => {
                let body = self.body(call, "Attribute")?;
                let described = self.describe(&body)?;
                let id = definition::metadata_id(&format!("{name}.{}", described.column.name));
                let visible = call.now.as_second().saturating_add(i64::from(self.options.metadata_lag_s));
                self.add_described(table, described, visible)?;
                Ok(made_below(call, &format!("Attributes({id})")))
            }
            (Method::PUT, Some(arguments)) => {
                let column = self.column_by(table, arguments)?;
                let body = self.body(call, "Attribute")?;
                let wanted = self.describe(&body)?;
                self.edit_column(&name, &column, |own| {
                    own.label = wanted.column.label.or_else(|| own.label.take());
                    if std::mem::discriminant(&own.kind) == std::mem::discriminant(&wanted.column.kind) {
                        own.kind = wanted.column.kind;
                    }
                    own.required = wanted.required.unwrap_or(own.required);
                    own.range = wanted.range.or(own.range);
                    if let Some(format) = wanted.format {
                        own.format = format;
                    }
                })
                .map_err(fault)?;
                Ok(no_content())
            }
            (Method::DELETE, Some(arguments)) => {
                let column = self.column_by(table, arguments)?;
                let custom =
                    self.store.schema.get(table).and_then(|table| table.column(table.find(&column)?)).is_some_and(|own| own.custom);
                if !custom {
                    let text = format!("The Attribute({column}) component cannot be deleted because it is not a custom component.");
                    return Err(Refusal::new(400, "0x80047007", text));
                }
                self.remove_column(&name, &column).map_err(fault)?;
                Ok(no_content())
            }
            (method, _) => Err(Refusal::method(format!("The requested resource does not support http method '{method}'."))),
        }
    }

    /// Adds a described column to a table.
    pub(crate) fn add_described(&mut self, table: usize, described: Described, visible_from: i64) -> Outcome<()> {
        let definition = self.store.schema.get_mut(table).ok_or_else(|| Refusal::no_segment("Attributes"))?;
        let at = definition.add_column(described.column, visible_from).map_err(|text| Refusal::new(400, "0x80047013", text))?;
        if described.title {
            definition.title = Some(at);
        }
        if let Some(column) = definition.column_mut(at) {
            column.required = described.required.unwrap_or(column.required);
            column.option_set = described.option_set;
            column.range = described.range;
            if let Some(format) = described.format {
                column.format = format;
            }
        }
        Ok(())
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

    /// Reads a column's metadata.
    pub(crate) fn describe(&self, map: &Map<String, Json>) -> Outcome<Described> {
        let schema = text(map, "SchemaName").to_owned();
        if schema.is_empty() {
            return Err(Refusal::payload("Attribute", "The column needs 'SchemaName'."));
        }
        let shared = match map.get("GlobalOptionSet@odata.bind").and_then(Json::as_str) {
            Some(address) => match reference(address)? {
                Reference::Row(set, key) if set == "GlobalOptionSetDefinitions" => Some(self.option_set_by(&key)?),
                Reference::Row(..) | Reference::ContentId(_) => {
                    return Err(Refusal::query(format!("Invalid resource address '{address}'.")));
                }
            },
            None => None,
        };
        let options: Vec<Label> = shared.map_or_else(|| options_of(map.get("OptionSet")), |set| set.options.clone());
        Ok(Described {
            required: required_of(map),
            format: format_of(map),
            range: map.get("MinValue").and_then(Json::as_f64).zip(map.get("MaxValue").and_then(Json::as_f64)),
            title: map.get("IsPrimaryName").and_then(Json::as_bool) == Some(true),
            option_set: shared.map(|set| set.name.clone()),
            column: NewColumn {
                name: schema.to_lowercase(),
                label: label_of(map, "DisplayName"),
                kind: kind_of(map)?,
                options: options.into_iter().map(|option| (option.value, option.label)).collect(),
                targets: Vec::new(),
                schema: Some(schema),
            },
        })
    }
}

/// The requirement level a body names. Nobody but the service makes a column required by the system.
fn required_of(map: &Map<String, Json>) -> Option<Required> {
    match map.get("RequiredLevel")?.get("Value")?.as_str()? {
        "None" | "Recommended" => Some(Required::None),
        "ApplicationRequired" => Some(Required::Application),
        _ => None,
    }
}

/// A text's format, or that of a moment that is shown as a day.
fn format_of(map: &Map<String, Json>) -> Option<String> {
    let named = map.get("FormatName").and_then(|name| name.get("Value")).and_then(Json::as_str);
    named.or(Some(text(map, "Format")).filter(|format| *format == "DateOnly")).map(str::to_owned)
}

fn kind_of(map: &Map<String, Json>) -> Outcome<Kind> {
    let kind = text(map, "@odata.type").trim_start_matches('#').trim_start_matches(super::route::NAMESPACE);
    // The action that makes tables prefixes the same types with "Complex".
    let kind = kind.trim_start_matches("Complex");
    let number = |name: &str| map.get(name).and_then(Json::as_f64);
    #[expect(clippy::cast_possible_truncation, reason = "limits of a column, saturating is right")]
    let whole = |name: &str, default: i64| number(name).map_or(default, |n| n as i64);
    let length = |default: i64| u32::try_from(whole("MaxLength", default)).unwrap_or(100);
    let decimals = u8::try_from(whole("Precision", 2)).unwrap_or(2);
    let behavior = map.get("DateTimeBehavior").and_then(|behavior| behavior.get("Value")).and_then(Json::as_str);
    Ok(match kind {
        "StringAttributeMetadata" => Kind::Text(length(100)),
        "MemoAttributeMetadata" => Kind::Memo(length(2000)),
        "IntegerAttributeMetadata" => Kind::Integer(whole("MinValue", -2_147_483_648), whole("MaxValue", 2_147_483_647)),
        "BigIntAttributeMetadata" => Kind::BigInt,
        "DecimalAttributeMetadata" => Kind::Decimal(decimals),
        "DoubleAttributeMetadata" => Kind::Double(decimals),
        "MoneyAttributeMetadata" => Kind::Money(whole("MinValue", -922_337_203_685_477), whole("MaxValue", 922_337_203_685_477)),
        "BooleanAttributeMetadata" => Kind::Boolean,
        // A format of days alone still is a moment; only the behaviour makes it a day.
        "DateTimeAttributeMetadata" if behavior == Some("DateOnly") => Kind::DateOnly,
        "DateTimeAttributeMetadata" => Kind::DateTime,
        "PicklistAttributeMetadata" => Kind::Choice,
        "StateAttributeMetadata" => Kind::State,
        "StatusAttributeMetadata" => Kind::Status,
        "LookupAttributeMetadata" => Kind::Lookup,
        "UniqueIdentifierAttributeMetadata" => Kind::Guid,
        other => return Err(Refusal::new(501, "0x80060888", format!("Columns of type '{other}' can't be made here."))),
    })
}

/// A text of a body; empty when it isn't there.
pub(crate) fn text<'a>(map: &'a Map<String, Json>, name: &str) -> &'a str {
    map.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// The first of a label's translations.
pub(crate) fn label_of(map: &Map<String, Json>, name: &str) -> Option<String> {
    map.get(name)?.pointer("/LocalizedLabels/0/Label")?.as_str().map(str::to_owned)
}
