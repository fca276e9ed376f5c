//! What a cycle starts from: both sides' metadata, and the maps compiled against them.
//!
//! How long Dynamics' metadata are believed: [`crate::metadata`]. A column that lost its read permission must never blank a field in Marketo.
//! Marketo's describes cost quota, change rarely and are kept for a day; an unknown field in an answer makes them be read anew.

mod compile;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::{Object, Table, Timestamp, time::since};
use futures::future::try_join_all;
use planner::{FieldMap, FingerprintKey, Row, Scope, fingerprint::Slots, msi::MsiMap};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Batch, Store, StoreError, StoreExt, record::Fact};
use tokio::sync::OnceCell;

pub(crate) use compile::compile;
use compile::policy_hash;

use crate::{
    bound,
    bridge::Bridge,
    dynamics::{DynamicsTable, Presence},
    error::{Problem, Side, SyncError},
    marketo::ObjectSchema,
    metadata::{self, Tables},
    options::{Options, TeamOwner},
    progress::Step,
    schema_change::{History, Noted, SchemaChange},
};

/// How long Marketo's describes are believed.
const DESCRIBE_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

const DESCRIBE_FACT: &str = "marketo_describe";
const KEY_FACT: &str = "fingerprint_key";
const SLOTS_FACT: &str = "slots";
const POLICY_FACT: &str = "policy";

/// Everything that is known before the first record is looked at.
#[derive(Debug)]
pub struct Prepared {
    /// Each table as Dynamics describes it.
    pub tables: BTreeMap<Table, TablePlan>,
    /// Each object as Marketo describes it.
    pub objects: BTreeMap<Object, ObjectSchema>,
    /// The key of the fingerprints.
    pub key: FingerprintKey,
    /// Whether held records are tried again now: on request, or because the map or a policy changed.
    pub retry_held: bool,
    /// Changes when a decision or a map does.
    policy: String,
    /// Whether the map or a policy changed since the last whole cycle.
    pub policy_changed: bool,
    /// The field that holds the GUID of a person and by which people are looked up, as Marketo spells it.
    pub person_key: String,
    /// Where persons keep the GUID besides the look-up field.
    pub second_person_key: Option<String>,
    /// Fields and columns that are left out because a schema changed, or that take shorter texts than they did.
    pub changes: Vec<SchemaChange>,
    /// What has changed in either schema, the latest last.
    pub(crate) noted: Vec<Noted>,
    /// Whether Marketo's describes were read in this pass.
    pub(crate) fields_are_fresh: bool,
    /// Dynamics' metadata that it was made of.
    described: Arc<Tables>,
    /// Whether those were read in this pass.
    fresh: OnceCell<()>,
}

/// How one table is read and mapped.
#[derive(Debug)]
pub struct TablePlan {
    /// The table.
    pub table: DynamicsTable,
    /// The columns to select.
    pub select: Vec<String>,
    /// The field map, for tables that become an object.
    pub map: Option<FieldMap>,
    /// The MSI columns, for leads and contacts.
    pub msi: MsiMap,
    /// What people should know of the map: Marketo field, and what is lost or left out of it.
    pub notes: Vec<(String, String)>,
    /// Which rows are in scope.
    scope: Scope,
    /// What isn't in Marketo yet comes into scope only when it was changed since.
    since: Option<Timestamp>,
    /// Changes when the columns or the map do; then everything is read anew.
    pub hash: String,
}

#[derive(Serialize, Deserialize)]
struct SavedDescribes {
    at: Timestamp,
    objects: BTreeMap<Object, ObjectSchema>,
}

impl TablePlan {
    /// Whether a row is in scope; `is_known` says whether Marketo has its record.
    ///
    /// # Errors
    /// Why its filter has no answer for this row; nothing follows from that.
    pub fn lets_in(&self, row: Row<'_>, is_known: bool) -> Result<bool, String> {
        let modified = || row.value("modifiedon").and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
        let is_old = self.since.is_some_and(|since| modified().is_some_and(|modified| modified < since));
        Ok(self.scope.holds(row, &self.table.columns)? && (is_known || !is_old))
    }
}

impl Prepared {
    /// The plan of a table.
    ///
    /// # Errors
    /// When the table isn't there.
    pub fn table(&self, table: Table) -> Result<&TablePlan, SyncError> {
        self.tables.get(&table).ok_or_else(|| {
            SyncError::Configuration(vec![Problem {
                code: "dynamics-table-missing",
                place: table.name().into(),
                message: format!("Dynamics has no table {table} that the application user can see"),
            }])
        })
    }

    /// The map of a table that becomes an object.
    ///
    /// # Errors
    /// When the table isn't there.
    pub fn map(&self, table: Table) -> Result<&FieldMap, SyncError> {
        self.table(table)?.map.as_ref().ok_or_else(|| {
            SyncError::Configuration(vec![Problem {
                code: "field-map",
                place: table.name().into(),
                message: format!("table {table} has no field map"),
            }])
        })
    }
}

