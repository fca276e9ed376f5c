//! Activities, lead changes and deleted leads: what a call asks for, and how an entry of the log is shown.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Reason, Reply},
    call::Call,
    cell::Cell,
    log::{Changes, Detail, Entry, kind},
    mark::{Mark, encode},
    schema::{Column, Object},
    state::State,
    text::instant,
    value::{show, time},
};

/// Activity types in one call.
const TYPES_MAX: usize = 10;
/// Leads in one call.
const LEADS_MAX: usize = 30;

/// Which listing is asked for.
enum Listing {
    /// Of these types, about these primary assets unless none are named.
    Activities {
        kinds: BTreeSet<u16>,
        assets: BTreeSet<i64>,
    },
    LeadChanges {
        columns: BTreeSet<Column>,
    },
    DeletedLeads,
}

impl State {
    /// `GET /rest/v1/activities/pagingtoken`: 704 for what isn't a date.
    pub(crate) fn paging_token(call: &Call<'_>) -> Answer {
        let since = call.required("sinceDatetime")?;
        let at = instant(since).ok_or_else(|| Reason::of("704"))?;
        Ok(Reply { next: Some(encode(Mark::Since(at))), ..Reply::default() }.into())
    }

    /// `GET /rest/v1/activities`.
    pub(crate) fn list_activities(&self, call: &Call<'_>, now: i64) -> Answer {
        let ids = call.list("activityTypeIds");
        if ids.is_empty() {
            return Err(Reason::missing("activityTypeIds"));
        }
        if ids.len() > TYPES_MAX {
            return Err(Reason::invalid(format!("Too many activity type ids: {}. The maximum is {TYPES_MAX}", ids.len())));
        }
        let wrong =
            |id: &String| Reason::new("1001", format!("Invalid value '{id}' for parameter 'activityTypeIds'. Required of type 'integer'"));
        let kinds = ids.iter().map(|id| id.parse().map_err(|_| wrong(id))).collect::<Result<BTreeSet<u16>, _>>()?;
        let assets: BTreeSet<i64> = call.list("assetIds").iter().filter_map(|id| id.parse().ok()).collect();
        if !assets.is_empty() && kinds.len() > 1 {
            return Err(Reason::invalid("'assetIds' can only be used with a single activity type"));
        }
        self.list(&Listing::Activities { kinds, assets }, call, now)
    }

    /// `GET /rest/v1/activities/leadchanges`: types 12 and 13.
    pub(crate) fn list_lead_changes(&self, call: &Call<'_>, now: i64) -> Answer {
        let names = call.list("fields");
        if names.is_empty() {
            return Err(Reason::missing("fields"));
        }
        let find = |name: &String| self.column(Object::Leads, name).ok_or_else(|| Reason::no_field(name));
        let columns = names.iter().map(find).collect::<Result<_, _>>()?;
        self.list(&Listing::LeadChanges { columns }, call, now)
    }

    /// `GET /rest/v1/activities/deletedleads`: type 37.
    pub(crate) fn list_deleted_leads(&self, call: &Call<'_>, now: i64) -> Answer {
        self.list(&Listing::DeletedLeads, call, now)
    }

    fn list(&self, listing: &Listing, call: &Call<'_>, now: i64) -> Answer {
        let leads = call.list("leadIds");
        if leads.len() > LEADS_MAX {
            return Err(Reason::invalid(format!("Too many lead ids: {}. The maximum is {LEADS_MAX}", leads.len())));
        }
        let leads: Option<BTreeSet<i64>> = (!leads.is_empty()).then(|| leads.iter().filter_map(|id| id.parse().ok()).collect());
        let list = call.param("listId").filter(|id| !id.is_empty()).map(|id| self.lists.find(id)).transpose()?;
        let members = list.map(|(_, list)| &list.members);
        let size = call.batch_size(self.options.page_size_max)?;
        let page = self.page(call.required("nextPageToken")?, size, now, |entry| {
            let owner = self.log.owner(entry.lead);
            let wanted =
                leads.as_ref().is_none_or(|leads| leads.contains(&owner)) && members.is_none_or(|members| members.contains(&owner));
            if wanted { self.listed(listing, entry) } else { Vec::new() }
        })?;
        let result = page.rows.iter().map(|(entry, id, at)| self.activity(listing, entry, *id, *at)).collect();
        Ok(Reply { next: Some(page.next), more: Some(page.more), ..Reply::of(result) }.into())
    }

