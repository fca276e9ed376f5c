//! Where a mapped value comes from.

use serde_json::Value;

use crate::{
    Row,
    convert::{ChoiceAs, canonical},
    expression::Expression,
    schema::Columns,
};

/// One source of a value, checked against the table's columns.
#[derive(Debug, Clone)]
pub enum Source {
    /// A column; a choice as its number.
    Column(String),
    /// A choice's label.
    Label(String),
    /// Always the same.
    Constant(Value),
    /// The first of these that holds something.
    First(Vec<Source>),
    /// Texts of these columns that hold something, with a comma and a blank between.
    Lines(Vec<String>),
    /// Whether a choice column is one of these values; nothing when the column is empty.
    Among(String, Vec<i64>),
    /// Whether a choice column is none of these values; nothing when the column is empty.
    NotAmong(String, Vec<i64>),
    /// True when any of these columns is true, else nothing: consent goes one way (rule R5).
    AnyTrue(Vec<String>),
    /// An expression.
    Expression(Box<Expression>),
}

impl Source {
    /// The columns it reads.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::Column(column) | Self::Label(column) | Self::Among(column, _) | Self::NotAmong(column, _) => vec![column.clone()],
            Self::Constant(_) => Vec::new(),
            Self::First(sources) => sources.iter().flat_map(Self::columns).collect(),
            Self::Lines(columns) | Self::AnyTrue(columns) => columns.clone(),
            Self::Expression(expression) => expression.columns().map(str::to_owned).collect(),
        }
    }

    /// The same reading only columns that are there; none when nothing is left to read.
    #[must_use]
    pub fn limited_to(&self, is_there: &impl Fn(&str) -> bool) -> Option<Self> {
        let keep = |columns: &[String]| -> Vec<String> { columns.iter().filter(|column| is_there(column)).cloned().collect() };
        match self {
            Self::Column(column) | Self::Label(column) | Self::Among(column, _) | Self::NotAmong(column, _) => {
                is_there(column).then(|| self.clone())
            }
            Self::Constant(_) => Some(self.clone()),
            Self::First(sources) => {
                let left: Vec<Self> = sources.iter().filter_map(|source| source.limited_to(is_there)).collect();
                (!left.is_empty()).then_some(Self::First(left))
            }
            Self::Lines(columns) => Some(keep(columns)).filter(|left| !left.is_empty()).map(Self::Lines),
            Self::AnyTrue(columns) => Some(keep(columns)).filter(|left| !left.is_empty()).map(Self::AnyTrue),
            Self::Expression(expression) => expression.columns().all(is_there).then(|| self.clone()),
        }
    }

    /// The value for a row, canonical but not yet in the target's type.
    ///
    /// # Errors
    /// When an expression fails for this row.
    pub fn value(&self, row: Row<'_>, columns: &Columns) -> Result<Value, String> {
        let read = |name: &str, choice| match columns.get(name) {
            Some(column) => row.of_column(column).map_or(Value::Null, |value| canonical(column, value, choice)),
            None => Value::Null,
        };
        Ok(match self {
            Self::Column(column) => read(column, ChoiceAs::Number),
            Self::Label(column) => read(column, ChoiceAs::Label),
            Self::Constant(value) => value.clone(),
            Self::First(sources) => {
                for source in sources {
                    let value = source.value(row, columns)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Self::Lines(lines) => {
                let texts: Vec<&str> =
                    lines.iter().filter_map(|column| row.text(column)).map(str::trim).filter(|text| !text.is_empty()).collect();
                if texts.is_empty() { Value::Null } else { Value::String(texts.join(", ")) }
            }
            Self::Among(column, values) => row.integer(column).map_or(Value::Null, |value| Value::Bool(values.contains(&value))),
            Self::NotAmong(column, values) => row.integer(column).map_or(Value::Null, |value| Value::Bool(!values.contains(&value))),
            Self::AnyTrue(columns) => {
                if columns.iter().any(|column| row.is_true(column)) {
                    Value::Bool(true)
                } else {
                    Value::Null
                }
            }
            Self::Expression(expression) => expression.value(row, columns)?,
        })
    }
}
