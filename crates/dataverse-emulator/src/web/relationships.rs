//! `RelationshipDefinitions`: reading, making and removing relationships (Microsoft's "Create and update table relationships" page).
//!
//! A one-to-many relationship comes with its lookup column and goes with it; a many-to-many one with its intersect table.

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
    route::NAMESPACE,
};
use crate::{
    error::{Outcome, Refusal},
    headers::{json, no_content},
    odata::{
        syntax::Literal,
        uri::{Key, Segment, key},
    },
    schema::{Association, End, Kind, NewColumn, OnDelete, Required, Table},
    state::State,
};

/// Properties of every relationship, which a request without a cast may name.
const BASE: [&str; 11] = [
    "MetadataId",
    "SchemaName",
    "RelationshipType",
    "IsCustomRelationship",
    "IsManaged",
    "IsValidForAdvancedFind",
    "SecurityTypes",
    "IntroducedVersion",
    "IsCustomizable",
    "HasChanged",
    "CascadeConfiguration",
];

impl State {
    /// Any request under `RelationshipDefinitions`.
    pub(crate) fn relationships(&mut self, call: &Call<'_>, first: &Segment) -> Outcome<Response> {
        let cast = match call.segments.get(1..).unwrap_or_default() {
            [] => None,
            [cast] => Some(known_cast(&cast.name)?),
            [_, other, ..] => return Err(Refusal::no_segment(&other.name)),
        };
        match (call.request.method.clone(), &first.arguments) {
            (Method::GET, None) => {
                let type_name = cast.unwrap_or("RelationshipMetadataBase");
                let kept = filter(self.all_relationships(cast), call.options.get("$filter"), &call.options, type_name)?;
                let values = kept.into_iter().map(|map| self.shown_relationship(call, map, cast).map(Json::Object));
                let values = values.collect::<Outcome<Vec<_>>>()?;
                Ok(listing(call, &format!("RelationshipDefinitions{}", shape(&call.options)), values))
            }
            (Method::GET, Some(arguments)) => {
                let mut map = self.shown_relationship(call, self.relationship_by(arguments, cast)?, cast)?;
                let context = format!("{}/$metadata#RelationshipDefinitions{}/$entity", call.base, shape(&call.options));
                map.insert("@odata.context".to_owned(), context.into());
                Ok(json(200, Json::Object(map).to_string()))
            }
            (Method::POST, None) => {
                let body = self.body(call, "RelationshipMetadata")?;
                let schema = text(&body, "SchemaName").to_owned();
                if schema.is_empty() || self.all_relationships(None).iter().any(|known| text(known, "SchemaName") == schema) {
                    return Err(Refusal::new(400, "0x80044363", format!("A relationship needs a name of its own, not '{schema}'.")));
                }
                match text(&body, "@odata.type").trim_start_matches('#').trim_start_matches(NAMESPACE) {
                    "OneToManyRelationshipMetadata" => self.make_lookup(call, &schema, &body)?,
                    "ManyToManyRelationshipMetadata" => self.make_association(&schema, &body)?,
                    other => return Err(Refusal::payload("RelationshipMetadata", format!("'{other}' is no type of relationship."))),
                }
                Ok(made(call, &format!("RelationshipDefinitions({})", definition::metadata_id(&format!("relationship:{schema}")))))
            }
            (Method::PUT, Some(arguments)) => {
                let found = self.relationship_by(arguments, None)?;
                let body = self.body(call, "RelationshipMetadata")?;
                if let Some(delete) = on_delete(&body) {
                    self.edit_lookup(text(&found, "SchemaName"), |target| target.on_delete = delete);
                }
                Ok(no_content())
            }
            (Method::DELETE, Some(arguments)) => {
                let found = self.relationship_by(arguments, None)?;
                self.drop_relationship(&found)?;
                Ok(no_content())
            }
            (method, _) => Err(Refusal::method(format!("The requested resource does not support http method '{method}'."))),
        }
    }

