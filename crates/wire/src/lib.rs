//! HTTP plumbing that knows neither vendor: calls as values, and the pipeline that sends them.
//!
//! Read in this order: a [`call::Endpoint`] makes a [`request::Request`] and reads its answer; [`pipeline::Pipeline`] is the order of
//! the layers between the two; each layer has a file of its own.

pub mod call;
pub mod error;
pub mod judge;
pub mod pace;
pub mod pipeline;
pub mod request;
pub mod retry;
pub mod token;
pub mod transport;

pub use call::{Endpoint, Replay};
pub use error::{CallError, Class, Refusal};
pub use pace::{Budget, Ended, Journal, Lane, Limits, Pace, PaceOptions, Raised};
pub use pipeline::{Pipeline, PipelineOptions};
pub use request::{Request, Response, Target};
pub use retry::RetryOptions;
pub use token::TokenSource;
pub use transport::{Transport, TransportError};
