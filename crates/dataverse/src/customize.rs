//! Changes of a table's definition: change tracking switched on, a column added, both published.
//!
//! From Microsoft's pages "Create and update table definitions using the Web API", "Create and update column definitions using the Web API" and
//! "Publish customizations". A table's definition can't be changed in part (PATCH isn't supported): it is read, changed and put back as a whole.
//! Without `MSCRM.MergeLabels: true`, labels in other languages would be lost.

use http::Method;
use serde_json::{Map, Value, json};
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::odata;

/// The language of a label where the environment doesn't show its own: English.
const ENGLISH: u64 = 1033;

/// Reads a table's whole definition, without its columns.
#[derive(Debug, Clone)]
pub struct GetDefinition {
    /// The table's logical name.
    pub table: String,
}

/// A table's definition, as it was read. What isn't changed goes back as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDefinition(Map<String, Value>);

impl TableDefinition {
    /// Whether the table's changes can be tracked at all.
    #[must_use]
    pub fn can_be_tracked(&self) -> bool {
        self.0.get("CanChangeTrackingBeEnabled").and_then(|property| property.get("Value")).and_then(Value::as_bool) != Some(false)
    }

    /// Whether its changes are tracked.
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.0.get("ChangeTrackingEnabled").and_then(Value::as_bool) == Some(true)
    }

    /// Whether columns may be added to it.
    #[must_use]
    pub fn takes_columns(&self) -> bool {
        self.0.get("CanCreateAttributes").and_then(|property| property.get("Value")).and_then(Value::as_bool) != Some(false)
    }

    /// The language in which our user sees its label: a code such as 1033. New labels need one that the environment has.
    #[must_use]
    pub fn language(&self) -> u64 {
        let label = self.0.get("DisplayName");
        let code = |path: &str| label?.pointer(path)?.as_u64();
        code("/UserLocalizedLabel/LanguageCode").or_else(|| code("/LocalizedLabels/0/LanguageCode")).unwrap_or(ENGLISH)
    }

    /// The same with its changes tracked. That can't be switched off again (Microsoft, "Use change tracking to synchronize data with external
    /// systems").
    #[must_use]
    pub fn tracked(mut self) -> Self {
        self.0.insert("ChangeTrackingEnabled".into(), true.into());
        self
    }
}

impl Endpoint for GetDefinition {
    type Reply = TableDefinition;

    fn request(&self) -> Result<Request, CallError> {
        let path = format!("/EntityDefinitions(LogicalName='{}')", odata::name(&self.table)?);
        Ok(odata::get("metadata.definition", path)?.header("consistency", "Strong"))
    }

    fn decode(&self, response: &Response) -> Result<TableDefinition, CallError> {
        odata::read(response).map(TableDefinition)
    }
}

/// Puts a table's definition back, in the place of the whole one that is there. It needs the privilege prvWriteEntity.
#[derive(Debug, Clone)]
pub struct PutDefinition {
    /// The table's logical name.
    pub table: String,
    /// The definition, as [`GetDefinition`] read it, with what is to be changed.
    pub definition: TableDefinition,
}

impl Endpoint for PutDefinition {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        let path = format!("/EntityDefinitions(LogicalName='{}')", odata::name(&self.table)?);
        let request = odata::send("metadata.put_definition", Method::PUT, path, &self.definition.0, Replay::Safe)?;
        Ok(request.header("mscrm.mergelabels", "true"))
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

/// What a new column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewColumnKind {
    /// A line of text of at most so many characters, 1 to 4,000.
    Text(u32),
    /// A long text of at most so many characters.
    Memo(u32),
    /// A whole number of 32 bits.
    Integer,
    /// A moment, which people see in their own time zone.
    Moment,
}

/// Adds a column to a table. It needs the privilege prvCreateAttribute.
#[derive(Debug, Clone)]
pub struct AddColumn {
    /// The table's logical name.
    pub table: String,
    /// The column's schema name: a publisher's prefix, an underscore, and a name.
    pub name: String,
    /// What people see as its name.
    pub label: String,
    /// What people read about it.
    pub description: String,
    /// The language of both, such as 1033.
    pub language: u64,
    /// What it holds.
    pub kind: NewColumnKind,
}

