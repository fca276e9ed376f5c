//! `EntityDefinitions` and what hangs off them (Microsoft's "Query schema definitions using the Web API" page). Never paged.

use emulator::Response;
use http::Method;
use serde_json::{Map, Value as Json, json};

use super::{
    Call, definition,
    projection::{filter, project, selection},
    route::NAMESPACE,
};
use crate::{
    error::{Outcome, Refusal},
    headers::json as json_answer,
    odata::{
        syntax::Literal,
        uri::{Key, Options, Segment, key, split_outside},
    },
    schema::{Column, Kind, Table},
    state::State,
};

/// Answers that are kept.
const ANSWERS_MAX: usize = 1_000;

impl State {
    /// Any request under `EntityDefinitions`.
    pub(crate) fn metadata(&mut self, call: &Call<'_>) -> Outcome<Response> {
        let [first, rest @ ..] = call.segments.as_slice() else { return Err(Refusal::no_segment("")) };
        if call.request.method != Method::GET {
            return self.change_metadata(call, first, rest);
        }
        // A column that isn't visible yet will be without anything being changed.
        let now = call.now.as_second();
        if self.store.schema.tables().any(|(_, table)| table.columns().any(|(_, column)| column.visible_from > now)) {
            return self.described(call, first, rest);
        }
        let request = call.request;
        let asked = format!("{}?{} {}", call.base, request.query, request.header("consistency").unwrap_or_default()) + &request.path;
        if let Some(answer) = self.store.schema.answers.get(&asked) {
            return Ok(answer.clone());
        }
        let answer = self.described(call, first, rest)?;
        let answers = &mut self.store.schema.answers;
        if answers.len() < ANSWERS_MAX {
            answers.insert(asked, answer.clone());
        }
        Ok(answer)
    }

    fn described(&self, call: &Call<'_>, first: &Segment, rest: &[Segment]) -> Outcome<Response> {
        match (&first.arguments, rest) {
            (None, []) => self.entities(call),
            (Some(arguments), []) => {
                let table = self.metadata_table(arguments)?;
                let (table, options) = (self.table_at(table)?, &call.options);
                let mut entity = self.entity_with(call, table, options.get("$select"), options.get("$expand"))?;
                entity.insert("@odata.context".to_owned(), format!("{}/$metadata#EntityDefinitions/$entity", call.base).into());
                Ok(json_answer(200, Json::Object(entity).to_string()))
            }
            (Some(arguments), [child, casts @ ..]) => {
                let at = self.metadata_table(arguments)?;
                self.entity_child(call, at, child, casts)
            }
            (None, [child, ..]) => Err(Refusal::no_segment(&child.name)),
        }
    }

    fn table_at(&self, at: usize) -> Outcome<&Table> {
        self.store.schema.get(at).ok_or_else(|| Refusal::no_segment("EntityDefinitions"))
    }

    /// The table behind `LogicalName='lead'` or a metadata id.
    pub(crate) fn metadata_table(&self, arguments: &str) -> Outcome<usize> {
        let missing =
            |what: &str| Refusal::new(404, "0x80060888", format!("Could not find an entity with specified entity name or id: {what}"));
        match key(arguments)? {
            Key::Id(id) => {
                let found = self.store.schema.tables().find(|(_, table)| definition::metadata_id(&table.name) == id);
                found.map(|(at, _)| at).ok_or_else(|| missing(&id.to_string()))
            }
            Key::Named(named) => match named.as_slice() {
                [(name, Literal::Text(value))] if name == "LogicalName" => self.store.schema.find(value).ok_or_else(|| missing(value)),
                _ => Err(Refusal::query("EntityDefinitions can be addressed by LogicalName or MetadataId.")),
            },
        }
    }

    fn entities(&self, call: &Call<'_>) -> Outcome<Response> {
        let all: Vec<_> = self.store.schema.tables().map(|(_, table)| definition::entity(table)).collect();
        let kept = filter(all, call.options.get("$filter"), &call.options, "EntityMetadata")?;
        let mut values = Vec::new();
        for entity in kept {
            let name = entity.get("LogicalName").and_then(Json::as_str).and_then(|name| self.store.schema.find(name));
            let Some(table) = name.and_then(|at| self.store.schema.get(at)) else { continue };
            values.push(Json::Object(self.entity_with(call, table, call.options.get("$select"), call.options.get("$expand"))?));
        }
        Ok(listing(call, &format!("EntityDefinitions{}", shape(&call.options)), values))
    }

