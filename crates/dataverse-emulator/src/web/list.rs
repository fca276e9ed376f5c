//! Listings: filter, order, page, count.
//!
//! A page never copies or sorts the table where the primary key or `modifiedon` decides the order; otherwise one page's worth is selected.

use std::{
    cmp::Ordering,
    collections::BTreeSet,
    fmt::Write as _,
    ops::Bound::{Excluded, Included, Unbounded},
};

use base::Guid;
use emulator::Response;

use super::{Call, cookie::Cookie, render::Plan};
use crate::{
    error::{Outcome, Refusal},
    odata::{
        fit::loose,
        query::{Order, Query},
        syntax::Literal,
        test::{Candidates, Term, Test},
    },
    row::Row,
    schema::{Kind, Table},
    state::State,
    value::{Value, write_json_text},
};

/// Rows found for a page, one more than fits when there are more.
type Found<'a> = Vec<(Guid, &'a Row)>;

/// How a listing is ordered, and so how the next row is found.
enum Walk {
    Key { descending: bool },
    Modified,
    Sorted,
}

impl State {
    /// `GET /leads?…`; `narrowed` keeps to these rows, as a collection-valued navigation does.
    pub(crate) fn list(&self, call: &Call<'_>, table: usize, narrowed: Option<BTreeSet<Guid>>) -> Outcome<Response> {
        let definition = self.store.schema.get(table).ok_or_else(|| Refusal::no_segment("table"))?;
        self.require(table, "Read")?;
        let cookie = call.options.get("$skiptoken").map(|text| Cookie::decode(text, &definition.set)).transpose()?;
        let tracking = call.preferences.track_changes
            || call.options.get("$deltatoken").is_some()
            || cookie.as_ref().is_some_and(|cookie| cookie.tracking);
        if tracking && narrowed.is_none() {
            return self.tracked(call, table, cookie);
        }
        if let Some(answer) = self.tabular(call, table).filter(|_| narrowed.is_none()) {
            return answer;
        }
        let mut query = Query::parse(&self.store, table, &call.options, call.context())?;
        let paged = call.preferences.page_size.is_some();
        let size = call.preferences.page_size.unwrap_or(self.options.page_max).min(self.options.page_max).max(1);
        // $top is ignored when a page size is preferred.
        let top = query.top.filter(|_| !paged);
        // A $top above the page's limit comes in several pages.
        let before = usize::try_from(cookie.as_ref().map_or(0, |cookie| cookie.page - 1)).unwrap_or(usize::MAX).saturating_mul(size);
        let left = top.map_or(usize::MAX, |top| top.saturating_sub(before));
        let limit = size.min(left);
        let order = std::mem::take(&mut query.order);
        let order = complete(definition, order);
        let from = cookie.as_ref().map(|cookie| position(&order, cookie)).transpose()?;
        let mut rows = self.find(table, &query, &order, narrowed.as_ref(), from.as_deref(), limit.saturating_add(1));
        let more = rows.len() > limit && limit < left;
        rows.truncate(limit);
        let next = more.then(|| self.next_cookie(&order, &rows, cookie.as_ref(), definition));

        let mut body = self.opening(call, &format!("{}{}", definition.set, query.shape()));
        self.write_count(&mut body, call, table, &query, narrowed.as_ref());
        let mut plan = Plan::new(self, table, &query, &call.preferences.annotations);
        if paged && query.nests() {
            plan.page(&call.base, size);
        }
        self.write_rows(&mut body, &plan, &rows);
        if let Some(cookie) = next {
            self.write_link(&mut body, call, "@odata.nextLink", &format!("$skiptoken={cookie}"));
        }
        body.push('}');
        let applied = call.preferences.applied(false, true, false);
        Ok(with_applied(crate::headers::json(200, body), applied))
    }

    /// `GET /leads/$count`: a plain number, capped like `@odata.count`; with a delta token the number of changes.
    pub(crate) fn count_only(&self, call: &Call<'_>, table: usize, narrowed: Option<&BTreeSet<Guid>>) -> Outcome<Response> {
        self.require(table, "Read")?;
        let count = match call.options.get("$deltatoken") {
            Some(token) => self.count_changes(table, token, call.now)?,
            None => {
                let query = Query::parse(&self.store, table, &call.options, call.context())?;
                self.count_matching(table, &query, narrowed).min(self.options.count_cap)
            }
        };
        Ok(Response::new(200, "text/plain", count.to_string()).with("odata-version", "4.0"))
    }

