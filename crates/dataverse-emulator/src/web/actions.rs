//! Functions and actions that aren't plain reads and writes of rows.

use base::Guid;
use emulator::Response;
use serde_json::{Map, Value as Json, json};

use super::{Call, payload::Purpose};
use crate::{
    error::{Outcome, Refusal},
    headers::{json as json_answer, no_content},
    odata::{syntax::Literal, uri::Segment},
    rules::{By, lifecycle::Qualify},
    state::State,
};

impl State {
    /// `GET /`.
    pub(crate) fn service_document(&self, call: &Call<'_>) -> Response {
        let sets: Vec<Json> =
            self.store.schema.tables().map(|(_, table)| json!({"name": table.set, "kind": "EntitySet", "url": table.set})).collect();
        json_answer(200, json!({"@odata.context": format!("{}/$metadata", call.base), "value": sets}).to_string())
    }

    /// `GET /WhoAmI`.
    pub(crate) fn who_am_i(&self, call: &Call<'_>) -> Response {
        let body = json!({
            "@odata.context": format!("{}/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse", call.base),
            "BusinessUnitId": self.fixtures.business_unit, "UserId": call.actor.user, "OrganizationId": self.fixtures.organization,
        });
        json_answer(200, body.to_string())
    }

    /// `GET /RetrieveVersion()`.
    pub(crate) fn version_answer(&self, call: &Call<'_>) -> Response {
        let context = format!("{}/$metadata#Microsoft.Dynamics.CRM.RetrieveVersionResponse", call.base);
        json_answer(200, json!({"@odata.context": context, "Version": "9.2.26031.00150"}).to_string())
    }

    /// `GET /RetrieveTotalRecordCount(EntityNames=['lead'])`. The real snapshot may be a day old; this one is current.
    pub(crate) fn total_record_count(&self, call: &Call<'_>, segment: &Segment) -> Outcome<Response> {
        let Some(Literal::List(names)) = argument(call, segment, "EntityNames")? else {
            return Err(Refusal::query("RetrieveTotalRecordCount needs EntityNames, a list."));
        };
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for name in names {
            let Literal::Text(name) = name else { return Err(Refusal::query("EntityNames has to hold texts.")) };
            if self.store.schema.find(&name).is_none() {
                return Err(Refusal::new(
                    404,
                    "0x80060888",
                    format!("The entity with a name = '{name}' was not found in the MetadataCache."),
                ));
            }
            values.push(self.count(&name));
            keys.push(name);
        }
        let body = json!({
            "@odata.context": format!("{}/$metadata#Microsoft.Dynamics.CRM.RetrieveTotalRecordCountResponse", call.base),
            "EntityRecordCountCollection": {"Count": keys.len(), "IsReadOnly": false, "Keys": keys, "Values": values},
        });
        Ok(json_answer(200, body.to_string()))
    }

    /// `POST /leads(id)/Microsoft.Dynamics.CRM.QualifyLead`.
    pub(crate) fn qualify_action(&mut self, call: &Call<'_>, lead: Guid) -> Outcome<Response> {
        let body = self.body(call, "QualifyLead")?;
        let flag = |name: &str| body.get(name).and_then(Json::as_bool).unwrap_or(false);
        let status =
            body.get("Status").and_then(Json::as_i64).ok_or_else(|| Refusal::payload("QualifyLead", "The payload needs 'Status'."))?;
        let how = Qualify {
            account: flag("CreateAccount"),
            contact: flag("CreateContact"),
            opportunity: flag("CreateOpportunity"),
            status,
            currency: self.given_row(call, &body, "OpportunityCurrencyId")?.map(|(_, id)| id),
            customer: self.given_row(call, &body, "OpportunityCustomerId")?,
        };
        let made = self.transact(|state| state.qualify(lead, how, call.actor))?;
        let rows: Vec<Json> = made
            .into_iter()
            .map(|(table, id)| {
                let key = format!("{table}id");
                json!({"@odata.type": format!("#Microsoft.Dynamics.CRM.{table}"), key: id})
            })
            .collect();
        Ok(json_answer(200, json!({"@odata.context": format!("{}/$metadata#crmbaseentity", call.base), "value": rows}).to_string()))
    }

    /// A row given as an object with its type and primary key.
    fn given_row(&self, call: &Call<'_>, body: &Map<String, Json>, name: &str) -> Outcome<Option<(usize, Guid)>> {
        let Some(Json::Object(row)) = body.get(name) else { return Ok(None) };
        if let Some(address) = row.get("@odata.id").and_then(Json::as_str) {
            return self.resolve(call, address).map(Some);
        }
        let kind = row.get("@odata.type").and_then(Json::as_str).unwrap_or_default().trim_start_matches('#');
        let named = kind.strip_prefix(super::route::NAMESPACE).and_then(|table| self.store.schema.find(table));
        // Without a type, the key's name tells the table.
        let table = named.or_else(|| self.store.schema.tables().find(|(_, table)| row.contains_key(table.key_name())).map(|(at, _)| at));
        let table = table.ok_or_else(|| Refusal::payload(name, "The row needs '@odata.type'."))?;
        let key = self.store.schema.get(table).map_or("", crate::schema::Table::key_name);
        let id = row.get(key).and_then(Json::as_str).and_then(|id| id.parse().ok());
        id.map(|id| Some((table, id))).ok_or_else(|| Refusal::payload(name, format!("The row needs '{key}'.")))
    }