impl Prepared {
    /// Makes sure, before the first change is taken in, that Dynamics' metadata are those of now.
    ///
    /// # Errors
    /// [`SyncError::Stale`] when they are not: everything made of them is to be made anew.
    pub(crate) async fn is_of_now(&self, bridge: &Bridge) -> Result<(), SyncError> {
        let renewed = async || if bridge.metadata.are_still(bridge, &self.described).await? { Ok(()) } else { Err(SyncError::Stale) };
        self.fresh.get_or_try_init(renewed).await.map(drop)
    }

    /// An error of Dynamics as what it means: where its tables are others now than when this was made, everything is to be made anew.
    ///
    /// # Errors
    /// When Dynamics can't be asked.
    pub(crate) async fn explained(&self, bridge: &Bridge, error: SyncError) -> Result<SyncError, SyncError> {
        let may_be_that = matches!(error, SyncError::Side { side: Side::Dynamics, .. }) && error.is_refusal();
        Ok(if may_be_that && !bridge.metadata.are_still(bridge, &self.described).await? { SyncError::Stale } else { error })
    }

    /// Keeps which decisions held records were last tried under. Only after a push, so that a cycle that stops before tries again.
    ///
    /// # Errors
    /// When the state can't be written.
    pub async fn keep_policy(&self, bridge: &Bridge) -> Result<(), SyncError> {
        let mut batch = Batch::new();
        batch.put(&Fact { name: POLICY_FACT.into(), value: self.policy.clone().into() });
        bridge.commit(batch).await
    }
}

/// Reads both sides' metadata and compiles the maps.
///
/// # Errors
/// When a side can't be read, or the configuration doesn't fit what they say.
pub async fn prepare(bridge: &Bridge) -> Result<Prepared, SyncError> {
    bridge.progress.tell(Step::Preparing);
    let (described, fresh) = bridge.metadata.tables(bridge).await?;
    let tables = Tables::clone(&described);
    let (objects, fields_are_fresh, mut batch) = describes(bridge).await?;
    bound::check(bridge, &mut batch).await?;
    team_user_is_there(bridge, tables.get(&Table::SystemUser)).await?;
    if fresh {
        metadata::keep(bridge, &described, &mut batch).await?;
    }
    let key = fingerprint_key(bridge, &mut batch).await?;
    let mut slots = saved_slots(&*bridge.store).await?;
    let mut history = History::load(&*bridge.store).await?;
    let compiled = compile(bridge, tables, &objects, &mut slots, &mut history)?;
    batch.put(&Fact { name: SLOTS_FACT.into(), value: serde_json::to_value(&slots).unwrap_or_default() });
    history.read_again(bridge).await?;
    history.save(&mut batch);
    let changes = history.left(bridge.clock.now());
    bridge.count(|summary| summary.schema_changes.clone_from(&changes));
    let policy = policy_hash(&bridge.options, &compiled);
    let before = bridge.store.read_one::<Fact>(POLICY_FACT.into()).await?.map(|fact| fact.value);
    let changed = before.as_ref().is_some_and(|before| before.as_str() != Some(&policy));
    bridge.commit(batch).await?;
    let second_person_key = second_key(&bridge.options, &objects);
    let person_key = person_key(&bridge.options, &objects);
    Ok(Prepared {
        tables: compiled,
        objects,
        key,
        retry_held: bridge.run.retry_held || changed,
        policy,
        policy_changed: changed,
        person_key,
        second_person_key,
        changes,
        noted: history.into_noted(),
        fields_are_fresh,
        described,
        fresh: OnceCell::new_with(fresh.then_some(())),
    })
}

/// The user to whom teams' records are given must exist: otherwise all of them would wait for somebody who never comes.
async fn team_user_is_there(bridge: &Bridge, users: Option<&DynamicsTable>) -> Result<(), SyncError> {
    let (TeamOwner::User(user), Some(users)) = (bridge.options.owners.team, users) else { return Ok(()) };
    match bridge.dynamics.presence(users, user).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))? {
        Presence::There => Ok(()),
        Presence::Gone | Presence::Hidden => Err(SyncError::Configuration(vec![Problem {
            code: "configuration",
            place: "owners.team".into(),
            message: format!(
                "names user {user}, which Dynamics doesn't show; write the id (systemuserid) of a user that the application user may read"
            ),
        }])),
    }
}

