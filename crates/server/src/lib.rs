//! Health and metrics of the process that serves, over HTTP.
//!
//! Everything comes from the handles of its bridges; nothing can be changed from here, and nobody is asked who they are. It is therefore for
//! this machine only, and shows no data of people: counts, codes and times.

mod backlog;
mod metrics;
mod ready;

use std::{io, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use base::Clock;
use engine::supervisor::Handle;
use tokio::net::TcpListener;

use backlog::Backlogs;

/// The bridges as they are now.
pub type Bridges = Arc<dyn Fn() -> Vec<Handle> + Send + Sync>;

#[derive(Clone)]
struct Shown {
    bridges: Bridges,
    clock: Clock,
    backlogs: Arc<Backlogs>,
}

/// Shows them on `listener` until it is dropped.
///
/// # Errors
/// When nothing can be listened to any more.
pub async fn serve(listener: TcpListener, bridges: Bridges) -> io::Result<()> {
    axum::serve(listener, router(bridges, Clock::system())).await
}

/// What is shown: `/healthz`, `/readyz` and `/metrics`.
pub fn router(bridges: Bridges, clock: Clock) -> Router {
    let shown = Shown { bridges, clock, backlogs: Arc::default() };
    Router::new()
        // That there is an answer is what it says.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .with_state(shown)
}

async fn readiness(State(shown): State<Shown>) -> Response {
    let ready = ready::of(&(shown.bridges)());
    let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let json = serde_json::to_string_pretty(&ready).unwrap_or_default() + "\n";
    (status, [(CONTENT_TYPE, "application/json")], json).into_response()
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let mut seen = Vec::new();
    for handle in (shown.bridges)() {
        let view = handle.view();
        let backlog = match view.bridge() {
            Some(bridge) => shown.backlogs.of(handle.name(), &*bridge.store).await,
            None => None,
        };
        seen.push(metrics::Seen { name: handle.name().to_owned(), view, backlog });
    }
    match metrics::text(seen, shown.clock.now()) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics can't be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
