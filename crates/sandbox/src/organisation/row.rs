//! A row in the making: logical names and JSON values, as the emulator takes them for seeding.

use base::{Guid, Timestamp, time};
use serde_json::{Map, Value};

/// A Dataverse row or a Marketo record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row(pub(crate) Map<String, Value>);

impl Row {
    pub(crate) fn put(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves the column out when there is nothing.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// A lookup in the Web API's reading form, which says which table it points to.
    pub(crate) fn look(self, name: &str, table: &str, id: Guid) -> Self {
        let column = format!("_{name}_value");
        let note = format!("{column}@Microsoft.Dynamics.CRM.lookuplogicalname");
        self.put(&note, table).put(&column, id.to_string())
    }

    pub(crate) fn times(self, (created, modified): (Timestamp, Timestamp)) -> Self {
        self.put("createdon", time::whole_seconds(created)).put("modifiedon", time::whole_seconds(modified))
    }
}