    /// A table with its selected properties and expanded children.
    fn entity_with(&self, call: &Call<'_>, table: &Table, select: Option<&str>, expand: Option<&str>) -> Outcome<Map<String, Json>> {
        let mut entity = project(definition::entity(table), selection(select).as_deref(), "EntityMetadata")?;
        for item in expand.map(|text| split_outside(text, ',')).unwrap_or_default() {
            let (name, inner) = nested(item);
            let children = self.children(call, table, name, None)?;
            let kept = filter(children, inner.get("$filter"), &call.options, name)?;
            let select = selection(inner.get("$select"));
            let values =
                kept.into_iter().map(|child| project(child, select.as_deref(), name).map(Json::Object)).collect::<Outcome<Vec<_>>>()?;
            entity.insert(name.to_owned(), values.into());
        }
        Ok(entity)
    }

    fn children(&self, call: &Call<'_>, table: &Table, name: &str, cast: Option<&str>) -> Outcome<Vec<Map<String, Json>>> {
        let schema = &self.store.schema;
        Ok(match name {
            "Attributes" => self.attributes(call, table, cast),
            "Keys" => table.keys.iter().map(|key| definition::key(table, key)).collect(),
            "ManyToOneRelationships" => {
                let lookups = table.columns().filter(|(_, column)| column.is_lookup() && column.kind != Kind::Owner && !column.internal);
                lookups
                    .flat_map(|(_, column)| column.targets.iter().map(move |to| definition::relationship(schema, table, column, to)))
                    .collect()
            }
            "OneToManyRelationships" => {
                let others = schema
                    .tables()
                    .flat_map(|(_, other)| other.columns().filter(|(_, column)| !column.internal).map(move |(_, column)| (other, column)));
                let pairs = others.flat_map(|(other, column)| column.targets.iter().map(move |to| (other, column, to)));
                pairs
                    .filter(|(.., to)| to.table == table.name)
                    .map(|(other, column, to)| definition::relationship(schema, other, column, to))
                    .collect()
            }
            "ManyToManyRelationships" => {
                let own = schema.associations.iter().filter(|known| known.ends.iter().any(|end| end.table == table.name));
                own.map(definition::association).collect()
            }
            "Privileges" => Vec::new(),
            other => return Err(Refusal::no_segment(other)),
        })
    }

    /// The columns as metadata, of one cast or all; hidden ones left out unless the request insists on fresh metadata.
    fn attributes(&self, call: &Call<'_>, table: &Table, cast: Option<&str>) -> Vec<Map<String, Json>> {
        let strong = call.request.header("consistency").is_some_and(|value| value.eq_ignore_ascii_case("strong"));
        let now = call.now.as_second();
        let visible = table.columns().filter(|(_, column)| strong || column.visible_from <= now);
        let wanted = |column: &Column| cast.is_none_or(|cast| cast == definition::cast(column.kind).0);
        let all = visible.flat_map(|(_, column)| {
            [wanted(column).then(|| definition::attribute(table, column)), definition::companion(table, column)].into_iter().flatten()
        });
        let of_cast = all.filter(|(own, _)| cast.is_none_or(|cast| *own == cast));
        let typed = of_cast.map(|(own, map)| {
            let plain = if cast.is_some() { map } else { map.into_iter().filter(|(name, _)| is_base(name)).collect() };
            let tag = [("@odata.type".to_owned(), Json::from(format!("#{NAMESPACE}{own}")))];
            let tag = tag.into_iter().filter(|_| cast.is_none());
            tag.chain(plain).collect()
        });
        typed.collect()
    }

    fn entity_child(&self, call: &Call<'_>, at: usize, child: &Segment, casts: &[Segment]) -> Outcome<Response> {
        let table = self.table_at(at)?;
        let cast = match casts {
            [] => None,
            [cast] => Some(known_cast(&cast.name)?),
            [_, other, ..] => return Err(Refusal::no_segment(&other.name)),
        };
        if child.name == "Attributes"
            && let Some(arguments) = &child.arguments
        {
            return self.one_attribute(call, table, arguments, cast);
        }
        let name = child.name.as_str();
        let type_name = cast.unwrap_or(name);
        let children = filter(self.children(call, table, name, cast)?, call.options.get("$filter"), &call.options, type_name)?;
        let select = selection(call.options.get("$select"));
        let mut values = Vec::new();
        for child in children {
            values.push(Json::Object(self.with_options(call, table, child, select.as_deref(), type_name)?));
        }
        let qualified = cast.map(|cast| format!("/{NAMESPACE}{cast}")).unwrap_or_default();
        Ok(listing(call, &format!("EntityDefinitions('{}')/{name}{qualified}{}", table.name, shape(&call.options)), values))
    }

