//! The calls that people are found and written with, each answered record by record.

use std::{collections::BTreeSet, sync::Arc};

use base::Guid;
use futures::{FutureExt, future::BoxFuture};
use planner::identity::Person;
use serde_json::{Map, Value};
use store::{Batch, StoreExt, record::Fact};

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    marketo::SyncMode,
    prepare::Prepared,
    push::{
        bulk_settle::Returned,
        outcome::Breaker,
        person::{Candidate, Write, email_of},
        pieces::{Sent, send},
    },
    write_back,
};

/// The fact that holds whether people can be created by a field.
const EXTERNAL_LOOKUP_FACT: &str = "external_id_lookup/";

/// When Marketo last saw an interesting moment of a person: told to who has to choose between several.
pub(super) const LAST_ACTIVITY: &str = "msiLastInterestingMomentDate";

/// Kinds of calls, in the order in which they feed each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Lookup,
    Read,
    ReadBack,
    Create,
    ByEmail,
    CreateExternal,
    Update,
}

/// A call ready to be made.
#[derive(Debug)]
pub(super) enum Call {
    /// Looks people up by these external ids, in this field.
    Lookup(Vec<Candidate>, Vec<String>, String),
    /// Reads people by Marketo's id.
    Read(Vec<Candidate>),
    /// Reads the people of a file by external id.
    ReadBack(Vec<Returned>),
    /// Creates people whose e-mail nobody has.
    Create(Vec<Write>),
    /// Looks people up by e-mail.
    ByEmail(Vec<Candidate>),
    /// Creates people by external id.
    CreateExternal(Vec<Write>),
    /// Updates people by Marketo's id.
    Update(Vec<Write>),
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Answer {
    Lookup(Vec<Candidate>, Vec<Person>, String),
    Read(Vec<Candidate>, Vec<Person>),
    ReadBack(Vec<Returned>, Vec<Person>),
    /// The people found, and the e-mails that more than a thousand have.
    ByEmail(Vec<Candidate>, Vec<Person>, BTreeSet<String>),
    /// What became of each write.
    Written(Kind, Sent<Write>),
    /// Nothing more can be sent.
    Stopped(SyncError),
}

impl Call {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Lookup(..) => Kind::Lookup,
            Self::Read(_) => Kind::Read,
            Self::ReadBack(_) => Kind::ReadBack,
            Self::Create(_) => Kind::Create,
            Self::ByEmail(_) => Kind::ByEmail,
            Self::CreateExternal(_) => Kind::CreateExternal,
            Self::Update(_) => Kind::Update,
        }
    }

    /// Makes it.
    pub(super) fn make<'a>(
        self,
        bridge: &'a Bridge,
        key_field: &str,
        prepared: &Prepared,
        breaker: Arc<Breaker>,
    ) -> BoxFuture<'a, (Kind, Answer)> {
        let kind = self.kind();
        let key_field = key_field.to_owned();
        let mut fields = fields(prepared, &key_field);
        if kind == Kind::ReadBack {
            fields.extend(write_back::fields(prepared));
            fields.sort();
            fields.dedup();
        }
        async move {
            let answer = match self {
                Self::Lookup(candidates, values, field) => match bridge.marketo.people(&field, values, &fields).await {
                    Ok(found) => Answer::Lookup(candidates, found.people, field),
                    Err(error) => stopped(error),
                },
                Self::Read(candidates) => {
                    let ids = candidates.iter().filter_map(|candidate| candidate.link.marketo_id).map(|id| id.to_string()).collect();
                    match bridge.marketo.people("id", ids, &fields).await {
                        Ok(found) => Answer::Read(candidates, found.people),
                        Err(error) => stopped(error),
                    }
                }
                Self::ReadBack(page) => {
                    let ids = page.iter().map(|returned| returned.candidate.entry.record.id.to_string()).collect();
                    match bridge.marketo.people(&key_field, ids, &fields).await {
                        Ok(found) => Answer::ReadBack(page, found.people),
                        Err(error) => stopped(error),
                    }
                }
                Self::ByEmail(candidates) => {
                    let mut emails: Vec<String> =
                        candidates.iter().filter_map(email_of).filter(|email| is_plain(email)).map(str::to_lowercase).collect();
                    emails.sort();
                    emails.dedup();
                    match bridge.marketo.people("email", emails, &fields).await {
                        Ok(found) => Answer::ByEmail(candidates, found.people, found.crowded),
                        Err(error) => stopped(error),
                    }
                }
                Self::Create(writes) => written(bridge, breaker, kind, SyncMode::CreateOnly, "email", writes).await,
                Self::CreateExternal(writes) => written(bridge, breaker, kind, SyncMode::CreateOnly, &key_field, writes).await,
                Self::Update(writes) => written(bridge, breaker, kind, SyncMode::UpdateOnly, "id", writes).await,
            };
            (kind, answer)
        }
        .boxed()
    }
}

