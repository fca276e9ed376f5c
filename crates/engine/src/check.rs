//! Whether both sides are ready: reads, compares, changes nothing.

use std::sync::Arc;

use base::{Clock, Guid, Object, Table};
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Map, Value};
use store::{MemoryStore, Store, StoreError};

use crate::{
    bridge::{Bridge, Parts},
    calls::{CallLedger, Quota},
    error::{Side, SyncError},
    marketo::{SyncMode, key_field},
    options::{Options, RunOptions},
    prepare::prepare,
    progress::Progress,
};

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What.
    pub what: String,
    /// Whether it is good.
    pub good: bool,
    /// What was found, and what to do where it isn't good.
    pub text: String,
    /// The error's code, where it isn't good.
    pub code: Option<&'static str>,
}

/// The state that a check's calls are counted in, like all others of this bridge. Nothing else is written there.
#[derive(Debug)]
pub struct CountedIn {
    /// The state.
    pub store: Arc<dyn Store>,
    /// How many Marketo calls a day may be made.
    pub quota: Quota,
}

/// Looks at both sides as a cycle would before it sends anything. Where another process is at work on the state, it goes ahead without it.
pub fn check(
    dynamics: dataverse::Client,
    marketo: ::marketo::Client,
    options: Options,
    counted: Option<CountedIn>,
) -> BoxFuture<'static, Vec<Finding>> {
    async move {
        let pace = marketo.pace().clone();
        let bridge = match open(dynamics, marketo, options).await {
            Ok(bridge) => bridge,
            Err(error) => return vec![bad("state", &error)],
        };
        let Some(CountedIn { store, quota }) = counted else { return look(&bridge).await };
        let fence = match store.acquire("check").await {
            Ok(fence) => fence,
            Err(StoreError::Busy { .. }) => return look(&bridge).await,
            Err(error) => return vec![bad("state", &error.into())],
        };
        let findings = match CallLedger::load(store.clone(), fence, &bridge.clock, pace, quota).await {
            Ok(ledger) => {
                let mut findings = look(&bridge).await;
                findings.extend(ledger.close().await.err().map(|error| bad("state", &error.into())));
                findings
            }
            Err(error) => vec![bad("state", &error.into())],
        };
        match store.release(fence).await {
            Ok(()) => findings,
            Err(error) => findings.into_iter().chain([bad("state", &error.into())]).collect(),
        }
    }
    .boxed()
}

async fn open(dynamics: dataverse::Client, marketo: ::marketo::Client, options: Options) -> Result<Bridge, SyncError> {
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

async fn look(bridge: &Bridge) -> Vec<Finding> {
    let mut findings = vec![side("Dynamics: address, login and application user", bridge.greet_dynamics().await)];
    findings.push(side("Marketo: address, client id and secret", bridge.greet_marketo().await));
    if findings.iter().any(|finding| !finding.good) {
        return findings;
    }
    match prepare(bridge).await {
        Ok(prepared) => {
            findings.push(good("metadata, key fields, field maps and MSI columns", "fit together".into()));
            findings.push(side("Marketo: companies can be written, and no native CRM sync is on", bridge.probe_writes().await));
            for table in Table::ALL {
                let plan = prepared.tables.get(&table);
                findings.push(match plan.map(|plan| plan.table.tracked) {
                    Some(true) => good(&format!("table {table}"), "change tracking is on".into()),
                    Some(false) => {
                        good(&format!("table {table}"), "readable, without change tracking: slower, works by modification date".into())
                    }
                    None => Finding {
                        what: format!("table {table}"),
                        good: false,
                        text: "not there, or the application user may not see it; give its role Read at organization level".into(),
                        code: Some("dynamics-table-missing"),
                    },
                });
            }
        }
        Err(SyncError::Configuration(problems)) => findings.extend(problems.into_iter().map(|problem| Finding {
            what: problem.place,
            good: false,
            text: problem.message,
            code: Some(problem.code),
        })),
        Err(error) => findings.push(bad("metadata", &error)),
    }
    findings.extend(bridge.summary().warnings.into_iter().map(|warning| good("note", warning)));
    findings
}

impl Bridge {
    /// Whether companies can be written: an update of one that isn't there changes nothing, and a native CRM sync refuses it all the same.
    async fn probe_writes(&self) -> Result<(), SyncError> {
        let nobody = Guid::from_u128(u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..)));
        let record: Map<String, Value> = [(key_field(Object::Company).to_owned(), nobody.to_string().into())].into_iter().collect();
        let answer = self.marketo.sync(Object::Company, SyncMode::UpdateOnly, vec![record]).await;
        answer.map(drop).map_err(|error| SyncError::of_call(Side::Marketo, error))
    }
}

fn side(what: &str, outcome: Result<(), SyncError>) -> Finding {
    match outcome {
        Ok(()) => good(what, "good".into()),
        Err(error) => bad(what, &error),
    }
}

fn good(what: &str, text: String) -> Finding {
    Finding { what: what.into(), good: true, text, code: None }
}

fn bad(what: &str, error: &SyncError) -> Finding {
    Finding { what: what.into(), good: false, text: error.to_string(), code: Some(error.code()) }
}
