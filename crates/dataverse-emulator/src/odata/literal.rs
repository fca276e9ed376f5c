//! Literals as they stand in filters and addresses, before anyone knows which column they are for.

use base::Guid;

use crate::value::{parse_day, parse_time};

/// A literal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Text(String),
    Int(i64),
    Float(f64),
    Guid(Guid),
    Time(i64),
    Day(i32),
    /// `Microsoft.Dynamics.CRM.AttributeTypeCode'Picklist'`: the member's name.
    Member(String),
    List(Vec<Literal>),
}

/// A word that is a number, a GUID, a day or a moment.
pub(crate) fn number_or_date(word: &str) -> Option<Literal> {
    let first = word.chars().next()?;
    if word.len() == 36
        && let Ok(id) = word.parse::<Guid>()
    {
        return Some(Literal::Guid(id));
    }
    if !first.is_ascii_digit() && first != '-' {
        return None;
    }
    if let Ok(number) = word.parse::<i64>() {
        return Some(Literal::Int(number));
    }
    if let Some(day) = parse_day(word) {
        return Some(Literal::Day(day));
    }
    if word.contains('T') {
        return parse_time(word).map(Literal::Time);
    }
    let trimmed = word.trim_end_matches(['M', 'm', 'd', 'D', 'f', 'F', 'L', 'l']);
    trimmed.parse::<f64>().ok().filter(|number| number.is_finite()).map(Literal::Float)
}