    /// The matching rows, counted just past the cap.
    fn count_matching(&self, table: usize, query: &Query, narrowed: Option<&BTreeSet<Guid>>) -> usize {
        self.find(table, query, &[], narrowed, None, self.options.count_cap.saturating_add(1)).len()
    }

    fn write_count(&self, body: &mut String, call: &Call<'_>, table: usize, query: &Query, narrowed: Option<&BTreeSet<Guid>>) {
        let annotations = &call.preferences.annotations;
        let (mut total, mut exceeded) = (-1, false);
        if query.count {
            let count = self.count_matching(table, query, narrowed);
            exceeded = count > self.options.count_cap;
            total = i64::try_from(count.min(self.options.count_cap)).unwrap_or(i64::MAX);
            let _ = write!(body, "\"@odata.count\":{total},");
        }
        if annotations.wants("Microsoft.Dynamics.CRM.totalrecordcount") {
            let _ = write!(body, "\"@Microsoft.Dynamics.CRM.totalrecordcount\":{total},");
        }
        if annotations.wants("Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded") {
            let _ = write!(body, "\"@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded\":{exceeded},");
        }
    }

    /// `{"@odata.context":"…",`
    pub(crate) fn opening(&self, call: &Call<'_>, shape: &str) -> String {
        let mut body = String::from("{\"@odata.context\":");
        write_json_text(&format!("{}/$metadata#{shape}", call.base), &mut body);
        body.push(',');
        body
    }

