//! What the state says to whoever is asked for help, as a value: no secrets, and nothing of what Dynamics says of a person.
//!
//! It is read without the lease and without calling anybody. E-mail addresses are taken out of everything in the end, whatever brought them
//! there. Values of held records are added after that, and only if they are asked for.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{
    Family, Store, StoreExt,
    record::{Cursor, Run},
};

use crate::{
    codes::{Advice, advice},
    error::SyncError,
    held::{Dismissals, HeldRecord, Listing, Selection, State, Waiting, values, without_addresses, without_quotes},
    metadata,
    prepare::saved_describes,
    status::{Status, status},
};

/// The last runs that are told in full.
const RUNS: usize = 20;

/// Runs whose warnings are told.
const WARNING_RUNS: usize = 100;

/// Records that are named for one reason; all are counted.
const NAMED_MAX: usize = 200;

/// Whether what Dynamics says of held records is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personal {
    /// It is left out.
    LeftOut,
    /// It is told of those that are named.
    OfHeld,
}

/// Records that are left for the same reason.
#[derive(Debug, Default, Serialize)]
struct Reason {
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    records: Vec<HeldRecord>,
}

/// A warning, and when it was given.
#[derive(Debug, Serialize)]
struct Warning {
    times: u64,
    last: Timestamp,
}

/// What the state says.
///
/// # Errors
/// When it can't be read.
pub async fn of_state(store: &dyn Store, now: Timestamp, personal: Personal) -> Result<Value, SyncError> {
    let mut families = BTreeMap::new();
    for family in Family::ALL {
        families.insert(family.name(), store.count(family, &[]).await?);
    }
    let describes = saved_describes(store).await?;
    let runs = store.list::<Run>(&[], None, usize::MAX).await?;
    let left = reasons(store).await?;
    let mut told = json!({
        "place": store.place(),
        "families": families,
        // The last run is among the others.
        "status": Status { last_run: None, ..status(store, now).await? },
        "cursors": cursors(store).await?,
        "warnings": warnings(&runs),
        "runs": runs.iter().rev().take(RUNS).map(|run| shown(run, &field_names(describes.as_ref()))).collect::<Vec<_>>(),
        "left": left,
        "dismissed": dismissed(store).await?,
        "dynamics": metadata::kept(store).await?,
        "marketo": describes,
    });
    discreet(&mut told);
    if let (Personal::OfHeld, Some(told)) = (personal, told.as_object_mut()) {
        told.insert("values".into(), values_of(store, &left).await?);
    }
    Ok(told)
}

