//! Both emulators together: a seeded organisation, a control interface, and an oracle that says whether the two sides agree.
//!
//! Knows nothing of the product: it meets its clients in bytes. Written from the vendors' documents.

pub mod activity;
pub mod agreement;
pub mod control;
pub mod edits;
pub mod organisation;
pub mod sandbox;
pub mod serve;

pub use agreement::Agreement;
pub use marketo_emulator::Options as MarketoOptions;
pub use organisation::{Census, Sink};
pub use sandbox::{FillError, Options, Sandbox};
pub use serve::{Ready, Running, serve, start};
