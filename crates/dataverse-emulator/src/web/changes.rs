//! Change tracking: the first read with a deltaLink at its end, then what changed since a token (Microsoft's "Use change tracking" page).
//!
//! A delta is bounded when it starts, so nothing that changes while it is paged gets lost: it comes with the next one.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    ops::Bound::{Excluded, Included, Unbounded},
};

use base::{Guid, Timestamp, time::earlier};
use emulator::Response;

use super::{Call, cookie::Cookie, list::with_applied, render::Plan, serve::EXPIRED};
use crate::{
    error::{Outcome, Refusal},
    odata::query::Query,
    options::DeltaStamp,
    row::Row,
    schema::Table,
    state::State,
};

/// One entry of a delta.
enum Entry<'a> {
    Row(u64, Guid, &'a Row),
    Deleted(u64, Guid),
}

impl Entry<'_> {
    const fn version(&self) -> u64 {
        match self {
            Self::Row(version, ..) | Self::Deleted(version, _) => *version,
        }
    }
}

/// Where a delta goes on: the versions it covers, and the last one delivered.
struct Span {
    since: u64,
    until: u64,
    /// Rows up to this version are delivered.
    rows: u64,
    /// Deletions up to this version are delivered.
    deletes: u64,
}

impl State {
    /// A tracked read: the first one, a delta, or a further page of either.
    pub(crate) fn tracked(&self, call: &Call<'_>, table: usize, cookie: Option<Cookie>) -> Outcome<Response> {
        for option in ["$filter", "$orderby", "$expand", "$top", "$count", "$apply"] {
            // A count that says "no" asks for nothing.
            if call.options.get(option).is_some_and(|value| option != "$count" || value.trim() != "false") {
                return Err(Refusal::query(format!("The \"{option}\" query parameter isn't supported when Change Tracking is enabled.")));
            }
        }
        let definition = self.tracked_table(table)?;
        let query = &Query::parse(&self.store, table, &call.options, call.context())?;
        let (body, delta) = match (cookie, call.options.get("$deltatoken")) {
            (Some(cookie), _) if cookie.last("until").is_some() => {
                (self.delta_page(call, table, definition, query, &span_of(&cookie)?, Some(&cookie)), true)
            }
            (cookie @ Some(_), _) | (cookie, None) => (self.initial_page(call, table, definition, query, cookie.as_ref()), false),
            (None, Some(token)) => {
                let since = self.read_token(token, call.now)?;
                let span = Span { since, until: self.store.version(), rows: since, deletes: since };
                (self.delta_page(call, table, definition, query, &span, None), true)
            }
        };
        // A follow-up of a link is tracked whether or not the preference was repeated; it is named only when it was asked for.
        let applied = call.preferences.applied(call.preferences.track_changes || !delta, true, false);
        Ok(with_applied(crate::headers::json(200, body), applied))
    }

    fn tracked_table(&self, table: usize) -> Outcome<&Table> {
        let definition = self.store.schema.get(table).ok_or_else(|| Refusal::no_segment("table"))?;
        if definition.tracked {
            return Ok(definition);
        }
        let name = &definition.name;
        Err(Refusal::query(format!("Change tracking is not enabled for entity '{name}'. Enable change tracking on the entity and retry.")))
    }

    fn page_size(&self, call: &Call<'_>) -> usize {
        call.preferences.page_size.unwrap_or(self.options.page_max).min(self.options.page_max).max(1)
    }

    fn initial_page(&self, call: &Call<'_>, table: usize, definition: &Table, query: &Query, cookie: Option<&Cookie>) -> String {
        let last: Option<Guid> = cookie.and_then(|cookie| cookie.last(definition.key_name())).and_then(|id| id.parse().ok());
        let start = cookie.and_then(|cookie| cookie.last("stamp")).and_then(|stamp| stamp.parse().ok()).unwrap_or(self.store.version());
        let size = self.page_size(call);
        let range = self.store.table(table).rows.range((last.map_or(Unbounded, Excluded), Unbounded));
        let seen = range.filter(|(id, _)| !self.options.hidden_rows.contains(id));
        let mut rows: Vec<(Guid, &Row)> = seen.take(size.saturating_add(1)).map(|(id, row)| (*id, row)).collect();
        let more = rows.len() > size;
        rows.truncate(size);
        let mut body = self.opening(call, &format!("{}{}", definition.set, query.shape()));
        let plan = Plan::new(self, table, query, &call.preferences.annotations);
        self.write_rows(&mut body, &plan, &rows);
        if more {
            let braced = |row: Option<&(Guid, &Row)>| row.map(|(id, _)| format!("{{{}}}", id.to_string().to_uppercase()));
            let repeat = self.options.repeat_between_pages && rows.len() > 1;
            let last = if repeat { rows.get(rows.len() - 2) } else { rows.last() };
            let entries = vec![
                (definition.key_name().to_owned(), braced(last), braced(rows.first())),
                ("stamp".to_owned(), Some(start.to_string()), None),
            ];
            let cookie = Cookie { page: cookie.map_or(1, |cookie| cookie.page) + 1, tracking: true, entries };
            self.write_link(&mut body, call, "@odata.nextLink", &format!("$skiptoken={}", cookie.encode(&definition.set)));
        } else {
            let stamp = match self.options.delta_stamp {
                DeltaStamp::LastPage => self.store.version(),
                DeltaStamp::Start => start,
            };
            self.write_delta_link(&mut body, call, stamp);
        }
        body.push('}');
        body
    }

