//! The whole bridge in one process and in virtual time, with one seed: random histories of both sides with everything that goes wrong,
//! watched from outside, and both sides in step in the end.

pub mod event;
pub mod history;
pub mod cast;
pub mod settings;
pub mod draw;
pub mod watch;
mod lean;
pub mod run;
pub mod oracle;
pub mod shrink;
pub mod story;

pub use draw::history;
pub use history::{History, Move};
pub use run::{Failure, Passed, check_seed, run};