    fn one_attribute(&self, call: &Call<'_>, table: &Table, arguments: &str, cast: Option<&str>) -> Outcome<Response> {
        let wanted = match key(arguments)? {
            Key::Id(id) => ("MetadataId", id.to_string()),
            Key::Named(named) => match named.into_iter().next() {
                Some((name, Literal::Text(value))) if name == "LogicalName" => ("LogicalName", value),
                Some(_) | None => return Err(Refusal::query("Attributes can be addressed by LogicalName or MetadataId.")),
            },
        };
        let attributes = self.attributes(call, table, cast);
        let found = attributes.into_iter().find(|map| map.get(wanted.0).and_then(Json::as_str) == Some(wanted.1.as_str()));
        let found = found.ok_or_else(|| {
            let text = format!("Could not find a property named '{}' on '{}' in the MetadataCache.", wanted.1, table.name);
            Refusal::new(404, "0x80060888", text)
        })?;
        let select = selection(call.options.get("$select"));
        let mut map = self.with_options(call, table, found, select.as_deref(), cast.unwrap_or("AttributeMetadata"))?;
        let qualified = cast.map(|cast| format!("/{NAMESPACE}{cast}")).unwrap_or_default();
        let context =
            format!("{}/$metadata#EntityDefinitions('{}')/Attributes{qualified}{}/$entity", call.base, table.name, shape(&call.options));
        map.insert("@odata.context".to_owned(), context.into());
        Ok(json_answer(200, Json::Object(map).to_string()))
    }

    /// An attribute with its selected properties and, where asked for, its option sets: exactly one of the two has a value.
    fn with_options(
        &self,
        call: &Call<'_>,
        table: &Table,
        child: Map<String, Json>,
        select: Option<&[String]>,
        type_name: &str,
    ) -> Outcome<Map<String, Json>> {
        let column: Option<&Column> = child.get("LogicalName").and_then(Json::as_str).and_then(|name| table.column(table.find(name)?));
        let mut map = project(child, select, type_name)?;
        let name = column.and_then(|column| column.option_set.as_ref());
        let global = name.and_then(|name| self.store.schema.option_sets.iter().find(|set| set.name == *name));
        for item in call.options.get("$expand").map(|text| split_outside(text, ',')).unwrap_or_default() {
            let (name, inner) = nested(item);
            // Only the types of choices have option sets.
            if !matches!(
                type_name,
                "PicklistAttributeMetadata" | "StateAttributeMetadata" | "StatusAttributeMetadata" | "BooleanAttributeMetadata"
            ) {
                return Err(Refusal::no_property(name, type_name));
            }
            let value = match (name, column) {
                ("OptionSet", Some(column)) if global.is_none() && (!column.options.is_empty() || column.kind == Kind::Boolean) => {
                    let set = definition::object(definition::option_set(table, column));
                    Json::Object(project(set, selection(inner.get("$select")).as_deref(), "OptionSetMetadata")?)
                }
                ("GlobalOptionSet", Some(_)) => match global {
                    Some(set) => Json::Object(project(
                        definition::global_option_set(set),
                        selection(inner.get("$select")).as_deref(),
                        "OptionSetMetadata",
                    )?),
                    None => Json::Null,
                },
                ("OptionSet" | "GlobalOptionSet", _) => Json::Null,
                (other, _) => return Err(Refusal::no_property(other, type_name)),
            };
            map.insert(name.to_owned(), value);
        }
        Ok(map)
    }

