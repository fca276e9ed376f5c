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
    pace::Pace,
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
    /// The first wait after a refusal as too fast that names none; each further one is twice as long.
    pub throttle_first: Duration,
    /// The longest such wait.
    pub throttle_max: Duration,
    /// Tries of a divisible call that the service answers with a failure of its own: after that the caller sends pieces.
    pub divisible_tries_max: u32,
    /// How long may be waited for refusals as too fast, all together; they say nothing about the service's health.
    pub throttle_budget: Duration,
    /// How often a call may have its token refused: the service's servers don't learn of a new token at once.
    pub token_tries_max: u32,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(500),
            wait_max: Duration::from_secs(20),
            tries_max: 8,
            budget: Duration::from_secs(60),
            throttle_first: Duration::from_secs(5),
            throttle_max: Duration::from_secs(300),
            divisible_tries_max: 2,
            throttle_budget: Duration::from_secs(600),
            token_tries_max: 2,
        }
    }
}

/// The layer of [`RetryOptions`]. Waits end when calls are stopped.
#[derive(Debug, Clone)]
pub struct RetryLayer(pub RetryOptions, pub Pace);

/// The service that [`RetryLayer`] makes.
#[derive(Debug, Clone)]
pub struct Retried<S> {
    options: RetryOptions,
    pace: Pace,
    inner: S,
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retried<S>;

    fn layer(&self, inner: S) -> Retried<S> {
        Retried { options: self.0.clone(), pace: self.1.clone(), inner }
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
        let (options, pace, inner) = (self.options.clone(), self.pace.clone(), self.inner.clone());
        async move {
            let mut waited = Duration::ZERO;
            let (mut slowed, mut tokens_refused, mut doubted) = (0u32, 0u32, 0u32);
            let mut waits = options.waits().build();
            loop {
                let error = match inner.clone().oneshot(request.clone()).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                doubted += u32::from(error.is_answered_in_doubt());
                let wait = match error.advice(request.replay) {
                    Advice::Retry { .. } if request.divisible && doubted >= options.divisible_tries_max => None,
                    Advice::Retry { wait } => {
                        let left = options.budget.saturating_sub(waited);
                        // A service that wants to be left alone for longer than we have is asked once more when our time is over.
                        let wait = waits.next().map(|own| wait.map_or(own, |wait| wait.min(left)));
                        within(wait.filter(|wait| !(wait.is_zero() && left.is_zero())), waited, options.budget)
                    }
                    Advice::SlowDown { wait } => {
                        // Whatever the service asks for, each time longer: a wait of nothing, or a date that is over by our clock, would
                        // have it called again at network speed.
                        let doubled = |first: Duration, max| first.saturating_mul(1 << slowed.min(16)).min(max);
                        let wait = match wait {
                            Some(wait) => wait.max(doubled(options.first_wait, options.wait_max)),
                            None => doubled(options.throttle_first, options.throttle_max),
                        };
                        slowed += 1;
                        within(Some(wait), waited, options.throttle_budget)
                    }
                    Advice::RenewToken => {
                        tokens_refused += 1;
                        within(waits.next().filter(|_| tokens_refused < options.token_tries_max), waited, options.budget)
                    }
                    Advice::ReadBack | Advice::Split | Advice::StopForQuota | Advice::GiveUp => None,
                };
                let Some(wait) = wait else { return Err(error) };
                tracing::debug!(call = request.name, wait_ms = wait.as_millis(), %error, "call failed, trying again");
                waited += wait;
                tokio::select! {
                    () = sleep(wait) => {}
                    () = pace.stopped() => return Err(CallError::Stopped),
                }
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

    fn unavailable() -> Refusal {
        Refusal { status: 503, code: String::new(), message: String::new(), class: Class::Transient, wait: None, request_id: None }
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
        let pace = Pace::new(crate::PaceOptions::default());
        let _ = RetryLayer(RetryOptions::default(), pace).layer(failing).oneshot(request).await;
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
    async fn a_long_wait_is_cut_to_the_budget_and_a_token_gets_a_few_tries() {
        let long = Refusal { wait: Some(Duration::from_secs(900)), class: Class::Transient, ..unavailable() };
        assert_eq!(tries(long.into(), Replay::Safe, Duration::ZERO).await, (2, Duration::from_secs(60)));
        assert_eq!(tries(refused(Class::Auth), Replay::Unsafe, Duration::ZERO).await.0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn too_fast_without_a_time_waits_longer_each_time() {
        let error = Refusal { wait: None, class: Class::Throttled, ..unavailable() };
        assert_eq!(tries(error.into(), Replay::Safe, Duration::ZERO).await, (7, Duration::from_secs(5 + 10 + 20 + 40 + 80 + 160)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_of_nothing_is_no_reason_to_hammer() {
        let error = refused_for(Class::Throttled, Duration::ZERO);
        assert!(tries(error, Replay::Safe, Duration::ZERO).await.0 < 50);
    }
}
