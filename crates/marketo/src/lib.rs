//! Typed client for the Marketo Engage REST API.
//!
//! A call is a value: its fields are the parameters, [`wire::Endpoint::request`] writes it, [`wire::Endpoint::decode`] reads the
//! answer, and neither sends anything. [`Client`] sends. What the vendor documents (limits, codes, quirks) lives here and nowhere above;
//! what to synchronise does not live here.
//!
//! Refused on purpose: the access token as a parameter (it is being withdrawn), asynchronous processing of a sync (its result is not
//! documented), the Asset API, lists, programs and custom objects.

pub mod client;
pub mod options;
pub mod token;

pub mod code;
pub mod envelope;
pub mod judge;

pub mod page;
pub mod place;
pub mod size;

pub mod create_fields;
pub mod describe;
pub mod lead;
pub mod object;
pub mod push_leads;
pub mod record_verdict;

pub mod delete_leads;
pub mod merge_leads;

pub mod activity;
pub mod activity_type;
pub mod usage;

pub mod extract;
pub mod import;
pub mod import_file;

mod form;
mod moment;
mod number;

pub use activity::{Activities, Activity, ActivityPage, DeletedLeads, FieldChange, LeadChanges, PagingTokenSince};
pub use activity_type::{ActivityType, ActivityTypes};
pub use base::Object;
pub use client::Client;
pub use create_fields::CreateLeadFields;
pub use delete_leads::DeleteLeads;
pub use describe::{DataType, Describe, DescribeLeads, DescribeLeadsOld, Description, Field};
pub use extract::{CancelExtract, CreateExtract, EnqueueExtract, ExtractFile, ExtractFilter, ExtractJob, ExtractState, GetExtract};
pub use import::{GetImport, ImportFailures, ImportJob, ImportLeads, ImportState, ImportWarnings, ReportedRow};
pub use import_file::ImportFile;
pub use lead::{GetLead, GetLeads};
pub use merge_leads::MergeLeads;
pub use object::{DeleteObjects, KeyBy, QueryObjects, QueryRoles, SyncObjects};
pub use options::Options;
pub use page::{Page, PageToken};
pub use place::Place;
pub use push_leads::{Action, SyncLeads};
pub use record_verdict::{Reason, Status, Verdict};
pub use usage::{DayUsage, Days, Usage, UsageErrors};

/// What a client sends and receives as a record: field to value.
pub type Record = serde_json::Map<String, serde_json::Value>;
