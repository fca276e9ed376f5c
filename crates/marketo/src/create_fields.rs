//! Custom fields of people, made through the API.
//!
//! From Adobe's "Leads" page and its OpenAPI contract ("Create Lead Fields"): name and label must be new, the name begins with a letter and has only
//! letters, digits and underscores. A field can be hidden later and never deleted. There is no such call for companies.

use http::Method;
use serde::Serialize;
use wire::{CallError, Endpoint, Replay, Request, Response};

use crate::{
    DataType, Record, envelope,
    record_verdict::{self, Verdict},
    size,
};

/// Makes custom fields of people, up to 300. It needs the permission Read-Write Schema Custom Field.
#[derive(Debug, Clone)]
pub struct CreateLeadFields {
    /// The fields.
    pub fields: Vec<NewLeadField>,
}

/// A field to be made. A text takes 255 characters.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewLeadField {
    /// The REST name.
    pub name: String,
    /// What people see as its name.
    pub display_name: String,
    /// What people read about it.
    pub description: String,
    /// Its type.
    pub data_type: DataType,
}

#[derive(Serialize)]
struct Body<'a> {
    input: &'a [NewLeadField],
}

impl Endpoint for CreateLeadFields {
    /// One verdict per field, in their order.
    type Reply = Vec<Verdict>;

    fn request(&self) -> Result<Request, CallError> {
        size::check("fields", self.fields.len(), size::RECORDS_MAX)?;
        Request::json("fields.create", Method::POST, "/rest/v1/leads/schema/fields.json", &Body { input: &self.fields }, Replay::Unsafe)
    }

    fn decode(&self, response: &Response) -> Result<Vec<Verdict>, CallError> {
        record_verdict::in_order(&envelope::rows::<Record>(response)?, self.fields.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Status, form::test::answer};

    #[test]
    fn the_request_and_the_verdict_are_as_documented() {
        let field =
            NewLeadField { name: "crmId".into(), display_name: "CRM Id".into(), description: "d".into(), data_type: DataType::String };
        let create = CreateLeadFields { fields: vec![field] };
        let request = create.request().unwrap();
        let sent: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(
            sent,
            serde_json::json!({"input": [{"name": "crmId", "displayName": "CRM Id", "description": "d", "dataType": "string"}]})
        );
        assert_eq!(request.replay, Replay::Unsafe);
        let made = create.decode(&answer(r#"{"requestId":"a#1","success":true,"result":[{"name":"crmId","status":"created"}]}"#)).unwrap();
        assert_eq!(made[0].status, Status::Created);
    }
}
