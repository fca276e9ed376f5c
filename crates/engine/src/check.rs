//! Whether both sides are ready: reads, compares, changes nothing. Each finding says how bad it is and what to do.

mod dynamics;
mod finding;
mod marketo;
mod owners;

use std::{cmp::Reverse, sync::Arc};

use base::{Clock, Timestamp};
use futures::{FutureExt, future::BoxFuture};
use store::{Batch, MemoryStore, Store, StoreError};

pub(crate) use dynamics::{COLUMNS, TRACKING};
pub use finding::{Finding, Grade};

use crate::{
    bridge::{Bridge, Parts},
    calls::{CallLedger, Quota},
    dynamics::Dynamics,
    error::{Side, SyncError},
    marketo::Marketo,
    options::{Options, RunOptions},
    prepare::prepare,
    progress::Progress,
    schema_change::{self, SHORTENED},
};

/// The state that a check's calls are counted in, like all others of this bridge. Nothing else is written there.
#[derive(Debug)]
pub struct CountedIn {
    /// The state.
    pub store: Arc<dyn Store>,
    /// How many Marketo calls a day may be made.
    pub quota: Quota,
}

/// What is to be known besides both sides.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// How many Marketo calls a day there are.
    pub quota: Option<Quota>,
    /// When the last sync ended.
    pub last_run: Option<Timestamp>,
    /// The bridge's state, of which only what fitted before is read: what doesn't any more is a change, and not a mistake.
    pub state: Option<Arc<dyn Store>>,
}

/// Looks at both sides as a cycle would before it sends anything; what has to be put right first stands first, and what is only worth knowing of the maps last
/// of its grade. Where another process is at work on the state, it goes ahead without it.
pub fn check(
    dynamics: dataverse::Client,
    marketo: ::marketo::Client,
    options: Options,
    about: About,
    counted: Option<CountedIn>,
) -> BoxFuture<'static, Vec<Finding>> {
    async move {
        let bridge = match open(dynamics, marketo, options).await {
            Ok(bridge) => bridge,
            Err(error) => return vec![Finding::failed("state", &error)],
        };
        if let Some(state) = &about.state
            && let Err(error) = remember(&bridge, &**state).await
        {
            return vec![Finding::failed("state", &error)];
        }
        let mut findings = Vec::new();
        let looked = counting(&bridge, counted, async { findings = look(&bridge, &about).await }).await;
        findings.extend(looked.err().map(|error| Finding::failed("state", &error)));
        findings.sort_by_key(|finding| (Reverse(finding.grade), finding.code.as_deref() == Some("field-note")));
        findings
    }
    .boxed()
}

/// Does something whose Marketo calls are counted in the state. Where another process is at work on that, it is done all the same.
pub(crate) async fn counting(bridge: &Bridge, counted: Option<CountedIn>, work: impl Future<Output = ()>) -> Result<(), SyncError> {
    let Some(CountedIn { store, quota }) = counted else {
        work.await;
        return Ok(());
    };
    let fence = match store.acquire("check").await {
        Ok(fence) => fence,
        Err(StoreError::Busy { .. }) => {
            work.await;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let counted = match CallLedger::load(store.clone(), fence, &bridge.clock, bridge.marketo.pace().clone(), quota).await {
        Ok(ledger) => {
            work.await;
            ledger.close().await
        }
        Err(error) => Err(error),
    };
    store.release(fence).await?;
    Ok(counted?)
}

/// A bridge that keeps nothing.
pub(crate) async fn open(dynamics: dataverse::Client, marketo: ::marketo::Client, options: Options) -> Result<Bridge, SyncError> {
    let parts = Parts {
        dynamics,
        marketo,
        // Nothing that is learnt here is kept.
        store: Arc::new(MemoryStore::new()),
        clock: Clock::system(),
        options,
        run: RunOptions::default(),
        progress: Progress::silent(),
        quota: Quota::NONE,
    };
    Bridge::open(parts, "check").await
}

/// Takes over what fitted before.
async fn remember(bridge: &Bridge, state: &dyn Store) -> Result<(), SyncError> {
    let mut batch = Batch::new();
    schema_change::take_over(state, &mut batch).await?;
    bridge.commit(batch).await
}

/// Whether Marketo alone lets us in, and what it allows: for whoever has no other side yet.
pub fn marketo_alone(client: ::marketo::Client) -> BoxFuture<'static, Vec<Finding>> {
    async move {
        let marketo = Marketo::new(client);
        let mut findings = vec![greeted_marketo(marketo.usage().await.map(drop).map_err(|error| SyncError::of_call(Side::Marketo, error)))];
        if findings.iter().all(|finding| finding.good) {
            let looked = marketo::permissions(&marketo, &mut findings).await;
            findings.extend(looked.err().map(|error| Finding::failed("Marketo: permissions", &error)));
        }
        findings
    }
    .boxed()
}

/// Whether Dynamics alone lets us in.
pub fn dynamics_alone(client: dataverse::Client) -> BoxFuture<'static, Vec<Finding>> {
    async move {
        let greeted = Dynamics::new(client).greet().await;
        vec![greeted_dynamics(greeted.map_err(|error| SyncError::of_call(Side::Dynamics, error)))]
    }
    .boxed()
}