    fn all_relationships(&self, cast: Option<&str>) -> Vec<Map<String, Json>> {
        let schema = &self.store.schema;
        let columns = schema.tables().flat_map(|(_, table)| table.columns().map(move |(_, column)| (table, column)));
        let columns = columns.filter(|(_, column)| !column.internal);
        let lookups = columns.flat_map(|(table, column)| column.targets.iter().map(move |to| (table, column, to)));
        let mut all: Vec<_> = lookups
            .map(|(table, column, to)| ("OneToManyRelationshipMetadata", definition::relationship(schema, table, column, to)))
            .chain(schema.associations.iter().map(|known| ("ManyToManyRelationshipMetadata", definition::association(known))))
            .filter(|(own, _)| cast.is_none_or(|cast| cast == *own))
            .collect();
        for (own, map) in all.iter_mut().filter(|_| cast.is_none()) {
            map.insert("@odata.type".to_owned(), format!("#{NAMESPACE}{own}").into());
        }
        all.into_iter().map(|(_, map)| map).collect()
    }

    /// Without a cast only what every relationship has can be selected.
    fn shown_relationship(&self, call: &Call<'_>, map: Map<String, Json>, cast: Option<&str>) -> Outcome<Map<String, Json>> {
        let select = selection(call.options.get("$select"));
        let unknown = select.iter().flatten().find(|name| cast.is_none() && !BASE.contains(&name.as_str()));
        if let Some(unknown) = unknown {
            return Err(Refusal::no_property(unknown, "RelationshipMetadataBase"));
        }
        project(map, select.as_deref(), cast.unwrap_or("RelationshipMetadataBase"))
    }

    /// The relationship behind `SchemaName='x'` or a metadata id.
    fn relationship_by(&self, arguments: &str, cast: Option<&str>) -> Outcome<Map<String, Json>> {
        let (name, value) = match key(arguments)? {
            Key::Id(id) => ("MetadataId", id.to_string()),
            Key::Named(named) => match named.into_iter().next() {
                Some((name, Literal::Text(value))) if name == "SchemaName" => ("SchemaName", value),
                Some(_) | None => return Err(Refusal::query("Relationships can be addressed by SchemaName or MetadataId.")),
            },
        };
        let found = self.all_relationships(cast).into_iter().find(|map| text(map, name) == value);
        found.ok_or_else(|| Refusal::new(404, "0x80060888", format!("Could not find a relationship with the name or id '{value}'.")))
    }

    fn make_lookup(&mut self, call: &Call<'_>, schema: &str, body: &Map<String, Json>) -> Outcome<()> {
        let (referenced, referencing) = (self.named_table(body, "ReferencedEntity")?, self.named_table(body, "ReferencingEntity")?);
        let target = self.table_name(referenced).to_owned();
        let Some(Json::Object(lookup)) = body.get("Lookup") else {
            return Err(Refusal::payload("RelationshipMetadata", "A one-to-many relationship needs 'Lookup'."));
        };
        let column = text(lookup, "SchemaName").to_owned();
        let or = |name: &str, other: &str| Some(text(body, name)).filter(|text| !text.is_empty()).unwrap_or(other).to_owned();
        let (nav, many) = (or("ReferencingEntityNavigationPropertyName", &column), or("ReferencedEntityNavigationPropertyName", schema));
        let new = NewColumn {
            name: column.to_lowercase(),
            label: label_of(lookup, "DisplayName"),
            kind: Kind::Lookup,
            options: Vec::new(),
            targets: vec![target],
            schema: Some(column),
        };
        let visible = call.now.as_second().saturating_add(i64::from(self.options.metadata_lag_s));
        let table = self.store.schema.get_mut(referencing).ok_or_else(|| Refusal::no_segment("RelationshipDefinitions"))?;
        let at = table.add_column(new, visible).map_err(|text| Refusal::new(400, "0x80047013", text))?;
        if let Some(column) = table.column_mut(at) {
            if lookup.get("RequiredLevel").and_then(|level| level.get("Value")?.as_str()) == Some("ApplicationRequired") {
                column.required = Required::Application;
            }
            for to in &mut column.targets {
                to.nav.clone_from(&nav);
                to.many.clone_from(&many);
                schema.clone_into(&mut to.relationship);
                to.on_delete = on_delete(body).unwrap_or(OnDelete::RemoveLink);
            }
        }
        Ok(())
    }

