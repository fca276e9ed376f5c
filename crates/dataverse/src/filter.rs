//! Filters as values, written as the "Filter rows" page says.
//!
//! Only what keeps its meaning whatever the value: no `contains` and its kin, in which the service takes `%`, `_` and brackets as wildcards.

use std::fmt;

use base::Guid;

use crate::literal::Literal;

/// How a column is compared. Texts compare without regard to case, whatever the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `eq`
    Equal,
    /// `ne`
    Unequal,
    /// `gt`
    Greater,
    /// `ge`
    AtLeast,
    /// `lt`
    Less,
    /// `le`
    AtMost,
}

impl Compare {
    const fn word(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::Unequal => "ne",
            Self::Greater => "gt",
            Self::AtLeast => "ge",
            Self::Less => "lt",
            Self::AtMost => "le",
        }
    }
}

/// A condition on rows. Its lists must not be empty; a query with an empty one is not sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// A column against a value. Lookups are named `_x_value`; a path such as `sdkmessageid/name` goes through a lookup.
    Is(String, Compare, Literal),
    /// All of them.
    All(Vec<Filter>),
    /// At least one of them.
    Any(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// One of these values, by the service's own `In` function.
    In(String, Vec<Literal>),
    /// OData text as it is.
    Raw(String),
}

impl Filter {
    /// `column eq value`
    pub fn eq(column: impl Into<String>, value: impl Into<Literal>) -> Self {
        Self::Is(column.into(), Compare::Equal, value.into())
    }

    /// `column ne value`
    pub fn ne(column: impl Into<String>, value: impl Into<Literal>) -> Self {
        Self::Is(column.into(), Compare::Unequal, value.into())
    }

    /// `column gt value`
    pub fn gt(column: impl Into<String>, value: impl Into<Literal>) -> Self {
        Self::Is(column.into(), Compare::Greater, value.into())
    }

    /// `column ge value`
    pub fn ge(column: impl Into<String>, value: impl Into<Literal>) -> Self {
        Self::Is(column.into(), Compare::AtLeast, value.into())
    }

    /// `column lt value`
    pub fn lt(column: impl Into<String>, value: impl Into<Literal>) -> Self {
        Self::Is(column.into(), Compare::Less, value.into())
    }

    /// `column le value`
    pub fn le(column: impl Into<String>, value: impl Into<Literal>) -> Self {
        Self::Is(column.into(), Compare::AtMost, value.into())
    }

    /// `column eq null`
    pub fn is_null(column: impl Into<String>) -> Self {
        Self::Is(column.into(), Compare::Equal, Literal::Null)
    }

    /// `column ne null`
    pub fn is_not_null(column: impl Into<String>) -> Self {
        Self::Is(column.into(), Compare::Unequal, Literal::Null)
    }

    /// `(column eq a or column eq b …)`: understood by every OData service. About 400 ids fit into one address.
    #[must_use]
    pub fn any_of(column: &str, ids: &[Guid]) -> Self {
        Self::Any(ids.iter().map(|id| Self::eq(column, *id)).collect())
    }

    /// `Microsoft.Dynamics.CRM.In(…)`, which is shorter. About 600 ids fit into one address.
    pub fn within(column: impl Into<String>, ids: &[Guid]) -> Self {
        Self::In(column.into(), ids.iter().map(|id| Literal::Guid(*id)).collect())
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::All(mut filters) => {
                filters.push(other);
                Self::All(filters)
            }
            first @ (Self::Is(..) | Self::Any(_) | Self::Not(_) | Self::In(..) | Self::Raw(_)) => Self::All(vec![first, other]),
        }
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Any(mut filters) => {
                filters.push(other);
                Self::Any(filters)
            }
            first @ (Self::Is(..) | Self::All(_) | Self::Not(_) | Self::In(..) | Self::Raw(_)) => Self::Any(vec![first, other]),
        }
    }

    /// Neither of what this says.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// Whether every list in it holds something. OData has no words for "none of no rows", so that a query with an empty list is not sent.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::Is(..) | Self::Raw(_) => true,
            Self::All(filters) | Self::Any(filters) => !filters.is_empty() && filters.iter().all(Self::is_complete),
            Self::Not(filter) => filter.is_complete(),
            Self::In(_, values) => !values.is_empty(),
        }
    }

    fn joined(f: &mut fmt::Formatter<'_>, filters: &[Self], word: &str) -> fmt::Result {
        if let [only] = filters {
            return write!(f, "{only}");
        }
        f.write_str("(")?;
        for (at, filter) in filters.iter().enumerate() {
            if at > 0 {
                write!(f, " {word} ")?;
            }
            write!(f, "{filter}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(column, compare, value) => write!(f, "{column} {} {value}", compare.word()),
            Self::All(filters) => Self::joined(f, filters, "and"),
            Self::Any(filters) => Self::joined(f, filters, "or"),
            Self::Not(filter) => write!(f, "not ({filter})"),
            Self::In(column, values) => {
                write!(f, "Microsoft.Dynamics.CRM.In(PropertyName='{column}',PropertyValues=[")?;
                for (at, value) in values.iter().enumerate() {
                    let text = match value {
                        Literal::Text(text) => text.clone(),
                        other @ (Literal::Guid(_)
                        | Literal::Number(_)
                        | Literal::Decimal(_)
                        | Literal::Boolean(_)
                        | Literal::Time(_)
                        | Literal::Date(_)
                        | Literal::Null) => other.to_string(),
                    };
                    // A list of JSON texts, in which an apostrophe stands for itself.
                    write!(f, "{}{}", if at > 0 { "," } else { "" }, serde_json::Value::String(text))?;
                }
                f.write_str("])")
            }
            Self::Raw(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &Filter, text: &str) {
        assert_eq!(filter.to_string(), text);
    }

    #[test]
    fn filters_read_as_documented() {
        let id: Guid = "0F21B6D2-0C41-4F7E-B1AA-6E2D8C3F9415".parse().unwrap();
        let at: base::Timestamp = "2026-02-11T08:00:00.9Z".parse().unwrap();
        check(&Filter::eq("leadid", id), "leadid eq 0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f9415");
        check(&Filter::ge("modifiedon", at), "modifiedon ge 2026-02-11T08:00:00Z");
        check(&Filter::eq("name", "O'Neil"), "name eq 'O''Neil'");
        check(
            &Filter::is_null("applicationid").and(Filter::ne("accessmode", 3)).and(Filter::eq("isdisabled", false)),
            "(applicationid eq null and accessmode ne 3 and isdisabled eq false)",
        );
        check(&Filter::eq("a", 1).or(Filter::eq("b", 2)).and(Filter::eq("c", 3).negated()), "((a eq 1 or b eq 2) and not (c eq 3))");
        check(&Filter::any_of("leadid", &[id]), "leadid eq 0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f9415");
        for empty in [Filter::any_of("leadid", &[]), Filter::within("leadid", &[]).negated(), Filter::All(vec![])] {
            assert!(!empty.is_complete(), "{empty}");
        }
        check(
            &Filter::within("leadid", &[id, id]),
            r#"Microsoft.Dynamics.CRM.In(PropertyName='leadid',PropertyValues=["0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f9415","0f21b6d2-0c41-4f7e-b1aa-6e2d8c3f9415"])"#,
        );
        check(&Filter::lt("birthdate", jiff::civil::date(2026, 4, 7)), "birthdate lt 2026-04-07");
    }
}
