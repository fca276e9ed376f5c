//! What people decide about a bridge, as its configuration says it.

use std::collections::{BTreeMap, BTreeSet};

use base::Table;
use planner::{
    FieldSpec,
    identity::Ambiguous,
    msi::{MsiField, MsiSpec},
};
use serde::{Deserialize, Serialize};

/// Everything about a bridge besides addresses, credentials and limits.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Key fields.
    pub keys: Keys,
    /// Who a record is and what is done with what doesn't fit.
    pub policy: Policy,
    /// Field maps, on top of the defaults.
    pub fields: Fields,
    /// The columns of the MSI fields, where they aren't found without doubt.
    pub msi: Msi,
    /// The way back.
    pub write_back: WriteBack,
    /// When to stop and ask.
    pub brake: Brake,
}

/// Key fields that customers may have made themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The person field that holds the Dynamics GUID. Another than `externalPersonId` is used to look people up, and
    /// `externalPersonId` is written besides where Marketo has it.
    pub person: String,
    /// A company field that holds the Dynamics GUID in addition to `externalCompanyId`, which stays key and link.
    pub company: Option<String>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { person: "externalPersonId".into(), company: None }
    }
}

/// Decisions about identity and links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// When several Marketo persons could be one record.
    pub ambiguous: Ambiguous,
    /// Whether a person or opportunity without any account is held.
    pub require_company: bool,
    /// Whether the creating call of a person without account names its company as text.
    pub send_company_name: bool,
    /// The text of a role whose connection names none.
    pub default_role: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self { ambiguous: Ambiguous::Hold, require_company: false, send_company_name: false, default_role: "Stakeholder".into() }
    }
}

/// Field maps: Marketo field to source.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// Of users.
    pub systemuser: BTreeMap<String, FieldSpec>,
    /// Of accounts.
    pub account: BTreeMap<String, FieldSpec>,
    /// Of leads.
    pub lead: BTreeMap<String, FieldSpec>,
    /// Of contacts.
    pub contact: BTreeMap<String, FieldSpec>,
    /// Of opportunities.
    pub opportunity: BTreeMap<String, FieldSpec>,
    /// Columns under field security that the application user is allowed to read, as `contact.emailaddress1`.
    #[serde(skip)]
    pub readable_secured: BTreeSet<String>,
}

impl Fields {
    /// The map of a table.
    #[must_use]
    pub fn of(&self, table: Table) -> Option<&BTreeMap<String, FieldSpec>> {
        match table {
            Table::SystemUser => Some(&self.systemuser),
            Table::Account => Some(&self.account),
            Table::Lead => Some(&self.lead),
            Table::Contact => Some(&self.contact),
            Table::Opportunity => Some(&self.opportunity),
            Table::Team | Table::ConnectionRole | Table::Connection => None,
        }
    }
}

/// Columns of the MSI fields.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Msi {
    /// On the lead.
    pub lead: BTreeMap<MsiField, MsiSpec>,
    /// On the contact.
    pub contact: BTreeMap<MsiField, MsiSpec>,
}

/// The way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WriteBack {
    /// Whether MSI fields are written to Dynamics at all.
    pub enabled: bool,
    /// What is done with closed leads, which Dynamics may refuse to change.
    pub closed_leads: ClosedLeads,
    /// Rows in one bulk message to Dynamics.
    pub rows_per_message: u32,
    /// In how many hours everybody's fields are read once, whatever activities say; 0: never.
    pub sweep_hours: u32,
    /// Marketo calls that one cycle may spend on that, 300 people each.
    pub sweep_calls: u32,
}

impl Default for WriteBack {
    fn default() -> Self {
        Self { enabled: true, closed_leads: ClosedLeads::Skip, rows_per_message: 200, sweep_hours: 24, sweep_calls: 1_000 }
    }
}

/// What is done with closed leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClosedLeads {
    /// They are left alone and counted.
    #[default]
    Skip,
    /// Each is tried once; a refused one is left alone from then on.
    Try,
}

/// When to stop and ask: a kind of harmful change stops above both limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Brake {
    /// Share of all records of that kind, in percent.
    pub percent: f64,
    /// Number of records.
    pub count: u64,
}

impl Default for Brake {
    fn default() -> Self {
        Self { percent: 5.0, count: 500 }
    }
}

/// What one run is asked to do differently.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunOptions {
    /// Held records are tried again now.
    pub retry_held: bool,
    /// Harmful changes that the brake would stop, let through.
    pub allow: BTreeSet<String>,
}
