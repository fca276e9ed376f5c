//! Filters bound to a table: every name is looked up once, then rows are tested.
//!
//! Two-valued logic, as clients observe it: a comparison with null is false, except `eq null` and `ne`.

use std::{cmp::Ordering, collections::BTreeSet};

use base::Guid;

use super::{
    fit::{fit, loose},
    like::{Pattern, Place},
    query::{Link, link},
    syntax::{Expression, Literal, Operand, Operator},
};
use crate::{
    error::{Outcome, Refusal},
    row::Row,
    schema::{Kind, Table},
    store::Store,
    value::Value,
};

/// What a filter needs to know besides the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    /// Now, in seconds.
    pub now: i64,
    /// The caller, for `EqualUserId`.
    pub user: Guid,
}

/// Something with a value per row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Term {
    Const(Value<'static>),
    Key,
    Version,
    Cell(u16),
    /// The primary name of what this lookup points at, of whatever table.
    Title(u16),
    /// Follow this lookup to that table, then take the term there.
    Via(u16, usize, Box<Term>),
}

/// A bound filter.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Or(Vec<Test>),
    And(Vec<Test>),
    Not(Box<Test>),
    Compare(Term, Operator, Term),
    Like(Term, Pattern),
    OneOf(Term, Vec<Value<'static>>),
    /// Between two values, both included; none is open.
    Within(Term, Option<Value<'static>>, Option<Value<'static>>),
    /// Rows of a collection: any (or all) pass the body.
    Related {
        link: Link,
        table: usize,
        all: bool,
        body: Option<Box<Test>>,
    },
}

/// A narrowing of the rows a filter has to look at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Candidates {
    Ids(BTreeSet<Guid>),
    /// Modified at or after this second.
    ModifiedFrom(i64),
}

impl Term {
    pub(crate) fn value<'a>(&self, store: &'a Store, id: Guid, row: &'a Row) -> Value<'a> {
        match self {
            Self::Const(value) => value.clone(),
            Self::Key => Value::Guid(id),
            Self::Version => Value::Int(i64::try_from(row.version).unwrap_or(i64::MAX)),
            Self::Cell(column) => row.get(*column),
            Self::Title(column) => {
                let target = row.get(*column).as_ref();
                let title = target.and_then(|(at, target)| Some((store.row(at, target)?, store.schema.get(at)?.title?)));
                title.map_or(Value::Null, |(row, title)| row.get(title))
            }
            Self::Via(column, table, inner) => match row.get(*column).as_ref() {
                Some((at, target)) if at == *table => store.row(at, target).map_or(Value::Null, |row| inner.value(store, target, row)),
                Some(_) | None => Value::Null,
            },
        }
    }

    /// Looks a property path up: `subject`, `_ownerid_value`, `parentaccountid/name`.
    pub(crate) fn bind(store: &Store, table: usize, path: &str) -> Outcome<(Self, Kind)> {
        let definition = store.schema.get(table).ok_or_else(|| Refusal::no_segment(path))?;
        if let Some((nav, rest)) = path.split_once('/') {
            let missing = || Refusal::no_property(nav, &definition.name);
            let (column, target) = definition.find_nav(nav).ok_or_else(missing)?;
            let to = store.schema.find(&target.table).ok_or_else(missing)?;
            let (inner, kind) = Self::bind(store, to, rest)?;
            return Ok((Self::Via(column, to, Box::new(inner)), kind));
        }
        let at = property(definition, path)?;
        let Some(column) = definition.column(at) else { return Err(Refusal::no_property(path, &definition.name)) };
        let term = if column.secured {
            Self::Const(Value::Null)
        } else if column.kind == Kind::Key {
            Self::Key
        } else if column.name == "versionnumber" {
            Self::Version
        } else {
            Self::Cell(at)
        };
        Ok((term, column.kind))
    }
}

/// The position of a property; `ownerid` of a user or team is its own key, because both derive from `principal`.
pub(crate) fn property(table: &Table, name: &str) -> Outcome<u16> {
    if name == "ownerid" && matches!(table.name.as_str(), "systemuser" | "team") {
        return Ok(table.key);
    }
    let is_readable = |at: &u16| table.column(*at).is_some_and(|column| column.readable);
    table.find_property(name).filter(is_readable).ok_or_else(|| Refusal::no_property(name, &table.name))
}

