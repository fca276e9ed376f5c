//! `$select` and `$filter` on metadata objects. The filter knows what the real one knows: eq, ne, and, or on simple properties.

use serde_json::{Map, Value as Json};

use crate::{
    error::{Outcome, Refusal},
    odata::{
        syntax::{Expression, Literal, Operand, Operator},
        uri::Options,
    },
};

/// The properties of `$select`; none takes all.
pub(crate) fn selection(text: Option<&str>) -> Option<Vec<String>> {
    let text = text.filter(|text| !text.trim().is_empty() && text.trim() != "*")?;
    Some(text.split(',').map(|name| name.trim().to_owned()).collect())
}

/// Keeps the selected properties and `MetadataId`, which always comes along.
///
/// # Errors
/// 400 for a property the type doesn't have.
pub(crate) fn project(object: Map<String, Json>, select: Option<&[String]>, type_name: &str) -> Outcome<Map<String, Json>> {
    let Some(select) = select else { return Ok(object) };
    if let Some(unknown) = select.iter().find(|name| !object.contains_key(name.as_str())) {
        return Err(Refusal::no_property(unknown, type_name));
    }
    Ok(object.into_iter().filter(|(name, _)| name == "MetadataId" || name.starts_with('@') || select.contains(name)).collect())
}

/// Keeps the objects a `$filter` lets through.
pub(crate) fn filter(
    objects: Vec<Map<String, Json>>,
    text: Option<&str>,
    options: &Options,
    type_name: &str,
) -> Outcome<Vec<Map<String, Json>>> {
    let Some(text) = text else { return Ok(objects) };
    let expression = Expression::parse(text, options)?;
    supported(&expression)?;
    let mut kept = Vec::new();
    for object in objects {
        if passes(&object, &expression, type_name)? {
            kept.push(object);
        }
    }
    Ok(kept)
}

/// What can't be filtered by is refused whatever the rest of the expression says.
fn supported(expression: &Expression) -> Outcome<()> {
    match expression {
        Expression::And(parts) | Expression::Or(parts) => parts.iter().try_for_each(supported),
        Expression::Not(inner) => supported(inner),
        Expression::Compare(_, Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le, _) => Err(unsupported("The comparison")),
        Expression::Compare(..) => Ok(()),
        Expression::Call(name, _) => Err(unsupported(&format!("The function '{name}'"))),
        Expression::Lambda { .. } => Err(unsupported("A lambda")),
    }
}

fn passes(object: &Map<String, Json>, expression: &Expression, type_name: &str) -> Outcome<bool> {
    Ok(match expression {
        Expression::And(parts) => {
            for part in parts {
                if !passes(object, part, type_name)? {
                    return Ok(false);
                }
            }
            true
        }
        Expression::Or(parts) => {
            for part in parts {
                if passes(object, part, type_name)? {
                    return Ok(true);
                }
            }
            false
        }
        Expression::Not(inner) => !passes(object, inner, type_name)?,
        Expression::Compare(Operand::Path(path), operator, Operand::Literal(literal))
        | Expression::Compare(Operand::Literal(literal), operator, Operand::Path(path)) => {
            let same = equals(property(object, path, type_name)?, literal);
            match operator {
                Operator::Eq => same,
                Operator::Ne => !same,
                Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le => return Err(unsupported("The comparison")),
            }
        }
        Expression::Compare(..) => return Err(unsupported("The comparison")),
        Expression::Call(name, _) => return Err(unsupported(&format!("The function '{name}'"))),
        Expression::Lambda { .. } => return Err(unsupported("A lambda")),
    })
}

fn unsupported(what: &str) -> Refusal {
    Refusal::new(501, "0x8006088a", format!("{what} isn't supported for Metadata Entities. Use RetrieveMetadataChanges instead."))
}

fn property<'a>(object: &'a Map<String, Json>, path: &str, type_name: &str) -> Outcome<&'a Json> {
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or_default();
    let mut value = object.get(first).ok_or_else(|| Refusal::no_property(first, type_name))?;
    if matches!(first, "DisplayName" | "Description" | "DisplayCollectionName") {
        return Err(unsupported("A filter on a label"));
    }
    for part in parts {
        value = value.get(part).ok_or_else(|| Refusal::no_property(part, type_name))?;
    }
    Ok(value)
}

/// An enum literal may come with or without its type's name.
fn equals(value: &Json, literal: &Literal) -> bool {
    match literal {
        Literal::Null => value.is_null(),
        Literal::Bool(b) => value.as_bool() == Some(*b),
        Literal::Text(text) | Literal::Member(text) => value.as_str() == Some(text),
        Literal::Int(n) => value.as_i64() == Some(*n),
        Literal::Float(n) => value.as_f64() == Some(*n),
        Literal::Guid(id) => value.as_str().and_then(|text| text.parse().ok()) == Some(*id),
        Literal::Time(_) | Literal::Day(_) | Literal::List(_) => false,
    }
}
