//! Deleting leads.
//!
//! From Adobe's "Leads" page. Leads are deleted by Marketo's id only. Deleting twice does no harm: the second time the lead is skipped
//! with 1004.

use http::Method;
use serde::Serialize;
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{
    Record, code, envelope,
    record_verdict::{self, Verdict},
    size,
};

/// One deletion of 1 to 300 leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteLeads {
    /// Marketo's ids.
    pub ids: Vec<i64>,
}

#[derive(Serialize)]
struct Body {
    input: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    id: i64,
}

impl Endpoint for DeleteLeads {
    /// One verdict per id, in the order of the ids.
    type Reply = Vec<Verdict>;

    fn request(&self) -> Result<Request, CallError> {
        size::check("ids", self.ids.len(), size::RECORDS_MAX)?;
        let body = Body { input: self.ids.iter().map(|id| Key { id: *id }).collect() };
        let request = Request::json("leads.delete", Method::POST, "/rest/v1/leads/delete.json", &body, Replay::Safe)?;
        Ok(Request { divisible: true, ..request })
    }

    fn decode(&self, response: &Response) -> Result<Vec<Verdict>, CallError> {
        record_verdict::in_order(&envelope::rows::<Record>(response)?, self.ids.len())
    }
}

impl Verdict {
    /// Whether, after a deletion, the record is not there: it was deleted now or was gone already.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.status == crate::Status::Deleted || [code::LEAD_NOT_FOUND, code::OBJECT_NOT_FOUND].contains(&self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::test::answer;

    #[test]
    fn what_was_gone_already_is_gone() {
        let call = DeleteLeads { ids: vec![481, 999] };
        assert_eq!(call.request().unwrap().body, r#"{"input":[{"id":481},{"id":999}]}"#);
        let body = r#"{"requestId":"f#1","success":true,"result":[{"id":481,"status":"deleted"},
            {"id":999,"status":"skipped","reasons":[{"code":"1004","message":"Lead not found"}]}]}"#;
        let verdicts = call.decode(&answer(body)).unwrap();
        assert!(verdicts.iter().all(Verdict::is_gone));
        assert!(!verdicts[1].is_confirmed());
    }
}
