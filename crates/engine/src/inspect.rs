//! One record's whole chain on both sides, live, and whether Marketo Sales Insight shows it: if not, why, and what to do.
//!
//! It reads, compares and judges; it changes nothing but what was learnt of both sides' metadata. An answer is a value; what people read is
//! made of it elsewhere.

mod cause;
mod deals;
mod judge;
mod look;
pub(crate) mod subject;
mod words;

use base::{RecordId, Table};
use futures::{FutureExt, future::BoxFuture};
use serde::Serialize;
use serde_json::{Map, Value};
use store::record::{LinkFlags, OutboxState};

pub use cause::{Cause, View};

use self::{
    judge::Standard,
    look::{Chain, Kept},
};
use crate::{
    bridge::Bridge,
    error::SyncError,
    prepare::{Prepared, prepare},
};

/// Records of one question that are looked at: those with one e-mail.
pub(crate) const RECORDS_MAX: usize = 10;

/// What is known of one record.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The Dynamics record.
    #[serde(serialize_with = "as_text")]
    pub record: RecordId,
    /// Whether nothing is wrong that people can put right.
    pub good: bool,
    /// What shows it and what doesn't.
    pub views: Vec<Shown>,
    /// Why not, and what else is to be known; what comes first is to be put right first.
    pub causes: Vec<Told>,
    /// The call that Marketo Sales Insight depends on; anybody may repeat it.
    pub call: String,
    /// What Marketo answers to it.
    pub answer: Vec<Map<String, Value>>,
    /// Persons that Marketo has under another key, where it has none under its own.
    pub elsewhere: Vec<Map<String, Value>>,
    /// Whose it is.
    pub owner: OwnerShown,
    /// Which account it belongs to.
    pub company: Option<CompanyShown>,
    /// Its deals.
    pub deals: Vec<DealShown>,
    /// What Dynamics holds in the Sales Insight columns, and Marketo in their fields.
    pub moments: Vec<MomentShown>,
    /// What our state says of it.
    pub state: StateShown,
}

/// Whether a view shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The view.
    pub view: View,
    /// Whether it does.
    pub shown: bool,
    /// The code of the first cause for which it doesn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A cause in words.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// Its stable code.
    pub code: String,
    /// Whether people can put something right.
    pub fault: bool,
    /// What was found.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// Where it is explained.
    pub page: String,
}

/// An owner on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct OwnerShown {
    /// The user, in Dynamics.
    pub user: Option<String>,
    /// The team that owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The user's e-mail in Dynamics.
    pub email: Option<String>,
    /// The sales person's e-mail in Marketo; none where there is no sales person.
    pub sales_person_email: Option<String>,
}

/// An account on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct CompanyShown {
    /// The account, in Dynamics.
    pub account: String,
    /// Whether Marketo has its company.
    pub in_marketo: bool,
}

/// An opportunity on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct DealShown {
    /// The opportunity, in Dynamics.
    pub opportunity: String,
    /// Whether Marketo has it.
    pub in_marketo: bool,
    /// Roles that Dynamics asks for: contact, text, and whether Marketo has it.
    pub roles: Vec<(String, String, bool)>,
}

/// A Sales Insight field on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct MomentShown {
    /// The field, in Marketo.
    pub field: String,
    /// The column, in Dynamics.
    pub column: String,
    /// What Marketo holds.
    pub marketo: Value,
    /// What Dynamics holds.
    pub dynamics: Value,
}

/// What our state says of a record.
#[derive(Debug, Clone, Serialize)]
pub struct StateShown {
    /// Marketo's id.
    pub marketo_id: Option<i64>,
    /// Whether Marketo has confirmed it.
    pub confirmed: bool,
    /// `ready`, `waiting` or `held`, where something is to be sent.
    pub outbox: Option<&'static str>,
    /// Since when.
    pub since: Option<String>,
    /// Whether its row is deleted, out of scope, inactive or may not be written.
    pub flags: Vec<&'static str>,
}

/// Everything that is to be right for these records to be shown: whose they are, where they belong, their deals, and they themselves.
pub(crate) async fn chain_of(bridge: &Bridge, prepared: &Prepared, record: RecordId) -> Result<Vec<RecordId>, SyncError> {
    let mut chain = look::look(bridge, prepared, record).await?;
    let asked = record;
    // Who stands for another is that one, with what that one has.
    if let Some(survivor) = chain.survivor {
        chain = look::look(bridge, prepared, survivor).await?;
    }
    let owner = chain.owner.user.map(|user| RecordId::new(Table::SystemUser, user));
    let account = chain.company.as_ref().map(|side| RecordId::new(Table::Account, side.account));
    let deals = chain.deals.iter().map(|deal| RecordId::new(Table::Opportunity, deal.opportunity));
    Ok(owner.into_iter().chain(account).chain(deals).chain([asked, chain.record]).collect())
}

