//! What other parts of Marketo would list: nothing, said the way Marketo says it.

use serde_json::{Value, json};

use crate::{
    answer::{Answer, Outcome, Reason, Reply},
    call::{Call, input},
    state::State,
    value::time,
};

/// Name, label, type and whether it can be written.
type Spec = (&'static str, &'static str, &'static str, bool);

const PROGRAM_MEMBER: &[Spec] = &[
    ("acquiredBy", "Acquired By", "boolean", false),
    ("attendanceLikelihood", "Attendance Likelihood", "integer", false),
    ("createdAt", "Created At", "datetime", false),
    ("isExhausted", "Exhausted", "boolean", false),
    ("leadId", "Person Id", "integer", false),
    ("membershipDate", "Membership Date", "datetime", false),
    ("nurtureCadence", "Nurture Cadence", "string", false),
    ("program", "Program", "string", false),
    ("programId", "Program Id", "integer", false),
    ("reachedSuccess", "Success", "boolean", false),
    ("reachedSuccessDate", "Success Date", "datetime", false),
    ("registrationCode", "Registration Code", "string", true),
    ("statusName", "Program Status", "string", false),
    ("statusReason", "Status Reason", "string", true),
    ("trackName", "Track Name", "string", false),
    ("updatedAt", "Updated At", "datetime", false),
    ("waitlistPriority", "Waitlist Priority", "integer", false),
    ("webinarUrl", "Webinar Url", "string", true),
];

const NAMED_ACCOUNT: &[Spec] = &[
    ("annualRevenue", "Annual Revenue", "currency", true),
    ("city", "City", "string", true),
    ("country", "Country", "string", true),
    ("createdAt", "Created At", "datetime", false),
    ("domainName", "Domain Name", "string", true),
    ("industry", "Industry", "string", true),
    ("marketoGUID", "Marketo GUID", "string", false),
    ("membershipCount", "Membership Count", "integer", false),
    ("name", "Name", "string", true),
    ("numberOfEmployees", "Number of Employees", "integer", true),
    ("opptyAmount", "Oppty Amount", "currency", false),
    ("opptyCount", "Oppty Count", "integer", false),
    ("updatedAt", "Updated At", "datetime", false),
];

impl State {
    /// `GET /rest/v1/programs/members/describe`, and its older path.
    pub(crate) fn describe_program_members(&self) -> Outcome {
        let searchable = json!([["leadId"], ["reachedSuccess"], ["statusName"], ["leadId", "statusName"], ["updatedAt"]]);
        let mut described = self.described_elsewhere("API Program Membership", &["leadId", "programId"], searchable, PROGRAM_MEMBER);
        described["description"] = json!("API Program Membership Map");
        Reply::one(described).into()
    }

    /// `GET /rest/v1/namedaccounts/describe`.
    pub(crate) fn describe_named_accounts(&self) -> Outcome {
        let mut described = self.described_elsewhere("namedAccount", &["name"], json!([["marketoGUID"], ["name"]]), NAMED_ACCOUNT);
        (described["idField"], described["displayName"]) = (json!("marketoGUID"), json!("Named Account"));
        Reply::one(described).into()
    }

    fn described_elsewhere(&self, name: &str, key: &[&str], searchable: Value, fields: &[Spec]) -> Value {
        let born = time(self.born, &self.options);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, label, data_type, updateable)| {
                json!({"name": name, "displayName": label, "dataType": data_type, "updateable": updateable, "crmManaged": false})
            })
            .collect();
        json!({
            "name": name, "createdAt": born, "updatedAt": born, "dedupeFields": key, "searchableFields": searchable, "fields": fields,
        })
    }

    /// `POST /rest/v1/activities/external`: there are no custom types, so none of the activities is taken. Unlike anywhere else the
    /// reasons of a record are called `errors` here.
    pub(crate) fn custom_activities(call: &Call<'_>) -> Answer {
        let records = input(&mut call.json()?)?;
        let refused = records.iter().map(|record| {
            let reason = Reason::new("1013", format!("Activity type '{}' not found", record.get("activityTypeId").unwrap_or(&Value::Null)));
            json!({"leadId": record.get("leadId"), "status": "skipped", "errors": [reason]})
        });
        Ok(Reply::of(refused.collect()).into())
    }

    /// Campaigns, programs, memberships of programs and campaigns.
    pub(crate) fn empty_list() -> Outcome {
        Reply { more: Some(false), ..Reply::of(Vec::new()) }.into()
    }

    /// The Asset API leaves the result out and warns, with a plain text; clients stop their paging at exactly this one.
    pub(crate) fn no_assets() -> Outcome {
        Reply { warnings: vec!["No assets found for the given search criteria.".into()], ..Reply::default() }.into()
    }
}
