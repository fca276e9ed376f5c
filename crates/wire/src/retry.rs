//! The layer that sends again what may be sent again, within a budget.
//!
//! It refuses to guess: what may have been done and must not be done twice goes back to the caller.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};

use crate::{
    error::{Advice, CallError},
    request::{Request, Response},
};

/// How long and how often.
#[derive(Debug, Clone)]
pub struct RetryOptions {
    /// The first wait; each further one is twice as long, with jitter.
    pub first_wait: Duration,
    /// The longest single wait of ours (a vendor's own wish may be longer).
    pub wait_max: Duration,
    /// Tries in all.
    pub tries_max: usize,
    /// Tries that are made whatever the budget: a call that hangs until its time limit may use the budget up alone.
    pub tries_min: usize,
    /// After this much time no new try begins.
    pub budget: Duration,
    /// The same for refusals as too fast, which say nothing about the service's health.
    pub throttle_budget: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(500),
            wait_max: Duration::from_secs(20),
            tries_max: 8,
            tries_min: 3,
            budget: Duration::from_secs(60),
            throttle_budget: Duration::from_secs(600),
        }
    }
}

/// The layer of [`RetryOptions`].
#[derive(Debug, Clone)]
pub struct RetryLayer(pub RetryOptions);

/// The service that [`RetryLayer`] makes.
#[derive(Debug, Clone)]
pub struct Retried<S> {
    options: RetryOptions,
    inner: S,
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retried<S>;

    fn layer(&self, inner: S) -> Retried<S> {
        Retried { options: self.0.clone(), inner }
    }
}

impl<S> Service<Request> for Retried<S>
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
        let (options, inner) = (self.options.clone(), self.inner.clone());
        async move {
            let begun = Instant::now();
            let mut tries = 0;
            let mut waits = options.waits().build();
            loop {
                let error = match inner.clone().oneshot(request.clone()).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                tries += 1;
                let left = |budget: Duration| if tries < options.tries_min { Duration::MAX } else { budget };
                let wait = match error.advice(request.replay) {
                    Advice::Retry { wait } => within(waits.next().map(|own| wait.unwrap_or(own)), begun, left(options.budget)),
                    Advice::SlowDown { wait } => within(Some(wait.unwrap_or(options.first_wait)), begun, left(options.throttle_budget)),
                    Advice::RenewToken | Advice::ReadBack | Advice::Split | Advice::StopForQuota | Advice::GiveUp => None,
                };
                let Some(wait) = wait else { return Err(error) };
                tracing::debug!(call = request.name, wait_ms = wait.as_millis(), %error, "call failed, trying again");
                sleep(wait).await;
            }
        }
        .boxed()
    }
}

impl RetryOptions {
    fn waits(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first_wait)
            .with_max_delay(self.wait_max)
            .with_max_times(self.tries_max.saturating_sub(1))
            .with_jitter_seed(fastrand::u64(..))
            .with_jitter()
    }
}

/// The wait, unless it would end after the budget.
fn within(wait: Option<Duration>, begun: Instant, budget: Duration) -> Option<Duration> {
    wait.filter(|wait| begun.elapsed() + *wait <= budget)
}

/// Whether an error is worth telling apart as "the other side can't be reached".
#[must_use]
pub fn is_outage(error: &CallError) -> bool {
    match error {
        CallError::Unsent(_) | CallError::Unanswered(_) => true,
        CallError::Refused(refusal) => refusal.status >= 500,
        CallError::Garbled(_) | CallError::Unwritable(_) | CallError::OverCap { .. } | CallError::Stopped => false,
    }
}
