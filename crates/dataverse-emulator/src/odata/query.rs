//! What a query asks to see: selected columns, expanded neighbours, order.

use base::Guid;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{
    syntax::Expression,
    test::{Context, Term, Test},
    uri::{Options, split_outside},
};
use crate::{
    error::{Outcome, Refusal},
    schema::{Across, Kind, Table},
    store::Store,
};

/// A neighbour to bring along.
#[derive(Debug, Clone)]
pub(crate) struct Expand {
    pub nav: String,
    pub link: Link,
    pub query: Query,
    /// Its options as they were written, for the link to a further page.
    pub options: String,
}

/// How the neighbour is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Through this lookup column, to this table.
    One(u16, usize),
    /// Rows of this table whose column points here.
    Many(usize, u16),
    /// Rows tied to this one by a many-to-many relationship.
    Across(Across),
    /// The owner as a `principal`, which has no columns worth reading.
    Principal(u16),
}

impl Link {
    /// The table it leads to; none for an owner, who may be of several.
    pub(crate) const fn table(self) -> Option<usize> {
        match self {
            Self::One(_, to) | Self::Many(to, _) => Some(to),
            Self::Across(across) => Some(across.table),
            Self::Principal(_) => None,
        }
    }

    /// The rows a collection holds for this row; none for a single-valued link.
    pub(crate) fn rows(self, store: &Store, id: Guid) -> Vec<Guid> {
        match self {
            Self::One(..) | Self::Principal(_) => Vec::new(),
            Self::Many(table, column) => super::test::related_rows(store, id, table, column),
            Self::Across(across) => {
                let pairs = store.table(across.intersect).rows.values();
                let near = pairs.filter(|pair| pair.get(across.near).as_guid() == Some(id));
                near.filter_map(|pair| pair.get(across.far).as_guid()).collect()
            }
        }
    }
}

/// One `$orderby` item.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub name: String,
    pub term: Term,
    /// What the term yields, to read a paging cookie back.
    pub kind: Kind,
    pub descending: bool,
}

/// A query on a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    /// The columns to show, by position; none shows all.
    pub select: Option<Vec<u16>>,
    /// The text of `$select`, for the context.
    pub select_text: Vec<String>,
    pub filter: Option<Test>,
    pub order: Vec<Order>,
    pub expand: Vec<Expand>,
    pub top: Option<usize>,
    pub count: bool,
}

/// `$expand` items per query (documented).
const EXPAND_MAX: usize = 15;

impl Query {
    /// Reads the options of a query on a table.
    pub(crate) fn parse(store: &Store, table: usize, options: &Options, context: Context) -> Outcome<Self> {
        for name in options.names() {
            let known = matches!(
                name,
                "$select" | "$filter" | "$orderby" | "$top" | "$count" | "$expand" | "$skiptoken" | "$deltatoken" | "$id" | "$apply"
            );
            match name {
                "$skip" => return Err(Refusal::query("Skip Clause is not supported in CRM")),
                "sql" | "fetchXml" | "savedQuery" | "userQuery" | "$apply" => {
                    return Err(Refusal::query(format!("The query parameter '{name}' is for lists of a whole table only.")));
                }
                _ if name.starts_with('$') && !known => {
                    return Err(Refusal::query(format!("The query parameter '{name}' is not supported.")));
                }
                _ => {}
            }
        }
        Self::from_lookup(store, table, &|name| options.get(name).map(str::to_owned), options, context, 0)
    }

    fn from_lookup(
        store: &Store,
        table: usize,
        get: &dyn Fn(&str) -> Option<String>,
        aliases: &Options,
        context: Context,
        depth: usize,
    ) -> Outcome<Self> {
        let definition = store.schema.get(table).ok_or_else(|| Refusal::no_segment("table"))?;
        let mut query = Self::default();
        if let Some(text) = get("$select").filter(|text| !text.trim().is_empty()) {
            let (positions, names) = select(definition, &text)?;
            query.select = positions;
            query.select_text = names;
        }
        if let Some(text) = get("$filter") {
            query.filter = Some(Test::bind(store, table, &Expression::parse(&text, aliases)?, context)?);
        }
        if let Some(text) = get("$orderby").filter(|text| !text.trim().is_empty()) {
            query.order = order(store, table, &text, aliases)?;
        }
        if let Some(text) = get("$top") {
            let top = text.trim().parse().map_err(|_| {
                Refusal::query(format!(
                    "Invalid value '{text}' for $top query option found. The $top query option requires a non-negative integer value."
                ))
            })?;
            query.top = Some(top);
        }
        query.count = match get("$count").as_deref().map(str::trim) {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(Refusal::query(format!("Invalid value '{other}' for $count query option found."))),
        };
        if let Some(text) = get("$expand").filter(|text| !text.trim().is_empty()) {
            query.expand = expand(store, table, &text, aliases, context, depth)?;
        }
        if query.expansions() > EXPAND_MAX {
            return Err(too_many());
        }
        Ok(query)
    }

    /// The `$expand` items on every level.
    fn expansions(&self) -> usize {
        self.expand.iter().map(|expand| 1 + expand.query.expansions()).sum()
    }

    /// Whether an expanded neighbour brings neighbours of its own.
    pub(crate) fn nests(&self) -> bool {
        self.expand.iter().any(|expand| !expand.query.expand.is_empty())
    }

    /// The selection as the context shows it: `(a,b,nav(c))`, or nothing.
    pub(crate) fn shape(&self) -> String {
        let mut parts = self.select_text.clone();
        parts.extend(self.expand.iter().map(|expand| {
            let inner = expand.query.shape();
            format!("{}{}", expand.nav, if inner.is_empty() { "()".to_owned() } else { inner })
        }));
        if parts.is_empty() { String::new() } else { format!("({})", parts.join(",")) }
    }
}

