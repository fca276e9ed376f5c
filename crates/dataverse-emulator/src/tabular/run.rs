//! Carrying a plan out: join, check, group, order. Everything is done in memory, row by row.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use base::Guid;

use super::{By, Check, How, Join, Order, Out, Part, Plan, What};
use crate::{
    error::{Outcome, Refusal},
    odata::{syntax::Operator, test::Term},
    row::{Record, Row},
    state::State,
    value::{Value, date_of},
};

/// The row of each source; none where an outer join found nothing.
pub(crate) type Tuple<'a> = Vec<Option<(Guid, &'a Row)>>;

/// One line of the answer: the values of its columns, and the rows it was made of when it is no group.
pub(crate) struct Line<'a> {
    pub values: Vec<Value<'static>>,
    pub tuple: Tuple<'a>,
}

/// Rows that may be summed up in one query (documented).
const AGGREGATE_MAX: usize = 50_000;

/// Joined rows a query may bring forth before it is given up.
const TUPLES_MAX: usize = 1_000_000;

impl State {
    /// All lines of a plan, in order.
    pub(crate) fn run_plan(&self, plan: &Plan) -> Outcome<Vec<Line<'_>>> {
        let mut tuples = self.joined(plan)?;
        tuples.retain(|tuple| self.holds(&plan.check, tuple));
        let mut lines: Vec<Line<'_>> = if plan.grouped {
            if tuples.len() > AGGREGATE_MAX {
                return Err(Refusal::new(400, "0x8004e023", "The maximum record limit is exceeded. Reduce the number of records."));
            }
            self.groups(plan, &tuples)
        } else {
            let line = |tuple: Tuple<'_>| plan.columns.iter().map(|out| self.single(out, &tuple)).collect();
            tuples.into_iter().map(|tuple| Line { values: line(tuple.clone()), tuple }).collect()
        };
        if plan.distinct {
            let mut seen = BTreeSet::new();
            lines.retain(|line| seen.insert(line.values.iter().map(text_of).collect::<Vec<_>>()));
        }
        // The first table's key keeps the order total, so that pages don't overlap.
        lines.sort_by(|a, b| self.ordering(&plan.order, a, b).then_with(|| key_of(a).cmp(&key_of(b))));
        Ok(lines)
    }

    fn joined(&self, plan: &Plan) -> Outcome<Vec<Tuple<'_>>> {
        let mut tuples: Vec<Tuple<'_>> = Vec::new();
        for (at, source) in plan.sources.iter().enumerate() {
            let rows: Vec<(Guid, &Row)> = self.store.table(source.table).rows.iter().map(|(id, row)| (*id, row)).collect();
            let seen = rows.into_iter().filter(|(id, _)| !self.options.hidden_rows.contains(id));
            let Some(join) = &source.join else {
                tuples = seen.map(|row| vec![Some(row)]).collect();
                continue;
            };
            let mut index: BTreeMap<String, Vec<(Guid, &Row)>> = BTreeMap::new();
            for (id, row) in seen {
                let key = join.keys.as_ref().map_or_else(|| Some(String::new()), |(_, right)| key_text(&right.value(&self.store, id, row)));
                if let Some(key) = key {
                    index.entry(key).or_default().push((id, row));
                }
            }
            let mut next = Vec::new();
            for tuple in tuples {
                self.join(join, at, &index, tuple, &mut next);
                if next.len() > TUPLES_MAX {
                    return Err(Refusal::new(400, "0x80044151", "SQL timeout expired."));
                }
            }
            tuples = next;
        }
        Ok(tuples)
    }

    fn join<'a>(
        &self,
        join: &Join,
        at: usize,
        index: &BTreeMap<String, Vec<(Guid, &'a Row)>>,
        tuple: Tuple<'a>,
        next: &mut Vec<Tuple<'a>>,
    ) {
        let key = match &join.keys {
            None => Some(String::new()),
            Some((left, _)) => tuple.get(join.parent).copied().flatten().and_then(|(id, row)| key_text(&left.value(&self.store, id, row))),
        };
        let found = key.and_then(|key| index.get(&key)).map(Vec::as_slice).unwrap_or_default();
        let extended = |row: Option<(Guid, &'a Row)>| {
            let mut longer = tuple.clone();
            longer.resize(at, None);
            longer.push(row);
            longer
        };
        let mut matches = found.iter().map(|row| extended(Some(*row))).filter(|longer| self.holds(&join.on, longer)).peekable();
        match join.how {
            How::Inner => next.extend(matches),
            How::Outer if matches.peek().is_none() => next.push(extended(None)),
            How::Outer => next.extend(matches),
            How::Exists => next.extend(matches.next().map(|_| extended(None))),
            How::Lacks if matches.peek().is_none() => next.push(extended(None)),
            How::Lacks => {}
        }
    }

    fn holds(&self, check: &Check, tuple: &Tuple<'_>) -> bool {
        let row = |source: usize| tuple.get(source).copied().flatten();
        match check {
            Check::All(parts) => parts.iter().all(|part| self.holds(part, tuple)),
            Check::Any(parts) => parts.iter().any(|part| self.holds(part, tuple)),
            Check::Not(inner) => !self.holds(inner, tuple),
            Check::Missing(source) => row(*source).is_none(),
            Check::On(source, test) => match row(*source) {
                Some((id, row)) => test.passes(&self.store, id, row),
                // A row that an outer join didn't find is one without any value.
                None => test.passes(&self.store, Guid::from_u128(0), &Row::pack(&Record::new(), 0, 0)),
            },
            Check::Pair(left, operator, right) => {
                let value = |(source, term): &(usize, Term)| self.value_of(*source, term, tuple);
                let (left, right) = (value(left), value(right));
                let order = if left.is_null() || right.is_null() { None } else { left.compare(&right) };
                match operator {
                    Operator::Eq => order == Some(Ordering::Equal),
                    Operator::Ne => order.is_some_and(Ordering::is_ne),
                    Operator::Gt => order == Some(Ordering::Greater),
                    Operator::Ge => order.is_some_and(Ordering::is_ge),
                    Operator::Lt => order == Some(Ordering::Less),
                    Operator::Le => order.is_some_and(Ordering::is_le),
                }
            }
        }
    }

    fn value_of<'a>(&'a self, source: usize, term: &Term, tuple: &Tuple<'a>) -> Value<'a> {
        tuple.get(source).copied().flatten().map_or(Value::Null, |(id, row)| term.value(&self.store, id, row))
    }

    fn single(&self, out: &Out, tuple: &Tuple<'_>) -> Value<'static> {
        let value = self.value_of(out.source, &out.term, tuple).into_owned();
        if let What::Part(part) = out.what { part_of(part, &value) } else { value }
    }

    fn groups(&self, plan: &Plan, tuples: &[Tuple<'_>]) -> Vec<Line<'_>> {
        let mut groups: BTreeMap<Vec<String>, Vec<&Tuple<'_>>> = BTreeMap::new();
        let keys: Vec<&Out> = plan.columns.iter().filter(|out| !out.what.aggregates()).collect();
        for tuple in tuples {
            let key = keys.iter().map(|out| text_of(&self.single(out, tuple))).collect();
            groups.entry(key).or_default().push(tuple);
        }
        if keys.is_empty() {
            // Without anything to group by there is one line, also of no rows.
            groups.entry(Vec::new()).or_default();
        }
        let line = |members: &[&Tuple<'_>]| plan.columns.iter().map(|out| self.aggregate(out, members)).collect();
        groups.values().map(|members| Line { values: line(members), tuple: Vec::new() }).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "an average is approximate by nature")]
    fn aggregate(&self, out: &Out, members: &[&Tuple<'_>]) -> Value<'static> {
        let all = members.iter().map(|tuple| self.single(out, tuple));
        let mut some = all.clone().filter(|value| !value.is_null());
        let length = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        match out.what {
            What::Plain | What::Part(_) => members.first().map_or(Value::Null, |tuple| self.single(out, tuple)),
            What::CountAll => length(members.len()),
            What::Count { distinct: false } => length(some.count()),
            What::Count { distinct: true } => length(some.map(|value| text_of(&value)).collect::<BTreeSet<_>>().len()),
            What::Sum => some.reduce(|a, b| add(&a, &b)).unwrap_or(Value::Null),
            What::Average => {
                let count = some.clone().count();
                match some.reduce(|a, b| add(&a, &b)) {
                    Some(Value::Money(sum)) => Value::Money(sum / i64::try_from(count).unwrap_or(1).max(1)),
                    Some(Value::Float(sum)) => Value::Float(sum / count as f64),
                    // Whole numbers have whole averages, as in the database below.
                    Some(Value::Int(sum)) => Value::Int(sum / i64::try_from(count).unwrap_or(1).max(1)),
                    Some(_) | None => Value::Null,
                }
            }
            What::Least => some.by_ref().min_by(Value::order).unwrap_or(Value::Null),
            What::Greatest => some.by_ref().max_by(Value::order).unwrap_or(Value::Null),
        }
    }

    fn ordering(&self, order: &[Order], a: &Line<'_>, b: &Line<'_>) -> Ordering {
        for item in order {
            let value = |line: &Line<'_>| match &item.by {
                By::Out(at) => line.values.get(*at).cloned().unwrap_or(Value::Null),
                By::Value(source, term, labels) => {
                    let value = self.value_of(*source, term, &line.tuple).into_owned();
                    let label = value.as_int().and_then(|n| labels.iter().find(|(option, _)| *option == n));
                    label.map_or(value, |(_, label)| Value::Text(label.clone().into()))
                }
            };
            let step = value(a).order(&value(b));
            if step.is_ne() {
                return if item.descending { step.reverse() } else { step };
            }
        }
        Ordering::Equal
    }
}

fn key_of(line: &Line<'_>) -> Option<Guid> {
    line.tuple.first().copied().flatten().map(|(id, _)| id)
}

/// The text by which values are joined: equal for equal values; none for null, which joins nothing.
fn key_text(value: &Value<'_>) -> Option<String> {
    (!value.is_null()).then(|| text_of(value))
}

fn text_of(value: &Value<'_>) -> String {
    let mut text = String::new();
    value.write_json(&mut text);
    text.to_lowercase()
}

fn add(a: &Value<'_>, b: &Value<'_>) -> Value<'static> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.saturating_add(*b)),
        (Value::Money(a), Value::Money(b)) => Value::Money(a.saturating_add(*b)),
        (Value::Float(a), Value::Float(b)) => Value::Float(a + b),
        _ => Value::Null,
    }
}

fn part_of(part: Part, value: &Value<'_>) -> Value<'static> {
    let day =
        if let Value::Day(day) = value { Some(*day) } else { value.as_time().and_then(|at| i32::try_from(at.div_euclid(86_400)).ok()) };
    let Some(date) = day.and_then(date_of) else { return Value::Null };
    Value::Int(match part {
        Part::Day => i64::from(date.day()),
        Part::Week => i64::from(date.iso_week_date().week()),
        Part::Month => i64::from(date.month()),
        Part::Quarter => i64::from((date.month() + 2) / 3),
        Part::Year => i64::from(date.year()),
    })
}
