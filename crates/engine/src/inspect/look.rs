//! One record's chain as it is now: read from both sides and the state, not judged.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, Object, RecordId, Table, Values};
use planner::{
    Row,
    identity::Person,
    reference::{CompanyRef, OwnerRef, company, is_closed_lead, owner},
};
use serde_json::{Map, Value};
use store::{
    StoreExt,
    record::{Link, LinkFlags, Outbox, record_key},
};

use super::deals::{self, Deal};
use crate::{
    bridge::Bridge,
    capture::erased,
    chain::{self, Follow, HOPS_MAX},
    dynamics::{Holds, Presence},
    error::{Side, SyncError},
    marketo::key_field,
    options::TeamOwner,
    prepare::Prepared,
};

/// Users with one e-mail that are looked at.
const SAME_EMAIL_MAX: usize = 20;

/// A row of Dynamics.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// It is there.
    There(Values),
    /// It may be there, and our role doesn't reach it.
    Hidden,
    /// It isn't there.
    Gone,
}

impl Seen {
    pub(super) fn row(&self) -> Option<&Values> {
        match self {
            Self::There(row) => Some(row),
            Self::Hidden | Self::Gone => None,
        }
    }
}

/// What our state has of a record.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub(super) link: Option<Link>,
    pub(super) outbox: Option<Outbox>,
}

impl Kept {
    /// Whether Marketo has had it, as far as we know.
    pub(super) fn was_there(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_confirmed() || link.marketo_id.is_some())
    }

    pub(super) fn has(&self, flag: LinkFlags) -> bool {
        self.link.as_ref().is_some_and(|link| link.flags.has(flag))
    }
}

/// Who owns a row, on both sides.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnerSide {
    pub(super) user: Option<Guid>,
    pub(super) team: Option<Guid>,
    pub(super) row: Option<Values>,
    /// Other users with the same e-mail.
    pub(super) same_email: Vec<Guid>,
    pub(super) sales_persons: Vec<Map<String, Value>>,
    pub(super) kept: Kept,
}

/// Which account a row belongs to, on both sides.
#[derive(Debug, Clone)]
pub(super) struct CompanySide {
    pub(super) account: Guid,
    pub(super) companies: Vec<Map<String, Value>>,
    pub(super) kept: Kept,
}

/// Everything that was read.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) record: RecordId,
    pub(super) seen: Seen,
    pub(super) kept: Kept,
    pub(super) is_erased: bool,
    pub(super) survivor: Option<RecordId>,
    pub(super) in_scope: bool,
    pub(super) is_closed_lead: bool,
    pub(super) owner: OwnerSide,
    pub(super) company: Option<CompanySide>,
    /// What Marketo has under its key: persons, or records of its object.
    pub(super) found: Vec<Map<String, Value>>,
    /// What Marketo has under the id that we know, or the e-mail, where it has nothing under its key.
    pub(super) elsewhere: Vec<Person>,
    /// Its deals: of a contact, those that name it; of an opportunity, itself.
    pub(super) deals: Vec<Deal>,
    /// The very call that Marketo Sales Insight depends on.
    pub(super) call: String,
}

/// Reads it.
pub(super) async fn look(bridge: &Bridge, prepared: &Prepared, record: RecordId) -> Result<Chain, SyncError> {
    let look = Look { bridge, prepared };
    let seen = look.row(record).await?;
    let kept = look.kept(record).await?;
    let is_erased = !erased(bridge, vec![record.id]).await?.is_empty();
    let survivor = chain::ends(bridge, BTreeSet::from([record]), Follow::All).await?.remove(&record);
    let plan = prepared.table(record.table)?;
    let (mut owner, mut company, mut in_scope, mut closed) = (OwnerSide::default(), None, true, false);
    let object = record.table.object();
    if let Some(row) = seen.row() {
        let known = kept.link.as_ref().is_some_and(Link::is_confirmed);
        in_scope = plan.lets_in(Row(row), known).unwrap_or(true) || kept.has(LinkFlags::WANTED);
        closed = is_closed_lead(record.table, Row(row));
        owner = look.owner(record, row).await?;
        company = look.company(record.table, row).await?;
    }
    let key = if object == Some(Object::Lead) { prepared.person_key.clone() } else { object.map(key_field).unwrap_or_default().to_owned() };
    let found = match object {
        Some(object) => look.in_marketo(object, &key, record.id).await?,
        None => Vec::new(),
    };
    let elsewhere = match (object, found.is_empty()) {
        (Some(Object::Lead), true) => look.elsewhere(&kept, seen.row()).await?,
        (_, _) => Vec::new(),
    };
    let mut chain = Chain {
        record,
        call: call(object, &key, record.id),
        seen,
        kept,
        is_erased,
        survivor,
        in_scope,
        is_closed_lead: closed,
        owner,
        company,
        found,
        elsewhere,
        deals: Vec::new(),
    };
    chain.deals = deals::of(&look, &chain).await?;
    Ok(chain)
}

