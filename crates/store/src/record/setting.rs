//! Cursors, facts learnt about both sides, calls counted, and runs.

use base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    StoreError,
    record::{Family, Record, json, of_json},
};

fn text_key(family: Family, key: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(key.to_vec()).map_err(|_| StoreError::Unreadable { what: family.name(), why: "its key is not text".into() })
}

/// How far one feed has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The feed: a table's name, `activities`.
    pub name: String,
    /// Where to go on; what it means is the reader's business.
    pub position: serde_json::Value,
}

impl Record for Cursor {
    const FAMILY: Family = Family::Cursor;

    fn key(&self) -> Vec<u8> {
        self.name.clone().into_bytes()
    }

    fn value(&self) -> Vec<u8> {
        json(&self.position)
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        Ok(Self { name: text_key(Self::FAMILY, key)?, position: of_json(Self::FAMILY, value)? })
    }
}

/// Something learnt once and kept: a schema, a probe's answer, the key of the fingerprints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// The fact.
    pub value: serde_json::Value,
}

impl Record for Fact {
    const FAMILY: Family = Family::Fact;

    fn key(&self) -> Vec<u8> {
        self.name.clone().into_bytes()
    }

    fn value(&self) -> Vec<u8> {
        json(&self.value)
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        Ok(Self { name: text_key(Self::FAMILY, key)?, value: of_json(Self::FAMILY, value)? })
    }
}

/// Calls to Marketo on one of its days (midnight to midnight US Central), by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// The day, `2026-03-01`.
    pub day: String,
    /// The kind of call: `leads.sync`.
    pub call: String,
    /// How many.
    pub count: u64,
}

impl Record for CallCount {
    const FAMILY: Family = Family::CallCount;

    fn key(&self) -> Vec<u8> {
        format!("{} {}", self.day, self.call).into_bytes()
    }

    fn value(&self) -> Vec<u8> {
        json(&self.count)
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let key = text_key(Self::FAMILY, key)?;
        let (day, call) = key.split_once(' ').unwrap_or((&key, ""));
        Ok(Self { day: day.to_owned(), call: call.to_owned(), count: of_json(Self::FAMILY, value)? })
    }
}

/// One run of a cycle and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// When it began; also its key.
    pub begun: Timestamp,
    /// The rest.
    pub body: RunBody,
}

/// The value of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunBody {
    /// When it ended; none while it runs, or when it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The exit code it ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// Its summary, as `sync --json` prints it.
    #[serde(default)]
    pub summary: serde_json::Value,
}

impl Record for Run {
    const FAMILY: Family = Family::Run;

    fn key(&self) -> Vec<u8> {
        self.begun.as_millisecond().to_be_bytes().to_vec()
    }

    fn value(&self) -> Vec<u8> {
        json(&self.body)
    }

    fn read(key: &[u8], value: &[u8]) -> Result<Self, StoreError> {
        let unreadable = || StoreError::Unreadable { what: Self::FAMILY.name(), why: "its key is not a time".into() };
        let ms = i64::from_be_bytes(key.try_into().map_err(|_| unreadable())?);
        Ok(Self { begun: Timestamp::from_millisecond(ms).map_err(|_| unreadable())?, body: of_json(Self::FAMILY, value)? })
    }
}
