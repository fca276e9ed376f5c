//! Typed client for the Dataverse Web API 9.2.
//!
//! A call is a value: its fields are the parameters, [`wire::Endpoint::request`] writes it, [`wire::Endpoint::decode`] reads the
//! answer, and neither sends anything. [`Client`] sends. Tokens come from Microsoft Entra ID. What the vendor documents (limits, codes,
//! quirks) lives here and nowhere above; what to synchronise does not live here.
//!
//! Refused on purpose: cookies (limits are per web server, and affinity would pin us to one), impersonation, `$skip`, deletes in bulk.

pub mod associate;
pub mod batch;
pub mod bulk;
pub mod client;
pub mod codes;
pub mod column;
pub mod customize;
mod entra;
mod fault;
pub mod filter;
pub mod key;
pub mod link;
pub mod literal;
pub mod login;
pub mod metadata;
mod multipart;
mod odata;
pub mod options;
pub mod page;
pub mod query;
pub mod read;
pub mod row;
pub mod row_counts;
pub mod verdict;
pub mod whoami;
pub mod write;

pub use associate::{Associate, Disassociate};
pub use base::Guid;
pub use batch::{Batch, Part, PartOutcome};
pub use bulk::{BulkAvailable, BulkMessage, CreateMultiple, UpdateMultiple, UpsertMultiple};
pub use client::Client;
pub use codes::{is_closed, is_duplicate_key, is_expired_delta, is_not_tracked, is_sql_conflict, is_stale_version};
pub use column::{Column, ColumnKind};
pub use customize::{AddColumn, GetDefinition, NewColumnKind, Publish, PutDefinition, TableDefinition};
pub use filter::{Compare, Filter};
pub use key::{Key, bind};
pub use link::Link;
pub use literal::Literal;
pub use metadata::{Relation, Relations, Table};
pub use options::{Credential, Options};
pub use page::{BadRow, Item, Items, Page};
pub use query::{Expand, Query};
pub use read::{Follow, Get, List};
pub use row::{Lookup, Row};
pub use row_counts::RowCounts;
pub use whoami::{Organization, OrganizationSettings, WhoAmI, WhoAmIReply};
pub use write::{Create, Created, Delete, Update, Upsert, UpsertMode, Upserted};

/// What is written to a row: column to value.
pub type NewValues = serde_json::Map<String, serde_json::Value>;
