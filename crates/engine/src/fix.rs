//! What `check` finds and what can be put right from here, each only when somebody has said so: a table's changes are tracked, a column for a Sales
//! Insight field is made in Dynamics, or a key field for people in Marketo. Nothing else is ever changed, and no record of either side.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use base::{Object, Table, Timestamp};
use futures::{FutureExt, future::BoxFuture};
use planner::{
    known_msi::KnownMsis,
    msi::{MsiField, MsiMap, MsiSpec},
    schema::{Columns, TargetSchema},
};
use serde::{Deserialize, Serialize};

use crate::{
    bridge::Bridge,
    check::{self, CountedIn, Finding, counting},
    error::{Side, SyncError},
    marketo::key_field,
    metadata::Tables,
    options::Options,
};

/// The prefix of the columns of Adobe's package.
const PACKAGE: &str = "mkt";

/// One thing that can be put right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fix {
    /// A table's changes are tracked from now on; that can't be taken back.
    Track(Table),
    /// A column is added to a table.
    Column {
        /// The table.
        table: Table,
        /// The Sales Insight field that goes there.
        field: MsiField,
        /// The column's name, with its publisher's prefix.
        name: String,
    },
    /// A custom field of people is made in Marketo; it can be hidden later, and never deleted.
    Field(String),
}

impl Fix {
    /// The side that is changed.
    #[must_use]
    pub const fn side(&self) -> Side {
        match self {
            Self::Track(_) | Self::Column { .. } => Side::Dynamics,
            Self::Field(_) => Side::Marketo,
        }
    }

    /// What whoever does it needs, and what to do where it isn't to be had.
    #[must_use]
    pub fn by_hand(&self) -> String {
        match self {
            Self::Track(table) => format!(
                "it needs System Customizer, for as long as this takes; or have somebody turn on Track changes for {table} (Power Apps, Tables, \
                 Properties, Advanced options)"
            ),
            Self::Column { table, field, name } => format!(
                "it needs System Customizer, for as long as this takes; or have somebody add the column {name} ({}) to {table} in Power Apps",
                field.label()
            ),
            Self::Field(name) => format!(
                "it needs the permission Read-Write Schema Custom Field, for as long as this takes; or have somebody make the field {name}, object \
                 Person, type String (Marketo: Admin, Field Management, New Custom Field)"
            ),
        }
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Track(table) => write!(f, "Dynamics: track changes of table {table} (it can't be turned off again)"),
            Self::Column { table, field, name } => write!(f, "Dynamics: add column {name} ({}) to table {table}", field.label()),
            Self::Field(name) => {
                write!(f, "Marketo: make the custom person field {name} (string; it can be hidden later, and not be deleted)")
            }
        }
    }
}

/// What can be put right, and what only people can.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Fixes {
    /// What can be put right, in order.
    pub fixes: Vec<Fix>,
    /// What can't, and why.
    pub left: Vec<String>,
    /// Lines that the configuration needs once it is done.
    pub lines: Vec<String>,
}

/// What can be put right on these two sides. `prefix` is the publisher's prefix of columns for which nobody has said a name; without, they are made
/// only where Adobe's package is there and lacks them.
///
/// # Errors
/// When a side can't be read.
pub fn fixes(
    dynamics: dataverse::Client,
    marketo: ::marketo::Client,
    options: Options,
    prefix: Option<String>,
    counted: Option<CountedIn>,
) -> BoxFuture<'static, Result<Fixes, SyncError>> {
    async move {
        let bridge = check::open(dynamics, marketo, options).await?;
        let mut found = Ok(Fixes::default());
        counting(&bridge, counted, async { found = Fixes::of(&bridge, prefix.as_deref()).await }).await?;
        found
    }
    .boxed()
}

impl Fixes {
    async fn of(bridge: &Bridge, prefix: Option<&str>) -> Result<Self, SyncError> {
        let mut found = Self::default();
        let (tables, _) = bridge.metadata.tables(bridge).await?;
        found.tracking(bridge, &tables).await?;
        let person = bridge.marketo.describe(Object::Lead).await.map_err(|error| SyncError::of_call(Side::Marketo, error))?.fields;
        if bridge.options.write_back.enabled {
            for table in [Table::Lead, Table::Contact] {
                let Some(described) = tables.get(&table) else { continue };
                found.columns(&bridge.options, (table, &described.columns), &person, prefix, bridge.clock.now());
            }
        }
        found.key(&bridge.options, &person);
        Ok(found)
    }

    async fn tracking(&mut self, bridge: &Bridge, tables: &Tables) -> Result<(), SyncError> {
        for table in tables.values().filter(|table| !table.tracked).map(|table| table.table) {
            let definition = bridge.dynamics.definition(table).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
            match definition.can_be_tracked() {
                true => self.fixes.push(Fix::Track(table)),
                false => self.left.push(format!("Dynamics can't track changes of {table}; it is read by modification date")),
            }
        }
        Ok(())
    }