/// Inspects whoever is meant by a GUID, an e-mail address or a Marketo id; nobody where neither side nor the state knows it.
///
/// # Errors
/// When a side or the state can't be read, or the configuration doesn't fit both sides: then nothing is shown until that is put right.
pub fn inspect<'a>(bridge: &'a Bridge, asked: &'a str) -> BoxFuture<'a, Result<Vec<Inspection>, SyncError>> {
    async move {
        let prepared = prepare(bridge).await?;
        let mut inspections = Vec::new();
        for record in subject::find(bridge, &prepared, asked).await?.into_iter().take(RECORDS_MAX) {
            inspections.push(one(bridge, &prepared, record).await?);
        }
        Ok(inspections)
    }
    .boxed()
}

async fn one(bridge: &Bridge, prepared: &Prepared, record: RecordId) -> Result<Inspection, SyncError> {
    let chain = look::look(bridge, prepared, record).await?;
    let plan = prepared.table(record.table)?;
    let standard = Standard { plan, key: prepared.key, person_key: &prepared.person_key, writes_back: bridge.options.write_back.enabled };
    let causes = judge::judge(&chain, &standard);
    let views = cause::views_of(record.table).iter().map(|view| {
        let because = causes.iter().find(|cause| cause.hides().contains(view)).map(|cause| cause.code().to_owned());
        Shown { view: *view, shown: because.is_none(), because }
    });
    Ok(Inspection {
        record,
        good: !causes.iter().any(Cause::is_fault),
        views: views.collect(),
        causes: causes.iter().map(told).collect(),
        owner: owner(&chain),
        company: chain
            .company
            .as_ref()
            .map(|side| CompanyShown { account: side.account.to_string(), in_marketo: !side.companies.is_empty() }),
        deals: chain.deals.iter().map(deal).collect(),
        moments: moments(&chain, &standard),
        state: state(&chain.kept),
        call: chain.call,
        answer: chain.found,
        elsewhere: chain.elsewhere.into_iter().map(|person| person.record).collect(),
    })
}

fn told(cause: &Cause) -> Told {
    Told { code: cause.code().to_owned(), fault: cause.is_fault(), text: cause.text(), remedy: cause.remedy(), page: cause.page() }
}

fn owner(chain: &Chain) -> OwnerShown {
    let side = &chain.owner;
    let email = side.row.as_ref().and_then(|row| planner::Row(row).text("internalemailaddress"));
    OwnerShown {
        user: side.user.map(|user| user.to_string()),
        team: side.team.map(|team| team.to_string()),
        email: email.map(str::to_owned),
        sales_person_email: side.sales_persons.first().and_then(|person| judge::text(person, "email")).map(str::to_owned),
    }
}

fn deal(deal: &deals::Deal) -> DealShown {
    let roles = deal.wanted.iter().map(|(role, lead)| {
        let there = lead.is_some_and(|lead| deal.has(role, lead));
        (role.contact.to_string(), role.name.clone(), there)
    });
    DealShown { opportunity: deal.opportunity.to_string(), in_marketo: !deal.found.is_empty(), roles: roles.collect() }
}

fn moments(chain: &Chain, standard: &Standard<'_>) -> Vec<MomentShown> {
    let (person, row) = (chain.found.first(), chain.seen.row());
    let targets = standard.plan.msi.targets.iter().map(|(_, field, column)| MomentShown {
        field: field.clone(),
        column: column.name.clone(),
        marketo: person.and_then(|person| person.get(field)).cloned().unwrap_or_default(),
        dynamics: row.and_then(|row| planner::Row(row).value(&column.name)).cloned().unwrap_or_default(),
    });
    targets.collect()
}

fn state(kept: &Kept) -> StateShown {
    let flags = [
        (LinkFlags::GONE, "deleted"),
        (LinkFlags::OUT, "out of scope"),
        (LinkFlags::INACTIVE, "inactive"),
        (LinkFlags::QUALIFIED, "qualified"),
        (LinkFlags::NOT_WRITABLE, "not writable"),
    ];
    let body = kept.outbox.as_ref().map(|entry| &entry.body);
    StateShown {
        marketo_id: kept.link.as_ref().and_then(|link| link.marketo_id),
        confirmed: kept.link.as_ref().is_some_and(store::record::Link::is_confirmed),
        outbox: body.map(|body| match body.state {
            OutboxState::Ready => "ready",
            OutboxState::Waiting { .. } => "waiting",
            OutboxState::Held { .. } => "held",
        }),
        since: body.map(|body| body.since.to_string()),
        flags: flags.into_iter().filter(|(flag, _)| kept.has(*flag)).map(|(_, name)| name).collect(),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn as_text<S: serde::Serializer>(record: &RecordId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(record)
}