    fn delta_page(&self, call: &Call<'_>, table: usize, definition: &Table, query: &Query, span: &Span, cookie: Option<&Cookie>) -> String {
        let size = self.page_size(call);
        let mut entries = self.entries(table, span, size.saturating_add(1));
        let more = entries.len() > size;
        entries.truncate(size);
        let mut body = self.opening(call, &format!("{}{}/$delta", definition.set, query.shape()));
        body.push_str("\"value\":[");
        let plan = Plan::new(self, table, query, &call.preferences.annotations);
        for (at, entry) in entries.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            match entry {
                Entry::Row(_, id, row) => self.write_row(&mut body, &plan, *id, row, None),
                Entry::Deleted(_, id) => {
                    let _ = write!(
                        body,
                        "{{\"@odata.context\":\"{}/$metadata#{}/$deletedEntity\",\"id\":\"{id}\",\"reason\":\"deleted\"}}",
                        call.base, definition.set
                    );
                }
            }
        }
        body.push(']');
        if more {
            let next = self.next_span(&entries, span, cookie, definition);
            self.write_link(&mut body, call, "@odata.nextLink", &format!("$skiptoken={next}"));
        } else {
            self.write_delta_link(&mut body, call, span.until);
        }
        body.push('}');
        body
    }

    fn next_span(&self, entries: &[Entry<'_>], span: &Span, cookie: Option<&Cookie>, definition: &Table) -> String {
        let kept = if self.options.repeat_between_delta_pages && entries.len() > 1 { entries.len() - 1 } else { entries.len() };
        let kept = entries.get(..kept).unwrap_or(entries);
        let of = |deleted: bool| kept.iter().filter(|entry| matches!(entry, Entry::Deleted(..)) == deleted).map(Entry::version).max();
        let entries = [
            ("versionnumber", of(false).unwrap_or(span.rows)),
            ("deletedversion", of(true).unwrap_or(span.deletes)),
            ("since", span.since),
            ("until", span.until),
        ];
        let entries = entries.into_iter().map(|(name, value)| (name.to_owned(), Some(value.to_string()), None)).collect();
        Cookie { page: cookie.map_or(1, |cookie| cookie.page) + 1, tracking: true, entries }.encode(&definition.set)
    }

    /// The entries of a span after what is delivered: rows by version, then deletions.
    fn entries(&self, table: usize, span: &Span, limit: usize) -> Vec<Entry<'_>> {
        let data = self.store.table(table);
        let hidden = |id: &Guid| self.options.hidden_rows.contains(id);
        let within = |from: u64| (Excluded(from), if from < span.until { Included(span.until) } else { Unbounded });
        let mut entries = Vec::new();
        if span.rows < span.until {
            let rows = data.by_version.range(within(span.rows)).filter(|(_, id)| !hidden(id));
            entries.extend(rows.filter_map(|(version, id)| Some(Entry::Row(*version, *id, data.rows.get(id)?))).take(limit));
        }
        if span.deletes < span.until {
            // A row that was deleted, made again and deleted again is one deletion, the last, on whatever page it stands.
            let last: BTreeMap<Guid, u64> = data.deleted.range(within(span.since)).map(|(version, id)| (*id, *version)).collect();
            let gone = data
                .deleted
                .range(within(span.deletes))
                .filter(|(version, id)| last.get(*id) == Some(*version) && !hidden(id) && !data.rows.contains_key(*id));
            entries.extend(gone.map(|(version, id)| Entry::Deleted(*version, *id)).take(limit.saturating_sub(entries.len())));
        }
        entries
    }

    /// `/contacts/$count?$deltatoken=…`
    pub(crate) fn count_changes(&self, table: usize, token: &str, now: Timestamp) -> Outcome<usize> {
        self.tracked_table(table)?;
        let since = self.read_token(token, now)?;
        Ok(self.entries(table, &Span { since, until: self.store.version(), rows: since, deletes: since }, usize::MAX).len())
    }

    /// A token is `<version>!<MM/DD/YYYY HH:MM:SS>` in UTC.
    fn write_delta_link(&self, body: &mut String, call: &Call<'_>, version: u64) {
        if self.options.omit_delta_link_with_annotations && call.preferences.annotations.any() {
            return;
        }
        let time = call.now.strftime("%m%%2f%d%%2f%Y%%20%H%%3a%M%%3a%S");
        self.write_link(body, call, "@odata.deltaLink", &format!("$deltatoken={version}%21{time}"));
    }

    fn read_token(&self, token: &str, now: Timestamp) -> Outcome<u64> {
        let bad = || Refusal::query(format!("The delta token '{token}' isn't valid."));
        let (version, time) = token.split_once('!').ok_or_else(bad)?;
        let version: u64 = version.parse().map_err(|_| bad())?;
        let time = jiff::civil::DateTime::strptime("%m/%d/%Y %H:%M:%S", time).map_err(|_| bad())?;
        let time = jiff::tz::TimeZone::UTC.to_timestamp(time).map_err(|_| bad())?;
        let life = std::time::Duration::from_secs(u64::from(self.options.delta_retention_days) * 86_400);
        if version > self.store.version() || version <= self.delta_floor || time < earlier(now, life) {
            return Err(Refusal::new(400, "0x80044352", EXPIRED));
        }
        Ok(version)
    }
}

fn span_of(cookie: &Cookie) -> Outcome<Span> {
    let number = |name: &str| {
        let text = cookie.last(name).and_then(|text| text.parse().ok());
        text.ok_or_else(|| Refusal::query("The paging cookie of the delta can't be read."))
    };
    Ok(Span { since: number("since")?, until: number("until")?, rows: number("versionnumber")?, deletes: number("deletedversion")? })
}
