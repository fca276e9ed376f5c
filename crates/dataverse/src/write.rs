//! Calls that write one row.
//!
//! An [`Update`] always carries `If-Match`, because without it the service takes a PATCH as an upsert and brings a deleted row back as an
//! empty shell (Microsoft's "Use conditional operations" page). Send only columns that differ: every listed column counts as changed.

use base::Guid;
use http::Method;
use serde_json::Value;
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{
    NewValues,
    key::{self, Key},
    odata::{self, encoded},
    row::Row,
};

/// Creates a row.
#[derive(Debug, Clone)]
pub struct Create {
    /// The table's set.
    pub set: String,
    /// The primary key's column and the id we chose for it. With it, a repeated create finds the key taken instead of making a second row,
    /// so that it may be repeated; a refusal that [`crate::is_duplicate_key`] then may mean that the first one worked.
    pub own_id: Option<(String, Guid)>,
    /// The columns.
    pub row: NewValues,
    /// Columns to be sent back; empty: none but the key.
    pub representation: Vec<String>,
}

/// What was created.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// Its key.
    pub id: Guid,
    /// The row, where columns were asked for.
    pub row: Option<Row>,
}

impl Endpoint for Create {
    type Reply = Created;

    fn request(&self) -> Result<Request, CallError> {
        let mut row = self.row.clone();
        if let Some((column, id)) = &self.own_id {
            row.insert(column.clone(), Value::String(id.to_string()));
        }
        let replay = if self.own_id.is_some() { Replay::Safe } else { Replay::Unsafe };
        let path = format!("/{}{}", odata::name(&self.set)?, selecting(&self.representation));
        let request = odata::send("rows.create", Method::POST, path, &row, replay)?;
        Ok(if self.representation.is_empty() { request } else { request.header("prefer", "return=representation") })
    }

    fn decode(&self, response: &Response) -> Result<Created, CallError> {
        let row = representation(response)?;
        let own = self.own_id.as_ref().map(|(_, id)| *id);
        let id = own.or_else(|| key::written_id(response)).or_else(|| key_of(row.as_ref()?, &self.representation));
        id.map(|id| Created { id, row }).ok_or_else(|| CallError::Garbled("a created row without its key".into()))
    }
}

/// Changes columns of a row that must exist: a refusal of class [`wire::Class::Missing`] when it doesn't.
#[derive(Debug, Clone)]
pub struct Update {
    /// The table's set.
    pub set: String,
    /// The row's key.
    pub id: Guid,
    /// The columns to change; null clears, an absent column stays.
    pub row: NewValues,
    /// The version that must still be there, as [`Row::etag`] gave it; `None`: any.
    pub if_match: Option<String>,
}

impl Endpoint for Update {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        let request = odata::send("rows.update", Method::PATCH, Key::Id(self.id).path(&self.set)?, &self.row, Replay::Safe)?;
        if_match(request, self.if_match.as_deref())
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

/// `If-Match` with this version or any; never without, whatever the tag holds.
fn if_match(request: Request, etag: Option<&str>) -> Result<Request, CallError> {
    let request = request.header("if-match", etag.unwrap_or("*"));
    if request.headers.contains_key("if-match") {
        Ok(request)
    } else {
        Err(CallError::Unwritable("a version that no header can carry".into()))
    }
}

/// What an upsert may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpsertMode {
    /// Create the row, or update it.
    CreateOrUpdate,
    /// Create it; when it is there, refuse with 412.
    CreateOnly,
    /// Update it; when it isn't there, refuse with 404.
    UpdateOnly,
}

/// Creates or updates a row by a key of ours.
#[derive(Debug, Clone)]
pub struct Upsert {
    /// The table's set.
    pub set: String,
    /// Which row.
    pub key: Key,
    /// The columns. Those of the key needn't be repeated.
    pub row: NewValues,
    /// What it may do.
    pub mode: UpsertMode,
    /// Columns to be sent back: name the primary key to learn it and whether the row was created, because otherwise the service repeats
    /// the key in the form in which it was given.
    pub representation: Vec<String>,
}

/// What became of an upsert.
#[derive(Debug, Clone, PartialEq)]
pub struct Upserted {
    /// The row's key, where the answer tells it.
    pub id: Option<Guid>,
    /// Whether it was created; told only where columns were asked for.
    pub created: Option<bool>,
    /// The row, where columns were asked for.
    pub row: Option<Row>,
}

impl Endpoint for Upsert {
    type Reply = Upserted;

    fn request(&self) -> Result<Request, CallError> {
        let path = format!("{}{}", self.key.path(&self.set)?, selecting(&self.representation));
        let request = odata::send("rows.upsert", Method::PATCH, path, &self.row, Replay::Safe)?;
        let request = if self.representation.is_empty() { request } else { request.header("prefer", "return=representation") };
        Ok(match self.mode {
            UpsertMode::CreateOrUpdate => request,
            UpsertMode::CreateOnly => request.header("if-none-match", "*"),
            UpsertMode::UpdateOnly => request.header("if-match", "*"),
        })
    }

    fn decode(&self, response: &Response) -> Result<Upserted, CallError> {
        let row = representation(response)?;
        let own = match &self.key {
            Key::Id(id) => Some(*id),
            Key::Alternate(_) => None,
        };
        let id = own.or_else(|| key::written_id(response)).or_else(|| key_of(row.as_ref()?, &self.representation));
        let created = row.is_some().then(|| response.status == http::StatusCode::CREATED);
        Ok(Upserted { id, created, row })
    }
}

