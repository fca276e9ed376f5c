//! Sends calls to one environment.
//!
//! It adds to the pipeline only the watch over where links lead; everything else is in the endpoints and in the layers of `wire`.

use std::sync::Arc;

use wire::{CallError, Endpoint, Pace, Pipeline, PipelineOptions, Request, Response, Transport};

use crate::{
    Guid,
    key::Key,
    link::Home,
    login::Login,
    options::{self, Options},
    verdict::verdict,
};

/// A client of one environment. Cheap to clone; clones share token and limits.
#[derive(Clone)]
pub struct Client {
    pipeline: Pipeline,
    home: Arc<Home>,
    page_rows: u32,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that reaches the environment over `transport` and the login service over `login`. Nothing is sent yet.
    ///
    /// # Errors
    /// A refusal of class [`wire::Class::Config`] when an address can't be used.
    pub fn new(options: Options, transport: Transport, login: Transport) -> Result<Self, CallError> {
        let url = options::environment(&options.url)?;
        let home = Home::new(&url)?;
        let tokens = Login::new(&url, &options, login)?;
        let pipeline = Pipeline::new(
            PipelineOptions { base: home.api(), verdict, tokens: Arc::new(tokens), pace: Pace::new(options.pace), retry: options.retry },
            transport,
        );
        Ok(Self { pipeline, home: Arc::new(home), page_rows: options.page_rows.clamp(1, 5000) })
    }

    /// The API's address, as all calls begin with it.
    #[must_use]
    pub fn base(&self) -> String {
        self.home.api()
    }

    /// Sends a call and decodes its answer.
    ///
    /// # Errors
    /// What became of it when no reply came; see [`CallError`].
    pub async fn call<E: Endpoint + Sync>(&self, endpoint: &E) -> Result<E::Reply, CallError> {
        let response = self.send(endpoint.request()?).await?;
        endpoint.decode(&response)
    }

    /// Sends a request as it is, once its address has been found to be ours.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn send(&self, mut request: Request) -> Result<Response, CallError> {
        request.target = self.home.resolve(request.target)?;
        self.pipeline.send(request).await
    }

    /// The limits that all calls of this client and its clones share.
    #[must_use]
    pub fn pace(&self) -> &Pace {
        self.pipeline.pace()
    }

    /// The configured number of rows on a page.
    #[must_use]
    pub fn page_rows(&self) -> u32 {
        self.page_rows
    }

    /// The full address of a row, as `$ref` bodies need it.
    ///
    /// # Errors
    /// [`CallError::Unwritable`] when the set's name is none.
    pub fn address_of(&self, set: &str, id: Guid) -> Result<String, CallError> {
        Ok(format!("{}{}", self.home.api(), Key::Id(id).path(set)?))
    }
}
