//! What a chain means: the causes for which something isn't shown, in the order in which they are to be put right. Pure.

use base::{Guid, Object, RecordId, Table};
use planner::{FingerprintKey, Fingerprints, Row, msi::MsiField};
use serde_json::{Map, Value};
use store::record::{LinkFlags, Outbox, OutboxState};

use super::{
    cause::Cause,
    look::{Chain, Kept, Seen},
};
use crate::prepare::TablePlan;

/// What is judged by, besides the chain.
pub(super) struct Standard<'a> {
    /// The table's plan.
    pub(super) plan: &'a TablePlan,
    /// The key of the fingerprints.
    pub(super) key: FingerprintKey,
    /// The field that holds a person's GUID.
    pub(super) person_key: &'a str,
    /// Whether Sales Insight fields are written to Dynamics.
    pub(super) writes_back: bool,
}

/// The causes.
pub(super) fn judge(chain: &Chain, standard: &Standard<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    match chain.seen {
        Seen::There(_) => {}
        Seen::Hidden => return vec![Cause::HiddenInDynamics],
        Seen::Gone => return vec![Cause::NotInDynamics],
    }
    if chain.is_erased {
        return vec![Cause::Erased];
    }
    if let Some(survivor) = chain.survivor {
        return vec![Cause::StandsFor(survivor)];
    }
    if !chain.in_scope {
        causes.push(Cause::OutOfScope);
    }
    owner(chain, &mut causes);
    company(chain, &mut causes);
    waiting(chain.record, &chain.kept, &mut causes);
    match chain.record.table {
        Table::Lead | Table::Contact => {
            person(chain, standard, &mut causes);
            deals(chain, &mut causes);
            moments(chain, standard, &mut causes);
        }
        Table::Account | Table::Opportunity => {
            record(chain, &mut causes);
            deals(chain, &mut causes);
        }
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Connection => {}
    }
    causes
}

/// The owner, from Dynamics to Marketo: what breaks first is named.
fn owner(chain: &Chain, causes: &mut Vec<Cause>) {
    let side = &chain.owner;
    let Some(user) = side.user else {
        causes.push(side.team.map_or(Cause::OwnerMissing, Cause::TeamWithoutUser));
        return;
    };
    let Some(row) = side.row.as_ref() else { return causes.push(Cause::OwnerMissing) };
    let Some(email) = Row(row).text("internalemailaddress") else { return causes.push(Cause::OwnerWithoutEmail(user)) };
    if !side.same_email.is_empty() {
        causes.push(Cause::OwnerEmailTwice { user, others: side.same_email.clone() });
    }
    let record = RecordId::new(Table::SystemUser, user);
    if chain.record != record {
        waiting(record, &side.kept, causes);
    }
    let Some(sales_person) = side.sales_persons.first() else {
        causes.push(Cause::Missing { object: Object::SalesPerson, record, was_there: side.kept.was_there() });
        return;
    };
    // Marketo compares e-mail addresses without case.
    if text(sales_person, "email").is_none_or(|theirs| !theirs.eq_ignore_ascii_case(email)) {
        causes.push(Cause::OwnerEmailDiffers(user));
    }
}

fn company(chain: &Chain, causes: &mut Vec<Cause>) {
    let Some(side) = chain.company.as_ref() else { return };
    let record = RecordId::new(Table::Account, side.account);
    if side.companies.is_empty() {
        waiting(record, &side.kept, causes);
        causes.push(Cause::Missing { object: Object::Company, record, was_there: side.kept.was_there() });
    }
}

/// What the outbox says of a record.
fn waiting(record: RecordId, kept: &Kept, causes: &mut Vec<Cause>) {
    let Some(Outbox { body, .. }) = kept.outbox.as_ref() else { return };
    match &body.state {
        OutboxState::Held { code, reason, .. } => {
            causes.push(Cause::Held { record, code: code.clone(), reason: reason.clone() });
        }
        // What it waits for is named already where it is the owner or the account.
        OutboxState::Waiting { on } if causes.iter().any(|cause| names(cause, *on)) => {}
        OutboxState::Waiting { on } => causes.push(Cause::WaitsFor(*on)),
        OutboxState::Ready => {}
    }
}

/// Whether a cause is about this record.
fn names(cause: &Cause, record: RecordId) -> bool {
    if let Cause::Missing { record: theirs, .. } | Cause::Held { record: theirs, .. } = cause {
        return *theirs == record;
    }
    matches!(cause, Cause::OwnerWithoutEmail(user) | Cause::OwnerEmailDiffers(user) | Cause::OwnerEmailTwice { user, .. } if record.id == *user)
}

