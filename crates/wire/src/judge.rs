//! The layer that turns a vendor's refusals into errors, so that every layer above sees them.
//!
//! It also gives a request its address and its time limit, because below it there is only the transport.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::Uri;
use tower::{Layer, Service, ServiceExt};

use crate::{
    error::CallError,
    request::{Request, Response, Target},
    transport::{Reach, Transport, TransportError},
};

/// Tells a usable answer from a refusal. A vendor's client supplies it.
pub type Verdict = fn(&Request, Response) -> Result<Response, CallError>;

/// Address, time limit and verdict.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The service's address, without a slash at the end.
    pub base: String,
    /// Tells answers from refusals.
    pub verdict: Verdict,
}

/// The service that [`Judge`] makes.
#[derive(Clone)]
pub struct Judged {
    judge: Judge,
    transport: Transport,
}

impl Layer<Transport> for Judge {
    type Service = Judged;

    fn layer(&self, transport: Transport) -> Judged {
        Judged { judge: self.clone(), transport }
    }
}

impl Service<Request> for Judged {
    type Response = Response;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Response, CallError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { judge, transport } = self.clone();
        async move {
            let outgoing = address(&judge.base, &request)?;
            let answer = within(request.timeout, transport.oneshot(outgoing)).await?;
            let (parts, body) = answer.into_parts();
            (judge.verdict)(&request, Response { status: parts.status, headers: parts.headers, body })
        }
        .boxed()
    }
}

fn address(base: &str, request: &Request) -> Result<http::Request<Bytes>, CallError> {
    let address = match &request.target {
        Target::Below(path) => format!("{base}{path}"),
        Target::Given(address) => address.clone(),
    };
    let uri: Uri = address.parse().map_err(|_| CallError::Unwritable(format!("the address of {} is not a valid URI", request.name)))?;
    let mut outgoing = http::Request::new(request.body.clone());
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = request.headers.clone();
    Ok(outgoing)
}

async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, TransportError>>) -> Result<T, CallError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(match error.reach {
            Reach::Unsent => CallError::Unsent(error),
            Reach::Unknown => CallError::Unanswered(error),
        }),
        Err(_) => Err(CallError::Unanswered(TransportError { reach: Reach::Unknown, message: format!("nothing came within {limit:?}") })),
    }
}