fn stopped(error: wire::CallError) -> Answer {
    Answer::Stopped(SyncError::of_call(Side::Marketo, error))
}

/// An address that can be a filter value: a comma would split it.
pub(super) fn is_plain(email: &str) -> bool {
    !email.contains([',', ' '])
}

/// What look-ups ask for: what decides about identity, and every mapped field, so that only what differs is sent.
pub(super) fn fields(prepared: &Prepared, key_field: &str) -> Vec<String> {
    let mut fields: BTreeSet<String> =
        ["id", "email", "lastName", "updatedAt", key_field, "externalSalesPersonId", "externalCompanyId"].map(str::to_owned).into();
    fields.extend(prepared.second_person_key.clone());
    let described = prepared.objects.get(&base::Object::Lead).and_then(|schema| schema.fields.field(LAST_ACTIVITY));
    fields.extend(described.map(|field| field.name.clone()));
    for map in prepared.tables.values().filter_map(|plan| plan.map.as_ref()).filter(|map| map.object == base::Object::Lead) {
        fields.extend(map.rules.iter().map(|rule| rule.target.name.clone()));
    }
    fields.into_iter().collect()
}

async fn written(bridge: &Bridge, breaker: Arc<Breaker>, kind: Kind, mode: SyncMode, lookup: &str, writes: Vec<Write>) -> Answer {
    let call = |writes: &[Write]| bridge.marketo.sync_people(mode, lookup, writes.iter().map(|write| write.body.clone()).collect());
    Answer::Written(kind, send(bridge, breaker, mode == SyncMode::UpdateOnly, writes, call).await)
}

impl Bridge {
    /// Whether people can be created by `key_field`: asked once with an update of nobody, which changes nothing.
    pub(super) async fn probe_external_lookup(&self, key_field: &str) -> Result<bool, SyncError> {
        let name = format!("{EXTERNAL_LOOKUP_FACT}{key_field}");
        if let Some(fact) = self.store.read_one::<Fact>(name.clone().into()).await?
            && let Some(can) = fact.value.as_bool()
        {
            return Ok(can);
        }
        let nobody = Guid::from_u128(u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..)));
        let record: Map<String, Value> = [(key_field.to_owned(), Value::String(nobody.to_string()))].into_iter().collect();
        let code = match self.marketo.sync_people(SyncMode::UpdateOnly, key_field, vec![record]).await {
            Ok(verdicts) => verdicts.into_iter().next().map(|verdict| verdict.code).unwrap_or_default(),
            Err(error) if matches!(error.code(), "1006" | "1011" | "1003") => error.code().to_owned(),
            Err(error) => return Err(SyncError::of_call(Side::Marketo, error)),
        };
        let can = code == "1004";
        if !can && !matches!(code.as_str(), "1006" | "1011") {
            // An answer that says neither is asked for again in the next cycle.
            return Ok(false);
        }
        let mut batch = Batch::new();
        batch.put(&Fact { name, value: can.into() });
        self.commit(batch).await?;
        Ok(can)
    }
}
