//! Descriptions of tables: their set, key, columns and relations.
//!
//! Metadata are not paged, and new columns may be invisible for half a minute on some servers unless strong consistency is asked for
//! (Microsoft's "Query table definitions using the Web API" page). What a column's kind adds (lengths, choices, targets) needs one call per
//! kind; a kind that the server doesn't know only loses that detail.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde::Deserialize;
use wire::{CallError, Class, Endpoint, Request, Response};

use crate::{
    client::Client,
    column::{Attribute, Column, Detail},
    odata,
};

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its logical name: `lead`.
    pub logical_name: String,
    /// Its name in addresses: `leads`.
    pub set_name: String,
    /// The column of its key.
    pub primary_id: String,
    /// The column of its name; some tables have none.
    pub primary_name: Option<String>,
    /// Whether its changes are tracked.
    pub change_tracking: bool,
    /// Its columns by logical name.
    pub columns: BTreeMap<String, Column>,
}

impl Table {
    /// The columns with this label in any language, whatever the case; not those that only mirror another. Labels are not unique.
    #[must_use]
    pub fn labelled(&self, label: &str) -> Vec<&Column> {
        let wanted = label.trim().to_lowercase();
        let fits =
            |column: &&Column| column.attribute_of.is_none() && column.labels.iter().any(|label| label.trim().to_lowercase() == wanted);
        self.columns.values().filter(fits).collect()
    }
}

impl Client {
    /// A table with all its columns, in some ten calls.
    ///
    /// # Errors
    /// A refusal of class [`Class::Missing`] when there is no such table.
    pub async fn table(&self, name: &str) -> Result<Table, CallError> {
        let definition = self.call(&Definition { table: name.to_owned() }).await?;
        let table = definition.logical_name.clone();
        let attributes = async {
            let all = self.call(&Attributes { table: table.clone(), secured: true }).await;
            match &all {
                // A server that doesn't know the property loses only that detail.
                Err(error)
                    if error.refusal().is_some_and(|refusal| matches!(refusal.class, Class::Bug | Class::Record | Class::Missing)) =>
                {
                    self.call(&Attributes { table: table.clone(), secured: false }).await
                }
                Ok(_) | Err(_) => all,
            }
        };
        let details = join_all(Cast::ALL.map(|cast| {
            let details = Details { table: table.clone(), cast };
            async move { (cast, self.call(&details).await) }
        }));
        let (attributes, details) = futures::join!(attributes, details);
        let mut columns: BTreeMap<String, Column> =
            attributes?.into_iter().map(Column::of).map(|column| (column.logical_name.clone(), column)).collect();
        for (cast, details) in details {
            for detail in known(cast, details)? {
                if let Some(column) = columns.get_mut(&detail.logical_name) {
                    column.refine(detail);
                }
            }
        }
        Ok(Table {
            logical_name: definition.logical_name,
            set_name: definition.entity_set_name,
            primary_id: definition.primary_id_attribute,
            primary_name: definition.primary_name_attribute.filter(|name| !name.is_empty()),
            change_tracking: definition.change_tracking_enabled.unwrap_or(false),
            columns,
        })
    }
}

/// The details, or none where the server doesn't know the kind.
fn known(cast: Cast, details: Result<Vec<Detail>, CallError>) -> Result<Vec<Detail>, CallError> {
    match details {
        Err(CallError::Refused(refusal)) if matches!(refusal.class, Class::Bug | Class::Record | Class::Missing) => {
            tracing::debug!(cast = cast.name(), %refusal, "no details of this kind of column");
            Ok(Vec::new())
        }
        details @ (Ok(_) | Err(_)) => details,
    }
}

fn get(what: &'static str, path: String) -> Result<Request, CallError> {
    Ok(odata::get(what, path)?.header("consistency", "Strong"))
}

#[derive(Deserialize)]
struct Listed<T> {
    value: Vec<T>,
}

/// A table without its columns.
struct Definition {
    table: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefinitionReply {
    logical_name: String,
    entity_set_name: String,
    primary_id_attribute: String,
    primary_name_attribute: Option<String>,
    change_tracking_enabled: Option<bool>,
}

impl Endpoint for Definition {
    type Reply = DefinitionReply;

    fn request(&self) -> Result<Request, CallError> {
        let select = "LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,ChangeTrackingEnabled";
        get("metadata.table", format!("/EntityDefinitions(LogicalName='{}')?$select={select}", odata::name(&self.table)?))
    }

