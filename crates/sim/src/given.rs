//! What a scenario starts with: both sides' rows by name, with what every row has filled in.

use std::collections::BTreeMap;

use base::Table;
use marketo_emulator::Object as Theirs;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{names::Names, scenario::settings, world::World};

/// Rows of one kind, by name.
type Rows = BTreeMap<String, Map<String, Value>>;

/// What is there before anything happens. Ann and Ben, who sell, and Ann's account `firm` always are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// The bridge's configuration, as in its file.
    pub configuration: Map<String, Value>,
    /// Settings of both emulators: `marketo` and `dynamics`.
    pub emulators: Value,
    /// How the bridge runs.
    pub bridge: Limits,
    /// Marketo's records.
    pub marketo: BTreeMap<String, Rows>,
    /// Dynamics' rows.
    pub systemuser: Rows,
    pub team: Rows,
    pub connectionrole: Rows,
    pub account: Rows,
    pub lead: Rows,
    pub contact: Rows,
    pub opportunity: Rows,
    pub connection: Rows,
}

/// What a configuration file says besides the rules.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Rows in a page of Dynamics.
    page_rows: Option<u32>,
    /// Calls to Marketo in a day.
    daily_calls: Option<u64>,
    /// Failed calls aren't repeated in the same cycle.
    no_retry: bool,
}

impl Given {
    /// The world before anything happens.
    ///
    /// # Errors
    /// In words, when a row doesn't fit.
    pub fn world(&self, names: &mut Names) -> Result<World, String> {
        let mut world = World::with(0, 1, |_| ());
        settings(self.emulators.clone())?.apply(&world.sandbox)?;
        if let Some(rows) = self.bridge.page_rows {
            world.page_rows = rows;
        }
        if let Some(calls) = self.bridge.daily_calls {
            world.quota.daily_calls = calls;
        }
        if self.bridge.no_retry {
            world.retry.budget = std::time::Duration::ZERO;
        }
        let mut users = self.systemuser.clone();
        let mut accounts = self.account.clone();
        for name in ["ann", "ben"] {
            users.entry(name.to_owned()).or_default();
        }
        accounts.entry("firm".to_owned()).or_default();
        let tables = [
            (Table::SystemUser, &users),
            (Table::Team, &self.team),
            (Table::ConnectionRole, &self.connectionrole),
            (Table::Account, &accounts),
            (Table::Lead, &self.lead),
            (Table::Contact, &self.contact),
            (Table::Opportunity, &self.opportunity),
            (Table::Connection, &self.connection),
        ];
        // All names first: rows refer to each other both ways.
        for (table, rows) in tables {
            for name in rows.keys() {
                names.add(name, table);
            }
        }
        for (table, rows) in tables {
            for (name, row) in rows {
                let row = whole_row(table, name, row, names)?;
                let now = world.now();
                let stored = world.sandbox.dataverse.state().insert(table.name(), row, now);
                stored.map_err(|error| format!("{}.{name}: {error}", table.name()))?;
            }
        }
        for (object, records) in &self.marketo {
            for (name, record) in records {
                self.fill_marketo(&world, object, name, record, names)?;
            }
        }
        let mut configuration = Value::Object(self.configuration.clone());
        names.resolve(&mut configuration)?;
        world.configure(configuration.as_object().cloned().unwrap_or_default())?;
        Ok(world)
    }

    fn fill_marketo(&self, world: &World, object: &str, name: &str, record: &Map<String, Value>, names: &mut Names) -> Result<(), String> {
        let (theirs, now) = (marketo_object(object)?, world.now());
        let mut record = Value::Object(record.clone());
        names.resolve(&mut record)?;
        let record = record.as_object().cloned().unwrap_or_default();
        if theirs == Theirs::Leads {
            let id = world.sandbox.marketo.state().insert_lead(record, now);
            names.add_person(name, id);
            return Ok(());
        }
        let stored = world.sandbox.marketo.state().insert(theirs, record, now);
        stored.map(|_| ()).map_err(|error| format!("marketo.{object}.{name}: {error}"))
    }
}

/// An object by the word that scenarios have for it.
pub(crate) fn marketo_object(word: &str) -> Result<Theirs, String> {
    match word {
        "person" => Ok(Theirs::Leads),
        "company" => Ok(Theirs::Companies),
        "salesperson" => Ok(Theirs::SalesPersons),
        "opportunity" => Ok(Theirs::Opportunities),
        "role" => Ok(Theirs::Roles),
        _ => Err(format!("Marketo has no {word:?}: person, company, salesperson, opportunity or role")),
    }
}

/// A Dynamics row with its key and what every row of its table has.
pub(crate) fn whole_row(table: Table, name: &str, short: &Map<String, Value>, names: &Names) -> Result<Map<String, Value>, String> {
    let (_, id) = names.row(name)?;
    let called = capitalised(name);
    let defaults = match table {
        Table::SystemUser => json!({"firstname": called, "lastname": "Seller", "internalemailaddress": format!("{name}@seller.example"),
            "domainname": format!("{name}@seller.example"), "isdisabled": false, "accessmode": 0}),
        Table::Team | Table::ConnectionRole => json!({ "name": called }),
        Table::Account => json!({ "name": called, "ownerid": "ann" }),
        Table::Contact => {
            json!({"firstname": called, "lastname": "Buyer", "emailaddress1": format!("{name}@buyer.example"), "ownerid": "ann",
            "parentcustomerid": "firm"})
        }
        Table::Lead => json!({"lastname": called, "subject": "s", "emailaddress1": format!("{name}@prospect.example"), "ownerid": "ann"}),
        Table::Opportunity => json!({"name": called, "ownerid": "ann", "customerid": "firm", "statecode": 0, "statuscode": 1}),
        Table::Connection => json!({ "ownerid": "ann" }),
    };
    let mut row = names.dynamics_row(table, defaults.as_object().unwrap_or(&Map::new()))?;
    for (column, value) in names.dynamics_row(table, short)? {
        row.insert(column, value);
    }
    row.retain(|_, value| !value.is_null());
    row.insert(format!("{}id", table.name()), json!(id));
    Ok(row)
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
