//! FetchXML compiled into a plan (Microsoft's "FetchXml reference" pages).

use super::{By, Check, How, Join, Order, Out, Part, Plan, Source, What, column, condition::condition, labels, xml::Element};
use crate::{
    error::{Outcome, Refusal},
    odata::test::Context,
    schema::Kind,
    store::Store,
};

/// A FetchXML query.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub plan: Plan,
    /// Columns of the first table to show as any row shows them; none shows all.
    pub select: Option<Vec<u16>>,
    pub top: Option<usize>,
    /// Rows per page, when it names a number.
    pub count: Option<usize>,
    /// The page asked for, from 1.
    pub page: usize,
    pub total: bool,
    /// Whether the order goes by the first table only, so that a cookie can be given.
    pub own_order: bool,
}

/// Tables joined in one query (documented).
const LINKS_MAX: usize = 15;

struct Reading<'a> {
    store: &'a Store,
    context: Context,
    sources: Vec<(usize, String)>,
    plan: Plan,
    aggregate: bool,
    own_order: bool,
    conditions: Vec<(usize, &'a Element)>,
}

impl Fetch {
    /// Reads a query that was sent to the set of `table`.
    pub(crate) fn read(store: &Store, table: usize, root: &Element, context: Context) -> Outcome<Self> {
        let bad = |text: &str| Refusal::new(400, "0x80040201", format!("Invalid XML: {text}"));
        if root.name != "fetch" {
            return Err(bad("the root has to be 'fetch'."));
        }
        let [entity] = root.all("entity").collect::<Vec<_>>()[..] else { return Err(bad("'fetch' needs one 'entity'.")) };
        let name = entity.get("name").unwrap_or_default();
        let known = store.schema.find(name).ok_or_else(|| {
            Refusal::new(
                400,
                "0x80041102",
                format!("The entity with a name = '{name}' with namemapping = 'Logical' was not found in the MetadataCache."),
            )
        })?;
        if known != table {
            return Err(Refusal::query(format!("The query is about '{name}', the address about another table.")));
        }
        let number = |attribute: &str| match root.get(attribute) {
            None => Ok(None),
            Some(text) => text.trim().parse::<usize>().map(Some).map_err(|_| bad(&format!("'{attribute}' has to be a number."))),
        };
        let (top, count, page) = (number("top")?, number("count")?, number("page")?);
        if top.is_some() && (count.is_some() || page.is_some()) {
            return Err(bad("The top attribute can't be specified with paging attributes."));
        }
        let mut reading = Reading {
            store,
            context,
            sources: Vec::new(),
            plan: Plan::default(),
            aggregate: root.flag("aggregate"),
            own_order: true,
            conditions: Vec::new(),
        };
        let select = reading.table(entity, table, None)?;
        let (mut plan, own_order) = reading.finish()?;
        plan.distinct = root.flag("distinct");
        let total = root.flag("returntotalrecordcount");
        Ok(Self { plan, select, top, count, page: page.unwrap_or(1).max(1), total, own_order })
    }
}

impl<'a> Reading<'a> {
    /// An `entity` or `link-entity` with all that is in it. Says which plain columns it selects; none for all.
    fn table(&mut self, element: &'a Element, table: usize, join: Option<Join>) -> Outcome<Option<Vec<u16>>> {
        let own = self.sources.len();
        if own > LINKS_MAX {
            return Err(Refusal::query(format!("The number of link-entity elements exceeds the limit of {LINKS_MAX}.")));
        }
        let name = self.store.schema.get(table).map_or("", |table| table.name.as_str());
        let alias = element.get("alias").map_or_else(|| if own == 0 { name.to_owned() } else { format!("{name}{own}") }, str::to_owned);
        self.sources.push((table, alias.clone()));
        self.plan.sources.push(Source { table, alias: alias.clone(), join });
        let (mut select, mut any) = (Vec::new(), false);
        for child in &element.children {
            match child.name.as_str() {
                "attribute" => {
                    any = true;
                    self.attribute(child, own, &alias, &mut select)?;
                }
                "all-attributes" if own == 0 => {}
                "all-attributes" => self.all_attributes(own, &alias)?,
                // Conditions may name a link that is still to come.
                "filter" => self.conditions.push((own, child)),
                "order" => self.order(child, own)?,
                "link-entity" => self.link(child, own)?,
                other => return Err(Refusal::query(format!("The element '{other}' isn't supported here."))),
            }
        }
        let all = own == 0 && (!any || element.all("all-attributes").next().is_some());
        Ok((!all || self.aggregate).then_some(select))
    }