    fn decode(&self, response: &Response) -> Result<DefinitionReply, CallError> {
        odata::read(response)
    }
}

/// What all columns have in common.
struct Attributes {
    table: String,
    secured: bool,
}

impl Endpoint for Attributes {
    type Reply = Vec<Attribute>;

    fn request(&self) -> Result<Request, CallError> {
        let secured = if self.secured { ",IsSecured" } else { "" };
        let select = "LogicalName,DisplayName,AttributeType,AttributeTypeName,IsValidForRead,IsValidForCreate,IsValidForUpdate,AttributeOf";
        get(
            "metadata.columns",
            format!("/EntityDefinitions(LogicalName='{}')/Attributes?$select={select}{secured}", odata::name(&self.table)?),
        )
    }

    fn decode(&self, response: &Response) -> Result<Vec<Attribute>, CallError> {
        odata::read::<Listed<Attribute>>(response).map(|listed| listed.value)
    }
}

/// A kind of columns with properties of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    String,
    Memo,
    DateTime,
    Lookup,
    Boolean,
    Picklist,
    State,
    Status,
    MultiSelect,
}

impl Cast {
    const ALL: [Self; 9] = [
        Self::String,
        Self::Memo,
        Self::DateTime,
        Self::Lookup,
        Self::Boolean,
        Self::Picklist,
        Self::State,
        Self::Status,
        Self::MultiSelect,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::String => "StringAttributeMetadata",
            Self::Memo => "MemoAttributeMetadata",
            Self::DateTime => "DateTimeAttributeMetadata",
            Self::Lookup => "LookupAttributeMetadata",
            Self::Boolean => "BooleanAttributeMetadata",
            Self::Picklist => "PicklistAttributeMetadata",
            Self::State => "StateAttributeMetadata",
            Self::Status => "StatusAttributeMetadata",
            Self::MultiSelect => "MultiSelectPicklistAttributeMetadata",
        }
    }

    /// What to ask of it. Choices are behind navigation properties; state and status have no global ones.
    const fn query(self) -> &'static str {
        match self {
            Self::String | Self::Memo => "$select=LogicalName,MaxLength",
            Self::DateTime => "$select=LogicalName,Format,DateTimeBehavior",
            Self::Lookup => "$select=LogicalName,Targets",
            Self::Boolean => "$select=LogicalName&$expand=OptionSet($select=TrueOption,FalseOption)",
            Self::Picklist | Self::MultiSelect => "$select=LogicalName&$expand=OptionSet($select=Options),GlobalOptionSet($select=Options)",
            Self::State | Self::Status => "$select=LogicalName&$expand=OptionSet($select=Options)",
        }
    }
}

/// What the columns of one kind have of their own.
struct Details {
    table: String,
    cast: Cast,
}

impl Endpoint for Details {
    type Reply = Vec<Detail>;

    fn request(&self) -> Result<Request, CallError> {
        let (table, cast) = (odata::name(&self.table)?, self.cast);
        let path = format!("/EntityDefinitions(LogicalName='{table}')/Attributes/Microsoft.Dynamics.CRM.{}?{}", cast.name(), cast.query());
        get("metadata.details", path)
    }

    fn decode(&self, response: &Response) -> Result<Vec<Detail>, CallError> {
        odata::read::<Listed<Detail>>(response).map(|listed| listed.value)
    }
}

/// The lookups of a table: where each may point, and the navigation through which it is written.
#[derive(Debug, Clone)]
pub struct Relations {
    /// The table's logical name.
    pub table: String,
}

/// One target of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Relation {
    /// The lookup column.
    #[serde(rename = "ReferencingAttribute")]
    pub column: String,
    /// The table that it may point to.
    #[serde(rename = "ReferencedEntity")]
    pub target: String,
    /// The navigation property for [`crate::bind`]; its case matters.
    #[serde(rename = "ReferencingEntityNavigationPropertyName")]
    pub navigation: String,
}

impl Endpoint for Relations {
    type Reply = Vec<Relation>;

    fn request(&self) -> Result<Request, CallError> {
        let select = "ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName";
        let table = odata::name(&self.table)?;
        get("metadata.relations", format!("/EntityDefinitions(LogicalName='{table}')/ManyToOneRelationships?$select={select}"))
    }

    fn decode(&self, response: &Response) -> Result<Vec<Relation>, CallError> {
        odata::read::<Listed<Relation>>(response).map(|listed| listed.value)
    }
}
