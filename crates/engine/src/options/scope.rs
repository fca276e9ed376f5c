//! `[where]`: which rows are in scope.

use base::Table;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which rows are in scope; a table that isn't named is in scope as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// Which users are in scope. One that owns something is in scope all the same.
    pub systemuser: Option<Filter>,
    /// Which accounts are in scope.
    pub account: Option<Filter>,
    /// Which leads are in scope.
    pub lead: Option<Filter>,
    /// Which contacts are in scope.
    pub contact: Option<Filter>,
    /// Which opportunities are in scope.
    pub opportunity: Option<Filter>,
}

impl Filters {
    /// The filter of a table.
    #[must_use]
    pub fn of(&self, table: Table) -> Option<&Filter> {
        match table {
            Table::SystemUser => self.systemuser.as_ref(),
            Table::Account => self.account.as_ref(),
            Table::Lead => self.lead.as_ref(),
            Table::Contact => self.contact.as_ref(),
            Table::Opportunity => self.opportunity.as_ref(),
            Table::Team | Table::ConnectionRole | Table::Connection => None,
        }
    }
}

/// Which rows of a table are in scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields, expecting = "write a CEL expression as a text, or { switch = \"column\" }")]
pub enum Filter {
    /// A CEL expression, with the variables and functions of field maps. In scope is what it is true for; false and null are out.
    Expression(String),
    /// A yes/no column: out is what says No. Yes and blank are in, as with Marketo's native sync.
    Switch {
        /// The column's logical name.
        switch: String,
    },
}
