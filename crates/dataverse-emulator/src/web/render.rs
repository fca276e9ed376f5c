//! Rows as JSON: selected columns, annotations before the property they speak about, neighbours brought along.

use std::fmt::Write as _;

use base::Guid;

use super::{cookie::Cookie, list::plain};
use crate::{
    headers::{Annotations, FORMATTED, LOGICAL_NAME, NAVIGATION},
    odata::query::{Expand, Link, Query},
    row::Row,
    schema::{Across, Column, Kind},
    state::State,
    value::{Value, write_json_text},
};

/// A query prepared for writing rows: every name is looked up once.
pub(crate) struct Plan<'a> {
    columns: Vec<(u16, String, &'a Column)>,
    set: &'a str,
    expands: Vec<(&'a Expand, Plan<'a>)>,
    /// The service's root and the size of a page, where nested collections are paged.
    paging: Option<(String, usize)>,
    formatted: bool,
    logical_name: bool,
    navigation: bool,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(state: &'a State, table: usize, query: &'a Query, annotations: &Annotations) -> Self {
        let definition = state.store.schema.get(table);
        let mut columns = Vec::new();
        if let Some(definition) = definition {
            let name = |at: u16, column: &'a Column| (at, column.property(), column);
            match &query.select {
                None => columns.extend(definition.columns().filter(|(_, column)| column.readable).map(|(at, column)| name(at, column))),
                Some(select) => {
                    let key = (!select.contains(&definition.key)).then_some(definition.key);
                    let all = key.into_iter().chain(select.iter().copied());
                    columns.extend(all.filter_map(|at| definition.column(at).map(|column| name(at, column))));
                }
            }
        }
        let expands = query.expand.iter().map(|expand| {
            let to = expand.link.table().unwrap_or(table);
            (expand, Self::new(state, to, &expand.query, annotations))
        });
        Self {
            columns,
            set: definition.map_or("", |table| table.set.as_str()),
            expands: expands.collect(),
            paging: None,
            formatted: annotations.wants(FORMATTED),
            logical_name: annotations.wants(LOGICAL_NAME),
            navigation: annotations.wants(NAVIGATION),
        }
    }
}

impl Plan<'_> {
    /// Pages the collections of every level, as the service does when neighbours bring neighbours along.
    pub(crate) fn page(&mut self, base: &str, size: usize) {
        self.paging = Some((base.to_owned(), size));
        for (_, inner) in &mut self.expands {
            inner.page(base, size);
        }
    }
}

