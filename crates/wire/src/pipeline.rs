//! The order of the layers: span and count, retry, token, pace, then address, time limit and verdict, then the transport.
//!
//! Retry is outermost, so that each try waits for its turn and carries a token that is good at that moment; pace is inside the token,
//! so that the repetition after a renewed token is counted like any other call.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tower::{Layer, ServiceExt, util::BoxCloneSyncService};
use tracing::Instrument;

use crate::{
    call::Endpoint,
    error::CallError,
    judge::{Judge, Verdict},
    pace::{Lane, Pace, PaceLayer},
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
    lane: Lane,
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
        Self { service: BoxCloneSyncService::new(retried), pace, lane: Lane::default() }
    }

    /// The same, all of whose calls go in this lane.
    #[must_use]
    pub fn in_lane(&self, lane: Lane) -> Self {
        Self { lane, ..self.clone() }
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
        let request = Request { lane: self.lane, ..request };
        let span = tracing::debug_span!("call", name);
        let begun = Instant::now();
        // In a task of its own: calls wait for each other, for a place and for their turn, and who awaits one of several may poll none.
        let task = tokio::spawn(self.service.clone().oneshot(request).instrument(span));
        let answer = match AbortOnDropHandle::new(task).await {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(CallError::Stopped),
        };
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use base::Secret;
    use bytes::Bytes;
    use futures::poll;

    use super::*;
    use crate::{pace::PaceOptions, transport::TransportError};

    #[derive(Debug)]
    struct AnyToken;

    #[async_trait]
    impl TokenSource for AnyToken {
        async fn token(&self) -> Result<Secret, CallError> {
            Ok("t".into())
        }

        async fn refused(&self, _: &Secret) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_polls_holds_up_no_other() {
        let transport = BoxCloneSyncService::new(tower::service_fn(|_: http::Request<Bytes>| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, TransportError>(http::Response::new(Bytes::new()))
        }));
        let pace = Pace::new(PaceOptions { calls_max: Some(1), in_flight_max: 1, ..PaceOptions::default() });
        let options = PipelineOptions {
            base: "http://x.test".into(),
            verdict: |_, response| Ok(response),
            tokens: Arc::new(AnyToken),
            pace,
            retry: RetryOptions::default(),
        };
        let pipeline = Pipeline::new(options, transport);
        let first = pipeline.send(Request::get("x", "/x"));
        let second = pipeline.send(Request::get("x", "/x"));
        tokio::pin!(first, second);
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        tokio::time::sleep(Duration::from_millis(1)).await;
        // One has the only place, the other its turn; neither is polled any more.
        pipeline.send(Request::get("x", "/x")).await.unwrap();
    }
}