    pub(crate) fn write_rows(&self, body: &mut String, plan: &Plan<'_>, rows: &[(Guid, &Row)]) {
        body.push_str("\"value\":[");
        for (at, (id, row)) in rows.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            self.write_row(body, plan, *id, row, None);
        }
        body.push(']');
    }

    /// A link to this listing with another token: the query as it was sent, byte for byte, and the token at its end.
    pub(crate) fn write_link(&self, body: &mut String, call: &Call<'_>, name: &str, token: &str) {
        let _ = write!(body, ",\"{name}\":");
        let path = call.request.path.as_str();
        let query = call.options.without(&["$skiptoken", "$deltatoken"]);
        let joint = if query.is_empty() { "" } else { "&" };
        write_json_text(&format!("{}{path}?{query}{joint}{token}", call.request.origin), body);
    }

    fn next_cookie(&self, order: &[Order], rows: &Found<'_>, cookie: Option<&Cookie>, definition: &Table) -> String {
        let value = |row: Option<&(Guid, &Row)>, order: &Order| {
            let (id, row) = row?;
            plain(&order.term.value(&self.store, *id, row))
        };
        let last = if self.options.repeat_between_pages && rows.len() > 1 { rows.get(rows.len() - 2) } else { rows.last() };
        let entries = order.iter().map(|order| (order.name.replace('/', "."), value(last, order), value(rows.first(), order)));
        let page = cookie.map_or(1, |cookie| cookie.page) + 1;
        Cookie { page, tracking: false, entries: entries.collect() }.encode(&definition.set)
    }

    /// The first rows after `from`, in order; at most `limit`. Without an order any rows will do.
    pub(crate) fn find<'a>(
        &'a self,
        table: usize,
        query: &Query,
        order: &[Order],
        narrowed: Option<&BTreeSet<Guid>>,
        from: Option<&[Value<'static>]>,
        limit: usize,
    ) -> Found<'a> {
        let Some(definition) = self.store.schema.get(table) else { return Vec::new() };
        let filter = query.filter.as_ref();
        let candidates = filter.and_then(|filter| filter.candidates(&self.store, definition, table));
        let ids = match (narrowed, &candidates) {
            (Some(narrowed), _) => Some(narrowed),
            (None, Some(Candidates::Ids(ids))) => Some(ids),
            (None, Some(Candidates::ModifiedFrom(_)) | None) => None,
        };
        let passes = |id: &Guid, row: &Row| self.passes(filter, *id, row);
        let rows = &self.store.table(table).rows;
        let walk = walk(order, definition);
        let last_id = from.and_then(|from| from.last()).and_then(Value::as_guid);
        match (walk, ids, &candidates) {
            (Walk::Key { descending }, Some(ids), _) => {
                let after = |id: &Guid| last_id.is_none_or(|last| if descending { *id < last } else { *id > last });
                let known = ids.iter().filter(|id| after(id)).filter_map(|id| Some((*id, rows.get(id)?)));
                let hits = known.filter(|(id, row)| passes(id, row));
                if descending { hits.rev().take(limit).collect() } else { hits.take(limit).collect() }
            }
            (Walk::Key { descending: false }, None, None) => {
                let range = rows.range((last_id.map_or(Unbounded, Excluded), Unbounded));
                range.filter(|(id, row)| passes(id, row)).take(limit).map(|(id, row)| (*id, row)).collect()
            }
            (Walk::Key { descending: true }, None, None) => {
                let range = rows.range((Unbounded, last_id.map_or(Unbounded, Excluded))).rev();
                range.filter(|(id, row)| passes(id, row)).take(limit).map(|(id, row)| (*id, row)).collect()
            }
            (Walk::Modified, None, _) => self.find_modified(table, filter, &candidates, from, limit),
            (_, ids, candidates) => {
                let all: Box<dyn Iterator<Item = (Guid, &Row)>> = match (ids, candidates) {
                    (Some(ids), _) => Box::new(ids.iter().filter_map(|id| Some((*id, rows.get(id)?)))),
                    (None, Some(Candidates::ModifiedFrom(at))) => {
                        let range = self.store.table(table).by_modified.range((*at, Guid::from_u128(0))..);
                        Box::new(range.filter_map(|(_, id)| Some((*id, rows.get(id)?))))
                    }
                    (None, _) => Box::new(rows.iter().map(|(id, row)| (*id, row))),
                };
                self.select(all.filter(|(id, row)| passes(id, row)), order, from, limit)
            }
        }
    }

    fn passes(&self, filter: Option<&Test>, id: Guid, row: &Row) -> bool {
        !self.options.hidden_rows.contains(&id) && filter.is_none_or(|filter| filter.passes(&self.store, id, row))
    }

    fn find_modified<'a>(
        &'a self,
        table: usize,
        filter: Option<&Test>,
        candidates: &Option<Candidates>,
        from: Option<&[Value<'static>]>,
        limit: usize,
    ) -> Found<'a> {
        let data = self.store.table(table);
        let first = Guid::from_u128(0);
        let start = match (from, candidates) {
            (Some([at, id]), _) => Excluded((at.as_time().unwrap_or(i64::MIN), id.as_guid().unwrap_or(first))),
            (_, Some(Candidates::ModifiedFrom(at))) => Included((*at, first)),
            (_, Some(Candidates::Ids(_)) | None) => Unbounded,
        };
        let range = data.by_modified.range((start, Unbounded)).filter_map(|(_, id)| Some((*id, data.rows.get(id)?)));
        range.filter(|(id, row)| self.passes(filter, *id, row)).take(limit).collect()
    }

    /// The first `limit` rows after `from` in order, without sorting the rest.
    fn select<'a>(
        &'a self,
        rows: impl Iterator<Item = (Guid, &'a Row)>,
        order: &[Order],
        from: Option<&[Value<'static>]>,
        limit: usize,
    ) -> Found<'a> {
        if order.is_empty() {
            return rows.take(limit).collect();
        }
        let mut keyed: Vec<(Vec<Value<'a>>, Guid, &'a Row)> = rows
            .map(|(id, row)| (order.iter().map(|order| order.term.value(&self.store, id, row)).collect::<Vec<_>>(), id, row))
            .filter(|(keys, ..)| from.is_none_or(|from| by(order, keys, from) == Ordering::Greater))
            .collect();
        if keyed.len() > limit && limit > 0 {
            keyed.select_nth_unstable_by(limit - 1, |a, b| by(order, &a.0, &b.0));
        }
        keyed.truncate(limit);
        keyed.sort_by(|a, b| by(order, &a.0, &b.0));
        keyed.into_iter().map(|(_, id, row)| (id, row)).collect()
    }

    /// Sorts rows that are already at hand.
    pub(crate) fn sort(&self, order: &[Order], rows: &mut [(Guid, &Row)]) {
        if !order.is_empty() {
            let keys =
                |id: Guid, row: &'_ Row| order.iter().map(|order| order.term.value(&self.store, id, row).into_owned()).collect::<Vec<_>>();
            rows.sort_by_cached_key(|(id, row)| Sortable(keys(*id, row), order.iter().map(|order| order.descending).collect()));
        }
    }

    /// 403 when the caller lacks `prv<verb><Table>`.
    pub(crate) fn require(&self, table: usize, verb: &str) -> Outcome<()> {
        if self.options.missing_privileges.is_empty() {
            return Ok(());
        }
        let schema = self.store.schema.get(table).map_or("", |table| table.schema.as_str());
        let privilege = format!("prv{verb}{schema}");
        if !self.options.missing_privileges.contains(&privilege) {
            return Ok(());
        }
        Err(self.lacks(table, &privilege))
    }

    /// 403 when the caller lacks a privilege that concerns no table's rows, such as prvCreateAttribute.
    pub(crate) fn require_named(&self, privilege: &str) -> Outcome<()> {
        match self.options.missing_privileges.contains(privilege) {
            true => Err(self.lacks_privilege(privilege, "")),
            false => Ok(()),
        }
    }

    /// 403 for a row that the caller's role doesn't reach.
    pub(crate) fn lacks_read(&self, table: usize) -> Refusal {
        let schema = self.store.schema.get(table).map_or("", |table| table.schema.as_str());
        self.lacks(table, &format!("prvRead{schema}"))
    }

    fn lacks(&self, table: usize, privilege: &str) -> Refusal {
        self.lacks_privilege(privilege, &format!(" for entity '{}'", self.table_name(table)))
    }

    fn lacks_privilege(&self, privilege: &str, of_what: &str) -> Refusal {
        let user = self.fixtures.application_user;
        Refusal::new(
            403,
            "0x80040220",
            format!(
                "Principal user (Id={user}, type=8, roleCount=1, privilegeCount=100, accessMode=4) is missing {privilege} privilege{of_what}."
            ),
        )
    }
}

