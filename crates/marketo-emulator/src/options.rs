//! Every limit and every open question of the API as a plain field, with its default.
//!
//! Holds values only; what they do is decided where they are read. The documents leave many details open: a test sets a field, a
//! client must live with every setting.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use crate::choices::{
    ActivityTokens, Codes, CompanyFields, EmptyResult, EmptyText, ErrorLevel, MergeIds, Nulls, Overlong, ReadOnly, RelativeScoreName,
    Throttle, UnknownLead, UnknownParent, Unlink, UrgencyName, Warnings,
};

/// How the emulator behaves. Change it between any two requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Client id of the custom service ("LaunchPoint").
    pub client_id: String,
    /// Its secret. Not a real one: it only has to be the one the client was given.
    pub client_secret: String,
    /// The API-only user that owns the service; shown as `scope` by the identity endpoint and as `userId` by the usage statistics.
    pub api_user: String,
    /// What that user's role allows. Default: everything. A missing permission answers 603.
    pub permissions: BTreeSet<Permission>,
    /// Further custom services, each with a token of its own.
    pub other_clients: Vec<ApiClient>,
    /// Where access tokens take their chance from.
    pub seed: u64,
    /// The account id, such as `123-ABC-456`; for show, since every origin is answered.
    pub munchkin_id: String,

    /// Whether rate (606), concurrency (615) and daily quota (607) refuse calls. They are counted in any case.
    pub enforce_limits: bool,
    /// Calls per day of the subscription. Adobe's "best practices" page names 50,000 as usual.
    pub daily_quota: u64,
    /// Calls per rolling window: 100 according to the same page.
    pub rate_max: usize,
    /// Length of that window in seconds: 20.
    pub rate_window_s: u64,
    /// Calls in flight: 10.
    pub concurrency_max: u32,
    /// HTTP status of 606, 607 and 615: 200 as documented, 429 and 503 have been seen at gateways.
    pub throttle_status: u16,
    /// Whether these come in an envelope or as a gateway's plain text.
    pub throttle: Throttle,
    /// Seconds that these name in a `Retry-After` header; none has been documented.
    pub throttle_retry_after_s: Option<u64>,
    /// Life of a token in seconds: 3600.
    pub token_life_s: u64,
    /// So many of the next identity answers say `expires_in: 0`, for a token that dies a second later.
    pub expires_in_zero: u32,
    /// Whether the withdrawn `access_token` parameter still counts as a token.
    pub legacy_access_token: bool,

    /// Whether `externalPersonId` may be a `lookupField`; if not, response-level 1011. It stays usable as `filterType`.
    pub external_person_id_lookup: bool,
    /// Whether the lead schema has `externalPersonId` at all (the Sales Insight feature is on).
    pub external_person_id_described: bool,
    /// What an empty text does to a lead field.
    pub empty_text: EmptyText,
    /// What `externalCompanyId: null` does to a lead that has a company.
    pub company_unlink: Unlink,
    /// What company-type fields in a lead record do.
    pub company_fields: CompanyFields,
    /// A sales person's `email` is accepted on update and stays as it was.
    pub sales_person_email_frozen: bool,
    /// A sales person's `email` on update skips the record with 1003. Goes before the above.
    pub sales_person_email_refused: bool,
    /// Unknown `externalCompanyId` and `externalSalesPersonId` are stored as they are instead of skipping the record with 1013; an
    /// opportunity's `externalSalesPersonId` is refused all the same, since its code, 718, is documented.
    pub accept_dangling: bool,
    /// The code of a record that names something that isn't there.
    pub unknown_parent: UnknownParent,
    /// Whether an opportunity's unknown sales person (718) refuses the whole request or its record.
    pub unknown_owner: ErrorLevel,
    /// Under which name the relative score is described.
    pub relative_score: RelativeScoreName,
    /// Under which names urgency is described.
    pub urgency: UrgencyName,
    /// What happens to a text longer than its field.
    pub overlong: Overlong,
    /// What happens to a read-only field in a sync.
    pub read_only: ReadOnly,
    /// Whether changes of `msi…`, `priority`, `urgency` and the tiers make a type-13 activity and bump `updatedAt`.
    pub msi_in_lead_changes: bool,
    /// Whether merge losers are listed among the deleted leads, besides the type-32 activity of the winner.
    pub merge_losers_deleted: bool,
    /// Shape of the `Merge IDs` attribute.
    pub merge_ids: MergeIds,
    /// Seconds until a new activity shows.
    pub activity_delay_s: u64,
    /// Seconds until a filter finds a newly created record, or a changed one by its new values. Lookups of a sync see both at once.
    pub read_lag_s: u64,
    /// Two upserts of one key that are in flight together make two leads, as Adobe's "leads" page warns. A request counts as in flight
    /// from its admission on.
    pub upsert_race: bool,
    /// A native CRM sync is on: writes of companies, sales persons and opportunities answer 1018, roles aren't available at all.
    pub native_crm: bool,
    /// What "get lead by id" says for an unknown id.
    pub unknown_lead: UnknownLead,
    /// No page is longer than this, whatever `batchSize` says.
    pub page_size_max: Option<usize>,
    /// Activity listings put an empty page with `moreResult: true` before every other.
    pub empty_pages: bool,
    /// Whether an empty requested field is `null` or left out. Default fields are always there.
    pub nulls: Nulls,
    /// How codes are written.
    pub codes: Codes,
    /// What a search that finds nothing answers.
    pub empty_result: EmptyResult,
    /// Warnings beside a good result.
    pub warnings: Warnings,
    /// Marketo GUIDs of opportunities and roles end in blanks, as in Adobe's samples.
    pub padded_guids: bool,
    /// `id`, `leadId` and `batchId` of answers are texts.
    pub ids_as_text: bool,
    /// Answers have no `seq`.
    pub omit_seq: bool,
    /// What paging tokens of activities are.
    pub activity_tokens: ActivityTokens,
    /// Currency and float values are quoted.
    pub currency_as_text: bool,
    /// Datetimes end in `+0000` instead of `Z`.
    pub offset_datetimes: bool,
    /// External keys match with case.
    pub case_sensitive_keys: bool,
    /// A deleted company keeps its sales person from being deleted, as the "sales persons" page says.
    pub deleted_company_holds_owner: bool,
    /// Whether seeding may store companies, sales persons, opportunities and roles whose key is taken. Leads always may.
    pub seed_duplicate_keys: bool,
    /// Leads one filter query may match: 1,000, above it 1003.
    pub matches_max: usize,
    /// Lead partitions by name; the first has id 1 and takes new leads.
    pub partitions: Vec<String>,

    /// Seconds a bulk job waits in the queue before it starts.
    pub bulk_queue_s: u64,
    /// Seconds it then runs.
    pub bulk_run_s: u64,
    /// Bulk jobs queued or running, per direction: 10.
    pub bulk_queue_max: usize,
    /// Of these running: 2.
    pub bulk_running_max: usize,
    /// Whether imports that end now end as `Failed`, with nothing done: a status that is documented, and when it comes isn't.
    pub bulk_import_fails: bool,
    /// Whether the extract has the `updatedAt` filter; if not, 1035.
    pub updated_at_extract: bool,
    /// Bytes extracted per day, all integrations together: 500 MB.
    pub export_daily_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: "emulated-client".into(),
            client_secret: "emulated-secret".into(),
            api_user: "crm-sync@example.com".into(),
            permissions: Permission::all(),
            other_clients: Vec::new(),
            seed: 0,
            munchkin_id: "123-ABC-456".into(),
            enforce_limits: true,
            daily_quota: 50_000,
            rate_max: 100,
            rate_window_s: 20,
            concurrency_max: 10,
            throttle_status: 200,
            throttle: Throttle::Envelope,
            throttle_retry_after_s: None,
            token_life_s: 3600,
            expires_in_zero: 0,
            legacy_access_token: false,
            external_person_id_lookup: true,
            external_person_id_described: true,
            empty_text: EmptyText::Clears,
            company_unlink: Unlink::Skip,
            company_fields: CompanyFields::RefusedWhenLinked,
            sales_person_email_frozen: false,
            sales_person_email_refused: false,
            accept_dangling: false,
            unknown_parent: UnknownParent::NotFound,
            unknown_owner: ErrorLevel::Response,
            relative_score: RelativeScoreName::Both,
            urgency: UrgencyName::Both,
            overlong: Overlong::Skip,
            read_only: ReadOnly::Skip,
            msi_in_lead_changes: false,
            merge_losers_deleted: false,
            merge_ids: MergeIds::Text,
            activity_delay_s: 0,
            read_lag_s: 0,
            upsert_race: false,
            native_crm: false,
            unknown_lead: UnknownLead::Error,
            page_size_max: None,
            empty_pages: false,
            nulls: Nulls::Explicit,
            codes: Codes::Text,
            empty_result: EmptyResult::List,
            warnings: Warnings::Rare,
            padded_guids: false,
            ids_as_text: false,
            omit_seq: false,
            activity_tokens: ActivityTokens::Places,
            currency_as_text: false,
            offset_datetimes: false,
            case_sensitive_keys: false,
            deleted_company_holds_owner: true,
            seed_duplicate_keys: false,
            matches_max: 1_000,
            partitions: vec!["Default".into()],
            bulk_queue_s: 1,
            bulk_run_s: 2,
            bulk_queue_max: 10,
            bulk_running_max: 2,
            bulk_import_fails: false,
            updated_at_extract: true,
            export_daily_bytes: 500 * 1024 * 1024,
        }
    }
}

