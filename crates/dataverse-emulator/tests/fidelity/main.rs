//! The emulator against Microsoft's documented examples, request by request, without a server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod batch;
mod bulk;
mod changes;
mod connections;
mod deep;
mod identity;
mod lifecycle;
mod limits;
mod metadata;
mod nonsense;
mod paging;
mod queries;
mod relationships;
mod rows;
mod tabular;
mod world;
mod writes;
