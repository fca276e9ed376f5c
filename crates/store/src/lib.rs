//! Durable state: knows records, not rules.
//!
//! State is a set of [`Family`]s of small records under ordered keys, and one way to change it: [`Store::commit`], which does all of
//! a [`Batch`] or nothing, and only for the process that holds the lease. Everything that must be true together, such as a cursor and
//! the rows it covers, is in one batch. A database needs only two statements a family for this, so that another one is little work.

pub mod batch;
pub mod copy;
pub mod error;
pub mod memory;
mod migrate;
pub mod open;
mod range;
pub mod record;
pub mod sqlite;
pub mod typed;

use async_trait::async_trait;

pub use batch::{Batch, Expect};
pub use copy::StateCopy;
pub use error::StoreError;
pub use memory::MemoryStore;
pub use open::{file_of, open, open_existing};
pub use record::{Family, Record};
pub use sqlite::SqliteStore;
pub use typed::{Pages, StoreExt};

/// The number of a lease. A later holder's is larger; a commit under an old one changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// A key and its value, as stored.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Where the state lives.
///
/// Reads see every commit that ended before them. Keys are ordered byte by byte.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The values of `keys`, in their order; `None` where there is none. Any number of keys.
    ///
    /// # Errors
    /// When the database can't be read.
    async fn get(&self, family: Family, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Up to `limit` entries whose key starts with `prefix` and is greater than `after`, in key order.
    ///
    /// # Errors
    /// When the database can't be read.
    async fn scan(&self, family: Family, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// How many keys start with `prefix`.
    ///
    /// # Errors
    /// When the database can't be read.
    async fn count(&self, family: Family, prefix: &[u8]) -> Result<u64, StoreError>;

    /// Does all of `batch`, or nothing of it. Within a batch the last change to a key wins.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when `fence` is no longer the newest lease; [`StoreError::Moved`] when an expectation of the batch does
    /// not hold; in both cases, as in every other error, nothing was changed.
    async fn commit(&self, fence: Fence, batch: Batch) -> Result<(), StoreError>;

    /// Takes the lease: from now on only commits under the returned number succeed.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when a living process has it.
    async fn acquire(&self, holder: &str) -> Result<Fence, StoreError>;

    /// Gives the lease back: from now on commits under `fence` are [`StoreError::Fenced`]. Nothing happens when another has it.
    ///
    /// # Errors
    /// When the database can't be written.
    async fn release(&self, fence: Fence) -> Result<(), StoreError>;

    /// Gives space back, where much was removed. Commits wait meanwhile: some seconds after the first load of a million people, else next
    /// to nothing. Only for the process that holds the lease.
    ///
    /// # Errors
    /// When the database can't be written, for example because the disk has no room for both. Nothing is lost by that.
    async fn tidy(&self) -> Result<(), StoreError>;

    /// The whole state as it is now, apart: what is changed in it changes nothing here. Takes as much room again until it is dropped. Only for
    /// the process that holds the lease.
    ///
    /// # Errors
    /// When the state can't be read, or there is no room for it twice.
    async fn copy(&self) -> Result<StateCopy, StoreError>;

    /// Where this is, for people: a file's path, without any password.
    fn place(&self) -> String;
}