struct Sortable(Vec<Value<'static>>, Vec<bool>);

impl PartialEq for Sortable {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sortable {}

impl PartialOrd for Sortable {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sortable {
    fn cmp(&self, other: &Self) -> Ordering {
        lexical(self.0.iter().zip(&other.0), self.1.iter().copied())
    }
}

fn by(order: &[Order], a: &[Value<'_>], b: &[Value<'_>]) -> Ordering {
    lexical(a.iter().zip(b), order.iter().map(|order| order.descending))
}

fn lexical<'x, 'y: 'x>(pairs: impl Iterator<Item = (&'x Value<'y>, &'x Value<'y>)>, descending: impl Iterator<Item = bool>) -> Ordering {
    for ((a, b), descending) in pairs.zip(descending) {
        let step = a.order(b);
        if step != Ordering::Equal {
            return if descending { step.reverse() } else { step };
        }
    }
    Ordering::Equal
}

fn walk(order: &[Order], table: &Table) -> Walk {
    let modified =
        |order: &Order| matches!(order.term, Term::Cell(at) if table.column(at).is_some_and(|column| column.name == "modifiedon"));
    match order {
        [Order { term: Term::Key, descending, .. }] => Walk::Key { descending: *descending },
        [first, Order { term: Term::Key, descending: false, .. }] if modified(first) && !first.descending => Walk::Modified,
        _ => Walk::Sorted,
    }
}

/// The order with the primary key at its end, so that it is total; what stands after the key doesn't matter.
fn complete(table: &Table, mut order: Vec<Order>) -> Vec<Order> {
    match order.iter().position(|order| order.term == Term::Key) {
        Some(at) => order.truncate(at + 1),
        None => order.push(Order { name: table.key_name().to_owned(), term: Term::Key, kind: Kind::Key, descending: false }),
    }
    order
}

/// Where a cookie says to go on.
fn position(order: &[Order], cookie: &Cookie) -> Outcome<Vec<Value<'static>>> {
    let values = order.iter().map(|order| {
        let name = order.name.replace('/', ".");
        if !cookie.entries.iter().any(|(found, ..)| *found == name) {
            return Err(Refusal::query("The paging cookie doesn't belong to this $orderby."));
        }
        match cookie.last(&name) {
            None => Ok(Value::Null),
            Some(text) => loose(&Literal::Text(text.to_owned()), order.kind),
        }
    });
    values.collect()
}

/// A value as a cookie holds it: GUIDs in braces and upper case, texts without quotes.
pub(crate) fn plain(value: &Value<'_>) -> Option<String> {
    if let Some(id) = value.as_guid() {
        return Some(format!("{{{}}}", id.to_string().to_uppercase()));
    }
    if let Some(text) = value.as_text() {
        return Some(text.to_owned());
    }
    if value.is_null() {
        return None;
    }
    let mut out = String::new();
    value.write_json(&mut out);
    Some(out.trim_matches('"').to_owned())
}

/// The answer with what was applied of the preferences.
pub(crate) fn with_applied(answer: Response, applied: Option<String>) -> Response {
    match applied {
        Some(applied) => answer.with("preference-applied", &applied),
        None => answer,
    }
}