    /// The columns of a table for fields that Marketo has and that go nowhere yet.
    fn columns(
        &mut self,
        options: &Options,
        (table, columns): (Table, &Columns),
        person: &TargetSchema,
        prefix: Option<&str>,
        now: Timestamp,
    ) {
        let specs = if table == Table::Lead { &options.msi.lead } else { &options.msi.contact };
        let is_package_there = columns.keys().any(|name| MsiField::ALL.iter().any(|field| field.package_names().contains(&name.as_str())));
        let mut unnamed = Vec::new();
        for field in MsiField::ALL {
            let is_described = field.marketo_names().iter().any(|name| person.field(name).is_some());
            let is_found = || {
                let only: BTreeMap<MsiField, MsiSpec> = specs.get(&field).map(|spec| (field, spec.clone())).into_iter().collect();
                // What is there and can't be written, or was only guessed, is no column that is missing.
                let found = MsiMap::find(table, columns, person, &only, &KnownMsis::new(), now);
                !found.is_ok_and(|found| found.map.targets.iter().all(|(target, ..)| *target != field))
            };
            let name = match specs.get(&field) {
                _ if !is_described => continue,
                Some(MsiSpec::Off(_)) => continue,
                Some(MsiSpec::Column(name)) if columns.contains_key(&name.to_lowercase()) => continue,
                Some(MsiSpec::Column(name)) => name.clone(),
                None if is_found() => continue,
                None if is_package_there => field.package_names()[0].to_owned(),
                None => match prefix {
                    Some(prefix) => field.package_names()[0].replacen(PACKAGE, prefix, 1),
                    None => {
                        unnamed.push(field.label());
                        continue;
                    }
                },
            };
            // A guess has to be confirmed, also one of our own.
            if !name.starts_with("mkt_") && !specs.contains_key(&field) {
                let section = format!("[msi.{table}]");
                if !self.lines.contains(&section) {
                    self.lines.push(section);
                }
                self.lines.push(format!("{} = \"{name}\"", field.marketo_names()[0]));
            }
            self.fixes.push(Fix::Column { table, field, name });
        }
        if !unnamed.is_empty() {
            self.left.push(format!(
                "table {table} has no column for {}: install Adobe's package, or give your publisher's prefix with --prefix, and they are made as \
                 columns of your own",
                unnamed.join(", ")
            ));
        }
    }

    fn key(&mut self, options: &Options, person: &TargetSchema) {
        let key = &options.keys.person;
        if person.field(key).is_some() {
            return;
        }
        match key.eq_ignore_ascii_case(key_field(Object::Lead)) {
            true => self.left.push(
                "externalPersonId comes with Marketo's feature \"MSI Non-Native\"; have Marketo enable it, or write a name of your own into \
                 keys.person, and the field is made"
                    .into(),
            ),
            false => self.fixes.push(Fix::Field(key.clone())),
        }
    }
}

/// Puts right what was chosen, one after the other, and says of each what came of it. One that fails keeps none of the others from being tried.
///
/// # Errors
/// When the sides can't be asked at all.
pub fn apply(
    dynamics: dataverse::Client,
    marketo: ::marketo::Client,
    chosen: BTreeSet<Fix>,
    counted: Option<CountedIn>,
) -> BoxFuture<'static, Result<Vec<Finding>, SyncError>> {
    async move {
        let bridge = check::open(dynamics, marketo, Options::default()).await?;
        let mut findings = Vec::new();
        let work = async {
            for fix in chosen {
                findings.push(outcome(&bridge, &fix).await);
            }
        };
        counting(&bridge, counted, work).await?;
        Ok(findings)
    }
    .boxed()
}

async fn outcome(bridge: &Bridge, fix: &Fix) -> Finding {
    let Err(error) = done(bridge, fix).await else { return Finding::green(fix.to_string(), "done") };
    let told = error.to_string();
    // What to do is more than what the side's refusal asks for.
    let told = told.split_once("\n  what to do: ").map_or(told.as_str(), |(told, _)| told);
    Finding::red(fix.to_string(), told, fix.by_hand()).coded(error.code())
}

async fn done(bridge: &Bridge, fix: &Fix) -> Result<(), SyncError> {
    let of_call = |error| SyncError::of_call(fix.side(), error);
    match fix {
        Fix::Track(table) => bridge.dynamics.track(*table).await.map_err(of_call),
        Fix::Column { table, field, name } => bridge.dynamics.add_column(*table, *field, name).await.map_err(of_call),
        Fix::Field(name) => {
            let verdict = bridge.marketo.create_person_field(name).await.map_err(of_call)?;
            match verdict.confirmed {
                true => Ok(()),
                false => {
                    let refusal = wire::Refusal {
                        status: 200,
                        code: verdict.code,
                        message: verdict.message,
                        class: wire::Class::Record,
                        wait: None,
                        request_id: None,
                    };
                    Err(of_call(refusal.into()))
                }
            }
        }
    }
}
