//! Sales persons' e-mails. Sales Insight joins on them, and whether Marketo lets one be changed isn't documented (rule R6).
//!
//! Its describe calls the field not updateable, and its own sample changes it. So it is sent; where the record is refused, it is sent
//! without; where Marketo takes it, it is read back. Whose e-mail stays another is told in every cycle until it is mended.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table};
use planner::diff::Change;
use serde_json::Value;
use store::{
    Batch, StoreExt,
    record::{Fact, Outbox},
};

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    marketo::key_field,
    push::outcome::Failure,
};

const FIELD: &str = "email";

/// Facts that name a sales person whose e-mail Marketo doesn't change.
const FROZEN_FACT: &str = "email-frozen/";

/// Keys in one query (Adobe, "Lead database": filter values).
const VALUES_MAX: usize = 300;

/// Sales persons named in a warning.
const NAMED_MAX: usize = 10;

/// What one push learns about e-mails.
#[derive(Debug, Default)]
pub(super) struct Emails {
    /// Refused together with their e-mail; sent again without.
    without: BTreeSet<Guid>,
    /// Those of them that went through without.
    frozen: BTreeSet<Guid>,
    /// E-mails that Marketo says it took, of sales persons that it had before.
    taken: BTreeMap<Guid, Option<String>>,
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
    pub(super) fn confirmed(&mut self, entry: &Outbox, change: &Change, created: bool) {
        if entry.record.table != Table::SystemUser {
            return;
        }
        if self.without.contains(&entry.record.id) {
            self.frozen.insert(entry.record.id);
        } else if let Some(email) = change.fields.get(FIELD).filter(|_| !created) {
            self.taken.insert(entry.record.id, email.as_str().map(str::to_lowercase));
        }
    }

    /// Reads the e-mails that were changed, and keeps which sales persons have another than their user.
    pub(super) async fn read_back(mut self, bridge: &Bridge) -> Result<(), SyncError> {
        let field = key_field(Object::SalesPerson);
        let ids: Vec<String> = self.taken.keys().map(Guid::to_string).collect();
        for chunk in ids.chunks(VALUES_MAX) {
            let found = bridge.marketo.query(Object::SalesPerson, field, chunk.to_vec(), &[field, FIELD]).await;
            for record in found.map_err(|error| SyncError::of_call(Side::Marketo, error))? {
                let id = record.get(field).and_then(Value::as_str).and_then(|text| text.trim().parse::<Guid>().ok());
                let theirs =
                    record.get(FIELD).and_then(Value::as_str).map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
                if let Some((id, ours)) = id.and_then(|id| self.taken.get_key_value(&id)).filter(|(_, ours)| **ours != theirs) {
                    tracing::debug!(user = %id, is_null = ours.is_none(), "Marketo keeps another e-mail");
                    self.frozen.insert(*id);
                }
            }
        }
        let mut batch = Batch::new();
        for id in self.taken.keys().filter(|id| !self.frozen.contains(id)) {
            batch.remove::<Fact>(fact_name(*id).into());
        }
        for id in &self.frozen {
            batch.put(&Fact { name: fact_name(*id), value: Value::Bool(true) });
        }
        bridge.commit(batch).await
    }
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
        names.extend(page.iter().filter_map(|fact| fact.name.strip_prefix(FROZEN_FACT).map(str::to_owned)));
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