/// Everything without e-mail addresses.
pub fn discreet(value: &mut Value) {
    match value {
        Value::String(text) => *text = without_addresses(text),
        Value::Array(list) => list.iter_mut().for_each(discreet),
        Value::Object(members) => {
            let before = std::mem::take(members);
            members.extend(before.into_iter().map(|(name, mut value)| {
                discreet(&mut value);
                (without_addresses(&name), value)
            }));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What is held by code, and what waits.
async fn reasons(store: &dyn Store) -> Result<BTreeMap<String, Reason>, SyncError> {
    let mut reasons: BTreeMap<String, Reason> = BTreeMap::new();
    let mut listing = Listing::new(store, Selection::default(), Waiting::Listed);
    while let Some(page) = listing.next_page().await? {
        for record in page {
            let code = record.code.clone().unwrap_or_else(|| State::Waiting.name().to_owned());
            let reason = reasons.entry(code).or_insert_with(|| Reason::of(record.code.as_deref()));
            reason.count += 1;
            if reason.records.len() < NAMED_MAX {
                reason.records.push(record);
            }
        }
    }
    Ok(reasons)
}

impl Reason {
    fn of(code: Option<&str>) -> Self {
        let Some(Advice { meaning, page, .. }) = code.map(advice) else { return Self::default() };
        Self { meaning: Some(meaning), page: Some(page), ..Self::default() }
    }
}

/// What was dismissed and when: by whom and why is what people have written, and stays here.
async fn dismissed(store: &dyn Store) -> Result<Vec<Value>, SyncError> {
    let mut told = Vec::new();
    let mut dismissals = Dismissals::new(store, Selection::default());
    while let Some(page) = dismissals.next_page().await? {
        let room = NAMED_MAX.saturating_sub(told.len());
        told.extend(page.into_iter().take(room).map(|dismissal| json!({"at": dismissal.dismissed_at, "record": dismissal.record})));
    }
    Ok(told)
}

/// How far each feed is read; not the links themselves, which are long and say nothing.
async fn cursors(store: &dyn Store) -> Result<Map<String, Value>, SyncError> {
    let told = |cursor: Cursor| {
        let member = |name: &str| cursor.position.get(name).cloned().unwrap_or_default();
        let by_delta = cursor.position.get("delta").is_some_and(Value::is_string);
        (cursor.name.clone(), json!({"delta": by_delta, "watermark": member("watermark"), "unswept": member("unswept")}))
    };
    Ok(store.list::<Cursor>(&[], None, usize::MAX).await?.into_iter().map(told).collect())
}

/// What the last runs have warned of.
fn warnings(runs: &[Run]) -> BTreeMap<&str, Warning> {
    let mut warnings: BTreeMap<&str, Warning> = BTreeMap::new();
    for run in runs.iter().rev().take(WARNING_RUNS).rev() {
        for text in run.body.summary.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let warning = warnings.entry(text).or_insert(Warning { times: 0, last: run.begun });
            warning.times += 1;
            warning.last = run.begun;
        }
    }
    warnings
}

/// A run as it was saved. Where Marketo has refused, its words may quote what they refuse: only names of fields stay.
fn shown(run: &Run, fields: &BTreeSet<String>) -> Value {
    let mut summary = run.body.summary.clone();
    let error = summary.pointer_mut("/error").and_then(Value::as_object_mut);
    if let Some(error) = error.filter(|error| error.get("code").and_then(Value::as_str).is_some_and(|code| code.starts_with("marketo-")))
        && let Some(Value::String(message)) = error.get_mut("message")
    {
        *message = without_quotes(message, |quoted| fields.contains(&quoted.to_lowercase()));
    }
    json!({"begun": run.begun, "ended": run.body.ended, "exit_code": run.body.exit, "summary": summary})
}

/// The names of all fields in Marketo's describes, in lower case, wherever they stand in them.
fn field_names(described: Option<&Value>) -> BTreeSet<String> {
    let (mut names, mut todo) = (BTreeSet::new(), Vec::from_iter(described));
    while let Some(value) = todo.pop() {
        match value {
            Value::Object(members) => {
                names.extend(members.keys().map(|name| name.to_lowercase()));
                todo.extend(members.values());
            }
            Value::Array(list) => todo.extend(list),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    names
}

/// What would be sent for the records that are named.
async fn values_of(store: &dyn Store, left: &BTreeMap<String, Reason>) -> Result<Value, SyncError> {
    let ids: BTreeSet<Guid> = left.values().flat_map(|reason| &reason.records).map(|record| record.id).collect();
    let mut told = Map::new();
    for id in ids {
        told.insert(id.to_string(), serde_json::to_value(values::of_record(store, id).await?).unwrap_or_default());
    }
    Ok(Value::Object(told))
}

#[cfg(test)]
mod tests {
    use store::record::setting::RunBody;

    use super::*;

    #[test]
    fn addresses_are_taken_out_of_everything() {
        let mut value = json!({"a": ["bo@x.test", 7, null], "bo@x.test": {"b": "lead bo@x.test exists"}});
        discreet(&mut value);
        assert_eq!(value, json!({"a": ["***", 7, null], "***": {"b": "lead *** exists"}}));
    }

    #[test]
    fn what_marketo_quotes_goes_and_names_of_fields_stay() {
        let fields = field_names(Some(&json!({"objects": {"lead": {"fields": {"title": {"name": "title"}}}}})));
        let run = |code: &str| {
            let summary = json!({"error": {"code": code, "message": "Value 'Director' of field 'Title' isn't taken"}});
            let run = Run { begun: Timestamp::UNIX_EPOCH, body: RunBody { ended: None, exit: Some(5), summary } };
            shown(&run, &fields)["summary"]["error"]["message"].clone()
        };
        assert_eq!(run("marketo-refused"), "Value '***' of field 'Title' isn't taken");
        assert_eq!(run("field-map"), "Value 'Director' of field 'Title' isn't taken");
    }
}
