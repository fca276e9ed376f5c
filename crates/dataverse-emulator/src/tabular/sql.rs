//! SQL compiled into a plan: one SELECT with joins, WHERE, GROUP BY, ORDER BY, TOP or OFFSET, as `?sql=` takes it.

use super::{
    By, Check, How, Join, Order, Out, Plan, Source, What, column,
    token::{Token, tokens},
};
use crate::{
    error::{Outcome, Refusal},
    odata::{syntax::Operator, test::Term},
    schema::{Column, Kind},
    store::Store,
};

/// A statement.
#[derive(Debug)]
pub(crate) struct Select {
    pub plan: Plan,
    pub offset: usize,
    pub limit: Option<usize>,
}

/// Deeper nesting than anyone writes, and shallow enough for the stack.
pub(super) const DEPTH_MAX: usize = 40;

/// Words that end a table's alias.
const KEYWORDS: [&str; 17] = [
    "inner", "left", "join", "on", "where", "group", "order", "offset", "fetch", "and", "or", "as", "union", "having", "cross", "right",
    "full",
];

/// A selected item before its tables are known.
enum Item {
    All(Option<String>),
    One { what: What, path: Option<Path>, alias: Option<String> },
}

/// A column with the alias of its table, when one was written.
pub(super) type Path = (Option<String>, String);

pub(super) struct Parser<'a> {
    store: &'a Store,
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) depth: usize,
    sources: Vec<Source>,
}

impl Select {
    /// Reads a statement that was sent to the set of `table`.
    pub(crate) fn read(store: &Store, table: usize, text: &str) -> Outcome<Self> {
        let mut parser = Parser { store, tokens: tokens(text)?, at: 0, depth: 0, sources: Vec::new() };
        let select = parser.select()?;
        if select.plan.sources.first().map(|source| source.table) != Some(table) {
            return Err(Refusal::query("The SQL is about another table than the address."));
        }
        Ok(select)
    }
}

