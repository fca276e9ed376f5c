//! Changes of the schema through the API: tables and alternate keys. Columns are in [`super::column_write`].

use emulator::Response;
use http::Method;
use serde_json::{Map, Value as Json};

use super::{
    Call,
    column_write::{Described, label_of, text},
    definition,
};
use crate::{
    error::{Outcome, Refusal},
    headers::{json, no_content},
    odata::uri::{Key, Segment, key},
    schema::Table,
    state::State,
    tabular::xml::Element,
};

/// Object type codes of tables that customers make start here.
pub(crate) const FIRST_CUSTOM_CODE: i32 = 10_000;

/// The privilege to publish.
const PUBLISH: &str = "prvPublishCustomization";

/// The privilege that a change of tables or columns needs (Microsoft, "Security roles": the miscellaneous privileges of customizers).
fn privilege(method: &Method, child: Option<&str>) -> Option<&'static str> {
    match (method, child) {
        (&Method::POST, Some("Attributes")) => Some("prvCreateAttribute"),
        (&Method::PUT, Some("Attributes")) => Some("prvWriteAttribute"),
        (&Method::DELETE, Some("Attributes")) => Some("prvDeleteAttribute"),
        (&Method::POST, None) => Some("prvCreateEntity"),
        (&Method::PUT, None) => Some("prvWriteEntity"),
        (&Method::DELETE, None) => Some("prvDeleteEntity"),
        _ => None,
    }
}

/// A table as a body describes it.
struct Wanted {
    table: Table,
    columns: Vec<Described>,
}

impl State {
    /// POST, PUT and DELETE under `EntityDefinitions`.
    pub(crate) fn change_metadata(&mut self, call: &Call<'_>, first: &Segment, rest: &[Segment]) -> Outcome<Response> {
        let method = call.request.method.clone();
        let unsupported = || Refusal::method(format!("The requested resource does not support http method '{method}'."));
        if let Some(privilege) = privilege(&method, rest.first().map(|child| child.name.as_str())) {
            self.require_named(privilege)?;
        }
        let Some(arguments) = &first.arguments else {
            if method != Method::POST || !rest.is_empty() {
                return Err(unsupported());
            }
            let body = self.body(call, "EntityMetadata")?;
            let wanted = self.wanted(&body)?;
            let name = wanted.table.name.clone();
            self.add_wanted(wanted)?;
            return Ok(made(call, &format!("EntityDefinitions({})", definition::metadata_id(&name))));
        };
        let table = self.metadata_table(arguments)?;
        let name = self.table_name(table).to_owned();
        let custom = self.store.schema.get(table).is_some_and(|table| table.code >= FIRST_CUSTOM_CODE);
        match (&method, rest) {
            (_, [child, ..]) if child.name == "Attributes" => self.change_column(call, table, child),
            (&Method::POST, [child]) if child.name == "Keys" => {
                let body = self.body(call, "EntityKey")?;
                let key_name = text(&body, "SchemaName").to_lowercase();
                let attributes = body.get("KeyAttributes").and_then(Json::as_array).into_iter().flatten();
                let columns: Vec<String> = attributes.filter_map(|c| c.as_str().map(str::to_lowercase)).collect();
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                let known = self.store.schema.get(table).is_some_and(|table| table.keys.iter().any(|key| key.name == key_name));
                if known || key_name.is_empty() || columns.is_empty() {
                    return Err(Refusal::new(400, "0x80060890", format!("The key '{key_name}' needs columns and a name of its own.")));
                }
                self.add_key(&name, &key_name, &columns).map_err(|text| Refusal::new(400, "0x80047013", text))?;
                let id = definition::metadata_id(&format!("key:{name}.{key_name}"));
                Ok(made_below(call, &format!("Keys({id})")))
            }
            (&Method::DELETE, [child]) if child.name == "Keys" => self.drop_key(table, &name, child),
            (&Method::PUT, []) => {
                let body = self.body(call, "EntityMetadata")?;
                self.edit_table(table, &body);
                Ok(no_content())
            }
            (&Method::DELETE, []) if custom => {
                self.store.drop_table(table);
                Ok(no_content())
            }
            (&Method::DELETE, []) => {
                let text = format!("The Entity({name}) component cannot be deleted because it is not a custom component.");
                Err(Refusal::new(400, "0x80047007", text))
            }
            _ => Err(unsupported()),
        }
    }

    fn drop_key(&mut self, table: usize, name: &str, child: &Segment) -> Outcome<Response> {
        let wanted = key(child.arguments.as_deref().unwrap_or_default())?;
        let Some(definition) = self.store.schema.get_mut(table) else { return Err(Refusal::no_segment("Keys")) };
        let before = definition.keys.len();
        definition.keys.retain(|key| match &wanted {
            Key::Id(id) => definition::metadata_id(&format!("key:{name}.{}", key.name)) != *id,
            Key::Named(named) => !named.iter().any(|(_, value)| *value == crate::odata::syntax::Literal::Text(key.name.clone())),
        });
        if definition.keys.len() == before {
            return Err(Refusal::new(404, "0x80060888", "The key was not found."));
        }
        self.store.index_keys(table);
        Ok(no_content())
    }

