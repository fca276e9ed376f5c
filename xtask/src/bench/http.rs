//! As much of an HTTP client as the sandbox's own interface needs: one request on one loopback connection.
//!
//! A few lines instead of a client library, so that the build's own program stays quick to build.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// No answer of the sandbox takes longer.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Asks `origin` (`http://127.0.0.1:PORT`) and gives the answer's JSON, whatever its status.
///
/// # Errors
/// When nobody answers, or not in JSON.
pub fn ask(origin: &str, method: &str, path: &str, bearer: Option<&str>, body: &str) -> Result<Value> {
    let address = origin.strip_prefix("http://").with_context(|| format!("{origin} is no address of a sandbox"))?;
    let mut connection = TcpStream::connect(address).with_context(|| format!("the sandbox at {address} can't be reached"))?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    let authorization = bearer.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    // The sandbox always says how long its answers are and never sends them in chunks, so that the body is all that is left.
    match answer.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => serde_json::from_slice(&answer[at + 4..]).with_context(|| format!("{method} {path} wasn't answered in JSON")),
        None => bail!("{method} {path} wasn't answered"),
    }
}