impl Test {
    /// Looks every name of an expression up.
    pub(crate) fn bind(store: &Store, table: usize, expression: &Expression, context: Context) -> Outcome<Self> {
        let many = |parts: &[Expression]| parts.iter().map(|part| Self::bind(store, table, part, context)).collect::<Outcome<Vec<_>>>();
        Ok(match expression {
            Expression::Or(parts) => Self::Or(many(parts)?),
            Expression::And(parts) => Self::And(many(parts)?),
            Expression::Not(inner) => Self::Not(Box::new(Self::bind(store, table, inner, context)?)),
            Expression::Compare(left, operator, right) => Self::compare(store, table, left, *operator, right)?,
            Expression::Call(name, arguments) => Self::call(store, table, name, arguments, context)?,
            Expression::Lambda { path, all, variable, body } => {
                let definition = store.schema.get(table).ok_or_else(|| Refusal::no_segment(path))?;
                let missing = || Refusal::no_property(path, &definition.name);
                let link = link(store, definition, path)?;
                let other = link.table().filter(|_| matches!(link, Link::Many(..) | Link::Across(_))).ok_or_else(missing)?;
                let inner = |body: &Expression| Self::bind(store, other, &strip(body, variable), context).map(Box::new);
                Self::Related { link, table: other, all: *all, body: body.as_deref().map(inner).transpose()? }
            }
        })
    }

    fn compare(store: &Store, table: usize, left: &Operand, operator: Operator, right: &Operand) -> Outcome<Self> {
        let (left, right, operator) = match (left, right) {
            (Operand::Literal(_), Operand::Path(_)) => (right, left, mirrored(operator)),
            _ => (left, right, operator),
        };
        let Operand::Path(path) = left else { return Err(Refusal::query("A comparison needs a property.")) };
        let (term, kind) = Term::bind(store, table, path)?;
        let other = match right {
            Operand::Path(path) => Term::bind(store, table, path)?.0,
            Operand::Literal(literal) => Term::Const(fit(literal, kind, operator)?),
        };
        Ok(Self::Compare(term, operator, other))
    }

    fn call(store: &Store, table: usize, name: &str, arguments: &[(String, Operand)], context: Context) -> Outcome<Self> {
        let place = match name {
            "contains" => Place::Anywhere,
            "startswith" => Place::Start,
            "endswith" => Place::End,
            _ => {
                let short = name.strip_prefix("Microsoft.Dynamics.CRM.").unwrap_or(name);
                return Self::custom(store, table, short, arguments, context);
            }
        };
        let [(_, Operand::Path(path)), (_, Operand::Literal(literal))] = arguments else {
            return Err(Refusal::query(format!(
                "No function signature for the function with name '{name}' matches the specified arguments."
            )));
        };
        let (term, kind) = Term::bind(store, table, path)?;
        let Literal::Text(text) = literal else {
            return Err(Refusal::query(format!("The second argument of '{name}' has to be a text.")));
        };
        if !matches!(kind, Kind::Text(_) | Kind::Memo(_) | Kind::EntityName) {
            return Err(Refusal::query(format!(
                "No function signature for the function with name '{name}' matches the specified arguments."
            )));
        }
        Ok(Self::Like(term, Pattern::new(text, place)))
    }

