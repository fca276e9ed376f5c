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
use wire::CallError;

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
            Self::Track(table) => write!(
                f,
                "Dynamics: track changes of table {table} and publish the table (tracking can't be turned off again, and what others have \
                 changed of this table and not published yet goes live with it)"
            ),
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
    /// Of these, the columns that the configuration doesn't name. Once they are there they look like a guess, which has to be confirmed: no sync
    /// begins before their lines are in the configuration.
    #[serde(default)]
    pub unconfirmed: BTreeSet<Fix>,
}

/// The lines with which the configuration names these columns.
#[must_use]
pub fn lines<'a>(columns: impl IntoIterator<Item = &'a Fix>) -> Vec<String> {
    let (mut lines, mut last) = (Vec::new(), None);
    for fix in columns {
        match fix {
            Fix::Column { table, field, name } => {
                if last.replace(*table) != Some(*table) {
                    lines.push(format!("[msi.{table}]"));
                }
                lines.push(format!("{} = \"{name}\"", field.marketo_names()[0]));
            }
            Fix::Track(_) | Fix::Field(_) => {}
        }
    }
    lines
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

/// Whether a column's name alone says what it is for.
fn is_confirmed(column: &Fix) -> bool {
    match column {
        Fix::Column { name, .. } => name.starts_with("mkt_"),
        Fix::Track(_) | Fix::Field(_) => true,
    }
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
        found.lines = lines(&found.unconfirmed);
        if let Some(field) = &bridge.options.keys.company {
            let companies =
                bridge.marketo.describe(Object::Company).await.map_err(|error| SyncError::of_call(Side::Marketo, error))?.fields;
            if companies.field(field).is_none() {
                found.left.push(format!(
                    "Marketo's company has no field {field} (keys.company), and no program can make one: have somebody make it in Marketo (Admin, \
                     Field Management), or correct the name"
                ));
            }
        }
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
                // The other six say nothing of this one.
                let only: BTreeMap<MsiField, MsiSpec> =
                    MsiField::ALL.into_iter().filter(|other| *other != field).map(|other| (other, MsiSpec::Off(false))).collect();
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
            let column = Fix::Column { table, field, name };
            // A guess has to be confirmed, also one of our own.
            if !is_confirmed(&column) && !specs.contains_key(&field) {
                self.unconfirmed.insert(column.clone());
            }
            self.fixes.push(column);
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
                let finding = outcome(&bridge, &fix).await;
                tracing::info!(%fix, good = finding.good, code = finding.code.as_deref().unwrap_or_default(), "a fix was tried");
                findings.push(finding);
            }
        };
        let counted = counting(&bridge, counted, work).await;
        // What was done is told, whether its calls could be counted or not.
        findings.extend(counted.err().map(|error| Finding::failed("state", &error)));
        Ok(findings)
    }
    .boxed()
}

async fn outcome(bridge: &Bridge, fix: &Fix) -> Finding {
    let error = match done(bridge, fix).await {
        Ok(()) => return published(bridge, fix).await,
        Err(error) => error,
    };
    let is_permission =
        error.refusal().is_some_and(|refusal| refusal.status == 403 || (fix.side() == Side::Marketo && refusal.code == "603"));
    let may_have_acted = error.may_have_acted();
    let error = SyncError::of_call(fix.side(), error);
    if may_have_acted {
        return match is_there(bridge, fix).await {
            Ok(true) => published(bridge, fix).await,
            Ok(false) => {
                let finding = Finding::failed(fix.to_string(), &error);
                Finding { text: format!("{}; it was looked at again, and is not done", finding.text), ..finding }
            }
            Err(again) => {
                let finding = Finding::failed(fix.to_string(), &error);
                let text =
                    format!("{}; whether it is done isn't known, since it could not be looked at again ({})", finding.text, again.code());
                Finding {
                    text,
                    remedy: Some("run `insight-bridge check --fix` again: it proposes this only if it isn't done".into()),
                    ..finding
                }
            }
        };
    }
    let finding = Finding::failed(fix.to_string(), &error);
    // What to do is more than what the side's refusal asks for.
    if is_permission { Finding { remedy: Some(fix.by_hand()), ..finding } } else { finding }
}

/// It is done; a table's definition shows to people once it is published. New columns are published without a word (Microsoft, "Publish
/// customizations").
async fn published(bridge: &Bridge, fix: &Fix) -> Finding {
    let done = Finding::green(fix.to_string(), "done");
    match fix {
        Fix::Track(table) => match bridge.dynamics.publish(*table).await {
            Ok(()) => done,
            Err(error) => {
                let error = SyncError::of_call(Side::Dynamics, error);
                let finding = Finding::failed(fix.to_string(), &error);
                Finding {
                    text: format!("tracking is turned on, but publishing the table failed: {}", finding.text),
                    remedy: Some(format!("have somebody publish the table {table} in Power Apps")),
                    ..finding
                }
            }
        },
        Fix::Column { .. } | Fix::Field(_) => done,
    }
}

/// Whether it is as it should be, after a call that nobody has answered.
async fn is_there(bridge: &Bridge, fix: &Fix) -> Result<bool, SyncError> {
    let of_call = |error| SyncError::of_call(fix.side(), error);
    match fix {
        Fix::Track(table) => Ok(bridge.dynamics.definition(*table).await.map_err(of_call)?.is_tracked()),
        Fix::Column { table, name, .. } => {
            let described = bridge.dynamics.table(*table).await.map_err(of_call)?;
            Ok(described.columns.contains_key(&name.to_lowercase()))
        }
        Fix::Field(name) => Ok(bridge.marketo.describe(Object::Lead).await.map_err(of_call)?.fields.field(name).is_some()),
    }
}

async fn done(bridge: &Bridge, fix: &Fix) -> Result<(), CallError> {
    match fix {
        Fix::Track(table) => bridge.dynamics.track(*table).await,
        Fix::Column { table, field, name } => bridge.dynamics.add_column(*table, *field, name).await,
        Fix::Field(name) => {
            let verdict = bridge.marketo.create_person_field(name).await?;
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
                    Err(refusal.into())
                }
            }
        }
    }
}