/// Deletes a row. A refusal of class [`wire::Class::Missing`] means that it was gone already.
#[derive(Debug, Clone)]
pub struct Delete {
    /// The table's set.
    pub set: String,
    /// The row's key.
    pub id: Guid,
    /// The version that must still be there; `None`: any.
    pub if_match: Option<String>,
}

impl Endpoint for Delete {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        let request = odata::delete("rows.delete", Key::Id(self.id).path(&self.set)?);
        match &self.if_match {
            Some(etag) => if_match(request, Some(etag)),
            None => Ok(request),
        }
    }

    fn decode(&self, _: &Response) -> Result<(), CallError> {
        Ok(())
    }
}

fn selecting(columns: &[String]) -> String {
    if columns.is_empty() { String::new() } else { format!("?$select={}", encoded(&columns.join(","))) }
}

fn representation(response: &Response) -> Result<Option<Row>, CallError> {
    if response.body.is_empty() {
        return Ok(None);
    }
    odata::read(response).map(|values| Some(Row::of(values)))
}

/// The key of a representation: the first of the columns asked for that holds a GUID and names one.
fn key_of(row: &Row, columns: &[String]) -> Option<Guid> {
    columns.iter().filter(|column| column.ends_with("id")).find_map(|column| row.guid(column))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
    use serde_json::json;
    use wire::Target;

    use super::*;

    const ID: &str = "7eb60000-0000-0000-0000-000000000001";

    fn values(value: Value) -> NewValues {
        let Value::Object(values) = value else { panic!("an object") };
        values
    }

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Response {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect();
        Response { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_owned().into() }
    }

    #[test]
    fn an_update_never_creates() {
        let mut update = Update { set: "leads".into(), id: ID.parse().unwrap(), row: values(json!({"mkt_priority": 3})), if_match: None };
        let request = update.request().unwrap();
        assert_eq!((request.method.as_str(), &request.headers["if-match"]), ("PATCH", &HeaderValue::from_static("*")));
        assert_eq!(request.target, Target::Below(format!("/leads({ID})")));
        assert_eq!((request.body.as_ref(), request.replay), (br#"{"mkt_priority":3}"#.as_slice(), Replay::Safe));
        update.if_match = Some("W/\"9\"".into());
        assert_eq!(update.request().unwrap().headers["if-match"], "W/\"9\"");
        update.if_match = Some("a\nb".into());
        assert!(update.request().is_err(), "sent without the header it would be an upsert");
    }

    #[test]
    fn a_create_may_be_repeated_only_with_its_own_key() {
        let mut create = Create { set: "leads".into(), own_id: None, row: values(json!({"lastname": "Roth"})), representation: vec![] };
        assert_eq!(create.request().unwrap().replay, Replay::Unsafe);
        create.own_id = Some(("leadid".into(), ID.parse().unwrap()));
        let request = create.request().unwrap();
        assert_eq!((request.replay, serde_json::from_slice::<Value>(&request.body).unwrap()["leadid"].as_str()), (Replay::Safe, Some(ID)));
    }

    #[test]
    fn a_new_key_is_found_wherever_it_is() {
        let mut create = Create { set: "leads".into(), own_id: None, row: NewValues::new(), representation: vec![] };
        let address = format!("https://contoso.crm.dynamics.com/api/data/v9.2/leads({ID})");
        for header in ["odata-entityid", "location"] {
            assert_eq!(create.decode(&answer(204, &[(header, &address)], "")).unwrap().id.to_string(), ID);
        }
        assert!(matches!(create.decode(&answer(204, &[], "")), Err(CallError::Garbled(_))));
        create.representation = vec!["leadid".into()];
        let created = create.decode(&answer(201, &[], &format!(r#"{{"@odata.etag":"W/\"1\"","leadid":"{ID}"}}"#))).unwrap();
        assert_eq!((created.id.to_string().as_str(), created.row.unwrap().etag.as_deref()), (ID, Some("W/\"1\"")));
    }

    #[test]
    fn an_upsert_by_alternate_key_tells_what_it_did() {
        let upsert = Upsert {
            set: "accounts".into(),
            key: Key::Alternate(vec![("accountnumber".into(), "A-1".into())]),
            row: values(json!({"name": "Fabrikam"})),
            mode: UpsertMode::CreateOrUpdate,
            representation: vec!["accountid".into()],
        };
        let request = upsert.request().unwrap();
        assert_eq!(request.target, Target::Below("/accounts(accountnumber=%27A-1%27)?$select=accountid".into()));
        assert!(!request.headers.contains_key("if-none-match") && request.headers["prefer"] == "return=representation");
        let body = format!(r#"{{"accountid":"{ID}"}}"#);
        let upserted = upsert.decode(&answer(201, &[], &body)).unwrap();
        assert_eq!((upserted.created, upserted.id.unwrap().to_string().as_str()), (Some(true), ID));
        assert_eq!(upsert.decode(&answer(200, &[], &body)).unwrap().created, Some(false));
        let silent = answer(204, &[("odata-entityid", "https://x.test/api/data/v9.2/accounts(accountnumber='A-1')")], "");
        assert_eq!(upsert.decode(&silent).unwrap(), Upserted { id: None, created: None, row: None });
    }
}
