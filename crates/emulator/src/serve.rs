//! A router on a loopback port.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, serve::ListenerExt};
use tokio::net::TcpListener;

/// How long requests that are being served may take after the shutdown; then their connections are closed.
const GRACE: Duration = Duration::from_secs(2);

/// A port that is bound and not served yet: connections wait.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Binds `port` on 127.0.0.1; 0 takes a free one.
///
/// # Errors
/// When the port is taken or not allowed.
pub async fn bind(port: u16) -> io::Result<Bound> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves `router` over HTTP/1.1 until `shutdown` ends, and then what is being served for at most two seconds more.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, router: Router, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let (told, heard) = tokio::sync::oneshot::channel::<()>();
        let shutdown = async move {
            shutdown.await;
            drop(told);
        };
        // Without this a small answer can wait 40 ms for the client's delayed acknowledgement.
        let listener = self.listener.tap_io(|connection| drop(connection.set_nodelay(true)));
        let served = axum::serve(listener, router).with_graceful_shutdown(shutdown);
        let limit = async move {
            // The sender is dropped, never used: an error is the signal.
            let _dropped = heard.await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            outcome = served => outcome,
            () = limit => Ok(()),
        }
    }
}
