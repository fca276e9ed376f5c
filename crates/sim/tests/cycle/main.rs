//! Whole cycles over both emulators, in this process and in virtual time: one module for each rule of the data.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test that can't go on has failed")]

use sim::world;

mod first_sync;
mod order;
mod spellings;
mod identity;
mod fields;
mod owners;
mod companies;
mod roles;
mod deaths;
mod faults;
mod held;
mod dismissed;
mod outages;
mod lost_answers;
mod window;
mod write_back;
mod capture;
mod strangers;
mod joins;
mod joins_killed;
mod partings;
mod on_request;
mod pages;
mod bound;
mod inspected;
mod audited;
mod planned;
mod checked;
mod fixed;
mod schema_changes;
mod schema_columns;
mod moments;
mod beside;
mod served;
mod steered;
mod broken;
mod bulk;
