//! Who we are to the environment, and what it says about itself.

use base::Guid;
use serde::Deserialize;
use wire::{CallError, Endpoint, Request, Response};

use crate::{
    odata,
    page::{Item, Page},
    query::Query,
};

/// The test of a connection: token, address and application user are all good when it answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhoAmI;

/// Who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoAmIReply {
    /// Our `systemuser` row: what writes of ours show as `modifiedby`.
    pub user_id: Guid,
    /// The environment's organization.
    pub organization_id: Guid,
    /// Our business unit.
    pub business_unit_id: Guid,
    /// How many calls at once the environment recommends, when it says; Microsoft's "Send parallel requests" page names the header.
    pub parallel_hint: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ids {
    user_id: Guid,
    organization_id: Guid,
    business_unit_id: Guid,
}

impl Endpoint for WhoAmI {
    type Reply = WhoAmIReply;

    fn request(&self) -> Result<Request, CallError> {
        odata::get("whoami", "/WhoAmI".into())
    }

    fn decode(&self, response: &Response) -> Result<WhoAmIReply, CallError> {
        let Ids { user_id, organization_id, business_unit_id } = odata::read(response)?;
        let parallel_hint = response.header("x-ms-dop-hint").and_then(|hint| hint.trim().parse().ok()).filter(|hint| *hint > 0);
        Ok(WhoAmIReply { user_id, organization_id, business_unit_id, parallel_hint })
    }
}

/// The environment's own settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Organization;

/// What matters of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationSettings {
    /// The organization's key.
    pub id: Guid,
    /// For how many days a delta link stays good. Documented as 7; 30 and 90 were seen. `None`: not told.
    pub delta_retention_days: Option<u32>,
}

impl Endpoint for Organization {
    type Reply = OrganizationSettings;

    fn request(&self) -> Result<Request, CallError> {
        odata::get("organization", Query::select(["expirechangetrackingindays"]).path("organizations")?)
    }

    fn decode(&self, response: &Response) -> Result<OrganizationSettings, CallError> {
        let page = Page::read(response, Some("organizationid"))?;
        let row = page.items.into_iter().find_map(|item| if let Item::Row(row) = item { Some(row) } else { None });
        let row = row.ok_or_else(|| CallError::Garbled("no organization".into()))?;
        let id = row.guid("organizationid").ok_or_else(|| CallError::Garbled("an organization without key".into()))?;
        let days = row.integer("expirechangetrackingindays").and_then(|days| u32::try_from(days).ok()).filter(|days| *days > 0);
        Ok(OrganizationSettings { id, delta_retention_days: days })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    #[test]
    fn the_documented_answer_reads() {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-ms-dop-hint"), HeaderValue::from_static("12"))]);
        let body = r##"{"@odata.context":"https://contoso.crm.dynamics.com/api/data/v9.2/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse","BusinessUnitId":"c7d40000-0000-0000-0000-000000000000","UserId":"d3a1f0c4-52be-4e0a-8b7d-1c9f6a2e7701","OrganizationId":"5b90e6d2-0c41-4f7e-b1aa-6e2d8c3f9415"}"##;
        let reply = WhoAmI.decode(&Response { status: StatusCode::OK, headers, body: body.into() }).unwrap();
        assert_eq!((reply.user_id.to_string().as_str(), reply.parallel_hint), ("d3a1f0c4-52be-4e0a-8b7d-1c9f6a2e7701", Some(12)));
    }

    #[test]
    fn retention_may_be_untold() {
        let decode = |days: &str| {
            let body =
                format!(r#"{{"value":[{{"organizationid":"5b90e6d2-0c41-4f7e-b1aa-6e2d8c3f9415","expirechangetrackingindays":{days}}}]}}"#);
            Organization
                .decode(&Response { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() })
                .unwrap()
                .delta_retention_days
        };
        assert_eq!((decode("30"), decode("null"), decode("-1")), (Some(30), None, None));
    }
}
