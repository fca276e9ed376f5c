//! The simulation: many seeds end in step, each the same way twice; and broken bridges are caught.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test that can't go on has failed")]
#![allow(clippy::print_stdout, reason = "which seed finds a mistake is worth knowing")]

mod defects;
mod seeds;
