//! Static lists and who is on them.
//!
//! Lists are made by a control call or through the few paths of the Asset API that concern them; everything else here is Adobe's "static
//! lists" page. Smart lists, programs and workspaces don't exist.

use std::collections::{BTreeMap, BTreeSet};

use base::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::{Call, few, input},
    lead_read::{after, next},
    lead_write::WEB_SERVICE,
    log::{Detail, Facts, kind},
    mark::fingerprint,
    options::Nulls,
    state::State,
    text::{floor, fold},
    value::{time, whole},
};

/// Id of the first list: apart from those of leads.
const FIRST: i64 = 101;
/// The workspace every list is in.
pub(crate) const WORKSPACE: &str = "Default";

/// All static lists.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub rows: BTreeMap<i64, StaticList>,
    made: i64,
}

/// One static list.
#[derive(Debug)]
pub(crate) struct StaticList {
    pub name: String,
    pub description: Option<String>,
    pub created: i64,
    pub updated: i64,
    /// Ids of its leads.
    pub members: BTreeSet<i64>,
}

/// What a call does with leads and a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    Add,
    Remove,
    Ask,
}

impl Lists {
    /// The list of this id, or 1013.
    pub(crate) fn find(&self, id: &str) -> Result<(i64, &StaticList), Reason> {
        let found = id.trim().parse().ok().and_then(|id| self.rows.get_key_value(&id));
        found.map(|(id, list)| (*id, list)).ok_or_else(|| Reason::new("1013", format!("List '{id}' not found")))
    }

    pub(crate) fn named(&self, name: &str) -> Option<(i64, &StaticList)> {
        self.rows.iter().find(|(_, list)| fold(&list.name) == fold(name)).map(|(id, list)| (*id, list))
    }

    /// A lead is gone for good.
    pub(crate) fn forget(&mut self, lead: i64) {
        for list in self.rows.values_mut() {
            list.members.remove(&lead);
        }
    }

    /// A lead's places go to another one.
    pub(crate) fn hand_over(&mut self, from: i64, to: i64) {
        for list in self.rows.values_mut() {
            if list.members.remove(&from) {
                list.members.insert(to);
            }
        }
    }
}

impl State {
    /// Makes a static list and returns its id; one that has the name already is that one.
    pub fn add_list(&mut self, name: &str, now: Timestamp) -> i64 {
        match self.lists.named(name) {
            Some((id, _)) => id,
            None => self.make_list(name, None, floor(now)),
        }
    }

    /// Ids of the leads on a list, ascending; none when there is no such list.
    #[must_use]
    pub fn list_members(&self, list: i64) -> Vec<i64> {
        self.lists.rows.get(&list).map(|list| list.members.iter().copied().collect()).unwrap_or_default()
    }

    pub(crate) fn make_list(&mut self, name: &str, description: Option<String>, now: i64) -> i64 {
        let id = FIRST + self.lists.made;
        self.lists.made += 1;
        let list = StaticList { name: name.to_owned(), description, created: now, updated: now, members: BTreeSet::new() };
        self.lists.rows.insert(id, list);
        id
    }

