//! Sales persons' e-mails. Sales Insight joins on them, and whether Marketo lets one be changed isn't documented (rule R6).
//!
//! Its describe calls the field not updateable, and its own sample changes it. So it is sent; where the record is refused, it is sent
//! without; where Marketo takes it, it is read back. Whose e-mail stays another is told in every cycle until it is mended.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table};
use planner::diff::Change;
use serde_json::{Value, json};
use store::{
    Batch, StoreExt,
    record::{Fact, Outbox},
};

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    marketo::key_field,
    push::{
        gate::{load_links, reference},
        outcome::Failure,
    },
};

const FIELD: &str = "email";

/// Facts that name a sales person whose e-mail Marketo doesn't change.
const FROZEN_FACT: &str = "email-frozen/";

/// Keys in one query (Adobe, "Lead database": filter values).
const VALUES_MAX: usize = 300;

/// Sales persons named in a warning.
const NAMED_MAX: usize = 10;

/// The value of such a fact until the e-mail was read back.
const UNREAD: &str = "unread";

/// What one push learns about e-mails. What lasts is in the state, saved with what it is about.
#[derive(Debug, Default)]
pub(super) struct Emails {
    /// Refused together with their e-mail; sent again without.
    without: BTreeSet<Guid>,
}

impl Emails {
    /// Takes the e-mail out of what is sent, where Marketo has just refused it.
    pub(super) fn leave_out(&self, record: RecordId, change: &mut Change) {
        if record.table == Table::SystemUser && self.without.contains(&record.id) {
            change.fields.remove(FIELD);
        }
    }

    /// Whether a refusal may be due to the e-mail; then the record is tried again without.
    pub(super) fn is_to_blame(&mut self, entry: &Outbox, change: &Change, failure: &Failure) -> bool {
        let sent = entry.record.table == Table::SystemUser && change.fields.contains_key(FIELD);
        sent && failure.lasting && self.without.insert(entry.record.id)
    }

    /// Whether some records have to be sent again.
    pub(super) fn some_refused(&self) -> bool {
        !self.without.is_empty()
    }

    /// Notes what Marketo says it did.
    pub(super) fn confirmed(&self, entry: &Outbox, change: &Change, created: bool, batch: &mut Batch) {
        if entry.record.table != Table::SystemUser {
            return;
        }
        let name = fact_name(entry.record.id);
        if self.without.contains(&entry.record.id) {
            batch.put(&Fact { name, value: Value::Bool(true) });
        } else if change.fields.contains_key(FIELD) && !created {
            let email = change.fields.get(FIELD).and_then(Value::as_str).map(str::to_lowercase);
            batch.put(&Fact { name, value: json!({ UNREAD: email }) });
        }
    }
}

/// Reads the e-mails that were changed, in this cycle or in one that didn't get so far, and keeps which sales persons have another than their user.
pub(super) async fn read_back(bridge: &Bridge) -> Result<(), SyncError> {
    let field = key_field(Object::SalesPerson);
    let facts = bridge.store.list::<Fact>(FROZEN_FACT.as_bytes(), None, usize::MAX).await?;
    let unread: BTreeMap<Guid, Option<String>> = facts
        .iter()
        .filter_map(|fact| Some((fact.name.strip_prefix(FROZEN_FACT)?.parse().ok()?, fact.value.get(UNREAD)?.as_str().map(str::to_owned))))
        .collect();
    if unread.is_empty() {
        return Ok(());
    }
    let records: BTreeSet<RecordId> = unread.keys().map(|id| RecordId::new(Table::SystemUser, *id)).collect();
    let links = load_links(bridge, &records).await?;
    let keys: Vec<String> = unread.keys().map(|id| reference(&links, Table::SystemUser, *id)).collect();
    let mut batch = Batch::new();
    // Who isn't there has no e-mail to differ.
    unread.keys().for_each(|id| batch.remove::<Fact>(fact_name(*id).into()));
    for chunk in keys.chunks(VALUES_MAX) {
        let found = bridge.marketo.query(Object::SalesPerson, field, chunk.to_vec(), &[field, FIELD]).await;
        for record in found.map_err(|error| SyncError::of_call(Side::Marketo, error))? {
            let id = record.get(field).and_then(Value::as_str).and_then(|text| text.trim().parse::<Guid>().ok());
            let theirs = record.get(FIELD).and_then(Value::as_str).map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
            let Some((id, ours)) = id.and_then(|id| unread.get_key_value(&id)) else { continue };
            if *ours != theirs {
                batch.put(&Fact { name: fact_name(*id), value: Value::Bool(true) });
            }
        }
    }
    bridge.commit(batch).await
}

fn fact_name(id: Guid) -> String {
    format!("{FROZEN_FACT}{id}")
}

/// Tells whose e-mail in Marketo is not their user's.
pub(super) async fn warn(bridge: &Bridge) -> Result<(), SyncError> {
    let mut names: Vec<String> = Vec::new();
    let mut pages = bridge.store.pages::<Fact>(FROZEN_FACT.as_bytes().to_vec(), 1_000);
    loop {
        let page = pages.next_page().await?;
        if page.is_empty() {
            break;
        }
        let frozen = page.iter().filter(|fact| fact.value == Value::Bool(true));
        names.extend(frozen.filter_map(|fact| fact.name.strip_prefix(FROZEN_FACT).map(str::to_owned)));
    }
    if names.is_empty() {
        return Ok(());
    }
    let more = names.len().saturating_sub(NAMED_MAX);
    let named = names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    bridge.count(|summary| {
        summary.warn(format!(
            "owner-email-frozen: Marketo doesn't change the e-mail of {} sales persons ({named}{and_more}), so that Sales Insight shows these \
             users nothing; give the user its earlier e-mail back, or delete the sales person in Marketo after its records have another owner",
            names.len()
        ));
    });
    Ok(())
}