/// A custom service besides the main one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiClient {
    /// Client id.
    pub id: String,
    /// Client secret.
    pub secret: String,
    /// The API-only user that owns it.
    pub user: String,
    /// What its role allows.
    pub permissions: BTreeSet<Permission>,
}

/// A permission of an API-only role, as Adobe's "custom services" page lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Read-Only Lead.
    ReadLead,
    /// Read-Write Lead.
    WriteLead,
    /// Read-Only Company.
    ReadCompany,
    /// Read-Write Company.
    WriteCompany,
    /// Read-Only Sales Person.
    ReadSalesPerson,
    /// Read-Write Sales Person.
    WriteSalesPerson,
    /// Read-Only Opportunity; covers roles.
    ReadOpportunity,
    /// Read-Write Opportunity; covers roles.
    WriteOpportunity,
    /// Read-Only Activity.
    ReadActivity,
    /// Read-Write Activity.
    WriteActivity,
    /// Read-Write Schema Standard Field.
    SchemaStandard,
    /// Read-Write Schema Custom Field.
    SchemaCustom,
}

impl Permission {
    /// All of them.
    #[must_use]
    pub fn all() -> BTreeSet<Self> {
        [
            Self::ReadLead,
            Self::WriteLead,
            Self::ReadCompany,
            Self::WriteCompany,
            Self::ReadSalesPerson,
            Self::WriteSalesPerson,
            Self::ReadOpportunity,
            Self::WriteOpportunity,
            Self::ReadActivity,
            Self::WriteActivity,
            Self::SchemaStandard,
            Self::SchemaCustom,
        ]
        .into()
    }
}
