//! An emulator of the Marketo Engage REST API as a plain state machine.
//!
//! [`State`] implements [`emulator::Emulator`]: a request and the time go in, an answer comes out. Nothing here waits, reads a clock,
//! opens a socket or does arithmetic with chance that a seed doesn't decide. It knows none of our clients: it meets them in bytes.
//!
//! It answers as Adobe's developer documents say; where they are silent or contradict each other, [`Options`] has a switch per question,
//! and its default is the answer we think most likely. What it does not have: the Asset API except for static lists (listings are
//! empty), campaigns, programs, custom objects, named accounts, custom activities, webhooks and the Data Ingestion API.

mod choices;
pub mod options;
pub mod schema;

mod cell;
mod index;
mod log;
mod mark;
mod standard;
mod table;
mod text;
mod value;

mod answer;
mod call;
mod limits;
mod permit;
mod route;
mod tokens;

mod activities;
mod activity_types;
mod control;
mod delimited;
mod describe;
mod export;
mod export_file;
mod feed;
mod fields;
mod import;
mod lag;
mod lead_delete;
mod lead_read;
mod lead_sync;
mod lead_write;
mod list_assets;
mod listings;
mod lists;
mod merge;
mod multipart;
mod object_delete;
mod object_read;
mod object_sync;
mod object_write;
mod partitions;
mod person;
mod queue;
mod serve;
mod sha256;
mod shape;
mod spoil;
mod state;
mod stats;

pub use control::SeedError;
pub use options::{
    ActivityTokens, ApiClient, Codes, CompanyFields, EmptyResult, EmptyText, ErrorLevel, MergeIds, Nulls, Options, Overlong, Permission,
    ReadOnly, RelativeScoreName, Throttle, UnknownLead, UnknownParent, Unlink, UrgencyName, Warnings,
};
pub use schema::{DataType, FieldSpec, Object};
pub use state::State;
