//! `$apply` compiled into a plan: an optional `filter(…)`, then `groupby(…)` or `aggregate(…)`.

use super::{Check, Out, Plan, Source, What};
use crate::{
    error::{Outcome, Refusal},
    odata::{
        syntax::Expression,
        test::{Context, Term, Test},
        uri::{Options, split_outside},
    },
    schema::{Kind, Table},
    store::Store,
};

/// Reads an `$apply` that was sent to the set of `table`.
pub(crate) fn read(store: &Store, table: usize, text: &str, options: &Options, context: Context) -> Outcome<Plan> {
    let definition = store.schema.get(table).ok_or_else(|| Refusal::no_segment("table"))?;
    let alias = definition.name.clone();
    let mut plan = Plan { grouped: true, sources: vec![Source { table, alias, join: None }], ..Plan::default() };
    let mut checks = Vec::new();
    for step in split_outside(text, '/') {
        let (name, inside) = call(step.trim()).ok_or_else(|| unsupported(step))?;
        match name {
            "filter" if plan.columns.is_empty() => {
                checks.push(Check::On(0, Test::bind(store, table, &Expression::parse(inside, options)?, context)?))
            }
            "groupby" if plan.columns.is_empty() => groupby(store, table, definition, inside, &mut plan.columns)?,
            "aggregate" if plan.columns.is_empty() => aggregate(store, table, definition, inside, &mut plan.columns)?,
            _ => return Err(unsupported(step)),
        }
    }
    if plan.columns.is_empty() {
        return Err(unsupported(text));
    }
    plan.check = Check::All(checks);
    Ok(plan)
}

fn unsupported(what: &str) -> Refusal {
    Refusal::query(format!("The $apply transformation '{}' isn't supported here.", what.trim()))
}

fn call(text: &str) -> Option<(&str, &str)> {
    text.strip_suffix(')')?.split_once('(')
}

fn groupby(store: &Store, table: usize, definition: &Table, inside: &str, out: &mut Vec<Out>) -> Outcome<()> {
    let parts = split_outside(inside, ',');
    let (columns, rest) = parts.split_first().ok_or_else(|| unsupported("groupby"))?;
    let columns = columns.trim().strip_prefix('(').and_then(|text| text.strip_suffix(')')).ok_or_else(|| unsupported("groupby"))?;
    for name in columns.split(',').map(str::trim) {
        let (term, kind) = Term::bind(store, table, name)?;
        out.push(Out { name: name.to_owned(), source: 0, term, kind, column: definition.find_property(name), what: What::Plain });
    }
    for step in rest {
        match call(step.trim()) {
            Some(("aggregate", inside)) => aggregate(store, table, definition, inside, out)?,
            Some(_) | None => return Err(unsupported(step)),
        }
    }
    Ok(())
}

fn aggregate(store: &Store, table: usize, definition: &Table, inside: &str, out: &mut Vec<Out>) -> Outcome<()> {
    for item in split_outside(inside, ',') {
        let words: Vec<&str> = item.split_whitespace().collect();
        out.push(match words.as_slice() {
            ["$count", "as", alias] => {
                Out { name: (*alias).to_owned(), source: 0, term: Term::Key, kind: Kind::BigInt, column: None, what: What::CountAll }
            }
            [name, "with", method, "as", alias] => {
                let (term, kind) = Term::bind(store, table, name)?;
                let what = match *method {
                    "sum" => What::Sum,
                    "average" => What::Average,
                    "min" => What::Least,
                    "max" => What::Greatest,
                    "countdistinct" => What::Count { distinct: true },
                    other => return Err(unsupported(other)),
                };
                let column = definition.find_property(name).filter(|_| !matches!(what, What::Count { .. }));
                Out { name: (*alias).to_owned(), source: 0, term, kind, column, what }
            }
            _ => return Err(unsupported(item)),
        });
    }
    Ok(())
}
