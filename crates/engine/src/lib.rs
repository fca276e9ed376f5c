//! The shell around the planner: reads both sides, lets the planner decide, saves, sends, and saves what came of it.
//!
//! Read in this order: [`cycle`] is one pass from beginning to end; [`capture`], [`push`] and [`write_back`] are its three parts;
//! [`prepare`] is what they all start from; [`dynamics`] and [`marketo`] are the only places that know the two clients.
//!
//! What others await is boxed here, so that it is compiled once and not again in every crate that awaits it.

pub mod audit;
mod bootstrap;
pub mod bound;
pub mod bridge;
pub mod calls;
pub mod capture;
pub mod cycle;
mod chain;
pub mod codes;
pub mod defect;
mod import;
mod intent;
mod task;
pub mod dynamics;
pub mod draft;
pub mod erase;
pub mod inspect;
pub mod error;
pub mod fix;
pub mod forecast;
pub mod held;
pub mod map;
pub mod marketo;
pub mod mend;
mod metadata;
mod noticed;
pub mod options;
pub mod pause;
pub mod plan;
pub mod prepare;
pub mod progress;
pub mod push;
mod refers;
mod renew;
mod repair;
pub mod schema_change;
mod share;
pub mod status;
pub mod support;
pub mod check;
pub mod summary;
pub mod supervisor;
pub mod write_back;

pub use bridge::Bridge;
pub use calls::Quota;
pub use error::{Problem, Side, SyncError};
pub use options::Options;
pub use planner::Harm;
pub use progress::{Progress, Step};
pub use summary::Summary;