fn select(table: &Table, text: &str) -> Outcome<(Option<Vec<u16>>, Vec<String>)> {
    let (mut positions, mut names) = (Vec::new(), Vec::new());
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if name == "*" {
            return Ok((None, vec![name.to_owned()]));
        }
        let at = match super::test::property(table, name) {
            Ok(at) => at,
            // A lookup named without underscores is legal in $select, but selects the navigation property: nothing.
            Err(refusal) if table.find_nav(name).is_none() => return Err(refusal),
            Err(_) => {
                names.push(name.to_owned());
                continue;
            }
        };
        if !positions.contains(&at) {
            positions.push(at);
            // An amount means little without its currency, so the service sends that along.
            if table.column(at).is_some_and(|column| matches!(column.kind, Kind::Money(..)))
                && let Some(currency) = table.find("transactioncurrencyid")
                && !positions.contains(&currency)
            {
                positions.push(currency);
            }
        }
        names.push(name.to_owned());
    }
    Ok((Some(positions), names))
}

fn order(store: &Store, table: usize, text: &str, aliases: &Options) -> Outcome<Vec<Order>> {
    let items = split_outside(text, ',').into_iter().map(|item| {
        let mut words = item.split_whitespace();
        let name = words.next().unwrap_or_default();
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(Refusal::query(format!("Syntax error in $orderby: '{other}'."))),
        };
        let name = if name.starts_with('@') { aliases.get(name).unwrap_or_default() } else { name };
        let (term, kind) = Term::bind(store, table, name)?;
        let (term, kind) = by_name(term, kind);
        Ok(Order { name: name.to_owned(), term, kind, descending })
    });
    items.collect()
}

/// A lookup sorts by the name of what it points at.
fn by_name(term: Term, kind: Kind) -> (Term, Kind) {
    match term {
        Term::Cell(at) if matches!(kind, Kind::Lookup | Kind::Customer | Kind::Owner) => (Term::Title(at), Kind::Text(0)),
        Term::Const(_) | Term::Key | Term::Version | Term::Cell(_) | Term::Title(_) | Term::Via(..) => (term, kind),
    }
}

fn expand(store: &Store, table: usize, text: &str, aliases: &Options, context: Context, depth: usize) -> Outcome<Vec<Expand>> {
    let definition = store.schema.get(table).ok_or_else(|| Refusal::no_segment("table"))?;
    let items = split_outside(text, ',');
    if items.len() > EXPAND_MAX || depth > 5 {
        return Err(too_many());
    }
    let mut expands = Vec::new();
    for item in items {
        let item = item.trim();
        let (nav, inner) = match (item.find('('), item.ends_with(')')) {
            (Some(open), true) => (item.get(..open).unwrap_or_default(), item.get(open + 1..item.len() - 1).unwrap_or_default()),
            (Some(_), false) | (None, _) => (item, ""),
        };
        let link = link(store, definition, nav)?;
        let to = link.table().unwrap_or(table);
        let parts: Vec<(String, String)> = split_outside(inner, ';')
            .into_iter()
            .filter_map(|part| part.trim().split_once('='))
            .map(|(n, v)| (n.trim().to_owned(), v.to_owned()))
            .collect();
        let nested = depth > 0 || parts.iter().any(|(name, _)| name == "$expand");
        let query = if matches!(link, Link::Principal(_)) {
            principal(&parts)?
        } else {
            let get = |name: &str| parts.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
            Query::from_lookup(store, to, &get, aliases, context, depth + 1)?
        };
        if nested && matches!(link, Link::Many(..) | Link::Across(_)) && (query.top.is_some() || !query.order.is_empty()) {
            return Err(Refusal::query("$top and $orderby aren't supported in a nested $expand."));
        }
        expands.push(Expand { nav: nav.to_owned(), link, query, options: sent_again(inner) });
    }
    Ok(expands)
}

fn too_many() -> Refusal {
    Refusal::query(format!("The number of $expand segments included in the query has exceeded the maximum limit of {EXPAND_MAX}."))
}

/// The inner options of an item as a query of their own, percent-encoded.
fn sent_again(inner: &str) -> String {
    let parts = split_outside(inner, ';').into_iter().map(|part| utf8_percent_encode(part.trim(), SPECIAL).to_string());
    parts.collect::<Vec<_>>().join("&")
}

/// What has a meaning of its own in a query.
const SPECIAL: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'<').add(b'>');

/// The owner expands to the abstract `principal`, which has its key and little else.
fn principal(parts: &[(String, String)]) -> Outcome<Query> {
    let mut query = Query::default();
    for name in parts.iter().filter(|(name, _)| name == "$select").flat_map(|(_, value)| value.split(',')) {
        if name.trim() != "ownerid" {
            return Err(Refusal::no_property(name.trim(), "principal"));
        }
        query.select_text.push(name.trim().to_owned());
    }
    Ok(query)
}

/// Finds a navigation property, single-valued or a collection.
pub(crate) fn link(store: &Store, table: &Table, nav: &str) -> Outcome<Link> {
    let missing = || Refusal::no_property(nav, &table.name);
    if let Some((column, target)) = table.find_nav(nav) {
        if table.column(column).is_some_and(|column| column.kind == Kind::Owner) {
            return Ok(Link::Principal(column));
        }
        return Ok(Link::One(column, store.schema.find(&target.table).ok_or_else(missing)?));
    }
    let found = store.schema.collections(&table.name).find(|(many, ..)| *many == nav);
    if let Some((_, other, column)) = found {
        return Ok(Link::Many(other, column));
    }
    store.schema.across(&table.name, nav).map(Link::Across).ok_or_else(missing)
}
