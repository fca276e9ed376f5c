//! `[on_delete]`, `[on_leave]` and `[on_inactive]`: what becomes of a Marketo record whose row is no longer there for us.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// Rule R9.
/// What becomes of a Marketo record when its Dynamics row is no longer there for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parting {
    /// What becomes of a person.
    pub person: PersonParting,
    /// What becomes of a company.
    pub company: RecordParting,
    /// What becomes of a sales person.
    pub sales_person: RecordParting,
    /// What becomes of an opportunity; its roles are removed before.
    pub opportunity: RecordParting,
}

impl Default for Parting {
    fn default() -> Self {
        Self {
            person: PersonParting::Unlink,
            company: RecordParting::Keep,
            sales_person: RecordParting::Keep,
            opportunity: RecordParting::Delete,
        }
    }
}

/// What becomes of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PersonParting {
    /// It stays, and its external id is cleared.
    Unlink,
    /// It stays as it is, and nothing more is sent.
    Keep,
    /// It is deleted.
    Delete,
}

/// What becomes of a company, a sales person or an opportunity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordParting {
    /// It stays as it is, and nothing more is sent.
    Keep,
    /// It is deleted, where nothing refers to it any more.
    Delete,
}

/// What becomes of the Marketo record of a deactivated row: a contact or account that is inactive, a lead that is disqualified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Inactive {
    /// What becomes of a person.
    pub person: InactivePerson,
    /// What becomes of a company.
    pub company: InactiveRecord,
}

/// What becomes of a deactivated person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InactivePerson {
    /// It stays in sync, as if nothing had happened.
    #[default]
    Sync,
    /// It stays, and its external id is cleared.
    Unlink,
    /// It stays as it is, and nothing more is sent.
    Keep,
    /// It is deleted.
    Delete,
}

/// What becomes of a deactivated company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InactiveRecord {
    /// It stays in sync, as if nothing had happened.
    #[default]
    Sync,
    /// It stays as it is, and nothing more is sent.
    Keep,
    /// It is deleted, where nothing refers to it any more.
    Delete,
}
