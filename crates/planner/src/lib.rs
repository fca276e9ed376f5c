//! The pure core: decides what to send and never does it.
//!
//! No clock, no chance, no I/O, no `async`, no maps whose order differs between runs: the same input gives the same plan. Read in the
//! order of the modules: what a field map is, what a row becomes, what of it has changed, which Marketo person it is, and what goes back.

pub mod brake;
pub mod convert;
pub mod defaults;
pub mod diff;
pub mod expression;
pub mod fingerprint;
pub mod import_cost;
pub mod identity;
pub mod known;
mod known_map;
pub mod known_msi;
pub mod mapping;
pub mod msi;
pub mod pack;
pub mod reference;
pub mod role;
pub mod row;
pub mod schema;
pub mod scope;
pub mod source;

pub use brake::{Harm, Harms};
pub use diff::{Change, Desired};
pub use fingerprint::{FingerprintKey, Fingerprints};
pub use mapping::{FieldMap, FieldSpec, Owner};
pub use row::Row;
pub use schema::{Column, ColumnKind, DataKind, TargetField, TargetSchema};
pub use scope::{Scope, ScopeSpec};