    /// `GET /rest/v1/lists`: by id, name, program or workspace, or all.
    pub(crate) fn query_lists(&self, call: &Call<'_>, now: i64) -> Answer {
        let filters = ["id", "name", "programName", "workspaceName"].map(|name| call.list(name));
        let [ids, names, programs, workspaces] = &filters;
        few(ids.len().max(names.len()), "filter values")?;
        let among = |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|wanted| fold(wanted) == fold(value));
        let found = self.lists.rows.iter().filter(|(id, list)| {
            let here = among(ids, &id.to_string()) && among(names, &list.name) && among(workspaces, WORKSPACE);
            here && programs.is_empty()
        });
        let found: Vec<u32> = found.filter_map(|(id, _)| u32::try_from(*id).ok()).collect();
        self.listed_in_pages(call, &found, fingerprint(("lists", &filters)), now, |id| self.shown_list(i64::from(id)))
    }

    /// `GET /rest/v1/lists/{id}`.
    pub(crate) fn one_list(&self, id: &str) -> Answer {
        let (id, _) = self.lists.find(id)?;
        Ok(Reply::one(self.shown_list(id)).into())
    }

    fn shown_list(&self, id: i64) -> Value {
        let Some(list) = self.lists.rows.get(&id) else { return Value::Null };
        let mut shown = Map::new();
        shown.insert("id".into(), json!(id));
        shown.insert("name".into(), json!(list.name));
        if let Some(description) = &list.description {
            shown.insert("description".into(), json!(description));
        }
        shown.insert("workspaceName".into(), json!(WORKSPACE));
        shown.insert("createdAt".into(), json!(time(list.created, &self.options)));
        shown.insert("updatedAt".into(), json!(time(list.updated, &self.options)));
        Value::Object(shown)
    }

    /// `GET /rest/v1/lists/{id}/leads`, and `/rest/v1/list/{id}/leads`.
    pub(crate) fn leads_of_list(&self, id: &str, call: &Call<'_>, now: i64) -> Answer {
        let (id, list) = self.lists.find(id)?;
        let (columns, defaults) = self.lead_columns(&call.list("fields"))?;
        let members: Vec<u32> = list.members.iter().filter_map(|lead| self.leads.by_id(*lead)).collect();
        let nulls = self.options.nulls == Nulls::Explicit;
        self.listed_in_pages(call, &members, fingerprint(("members", id)), now, |number| {
            Value::Object(self.show_lead(number, &columns, &defaults, nulls))
        })
    }

    /// `GET /rest/v1/leads/{id}/listMembership`.
    pub(crate) fn lists_of_lead(&self, lead: &str, call: &Call<'_>, now: i64) -> Answer {
        let lead: i64 = lead.parse().ok().filter(|id| self.leads.by_id(*id).is_some()).ok_or_else(|| Reason::no_lead(lead))?;
        let has = self.lists.rows.iter().filter(|(_, list)| list.members.contains(&lead));
        let lists: Vec<u32> = has.filter_map(|(id, _)| u32::try_from(*id).ok()).collect();
        self.listed_in_pages(call, &lists, fingerprint(("memberships", lead)), now, |id| {
            let list = self.lists.rows.get(&i64::from(id));
            let at = |second: Option<i64>| second.map_or(Value::Null, |second| json!(time(second, &self.options)));
            json!({"id": id, "membershipDate": at(list.map(|list| list.updated)), "updatedAt": at(list.map(|list| list.updated))})
        })
    }

    /// Rows by ascending number, in pages.
    fn listed_in_pages(&self, call: &Call<'_>, all: &[u32], query: u64, now: i64, show: impl Fn(u32) -> Value) -> Answer {
        let size = call.batch_size(self.options.page_size_max)?;
        let after = after(call.param("nextPageToken"), query, now)?;
        let rest: Vec<u32> = all.iter().copied().filter(|number| after.is_none_or(|after| u64::from(*number) > after)).collect();
        let page = rest.get(..size).unwrap_or(&rest);
        let result = page.iter().map(|number| show(*number)).collect();
        let (next, more) = next(&rest, size, query, now);
        Ok(Reply { next, more, ..Reply::of(result) }.into())
    }

    /// `POST` and `DELETE /rest/v1/lists/{id}/leads`, and `GET …/leads/ismember`: up to 300 leads, in a body or as `?id=1,2`.
    pub(crate) fn list_call(&mut self, list: &str, what: Membership, call: &Call<'_>, now: i64) -> Answer {
        let (list, _) = self.lists.find(list)?;
        let ids: Vec<Value> = if call.request.body.iter().all(u8::is_ascii_whitespace) || !call.is_json() {
            call.list("id").into_iter().map(Value::from).collect()
        } else {
            input(&mut call.json()?)?.iter().map(|record| record.get("id").cloned().unwrap_or_default()).collect()
        };
        if ids.is_empty() {
            return Err(Reason::missing("id"));
        }
        few(ids.len(), "leads")?;
        Ok(Reply::of(ids.iter().map(|id| self.list_one(list, what, id, now)).collect()).into())
    }

    fn list_one(&mut self, list: i64, what: Membership, id: &Value, now: i64) -> Value {
        let Some(lead) = whole(id).filter(|id| self.leads.by_id(*id).is_some()) else {
            let mut skipped = Reason::of("1004").skipped();
            skipped.insert("id".into(), whole(id).map_or_else(|| id.clone(), Value::from));
            return Value::Object(skipped);
        };
        let member = self.lists.rows.get(&list).is_some_and(|list| list.members.contains(&lead));
        match (what, member) {
            (Membership::Add, _) => {
                self.join_list(list, lead, now);
                json!({"id": lead, "status": "added"})
            }
            (Membership::Remove, true) => {
                self.leave_list(list, lead, now);
                json!({"id": lead, "status": "removed"})
            }
            (Membership::Remove, false) => json!({"id": lead, "status": "skipped", "reasons": [Reason::of("1015")]}),
            (Membership::Ask, true) => json!({"id": lead, "status": "memberof"}),
            (Membership::Ask, false) => json!({"id": lead, "status": "notmemberof"}),
        }
    }

    /// Puts a lead on a list; nothing happens when it is there.
    pub(crate) fn join_list(&mut self, list: i64, lead: i64, now: i64) {
        if self.lists.rows.get_mut(&list).is_some_and(|list| list.members.insert(lead)) {
            self.log_list(kind::ADD_TO_LIST, list, lead, now);
        }
    }

    fn leave_list(&mut self, list: i64, lead: i64, now: i64) {
        if self.lists.rows.get_mut(&list).is_some_and(|list| list.members.remove(&lead)) {
            self.log_list(kind::REMOVE_FROM_LIST, list, lead, now);
        }
    }

    fn log_list(&mut self, kind: u16, list: i64, lead: i64, now: i64) {
        let Some(row) = self.lists.rows.get_mut(&list) else { return };
        row.updated = now;
        let facts = Facts { value_id: Some(list), value: Some(row.name.clone()), attributes: vec![("Source", json!(WEB_SERVICE))] };
        self.log.push(lead, kind, now, now, Detail::Facts(Box::new(facts)));
    }
}