    /// `POST /Merge`.
    pub(crate) fn merge_action(&mut self, call: &Call<'_>) -> Outcome<Response> {
        let body = self.body(call, "Merge")?;
        let missing = |name: &str| Refusal::payload("Merge", format!("The payload needs '{name}'."));
        let (table, target) = self.given_row(call, &body, "Target")?.ok_or_else(|| missing("Target"))?;
        let (other, subordinate) = self.given_row(call, &body, "Subordinate")?.ok_or_else(|| missing("Subordinate"))?;
        if table != other {
            return Err(Refusal::payload("Merge", "Target and Subordinate have to be of one table."));
        }
        self.require(table, "Write")?;
        let cells = match body.get("UpdateContent") {
            Some(Json::Object(update)) => {
                let payload = self.read_payload(call, table, update, Purpose::Update)?;
                self.changes(table, target, payload)
            }
            Some(_) | None => crate::row::Record::new(),
        };
        self.transact(|state| state.merge_rows(table, target, subordinate, cells, call.actor))?;
        Ok(no_content())
    }

    /// `POST /WinOpportunity` and `POST /LoseOpportunity`.
    pub(crate) fn close_action(&mut self, call: &Call<'_>, state: i64) -> Outcome<Response> {
        let body = self.body(call, "OpportunityClose")?;
        let status = body.get("Status").and_then(Json::as_i64).unwrap_or(-1);
        let Some(Json::Object(close)) = body.get("OpportunityClose") else {
            return Err(Refusal::payload("OpportunityClose", "The payload needs 'OpportunityClose'."));
        };
        let address = close.get("opportunityid@odata.bind").and_then(Json::as_str);
        let opportunity = match address {
            Some(address) => self.resolve(call, address)?.1,
            None => self
                .given_row(call, close, "opportunityid")?
                .map(|(_, id)| id)
                .ok_or_else(|| Refusal::payload("OpportunityClose", "The payload needs 'opportunityid@odata.bind'."))?,
        };
        let table = self.at("opportunity")?;
        self.require(table, "Write")?;
        if self.store.row(table, opportunity).is_none() {
            return Err(Refusal::no_row("opportunity", opportunity));
        }
        let closes = self.at("opportunityclose")?;
        let mut fields = close.clone();
        fields.remove("opportunityid");
        let payload = self.read_payload(call, closes, &fields, Purpose::Create)?;
        self.transact(|all| all.close_opportunity(opportunity, state, status, payload.cells, call.actor))?;
        Ok(no_content())
    }

    /// `POST /BulkDelete` with a query on primary keys, as Microsoft's Python client sends it. The job is done at once.
    pub(crate) fn bulk_delete(&mut self, call: &Call<'_>) -> Outcome<Response> {
        let body = self.body(call, "BulkDelete")?;
        let queries = body.get("QuerySet").and_then(Json::as_array).cloned().unwrap_or_default();
        for query in &queries {
            let name = query.get("EntityName").and_then(Json::as_str).unwrap_or_default();
            let table = self.at(name)?;
            self.require(table, "Delete")?;
            let mut ids = Vec::new();
            collect_guids(query.get("Criteria").unwrap_or(&Json::Null), &mut ids);
            for id in ids {
                if self.store.row(table, id).is_some() {
                    self.transact(|state| state.remove(table, id, call.actor, By::Client))?;
                }
            }
        }
        let job = self.dice.guid();
        let context = format!("{}/$metadata#Microsoft.Dynamics.CRM.BulkDeleteResponse", call.base);
        Ok(json_answer(200, json!({"@odata.context": context, "JobId": job}).to_string()))
    }
}

fn collect_guids(json: &Json, out: &mut Vec<Guid>) {
    match json {
        Json::String(text) => out.extend(text.parse::<Guid>().ok()),
        Json::Array(items) => items.iter().for_each(|item| collect_guids(item, out)),
        Json::Object(map) => map.values().for_each(|item| collect_guids(item, out)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// A function's argument, written out or as an alias.
pub(crate) fn argument(call: &Call<'_>, segment: &Segment, name: &str) -> Outcome<Option<Literal>> {
    let arguments = segment.arguments.as_deref().unwrap_or_default();
    let parts = crate::odata::uri::split_outside(arguments, ',');
    let Some((_, value)) = parts.into_iter().filter_map(|part| part.split_once('=')).find(|(found, _)| found.trim() == name) else {
        return Ok(None);
    };
    let text = if value.trim().starts_with('@') { call.options.get(value.trim()).unwrap_or("null") } else { value };
    Literal::parse(text).map(Some)
}
