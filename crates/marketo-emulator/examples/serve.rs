//! Serves an empty subscription on a loopback port, for trying a client by hand: `cargo run -p marketo-emulator --example serve -- 4001`.

#![allow(clippy::print_stdout, reason = "it tells the caller where to go")]

use base::Clock;
use emulator::Served;
use marketo_emulator::{Options, State};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    let clock = Clock::system();
    let options = Options::default();
    let served = Served::new(State::new(options.clone(), clock.now()), clock, 1);
    let bound = emulator::bind(port).await?;
    println!("{} id {} secret {}", bound.origin(), options.client_id, options.client_secret);
    bound.serve(served.router(), std::future::pending()).await
}