    fn custom(store: &Store, table: usize, name: &str, arguments: &[(String, Operand)], context: Context) -> Outcome<Self> {
        let argument = |label: &str| arguments.iter().find(|(found, _)| found == label).map(|(_, operand)| operand);
        let path = match argument("PropertyName") {
            Some(Operand::Literal(Literal::Text(path)) | Operand::Path(path)) => path,
            _ => return Err(Refusal::query(format!("The function '{name}' needs PropertyName."))),
        };
        // These functions take logical names, so a lookup may be named either way.
        let path =
            store.schema.get(table).and_then(|table| Some(table.column(table.find(path)?)?.property())).unwrap_or_else(|| path.clone());
        let (term, kind) = Term::bind(store, table, &path)?;
        let value = |label: &str| -> Outcome<Value<'static>> {
            match argument(label) {
                Some(Operand::Literal(literal)) => loose(literal, kind),
                _ => Err(Refusal::query(format!("The function '{name}' needs {label}."))),
            }
        };
        let values = || -> Outcome<Vec<Value<'static>>> {
            match argument("PropertyValues") {
                Some(Operand::Literal(Literal::List(items))) => items.iter().map(|item| loose(item, kind)).collect(),
                _ => Err(Refusal::query(format!("The function '{name}' needs PropertyValues."))),
            }
        };
        let count = || match argument("PropertyValue") {
            Some(Operand::Literal(Literal::Int(n))) => Ok((*n).clamp(0, 100_000)),
            Some(Operand::Literal(Literal::Text(text))) if text.parse::<u32>().is_ok() => Ok(text.parse().unwrap_or_default()),
            _ => Err(Refusal::query(format!("The function '{name}' needs PropertyValue, a number."))),
        };
        let today = context.now.div_euclid(86_400) * 86_400;
        let span = |from: i64, to: i64| Self::Within(term.clone(), Some(Value::Time(from)), Some(Value::Time(to)));
        let not = |inner: Self| Self::Not(Box::new(inner));
        Ok(match name {
            "In" => Self::OneOf(term, values()?),
            "NotIn" => not(Self::OneOf(term.clone(), values()?)),
            "Between" | "NotBetween" => {
                let [from, to] = values()?.try_into().map_err(|_| Refusal::query("Between needs two values."))?;
                let within = Self::Within(term.clone(), Some(from), Some(to));
                if name == "Between" { within } else { not(within) }
            }
            "OnOrAfter" => Self::Within(term.clone(), Some(value("PropertyValue")?), None),
            "OnOrBefore" => Self::Within(term.clone(), None, Some(end_of_day(value("PropertyValue")?))),
            "On" => Self::Within(term.clone(), Some(value("PropertyValue")?), Some(end_of_day(value("PropertyValue")?))),
            "Today" => span(today, today + 86_399),
            "Yesterday" => span(today - 86_400, today - 1),
            "Last7Days" => span(today - 7 * 86_400, context.now),
            "LastXDays" => span(today - count()?.saturating_mul(86_400), context.now),
            "LastXHours" => span(context.now - count()?.saturating_mul(3_600), context.now),
            "NextXDays" => span(context.now, today + count()?.saturating_mul(86_400) + 86_399),
            "EqualUserId" => Self::Compare(term, Operator::Eq, Term::Const(Value::Guid(context.user))),
            "NotEqualUserId" => Self::Compare(term, Operator::Ne, Term::Const(Value::Guid(context.user))),
            _ => return Err(Refusal::query(format!("An unknown function with name '{name}' was found."))),
        })
    }

    /// Whether a row passes.
    pub(crate) fn passes(&self, store: &Store, id: Guid, row: &Row) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.passes(store, id, row)),
            Self::And(parts) => parts.iter().all(|part| part.passes(store, id, row)),
            Self::Not(inner) => !inner.passes(store, id, row),
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.value(store, id, row), right.value(store, id, row));
                if left.is_null() || right.is_null() {
                    let same = left.is_null() && right.is_null();
                    return match operator {
                        Operator::Eq => same,
                        Operator::Ne => !same,
                        Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le => false,
                    };
                }
                let order = left.compare(&right);
                match operator {
                    Operator::Eq => order == Some(Ordering::Equal),
                    Operator::Ne => order != Some(Ordering::Equal),
                    Operator::Gt => order == Some(Ordering::Greater),
                    Operator::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                    Operator::Lt => order == Some(Ordering::Less),
                    Operator::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                }
            }
            Self::Like(term, pattern) => term.value(store, id, row).as_text().is_some_and(|text| pattern.matches(text)),
            Self::OneOf(term, values) => {
                let own = term.value(store, id, row);
                !own.is_null() && values.iter().any(|value| own.compare(value) == Some(Ordering::Equal))
            }
            Self::Within(term, from, to) => {
                let own = term.value(store, id, row);
                let at_least = |from: &Value<'_>| matches!(own.compare(from), Some(Ordering::Greater | Ordering::Equal));
                let at_most = |to: &Value<'_>| matches!(own.compare(to), Some(Ordering::Less | Ordering::Equal));
                !own.is_null() && from.as_ref().is_none_or(at_least) && to.as_ref().is_none_or(at_most)
            }
            Self::Related { link, table, all, body } => {
                let mut related = link.rows(store, id).into_iter();
                let pass = |from: Guid| {
                    let Some(row) = store.row(*table, from) else { return *all };
                    body.as_ref().is_none_or(|body| body.passes(store, from, row))
                };
                if *all { related.all(pass) } else { related.any(pass) }
            }
        }
    }

    /// Rows outside of these cannot pass; none when every row has to be looked at.
    pub(crate) fn candidates(&self, store: &Store, table: &Table, at: usize) -> Option<Candidates> {
        match self {
            Self::And(parts) => {
                let all: Vec<_> = parts.iter().filter_map(|part| part.candidates(store, table, at)).collect();
                let ids = all.iter().find(|candidates| matches!(candidates, Candidates::Ids(_)));
                ids.or(all.first()).cloned()
            }
            Self::Or(parts) => {
                let mut ids = BTreeSet::new();
                for part in parts {
                    match part.candidates(store, table, at)? {
                        Candidates::Ids(more) => ids.extend(more),
                        Candidates::ModifiedFrom(_) => return None,
                    }
                }
                Some(Candidates::Ids(ids))
            }
            Self::Compare(Term::Key, Operator::Eq, Term::Const(value)) => Some(Candidates::Ids(value.as_guid().into_iter().collect())),
            Self::OneOf(Term::Key, values) => Some(Candidates::Ids(values.iter().filter_map(Value::as_guid).collect())),
            Self::Compare(Term::Cell(column), Operator::Eq, Term::Const(value)) => {
                let target = value.as_guid().filter(|_| table.column(*column).is_some_and(crate::schema::Column::is_lookup))?;
                Some(Candidates::Ids(store.pointing_with(target, at, *column)?.into_iter().collect()))
            }
            Self::Compare(Term::Cell(column), Operator::Ge | Operator::Gt, Term::Const(Value::Time(from)))
            | Self::Within(Term::Cell(column), Some(Value::Time(from)), _) => {
                table.column(*column).filter(|column| column.name == "modifiedon").map(|_| Candidates::ModifiedFrom(*from))
            }
            Self::Not(_) | Self::Compare(..) | Self::Like(..) | Self::OneOf(..) | Self::Within(..) | Self::Related { .. } => None,
        }
    }
}

