//! Changes of tables that people have asked for: tracking their changes, and columns for Sales Insight fields.

use base::Table;
use dataverse::{AddColumn, GetDefinition, NewColumnKind, Publish, PutDefinition, TableDefinition};
use planner::msi::MsiField;
use wire::CallError;

use super::Dynamics;

/// What people read about a column that was made here.
const DESCRIPTION: &str = "Written by Insight Bridge from Marketo Sales Insight.";

/// What a column for a Sales Insight field holds, as Adobe's package has it.
const fn kind(field: MsiField) -> NewColumnKind {
    match field {
        MsiField::MomentType | MsiField::MomentSource => NewColumnKind::Text(255),
        MsiField::MomentDescription => NewColumnKind::Memo(2_000),
        MsiField::MomentDate => NewColumnKind::Moment,
        MsiField::Priority | MsiField::Urgency | MsiField::Score => NewColumnKind::Integer,
    }
}

impl Dynamics {
    /// A table's definition.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn definition(&self, table: Table) -> Result<TableDefinition, CallError> {
        self.client.call(&GetDefinition { table: table.name().to_owned() }).await
    }

    /// Has a table's changes tracked from now on, and nothing else of it changed. It is published by [`Dynamics::publish`].
    ///
    /// # Errors
    /// What became of the calls.
    pub async fn track(&self, table: Table) -> Result<(), CallError> {
        // What is put back is what is there now.
        let definition = self.definition(table).await?.tracked();
        self.client.call(&PutDefinition { table: table.name().to_owned(), definition }).await
    }

    /// Adds a column for a Sales Insight field. It isn't published: new components are by themselves (Microsoft, "Publish customizations"), and
    /// publishing a table makes live whatever else others have changed of it.
    ///
    /// # Errors
    /// What became of the calls.
    pub async fn add_column(&self, table: Table, field: MsiField, name: &str) -> Result<(), CallError> {
        let language = self.definition(table).await?.language();
        let column = AddColumn {
            table: table.name().to_owned(),
            name: name.to_owned(),
            label: field.label().to_owned(),
            description: DESCRIPTION.to_owned(),
            language,
            kind: kind(field),
        };
        self.client.call(&column).await
    }

    /// Publishes a table, with all that was changed of it and not published yet.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn publish(&self, table: Table) -> Result<(), CallError> {
        self.client.call(&Publish { tables: vec![table.name().to_owned()] }).await
    }
}
