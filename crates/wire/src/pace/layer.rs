//! The gate as a layer: each call waits for its turn.

use std::task::{Context, Poll};

use futures::{FutureExt, future::BoxFuture};
use tower::{Layer, Service, ServiceExt};
use tracing::Instrument;

use super::Pace;
use crate::{
    error::CallError,
    request::{Request, Response},
};

/// The layer of a [`Pace`].
#[derive(Debug, Clone)]
pub struct PaceLayer(pub Pace);

/// The service that [`PaceLayer`] makes.
#[derive(Debug, Clone)]
pub struct Paced<S> {
    pace: Pace,
    inner: S,
}

impl<S> Layer<S> for PaceLayer {
    type Service = Paced<S>;

    fn layer(&self, inner: S) -> Paced<S> {
        Paced { pace: self.0.clone(), inner }
    }
}

impl<S> Service<Request> for Paced<S>
where
    S: Service<Request, Response = Response, Error = CallError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Response, CallError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (pace, inner) = (self.pace.clone(), self.inner.clone());
        async move {
            let flight = pace.admit(request.name, request.lane).await?;
            // In a task of its own: the service works on it whether or not somebody still waits here, and its place is taken until then.
            let call = async move {
                let answer = inner.oneshot(request).await;
                pace.take_in(&flight, &answer);
                answer
            };
            tokio::spawn(call.in_current_span()).await.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(CallError::Stopped),
            })
        }
        .boxed()
    }
}
