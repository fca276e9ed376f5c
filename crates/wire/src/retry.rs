//! The layer that sends again what may be sent again, within a budget.
//!
//! It refuses to guess: what may have been done and must not be done twice goes back to the caller.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{FutureExt, future::BoxFuture};
use tokio::time::sleep;
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
    /// How long may be waited between tries, all together. What the tries themselves take doesn't count: one that hangs until its time
    /// limit must not use it up alone.
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
            let mut waited = Duration::ZERO;
            let mut slowed = 0u32;
            let mut waits = options.waits().build();
            loop {
                let error = match inner.clone().oneshot(request.clone()).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                let wait = match error.advice(request.replay) {
                    Advice::Retry { wait } => within(waits.next().map(|own| wait.unwrap_or(own)), waited, options.budget),
                    Advice::SlowDown { wait } => {
                        // Whatever the service asks for, each time longer: a wait of nothing, or a date that is over by our clock, would
                        // have it called again at network speed.
                        let own = options.first_wait.saturating_mul(1 << slowed.min(16)).min(options.wait_max);
                        slowed += 1;
                        within(Some(wait.unwrap_or(own).max(own)), waited, options.throttle_budget)
                    }
                    Advice::RenewToken | Advice::ReadBack | Advice::Split | Advice::StopForQuota | Advice::GiveUp => None,
                };
                let Some(wait) = wait else { return Err(error) };
                tracing::debug!(call = request.name, wait_ms = wait.as_millis(), %error, "call failed, trying again");
                waited += wait;
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

/// The wait, unless all waits together would be longer than the budget.
fn within(wait: Option<Duration>, waited: Duration, budget: Duration) -> Option<Duration> {
    wait.filter(|wait| waited + *wait <= budget)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::time::Instant;

    use super::*;
    use crate::{
        call::Replay,
        error::{Class, Refusal},
        transport::{Reach, TransportError},
    };

    fn unanswered() -> CallError {
        CallError::Unanswered(TransportError { reach: Reach::Unknown, message: "gone".into() })
    }

    fn refused(class: Class) -> CallError {
        refused_for(class, Duration::from_secs(20))
    }

    fn refused_for(class: Class, wait: Duration) -> CallError {
        Refusal { status: 200, code: "606".into(), message: String::new(), class, wait: Some(wait), request_id: None }.into()
    }

    /// How many tries a call gets that fails with `error` after `each`, and how long all takes.
    async fn tries(error: CallError, replay: Replay, each: Duration) -> (usize, Duration) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let failing = tower::service_fn(move |_: Request| {
            counted.fetch_add(1, Ordering::Relaxed);
            let error = error.clone();
            async move {
                sleep(each).await;
                Err::<Response, _>(error)
            }
        });
        let mut request = Request::get("x", "/x");
        request.replay = replay;
        let begun = Instant::now();
        let _ = RetryLayer(RetryOptions::default()).layer(failing).oneshot(request).await;
        (count.load(Ordering::Relaxed), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_repeated_only_where_that_is_safe() {
        let second = Duration::from_secs(1);
        assert!(tries(unanswered(), Replay::Safe, second).await.0 > 3);
        assert_eq!(tries(unanswered(), Replay::Unsafe, second).await.0, 1);
        assert!(tries(refused(Class::Transient), Replay::Unsafe, second).await.0 > 1, "nothing was done, so that nothing is done twice");
        assert_eq!(tries(refused(Class::Config), Replay::Safe, second).await.0, 1);
        assert_eq!(tries(refused(Class::Quota), Replay::Safe, second).await.0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_hangs_does_not_use_the_budget_up() {
        assert!(tries(unanswered(), Replay::Safe, Duration::from_secs(120)).await.0 > 3);
    }

    #[tokio::test(start_paused = true)]
    async fn being_too_fast_has_a_budget_of_its_own() {
        let (tries, took) = tries(refused(Class::Throttled), Replay::Safe, Duration::ZERO).await;
        assert_eq!((tries, took), (31, Duration::from_secs(600)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_of_nothing_is_no_reason_to_hammer() {
        let error = refused_for(Class::Throttled, Duration::ZERO);
        assert!(tries(error, Replay::Safe, Duration::ZERO).await.0 < 50);
    }
}
