//! Sales persons' e-mails. Sales Insight joins on them, and whether Marketo lets one be changed isn't documented (rule R6).
//!
//! Its describe calls the field not updateable, and its own sample changes it. So it is sent; where the record is refused, it is sent
//! without; where Marketo takes it, it is read back. Whose e-mail stays another is told in every cycle until it is mended.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table};
use planner::diff::Change;
use serde_json::{Map, Value, json};
use store::{
    Batch, StoreExt,
    record::{Fact, LinkFlags, Outbox},
};

use crate::{
    bridge::Bridge,
    capture::EMAIL_FACT,
    error::{Side, SyncError},
    marketo::key_field,
    mend,
    prepare::Prepared,
    push::{
        gate::{load_links, reference},
        outcome::Failure,
    },
};

const FIELD: &str = "email";

/// Facts that name a sales person whose e-mail Marketo doesn't change.
pub(crate) const FROZEN_FACT: &str = "email-frozen/";

/// Keys in one query (Adobe, "Lead database": filter values).
const VALUES_MAX: usize = 300;

/// Sales persons named in a warning.
const NAMED_MAX: usize = 10;

/// The value of such a fact until the e-mail was read back.
const UNREAD: &str = "unread";

/// What one push learns about e-mails. What lasts is in the state, saved with what it is about.
#[derive(Debug, Default)]
pub(super) struct Emails {
    /// Refused together with their e-mail, and which that was; sent again without.
    without: BTreeMap<Guid, Option<String>>,
}

impl Emails {
    /// Takes the e-mail out of what is sent, where Marketo has just refused it.
    pub(super) fn leave_out(&self, record: RecordId, change: &mut Change) {
        if record.table == Table::SystemUser && self.without.contains_key(&record.id) {
            change.fields.remove(FIELD);
        }
    }

    /// Whether a refusal may be due to the e-mail; then the record is tried again without.
    pub(super) fn is_to_blame(&mut self, entry: &Outbox, record: &Map<String, Value>, failure: &Failure) -> bool {
        let sent = entry.record.table == Table::SystemUser && record.contains_key(FIELD);
        sent && failure.lasting && self.without.insert(entry.record.id, email_of(record)).is_none()
    }

    /// Whom to send again.
    pub(super) fn refused(&self) -> impl Iterator<Item = RecordId> {
        self.without.keys().map(|id| RecordId::new(Table::SystemUser, *id))
    }

    /// Notes what Marketo says it did.
    pub(super) fn confirmed(&self, entry: &Outbox, record: &Map<String, Value>, created: bool, batch: &mut Batch) {
        if entry.record.table != Table::SystemUser {
            return;
        }
        let name = fact_name(entry.record.id);
        if let Some(email) = self.without.get(&entry.record.id) {
            // It may be the one that Marketo has.
            batch.put(&Fact { name, value: json!({ UNREAD: email }) });
        } else if created {
            // Whatever was so of an earlier one under this key.
            batch.remove::<Fact>(name.into());
        } else if record.contains_key(FIELD) {
            batch.put(&Fact { name, value: json!({ UNREAD: email_of(record) }) });
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

fn email_of(record: &Map<String, Value>) -> Option<String> {
    record.get(FIELD).and_then(Value::as_str).map(str::to_lowercase)
}

fn fact_name(id: Guid) -> String {
    format!("{FROZEN_FACT}{id}")
}

/// Tells whose e-mail in Marketo is not their user's, who share one, and what was begun about it.
pub(super) async fn warn(bridge: &Bridge, prepared: &Prepared) -> Result<(), SyncError> {
    let facts = bridge.store.list::<Fact>(FROZEN_FACT.as_bytes(), None, usize::MAX).await?;
    let frozen = facts.iter().filter(|fact| fact.value == Value::Bool(true));
    let frozen = frozen.filter_map(|fact| fact.name.strip_prefix(FROZEN_FACT).map(str::to_owned)).collect();
    let frozen = still_there(bridge, frozen).await?;
    if !frozen.is_empty() {
        let records = mend::count_owned(bridge, prepared, &frozen.iter().filter_map(|user| user.parse().ok()).collect::<Vec<_>>()).await?;
        bridge.count(|summary| {
            summary.warn(format!(
                "owner-email-frozen: Marketo doesn't change the e-mail of {} sales persons ({}), so that Sales Insight shows these users nothing of \
                 {records} records; give the user its earlier e-mail back, or run for each\n  insight-bridge mend-owner-email <user id>",
                frozen.len(),
                some(&frozen)
            ));
        });
    }
    let twice = shared(bridge).await?;
    if !twice.is_empty() {
        bridge.count(|summary| {
            summary.flagged.insert("owner-email-twice".into(), twice.len() as u64);
            summary.warn(format!(
                "owner-email-twice: {} users share an e-mail with another ({}); Sales Insight joins on it and can't tell them apart",
                twice.len(),
                some(&twice)
            ));
        });
    }
    let begun = mend::unfinished(bridge).await?;
    if !begun.is_empty() {
        let text =
            format!("the mending of {} was begun and not ended; run\n  insight-bridge mend-owner-email <user id> --yes", some(&begun));
        bridge.count(|summary| summary.warn(text));
    }
    Ok(())
}

/// Those of these users that Dynamics still has: nobody is left to whom the others' e-mail matters, and they are forgotten.
async fn still_there(bridge: &Bridge, users: Vec<String>) -> Result<Vec<String>, SyncError> {
    let record = |user: &String| Some(RecordId::new(Table::SystemUser, user.parse().ok()?));
    let links = load_links(bridge, &users.iter().filter_map(record).collect()).await?;
    let is_there = |user: &String| {
        record(user).and_then(|record| links.get(&record)).is_some_and(|link| link.is_confirmed() && !link.flags.has(LinkFlags::GONE))
    };
    let (there, gone): (Vec<String>, Vec<String>) = users.into_iter().partition(is_there);
    let mut batch = Batch::new();
    gone.iter().for_each(|user| batch.remove::<Fact>(format!("{FROZEN_FACT}{user}").into()));
    bridge.commit(batch).await?;
    Ok(there)
}

/// Sales persons of which another has the same e-mail in Dynamics.
async fn shared(bridge: &Bridge) -> Result<Vec<String>, SyncError> {
    let mut by_email: BTreeMap<u64, Vec<RecordId>> = BTreeMap::new();
    for fact in bridge.store.list::<Fact>(EMAIL_FACT.as_bytes(), None, usize::MAX).await? {
        let user = fact.name.strip_prefix(EMAIL_FACT).and_then(|id| id.parse().ok());
        if let (Some(user), Some(print)) = (user, fact.value.as_u64()) {
            by_email.entry(print).or_default().push(RecordId::new(Table::SystemUser, user));
        }
    }
    by_email.retain(|_, users| users.len() > 1);
    if by_email.is_empty() {
        return Ok(Vec::new());
    }
    let links = load_links(bridge, &by_email.values().flatten().copied().collect()).await?;
    let counts = |user: &&RecordId| links.get(user).is_some_and(|link| link.is_confirmed() && !link.flags.has(LinkFlags::GONE));
    let there = by_email.values().map(|users| users.iter().filter(counts).map(|user| user.id.to_string()).collect::<Vec<_>>());
    Ok(there.filter(|users| users.len() > 1).flatten().collect())
}

/// The first of these ids, and how many more there are.
fn some(ids: &[String]) -> String {
    let more = ids.len().saturating_sub(NAMED_MAX);
    let named = ids.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}
