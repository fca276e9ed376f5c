//! Sends calls to one Marketo instance.
//!
//! Everything that decides is in the endpoints, the judge and the layers of `wire`; here they are only put together.

use std::sync::Arc;

use wire::{CallError, Endpoint, Lane, Pace, Pipeline, PipelineOptions, Transport};

use crate::{
    judge::verdict,
    options::{self, Options},
    token::Tokens,
};

/// A client of one instance. Cheap to clone; clones share token and limits.
#[derive(Clone)]
pub struct Client {
    pipeline: Pipeline,
    base: Arc<str>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that reaches the instance over `transport`. Nothing is sent yet.
    ///
    /// # Errors
    /// A refusal of class [`wire::Class::Config`] when the address or the client id can't be used.
    pub fn new(options: Options, transport: Transport) -> Result<Self, CallError> {
        let pace = Pace::new(options.pace.clone());
        Self::within(pace, options, transport)
    }

    /// The same with a share in a gate that is there already, because the limits belong to the subscription. The limits of `options` don't
    /// count.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn within(pace: Pace, options: Options, transport: Transport) -> Result<Self, CallError> {
        let base = options::base(&options.base_url)?;
        if options.client_id.trim().is_empty() {
            return Err(options::misconfigured("the client id of the Marketo custom service is empty"));
        }
        let tokens = Tokens::new(&base, options.client_id.trim(), options.client_secret, transport.clone());
        let pipeline =
            Pipeline::new(PipelineOptions { base: base.clone(), verdict, tokens: Arc::new(tokens), pace, retry: options.retry }, transport);
        Ok(Self { pipeline, base: base.into() })
    }

    /// The same, all of whose calls go in this lane.
    #[must_use]
    pub fn in_lane(&self, lane: Lane) -> Self {
        Self { pipeline: self.pipeline.in_lane(lane), base: self.base.clone() }
    }

    /// The instance's address, as all calls begin with it.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a call and decodes its answer.
    ///
    /// # Errors
    /// What became of it when no reply came; see [`CallError`].
    pub async fn call<E: Endpoint + Sync>(&self, endpoint: &E) -> Result<E::Reply, CallError> {
        self.pipeline.call(endpoint).await
    }

    /// The limits that all calls of this client and its clones share. Identity calls are outside: they count against nothing.
    #[must_use]
    pub fn pace(&self) -> &Pace {
        self.pipeline.pace()
    }
}