fn greeted_dynamics(greeted: Result<(), SyncError>) -> Finding {
    greeting("Dynamics: address, login and application user", greeted)
}

fn greeted_marketo(greeted: Result<(), SyncError>) -> Finding {
    greeting("Marketo: address, client id and secret", greeted)
}

fn greeting(what: &str, greeted: Result<(), SyncError>) -> Finding {
    match greeted {
        Ok(()) => Finding::green(what, "good"),
        Err(error) => Finding::failed(what, &error),
    }
}

async fn look(bridge: &Bridge, about: &About) -> Vec<Finding> {
    let mut findings = vec![greeted_dynamics(bridge.greet_dynamics().await), greeted_marketo(bridge.greet_marketo().await)];
    if findings.iter().any(|finding| !finding.good) {
        return findings;
    }
    if let Err(error) = both(bridge, about, &mut findings).await {
        findings.push(Finding::failed("what comes next was not looked at", &error));
    }
    findings
}

async fn both(bridge: &Bridge, about: &About, findings: &mut Vec<Finding>) -> Result<(), SyncError> {
    marketo::permissions(&bridge.marketo, findings).await?;
    marketo::quota(&bridge.marketo, about.quota, findings).await;
    dynamics::links(bridge, about.last_run, findings).await?;
    if findings.iter().any(|finding| !finding.good) {
        // Without permissions there are no describes to compare with.
        return Ok(());
    }
    let prepared = match prepare(bridge).await {
        Ok(prepared) => prepared,
        Err(SyncError::Configuration(problems)) => {
            findings.extend(problems.into_iter().map(|problem| {
                // A message says what is wrong and, behind a semicolon, what to do.
                let (text, remedy) = problem.message.split_once("; ").unwrap_or((&problem.message, "correct the configuration"));
                Finding::red(problem.place, text, remedy).coded(problem.code)
            }));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for change in &prepared.changes {
        let what = if change.written_back { "Sales Insight field" } else { "field map" };
        let what = format!("{what}: {}", change.place());
        let finding = match change.code == SHORTENED {
            true => Finding::amber(what, &change.text, &change.remedy),
            false => Finding::red(what, &change.text, &change.remedy),
        };
        findings.push(finding.coded(&change.code));
    }
    if prepared.changes.is_empty() {
        findings.push(Finding::green("metadata, key fields, field maps and MSI columns", "fit together"));
    }
    marketo::look_up(bridge, &prepared.person_key, findings).await;
    dynamics::tables(bridge, &prepared, findings).await?;
    dynamics::msi(bridge, &prepared, findings).await?;
    dynamics::maps(&prepared, findings);
    if findings.iter().all(|finding| finding.good) {
        owners::owners(bridge, &prepared, findings).await?;
    }
    Ok(())
}
