//! The layer that adds the bearer token, and renews it when the service says it is no longer good.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use base::{Secret, secret::ExposeSecret};
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderValue, header::AUTHORIZATION};
use tower::{Layer, Service, ServiceExt};

use crate::{
    error::{CallError, Class},
    request::{Request, Response},
};

/// Where tokens come from. It caches them, and renews once for all who wait.
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// A token that should be good.
    ///
    /// # Errors
    /// When none can be had.
    async fn token(&self) -> Result<Secret, CallError>;

    /// The service did not accept `token`: the next [`token`](Self::token) must not hand it out again if it can be helped.
    async fn refused(&self, token: &Secret);
}

/// The layer of a [`TokenSource`].
#[derive(Debug, Clone)]
pub struct TokenLayer(pub Arc<dyn TokenSource>);

/// The service that [`TokenLayer`] makes.
#[derive(Debug, Clone)]
pub struct Authorized<S> {
    source: Arc<dyn TokenSource>,
    inner: S,
}

impl<S> Layer<S> for TokenLayer {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized { source: self.0.clone(), inner }
    }
}

impl<S> Service<Request> for Authorized<S>
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
        let (source, inner) = (self.source.clone(), self.inner.clone());
        async move {
            let token = source.token().await?;
            let answer = inner.clone().oneshot(with_token(request.clone(), &token)?).await;
            match answer {
                Err(CallError::Refused(refusal)) if refusal.class == Class::Auth => {
                    source.refused(&token).await;
                    let token = source.token().await?;
                    inner.oneshot(with_token(request, &token)?).await
                }
                answer => answer,
            }
        }
        .boxed()
    }
}

fn with_token(mut request: Request, token: &Secret) -> Result<Request, CallError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| CallError::Unwritable("the access token holds characters that no header can carry".into()))?;
    value.set_sensitive(true);
    request.headers.insert(AUTHORIZATION, value);
    Ok(request)
}
