//! Writing leads.
//!
//! From Adobe's "Leads" page. Verdicts come in the order of the records and echo no key. Duplicates are looked for by `lookup_field`
//! only, never by e-mail besides. Two writes of one key that overlap can leave two leads, so only a write that can't create is sent again
//! when its answer was lost.

use http::Method;
use serde::Serialize;
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{
    Record, envelope,
    record_verdict::{self, Verdict},
    size,
};

/// What a write does with records that are there, and with those that are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Updates what is there and creates the rest.
    CreateOrUpdate,
    /// Creates; what is there is skipped with 1005 (leads) or 1017 (other objects).
    CreateOnly,
    /// Updates; what is not there is skipped with 1004 (leads) or 1013 (other objects).
    UpdateOnly,
    /// Creates even what is there already. Leads only.
    CreateDuplicate,
}

impl Action {
    /// Its name in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateOrUpdate => "createOrUpdate",
            Self::CreateOnly => "createOnly",
            Self::UpdateOnly => "updateOnly",
            Self::CreateDuplicate => "createDuplicate",
        }
    }
}

/// One write of 1 to 300 leads.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncLeads<R = Record> {
    /// What to do with those that are there and those that are not.
    pub action: Action,
    /// The field that says which lead is meant; every record must hold it. `id` only with [`Action::UpdateOnly`].
    pub lookup_field: String,
    /// The records: [`Record`]s, or what is written as one. One key must not be in two of them, nor in two writes at the same time.
    pub records: Vec<R>,
    /// The partition in which to create; `None`: the default partition. Only for actions that create.
    pub partition: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a, R> {
    action: Action,
    lookup_field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_name: Option<&'a str>,
    input: &'a [R],
}

impl<R: Serialize> Endpoint for SyncLeads<R> {
    /// One verdict per record, in the order of the records.
    type Reply = Vec<Verdict>;

    fn request(&self) -> Result<Request, CallError> {
        size::check("records", self.records.len(), size::RECORDS_MAX)?;
        let replay = match self.action {
            Action::UpdateOnly => Replay::Safe,
            Action::CreateOrUpdate | Action::CreateOnly | Action::CreateDuplicate => Replay::Unsafe,
        };
        let body =
            Body { action: self.action, lookup_field: &self.lookup_field, partition_name: self.partition.as_deref(), input: &self.records };
        let request = Request::json("leads.sync", Method::POST, "/rest/v1/leads.json", &body, replay)?;
        size::fitting(Request { divisible: true, ..request }, size::BODY_MAX_BYTES)
    }

    fn decode(&self, response: &Response) -> Result<Vec<Verdict>, CallError> {
        record_verdict::in_order(&envelope::rows::<Record>(response)?, self.records.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Status, form::test::answer};

    fn sync(action: Action, number: usize) -> SyncLeads {
        let record: Record = serde_json::from_str(r#"{"externalPersonId":"1f0c-a1","email":null}"#).unwrap();
        SyncLeads { action, lookup_field: "externalPersonId".into(), records: vec![record; number], partition: None }
    }

    #[test]
    fn the_body_is_as_documented() {
        let request = sync(Action::UpdateOnly, 1).request().unwrap();
        let expected = r#"{"action":"updateOnly","lookupField":"externalPersonId","input":[{"email":null,"externalPersonId":"1f0c-a1"}]}"#;
        let sent: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(sent, serde_json::from_str::<serde_json::Value>(expected).unwrap());
        assert_eq!(request.replay, Replay::Safe);
        assert_eq!(sync(Action::CreateOrUpdate, 1).request().unwrap().replay, Replay::Unsafe);
    }

    #[test]
    fn verdicts_are_in_the_order_sent() {
        let body = r#"{"requestId":"e#1","success":true,"result":[{"id":481,"status":"updated"},
            {"status":"skipped","reasons":[{"code":"1007","message":"Multiple lead match lookup criteria"}]}]}"#;
        let verdicts = sync(Action::CreateOrUpdate, 2).decode(&answer(body)).unwrap();
        assert_eq!((verdicts[0].id, &verdicts[0].status), (Some(481), &Status::Updated));
        assert_eq!((verdicts[1].id, verdicts[1].code()), (None, "1007"));
        assert!(matches!(sync(Action::CreateOrUpdate, 3).decode(&answer(body)), Err(CallError::Garbled(_))));
    }

    #[test]
    fn too_many_and_too_much_are_not_sent() {
        assert!(matches!(sync(Action::UpdateOnly, 301).request(), Err(CallError::Unwritable(_))));
        assert!(matches!(sync(Action::UpdateOnly, 0).request(), Err(CallError::Unwritable(_))));
        let mut large = sync(Action::UpdateOnly, 300);
        for record in &mut large.records {
            record.insert("notes".into(), "x".repeat(4000).into());
        }
        assert_eq!(large.request().unwrap_err().class(), Some(wire::Class::Split));
    }
}
