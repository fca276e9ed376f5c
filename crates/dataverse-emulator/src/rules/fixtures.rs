//! The rows an environment is born with, and those that follow the settings: retention, bulk messages.

use base::{Guid, Timestamp};
use serde_json::{Map, Value as Json, json};

use super::{Actor, By};
use crate::{options::ApplicationUser, schema::MsiColumns, state::State};

/// Messages that are told about.
const MESSAGES: [&str; 6] = ["Create", "Update", "Delete", "CreateMultiple", "UpdateMultiple", "UpsertMultiple"];

/// Tables whose messages are told about; a row for each of both would make an environment slow to set up.
const TABLES: [&str; 8] = ["account", "contact", "lead", "opportunity", "connection", "connectionrole", "systemuser", "team"];

impl State {
    /// Adds the rows every environment has. A row that can't be added is left out: the fixtures are constants, and a test reads them back.
    pub(crate) fn furnish(&mut self, now: Timestamp) {
        let fixed = self.fixtures;
        let mut add = |table: &str, row: Json| {
            if let Json::Object(row) = row {
                let _ = self.insert(table, row, now);
            }
        };
        add("businessunit", json!({"businessunitid": fixed.business_unit, "name": "Contoso", "isdisabled": false}));
        add(
            "transactioncurrency",
            json!({"transactioncurrencyid": fixed.currency, "currencyname": "US Dollar", "isocurrencycode": "USD", "currencysymbol": "$", "currencyprecision": 2, "exchangerate": 1.0}),
        );
        add(
            "organization",
            json!({"organizationid": fixed.organization, "name": "contoso", "languagecode": 1033, "localeid": 1033, "maxuploadfilesize": 5120, "isauditenabled": false, "_basecurrencyid_value": fixed.currency, "schemanameprefix": "new"}),
        );
        add(
            "team",
            json!({"teamid": fixed.team, "name": "Contoso", "teamtype": 0, "isdefault": true, "_administratorid_value": fixed.application_user}),
        );
        self.add_application_user(now);
        if self.options.msi_columns == MsiColumns::Mkt {
            let solution = json!({"uniquename": "MarketoSalesInsight", "friendlyname": "Marketo Sales Insight", "version": "1.4.0.0", "ismanaged": true, "isvisible": true});
            if let Json::Object(row) = solution {
                let _ = self.insert("solution", row, now);
            }
        }
        for name in MESSAGES {
            let _ = self.insert("sdkmessage", Map::from_iter([("name".to_owned(), name.into())]), now);
        }
        self.announce(now);
    }

    fn add_application_user(&mut self, now: Timestamp) {
        if self.options.application_user == ApplicationUser::Missing {
            return;
        }
        let row = json!({
            "systemuserid": self.fixtures.application_user,
            "firstname": "#",
            "lastname": "Insight Sync",
            "domainname": "sync@contoso.test",
            "internalemailaddress": "sync@contoso.test",
            "applicationid": self.options.client_id,
            "accessmode": 4,
            "isdisabled": self.options.application_user == ApplicationUser::Disabled,
        });
        if let Json::Object(mut row) = row {
            // A client id that is no GUID still gets its user.
            if self.options.client_id.parse::<Guid>().is_err() {
                row.remove("applicationid");
            }
            let _ = self.insert("systemuser", row, now);
        }
    }

    /// Brings the rows that speak about the environment in line with its settings.
    pub(crate) fn announce(&mut self, now: Timestamp) {
        self.follow_tracking();
        if self.announced.0 == self.options.no_bulk && self.announced.1 == self.options.delta_retention_days {
            return;
        }
        self.announced = (self.options.no_bulk.clone(), self.options.delta_retention_days);
        let days = Map::from_iter([("expirechangetrackingindays".to_owned(), self.options.delta_retention_days.into())]);
        let _ = self.update("organization", self.fixtures.organization, days, now);
        self.announce_messages(now);
    }

    fn announce_messages(&mut self, now: Timestamp) {
        let actor: Actor = self.seeder(now);
        let Ok(filters) = self.position("sdkmessagefilter") else { return };
        let old: Vec<Guid> = self.store.table(filters).rows.keys().copied().collect();
        for id in old {
            let _ = self.remove(filters, id, actor, By::Service);
        }
        let messages: Vec<(Guid, String)> =
            self.rows("sdkmessage").map(|(id, row)| (id, row.get("name").and_then(Json::as_str).unwrap_or_default().to_owned())).collect();
        for table in TABLES {
            for (id, message) in &messages {
                if message.ends_with("Multiple") && self.options.no_bulk.contains(table) {
                    continue;
                }
                let row = json!({"primaryobjecttypecode": table, "secondaryobjecttypecode": "none", "_sdkmessageid_value": id});
                if let Json::Object(row) = row {
                    let _ = self.insert("sdkmessagefilter", row, now);
                }
            }
        }
    }

    /// Whether a table is change-tracked follows the settings.
    fn follow_tracking(&mut self) {
        let settings = [("connection", self.options.track_connections), ("connectionrole", self.options.track_connection_roles)];
        for table in ["account", "contact", "lead", "opportunity", "systemuser", "team"] {
            let tracked = !self.options.untracked_tables.contains(table);
            self.track(table, tracked);
        }
        for (table, tracked) in settings {
            let tracked = tracked && !self.options.untracked_tables.contains(table);
            self.track(table, tracked);
        }
    }

    fn track(&mut self, table: &str, tracked: bool) {
        let schema = &mut self.store.schema;
        let Some(at) = schema.find(table).filter(|at| schema.get(*at).is_some_and(|table| table.tracked != tracked)) else { return };
        if let Some(table) = schema.get_mut(at) {
            table.tracked = tracked;
        }
    }
}
