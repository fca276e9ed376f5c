//! The three bulk actions: one call, one transaction, many rows of one table.
//!
//! On standard tables one bad row undoes all, and the answer does not say which (Microsoft's "Use bulk operation messages" page): the caller
//! halves, or sends the rows as single calls in a [`crate::Batch`]. Not every table has them; [`BulkAvailable`] tells.

use std::collections::BTreeSet;

use base::Guid;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{NewValues, filter::Filter, key::Key, odata, query::Query};

/// Creates rows. The reply has their keys, in the order sent.
#[derive(Debug, Clone)]
pub struct CreateMultiple {
    /// The table's set.
    pub set: String,
    /// The table's logical name.
    pub table: String,
    /// The primary key's column: targets that all carry their own key make the call repeatable.
    pub id_column: String,
    /// The rows.
    pub targets: Vec<NewValues>,
}

/// Updates rows that must all exist. Two targets for one row are refused here, because what the service does then is not documented.
#[derive(Debug, Clone)]
pub struct UpdateMultiple {
    /// The table's set.
    pub set: String,
    /// The table's logical name.
    pub table: String,
    /// The primary key's column.
    pub id_column: String,
    /// Each row's key and the columns to change.
    pub targets: Vec<(Guid, NewValues)>,
}

/// Creates or updates rows. The answer tells neither keys nor what was done.
#[derive(Debug, Clone)]
pub struct UpsertMultiple {
    /// The table's set.
    pub set: String,
    /// The table's logical name.
    pub table: String,
    /// The primary key's column.
    pub id_column: String,
    /// Each row's key and its columns; the key's columns needn't be repeated.
    pub targets: Vec<(Key, NewValues)>,
}

#[derive(Deserialize)]
struct Ids {
    #[serde(rename = "Ids")]
    ids: Vec<Guid>,
}

impl Endpoint for CreateMultiple {
    type Reply = Vec<Guid>;

    fn request(&self) -> Result<Request, CallError> {
        let own_keys = self.targets.iter().all(|target| target.get(&self.id_column).is_some_and(Value::is_string));
        let replay = if own_keys { Replay::Safe } else { Replay::Unsafe };
        action("bulk.create", "CreateMultiple", &self.set, &self.table, self.targets.clone(), replay)
    }

    fn decode(&self, response: &Response) -> Result<Vec<Guid>, CallError> {
        let Ids { ids } = odata::read(response)?;
        if ids.len() == self.targets.len() {
            Ok(ids)
        } else {
            Err(CallError::Garbled(format!("{} keys for {} created rows", ids.len(), self.targets.len())))
        }
    }
}

impl Endpoint for UpdateMultiple {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        let keys: BTreeSet<&Guid> = self.targets.iter().map(|(id, _)| id).collect();
        if keys.len() < self.targets.len() {
            return Err(CallError::Unwritable("two changes to one row in one bulk call".into()));
        }
        let targets = self.targets.iter().map(|(id, row)| with(row, &self.id_column, id.to_string())).collect();
        action("bulk.update", "UpdateMultiple", &self.set, &self.table, targets, Replay::Safe)
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

impl Endpoint for UpsertMultiple {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        let mut targets = Vec::with_capacity(self.targets.len());
        let mut keys = BTreeSet::new();
        for (key, row) in &self.targets {
            let reference = key.reference(&self.set)?;
            targets.push(match key {
                Key::Id(id) => with(row, &self.id_column, id.to_string()),
                Key::Alternate(_) => with(row, "@odata.id", reference.clone()),
            });
            if !keys.insert(reference) {
                return Err(CallError::Unwritable("two changes to one row in one bulk call".into()));
            }
        }
        action("bulk.upsert", "UpsertMultiple", &self.set, &self.table, targets, Replay::Safe)
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

fn with(row: &NewValues, name: &str, value: String) -> NewValues {
    let mut row = row.clone();
    row.insert(name.to_owned(), Value::String(value));
    row
}

fn action(
    what: &'static str,
    message: &str,
    set: &str,
    table: &str,
    targets: Vec<NewValues>,
    replay: Replay,
) -> Result<Request, CallError> {
    let kind = format!("Microsoft.Dynamics.CRM.{}", odata::name(table)?);
    let targets: Vec<NewValues> = targets.into_iter().map(|target| with(&target, "@odata.type", kind.clone())).collect();
    let path = format!("/{}/Microsoft.Dynamics.CRM.{message}", odata::name(set)?);
    odata::send(what, Method::POST, path, &json!({ "Targets": targets }), replay)
}

/// A bulk action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkMessage {
    /// `CreateMultiple`
    Create,
    /// `UpdateMultiple`
    Update,
}

/// Whether a table has a bulk action; the one for upserts exists where both others do.
#[derive(Debug, Clone)]
pub struct BulkAvailable {
    /// The action.
    pub message: BulkMessage,
    /// The table's logical name.
    pub table: String,
}

impl Endpoint for BulkAvailable {
    type Reply = bool;