    /// `PUT EntityDefinitions(…)`: labels, and change tracking, which can be switched on but not off.
    fn edit_table(&mut self, table: usize, body: &Map<String, Json>) {
        let track = body.get("ChangeTrackingEnabled").and_then(Json::as_bool) == Some(true);
        if let Some(definition) = self.store.schema.get_mut(table) {
            if let Some(label) = label_of(body, "DisplayName") {
                definition.label = label;
            }
            if let Some(label) = label_of(body, "DisplayCollectionName") {
                definition.plural = label;
            }
            definition.tracked |= track;
        }
        if track {
            let name = self.table_name(table).to_owned();
            self.options.untracked_tables.remove(&name);
        }
    }

    /// `POST /PublishXml`: what was changed shows to people from now on. The emulator shows it at once in any case.
    pub(crate) fn publish(&mut self, call: &Call<'_>) -> Outcome<Response> {
        self.require_named(PUBLISH)?;
        let body = self.body(call, "PublishXml")?;
        let root = Element::read(text(&body, "ParameterXml"));
        match root.is_some_and(|root| root.name == "importexportxml") {
            true => Ok(no_content()),
            false => Err(Refusal::payload("PublishXml", "The payload needs 'ParameterXml', an importexportxml.")),
        }
    }

    /// `POST /PublishAllXml`.
    pub(crate) fn publish_all(&self) -> Outcome<Response> {
        self.require_named(PUBLISH)?;
        Ok(no_content())
    }

    /// `POST /CreateEntities`, as Microsoft's Python client makes tables.
    pub(crate) fn create_entities(&mut self, call: &Call<'_>) -> Outcome<Response> {
        let body = self.body(call, "CreateEntities")?;
        let entities = body.get("Entities").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_object);
        let wanted = entities.map(|entity| self.wanted(entity)).collect::<Outcome<Vec<_>>>()?;
        for table in wanted {
            self.add_wanted(table)?;
        }
        let context = format!("{}/$metadata#Microsoft.Dynamics.CRM.CreateEntitiesResponse", call.base);
        Ok(json(200, serde_json::json!({"@odata.context": context}).to_string()))
    }

    /// Reads a table's metadata with its columns.
    fn wanted(&self, entity: &Map<String, Json>) -> Outcome<Wanted> {
        let schema = text(entity, "SchemaName").to_owned();
        if !schema.contains('_') {
            return Err(Refusal::new(400, "0x8004f026", format!("The schema name '{schema}' needs a publisher's prefix, such as 'new_'.")));
        }
        if self.store.schema.find(&schema.to_lowercase()).is_some() {
            return Err(Refusal::new(400, "0x80044363", format!("A table with the name '{schema}' already exists.")));
        }
        let attributes = entity.get("Attributes").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_object);
        let mut columns = attributes.map(|attribute| self.describe(attribute)).collect::<Outcome<Vec<_>>>()?;
        let primary = text(entity, "PrimaryNameAttribute").to_lowercase();
        if !columns.iter().any(|column| column.title)
            && let Some(column) = columns.iter_mut().find(|column| column.column.name == primary)
        {
            column.title = true;
        }
        let label = label_of(entity, "DisplayName").unwrap_or_else(|| schema.clone());
        let plural = label_of(entity, "DisplayCollectionName").unwrap_or_else(|| schema.clone());
        let mut table = Table::custom(&schema, &label, &plural, self.next_code());
        table.tracked = entity.get("ChangeTrackingEnabled").and_then(Json::as_bool) == Some(true);
        if text(entity, "OwnershipType") == "OrganizationOwned" {
            table.disown();
        }
        Ok(Wanted { table, columns })
    }

    fn add_wanted(&mut self, wanted: Wanted) -> Outcome<()> {
        let at = self.store.add_table(wanted.table);
        for column in wanted.columns {
            self.add_described(at, column, i64::MIN)?;
        }
        Ok(())
    }

    /// The object type code of the next table a customer makes.
    pub(crate) fn next_code(&self) -> i32 {
        self.store.schema.tables().map(|(_, table)| table.code + 1).fold(FIRST_CUSTOM_CODE, i32::max)
    }
}

/// 204 with the address of what was made.
pub(crate) fn made(call: &Call<'_>, address: &str) -> Response {
    let address = format!("{}/{address}", call.base);
    no_content().with("odata-entityid", &address).with("location", &address)
}

/// 204 with the address of what was made below a table, which is named as the request named it.
pub(crate) fn made_below(call: &Call<'_>, child: &str) -> Response {
    let table = call.request.path.split("/EntityDefinitions").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    made(call, &format!("EntityDefinitions{table}/{child}"))
}
