//! Columns the service fills itself: names, internal lookups, base amounts, defaults of a new row.

use super::Actor;
use crate::{row::Record, state::State, value::Value};

impl State {
    /// What a new row gets when it doesn't say otherwise.
    pub(crate) fn fill_new(&self, table: usize, cells: &mut Record, actor: Actor) {
        let Some(definition) = self.store.schema.get(table) else { return };
        for at in definition.flags() {
            cells.entry(*at).or_insert(Value::Bool(false));
        }
        let user = self.reference("systemuser", actor.user);
        let unit =
            matches!(definition.name.as_str(), "systemuser" | "team").then(|| self.reference("businessunit", self.fixtures.business_unit));
        for (name, value) in [
            ("ownerid", user.clone()),
            ("createdby", user),
            ("createdonbehalfby", actor.behalf.and_then(|behalf| self.reference("systemuser", behalf))),
            ("createdon", Some(Value::Time(actor.now))),
            ("preferredcontactmethodcode", Some(Value::Int(1))),
            ("businessunitid", unit.flatten()),
        ] {
            if let (Some(at), Some(value)) = (definition.find(name), value) {
                cells.entry(at).or_insert(value);
            }
        }
    }

    /// Brings the computed columns of a record in line with the others.
    pub(crate) fn compute(&self, table: usize, before: Option<&Record>, record: &mut Record) {
        let changed = |name: &str, record: &Record| {
            self.column(table, name).is_some_and(|at| before.is_none_or(|before| before.get(&at) != record.get(&at)))
        };
        if changed("ownerid", record) {
            self.compute_owner(table, record);
        }
        let name = self.table_name(table);
        if matches!(name, "contact" | "lead" | "systemuser") && (changed("firstname", record) || changed("lastname", record)) {
            self.compute_full_name(table, before.is_some(), record);
        }
        match name {
            "contact" => self.split_customer(table, record, "parentcustomerid", "accountid", "parentcontactid"),
            "lead" | "opportunity" => self.split_customer(table, record, "customerid", "accountid", "contactid"),
            "connection" => self.compute_connection(table, record),
            _ => {}
        }
        self.compute_money(table, record);
    }

    fn set(&self, table: usize, record: &mut Record, name: &str, value: Option<Value<'static>>) {
        let Some(at) = self.column(table, name) else { return };
        match value {
            Some(value) => record.insert(at, value),
            None => record.remove(&at),
        };
    }

    pub(crate) fn get_cell<'a>(&self, table: usize, record: &'a Record, name: &str) -> Option<&'a Value<'static>> {
        record.get(&self.column(table, name)?)
    }

    fn compute_owner(&self, table: usize, record: &mut Record) {
        let owner = self.get_cell(table, record, "ownerid").cloned();
        let of = |name: &str| owner.clone().filter(|owner| owner.as_ref().is_some_and(|(at, _)| self.is_table(at, name)));
        let (user, team) = (of("systemuser"), of("team"));
        self.set(table, record, "owninguser", user);
        self.set(table, record, "owningteam", team);
        let unit = owner.is_some().then(|| self.reference("businessunit", self.fixtures.business_unit)).flatten();
        self.set(table, record, "owningbusinessunit", unit);
    }

    /// A new row that has only a full name keeps it.
    fn compute_full_name(&self, table: usize, existed: bool, record: &mut Record) {
        let max = if self.is_table(table, "systemuser") { 200 } else { 160 };
        let parts = ["firstname", "lastname"]
            .map(|name| self.get_cell(table, record, name).and_then(|value| value.as_text()).unwrap_or_default().to_owned());
        let joined = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
        let full: String = joined.chars().take(max).collect();
        if !full.is_empty() || existed {
            self.set(table, record, "fullname", (!full.is_empty()).then(|| Value::Text(full.into())));
        }
    }

    /// A customer column fills two internal ones, of which exactly one has a value.
    fn split_customer(&self, table: usize, record: &mut Record, customer: &str, account: &str, contact: &str) {
        let value = self.get_cell(table, record, customer).cloned();
        let of = |name: &str| value.clone().filter(|value| value.as_ref().is_some_and(|(at, _)| self.is_table(at, name)));
        let (to_account, to_contact) = (of("account"), of("contact"));
        self.set(table, record, account, to_account);
        self.set(table, record, contact, to_contact);
    }

    /// Amounts have a twin in the base currency; there is one currency with rate 1, so the twin is equal.
    fn compute_money(&self, table: usize, record: &mut Record) {
        let Some(definition) = self.store.schema.get(table) else { return };
        let mut any = false;
        for (amount, base) in definition.amounts() {
            match record.get(amount).cloned() {
                Some(value) => {
                    any = true;
                    record.insert(*base, value);
                }
                None => {
                    record.remove(base);
                }
            }
        }
        if any && self.get_cell(table, record, "transactioncurrencyid").is_none() {
            self.set(table, record, "transactioncurrencyid", self.reference("transactioncurrency", self.fixtures.currency));
            self.set(table, record, "exchangerate", Some(Value::Float(1.0)));
        }
    }
}
