//! What both emulators share: exchanges as plain data, faults on request, and the router that serves a state machine.
//!
//! Knows no vendor and none of our clients: emulators meet a client in bytes, never in types.

pub mod exchange;

pub use exchange::{Emulator, Request, Response};
