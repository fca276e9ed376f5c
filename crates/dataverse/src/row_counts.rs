//! How many rows tables have.

use std::collections::BTreeMap;

use serde::Deserialize;
use wire::{CallError, Endpoint, Request, Response};

use crate::odata;

/// The number of rows of each table, from a snapshot that may be a day old (Microsoft, "RetrieveTotalRecordCount").
#[derive(Debug, Clone)]
pub struct RowCounts {
    /// Logical names.
    pub tables: Vec<String>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "EntityRecordCountCollection")]
    counts: Counts,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(rename = "Keys")]
    keys: Vec<String>,
    #[serde(rename = "Values")]
    values: Vec<u64>,
}

impl Endpoint for RowCounts {
    type Reply = BTreeMap<String, u64>;

    fn request(&self) -> Result<Request, CallError> {
        let names: Vec<String> = self.tables.iter().map(|table| format!("'{table}'")).collect();
        odata::get("rows.count", format!("/RetrieveTotalRecordCount(EntityNames=[{}])", names.join(",")))
    }

    fn decode(&self, response: &Response) -> Result<BTreeMap<String, u64>, CallError> {
        let Body { counts } = odata::read(response)?;
        Ok(counts.keys.into_iter().zip(counts.values).collect())
    }
}
