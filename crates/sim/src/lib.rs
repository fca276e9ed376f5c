//! The whole bridge in one process, over both emulators' routers, in virtual time.
//!
//! A [`World`] is both sides and the bridge's state; each of its cycles is a process of its own, with new clients over the same state.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on has failed")]
#![allow(missing_docs, reason = "the words of the tests; what isn't plain from its name says what it does")]

pub mod world;
pub mod recorder;
pub mod tap;
pub mod step;
pub mod scenario;
pub mod given;
pub mod event;
pub mod names;
pub mod outcome;
pub mod record;
pub mod rules;
pub mod simulation;

pub use world::World;
