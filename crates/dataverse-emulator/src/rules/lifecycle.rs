//! Qualifying a lead and merging two rows: one transaction each, seen by a client only through the rows they leave.

use base::{Guid, Timestamp};
use serde_json::{Map, Value as Json};

use super::{Actor, By};
use crate::{
    error::{Outcome, Refusal},
    options::MergedLead,
    row::Record,
    state::State,
    value::Value,
};

/// What to make of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qualify {
    /// Make an account of it.
    pub account: bool,
    /// Make a contact of it.
    pub contact: bool,
    /// Make an opportunity of it.
    pub opportunity: bool,
    /// The status reason afterwards: 3, or one of the "disqualified" ones.
    pub status: i64,
    /// The opportunity's currency.
    pub currency: Option<Guid>,
    /// An existing customer for the opportunity: table and row.
    pub customer: Option<(usize, Guid)>,
}

impl Default for Qualify {
    fn default() -> Self {
        Self { account: true, contact: true, opportunity: true, status: 3, currency: None, customer: None }
    }
}

/// Columns of a lead that mean the same on the rows made of it: (lead, account, contact).
const CARRIED: &[(&str, &str, &str)] = &[
    ("companyname", "name", ""),
    ("firstname", "", "firstname"),
    ("middlename", "", "middlename"),
    ("lastname", "", "lastname"),
    ("salutation", "", "salutation"),
    ("jobtitle", "", "jobtitle"),
    ("mobilephone", "", "mobilephone"),
    ("pager", "", "pager"),
    ("emailaddress1", "emailaddress1", "emailaddress1"),
    ("emailaddress2", "emailaddress2", "emailaddress2"),
    ("emailaddress3", "emailaddress3", "emailaddress3"),
    ("telephone1", "telephone1", "telephone1"),
    ("telephone2", "telephone2", "telephone2"),
    ("telephone3", "telephone3", "telephone3"),
    ("fax", "fax", "fax"),
    ("websiteurl", "websiteurl", "websiteurl"),
    ("industrycode", "industrycode", ""),
    ("revenue", "revenue", ""),
    ("numberofemployees", "numberofemployees", ""),
    ("sic", "sic", ""),
    ("address1_line1", "address1_line1", "address1_line1"),
    ("address1_city", "address1_city", "address1_city"),
    ("address1_stateorprovince", "address1_stateorprovince", "address1_stateorprovince"),
    ("address1_postalcode", "address1_postalcode", "address1_postalcode"),
    ("address1_country", "address1_country", "address1_country"),
    ("donotemail", "donotemail", "donotemail"),
    ("donotbulkemail", "donotbulkemail", "donotbulkemail"),
    ("donotphone", "donotphone", "donotphone"),
    ("ownerid", "ownerid", "ownerid"),
];

impl State {
    /// Qualifies a lead as the `QualifyLead` action does and gives the new rows: table name and id.
    ///
    /// # Errors
    /// In words, when there is no such lead or it isn't open.
    pub fn qualify_lead(&mut self, lead: Guid, how: Qualify, now: Timestamp) -> Result<Vec<(String, Guid)>, String> {
        let actor = self.seeder(now);
        self.transact(|state| state.qualify(lead, how, actor)).map_err(|refusal| refusal.message)
    }

    /// Merges `subordinate` into `target` as the `Merge` action does; `update` goes onto the target.
    ///
    /// # Errors
    /// In words, when the table can't be merged or a row is missing.
    pub fn merge(&mut self, table: &str, target: Guid, subordinate: Guid, update: Map<String, Json>, now: Timestamp) -> Result<(), String> {
        let at = self.position(table)?;
        let actor = self.seeder(now);
        let (_, cells) = self.read_seed(at, &update)?;
        self.transact(|state| state.merge_rows(at, target, subordinate, cells, actor)).map_err(|refusal| refusal.message)
    }