    /// The rows an entry has in a listing: id, and which of its changed fields, if it is about one.
    fn listed(&self, listing: &Listing, entry: &Entry) -> Vec<(u64, usize)> {
        let matches = match listing {
            Listing::Activities { kinds, .. } => kinds.contains(&entry.kind) && entry.kind != kind::DELETE_LEAD,
            Listing::LeadChanges { columns } => match &entry.detail {
                Detail::Changes(changes) => changes.fields.iter().any(|change| columns.contains(&change.column)),
                Detail::Plain | Detail::Facts(_) => entry.kind == kind::NEW_LEAD,
            },
            Listing::DeletedLeads => entry.kind == kind::DELETE_LEAD,
        };
        let width = match listing {
            Listing::Activities { .. } => entry.width(),
            Listing::LeadChanges { .. } | Listing::DeletedLeads => 1,
        };
        if !matches {
            return Vec::new();
        }
        let rows = (0..width).map(|at| (entry.first + at, usize::try_from(at).unwrap_or(0)));
        match listing {
            Listing::Activities { assets, .. } if !assets.is_empty() => {
                rows.filter(|(_, at)| self.facts(entry, *at).0.is_some_and(|id| assets.contains(&id))).collect()
            }
            Listing::Activities { .. } | Listing::LeadChanges { .. } | Listing::DeletedLeads => rows.collect(),
        }
    }

    fn activity(&self, listing: &Listing, entry: &Entry, id: u64, at: usize) -> Value {
        let mut row = Map::new();
        row.insert("id".into(), json!(id));
        row.insert("marketoGUID".into(), json!(id.to_string()));
        row.insert("leadId".into(), json!(if entry.kind == kind::DELETE_LEAD { entry.lead } else { self.log.owner(entry.lead) }));
        row.insert("activityDate".into(), json!(time(entry.at, &self.options)));
        row.insert("activityTypeId".into(), json!(entry.kind));
        match (listing, &entry.detail) {
            (Listing::LeadChanges { columns }, Detail::Changes(changes)) => {
                row.insert("fields".into(), self.changed_fields(changes, columns));
                row.insert(
                    "attributes".into(),
                    attributes(&[("Reason", json!(changes.source)), ("Source", json!(changes.source)), ("Lead ID", json!(entry.lead))]),
                );
            }
            (_, _) => {
                let (value_id, value, facts) = self.facts(entry, at);
                if let Some(value_id) = value_id {
                    row.insert("primaryAttributeValueId".into(), json!(value_id));
                }
                if let Some(value) = value {
                    row.insert("primaryAttributeValue".into(), json!(value));
                }
                row.insert("attributes".into(), attributes(&facts));
            }
        }
        Value::Object(row)
    }

    fn changed_fields(&self, changes: &Changes, columns: &BTreeSet<Column>) -> Value {
        let fields = changes.fields.iter().filter(|change| columns.contains(&change.column)).map(|change| {
            let name = self.field(Object::Leads, change.column).map_or("", |field| &field.name);
            json!({
                "id": u32::from(change.column) + 2, "name": name,
                "newValue": self.cell(change.column, change.new.as_ref()), "oldValue": self.cell(change.column, change.old.as_ref()),
            })
        });
        Value::Array(fields.collect())
    }

    fn cell(&self, column: Column, cell: Option<&Cell>) -> Value {
        let Some(field) = self.field(Object::Leads, column) else { return Value::Null };
        cell.map_or(Value::Null, |cell| show(field.data_type, cell.view(), &self.options))
    }

    /// An activity's primary value, by id and by name, and its attributes; for changed fields those of the `at`-th.
    pub(crate) fn facts(&self, entry: &Entry, at: usize) -> (Option<i64>, Option<String>, Vec<(&'static str, Value)>) {
        match &entry.detail {
            Detail::Facts(facts) => {
                let attributes = facts.attributes.iter().filter(|(_, value)| !value.is_null() && value.as_str() != Some("")).cloned();
                (facts.value_id, facts.value.clone(), attributes.collect())
            }
            Detail::Plain => {
                let number = self.leads.by_id(self.log.owner(entry.lead));
                let created = time(entry.at, &self.options).chars().take(10).collect::<String>();
                let attributes = vec![("Source Type", json!("Web service API")), ("Created Date", json!(created))];
                (Some(entry.lead), number.and_then(|number| self.lead_name(number)), attributes)
            }
            Detail::Changes(changes) => {
                let Some(change) = changes.fields.get(at) else { return (None, None, Vec::new()) };
                let label = self.field(Object::Leads, change.column).map(|field| field.display_name.clone());
                let mut attributes = vec![("Reason", json!(changes.source)), ("Source", json!(changes.source))];
                for (name, cell) in [("New Value", &change.new), ("Old Value", &change.old)] {
                    let value = self.cell(change.column, cell.as_ref());
                    if !value.is_null() {
                        attributes.push((name, value));
                    }
                }
                (Some(i64::from(change.column) + 2), label, attributes)
            }
        }
    }
}

fn attributes(facts: &[(&'static str, Value)]) -> Value {
    Value::Array(facts.iter().map(|(name, value)| json!({"name": name, "value": value})).collect())
}
