//! Queries that answer with a table of values: FetchXML, SQL, `$apply`. Each is compiled into one [`Plan`], which [`run`] carries out.
//!
//! What is understood is the part that integrations use; everything else is refused by name, never passed over.

pub mod apply;
pub mod condition;
pub mod fetch;
pub mod run;
pub mod sql;
pub mod sql_condition;
pub mod token;
pub mod xml;

use crate::{
    error::{Outcome, Refusal},
    odata::{
        syntax::Operator,
        test::{Term, Test},
    },
    schema::{Column, Kind},
    store::Store,
};

/// A compiled query.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The tables read; the first is the one asked, each later one is joined to an earlier one.
    pub sources: Vec<Source>,
    pub check: Check,
    pub columns: Vec<Out>,
    /// Whether rows are put together by the columns that are no aggregates.
    pub grouped: bool,
    pub distinct: bool,
    pub order: Vec<Order>,
}

/// A table that is read.
#[derive(Debug)]
pub(crate) struct Source {
    pub table: usize,
    pub alias: String,
    /// How it hangs on an earlier one; none for the first.
    pub join: Option<Join>,
}

/// How a table is joined.
#[derive(Debug)]
pub(crate) struct Join {
    pub parent: usize,
    /// A value of the parent and one of this table that have to be equal; none joins every row.
    pub keys: Option<(Term, Term)>,
    pub how: How,
    /// What else a row of this table has to pass.
    pub on: Check,
}

/// What becomes of a row without a match, and of one with several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Inner,
    Outer,
    /// Kept once when there is a match; the match isn't shown.
    Exists,
    /// Kept when there is no match.
    Lacks,
}

/// A condition on a joined row.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    All(Vec<Check>),
    Any(Vec<Check>),
    Not(Box<Check>),
    /// A test of the row from one source.
    On(usize, Test),
    /// The source has no row here.
    Missing(usize),
    Pair((usize, Term), Operator, (usize, Term)),
}

impl Default for Check {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// A column of the answer.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    pub name: String,
    pub source: usize,
    pub term: Term,
    pub kind: Kind,
    /// The column it comes from, for annotations; none for a count or what is computed.
    pub column: Option<u16>,
    pub what: What,
}

/// How a column's value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Plain,
    /// A part of a date.
    Part(Part),
    CountAll,
    Count {
        distinct: bool,
    },
    Sum,
    Average,
    Least,
    Greatest,
}

/// The part of a date that rows are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl What {
    /// Whether it sums several rows up.
    pub(crate) const fn aggregates(self) -> bool {
        match self {
            Self::Plain | Self::Part(_) => false,
            Self::CountAll | Self::Count { .. } | Self::Sum | Self::Average | Self::Least | Self::Greatest => true,
        }
    }
}

/// What rows are ordered by.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub by: By,
    pub descending: bool,
}

/// A value to order by.
#[derive(Debug, Clone)]
pub(crate) enum By {
    /// A column of the answer.
    Out(usize),
    /// A value of a source; a choice goes by its labels when they are given.
    Value(usize, Term, Vec<(i64, String)>),
}

/// A column by its logical name. A lookup's name with `name` after it is the name of what it points at.
pub(crate) fn column(store: &Store, table: usize, name: &str) -> Outcome<(Term, Kind, Option<u16>)> {
    let definition = store.schema.get(table).ok_or_else(|| Refusal::no_segment("table"))?;
    if let Some(at) = definition.find(name).or_else(|| definition.find_property(name)) {
        let property = definition.column(at).map(Column::property).unwrap_or_default();
        let (term, kind) = Term::bind(store, table, &property)?;
        return Ok((term, kind, Some(at)));
    }
    let missing = || Refusal::query(format!("'{}' entity doesn't contain attribute with Name = '{name}'.", definition.name));
    let lookup = name.strip_suffix("name").and_then(|name| definition.find(name)).ok_or_else(missing)?;
    if definition.column(lookup).is_none_or(|column| !column.is_lookup()) {
        return Err(missing());
    }
    Ok((Term::Title(lookup), Kind::Text(0), None))
}

/// The labels of a choice, by which FetchXML orders it.
pub(crate) fn labels(store: &Store, table: usize, column: Option<u16>) -> Vec<(i64, String)> {
    let column = store.schema.get(table).and_then(|table| table.column(column?));
    column.into_iter().flat_map(|column| &column.options).map(|option| (i64::from(option.value), option.label.clone())).collect()
}
