//! Whether both sides are ready: reads, compares, changes nothing.

use std::sync::Arc;

use base::{Clock, Table};
use store::MemoryStore;

use crate::{
    bridge::{Bridge, Parts},
    error::SyncError,
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

/// Looks at both sides as a cycle would before it sends anything.
pub async fn check(dynamics: dataverse::Client, marketo: ::marketo::Client, options: Options) -> Vec<Finding> {
    let parts = Parts {
        dynamics,
        marketo,
        // Nothing that is learnt here is kept.
        store: Arc::new(MemoryStore::new()),
        clock: Clock::system(),
        options,
        run: RunOptions::default(),
        progress: Progress::silent(),
        daily_calls: u64::MAX,
    };
    let bridge = match Bridge::open(parts, "check").await {
        Ok(bridge) => bridge,
        Err(error) => return vec![bad("state", &error)],
    };
    let mut findings = vec![side("Dynamics: address, login and application user", bridge.greet_dynamics().await)];
    findings.push(side("Marketo: address, client id and secret", bridge.greet_marketo().await));
    if findings.iter().any(|finding| !finding.good) {
        return findings;
    }
    match prepare(&bridge).await {
        Ok(prepared) => {
            findings.push(good("metadata, key fields, field maps and MSI columns", "fit together".into()));
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