/// The call as anybody can repeat it.
fn call(object: Option<Object>, key: &str, id: Guid) -> String {
    match object {
        Some(Object::Lead) => format!("GET /rest/v1/leads.json?filterType={key}&filterValues={id}"),
        Some(Object::SalesPerson) => format!("GET /rest/v1/salespersons.json?filterType={key}&filterValues={id}"),
        Some(Object::Company) => format!("GET /rest/v1/companies.json?filterType={key}&filterValues={id}"),
        Some(Object::Opportunity | Object::Role) => format!("GET /rest/v1/opportunities.json?filterType={key}&filterValues={id}"),
        None => String::new(),
    }
}

/// What reads.
pub(super) struct Look<'a> {
    pub(super) bridge: &'a Bridge,
    pub(super) prepared: &'a Prepared,
}

impl Look<'_> {
    /// A row, or why there is none.
    pub(super) async fn row(&self, record: RecordId) -> Result<Seen, SyncError> {
        if let Some(row) = self.rows(record.table, &[record.id]).await?.pop() {
            return Ok(Seen::There(row));
        }
        let plan = self.prepared.table(record.table)?;
        let presence = self.bridge.dynamics.presence(&plan.table, record.id).await;
        Ok(match presence.map_err(|error| SyncError::of_call(Side::Dynamics, error))? {
            Presence::There | Presence::Hidden => Seen::Hidden,
            Presence::Gone => Seen::Gone,
        })
    }

    async fn rows(&self, table: Table, ids: &[Guid]) -> Result<Vec<Values>, SyncError> {
        let plan = self.prepared.table(table)?;
        let page = self.bridge.dynamics.by_ids(&plan.table, &plan.select, ids).await;
        Ok(page.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows)
    }

    /// What the state has of a record.
    pub(super) async fn kept(&self, record: RecordId) -> Result<Kept, SyncError> {
        let store = &self.bridge.store;
        let link = store.read_one::<Link>(record_key(record)).await?;
        let outbox = match record.table.object() {
            Some(object) => store.read_one::<Outbox>(Outbox::key_of(object, record.id, "")).await?,
            None => None,
        };
        Ok(Kept { link, outbox })
    }

    async fn owner(&self, record: RecordId, row: &Values) -> Result<OwnerSide, SyncError> {
        let (user, team) = match (record.table, owner(Row(row))) {
            (Table::SystemUser, _) => (Some(record.id), None),
            (_, OwnerRef::User(user)) => (Some(user), None),
            (_, OwnerRef::Nobody) => (None, None),
            (_, OwnerRef::Team(team)) => match self.bridge.options.owners.team {
                TeamOwner::User(user) => (Some(user), Some(team)),
                TeamOwner::Hold => (None, Some(team)),
                TeamOwner::Administrator => {
                    let rows = self.rows(Table::Team, &[team]).await?;
                    (rows.first().and_then(|row| Row(row).lookup("administratorid")).map(|(user, _)| user), Some(team))
                }
            },
        };
        let Some(id) = user else { return Ok(OwnerSide { user, team, ..OwnerSide::default() }) };
        let row = if record.table == Table::SystemUser { Some(row.clone()) } else { self.rows(Table::SystemUser, &[id]).await?.pop() };
        let same_email = match row.as_ref().and_then(|row| Row(row).text("internalemailaddress")) {
            Some(email) => self.same_email(id, email).await?,
            None => Vec::new(),
        };
        let sales_persons = self.in_marketo(Object::SalesPerson, key_field(Object::SalesPerson), id).await?;
        let kept = self.kept(RecordId::new(Table::SystemUser, id)).await?;
        Ok(OwnerSide { user, team, row, same_email, sales_persons, kept })
    }

    /// Other users with this e-mail who can own records.
    async fn same_email(&self, user: Guid, email: &str) -> Result<Vec<Guid>, SyncError> {
        let plan = self.prepared.table(Table::SystemUser)?;
        let holds = Holds::Text(email);
        let rows = self.bridge.dynamics.holding(&plan.table, &plan.select, &["internalemailaddress"], holds, SAME_EMAIL_MAX).await;
        let rows = rows.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows;
        let ids = rows.iter().filter(|row| !Row(row).is_true("isdisabled")).filter_map(|row| Row(row).guid(&plan.table.primary_id));
        Ok(ids.filter(|id| *id != user).collect())
    }

    async fn company(&self, table: Table, row: &Values) -> Result<Option<CompanySide>, SyncError> {
        let mut of = company(table, Row(row));
        for _ in 0..HOPS_MAX {
            let CompanyRef::ViaContact(contact) = of else { break };
            let rows = self.rows(Table::Contact, &[contact]).await?;
            of = rows.first().map_or(CompanyRef::None, |row| company(Table::Contact, Row(row)));
        }
        let CompanyRef::Account(account) = of else { return Ok(None) };
        let named = RecordId::new(Table::Account, account);
        let record = chain::ends(self.bridge, BTreeSet::from([named]), Follow::Merged).await?.remove(&named).unwrap_or(named);
        let companies = self.in_marketo(Object::Company, key_field(Object::Company), record.id).await?;
        Ok(Some(CompanySide { account: record.id, companies, kept: self.kept(record).await? }))
    }

    /// What Marketo has under a key: under its canonical spelling, else under any other.
    pub(super) async fn in_marketo(&self, object: Object, key: &str, id: Guid) -> Result<Vec<Map<String, Value>>, SyncError> {
        let fields: Vec<String> = self.fields(object, key);
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let ask = async |values: Vec<String>| {
            let answer = self.bridge.marketo.query(object, key, values, &fields).await;
            answer.map_err(|error| SyncError::of_call(Side::Marketo, error))
        };
        let found = ask(vec![id.to_string()]).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let others = id.spellings().into_iter().filter(|spelling| *spelling != id.to_string());
        ask(others.collect()).await
    }

    /// The person under the id that we know, else those with the row's e-mail.
    async fn elsewhere(&self, kept: &Kept, row: Option<&Values>) -> Result<Vec<Person>, SyncError> {
        let fields = self.fields(Object::Lead, &self.prepared.person_key);
        let ask = async |field: &str, value: String| {
            let answer = self.bridge.marketo.people(field, vec![value], &fields).await;
            answer.map(|found| found.people).map_err(|error| SyncError::of_call(Side::Marketo, error))
        };
        if let Some(id) = kept.link.as_ref().and_then(|link| link.marketo_id) {
            let found = ask("id", id.to_string()).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        match row.and_then(|row| Row(row).text("emailaddress1")) {
            Some(email) if !email.contains(',') => ask("email", email.to_owned()).await,
            Some(_) | None => Ok(Vec::new()),
        }
    }

    /// The fields that a chain is judged by.
    fn fields(&self, object: Object, key: &str) -> Vec<String> {
        let mut fields: BTreeMap<&str, ()> = BTreeMap::from([(key, ())]);
        let more: &[&str] = match object {
            Object::SalesPerson => &["email"],
            Object::Company | Object::Opportunity => &["externalSalesPersonId", "externalCompanyId"],
            Object::Lead => &["id", "email", "externalSalesPersonId", "externalCompanyId", "updatedAt"],
            Object::Role => &["leadId", "role", "isPrimary"],
        };
        let has =
            |field: &&str| *field == "id" || self.prepared.objects.get(&object).is_some_and(|schema| schema.fields.field(field).is_some());
        fields.extend(more.iter().copied().filter(has).map(|field| (field, ())));
        if object == Object::Lead {
            let msi = [Table::Lead, Table::Contact].into_iter().filter_map(|table| self.prepared.tables.get(&table));
            fields.extend(msi.flat_map(|plan| plan.msi.targets.iter().map(|(_, name, _)| (name.as_str(), ()))));
            fields.extend(self.prepared.second_person_key.as_deref().map(|field| (field, ())));
        }
        fields.into_keys().map(str::to_owned).collect()
    }
}