impl Parser<'_> {
    pub(super) fn fault(&self, what: &str) -> Refusal {
        Refusal::query(format!("The SQL can't be read: {what} (piece {}).", self.at + 1))
    }

    pub(super) fn peek_is(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        let hit = self.peek_is(word);
        self.at += usize::from(hit);
        hit
    }

    pub(super) fn need(&mut self, word: &str) -> Outcome<()> {
        if self.word(word) { Ok(()) } else { Err(self.fault(&format!("{} expected", word.to_uppercase()))) }
    }

    pub(super) fn sign(&mut self, sign: &str) -> bool {
        let hit = matches!(self.tokens.get(self.at), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(hit);
        hit
    }

    pub(super) fn need_sign(&mut self, sign: &str) -> Outcome<()> {
        if self.sign(sign) { Ok(()) } else { Err(self.fault(&format!("'{sign}' expected"))) }
    }

    fn name(&mut self) -> Outcome<String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(name) | Token::Quoted(name)) => {
                self.at += 1;
                Ok(name.to_lowercase())
            }
            _ => Err(self.fault("a name expected")),
        }
    }

    fn number(&mut self) -> Outcome<usize> {
        match self.tokens.get(self.at) {
            Some(Token::Number(text)) => {
                self.at += 1;
                text.parse().map_err(|_| self.fault("a whole number expected"))
            }
            _ => Err(self.fault("a number expected")),
        }
    }

    pub(super) fn path(&mut self) -> Outcome<Path> {
        let first = self.name()?;
        if self.sign(".") { Ok((Some(first), self.name()?)) } else { Ok((None, first)) }
    }

    fn select(&mut self) -> Outcome<Select> {
        self.need("select")?;
        let distinct = self.word("distinct");
        let mut limit = None;
        if self.word("top") {
            let bracket = self.sign("(");
            limit = Some(self.number()?);
            if bracket {
                self.need_sign(")")?;
            }
        }
        let mut items = vec![self.item()?];
        while self.sign(",") {
            items.push(self.item()?);
        }
        self.need("from")?;
        self.from()?;
        let mut plan = Plan { distinct, ..Plan::default() };
        if self.word("where") {
            plan.check = self.or()?;
        }
        let mut groups = Vec::new();
        if self.word("group") {
            self.need("by")?;
            groups.push(self.path()?);
            while self.sign(",") {
                groups.push(self.path()?);
            }
        }
        for item in items {
            self.output(item, &mut plan.columns)?;
        }
        plan.grouped = !groups.is_empty() || plan.columns.iter().any(|out| out.what.aggregates());
        if plan.grouped {
            let grouped =
                groups.iter().map(|path| self.find(path).map(|(source, term, ..)| (source, term))).collect::<Outcome<Vec<_>>>()?;
            if plan.columns.iter().any(|out| !out.what.aggregates() && !grouped.contains(&(out.source, out.term.clone()))) {
                return Err(self.fault("a selected column is neither grouped by nor aggregated"));
            }
        }
        if self.word("order") {
            self.need("by")?;
            self.order(&mut plan)?;
        }
        let offset = self.paging(&mut limit)?;
        self.sign(";");
        if self.at < self.tokens.len() {
            return Err(self.fault("the end of the statement expected"));
        }
        plan.sources = std::mem::take(&mut self.sources);
        Ok(Select { plan, offset, limit })
    }

    fn paging(&mut self, limit: &mut Option<usize>) -> Outcome<usize> {
        if !self.word("offset") {
            return Ok(0);
        }
        let offset = self.number()?;
        if !self.word("rows") {
            self.need("row")?;
        }
        if self.word("fetch") {
            if !self.word("next") {
                self.need("first")?;
            }
            *limit = Some(self.number()?);
            if !self.word("rows") {
                self.need("row")?;
            }
            self.need("only")?;
        }
        Ok(offset)
    }

    fn item(&mut self) -> Outcome<Item> {
        if self.sign("*") {
            return Ok(Item::All(None));
        }
        if let [Token::Word(name) | Token::Quoted(name), Token::Sign("."), Token::Sign("*")] =
            self.tokens.get(self.at..self.at + 3).unwrap_or_default()
        {
            let name = name.to_lowercase();
            self.at += 3;
            return Ok(Item::All(Some(name)));
        }
        let call = matches!(self.tokens.get(self.at + 1), Some(Token::Sign("(")));
        let (what, path) = if call { self.call()? } else { (What::Plain, Some(self.path()?)) };
        let aliased =
            self.word("as") || (matches!(self.tokens.get(self.at), Some(Token::Word(_) | Token::Quoted(_))) && !self.peek_is("from"));
        let alias = if aliased { Some(self.alias()?) } else { None };
        Ok(Item::One { what, path, alias })
    }

    /// An alias, as it was written.
    fn alias(&mut self) -> Outcome<String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(name) | Token::Quoted(name) | Token::Text(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err(self.fault("an alias expected")),
        }
    }

    fn call(&mut self) -> Outcome<(What, Option<Path>)> {
        let function = self.name()?;
        self.need_sign("(")?;
        if function == "count" && self.sign("*") {
            self.need_sign(")")?;
            return Ok((What::CountAll, None));
        }
        let distinct = self.word("distinct");
        let path = self.path()?;
        self.need_sign(")")?;
        let what = match function.as_str() {
            "count" => What::Count { distinct },
            "sum" if !distinct => What::Sum,
            "avg" if !distinct => What::Average,
            "min" => What::Least,
            "max" => What::Greatest,
            other => return Err(self.fault(&format!("the function {} isn't supported", other.to_uppercase()))),
        };
        Ok((what, Some(path)))
    }

    fn from(&mut self) -> Outcome<()> {
        self.source()?;
        loop {
            let how = if self.sign(",") {
                let source = self.source()?;
                self.joined(source, How::Inner, None, Check::default());
                continue;
            } else if self.word("left") {
                self.word("outer");
                How::Outer
            } else if self.peek_is("inner") || self.peek_is("join") {
                self.word("inner");
                How::Inner
            } else {
                return Ok(());
            };
            self.need("join")?;
            let source = self.source()?;
            self.need("on")?;
            let on = self.or()?;
            let (keys, on) = self.keys(source, on)?;
            self.joined(source, how, Some(keys), on);
        }
    }

    fn source(&mut self) -> Outcome<usize> {
        let mut name = self.name()?;
        // A schema's name in front, as in "dbo.account".
        if self.sign(".") {
            name = self.name()?;
        }
        let table = self.store.schema.find(&name).ok_or_else(|| self.fault(&format!("there is no table '{name}'")))?;
        let next =
            matches!(self.tokens.get(self.at), Some(Token::Word(word)) if !KEYWORDS.iter().any(|known| word.eq_ignore_ascii_case(known)));
        let alias = if self.word("as") || next || matches!(self.tokens.get(self.at), Some(Token::Quoted(_))) { self.name()? } else { name };
        self.sources.push(Source { table, alias, join: None });
        Ok(self.sources.len() - 1)
    }

    fn joined(&mut self, source: usize, how: How, keys: Option<(usize, Term, Term)>, on: Check) {
        if let Some(source) = self.sources.get_mut(source) {
            let parent = keys.as_ref().map_or(0, |(parent, ..)| *parent);
            source.join = Some(Join { parent, keys: keys.map(|(_, left, right)| (left, right)), how, on });
        }
    }

    /// Finds the equality with an earlier table among the conditions of a join; the rest stays a condition.
    fn keys(&self, own: usize, on: Check) -> Outcome<((usize, Term, Term), Check)> {
        let mut parts = if let Check::All(parts) = on { parts } else { vec![on] };
        let fits = |part: &Check| matches!(part, Check::Pair((a, _), Operator::Eq, (b, _)) if (*a == own) != (*b == own));
        let at = parts.iter().position(fits).ok_or_else(|| self.fault("a join needs an equality of two columns"))?;
        match parts.remove(at) {
            Check::Pair((a, left), _, (b, right)) if b == own => Ok(((a, left, right), Check::All(parts))),
            Check::Pair((_, left), _, (b, right)) => Ok(((b, right, left), Check::All(parts))),
            Check::All(_) | Check::Any(_) | Check::Not(_) | Check::On(..) | Check::Missing(_) => {
                Err(self.fault("a join needs two columns"))
            }
        }
    }

    /// Which source and column a path means. Without an alias it is the first table that has the column.
    pub(super) fn find(&self, (alias, name): &Path) -> Outcome<(usize, Term, Kind, Option<u16>)> {
        let candidates = self.sources.iter().enumerate().filter(|(_, source)| alias.as_ref().is_none_or(|alias| source.alias == *alias));
        let mut fault = self.fault(&format!("there is no table '{}'", alias.as_deref().unwrap_or_default()));
        for (at, source) in candidates {
            match column(self.store, source.table, name) {
                Ok((term, kind, column)) => return Ok((at, term, kind, column)),
                Err(refusal) => fault = refusal,
            }
        }
        Err(fault)
    }

    fn output(&self, item: Item, out: &mut Vec<Out>) -> Outcome<()> {
        let named = |source: usize, at: Option<u16>, name: &str| {
            let table = self.sources.get(source).and_then(|source| self.store.schema.get(source.table));
            table.and_then(|table| table.column(at?)).map_or_else(|| name.to_owned(), Column::property)
        };
        match item {
            Item::One { what, path: None, alias } => {
                let name = alias.unwrap_or_else(|| "count".to_owned());
                out.push(Out { name, source: 0, term: Term::Key, kind: Kind::BigInt, column: None, what });
            }
            Item::One { what, path: Some(path), alias } => {
                let (source, term, kind, at) = self.find(&path)?;
                let counts = matches!(what, What::Count { .. });
                let name = alias.unwrap_or_else(|| named(source, at, &path.1));
                out.push(Out { name, source, term, kind, column: at.filter(|_| !counts), what });
            }
            Item::All(alias) => {
                for (at, source) in
                    self.sources.iter().enumerate().filter(|(_, source)| alias.as_ref().is_none_or(|alias| source.alias == *alias))
                {
                    let names = self
                        .store
                        .schema
                        .get(source.table)
                        .into_iter()
                        .flat_map(|table| table.columns())
                        .map(|(_, column)| column.name.as_str());
                    for name in names {
                        let (term, kind, column) = column(self.store, source.table, name)?;
                        out.push(Out { name: named(at, column, name), source: at, term, kind, column, what: What::Plain });
                    }
                }
            }
        }
        Ok(())
    }

    fn order(&mut self, plan: &mut Plan) -> Outcome<()> {
        loop {
            let path = self.path()?;
            let descending = self.word("desc");
            if !descending {
                self.word("asc");
            }
            let out = plan.columns.iter().position(|out| path.0.is_none() && out.name.eq_ignore_ascii_case(&path.1));
            let by = match out {
                Some(at) => By::Out(at),
                None => {
                    let (source, term, ..) = self.find(&path)?;
                    let same = plan.columns.iter().position(|out| out.source == source && out.term == term && out.what == What::Plain);
                    match same {
                        Some(at) => By::Out(at),
                        None if plan.grouped => return Err(self.fault("an order by what isn't selected")),
                        None => By::Value(source, term, Vec::new()),
                    }
                }
            };
            plan.order.push(Order { by, descending });
            if !self.sign(",") {
                return Ok(());
            }
        }
    }
}
