//! Reading leads: by id, and by filter in pages.

use serde_json::Value;

use crate::{
    answer::{Answer, Reason, Reply},
    call::{Call, few},
    mark::{Mark, decode, encode, fingerprint},
    options::{Nulls, UnknownLead},
    schema::{Column, Object},
    state::State,
};

/// Fields that are answered when none are asked for.
const DEFAULT: [&str; 6] = ["id", "email", "firstName", "lastName", "createdAt", "updatedAt"];
/// Life of a token of an object query in seconds. Undocumented; a day is our choice.
const TOKEN_LIFE_S: i64 = 24 * 3600;

impl State {
    /// `GET /rest/v1/lead/{id}`.
    pub(crate) fn lead_by_id(&self, id: &str, call: &Call<'_>) -> Answer {
        let (columns, defaults) = self.lead_columns(&call.list("fields"))?;
        let number = id.parse().ok().and_then(|id| self.leads.by_id(id));
        match (number, self.options.unknown_lead) {
            (Some(number), _) => {
                Ok(Reply::one(Value::Object(self.show_lead(number, &columns, &defaults, self.options.nulls == Nulls::Explicit))).into())
            }
            (None, UnknownLead::Error) => Err(Reason::no_lead(id)),
            (None, UnknownLead::Empty) => Ok(Reply::of(Vec::new()).into()),
        }
    }

    /// `GET /rest/v1/leads`: leads whose searchable field has one of up to 300 values.
    pub(crate) fn query_leads(&self, call: &Call<'_>, now: i64) -> Answer {
        let filter = call.required("filterType")?;
        let column = self.column(Object::Leads, filter).ok_or_else(|| Reason::no_field(filter))?;
        if !self.field(Object::Leads, column).is_some_and(|field| field.searchable) {
            return Err(Reason::unsupported(filter));
        }
        let values = call.list("filterValues");
        if values.is_empty() {
            return Err(Reason::missing("filterValues"));
        }
        few(values.len(), "filter values")?;
        let (columns, defaults) = self.lead_columns(&call.list("fields"))?;
        let size = call.batch_size(self.options.page_size_max)?;
        let query = fingerprint((column, &values));
        let after = after(call.param("nextPageToken"), query, now)?;
        let found = self.leads_with(column, &values, self.options.matches_max.saturating_add(1));
        if found.len() > self.options.matches_max {
            return Err(Reason::invalid("Too many results match the filter"));
        }
        let found = self.as_indexed(Object::Leads, column, &values, found, now);
        let rest: Vec<_> = found.into_iter().filter(|number| after.is_none_or(|after| u64::from(*number) > after)).collect();
        let page = rest.get(..size).unwrap_or(&rest);
        let nulls = self.options.nulls == Nulls::Explicit;
        let result = page.iter().map(|number| Value::Object(self.show_lead(*number, &columns, &defaults, nulls))).collect();
        let (next, more) = next(&rest, size, query, now);
        Ok(Reply { next, more, ..Reply::of(result) }.into())
    }

    /// The columns to answer, and those that are there even when empty. The id always comes along.
    pub(crate) fn lead_columns(&self, names: &[String]) -> Result<(Vec<Column>, Vec<Column>), Reason> {
        let find = |name: &str| self.column(Object::Leads, name).ok_or_else(|| Reason::no_field(name));
        if names.is_empty() {
            let columns: Vec<_> = DEFAULT.iter().filter_map(|name| find(name).ok()).collect();
            return Ok((columns.clone(), columns));
        }
        let mut columns = names.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
        columns.extend(find("id").ok());
        Ok((columns, Vec::new()))
    }
}

/// After which record number this page starts.
pub(crate) fn after(token: Option<&str>, query: u64, now: i64) -> Result<Option<u64>, Reason> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    match decode(token) {
        Some(Mark::After { query: known, number, asked }) if known == query && now.saturating_sub(asked) <= TOKEN_LIFE_S => {
            Ok(Some(number))
        }
        Some(Mark::After { .. } | Mark::Since(_) | Mark::From { .. } | Mark::Dated { .. }) | None => {
            Err(Reason::invalid("Invalid nextPageToken"))
        }
    }
}

/// The token of the next page, when there is one.
pub(crate) fn next(rest: &[u32], size: usize, query: u64, asked: i64) -> (Option<String>, Option<bool>) {
    match (rest.len() > size, rest.get(size.saturating_sub(1))) {
        (true, Some(last)) => (Some(encode(Mark::After { query, number: u64::from(*last), asked })), Some(true)),
        (true, None) | (false, _) => (None, None),
    }
}
