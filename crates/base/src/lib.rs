//! Words that every crate shares: time, ids, secrets, seeded chance, the values of a row.
//!
//! Nothing here does I/O or waits; nothing here knows a vendor.

pub mod dice;
pub mod guid;
pub mod kind;
pub mod secret;
pub mod time;
pub mod values;

pub use dice::Dice;
pub use guid::Guid;
pub use kind::{Object, RecordId, Table};
pub use secret::Secret;
pub use time::{Clock, Timestamp};
pub use values::{Names, Values};
