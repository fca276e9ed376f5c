//! `?fetchXml=`, `?sql=` and `$apply` on a set: rows of a compiled query as JSON.

use std::fmt::Write as _;

use emulator::Response;

use super::{
    Call,
    cookie::Cookie,
    list::{plain, with_applied},
    render::Plan as Rendering,
};
use crate::{
    error::{Outcome, Refusal},
    headers::FORMATTED,
    odata::query::Query,
    schema::Column,
    state::State,
    tabular::{
        By, Out, Plan, What, apply,
        fetch::{Fetch, check_cookie},
        run::Line,
        sql::Select,
        xml::Element,
    },
    value::{Value, write_json_text},
};

const MORE: &str = "Microsoft.Dynamics.CRM.morerecords";
const COOKIE: &str = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie";
const TOTAL: &str = "Microsoft.Dynamics.CRM.totalrecordcount";
const EXCEEDED: &str = "Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded";

impl State {
    /// Answers a query in another language than OData's options; none when there is none in the request.
    pub(crate) fn tabular(&self, call: &Call<'_>, table: usize) -> Option<Outcome<Response>> {
        if let Some((name, id)) = ["savedQuery", "userQuery"].into_iter().find_map(|name| Some((name, call.options.get(name)?))) {
            // No views are kept, so there is none of any id.
            return Some(Err(Refusal::no_row(&name.to_lowercase(), id)));
        }
        let known = ["fetchXml", "sql", "$apply"].into_iter().find(|name| call.options.get(name).is_some())?;
        // What would change the answer and isn't looked at must not pass.
        if let Some(other) = call.options.names().find(|name| name.starts_with('$') && *name != known) {
            return Some(Err(Refusal::query(format!("The query parameter '{other}' can't be combined with '{known}'."))));
        }
        if let Some(text) = call.options.get("fetchXml") {
            return Some(self.fetch(call, table, text));
        }
        if let Some(text) = call.options.get("sql") {
            return Some(self.sql(call, table, text));
        }
        call.options.get("$apply").map(|text| self.apply(call, table, text))
    }

    fn allowed(&self, plan: &Plan) -> Outcome<()> {
        plan.sources.iter().try_for_each(|source| self.require(source.table, "Read"))
    }

    fn fetch(&self, call: &Call<'_>, table: usize, text: &str) -> Outcome<Response> {
        let root = Element::read(text).ok_or_else(|| Refusal::new(400, "0x80040201", "Invalid XML."))?;
        let fetch = Fetch::read(&self.store, table, &root, call.context())?;
        check_cookie(&root, fetch.page)?;
        self.allowed(&fetch.plan)?;
        let lines = self.run_plan(&fetch.plan)?;
        let total = lines.len();
        let size =
            fetch.top.or(fetch.count).unwrap_or(self.options.page_max).min(self.options.page_max).max(usize::from(fetch.top.is_none()));
        let start = (fetch.page - 1).saturating_mul(size);
        let shown: Vec<&Line<'_>> = lines.iter().skip(start).take(size).collect();
        let more = fetch.top.is_none() && start.saturating_add(size) < total;

        let set = self.store.schema.get(table).map_or("", |table| table.set.as_str());
        let mut body = self.opening(call, set);
        let wants = |name: &str| call.preferences.annotations.wants(name);
        if wants(TOTAL) {
            let known = if fetch.total { i64::try_from(total.min(self.options.count_cap)).unwrap_or(i64::MAX) } else { -1 };
            let _ = write!(body, "\"@{TOTAL}\":{known},");
        }
        if wants(EXCEEDED) {
            let _ = write!(body, "\"@{EXCEEDED}\":{},", fetch.total && total > self.options.count_cap);
        }
        if wants(MORE) {
            let _ = write!(body, "\"@{MORE}\":{more},");
        }
        if wants(COOKIE) && more && fetch.own_order && !fetch.plan.grouped {
            let cookie = self.fetch_cookie(&fetch, table, &shown);
            let _ = write!(body, "\"@{COOKIE}\":");
            write_json_text(&cookie, &mut body);
            body.push(',');
        }
        let query = Query { select: fetch.select.clone(), ..Query::default() };
        let rendering = Rendering::new(self, table, &query, &call.preferences.annotations);
        self.write_lines(&mut body, call, &fetch.plan, &shown, (!fetch.plan.grouped).then_some(&rendering));
        body.push('}');
        Ok(with_applied(crate::headers::json(200, body), call.preferences.applied(false, false, false)))
    }

