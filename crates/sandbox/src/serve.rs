//! Both emulators on loopback ports.

use std::{future::Future, io};

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::Sandbox;

/// Where the emulators are and who may come in: one line of JSON, printed as soon as both ports are bound.
///
/// The secrets open nothing but the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Marketo.
    pub marketo: MarketoReady,
    /// Dataverse and its token endpoint.
    pub dataverse: DataverseReady,
}

/// Where Marketo is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketoReady {
    /// `http://127.0.0.1:PORT`: what is before `/rest` and `/identity`.
    pub base_url: String,
    /// The custom service's client id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// Where Dataverse is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataverseReady {
    /// `http://127.0.0.1:PORT`: the environment's URL, before `/api/data`.
    pub url: String,
    /// The authority that gives tokens: the same.
    pub authority: String,
    /// The tenant, as in the token endpoint's path.
    pub tenant_id: String,
    /// The app registration's client id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// Both servers at work.
#[derive(Debug)]
pub struct Running {
    /// Where they are.
    pub ready: Ready,
    servers: JoinSet<io::Result<()>>,
}

impl Running {
    /// Waits until both have ended, after the shutdown.
    ///
    /// # Errors
    /// When a listener failed.
    pub async fn finished(mut self) -> io::Result<()> {
        while let Some(outcome) = self.servers.join_next().await {
            outcome.map_err(io::Error::other)??;
        }
        Ok(())
    }
}

/// Binds both ports of 127.0.0.1 (0 takes a free one) and serves until `shutdown` ends.
///
/// # Errors
/// When a port can't be bound.
pub async fn start(
    sandbox: &Sandbox,
    marketo_port: u16,
    dataverse_port: u16,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Running> {
    let marketo = emulator::bind(marketo_port).await?;
    let dataverse = emulator::bind(dataverse_port).await?;
    let ready = Ready::new(sandbox, marketo.origin(), dataverse.origin());
    let shutdown = shutdown.shared();
    let mut servers = JoinSet::new();
    servers.spawn(marketo.serve(sandbox.marketo_router(), shutdown.clone()));
    servers.spawn(dataverse.serve(sandbox.dataverse_router(), shutdown));
    Ok(Running { ready, servers })
}

/// As [`start`], for those who don't wait for the end.
///
/// # Errors
/// As [`start`].
pub async fn serve(
    sandbox: &Sandbox,
    marketo_port: u16,
    dataverse_port: u16,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Ready> {
    let Running { ready, mut servers } = start(sandbox, marketo_port, dataverse_port, shutdown).await?;
    servers.detach_all();
    Ok(ready)
}

impl Ready {
    /// Where a sandbox is that is reached at these two origins, whoever serves it.
    #[must_use]
    pub fn new(sandbox: &Sandbox, marketo: String, dataverse: String) -> Self {
        let marketo = {
            let state = sandbox.marketo.state();
            let options = state.options();
            MarketoReady { base_url: marketo, client_id: options.client_id.clone(), client_secret: options.client_secret.clone() }
        };
        let state = sandbox.dataverse.state();
        let options = state.options();
        let dataverse = DataverseReady {
            authority: dataverse.clone(),
            url: dataverse,
            tenant_id: options.tenant_id.clone(),
            client_id: options.client_id.clone(),
            client_secret: options.client_secret.clone(),
        };
        Self { marketo, dataverse }
    }

    /// The line of JSON, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
