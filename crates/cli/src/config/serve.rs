//! `[serve]`: what the process that serves shows, whatever bridges it has.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[serve]`: what the process that serves shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Serve {
    /// Where health and metrics are shown over HTTP, as `"127.0.0.1:9464"`; nowhere unless it is said. Only addresses of this machine: nobody is
    /// asked who they are.
    pub(crate) listen: Option<SocketAddr>,
}

impl Serve {
    /// What is wrong with it.
    pub(super) fn mistake(&self) -> Option<String> {
        let abroad = self.listen.filter(|listen| !listen.ip().is_loopback())?;
        Some(format!(
            "serve.listen: {abroad} can be reached from other machines, and nobody is asked who they are; write 127.0.0.1:{}",
            abroad.port()
        ))
    }
}