    pub(crate) fn qualify(&mut self, lead: Guid, how: Qualify, actor: Actor) -> Outcome<Vec<(String, Guid)>> {
        let leads = self.at("lead")?;
        let record = self.store.row(leads, lead).ok_or_else(|| Refusal::no_row("lead", lead))?.unpack();
        if self.get_cell(leads, &record, "statecode").and_then(Value::as_int) != Some(0) {
            return Err(Refusal::new(400, "0x80040203", format!("The lead with Id = {lead} is already closed.")));
        }
        let mut made = Vec::new();
        let mut changes = Record::new();
        let mut link = |state: &Self, name: &str, value: Option<Value<'static>>| {
            if let (Some(at), Some(value)) = (state.column(leads, name), value) {
                changes.insert(at, value);
            }
        };
        let account = if how.account { Some(self.qualified_row("account", lead, &record, actor)?) } else { None };
        if let Some(id) = account {
            link(self, "parentaccountid", self.reference("account", id));
            made.push(("account".to_owned(), id));
        }
        let account = account.or_else(|| self.get_cell(leads, &record, "parentaccountid").and_then(Value::as_guid));
        let contact = if how.contact { Some(self.qualified_row("contact", lead, &record, actor)?) } else { None };
        if let Some(id) = contact {
            if let Some(account) = account {
                self.point("contact", id, "parentcustomerid", self.reference("account", account), actor)?;
            }
            link(self, "parentcontactid", self.reference("contact", id));
            made.push(("contact".to_owned(), id));
        }
        let contact = contact.or_else(|| self.get_cell(leads, &record, "parentcontactid").and_then(Value::as_guid));
        if how.opportunity {
            let id = self.qualified_opportunity(lead, &record, account, contact, how, actor)?;
            link(self, "qualifyingopportunityid", self.reference("opportunity", id));
            made.push(("opportunity".to_owned(), id));
        }
        link(self, "statecode", Some(Value::Int(if how.status == 3 { 1 } else { 2 })));
        link(self, "statuscode", Some(Value::Int(how.status)));
        self.modify(leads, lead, changes, actor, By::Seed)?;
        Ok(made)
    }

    fn qualified_row(&mut self, table: &str, lead: Guid, record: &Record, actor: Actor) -> Outcome<Guid> {
        let (leads, at) = (self.at("lead")?, self.at(table)?);
        let mut cells = Record::new();
        for (from, account, contact) in CARRIED {
            let to = if table == "account" { account } else { contact };
            if let (Some(value), Some(column)) = (self.get_cell(leads, record, from), self.column(at, to)) {
                cells.insert(column, value.clone());
            }
        }
        if table == "account"
            && let Some(name) = self.column(at, "name")
            && !cells.contains_key(&name)
            && let Some(full) = self.get_cell(leads, record, "fullname")
        {
            cells.insert(name, full.clone());
        }
        if let (Some(column), Some(value)) = (self.column(at, "originatingleadid"), self.reference("lead", lead)) {
            cells.insert(column, value);
        }
        self.create(at, None, cells, actor, By::Service)
    }

    fn qualified_opportunity(
        &mut self,
        lead: Guid,
        record: &Record,
        account: Option<Guid>,
        contact: Option<Guid>,
        how: Qualify,
        actor: Actor,
    ) -> Outcome<Guid> {
        let (leads, at) = (self.at("lead")?, self.at("opportunity")?);
        let account_ref = account.and_then(|id| self.reference("account", id));
        let contact_ref = contact.and_then(|id| self.reference("contact", id));
        let given = how.customer.and_then(|(table, id)| self.reference(self.table_name(table), id));
        let values = [
            ("name", self.get_cell(leads, record, "subject").or(self.get_cell(leads, record, "fullname")).cloned()),
            ("customerid", given.or(account_ref.clone()).or(contact_ref.clone())),
            ("parentaccountid", account_ref),
            ("parentcontactid", contact_ref),
            ("originatingleadid", self.reference("lead", lead)),
            ("ownerid", self.get_cell(leads, record, "ownerid").cloned()),
            ("estimatedvalue", self.get_cell(leads, record, "estimatedamount").cloned()),
            ("estimatedclosedate", self.get_cell(leads, record, "estimatedclosedate").cloned()),
            ("transactioncurrencyid", self.reference("transactioncurrency", how.currency.unwrap_or(self.fixtures.currency))),
        ];
        let cells = values.into_iter().filter_map(|(name, value)| Some((self.column(at, name)?, value?))).collect();
        self.create(at, None, cells, actor, By::Service)
    }

    fn point(&mut self, table: &str, id: Guid, column: &str, value: Option<Value<'static>>, actor: Actor) -> Outcome<()> {
        let at = self.at(table)?;
        let (Some(column), Some(value)) = (self.column(at, column), value) else { return Ok(()) };
        self.modify(at, id, Record::from([(column, value)]), actor, By::Service)
    }

    pub(crate) fn merge_rows(&mut self, table: usize, target: Guid, subordinate: Guid, update: Record, actor: Actor) -> Outcome<()> {
        let name = self.table_name(table).to_owned();
        if !matches!(name.as_str(), "account" | "contact" | "lead") {
            return Err(Refusal::new(400, "0x80040203", format!("Merge isn't supported for {name}.")));
        }
        if target == subordinate {
            return Err(Refusal::new(400, "0x80040203", "A row can't be merged with itself."));
        }
        for id in [target, subordinate] {
            if self.store.row(table, id).is_none() {
                return Err(Refusal::no_row(&name, id));
            }
        }
        for (other, column, from) in self.store.pointing_at(subordinate) {
            let definition = self.store.schema.get(other).and_then(|table| table.column(column));
            let movable = definition.is_some_and(|column| column.updatable && column.name != "masterid");
            if movable && (other, from) != (table, target) && self.store.row(other, from).is_some() {
                let value = self.reference(&name, target).unwrap_or(Value::Null);
                self.modify(other, from, Record::from([(column, value)]), actor, By::Service)?;
            }
        }
        self.modify(table, target, update, actor, By::Seed)?;
        let (state, status) = match (name.as_str(), self.options.merged_lead) {
            ("lead", MergedLead::Lost) => (2, 4),
            ("lead", MergedLead::Canceled) => (2, 7),
            _ => (1, 2),
        };
        let master = self.reference(&name, target);
        let values = [
            ("merged", Some(Value::Bool(true))),
            ("masterid", master),
            ("statecode", Some(Value::Int(state))),
            ("statuscode", Some(Value::Int(status))),
        ];
        let changes = values.into_iter().filter_map(|(name, value)| Some((self.column(table, name)?, value?))).collect();
        self.modify(table, subordinate, changes, actor, By::Seed)
    }

    /// The position of a table that every environment has.
    pub(crate) fn at(&self, table: &str) -> Outcome<usize> {
        self.store.schema.find(table).ok_or_else(|| Refusal::no_segment(table))
    }
}
