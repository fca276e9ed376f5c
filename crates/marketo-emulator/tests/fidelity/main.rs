//! The documented examples of the API, request by request, and every switch both ways, over the state machine itself.

#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "a test may stop at the first surprise")]

mod bench;

mod activities;
mod bulk;
mod elsewhere;
mod failures;
mod identity;
mod leads;
mod limits;
mod lists;
mod merge;
mod objects;
mod paging;
mod robust;
mod shapes;
mod switches;
