//! A Dataverse row, read without ever failing.

use std::borrow::Cow;

use base::{Guid, Table, Values};
use serde_json::Value;

use crate::schema::{Column, ColumnKind};

/// One row: column name to value, with OData annotations beside.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a>(pub &'a Values);

impl<'a> Row<'a> {
    /// A column's value; none when it is absent, null or the empty text, which Dataverse treats alike.
    #[must_use]
    pub fn value(self, column: &str) -> Option<&'a Value> {
        self.0.get(column).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    /// A column's value; a lookup's is the id it holds.
    #[must_use]
    pub fn of_column(self, column: &Column) -> Option<&'a Value> {
        match column.kind {
            ColumnKind::Lookup => self.value(&format!("_{}_value", column.name)),
            ColumnKind::Text
            | ColumnKind::Integer
            | ColumnKind::Decimal
            | ColumnKind::Boolean
            | ColumnKind::Choice
            | ColumnKind::Choices
            | ColumnKind::Date
            | ColumnKind::DateTime
            | ColumnKind::Id
            | ColumnKind::Other => self.value(&column.name),
        }
    }

    /// A text column.
    #[must_use]
    pub fn text(self, column: &str) -> Option<&'a str> {
        self.value(column)?.as_str()
    }

    /// A whole-number or choice column.
    #[must_use]
    pub fn integer(self, column: &str) -> Option<i64> {
        let value = self.value(column)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }

    /// A yes/no column; absent is no.
    #[must_use]
    pub fn is_true(self, column: &str) -> bool {
        self.value(column).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A GUID column.
    #[must_use]
    pub fn guid(self, column: &str) -> Option<Guid> {
        self.text(column)?.parse().ok()
    }

    /// A lookup by its column's name without `_…_value`, with the table that the annotation names, when there is one.
    #[must_use]
    pub fn lookup(self, name: &str) -> Option<(Guid, Option<&'a str>)> {
        let (column, annotation) = lookup_keys(name);
        Some((self.guid(&column)?, self.text(&annotation)))
    }

    /// A lookup, when it points to `table`: by its annotation, else by a typed column that holds the same id.
    #[must_use]
    pub fn lookup_to(self, name: &str, table: Table, typed: &[&str]) -> Option<Guid> {
        let (id, named) = self.lookup(name)?;
        match named {
            Some(named) => (named == table.name()).then_some(id),
            None => typed.iter().any(|typed| self.lookup(typed).is_some_and(|(other, _)| other == id)).then_some(id),
        }
    }
}

/// Under which names a lookup and the table that it points to are in a row. Those that every row is asked for need not be put together.
fn lookup_keys(name: &str) -> (Cow<'static, str>, Cow<'static, str>) {
    macro_rules! keys {
        ($($known:literal)*) => {
            match name {
                $($known => (
                    concat!("_", $known, "_value").into(),
                    concat!("_", $known, "_value@Microsoft.Dynamics.CRM.lookuplogicalname").into(),
                ),)*
                _ => (
                    format!("_{name}_value").into(),
                    format!("_{name}_value@Microsoft.Dynamics.CRM.lookuplogicalname").into(),
                ),
            }
        };
    }
    keys!("ownerid" "owninguser" "owningteam" "customerid" "accountid" "contactid" "parentcustomerid" "parentaccountid" "parentcontactid"
        "masterid" "originatingleadid")
}