impl Endpoint for AddColumn {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        let label = |text: &str| {
            let localized = json!({ "@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": text, "LanguageCode": self.language });
            json!({ "@odata.type": "Microsoft.Dynamics.CRM.Label", "LocalizedLabels": [localized] })
        };
        let (kind, type_name, own) = match self.kind {
            NewColumnKind::Text(length) => ("String", "StringType", json!({ "MaxLength": length, "FormatName": { "Value": "Text" } })),
            NewColumnKind::Memo(length) => ("Memo", "MemoType", json!({ "MaxLength": length, "Format": "TextArea" })),
            NewColumnKind::Integer => ("Integer", "IntegerType", json!({ "MinValue": i32::MIN, "MaxValue": i32::MAX, "Format": "None" })),
            NewColumnKind::Moment => {
                ("DateTime", "DateTimeType", json!({ "Format": "DateAndTime", "DateTimeBehavior": { "Value": "UserLocal" } }))
            }
        };
        let mut body = json!({
            "@odata.type": format!("Microsoft.Dynamics.CRM.{kind}AttributeMetadata"),
            "AttributeType": kind,
            "AttributeTypeName": { "Value": type_name },
            "SchemaName": odata::name(&self.name)?,
            "DisplayName": label(&self.label),
            "Description": label(&self.description),
            "RequiredLevel": { "Value": "None", "CanBeChanged": true, "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings" },
        });
        if let (Value::Object(body), Value::Object(own)) = (&mut body, own) {
            body.extend(own);
        }
        let path = format!("/EntityDefinitions(LogicalName='{}')/Attributes", odata::name(&self.table)?);
        odata::send("metadata.add_column", Method::POST, path, &body, Replay::Unsafe)
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

/// Publishes what was changed of tables. It needs the privilege prvPublishCustomization.
#[derive(Debug, Clone)]
pub struct Publish {
    /// The tables' logical names.
    pub tables: Vec<String>,
}

impl Endpoint for Publish {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        let names = self.tables.iter().map(|table| odata::name(table)).collect::<Result<Vec<_>, _>>()?;
        let entities: String = names.iter().map(|name| format!("<entity>{name}</entity>")).collect();
        let body = json!({ "ParameterXml": format!("<importexportxml><entities>{entities}</entities></importexportxml>") });
        odata::send("metadata.publish", Method::POST, "/PublishXml".into(), &body, Replay::Safe)
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn body(request: &Request) -> Value {
        serde_json::from_slice(&request.body).unwrap()
    }

    #[test]
    fn a_definition_goes_back_as_it_came_but_for_what_is_changed() {
        let text = r#"{"@odata.context":"x","LogicalName":"lead","ChangeTrackingEnabled":false,"IsMailMergeEnabled":{"Value":true},
            "CanChangeTrackingBeEnabled":{"Value":true},"DisplayName":{"LocalizedLabels":[{"Label":"Lead","LanguageCode":1033},
            {"Label":"Piste","LanguageCode":1036}],"UserLocalizedLabel":{"Label":"Piste","LanguageCode":1036}}}"#;
        let read = GetDefinition { table: "lead".into() };
        let definition = read.decode(&Response { status: StatusCode::OK, headers: HeaderMap::new(), body: text.into() }).unwrap();
        assert!(definition.can_be_tracked() && definition.language() == 1036);
        let request = PutDefinition { table: "lead".into(), definition: definition.tracked() }.request().unwrap();
        let mut expected: Value = serde_json::from_str(text).unwrap();
        expected["ChangeTrackingEnabled"] = true.into();
        assert_eq!(body(&request), expected);
        assert_eq!((request.method.as_str(), request.headers["mscrm.mergelabels"].to_str().unwrap()), ("PUT", "true"));
    }

    #[test]
    fn a_column_is_written_as_the_page_shows_it() {
        let column = |kind| AddColumn {
            table: "lead".into(),
            name: "new_Priority".into(),
            label: "Engagement".into(),
            description: "Why".into(),
            language: 1031,
            kind,
        };
        let text = body(&column(NewColumnKind::Text(100)).request().unwrap());
        assert_eq!(text["@odata.type"], "Microsoft.Dynamics.CRM.StringAttributeMetadata");
        assert_eq!(
            (&text["MaxLength"], &text["FormatName"]["Value"], &text["RequiredLevel"]["Value"]),
            (&json!(100), &json!("Text"), &json!("None"))
        );
        assert_eq!(
            text["DisplayName"]["LocalizedLabels"][0],
            json!({"@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": "Engagement", "LanguageCode": 1031})
        );
        let request = column(NewColumnKind::Integer).request().unwrap();
        assert_eq!(request.replay, Replay::Unsafe);
        assert!(AddColumn { name: "a b".into(), ..column(NewColumnKind::Moment) }.request().is_err());
    }

    #[test]
    fn only_what_was_changed_is_published() {
        let request = Publish { tables: vec!["lead".into(), "contact".into()] }.request().unwrap();
        let xml = "<importexportxml><entities><entity>lead</entity><entity>contact</entity></entities></importexportxml>";
        assert_eq!(body(&request), json!({ "ParameterXml": xml }));
    }
}
