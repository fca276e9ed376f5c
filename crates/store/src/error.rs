//! What can go wrong with the state, and what to do then.

/// Why state could not be read or changed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A living process works on this bridge.
    #[error("another process is working on this bridge ({holder}); wait until it has ended, or stop it")]
    Busy {
        /// What that process calls itself.
        holder: String,
    },
    /// A later process has taken the lease; this one must stop.
    #[error("another process has taken this bridge over; this one changed nothing more")]
    Fenced,
    /// Something was not as the batch expected.
    #[error("the state of {what} was changed by someone else meanwhile")]
    Moved {
        /// The family of the expectation.
        what: &'static str,
    },
    /// The database was made by a newer version of this program.
    #[error("this state was written by a newer version (schema {found}, this program knows {known}); use that version")]
    TooNew {
        /// The schema found.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A saved record can't be read.
    #[error("a saved {what} record can't be read: {why}")]
    Unreadable {
        /// The family.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The database refused.
    #[error("the state database at {place} could not be used: {why}")]
    Database {
        /// Where it is, without a password.
        place: String,
        /// What it said.
        why: String,
    },
    /// The folder of the state's file isn't there.
    #[error("there is no folder {folder} for the state; make it first, or correct state.url")]
    NoFolder {
        /// The folder.
        folder: String,
    },
    /// The address of the state names no database that we know.
    #[error("state.url {url:?} {why}; write for example sqlite:insight-bridge.db")]
    Address {
        /// The address given, without a password.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
}
