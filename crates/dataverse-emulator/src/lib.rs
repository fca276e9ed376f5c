//! An emulator of the Dataverse Web API, written from Microsoft's documents.
//!
//! [`State`] is the whole environment as a state machine: it implements [`emulator::Emulator`], so the shared router can serve it, and has
//! methods to seed and change rows and the schema from the outside. It knows no client of ours and does no I/O; time comes in as an argument.
//!
//! Reading order: [`options`], [`schema`], `value`, `row`, `store` for what is kept; `rules` for what a write means; then the HTTP surface from
//! `web` on.

pub mod options;
pub mod schema;
pub mod state;
pub mod value;

mod row;
mod store;

mod rules;

mod base64;
mod error;
mod gate;
mod headers;

mod odata;
mod tabular;
mod token;
mod web;

pub use options::Options;
pub use rules::lifecycle::Qualify;
pub use state::{Fixtures, State};