    fn request(&self) -> Result<Request, CallError> {
        let message = match self.message {
            BulkMessage::Create => "CreateMultiple",
            BulkMessage::Update => "UpdateMultiple",
        };
        let filter = Filter::eq("sdkmessageid/name", message).and(Filter::eq("primaryobjecttypecode", self.table.as_str()));
        odata::get("bulk.available", Query::select(["sdkmessagefilterid"]).filter(filter).path("sdkmessagefilters")?)
    }

    fn decode(&self, response: &Response) -> Result<bool, CallError> {
        #[derive(Deserialize)]
        struct Found {
            value: Vec<serde::de::IgnoredAny>,
        }
        odata::read::<Found>(response).map(|found| !found.value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(value: Value) -> NewValues {
        let Value::Object(values) = value else { panic!("an object") };
        values
    }

    fn body(request: &Request) -> Value {
        serde_json::from_slice(&request.body).unwrap()
    }

    #[test]
    fn an_update_of_many_is_written_as_documented() {
        let (a, b) = (Guid::from_u128(0x7eb6), Guid::from_u128(0x8fc7));
        let mut update = UpdateMultiple {
            set: "leads".into(),
            table: "lead".into(),
            id_column: "leadid".into(),
            targets: vec![(a, values(json!({"mkt_priority": 3}))), (b, values(json!({"mkt_priority": 1})))],
        };
        let request = update.request().unwrap();
        assert_eq!(request.target, wire::Target::Below("/leads/Microsoft.Dynamics.CRM.UpdateMultiple".into()));
        let expected = json!({"Targets": [
            {"@odata.type": "Microsoft.Dynamics.CRM.lead", "leadid": a.to_string(), "mkt_priority": 3},
            {"@odata.type": "Microsoft.Dynamics.CRM.lead", "leadid": b.to_string(), "mkt_priority": 1}]});
        assert_eq!((body(&request), request.replay), (expected, Replay::Safe));
        update.targets[1].0 = a;
        assert!(matches!(update.request(), Err(CallError::Unwritable(_))));
    }

    #[test]
    fn keys_of_created_rows_are_counted() {
        let create = CreateMultiple {
            set: "leads".into(),
            table: "lead".into(),
            id_column: "leadid".into(),
            targets: vec![NewValues::new(), NewValues::new()],
        };
        assert_eq!(create.request().unwrap().replay, Replay::Unsafe);
        let answer = |body: &str| Response { status: http::StatusCode::OK, headers: http::HeaderMap::new(), body: body.to_owned().into() };
        let (a, b) = (Guid::from_u128(1), Guid::from_u128(2));
        assert_eq!(create.decode(&answer(&json!({"Ids": [a, b]}).to_string())).unwrap(), [a, b]);
        assert!(matches!(create.decode(&answer(&json!({"Ids": [a]}).to_string())), Err(CallError::Garbled(_))));
    }

    #[test]
    fn an_upsert_by_alternate_key_names_it() {
        let key = Key::Alternate(vec![("accountnumber".into(), "A-1".into())]);
        let upsert = UpsertMultiple {
            set: "accounts".into(),
            table: "account".into(),
            id_column: "accountid".into(),
            targets: vec![(key, NewValues::new())],
        };
        assert_eq!(body(&upsert.request().unwrap())["Targets"][0]["@odata.id"], "accounts(accountnumber='A-1')");
    }
}