impl State {
    /// Appends a row. `context` is the context address of a row that stands alone.
    pub(crate) fn write_row(&self, out: &mut String, plan: &Plan<'_>, id: Guid, row: &Row, context: Option<&str>) {
        out.push('{');
        if let Some(context) = context {
            out.push_str("\"@odata.context\":");
            write_json_text(context, out);
            out.push(',');
        }
        let _ = write!(out, "\"@odata.etag\":\"W/\\\"{}\\\"\"", row.version);
        let cells: Vec<(u16, Value<'_>)> = row.cells().collect();
        for (at, name, column) in &plan.columns {
            let value = if column.kind == Kind::Key {
                Value::Guid(id)
            } else if column.secured {
                Value::Null
            } else if column.kind == Kind::BigInt && column.name == "versionnumber" {
                Value::Int(i64::try_from(row.version).unwrap_or(i64::MAX))
            } else {
                let found = cells.binary_search_by_key(at, |(column, _)| *column).ok();
                found.and_then(|found| cells.get(found)).map_or(Value::Null, |(_, value)| value.clone())
            };
            out.push(',');
            self.write_annotations(out, plan, name, column, &value);
            out.push('"');
            out.push_str(name);
            out.push_str("\":");
            value.write_json(out);
            if column.kind == Kind::Key && matches!(name.as_str(), "systemuserid" | "teamid") {
                let _ = write!(out, ",\"ownerid\":\"{id}\"");
            }
        }
        for (expand, inner) in &plan.expands {
            out.push(',');
            write_json_text(&expand.nav, out);
            out.push(':');
            if let Some(next) = self.write_neighbours(out, expand, inner, id, row)
                && let Some((base, _)) = &plan.paging
            {
                let _ = write!(out, ",\"{}@odata.nextLink\":", expand.nav);
                let joint = if expand.options.is_empty() { "" } else { "&" };
                write_json_text(&format!("{base}/{}({id})/{}?{}{joint}$skiptoken={next}", plan.set, expand.nav, expand.options), out);
            }
        }
        out.push('}');
    }

    fn write_annotations(&self, out: &mut String, plan: &Plan<'_>, name: &str, column: &Column, value: &Value<'_>) {
        if value.is_null() {
            return;
        }
        let mut add = |annotation: &str, text: &str| {
            let _ = write!(out, "\"{name}@{annotation}\":");
            write_json_text(text, out);
            out.push(',');
        };
        if let Some((table, _)) = value.as_ref() {
            let target = self.table_name(table);
            if plan.navigation
                && let Some(to) = column.targets.iter().find(|to| to.table == target)
            {
                add(NAVIGATION, &to.nav);
            }
            if plan.logical_name {
                add(LOGICAL_NAME, target);
            }
        }
        if plan.formatted
            && let Some(text) = self.formatted(column, value)
        {
            add(FORMATTED, &text);
        }
    }

    /// Appends what a row's navigation leads to; answers the cookie of the next page when there is one.
    fn write_neighbours(&self, out: &mut String, expand: &Expand, plan: &Plan<'_>, id: Guid, row: &Row) -> Option<String> {
        let (link, query) = (expand.link, &expand.query);
        match link {
            Link::Principal(column) => match row.get(column).as_ref() {
                Some((table, owner)) => {
                    let _ =
                        write!(out, "{{\"@odata.type\":\"#Microsoft.Dynamics.CRM.{}\",\"ownerid\":\"{owner}\"}}", self.table_name(table));
                }
                None => out.push_str("null"),
            },
            Link::One(column, to) => {
                let target = row.get(column).as_ref().filter(|(table, _)| *table == to).map(|(_, target)| target);
                match target.and_then(|target| Some((target, self.visible(to, target)?))) {
                    Some((target, row)) => self.write_row(out, plan, target, row, None),
                    None => out.push_str("null"),
                }
            }
            Link::Many(table, _) | Link::Across(Across { table, .. }) => {
                let mut rows: Vec<(Guid, &Row)> = link
                    .rows(&self.store, id)
                    .into_iter()
                    .filter_map(|from| Some((from, self.visible(table, from)?)))
                    .filter(|(from, row)| query.filter.as_ref().is_none_or(|filter| filter.passes(&self.store, *from, row)))
                    .collect();
                if query.order.is_empty() {
                    rows.sort_by_key(|(from, _)| *from);
                }
                self.sort(&query.order, &mut rows);
                let size = plan.paging.as_ref().map_or(self.options.page_max, |(_, size)| *size);
                let next = (plan.paging.is_some() && rows.len() > size).then(|| self.nested_cookie(table, rows.get(..size)?)).flatten();
                rows.truncate(query.top.unwrap_or(usize::MAX).min(size));
                out.push('[');
                for (at, (from, row)) in rows.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    self.write_row(out, plan, from, row, None);
                }
                out.push(']');
                return next;
            }
        }
        None
    }

    /// A nested collection is ordered by its key, so that its cookie needs nothing else.
    fn nested_cookie(&self, table: usize, shown: &[(Guid, &Row)]) -> Option<String> {
        let definition = self.store.schema.get(table)?;
        let value = |row: Option<&(Guid, &Row)>| row.and_then(|(id, _)| plain(&Value::Guid(*id)));
        let entries = vec![(definition.key_name().to_owned(), value(shown.last()), value(shown.first()))];
        Some(Cookie { page: 2, tracking: false, entries }.encode(&definition.set))
    }

    /// A row the caller may see.
    pub(crate) fn visible(&self, table: usize, id: Guid) -> Option<&Row> {
        if self.options.hidden_rows.contains(&id) { None } else { self.store.row(table, id) }
    }
}
