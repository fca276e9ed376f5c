//! Which rows are in scope: a filter evaluated here, because change tracking can't filter.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    ColumnKind, Row,
    expression::{Compiler, Expression},
    schema::{Columns, nearest},
};

/// A table's filter, checked against its columns.
#[derive(Debug, Clone, Default)]
pub enum Scope {
    /// Every row.
    #[default]
    All,
    /// Rows for which an expression is true.
    Where(Box<Expression>),
    /// Rows in which a yes/no column isn't No: blank means in scope, as with Marketo's native sync.
    UnlessNo(String),
}

/// A filter as it is configured.
#[derive(Debug, Clone, Copy)]
pub enum ScopeSpec<'a> {
    /// A CEL expression.
    Expression(&'a str),
    /// A yes/no column.
    Switch(&'a str),
}

impl Scope {
    /// Checks a filter.
    ///
    /// # Errors
    /// What is wrong with it, in words that go on after its name.
    pub fn compile(spec: Option<ScopeSpec<'_>>, columns: &Columns, readable_secured: &BTreeSet<String>) -> Result<Self, String> {
        let scope = match spec {
            None => return Ok(Self::All),
            Some(ScopeSpec::Expression(text)) => {
                let expression = Compiler::default().compile(text, columns)?;
                if let Some(given) = expression.gives_no_truth(columns) {
                    return Err(format!("gives {given} for some row, which is neither true nor false"));
                }
                Self::Where(Box::new(expression))
            }
            Some(ScopeSpec::Switch(name)) => match columns.get(name).map(|column| column.kind) {
                Some(ColumnKind::Boolean) => Self::UnlessNo(name.to_owned()),
                Some(kind) => return Err(format!("names {name}, which is no yes/no column ({kind:?})")),
                None => {
                    let near = nearest(name, columns.keys().map(String::as_str)).map(|near| format!("; did you mean {near}?"));
                    return Err(format!("names {name}, which is no column of the table{}", near.unwrap_or_default()));
                }
            },
        };
        // A column that can't be read is never taken for a blank one: that would put rows out of scope, or into it.
        let is_hidden =
            |name: &&str| columns.get(*name).is_some_and(|column| !column.readable || column.secured && !readable_secured.contains(*name));
        let hidden = scope.columns().find(is_hidden);
        if let Some(name) = hidden {
            return Err(format!(
                "reads {name}, which is secured or may not be read; give the application user read permission and name it in \
                 dynamics.readable_secured_columns"
            ));
        }
        Ok(scope)
    }

    /// The columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let (expression, switch) = match self {
            Self::All => (None, None),
            Self::Where(expression) => (Some(expression.columns()), None),
            Self::UnlessNo(column) => (None, Some(column.as_str())),
        };
        expression.into_iter().flatten().chain(switch)
    }

    /// Whether a row is in scope.
    ///
    /// # Errors
    /// Why the expression has no answer for this row; nothing follows from that.
    pub fn holds(&self, row: Row<'_>, columns: &Columns) -> Result<bool, String> {
        match self {
            Self::All => Ok(true),
            Self::UnlessNo(column) => Ok(row.value(column).and_then(Value::as_bool) != Some(false)),
            Self::Where(expression) => match expression.value(row, columns)? {
                Value::Bool(holds) => Ok(holds),
                Value::Null => Ok(false),
                other @ (Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
                    Err(format!("gives {other}, which is neither true nor false"))
                }
            },
        }
    }

    /// What changes when the filter does.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::All => String::new(),
            Self::Where(expression) => format!("{expression:?}"),
            Self::UnlessNo(column) => format!("unless {column} is no"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Column;

    fn columns() -> Columns {
        let column = |name: &str, kind, readable| Column {
            name: name.into(),
            labels: Vec::new(),
            kind,
            max_length: None,
            options: Vec::new(),
            readable,
            updatable: true,
            secured: !readable,
        };
        [
            column("new_sync", ColumnKind::Boolean, true),
            column("new_secret", ColumnKind::Boolean, false),
            column("city", ColumnKind::Text, true),
        ]
        .into_iter()
        .map(|column| (column.name.clone(), column))
        .collect()
    }

    fn check(spec: ScopeSpec<'_>, row: Value, expected: Result<bool, &str>) {
        let columns = columns();
        let holds = Scope::compile(Some(spec), &columns, &BTreeSet::new())
            .and_then(|scope| scope.holds(Row(&row.as_object().unwrap().clone().into()), &columns));
        match expected {
            Ok(expected) => assert_eq!(holds, Ok(expected), "{spec:?} {row}"),
            Err(part) => assert!(holds.as_ref().is_err_and(|error| error.contains(part)), "{spec:?} {row} {holds:?}"),
        }
    }

    #[test]
    fn filters() {
        check(ScopeSpec::Switch("new_sync"), json!({}), Ok(true));
        check(ScopeSpec::Switch("new_sync"), json!({"new_sync": true}), Ok(true));
        check(ScopeSpec::Switch("new_sync"), json!({"new_sync": false}), Ok(false));
        check(ScopeSpec::Switch("city"), json!({}), Err("no yes/no column"));
        check(ScopeSpec::Switch("new_synk"), json!({}), Err("did you mean new_sync?"));
        check(ScopeSpec::Switch("new_secret"), json!({}), Err("may not be read"));
        check(ScopeSpec::Expression("city == 'Oslo'"), json!({"city": "Oslo"}), Ok(true));
        check(ScopeSpec::Expression("city == 'Oslo'"), json!({}), Ok(false));
        check(ScopeSpec::Expression("new_sync"), json!({}), Ok(false));
        check(ScopeSpec::Expression("'x'"), json!({}), Err("neither true nor false"));
    }
}
