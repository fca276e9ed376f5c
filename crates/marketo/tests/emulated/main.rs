//! The client against the emulator, in this process and in virtual time: same bytes as over the network, no sockets, no waiting.

// Whatever is unexpected here fails a test; clippy knows that only of functions that are tests themselves.
#![allow(clippy::unwrap_used)]

mod jobs;
mod limits;
mod reading;
mod trouble;
mod world;
mod writing;