/// The rows of `table` whose `column` points at `id`, by index where there is one.
pub(crate) fn related_rows(store: &Store, id: Guid, table: usize, column: u16) -> Vec<Guid> {
    store.pointing_with(id, table, column).unwrap_or_else(|| {
        let rows = store.table(table).rows.iter();
        rows.filter(|(_, row)| row.get(column).as_guid() == Some(id)).map(|(from, _)| *from).collect()
    })
}

fn end_of_day(value: Value<'static>) -> Value<'static> {
    match value.as_time().filter(|at| at.rem_euclid(86_400) == 0) {
        Some(midnight) => Value::Time(midnight.saturating_add(86_399)),
        None => value,
    }
}

/// The body of a lambda with its variable taken off every path.
fn strip(expression: &Expression, variable: &str) -> Expression {
    let path = |operand: &Operand| match operand {
        Operand::Path(path) => {
            let inner = path.strip_prefix(variable).and_then(|rest| rest.strip_prefix('/'));
            Operand::Path(inner.unwrap_or(path).to_owned())
        }
        Operand::Literal(literal) => Operand::Literal(literal.clone()),
    };
    match expression {
        Expression::Or(parts) => Expression::Or(parts.iter().map(|part| strip(part, variable)).collect()),
        Expression::And(parts) => Expression::And(parts.iter().map(|part| strip(part, variable)).collect()),
        Expression::Not(inner) => Expression::Not(Box::new(strip(inner, variable))),
        Expression::Compare(left, operator, right) => Expression::Compare(path(left), *operator, path(right)),
        Expression::Call(name, arguments) => {
            Expression::Call(name.clone(), arguments.iter().map(|(label, operand)| (label.clone(), path(operand))).collect())
        }
        Expression::Lambda { .. } => expression.clone(),
    }
}

const fn mirrored(operator: Operator) -> Operator {
    match operator {
        Operator::Gt => Operator::Lt,
        Operator::Ge => Operator::Le,
        Operator::Lt => Operator::Gt,
        Operator::Le => Operator::Ge,
        Operator::Eq | Operator::Ne => operator,
    }
}