/// Marketo's describes, and whether they were read just now.
async fn describes(bridge: &Bridge) -> Result<(BTreeMap<Object, ObjectSchema>, bool, Batch), SyncError> {
    let now = bridge.clock.now();
    let mut batch = Batch::new();
    if let Some(fact) = bridge.store.read_one::<Fact>(DESCRIBE_FACT.into()).await?
        && let Ok(saved) = serde_json::from_value::<SavedDescribes>(fact.value)
        && since(saved.at, now) < DESCRIBE_MAX_AGE
    {
        check_keys(&bridge.options, &saved.objects)?;
        return Ok((saved.objects, false, batch));
    }
    let described = try_join_all(Object::ALL.map(|object| bridge.marketo.describe(object))).await;
    let schemas = described.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
    let objects = Object::ALL.into_iter().zip(schemas).collect();
    check_keys(&bridge.options, &objects)?;
    let saved = SavedDescribes { at: now, objects };
    batch.put(&Fact { name: DESCRIBE_FACT.into(), value: serde_json::to_value(&saved).unwrap_or_default() });
    Ok((saved.objects, true, batch))
}

/// Marketo's describes as they were last read.
pub(crate) async fn saved_describes(store: &dyn Store) -> Result<Option<Value>, StoreError> {
    Ok(store.read_one::<Fact>(DESCRIBE_FACT.into()).await?.map(|fact| fact.value))
}

/// Forgets Marketo's describes, so that the next cycle reads them anew.
pub fn forget_describes(batch: &mut Batch) {
    batch.remove::<Fact>(DESCRIBE_FACT.into());
}

/// Whether Marketo has the key fields.
fn check_keys(options: &Options, objects: &BTreeMap<Object, ObjectSchema>) -> Result<(), SyncError> {
    let mut problems = Vec::new();
    let person = &options.keys.person;
    if let Some(schema) = objects.get(&Object::Lead) {
        if schema.fields.field(person).is_none() {
            problems.push(Problem {
                code: "person-key-missing",
                place: "keys.person".into(),
                message: format!(
                    "Marketo's person has no field {person}; have Marketo enable the feature \"MSI Non-Native\" for this subscription, or \
                     name a custom field of your own in keys.person"
                ),
            });
        } else if !schema.searchable.iter().any(|field| field.eq_ignore_ascii_case(person)) {
            problems.push(Problem {
                code: "person-key-not-searchable",
                place: "keys.person".into(),
                message: format!("Marketo can't look people up by {person}; name a custom field of type string in keys.person"),
            });
        }
    }
    if let (Some(field), Some(schema)) = (&options.keys.company, objects.get(&Object::Company))
        && schema.fields.field(field).is_none_or(|field| !field.updateable)
    {
        problems.push(Problem {
            code: "company-key-missing",
            place: "keys.company".into(),
            message: format!("Marketo's company has no field {field} that can be written; make it, or remove the entry"),
        });
    }
    if problems.is_empty() { Ok(()) } else { Err(SyncError::Configuration(problems)) }
}

fn person_key(options: &Options, objects: &BTreeMap<Object, ObjectSchema>) -> String {
    let field = objects.get(&Object::Lead).and_then(|schema| schema.fields.field(&options.keys.person));
    field.map_or_else(|| options.keys.person.clone(), |field| field.name.clone())
}

/// A person key of the customer's own, which is written like any mapped field, so that it also comes to people who are linked already.
fn custom_person_key(options: &Options, objects: &BTreeMap<Object, ObjectSchema>) -> Option<String> {
    Some(person_key(options, objects)).filter(|key| !key.eq_ignore_ascii_case("externalPersonId"))
}

fn second_key(options: &Options, objects: &BTreeMap<Object, ObjectSchema>) -> Option<String> {
    let standard = "externalPersonId";
    let is_custom = !options.keys.person.eq_ignore_ascii_case(standard);
    let there = objects.get(&Object::Lead).and_then(|schema| schema.fields.field(standard));
    there.filter(|_| is_custom).map(|field| field.name.clone())
}

/// The key of the fingerprints, once there is one.
pub(crate) async fn saved_key(store: &dyn Store) -> Result<Option<FingerprintKey>, StoreError> {
    let fact = store.read_one::<Fact>(KEY_FACT.into()).await?;
    Ok(fact.and_then(|fact| fact.value.as_u64()).map(FingerprintKey))
}

/// The slots of each object's fields, as they were last given out.
pub(crate) async fn saved_slots(store: &dyn Store) -> Result<BTreeMap<Object, Slots>, StoreError> {
    let Some(fact) = store.read_one::<Fact>(SLOTS_FACT.into()).await? else { return Ok(BTreeMap::new()) };
    let unreadable = |error| StoreError::Unreadable { what: "fact", why: format!("{SLOTS_FACT}: {error}") };
    serde_json::from_value(fact.value).map_err(unreadable)
}

async fn fingerprint_key(bridge: &Bridge, batch: &mut Batch) -> Result<FingerprintKey, SyncError> {
    if let Some(key) = saved_key(&*bridge.store).await? {
        return Ok(key);
    }
    let key = fastrand::u64(..);
    batch.put(&Fact { name: KEY_FACT.into(), value: key.into() });
    Ok(FingerprintKey(key))
}