    /// The cookie of the next page, encoded once more than a nextLink's inner part, as the real ones are.
    fn fetch_cookie(&self, fetch: &Fetch, table: usize, shown: &[&Line<'_>]) -> String {
        let value = |line: Option<&&Line<'_>>, by: &By| match by {
            By::Value(source, term, _) => {
                let (id, row) = line?.tuple.get(*source).copied().flatten()?;
                plain(&term.value(&self.store, id, row))
            }
            By::Out(at) => plain(line?.values.get(*at)?),
        };
        let key = By::Value(0, crate::odata::test::Term::Key, Vec::new());
        let names = fetch.plan.order.iter().enumerate().map(|(at, order)| (format!("order{at}"), &order.by));
        let definition = self.store.schema.get(table);
        let all = names.chain([(definition.map_or("", crate::schema::Table::key_name).to_owned(), &key)]);
        let entries = all.map(|(name, by)| (name, value(shown.last(), by), value(shown.first(), by))).collect();
        let page = u64::try_from(fetch.page).unwrap_or(u64::MAX).saturating_add(1);
        Cookie { page, tracking: false, entries }.for_fetch(definition.map_or("", |table| table.set.as_str()))
    }

    fn sql(&self, call: &Call<'_>, table: usize, text: &str) -> Outcome<Response> {
        let select = Select::read(&self.store, table, text)?;
        self.allowed(&select.plan)?;
        let lines = self.run_plan(&select.plan)?;
        let limit = select.limit.unwrap_or(self.options.page_max).min(self.options.page_max);
        let shown: Vec<&Line<'_>> = lines.iter().skip(select.offset).take(limit).collect();
        Ok(self.table_answer(call, table, &select.plan, &shown))
    }

    fn apply(&self, call: &Call<'_>, table: usize, text: &str) -> Outcome<Response> {
        let plan = apply::read(&self.store, table, text, &call.options, call.context())?;
        self.allowed(&plan)?;
        let lines = self.run_plan(&plan)?;
        let shown: Vec<&Line<'_>> = lines.iter().take(self.options.page_max).collect();
        Ok(self.table_answer(call, table, &plan, &shown))
    }

    fn table_answer(&self, call: &Call<'_>, table: usize, plan: &Plan, shown: &[&Line<'_>]) -> Response {
        let set = self.store.schema.get(table).map_or("", |table| table.set.as_str());
        let mut body = self.opening(call, set);
        self.write_lines(&mut body, call, plan, shown, None);
        body.push('}');
        with_applied(crate::headers::json(200, body), call.preferences.applied(false, false, false))
    }

    /// `"value":[…]`; with a rendering each line begins with the first table's row.
    fn write_lines(&self, body: &mut String, call: &Call<'_>, plan: &Plan, shown: &[&Line<'_>], rendering: Option<&Rendering<'_>>) {
        let formatted = call.preferences.annotations.wants(FORMATTED);
        body.push_str("\"value\":[");
        for (at, line) in shown.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            let mut first = true;
            match (rendering, line.tuple.first().copied().flatten()) {
                (Some(rendering), Some((id, row))) => {
                    self.write_row(body, rendering, id, row, None);
                    body.pop();
                    first = false;
                }
                (Some(_) | None, _) => body.push('{'),
            }
            for (out, value) in plan.columns.iter().zip(&line.values) {
                // FetchXML leaves out what has no value in its own columns; a table shows it as null.
                if rendering.is_some() && value.is_null() {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    body.push(',');
                }
                if formatted && let Some(text) = self.shown(plan, out, value) {
                    write_json_text(&format!("{}@{FORMATTED}", out.name), body);
                    body.push(':');
                    write_json_text(&text, body);
                    body.push(',');
                }
                write_json_text(&out.name, body);
                body.push(':');
                value.write_json(body);
            }
            body.push('}');
        }
        body.push(']');
    }

    fn shown(&self, plan: &Plan, out: &Out, value: &Value<'_>) -> Option<String> {
        if matches!(out.what, What::Part(_) | What::CountAll | What::Count { .. }) {
            return value.as_int().map(|n| n.to_string());
        }
        let table = plan.sources.get(out.source).and_then(|source| self.store.schema.get(source.table));
        let column: &Column = table?.column(out.column?)?;
        self.formatted(column, value)
    }
}
