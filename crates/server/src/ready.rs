//! Whether every bridge does its work, and why not.

use std::collections::BTreeMap;

use engine::supervisor::{Handle, NotReady};
use serde::Serialize;

/// Of all bridges.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    /// All of them are.
    pub(crate) ready: bool,
    bridges: BTreeMap<String, One>,
}

#[derive(Debug, Serialize)]
struct One {
    ready: bool,
    #[serde(flatten)]
    why: Option<NotReady>,
}

pub(crate) fn of(bridges: &[Handle]) -> Ready {
    let one = |handle: &Handle| {
        let why = handle.view().not_ready();
        (handle.name().to_owned(), One { ready: why.is_none(), why })
    };
    let bridges: BTreeMap<String, One> = bridges.iter().map(one).collect();
    Ready { ready: bridges.values().all(|one| one.ready), bridges }
}
