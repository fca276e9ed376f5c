//! What both emulators share: exchanges as plain data, faults on request, and the router that serves a state machine.
//!
//! Knows no vendor and none of our clients: emulators meet a client in bytes, never in types.

pub mod exchange;
pub mod faults;
pub mod journal;
pub mod record;
pub mod router;
pub mod serve;

mod broken;
mod compress;

pub use exchange::{Emulator, Request, Response};
pub use faults::{Effect, Fault, Faults, Latency, Level, Spoil, When};
pub use journal::{Exchange, Journal};
pub use record::Recorder;
pub use router::Served;
pub use serve::{Bound, bind};
