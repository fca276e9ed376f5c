//! What a cycle did, as a value: a table on the terminal, JSON for programs.

use std::collections::BTreeMap;

use base::{Object, Table, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{forecast::Forecast, schema_change::SchemaChange};

/// What one cycle did and what is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// When it began.
    pub begun: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// The error that stopped it, with its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorText>,
    /// Rows read from each table.
    pub captured: BTreeMap<String, Captured>,
    /// Records sent, by object.
    pub pushed: BTreeMap<Object, Pushed>,
    /// The way back.
    pub written_back: WrittenBack,
    /// What was expected before it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Calls to Marketo in this run, by kind; requests for tokens aren't counted by Marketo, nor here.
    pub marketo_calls: BTreeMap<String, u64>,
    /// Requests to Dynamics in this run, by kind.
    pub dynamics_calls: BTreeMap<String, u64>,
    /// Kinds of harmful change that were stopped, with their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stopped_by_brake: BTreeMap<String, u64>,
    /// Records of which people should know something, by code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flagged: BTreeMap<String, u64>,
    /// Fields that are left out because a side's schema changed, and fields that take shorter texts than they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema_changes: Vec<SchemaChange>,
    /// What else people should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// How a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Both sides agree.
    InStep,
    /// Done, but some records are held or waiting, the brake stopped something, or a field is stopped.
    Unfinished,
    /// Stopped; the error says why.
    Stopped,
}

impl Outcome {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InStep => "in_step",
            Self::Unfinished => "unfinished",
            Self::Stopped => "stopped",
        }
    }
}

/// An error as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorText {
    /// Its stable code.
    pub code: String,
    /// What it says.
    pub message: String,
    /// The side's own id of the request that it refused, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What was read from a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Captured {
    /// How it was read.
    pub mode: CaptureMode,
    /// Rows.
    pub rows: u64,
    /// Deletions.
    pub deleted: u64,
    /// Rows that could not be understood and were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// Texts cut to the length that Marketo takes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
    /// Values that have no form in Marketo's type and were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
}

/// How a table was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    /// All of it.
    #[default]
    Full,
    /// What changed since the delta link.
    Changes,
    /// What has a modification date after the last one, and all ids for deletions.
    Watermark,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What became of an object's records.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pushed {
    /// Created in Marketo.
    pub created: u64,
    /// Changed in Marketo.
    pub updated: u64,
    /// Removed from Marketo.
    pub removed: u64,
    /// People that got the key of the record that stands for them now; they are among the updated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rekeyed: u64,
    /// People merged into another.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub merged: u64,
    /// People whose external id was cleared.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlinked: u64,
    /// Left in Marketo although Dynamics no longer has them, as policy says or because something refers to them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept: u64,
    /// Found in Marketo as they should be, and linked without sending anything.
    pub linked: u64,
    /// Of the updated or linked: people that were in Marketo before Dynamics knew them.
    pub adopted: u64,
    /// Fields sent, keys not counted.
    pub fields: u64,
    /// Waiting for something they refer to, at the end of the cycle.
    pub waiting: u64,
    /// Held, at the end of the cycle, by code.
    pub held: BTreeMap<String, u64>,
}

impl Pushed {
    /// All held.
    #[must_use]
    pub fn held_total(&self) -> u64 {
        self.held.values().sum()
    }
}

/// What went back to Dynamics.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WrittenBack {
    /// Activities read.
    pub activities: u64,
    /// People whose MSI fields were read.
    pub read: u64,
    /// Rows written.
    pub written: u64,
    /// Rows that were already right.
    pub unchanged: u64,
    /// Rows that Dynamics doesn't let us write: closed leads.
    pub not_writable: u64,
    /// People who are left for tomorrow, because today's rows are written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub put_off: u64,
    /// Rows that Dynamics refused, with its code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
}

impl Summary {
    /// An empty summary.
    #[must_use]
    pub fn new(begun: Timestamp) -> Self {
        Self {
            begun,
            ended: begun,
            outcome: Outcome::InStep,
            exit_code: 0,
            error: None,
            captured: BTreeMap::new(),
            pushed: Object::ALL.into_iter().map(|object| (object, Pushed::default())).collect(),
            written_back: WrittenBack::default(),
            forecast: None,
            marketo_calls: BTreeMap::new(),
            dynamics_calls: BTreeMap::new(),
            stopped_by_brake: BTreeMap::new(),
            flagged: BTreeMap::new(),
            schema_changes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The line of an object.
    pub fn pushed(&mut self, object: Object) -> &mut Pushed {
        self.pushed.entry(object).or_default()
    }

    /// The line of a table.
    pub fn captured(&mut self, table: Table) -> &mut Captured {
        self.captured.entry(table.name().to_owned()).or_default()
    }

    /// Held and waiting records.
    #[must_use]
    pub fn left(&self) -> (u64, u64) {
        self.pushed.values().fold((0, 0), |(held, waiting), pushed| (held + pushed.held_total(), waiting + pushed.waiting))
    }

    /// Counts a record of which people should know something.
    pub fn flag(&mut self, code: &str) {
        *self.flagged.entry(code.to_owned()).or_default() += 1;
    }

    /// Adds a warning once.
    pub fn warn(&mut self, text: String) {
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }
}
