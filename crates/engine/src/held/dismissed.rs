//! Records that somebody has dismissed: they have left the outbox and aren't tried again until something else would be sent.
//!
//! A dismissal remembers by a keyed fingerprint what was asked for, so that no values of a person stay, and who dismissed it, when and why.
//! It is a [`Fact`], like the tombstone of an erased person and for the same reasons: there are few, they have no queue of their own, and a
//! release that doesn't know them only tries the record again, while a family of its own would keep that release from opening the state at all.
//!
//! It ends, and the record is asked for as ever, when one of these is so (docs/decisions/0030-dismissed-records.md):
//!
//! - something else would be sent, because the row, its owner, its account or the field map is another;
//! - Marketo has come to have the record, or no longer has it;
//! - it was dismissed while it waited, and what it waited for has come ([`wake`]);
//! - another record has begun to stand for it, or it for another;
//! - somebody asks for it ([`super::retry`]).

use std::collections::BTreeMap;

use base::{Guid, Object, RecordId, Timestamp};
use planner::FingerprintKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{
    Batch, Pages, Record, Store, StoreError, StoreExt,
    record::{DirtyRoles, Fact, Json, Link, Refetch, record_key},
};

use super::{HeldRecord, Selection};
use crate::{bridge::Bridge, error::SyncError};

/// Facts that hold dismissals: object, id and part of the outbox record.
const DISMISSED_FACT: &str = "dismissed/";

/// Dismissals read at a time.
const PAGE: usize = 500;

/// A record that was dismissed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dismissal {
    /// As it was left when it was dismissed.
    #[serde(flatten)]
    pub record: HeldRecord,
    /// When.
    pub dismissed_at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// Fingerprint of what was asked for.
    pub(crate) print: u64,
    /// Whether Marketo was known to have it.
    pub(crate) linked: bool,
}

impl Dismissal {
    /// The key of a record's dismissal.
    pub(crate) fn key_of(object: Object, id: Guid, part: &str) -> Vec<u8> {
        name(object, id, part).into_bytes()
    }

    /// Its own key.
    pub(crate) fn key(&self) -> Vec<u8> {
        Self::key_of(self.record.object, self.record.id, self.record.part.as_deref().unwrap_or_default())
    }

    /// For saving.
    pub(crate) fn fact(&self) -> Fact {
        let part = self.record.part.as_deref().unwrap_or_default();
        Fact { name: name(self.record.object, self.record.id, part), value: serde_json::to_value(self).unwrap_or_default() }
    }

    fn read(fact: Fact) -> Result<Self, StoreError> {
        let why = |error: serde_json::Error| StoreError::Unreadable { what: "fact", why: format!("{}: {error}", fact.name) };
        serde_json::from_value(fact.value).map_err(why)
    }

    /// Whether it is still what was dismissed that is asked for.
    pub(crate) fn is_about(&self, asked: &Json, linked: bool, key: FingerprintKey) -> bool {
        self.linked == linked && self.print == print(asked, key)
    }
}

fn name(object: Object, id: Guid, part: &str) -> String {
    format!("{DISMISSED_FACT}{}/{id}/{part}", object.code())
}

/// The fingerprint of what is asked for.
pub(super) fn print(asked: &Json, key: FingerprintKey) -> u64 {
    asked.read::<Value>().ok().and_then(|asked| key.of(&asked)).unwrap_or_default()
}

/// All dismissals that are meant, page by page.
#[derive(Debug)]
pub struct Dismissals<'a> {
    facts: Pages<'a, dyn Store + 'a, Fact>,
    selection: Selection,
}

impl<'a> Dismissals<'a> {
    /// A listing of them.
    #[must_use]
    pub fn new(store: &'a dyn Store, selection: Selection) -> Self {
        Self { facts: store.pages(DISMISSED_FACT.into(), PAGE), selection }
    }

    /// The next of them; none when there are no more. A page may be empty.
    ///
    /// # Errors
    /// When the state can't be read.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Dismissal>>, SyncError> {
        let facts = self.facts.next_page().await?;
        if facts.is_empty() {
            return Ok(None);
        }
        let mut page = facts.into_iter().map(Dismissal::read).collect::<Result<Vec<_>, _>>()?;
        page.retain(|dismissal| self.selection.has(&dismissal.record));
        Ok(Some(page))
    }
}

/// How many there are.
pub(crate) async fn count(store: &dyn Store) -> Result<u64, StoreError> {
    store.count(Fact::FAMILY, DISMISSED_FACT.as_bytes()).await
}

/// Whether there are any: few states have.
pub(crate) async fn any(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(!store.list::<Fact>(DISMISSED_FACT.as_bytes(), None, 1).await?.is_empty())
}

