//! Any service of HTTP requests: the network, or a router in this process.

use std::{error::Error, fmt};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

/// The largest answer that is read, in bytes: Dataverse pages come near 100 MB at the very most, Marketo's are far smaller.
const ANSWER_MAX_BYTES: usize = 128 << 20;

/// Sends a complete HTTP request and reads the answer to its end.
pub type Transport = BoxCloneSyncService<http::Request<Bytes>, http::Response<Bytes>, TransportError>;

/// Why no answer came.
#[derive(Debug, Clone)]
pub struct TransportError {
    /// Whether the request can have reached the server.
    pub reach: Reach,
    /// What the transport says; never the address, because a query may hold a secret.
    pub message: String,
}

/// How far a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It never left.
    Unsent,
    /// It may have been acted on.
    Unknown,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for TransportError {}

/// The network. Redirects are not followed and cookies not kept, both by the client given.
#[must_use]
pub fn network(client: reqwest::Client) -> Transport {
    BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let client = client.clone();
        async move {
            let request = reqwest::Request::try_from(request).map_err(|e| failed(&e.without_url(), Reach::Unsent))?;
            let answer = client.execute(request).await.map_err(|e| {
                let reach = if e.is_connect() || e.is_builder() { Reach::Unsent } else { Reach::Unknown };
                failed(&e.without_url(), reach)
            })?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.map_err(|e| failed(&e.without_url(), Reach::Unknown))?;
            assemble(status, headers, body)
        }
    }))
}

/// A service in this process, such as a router: same bytes, no sockets.
///
/// An answer whose body fails counts as an answer that never came.
#[must_use]
pub fn in_process<S, B>(service: S) -> Transport
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: fmt::Display + Send,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let service = service.clone();
        let run: BoxFuture<'static, Result<http::Response<Bytes>, TransportError>> = async move {
            let answer = service
                .oneshot(request.map(Full::new))
                .await
                .map_err(|e| TransportError { reach: Reach::Unknown, message: e.to_string() })?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES)
                .collect()
                .await
                .map_err(|e| TransportError { reach: Reach::Unknown, message: e.to_string() })?
                .to_bytes();
            Ok(http::Response::from_parts(parts, body))
        }
        .boxed();
        run
    }))
}

fn assemble(status: http::StatusCode, headers: http::HeaderMap, body: Bytes) -> Result<http::Response<Bytes>, TransportError> {
    let mut answer = http::Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// The error with its causes, in one line.
fn failed(error: &dyn Error, reach: Reach) -> TransportError {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    TransportError { reach, message }
}
