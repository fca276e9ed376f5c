//! An instance and a client of it.

use std::time::Duration;

use base::{Clock, Timestamp};
use emulator::{Effect, Fault, Served, When};
use marketo::{Client, Options, Record};
use marketo_emulator::State;
use tokio::time::Instant;
use wire::{PaceOptions, transport::in_process};

pub struct World {
    pub served: Served<State>,
    pub client: Client,
}

/// An instance as by default.
pub fn world() -> World {
    world_with(|_| (), |_| ())
}

/// An instance and a client with other options.
pub fn world_with(instance: impl FnOnce(&mut marketo_emulator::Options), client: impl FnOnce(&mut Options)) -> World {
    let (start, begun): (Timestamp, Instant) = ("2026-08-03T12:00:00Z".parse().unwrap(), Instant::now());
    let clock = Clock::from_fn(move || base::time::later(start, begun.elapsed()));
    let mut emulated = marketo_emulator::Options::default();
    instance(&mut emulated);
    let served = Served::new(State::new(emulated, clock.now()), clock, 1);
    World { client: client_of(&served, client), served }
}

/// One more client of an instance.
pub fn client_of(served: &Served<State>, change: impl FnOnce(&mut Options)) -> Client {
    let credentials = marketo_emulator::Options::default();
    let mut options = Options::new("http://marketo.test/rest", credentials.client_id, credentials.client_secret.into());
    options.pace = PaceOptions { calls_max: Some(100), in_flight_max: 10, ..PaceOptions::default() };
    change(&mut options);
    Client::new(options, in_process(served.router())).unwrap()
}

impl World {
    /// From now on this goes wrong with this operation, so many times.
    pub fn fault(&self, operation: &str, effect: Effect, times: u64) {
        self.served.faults().add(Fault { when: When::operation(operation), effect, times: Some(times) });
    }

    /// The next call of this operation is refused with this code.
    pub fn refuse(&self, operation: &str, code: &str, times: u64) {
        self.fault(operation, Effect::Refuse { code: code.into(), wait_s: None }, times);
    }

    /// How many requests of an operation arrived.
    pub fn arrived(&self, operation: &str) -> u64 {
        self.served.journal().count(operation)
    }

    /// Puts leads there behind the API's back.
    pub fn insert_leads(&self, number: usize, lead: impl Fn(usize) -> serde_json::Value) -> Vec<i64> {
        let now = self.served.now();
        (0..number).map(|i| self.served.state().insert_lead(record(lead(i)), now)).collect()
    }
}

/// An object as a record.
pub fn record(value: serde_json::Value) -> Record {
    value.as_object().unwrap().clone()
}

/// Texts as the client takes them.
pub fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// How long something took in virtual time.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    (work.await, begun.elapsed())
}
