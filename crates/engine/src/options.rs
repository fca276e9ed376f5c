//! What people decide about a bridge, as its configuration says it.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, RecordId, Table};
use planner::{
    FieldSpec,
    identity::Ambiguous,
    msi::{MsiField, MsiSpec},
};
use serde::{Deserialize, Serialize};

pub use crate::bootstrap::{Bootstrap, Bulk};

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
    /// How many rows a day it may write.
    pub daily_writes: DailyWrites,
    /// When to stop and ask.
    pub brake: Brake,
    /// Who owns what a team owns.
    pub owners: Owners,
    /// Which rows are in scope.
    #[serde(rename = "where")]
    pub filters: Filters,
    /// What becomes of the Marketo record of a row that Dynamics has deleted.
    pub on_delete: Parting,
    /// What becomes of the Marketo record of a row that a filter no longer lets through.
    pub on_leave: Parting,
    /// What becomes of the Marketo record of a row that is deactivated.
    pub on_inactive: Inactive,
    /// What is different while very many people come to Marketo for the first time.
    pub bootstrap: Bootstrap,
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
    /// Whether what something in scope refers to is in scope too, whatever its filter says. Otherwise a record goes without an account that
    /// is out of scope, and a contact out of scope has no role. Owners are always in scope.
    pub by_reference: bool,
    /// What is done when a lead is qualified into a contact and Marketo has a person for each.
    pub on_qualify: Join,
    /// What is done when a record is merged into another and Marketo has a person for each.
    pub on_merge: Join,
    /// The same for what was so before the first load, whichever of the two it is.
    pub on_first_load: Join,
}

/// What is done with two Marketo persons of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    /// They are merged in Marketo; the surviving record's person wins.
    Merge,
    /// A person decides.
    Hold,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ambiguous: Ambiguous::Hold,
            require_company: false,
            send_company_name: false,
            default_role: "Stakeholder".into(),
            by_reference: true,
            on_qualify: Join::Merge,
            on_merge: Join::Merge,
            on_first_load: Join::Hold,
        }
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

/// How many rows of Dynamics are written a day (UTC), because what a customer's environment takes is shared with everybody who works in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DailyWrites(pub u64);

impl Default for DailyWrites {
    fn default() -> Self {
        Self(200_000)
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

/// Who owns what a team owns (rule R6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Owners {
    /// Whose it is.
    pub team: TeamOwner,
}

/// Whose a team's records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TeamOwner {
    /// The team's administrator's; nobody's where it has none.
    #[default]
    Administrator,
    /// Nobody's: they are held.
    Hold,
    /// This user's.
    User(Guid),
}

impl Serialize for TeamOwner {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Administrator => serializer.serialize_str("administrator"),
            Self::Hold => serializer.serialize_str("hold"),
            Self::User(user) => serializer.collect_str(user),
        }
    }
}

impl<'de> Deserialize<'de> for TeamOwner {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "administrator" => Ok(Self::Administrator),
            "hold" => Ok(Self::Hold),
            user => user
                .parse()
                .map(Self::User)
                .map_err(|_| serde::de::Error::custom(format!("`{user}` is neither \"administrator\" nor \"hold\" nor the id of a user"))),
        }
    }
}

/// Which rows are in scope; a table that isn't named is in scope as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// Of users. One that owns something is in scope all the same.
    pub systemuser: Option<Filter>,
    /// Of accounts.
    pub account: Option<Filter>,
    /// Of leads.
    pub lead: Option<Filter>,
    /// Of contacts.
    pub contact: Option<Filter>,
    /// Of opportunities.
    pub opportunity: Option<Filter>,
}

impl Filters {
    /// The filter of a table.
    #[must_use]
    pub fn of(&self, table: Table) -> Option<&Filter> {
        match table {
            Table::SystemUser => self.systemuser.as_ref(),
            Table::Account => self.account.as_ref(),
            Table::Lead => self.lead.as_ref(),
            Table::Contact => self.contact.as_ref(),
            Table::Opportunity => self.opportunity.as_ref(),
            Table::Team | Table::ConnectionRole | Table::Connection => None,
        }
    }
}

/// Which rows of a table are in scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Filter {
    /// Those for which this CEL expression is true.
    Expression(String),
    /// Those in which this yes/no column isn't No. Blank means in scope, as with Marketo's native sync.
    Switch {
        /// The column's logical name.
        switch: String,
    },
}

/// What becomes of a Marketo record when its Dynamics row is no longer there for us (rule R9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parting {
    /// Of a person.
    pub person: PersonParting,
    /// Of a company.
    pub company: RecordParting,
    /// Of a sales person.
    pub sales_person: RecordParting,
    /// Of an opportunity; its roles are removed before.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersonParting {
    /// It stays, and its external id is cleared.
    Unlink,
    /// It stays as it is.
    Keep,
    /// It is deleted.
    Delete,
}

/// What becomes of a company, a sales person or an opportunity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordParting {
    /// It stays as it is.
    Keep,
    /// It is deleted, where nothing refers to it any more.
    Delete,
}

/// What becomes of the Marketo record of a deactivated row: a contact or account that is inactive, a lead that is disqualified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inactive {
    /// Of a person.
    pub person: InactivePerson,
    /// Of a company.
    pub company: InactiveRecord,
}

/// What becomes of a deactivated person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InactivePerson {
    /// It stays in sync.
    #[default]
    Sync,
    /// Its external id is cleared.
    Unlink,
    /// It stays as it is; nothing more is sent.
    Keep,
    /// It is deleted.
    Delete,
}

/// What becomes of a deactivated company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InactiveRecord {
    /// It stays in sync.
    #[default]
    Sync,
    /// It stays as it is; nothing more is sent.
    Keep,
    /// It is deleted, where nothing refers to it any more.
    Delete,
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
    /// Whether it is one pass of many in a process that looks all day: then Dynamics' metadata are believed for a while as long as nothing
    /// changes, and the whole cycle leaves activities to the passes that are there for them.
    pub served: bool,
    /// Only these records are sent; all where it isn't said.
    pub only: Option<BTreeSet<RecordId>>,
}