fn person(chain: &Chain, standard: &Standard<'_>, causes: &mut Vec<Cause>) {
    let found = &chain.found;
    if found.len() > 1 {
        causes.push(Cause::PersonTwice(found.iter().filter_map(id).collect()));
    }
    let Some(person) = found.first() else {
        let known = chain.kept.link.as_ref().and_then(|link| link.marketo_id);
        causes.push(match chain.elsewhere.iter().find(|person| known == Some(person.id)) {
            Some(person) => {
                Cause::PersonKeyDiffers { person: person.id, holds: text(&person.record, standard.person_key).map(str::to_owned) }
            }
            None => Cause::Missing { object: Object::Lead, record: chain.record, was_there: chain.kept.was_there() },
        });
        return;
    };
    belongs(chain, person, causes);
    if chain.kept.outbox.as_ref().is_some_and(|entry| entry.body.state == OutboxState::Ready) {
        causes.push(Cause::NotSentYet);
    }
}

/// Accounts and opportunities.
fn record(chain: &Chain, causes: &mut Vec<Cause>) {
    let Some(object) = chain.record.table.object() else { return };
    match chain.found.first() {
        Some(record) => belongs(chain, record, causes),
        None => causes.push(Cause::Missing { object, record: chain.record, was_there: chain.kept.was_there() }),
    }
}

/// Whether Marketo's record belongs to whom Dynamics' row does.
fn belongs(chain: &Chain, found: &Map<String, Value>, causes: &mut Vec<Cause>) {
    let is = |field: &str, id: Guid| text(found, field).and_then(|text| text.parse::<Guid>().ok()) == Some(id);
    let holds = |field: &str| text(found, field).map(str::to_owned);
    if let Some(owner) = chain.owner.user.filter(|owner| !is("externalSalesPersonId", *owner))
        && chain.owner.row.is_some()
    {
        causes.push(Cause::OwnerDiffers { record: chain.record, owner, holds: holds("externalSalesPersonId") });
    }
    match chain.company.as_ref().map(|side| side.account) {
        Some(account) if !is("externalCompanyId", account) => {
            causes.push(Cause::CompanyDiffers { record: chain.record, account, holds: holds("externalCompanyId") });
        }
        None if chain.record.table != Table::Account => causes.push(Cause::NoAccount),
        Some(_) | None => {}
    }
}

fn deals(chain: &Chain, causes: &mut Vec<Cause>) {
    if chain.record.table == Table::Contact && chain.deals.is_empty() {
        causes.push(Cause::NoOpportunity);
    }
    for deal in &chain.deals {
        let record = RecordId::new(Table::Opportunity, deal.opportunity);
        if deal.found.is_empty() {
            if chain.record != record {
                waiting(record, &deal.kept, causes);
                causes.push(Cause::Missing { object: Object::Opportunity, record, was_there: deal.kept.was_there() });
            }
            continue;
        }
        for (wanted, lead) in &deal.wanted {
            let person = (chain.record.table != Table::Opportunity).then(|| chain.found.first().and_then(id)).flatten();
            if person.or(*lead).is_none_or(|lead| !deal.has(wanted, lead)) {
                causes.push(Cause::RoleMissing { opportunity: deal.opportunity, role: wanted.name.clone() });
            }
        }
    }
}

/// The Sales Insight fields, in Marketo and in Dynamics.
fn moments(chain: &Chain, standard: &Standard<'_>, causes: &mut Vec<Cause>) {
    let (Some(person), Some(row)) = (chain.found.first(), chain.seen.row()) else { return };
    let map = &standard.plan.msi;
    let moment = map.targets.iter().find(|(field, ..)| *field == MsiField::MomentDate);
    if let Some((_, name, _)) = moment
        && person.get(name).is_none_or(|value| value.is_null() || value.as_str() == Some(""))
    {
        causes.push(Cause::NothingHappened);
    }
    if !standard.writes_back {
        causes.push(Cause::NotWrittenBack("write_back.enabled is false: nothing is written to Dynamics".into()));
        return;
    }
    if map.targets.is_empty() {
        causes.push(Cause::NotWrittenBack(format!("the table {} has none of the Sales Insight columns", chain.record.table)));
        return;
    }
    let there: Fingerprints = map.fingerprints(Row(row), standard.key);
    let (changes, _) = map.difference(person, &there, standard.key);
    if !changes.is_empty() {
        let closed = chain.is_closed_lead || chain.kept.has(LinkFlags::NOT_WRITABLE);
        causes.push(if closed { Cause::ClosedLead } else { Cause::ColumnsDiffer(changes.keys().cloned().collect()) });
    }
}

pub(super) fn text<'a>(record: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    record.get(field)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

pub(super) fn id(record: &Map<String, Value>) -> Option<i64> {
    record.get("id").and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok()))
}
