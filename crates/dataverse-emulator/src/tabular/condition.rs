//! FetchXML's conditions as tests of a row.

use super::{Check, column, xml::Element};
use crate::{
    error::{Outcome, Refusal},
    odata::{
        fit::loose,
        like::{Pattern, Place},
        syntax::{Expression, Literal, Operand, Operator},
        test::{Context, Term, Test},
    },
    schema::Kind,
    store::Store,
    value::Value,
};

/// One `<condition>` on a source.
pub(super) fn condition(store: &Store, sources: &[(usize, String)], own: usize, element: &Element, context: Context) -> Outcome<Check> {
    // A condition may name another source of the query.
    let source = match element.get("entityname") {
        None => own,
        Some(name) => sources
            .iter()
            .position(|(_, alias)| alias == name)
            .ok_or_else(|| Refusal::query(format!("The condition's entityname '{name}' names no link-entity of the query.")))?,
    };
    let table = sources.get(source).map_or(0, |(table, _)| *table);
    let name = element.get("attribute").ok_or_else(|| Refusal::query("A condition needs an attribute."))?;
    let operator = element.get("operator").ok_or_else(|| Refusal::query("A condition needs an operator."))?;
    let (term, kind, _) = column(store, table, name)?;
    if let Some(other) = element.get("valueof") {
        let (path, of) = other.split_once('.').map_or((None, other), |(alias, of)| (Some(alias), of));
        let other = path.map_or(Some(source), |path| sources.iter().position(|(_, alias)| alias == path));
        let other = other.ok_or_else(|| Refusal::query(format!("'{of}' names no link-entity of the query.")))?;
        let right = column(store, sources.get(other).map_or(0, |(table, _)| *table), of)?.0;
        return Ok(Check::Pair((source, term), comparison(operator).ok_or_else(|| unknown(operator))?, (other, right)));
    }
    let mut values: Vec<&str> = element.all("value").map(|value| value.text.as_str()).collect();
    if values.is_empty() {
        values.extend(element.get("value"));
    }
    let null = matches!(operator, "null" | "not-null");
    if null && term == Term::Key {
        let missing = Check::Missing(source);
        return Ok(if operator == "null" { missing } else { Check::Not(Box::new(missing)) });
    }
    test(store, table, name, (term, kind), operator, &values, context).map(|test| Check::On(source, test))
}

fn comparison(operator: &str) -> Option<Operator> {
    Some(match operator {
        "eq" => Operator::Eq,
        "ne" | "neq" => Operator::Ne,
        "gt" => Operator::Gt,
        "ge" => Operator::Ge,
        "lt" => Operator::Lt,
        "le" => Operator::Le,
        _ => return None,
    })
}

fn unknown(operator: &str) -> Refusal {
    Refusal::query(format!("The condition operator '{operator}' isn't supported here."))
}

fn test(
    store: &Store,
    table: usize,
    name: &str,
    (term, kind): (Term, Kind),
    operator: &str,
    values: &[&str],
    context: Context,
) -> Outcome<Test> {
    let first = || values.first().copied().ok_or_else(|| Refusal::query(format!("The condition operator '{operator}' needs a value.")));
    let value = |text: &str| typed(text, kind);
    if let Some(operator) = comparison(operator) {
        return Ok(Test::Compare(term, operator, Term::Const(value(first()?)?)));
    }
    let (positive, negated) = match operator.strip_prefix("not-") {
        Some("begin-with") => ("begins-with", true),
        Some("end-with") => ("ends-with", true),
        Some(rest) => (rest, true),
        None => (operator, false),
    };
    let place = match positive {
        "like" => Some(Place::Whole),
        "begins-with" => Some(Place::Start),
        "ends-with" => Some(Place::End),
        _ => None,
    };
    let present = Test::Compare(term.clone(), Operator::Ne, Term::Const(Value::Null));
    let found = if let Some(place) = place {
        Test::Like(term, Pattern::new(first()?, place))
    } else {
        match positive {
            "null" => Test::Compare(term, Operator::Eq, Term::Const(Value::Null)),
            "in" => Test::OneOf(term, values.iter().map(|text| value(text)).collect::<Outcome<Vec<_>>>()?),
            "between" => match values {
                [from, to] => Test::Within(term, Some(value(from)?), Some(value(to)?)),
                _ => return Err(Refusal::query("The condition operator 'between' needs two values.")),
            },
            "eq-userid" => Test::Compare(term, Operator::Eq, Term::Const(Value::Guid(context.user))),
            "ne-userid" => Test::Compare(term, Operator::Ne, Term::Const(Value::Guid(context.user))),
            // The operators of dates have no opposite.
            _ if negated => return Err(unknown(operator)),
            other => return by_function(store, table, name, other, values, context),
        }
    };
    if !negated {
        return Ok(found);
    }
    let opposite = Test::Not(Box::new(found));
    // A row without a value is neither like something nor unlike it.
    Ok(if positive == "null" { opposite } else { Test::And(vec![present, opposite]) })
}

/// Operators that OData has as functions.
fn by_function(store: &Store, table: usize, name: &str, operator: &str, values: &[&str], context: Context) -> Outcome<Test> {
    let function = match operator {
        "on" => "On",
        "on-or-after" => "OnOrAfter",
        "on-or-before" => "OnOrBefore",
        "today" => "Today",
        "yesterday" => "Yesterday",
        "last-seven-days" => "Last7Days",
        "last-x-days" => "LastXDays",
        "last-x-hours" => "LastXHours",
        "next-x-days" => "NextXDays",
        other => return Err(unknown(other)),
    };
    let mut arguments = vec![("PropertyName".to_owned(), Operand::Literal(Literal::Text(name.to_owned())))];
    if let Some(value) = values.first() {
        arguments.push(("PropertyValue".to_owned(), Operand::Literal(Literal::Text((*value).to_owned()))));
    }
    Test::bind(store, table, &Expression::Call(function.to_owned(), arguments), context)
}

/// A value as FetchXML writes it: GUIDs may stand in braces, yes and no are 1 and 0.
pub(super) fn typed(text: &str, kind: Kind) -> Outcome<Value<'static>> {
    let text = text.trim();
    let bare = text.trim_start_matches('{').trim_end_matches('}');
    let text = if matches!(kind, Kind::Guid | Kind::Key | Kind::Lookup | Kind::Customer | Kind::Owner) { bare } else { text };
    loose(&Literal::Text(text.to_owned()), kind)
}
