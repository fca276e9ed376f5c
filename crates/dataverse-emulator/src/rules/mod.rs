//! What a write means: computed columns, states, mirrors, cascades.

pub mod computed;
pub mod connection;
pub mod convert;
pub mod fixtures;
pub mod lifecycle;
pub mod sales;
pub mod seed;
pub mod state_reason;
pub mod tie;
pub mod write;

use base::Guid;

/// Who writes, and when.
#[derive(Debug, Clone, Copy)]
pub struct Actor {
    /// The user whose name lands in `modifiedby`.
    pub user: Guid,
    /// The caller behind an impersonated user.
    pub behalf: Option<Guid>,
    /// Now, in seconds since 1970.
    pub now: i64,
}

/// On whose account a write happens, which decides what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A client through the API.
    Client,
    /// The service itself: cascades, merges, mirrors.
    Service,
    /// The outside: seeding.
    Seed,
}