/// Those of these records that were dismissed.
pub(crate) async fn of(
    store: &dyn Store,
    object: Object,
    ids: impl IntoIterator<Item = Guid>,
) -> Result<BTreeMap<Guid, Dismissal>, SyncError> {
    if !any(store).await? {
        return Ok(BTreeMap::new());
    }
    let keys: Vec<_> = ids.into_iter().map(|id| Dismissal::key_of(object, id, "")).collect();
    let facts = store.read::<Fact>(&keys).await?.into_iter().flatten();
    let dismissals = facts.map(Dismissal::read).collect::<Result<Vec<_>, _>>()?;
    Ok(dismissals.into_iter().map(|dismissal| (dismissal.record.id, dismissal)).collect())
}

/// Dismissed roles of an opportunity, by their part.
pub(crate) async fn roles_of(store: &dyn Store, opportunity: Guid) -> Result<BTreeMap<String, Dismissal>, SyncError> {
    let facts = store.list::<Fact>(name(Object::Role, opportunity, "").as_bytes(), None, usize::MAX).await?;
    let dismissals = facts.into_iter().map(Dismissal::read).collect::<Result<Vec<_>, _>>()?;
    Ok(dismissals.into_iter().map(|dismissal| (dismissal.record.part.clone().unwrap_or_default(), dismissal)).collect())
}

/// The record is asked for as ever: its row is read again, or its opportunity's roles are derived again.
pub(crate) fn take_back(dismissal: &Dismissal, batch: &mut Batch) {
    batch.remove::<Fact>(dismissal.key());
    match dismissal.record.object {
        Object::Role => batch.put(&DirtyRoles { opportunity: dismissal.record.id }),
        Object::SalesPerson | Object::Company | Object::Lead | Object::Opportunity => {
            batch.put(&Refetch { record: dismissal.record.record() });
        }
    }
}

/// These people are looked at again, where they were dismissed: somebody stands for them now.
pub(crate) async fn take_back_people(bridge: &Bridge, people: impl IntoIterator<Item = Guid>, batch: &mut Batch) -> Result<(), SyncError> {
    let dismissed = of(&*bridge.store, Object::Lead, people).await?;
    dismissed.values().for_each(|dismissal| take_back(dismissal, batch));
    Ok(())
}

/// What waited when it was dismissed is asked for again once that has come to Marketo; whether there was any.
pub(crate) async fn wake(bridge: &Bridge) -> Result<bool, SyncError> {
    let mut any = false;
    let mut dismissals = Dismissals::new(&*bridge.store, Selection::default());
    while let Some(page) = dismissals.next_page().await? {
        let waited: Vec<(&Dismissal, RecordId)> =
            page.iter().filter_map(|dismissal| Some((dismissal, dismissal.record.waits_for?))).collect();
        let keys: Vec<_> = waited.iter().map(|(_, on)| record_key(*on)).collect();
        let links = bridge.store.read::<Link>(&keys).await?;
        let mut batch = Batch::new();
        for ((dismissal, on), link) in waited.into_iter().zip(links) {
            if link.is_some_and(|link| link.is_confirmed()) {
                tracing::info!(record = %dismissal.record.record(), %on, "what it waited for has come; it is no longer dismissed");
                take_back(dismissal, &mut batch);
            }
        }
        if !batch.is_empty() {
            any = true;
            bridge.commit(batch).await?;
        }
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use base::Table;

    use super::*;
    use crate::held::{Asks, State};

    fn dismissal() -> Dismissal {
        let (id, at) = (Guid::from_u128(7), Timestamp::UNIX_EPOCH);
        let record = HeldRecord {
            object: Object::Lead,
            table: Table::Contact,
            id,
            part: None,
            asks: Asks::Send,
            state: State::Held,
            code: Some("ambiguous".into()),
            reason: Some("several".into()),
            since: at,
            attempts: 1,
            retry_at: None,
            waits_for: None,
            owner: None,
            team: None,
            company: None,
        };
        Dismissal { record, dismissed_at: at, by: "ann".into(), why: "a test person".into(), print: 9, linked: false }
    }

    #[test]
    fn what_a_release_has_saved_is_read() {
        let saved = r#"{"object":"lead","table":"contact","id":"00000000-0000-0000-0000-000000000007","asks":"send","state":"held",
            "code":"ambiguous","reason":"several","since":"1970-01-01T00:00:00Z","attempts":1,"dismissed_at":"1970-01-01T00:00:00Z",
            "by":"ann","why":"a test person","print":9,"linked":false}"#;
        let fact = Fact { name: "dismissed/3/00000000-0000-0000-0000-000000000007/".into(), value: serde_json::from_str(saved).unwrap() };
        assert_eq!(dismissal().fact(), fact);
        assert_eq!(Dismissal::read(fact).unwrap(), dismissal());
    }

    #[test]
    fn it_is_about_what_was_asked_for_and_nothing_else() {
        let (key, asked) = (FingerprintKey(3), Json::of(&serde_json::json!({"fields": {"title": "Chief"}})));
        let dismissal = Dismissal { print: print(&asked, key), ..dismissal() };
        assert!(dismissal.is_about(&asked, false, key));
        assert!(!dismissal.is_about(&asked, true, key), "Marketo has come to have it");
        assert!(!dismissal.is_about(&Json::of(&serde_json::json!({"fields": {"title": "Clerk"}})), false, key));
    }
}
