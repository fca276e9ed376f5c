//! A call as a value: what it asks, and how its answer reads. Building one sends nothing.

use crate::{
    error::CallError,
    request::{Request, Response},
};

/// Whether a call may be sent again when its answer never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// The second time changes nothing that the first did not.
    Safe,
    /// The second time may do it twice: the caller reads back first.
    Unsafe,
}

/// One kind of call. Its fields are the parameters.
pub trait Endpoint {
    /// The decoded answer.
    type Reply;

    /// The request to send.
    ///
    /// # Errors
    /// [`CallError::Unwritable`] when a parameter can't be written.
    fn request(&self) -> Result<Request, CallError>;

    /// Reads an answer that the vendor's judge let through.
    ///
    /// # Errors
    /// [`CallError::Garbled`] when it isn't what the vendor documents.
    fn decode(&self, response: &Response) -> Result<Self::Reply, CallError>;
}