    fn make_association(&mut self, schema: &str, body: &Map<String, Json>) -> Outcome<()> {
        let (first, second) = (self.named_table(body, "Entity1LogicalName")?, self.named_table(body, "Entity2LogicalName")?);
        let names = [first, second].map(|at| self.table_name(at).to_owned());
        let intersect = Some(text(body, "IntersectEntityName")).filter(|text| !text.is_empty()).unwrap_or(schema).to_owned();
        if self.store.schema.find(&intersect.to_lowercase()).is_some() {
            return Err(Refusal::new(400, "0x80044363", format!("A table with the name '{intersect}' already exists.")));
        }
        // Both columns are named after their tables; of a table tied to itself they are told apart.
        let same = first == second;
        let keys = [(first, "one"), (second, "two")].map(|(at, suffix)| {
            let key = self.store.schema.get(at).map_or("", Table::key_name);
            if same { format!("{key}{suffix}") } else { key.to_owned() }
        });
        let [one, two] = &keys;
        let table = Table::intersect(&intersect, [one, two], self.next_code());
        let nav = |side: &str| Some(text(body, side)).filter(|text| !text.is_empty()).unwrap_or(schema).to_owned();
        let mut navs = [nav("Entity1NavigationPropertyName"), nav("Entity2NavigationPropertyName")];
        if let [first, second] = &mut navs
            && same
            && first == second
        {
            second.push_str("_referenced");
        }
        let ([first, second], [one, two], [out, back]) = (names, keys, navs);
        self.store.schema.associations.push(Association {
            schema: schema.to_owned(),
            intersect: table.name.clone(),
            custom: true,
            ends: [End { table: first, nav: out, column: one }, End { table: second, nav: back, column: two }],
        });
        self.store.add_table(table);
        Ok(())
    }

    fn named_table(&self, body: &Map<String, Json>, property: &str) -> Outcome<usize> {
        let name = text(body, property);
        let text = || format!("Could not find an entity with specified entity name: {name}");
        self.store.schema.find(name).ok_or_else(|| Refusal::new(404, "0x80060888", text()))
    }

    fn edit_lookup(&mut self, relationship: &str, edit: impl Fn(&mut crate::schema::Target)) {
        let tables: Vec<usize> = self.store.schema.tables().map(|(at, _)| at).collect();
        for table in tables {
            let Some(definition) = self.store.schema.get_mut(table) else { continue };
            let columns: Vec<u16> = definition.columns().map(|(at, _)| at).collect();
            for at in columns {
                let targets = definition.column_mut(at).into_iter().flat_map(|column| column.targets.iter_mut());
                targets.filter(|target| target.relationship == relationship).for_each(&edit);
            }
        }
    }

    fn drop_relationship(&mut self, found: &Map<String, Json>) -> Outcome<()> {
        let schema = text(found, "SchemaName");
        if found.get("IsCustomRelationship").and_then(Json::as_bool) != Some(true) {
            let text = format!("The EntityRelationship({schema}) component cannot be deleted because it is not a custom component.");
            return Err(Refusal::new(400, "0x80047007", text));
        }
        if let Some(at) = self.store.schema.associations.iter().position(|known| known.schema == schema) {
            let gone = self.store.schema.associations.remove(at);
            if let Some(table) = self.store.schema.find(&gone.intersect) {
                self.store.drop_table(table);
            }
            return Ok(());
        }
        let (table, column) = (text(found, "ReferencingEntity"), text(found, "ReferencingAttribute"));
        self.remove_column(table, column).map_err(|text| Refusal::new(400, "0x80047013", text))
    }
}

fn known_cast(name: &str) -> Outcome<&str> {
    let short = name.strip_prefix(NAMESPACE).unwrap_or(name);
    if matches!(short, "OneToManyRelationshipMetadata" | "ManyToManyRelationshipMetadata") {
        return Ok(short);
    }
    Err(Refusal::no_segment(name))
}

fn on_delete(body: &Map<String, Json>) -> Option<OnDelete> {
    match body.get("CascadeConfiguration")?.get("Delete")?.as_str()? {
        "Cascade" => Some(OnDelete::Cascade),
        "RemoveLink" => Some(OnDelete::RemoveLink),
        "Restrict" => Some(OnDelete::Restrict),
        "NoCascade" => Some(OnDelete::Keep),
        _ => None,
    }
}