    fn attribute(&mut self, element: &Element, own: usize, alias: &str, select: &mut Vec<u16>) -> Outcome<()> {
        let name = element.get("name").ok_or_else(|| Refusal::query("An attribute needs a name."))?;
        let table = self.sources.get(own).map_or(0, |(table, _)| *table);
        let (term, kind, at) = column(self.store, table, name)?;
        let mut out = Out { name: String::new(), source: own, term, kind, column: at, what: What::Plain };
        if self.aggregate {
            let shown = element
                .get("alias")
                .ok_or_else(|| Refusal::query(format!("The attribute '{name}' of an aggregate query needs an alias.")))?;
            shown.clone_into(&mut out.name);
            out.what = aggregate(element, out.kind)?;
            if out.what.aggregates() && matches!(out.what, What::CountAll | What::Count { .. }) {
                out.column = None;
            }
            self.plan.columns.push(out);
            return Ok(());
        }
        match (element.get("alias"), at) {
            (None, Some(at)) if own == 0 => select.push(at),
            (shown, _) => {
                out.name = shown.map_or_else(|| if own == 0 { name.to_owned() } else { format!("{alias}.{name}") }, str::to_owned);
                self.plan.columns.push(out);
            }
        }
        Ok(())
    }

    fn all_attributes(&mut self, own: usize, alias: &str) -> Outcome<()> {
        let table = self.sources.get(own).map_or(0, |(table, _)| *table);
        let names: Vec<String> =
            self.store.schema.get(table).into_iter().flat_map(|table| table.columns()).map(|(_, column)| column.name.clone()).collect();
        for name in names {
            let (term, kind, at) = column(self.store, table, &name)?;
            self.plan.columns.push(Out { name: format!("{alias}.{name}"), source: own, term, kind, column: at, what: What::Plain });
        }
        Ok(())
    }

    fn order(&mut self, element: &Element, own: usize) -> Outcome<()> {
        let descending = element.flag("descending");
        let by = match (element.get("alias"), element.get("attribute")) {
            (Some(alias), _) => {
                let found = self.plan.columns.iter().position(|out| out.name == alias);
                By::Out(found.ok_or_else(|| Refusal::query(format!("'{alias}' orders by no attribute of the query.")))?)
            }
            (None, Some(name)) => {
                let source = match element.get("entityname") {
                    None => own,
                    Some(name) => self
                        .sources
                        .iter()
                        .position(|(_, alias)| alias == name)
                        .ok_or_else(|| Refusal::query(format!("'{name}' names no link-entity of the query.")))?,
                };
                let table = self.sources.get(source).map_or(0, |(table, _)| *table);
                let (term, kind, at) = column(self.store, table, name)?;
                // A lookup goes by the name of what it points at.
                let by_name =
                    matches!(kind, Kind::Lookup | Kind::Customer | Kind::Owner).then(|| column(self.store, table, &format!("{name}name")));
                let term = by_name.and_then(Result::ok).map_or(term, |(by_name, ..)| by_name);
                self.own_order &= source == 0;
                By::Value(source, term, labels(self.store, table, at))
            }
            (None, None) => return Err(Refusal::query("An order needs an attribute or an alias.")),
        };
        self.plan.order.push(Order { by, descending });
        Ok(())
    }

