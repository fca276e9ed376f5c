//! What can be set on the emulated environment: limits, and every behaviour Microsoft leaves undocumented.
//!
//! Defaults are what is documented or, where nothing is, the most plausible; the other choices exist so that a client can be tested against them.

use std::collections::BTreeSet;

use base::Guid;

use crate::schema::MsiColumns;

/// Whether a closed lead can be updated. Microsoft's lead page says it is read-only; some environments accept updates of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedRows {
    /// 400 `0x80040203` unless the update reopens the row.
    Refuse,
    /// Updates are accepted.
    Accept,
}

/// When the delta token of a first tracked read is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaStamp {
    /// When the last page is made, as users have reported: a change made meanwhile to a row already read is missed.
    LastPage,
    /// When the first page is made: nothing is missed.
    Start,
}

/// How a throttled answer names the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// Whole seconds.
    Seconds,
    /// An HTTP date.
    Date,
    /// Not at all.
    Absent,
}

/// The status reason a lead gets when it is merged into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergedLead {
    /// Disqualified, "Lost" (2/4).
    Lost,
    /// Disqualified, "Canceled" (2/7).
    Canceled,
}

/// The `systemuser` row that stands for the client's app registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationUser {
    /// There and enabled.
    Enabled,
    /// There but disabled: 403 `0x80040225`.
    Disabled,
    /// Not there: 403 `0x80072560`.
    Missing,
}

/// Settings of an emulated environment.
#[derive(Debug, Clone)]
pub struct Options {
    /// The Entra tenant's id, as it appears in the token endpoint's path.
    pub tenant_id: String,
    /// The app registration's client id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The environment URLs a token may be asked for. Empty: the address the request came to, any loopback address, and any `*.dynamics.com`.
    pub resources: Vec<String>,
    /// How long a token lives, in seconds.
    pub token_life_s: u64,
    /// Whether any bearer token passes, without having been issued here.
    pub any_bearer: bool,
    /// The state of the application user.
    pub application_user: ApplicationUser,
    /// Privileges the caller lacks, such as `prvReadLead`: 403 `0x80040220`.
    pub missing_privileges: BTreeSet<String>,
    /// Rows the caller may not see: they vanish from every read without a trace.
    pub hidden_rows: BTreeSet<Guid>,
    /// Whether the service protection limits are enforced.
    pub enforce_limits: bool,
    /// Requests per user and window of 300 s (documented: 6,000).
    pub limit_requests: usize,
    /// Execution time per user and window of 300 s, in milliseconds (documented: 1,200,000).
    pub limit_time_ms: u64,
    /// Requests at the same time (documented: 52).
    pub limit_concurrent: usize,
    /// How the wait is named.
    pub retry_after: RetryAfter,
    /// The advised degree of parallelism, sent as `x-ms-dop-hint`; none leaves the header out.
    pub dop_hint: Option<u32>,
    /// The largest page (documented: 5,000).
    pub page_max: usize,
    /// Where `$count` stops (documented: 5,000).
    pub count_cap: usize,
    /// Days a delta token lives; also `organizations.expirechangetrackingindays` (documented: 7).
    pub delta_retention_days: u32,
    /// Whether `connection` is change-tracked.
    pub track_connections: bool,
    /// Whether `connectionrole` is change-tracked.
    pub track_connection_roles: bool,
    /// Other tables that aren't change-tracked though they usually are.
    pub untracked_tables: BTreeSet<String>,
    /// When a first read's delta token is taken.
    pub delta_stamp: DeltaStamp,
    /// Whether the deltaLink is left out when annotations were asked for, as version 8.2 did.
    pub omit_delta_link_with_annotations: bool,
    /// Whether every delta page repeats the last entry of the page before.
    pub repeat_between_delta_pages: bool,
    /// Whether every ordinary page repeats the last row of the page before.
    pub repeat_between_pages: bool,
    /// Names of the MSI columns; takes effect at the next reset.
    pub msi_columns: MsiColumns,
    /// Closed leads.
    pub closed_leads: ClosedRows,
    /// Won and lost opportunities, inactive connections.
    pub closed_others: ClosedRows,
    /// The status of a merged lead.
    pub merged_lead: MergedLead,
    /// Whether text over a column's length is refused (`0x80044331`), or stored as sent.
    pub reject_long_text: bool,
    /// Whether seeding may store text over a column's length.
    pub seed_long_text: bool,
    /// Whether deleting one row of a connection pair deletes the other.
    pub delete_mirrors: bool,
    /// Whether unlinking and re-parenting by the service moves `modifiedon`, and not the version alone.
    pub cascades_move_modifiedon: bool,
    /// Tables without CreateMultiple, UpdateMultiple and UpsertMultiple (documented: connection and systemuser among ours).
    pub no_bulk: BTreeSet<String>,
    /// How long metadata hides a new column from requests without `Consistency: Strong`, in seconds (documented: up to about 30).
    pub metadata_lag_s: u32,
    /// Where the ids the service invents come from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tenant_id: "8a3ff7c0-7a0e-4bb2-9a55-7d9b6a1f0c11".to_owned(),
            client_id: "7d0c2c6e-54a3-4d0b-9b7e-0f1f3a5c9e21".to_owned(),
            client_secret: "sandbox-secret~+/=".to_owned(),
            resources: Vec::new(),
            token_life_s: 3599,
            any_bearer: false,
            application_user: ApplicationUser::Enabled,
            missing_privileges: BTreeSet::new(),
            hidden_rows: BTreeSet::new(),
            enforce_limits: true,
            limit_requests: 6000,
            limit_time_ms: 1_200_000,
            limit_concurrent: 52,
            retry_after: RetryAfter::Seconds,
            dop_hint: Some(8),
            page_max: 5000,
            count_cap: 5000,
            delta_retention_days: 7,
            track_connections: true,
            track_connection_roles: true,
            untracked_tables: BTreeSet::new(),
            delta_stamp: DeltaStamp::LastPage,
            omit_delta_link_with_annotations: false,
            repeat_between_delta_pages: false,
            repeat_between_pages: false,
            msi_columns: MsiColumns::Mkt,
            closed_leads: ClosedRows::Refuse,
            closed_others: ClosedRows::Refuse,
            merged_lead: MergedLead::Lost,
            reject_long_text: true,
            seed_long_text: false,
            delete_mirrors: true,
            cascades_move_modifiedon: true,
            no_bulk: ["connection", "systemuser"].into_iter().map(str::to_owned).collect(),
            metadata_lag_s: 0,
            seed: 1,
        }
    }
}
