//! Literals as values of a column: strictly as OData compares, loosely as the custom query functions take them.

use super::syntax::{Literal, Operator};
use crate::{
    error::{Outcome, Refusal},
    schema::Kind,
    value::{Value, money, parse_day, parse_time},
};

/// A literal as a value of a column, strictly typed as OData is.
pub(crate) fn fit(literal: &Literal, kind: Kind, operator: Operator) -> Outcome<Value<'static>> {
    let value = match (kind, literal) {
        (_, Literal::Null) => Some(Value::Null),
        (Kind::Text(_) | Kind::Memo(_) | Kind::EntityName, Literal::Text(text)) => Some(Value::Text(text.clone().into())),
        (Kind::Integer(..) | Kind::BigInt | Kind::Choice | Kind::State | Kind::Status, Literal::Int(n)) => Some(Value::Int(*n)),
        (Kind::Integer(..) | Kind::BigInt | Kind::Double(_) | Kind::Decimal(_), Literal::Float(n)) => Some(Value::Float(*n)),
        (Kind::Double(_) | Kind::Decimal(_), Literal::Int(n)) => Some(Value::Int(*n)),
        (Kind::Money(..), Literal::Int(n)) => n.checked_mul(10_000).map(Value::Money),
        (Kind::Money(..), Literal::Float(n)) => money(*n).map(Value::Money),
        (Kind::Boolean, Literal::Bool(b)) => Some(Value::Bool(*b)),
        (Kind::DateTime | Kind::DateOnly, Literal::Time(at)) => Some(Value::Time(*at)),
        (Kind::DateTime, Literal::Day(day)) => Some(Value::Time(i64::from(*day) * 86_400)),
        (Kind::DateOnly, Literal::Day(day)) => Some(Value::Day(*day)),
        (Kind::Guid | Kind::Key | Kind::Lookup | Kind::Customer | Kind::Owner, Literal::Guid(id)) => Some(Value::Guid(*id)),
        _ => None,
    };
    value.ok_or_else(|| {
        let operator = match operator {
            Operator::Eq => "Equal",
            Operator::Ne => "NotEqual",
            Operator::Gt => "GreaterThan",
            Operator::Ge => "GreaterThanOrEqual",
            Operator::Lt => "LessThan",
            Operator::Le => "LessThanOrEqual",
        };
        Refusal::query(format!(
            "A binary operator with incompatible types was detected. Found operand types '{}' and '{}' for operator kind '{operator}'.",
            edm(kind),
            literal_edm(literal)
        ))
    })
}

/// A literal as the custom query functions take it: everything may come as text.
pub(crate) fn loose(literal: &Literal, kind: Kind) -> Outcome<Value<'static>> {
    let Literal::Text(text) = literal else { return fit(literal, kind, Operator::Eq) };
    let value = match kind {
        Kind::Text(_) | Kind::Memo(_) | Kind::EntityName => Some(Value::Text(text.clone().into())),
        Kind::Integer(..) | Kind::BigInt | Kind::Choice | Kind::State | Kind::Status => text.parse().ok().map(Value::Int),
        Kind::Double(_) | Kind::Decimal(_) => text.parse().ok().map(Value::Float),
        Kind::Money(..) => text.parse().ok().and_then(money).map(Value::Money),
        Kind::Boolean => Some(Value::Bool(matches!(text.as_str(), "1" | "true"))),
        Kind::DateTime => parse_time(text).map(Value::Time),
        Kind::DateOnly => parse_day(text).map(Value::Day),
        Kind::Guid | Kind::Key | Kind::Lookup | Kind::Customer | Kind::Owner => text.parse().ok().map(Value::Guid),
    };
    value.ok_or_else(|| Refusal::query(format!("The value '{text}' doesn't fit the property.")))
}

/// The OData type of a column.
pub(crate) const fn edm(kind: Kind) -> &'static str {
    match kind {
        Kind::Text(_) | Kind::Memo(_) | Kind::EntityName => "Edm.String",
        Kind::Integer(..) | Kind::Choice | Kind::State | Kind::Status => "Edm.Int32",
        Kind::BigInt => "Edm.Int64",
        Kind::Double(_) => "Edm.Double",
        Kind::Decimal(_) | Kind::Money(..) => "Edm.Decimal",
        Kind::Boolean => "Edm.Boolean",
        Kind::DateTime => "Edm.DateTimeOffset",
        Kind::DateOnly => "Edm.Date",
        Kind::Guid | Kind::Key | Kind::Lookup | Kind::Customer | Kind::Owner => "Edm.Guid",
    }
}

const fn literal_edm(literal: &Literal) -> &'static str {
    match literal {
        Literal::Null => "null",
        Literal::Bool(_) => "Edm.Boolean",
        Literal::Text(_) => "Edm.String",
        Literal::Int(_) => "Edm.Int32",
        Literal::Float(_) => "Edm.Double",
        Literal::Guid(_) => "Edm.Guid",
        Literal::Time(_) => "Edm.DateTimeOffset",
        Literal::Day(_) => "Edm.Date",
        Literal::Member(_) => "Edm.Enum",
        Literal::List(_) => "Collection",
    }
}

/// A literal in a row's address as a value of a key column.
pub(crate) fn fit_key(literal: &Literal, kind: Kind) -> Outcome<Value<'static>> {
    fit(literal, kind, Operator::Eq)
}