    /// `RetrieveMetadataChanges(Query=@p1)`: tables by name, their columns by name, typed properties in one answer.
    pub(crate) fn metadata_changes(&self, call: &Call<'_>, segment: &Segment) -> Outcome<Response> {
        let arguments = segment.arguments.as_deref().unwrap_or_default();
        let text = arguments.split_once('=').map(|(_, value)| value.trim()).unwrap_or_default();
        let text = if text.starts_with('@') { call.options.get(text).unwrap_or_default() } else { text };
        let query: Json = serde_json::from_str(text).map_err(|fault| Refusal::query(format!("The query can't be read: {fault}.")))?;
        let columns = query.get("AttributeQuery");
        let names: Vec<&str> = columns
            .and_then(|query| query.pointer("/Properties/PropertyNames")?.as_array())
            .map(|names| names.iter().filter_map(Json::as_str).collect())
            .unwrap_or_default();
        let mut entities = Vec::new();
        for (_, table) in self.store.schema.tables().filter(|(_, table)| named(Some(&query), &table.name)) {
            let mut attributes = Vec::new();
            for (_, column) in table.columns() {
                let (cast, mut map) = definition::attribute(table, column);
                if !column.options.is_empty() {
                    map.insert("OptionSet".to_owned(), definition::option_set(table, column));
                }
                if columns.is_none() || !named(columns, &column.name) {
                    continue;
                }
                let keep = |name: &str| names.is_empty() || names.contains(&name) || matches!(name, "MetadataId" | "LogicalName");
                let mut kept: Map<String, Json> = map.into_iter().filter(|(name, _)| keep(name)).collect();
                kept.insert("@odata.type".to_owned(), format!("#{NAMESPACE}{cast}").into());
                attributes.push(Json::Object(kept));
            }
            entities.push(json!({"LogicalName": table.name, "MetadataId": definition::metadata_id(&table.name), "Attributes": attributes, "HasChanged": null}));
        }
        let body = json!({
            "@odata.context": format!("{}/$metadata#Microsoft.Dynamics.CRM.RetrieveMetadataChangesResponse", call.base),
            "EntityMetadata": entities, "ServerVersionStamp": format!("{}!{}", self.store.version(), call.now), "DeletedMetadata": null,
        });
        Ok(json_answer(200, body.to_string()))
    }
}

/// Whether a query's conditions on `LogicalName` let a name through.
fn named(query: Option<&Json>, name: &str) -> bool {
    let conditions = query.and_then(|query| query.pointer("/Criteria/Conditions")?.as_array());
    let mut wanted =
        conditions.into_iter().flatten().filter(|condition| condition.get("PropertyName").and_then(Json::as_str) == Some("LogicalName"));
    wanted.all(|condition| condition.pointer("/Value/Value").and_then(Json::as_str) == Some(name))
}

/// Properties every attribute has, which a request without a cast may name.
fn is_base(name: &str) -> bool {
    !matches!(
        name,
        "MaxLength"
            | "Format"
            | "FormatName"
            | "DatabaseLength"
            | "IsLocalizable"
            | "FormulaDefinition"
            | "YomiOf"
            | "MinValue"
            | "MaxValue"
            | "Precision"
            | "PrecisionSource"
            | "IsBaseCurrency"
            | "CalculationOf"
            | "DateTimeBehavior"
            | "MinSupportedValue"
            | "MaxSupportedValue"
            | "Targets"
            | "DefaultValue"
            | "DefaultFormValue"
            | "ParentPicklistLogicalName"
            | "ChildPicklistLogicalNames"
    )
}

fn known_cast(name: &str) -> Outcome<&str> {
    let short = name.strip_prefix(NAMESPACE).ok_or_else(|| Refusal::no_segment(name))?;
    // The abstract type of all choices can't be cast to.
    if short == "EnumAttributeMetadata" || !short.ends_with("AttributeMetadata") {
        return Err(Refusal::no_segment(name));
    }
    Ok(short)
}

/// An item of `$expand`: its name and its inner options.
fn nested(item: &str) -> (&str, Options) {
    let item = item.trim();
    match (item.find('('), item.ends_with(')')) {
        (Some(open), true) => {
            let inner = item.get(open + 1..item.len() - 1).unwrap_or_default();
            let joined = split_outside(inner, ';').join("&").replace('+', "%2B");
            (item.get(..open).unwrap_or_default(), Options::parse(&joined))
        }
        (Some(_), false) | (None, _) => (item, Options::default()),
    }
}

pub(crate) fn shape(options: &Options) -> String {
    options.get("$select").map(|select| format!("({select})")).unwrap_or_default()
}

pub(crate) fn listing(call: &Call<'_>, shape: &str, values: Vec<Json>) -> Response {
    let body = json!({"@odata.context": format!("{}/$metadata#{shape}", call.base), "value": values});
    json_answer(200, body.to_string())
}
