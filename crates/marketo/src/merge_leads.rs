//! Merging leads.
//!
//! From Adobe's "Leads" page. The winner keeps its values unless they are empty, and gets the losers' activities. The answer says only
//! that it was done. Repeating it finds the losers gone (1004), so it is never sent again blindly.

use std::time::Duration;

use http::Method;
use serde::de::IgnoredAny;
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{envelope::Envelope, form, size};

/// The server's own limit for this call is 180 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(210);

/// Merges 1 to 25 leads into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeLeads {
    /// The lead that stays.
    pub winner: i64,
    /// The leads that go.
    pub losers: Vec<i64>,
}

impl Endpoint for MergeLeads {
    type Reply = ();

    fn request(&self) -> Result<Request, CallError> {
        size::check("losers", self.losers.len(), size::LOSERS_MAX)?;
        if self.losers.contains(&self.winner) {
            return Err(CallError::Unwritable("a lead can't be merged into itself".into()));
        }
        let path = format!("/rest/v1/leads/{}/merge.json", self.winner);
        let address = form::address(&path, &[("leadIds", &form::numbers(&self.losers))])?;
        let mut request = Request::get("leads.merge", address).header("content-type", "application/json");
        request.method = Method::POST;
        request.timeout = ANSWER_WITHIN;
        request.replay = Replay::Unsafe;
        Ok(request)
    }

    fn decode(&self, response: &Response) -> Result<(), CallError> {
        Envelope::<IgnoredAny>::read(response).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::test::answer;

    #[test]
    fn a_merge_names_its_losers_and_has_no_result() {
        let call = MergeLeads { winner: 7, losers: vec![8, 9] };
        let request = call.request().unwrap();
        assert_eq!(request.target, wire::Target::Below("/rest/v1/leads/7/merge.json?leadIds=8%2C9".into()));
        assert_eq!(request.replay, Replay::Unsafe);
        assert!(call.decode(&answer(r#"{"requestId":"g#1","success":true}"#)).is_ok());
        assert!(MergeLeads { winner: 7, losers: vec![7] }.request().is_err());
        assert!(MergeLeads { winner: 7, losers: (8..34).collect() }.request().is_err());
    }
}
