//! From the configuration to a bridge.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base::Clock;
use engine::{Bridge, Progress, Side, SyncError, bridge::Parts, check::CountedIn, options::RunOptions};
use store::Store;
use wire::{Limits, Pace, PaceOptions};

use crate::{
    config::{Config, is_loopback},
    exit::Failure,
};

/// Opens the state.
pub(crate) async fn store(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    Ok(store::open(&config.state()).await?)
}

/// The state, where there is one already; a check makes none.
pub(crate) async fn existing_state(config: &Config) -> Result<Option<CountedIn>, Failure> {
    let Some(store) = store::open_existing(&config.state()).await? else { return Ok(None) };
    Ok(Some(CountedIn { store, quota: config.marketo.quota() }))
}

/// The Marketo client, with a share in a gate that is there already, where one is.
pub(crate) fn marketo(config: &Config, gate: Option<&Pace>) -> Result<marketo::Client, Failure> {
    let mut options = marketo::Options::new(&config.marketo.base_url, &config.marketo.client_id, config.marketo.secret()?);
    options.pace = pace(config);
    options.retry = config.retry();
    let transport = wire::transport::network(client(&config.marketo.base_url)?);
    let client = match gate {
        Some(gate) => marketo::Client::within(gate.share(), options, transport),
        None => marketo::Client::new(options, transport),
    };
    client.map_err(|error| SyncError::of_call(Side::Marketo, error).into())
}

/// The Dynamics client.
pub(crate) fn dynamics(config: &Config) -> Result<dataverse::Client, Failure> {
    let mut options = dataverse::Options::new(&config.dynamics.url, &config.dynamics.tenant_id, config.dynamics.credential()?);
    options.authority.clone_from(&config.dynamics.authority);
    options.page_rows = config.dynamics.page_rows;
    options.retry = config.retry();
    let shared = client(&config.dynamics.url)?;
    // Reading the system's certificates takes a while: one client for both, unless only one of them is on this machine.
    let login = match is_loopback(&config.dynamics.url) == is_loopback(&config.dynamics.authority) {
        true => shared.clone(),
        false => client(&config.dynamics.authority)?,
    };
    let (transport, login) = (wire::transport::network(shared), wire::transport::network(login));
    dataverse::Client::new(options, transport, login).map_err(|error| SyncError::of_call(Side::Dynamics, error).into())
}

/// The limits that a configuration sets.
fn pace(config: &Config) -> PaceOptions {
    PaceOptions {
        calls_max: Some(config.marketo.calls_per_20s).filter(|calls| *calls > 0),
        in_flight_max: config.marketo.max_in_flight,
        ..PaceOptions::default()
    }
}

/// The gates of the Marketo subscriptions that this process calls: one each, because their limits belong to the subscription, not to a bridge.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<BTreeMap<String, Pace>>);

impl Gates {
    /// The gate of a bridge's subscription, with the limits of its configuration from now on.
    fn of(&self, config: &Config) -> Pace {
        let limits = pace(config);
        // One that is no address is refused when its client is made.
        let subscription = marketo::options::base(&config.marketo.base_url).unwrap_or_default();
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = gates.entry(subscription).or_insert_with(|| Pace::new(limits.clone()));
        gate.limit(Limits { calls_max: limits.calls_max, in_flight_max: limits.in_flight_max });
        gate.clone()
    }
}

/// A bridge that holds the lease.
pub(crate) async fn bridge(config: &Config, gates: &Gates, run: RunOptions, progress: Progress) -> Result<Bridge, Failure> {
    let parts = Parts {
        dynamics: dynamics(config)?,
        marketo: marketo(config, Some(&gates.of(config)))?,
        store: store(config).await?,
        clock: Clock::system(),
        options: config.options(),
        run,
        progress,
        quota: config.marketo.quota(),
    };
    Ok(Bridge::open(parts, &holder()).await?)
}

/// What this process calls itself to others that would have the lease.
pub(crate) fn holder() -> String {
    format!("process {}", std::process::id())
}

/// An HTTP client: no cookies, because limits are per web server; no redirects, because tokens must not travel; no proxy to this machine.
fn client(url: &str) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("insight-bridge/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(15))
        .pool_idle_timeout(Duration::from_secs(60));
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| Failure::Other(anyhow::anyhow!("no HTTP client can be made: {error}")))
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use wire::Budget;

    use super::*;
    use crate::config::File;

    fn bridge(name: &str, marketo: &str) -> Config {
        let text = format!(
            "name = \"{name}\"\n[marketo]\nbase_url = \"{marketo}\"\nclient_id = \"a\"\nclient_secret = {{ env = \"X\" }}\n[dynamics]\nurl = \
             \"https://x.example\"\ntenant_id = \"t\""
        );
        File::parse(&text).unwrap().bridge(None).unwrap()
    }

    #[test]
    fn bridges_of_one_subscription_have_one_gate_however_its_address_is_written() {
        let gates = Gates::default();
        let gate = gates.of(&bridge("emea", "https://123-ABC-456.mktorest.com/rest"));
        gate.set_budget(Some(Budget { left: 7, why: "a mark".into(), until: Timestamp::UNIX_EPOCH }));
        let left = |config: &Config| gates.of(config).budget().map(|budget| budget.left);
        assert_eq!(left(&bridge("apac", "123-ABC-456.mktorest.com")), Some(7));
        assert_eq!(left(&bridge("other", "https://999-XYZ-000.mktorest.com")), None);
    }
}