    fn link(&mut self, element: &'a Element, parent: usize) -> Outcome<()> {
        let name = element.get("name").unwrap_or_default();
        let table = self.store.schema.find(name).ok_or_else(|| {
            Refusal::new(400, "0x80041102", format!("The entity with a name = '{name}' was not found in the MetadataCache."))
        })?;
        let how = match element.get("link-type").unwrap_or("inner") {
            "inner" => How::Inner,
            "outer" => How::Outer,
            "exists" | "in" | "any" => How::Exists,
            "not any" => How::Lacks,
            other => return Err(Refusal::query(format!("The link-type '{other}' isn't supported here."))),
        };
        let above = self.sources.get(parent).map_or(0, |(table, _)| *table);
        let from = element.get("from").ok_or_else(|| Refusal::query("A link-entity needs 'from'."))?;
        let to = element.get("to").ok_or_else(|| Refusal::query("A link-entity needs 'to'."))?;
        let keys = (column(self.store, above, to)?.0, column(self.store, table, from)?.0);
        if matches!(how, How::Exists | How::Lacks) && element.all("link-entity").next().is_some() {
            return Err(Refusal::query("A link-entity that only tests can't hold another here."));
        }
        self.table(element, table, Some(Join { parent, keys: Some(keys), how, on: Check::default() })).map(|_| ())
    }

    /// Reads the conditions, now that every link is known.
    fn finish(mut self) -> Outcome<(Plan, bool)> {
        self.plan.grouped = self.aggregate;
        let mut root = Vec::new();
        for (own, element) in std::mem::take(&mut self.conditions) {
            let check = self.filter(element, own)?;
            match self.plan.sources.get_mut(own).and_then(|source| source.join.as_mut()) {
                // A filter in a link belongs to the join: of an outer one it keeps the rows without a match.
                Some(join) => join.on = Check::All(vec![std::mem::take(&mut join.on), check]),
                None => root.push(check),
            }
        }
        self.plan.check = Check::All(root);
        Ok((self.plan, self.own_order))
    }

    fn filter(&self, element: &Element, own: usize) -> Outcome<Check> {
        let mut parts = Vec::new();
        for child in &element.children {
            parts.push(match child.name.as_str() {
                "filter" => self.filter(child, own)?,
                "condition" => condition(self.store, &self.sources, own, child, self.context)?,
                other => return Err(Refusal::query(format!("The element '{other}' in a filter isn't supported here."))),
            });
        }
        match element.get("type").unwrap_or("and") {
            "and" => Ok(Check::All(parts)),
            "or" if parts.is_empty() => Ok(Check::default()),
            "or" => Ok(Check::Any(parts)),
            other => Err(Refusal::query(format!("The filter type '{other}' is unknown."))),
        }
    }
}

fn aggregate(element: &Element, kind: Kind) -> Outcome<What> {
    let numeric = matches!(kind, Kind::Integer(..) | Kind::BigInt | Kind::Double(_) | Kind::Decimal(_) | Kind::Money(..));
    let what = match (element.get("aggregate"), element.flag("groupby"), element.get("dategrouping")) {
        (Some("count"), ..) => What::CountAll,
        (Some("countcolumn"), ..) => What::Count { distinct: element.flag("distinct") },
        (Some("sum"), ..) if numeric => What::Sum,
        (Some("avg"), ..) if numeric => What::Average,
        (Some("min"), ..) => What::Least,
        (Some("max"), ..) => What::Greatest,
        (None, true, None) => What::Plain,
        (None, true, Some("day")) => What::Part(Part::Day),
        (None, true, Some("week")) => What::Part(Part::Week),
        (None, true, Some("month")) => What::Part(Part::Month),
        (None, true, Some("quarter")) => What::Part(Part::Quarter),
        (None, true, Some("year")) => What::Part(Part::Year),
        (Some(other), ..) => return Err(Refusal::query(format!("The aggregate '{other}' isn't supported for this attribute."))),
        (None, ..) => return Err(Refusal::query("An attribute of an aggregate query is grouped by, or aggregated.")),
    };
    Ok(what)
}

/// The position where a paging cookie's query goes on is its page; the cookie itself has to be one we could have made.
///
/// # Errors
/// 400 for a cookie that isn't XML or belongs to another page.
pub(crate) fn check_cookie(root: &Element, page: usize) -> Outcome<()> {
    let Some(text) = root.get("paging-cookie").filter(|text| !text.is_empty()) else { return Ok(()) };
    let cookie = Element::read(text).filter(|cookie| cookie.name == "cookie");
    let before = cookie.as_ref().and_then(|cookie| cookie.get("page")).and_then(|page| page.parse::<usize>().ok());
    if before.is_some_and(|before| before + 1 == page) {
        return Ok(());
    }
    Err(Refusal::new(400, "0x80040225", "Malformed XML in the Paging Cookie."))
}
