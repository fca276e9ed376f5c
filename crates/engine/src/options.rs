//! What people decide about a bridge, as its configuration says it.

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, RecordId, Table};
pub use planner::msi::{MsiField, MsiSpec};
use planner::{FieldSpec, identity::Ambiguous};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod parting;
mod scope;

pub use crate::bootstrap::{Bootstrap, Bulk};
pub use parting::{Inactive, InactivePerson, InactiveRecord, Parting, PersonParting, RecordParting};
pub use scope::{Filter, Filters};

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The person field that holds the Dynamics GUID, and by which people are looked up. Name a custom field of type string where Marketo can't
    /// look people up by the standard one; `externalPersonId` is then written besides, where Marketo has it, and whoever isn't found by the
    /// custom field is looked up by it.
    pub person: String,
    /// A company field that gets the Dynamics GUID when a company is created, besides `externalCompanyId`, which stays key and link.
    pub company: Option<String>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { person: "externalPersonId".into(), company: None }
    }
}

/// Decisions about identity and links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What is done when several Marketo people could be one record.
    pub ambiguous: Ambiguous,
    /// Whether a person or opportunity without any account is held, as `company-required`. Otherwise it is sent without a company.
    pub require_company: bool,
    /// Whether the call that creates a person for a Dynamics lead without account names its `companyname` as Marketo's `company`.
    pub send_company_name: bool,
    /// The text of a contact role whose connection names none.
    pub default_role: String,
    /// Whether what something in scope refers to is in scope too, whatever its filter says. Otherwise a record goes without an account that
    /// is out of scope, and a contact out of scope has no role. Owners are always in scope.
    pub by_reference: bool,
    /// What is done when a lead is qualified into a contact and Marketo has a person for each.
    pub on_qualify: Join,
    /// What is done when a record is merged into another and Marketo has a person for each.
    pub on_merge: Join,
    /// What is done with two Marketo people of one record where it was so when the table was first read, by qualification or merge.
    pub on_first_load: Join,
}

/// What is done with two Marketo people of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    /// They are merged in Marketo; the surviving record's person wins. Marketo has no way back from that.
    Merge,
    /// The record is held as `two-persons` until somebody decides.
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

/// Field maps, on top of the defaults: the key is the Marketo field's REST name, the value says where it comes from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// From users to sales persons.
    pub systemuser: BTreeMap<String, FieldSpec>,
    /// From accounts to companies.
    pub account: BTreeMap<String, FieldSpec>,
    /// From leads to people.
    pub lead: BTreeMap<String, FieldSpec>,
    /// From contacts to people.
    pub contact: BTreeMap<String, FieldSpec>,
    /// From opportunities to opportunities.
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

/// Columns of the Sales Insight fields. The key is Marketo's field, the value the column's logical name, or `false`: not written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Msi {
    /// Columns of the lead.
    #[schemars(schema_with = "msi_columns")]
    pub lead: BTreeMap<MsiField, MsiSpec>,
    /// Columns of the contact.
    #[schemars(schema_with = "msi_columns")]
    pub contact: BTreeMap<MsiField, MsiSpec>,
}

/// The schema of a table whose keys are the Sales Insight fields, each with its meaning.
fn msi_columns(generator: &mut SchemaGenerator) -> Schema {
    let (column, fields) = (generator.subschema_for::<MsiSpec>(), MsiField::json_schema(generator));
    let documented = fields.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let properties: Map<String, Value> = documented
        .filter_map(|field| {
            let mut property = column.clone();
            property.insert("description".into(), field.get("description")?.clone());
            Some((field.get("const")?.as_str()?.to_owned(), property.into()))
        })
        .collect();
    json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WriteBack {
    /// Whether Sales Insight fields are written to Dynamics at all.
    pub enabled: bool,
    /// What is done with closed leads, which Dynamics may refuse to change.
    pub closed_leads: ClosedLeads,
    /// Rows in one bulk update.
    #[schemars(range(min = 1))]
    pub rows_per_message: u32,
    /// In how many hours everybody's fields are read once, whatever activities say; 0: never.
    pub sweep_hours: u32,
    /// Marketo calls that one pass may spend on reading everybody's fields, 300 people each.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClosedLeads {
    /// They are left alone and counted.
    #[default]
    Skip,
    /// Each is tried once; a refused one is left alone until it is open again.
    Try,
}

// Rule R6.
/// Who owns what a team owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Owners {
    /// Whose a team's records are.
    pub team: TeamOwner,
}

/// Whose a team's records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum TeamOwner {
    /// The team's administrator's; nobody's where it has none.
    #[default]
    Administrator,
    /// Nobody's: they are held as `team-owned`.
    Hold,
    /// Those of the user with this id.
    #[schemars(untagged)]
    User(#[schemars(with = "String", regex(pattern = r"^[{(]?[0-9A-Fa-f-]{32,36}[)}]?$"))] Guid),
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

/// When to stop and ask: a kind of harmful change stops above both limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Brake {
    /// Share of all records that the state knows and that this kind could concern, in percent. A kind stops only above this and `count`.
    #[schemars(range(min = 0, max = 100))]
    pub percent: f64,
    /// Number of records. A kind stops only above this and `percent`.
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
