//! The order of the layers: span and count, retry, token, pace, then address, time limit and verdict, then the transport.
//!
//! Retry is outermost, so that each try waits for its turn and carries a token that is good at that moment; pace is inside the token,
//! so that the repetition after a renewed token is counted like any other call.

use std::sync::Arc;

use tokio::time::Instant;
use tower::{Layer, ServiceExt, util::BoxCloneSyncService};
use tracing::Instrument;

use crate::{
    call::Endpoint,
    error::CallError,
    judge::{Judge, Verdict},
    pace::{Pace, PaceLayer},
    request::{Request, Response},
    retry::{RetryLayer, RetryOptions},
    token::{TokenLayer, TokenSource},
    transport::Transport,
};

/// What a pipeline is made of.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// The service's address, without a slash at the end.
    pub base: String,
    /// Tells its answers from its refusals.
    pub verdict: Verdict,
    /// Its tokens.
    pub tokens: Arc<dyn TokenSource>,
    /// Its limits.
    pub pace: Pace,
    /// How failed calls are tried again.
    pub retry: RetryOptions,
}

/// Sends endpoints to one service. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    service: BoxCloneSyncService<Request, Response, CallError>,
    pace: Pace,
}

impl Pipeline {
    /// A pipeline over `transport`.
    #[must_use]
    pub fn new(options: PipelineOptions, transport: Transport) -> Self {
        let PipelineOptions { base, verdict, tokens, pace, retry } = options;
        let judged = Judge { base, verdict }.layer(transport);
        let paced = PaceLayer(pace.clone()).layer(judged);
        let authorized = TokenLayer(tokens).layer(paced);
        let retried = RetryLayer(retry, pace.clone()).layer(authorized);
        Self { service: BoxCloneSyncService::new(retried), pace }
    }

    /// Sends a call and decodes its answer.
    ///
    /// # Errors
    /// What became of it when no reply came; see [`CallError`].
    pub async fn call<E: Endpoint + Sync>(&self, endpoint: &E) -> Result<E::Reply, CallError> {
        let response = self.send(endpoint.request()?).await?;
        endpoint.decode(&response)
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn send(&self, request: Request) -> Result<Response, CallError> {
        let name = request.name;
        let span = tracing::debug_span!("call", name);
        let begun = Instant::now();
        let answer = self.service.clone().oneshot(request).instrument(span).await;
        // Never the address: a query may hold a secret, and a filter an e-mail.
        let took_ms = begun.elapsed().as_millis();
        match &answer {
            Ok(response) => tracing::debug!(call = name, status = response.status.as_u16(), took_ms, "answered"),
            Err(error) => tracing::debug!(call = name, took_ms, code = error.code(), "failed"),
        }
        answer
    }

    /// The limits that all calls of this pipeline share.
    #[must_use]
    pub fn pace(&self) -> &Pace {
        &self.pace
    }
}
