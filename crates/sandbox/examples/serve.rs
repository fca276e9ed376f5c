//! Serves both emulators on free ports, prints where they are, and stops with Ctrl-C.
//!
//! `cargo run -p sandbox --example serve -- [people] [seed]`

use std::io::Write;

use base::Clock;
use sandbox::{Options, Sandbox};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|number| number.parse::<u64>().ok());
    let options = Options { people: numbers.next().unwrap_or(1000), seed: numbers.next().unwrap_or(1), ..Options::default() };
    let sandbox = Sandbox::new(options, Clock::system()).map_err(std::io::Error::other)?;
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    let running = sandbox::start(&sandbox, 0, 0, interrupted).await?;
    writeln!(std::io::stdout(), "{}", running.ready.line())?;
    running.finished().await
}
