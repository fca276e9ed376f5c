//! The maps, compiled against both sides' metadata and against what fitted before.

use std::collections::{BTreeMap, BTreeSet};

use base::{Object, Table};
use planner::{
    FieldMap, FieldSpec, Scope, ScopeSpec,
    fingerprint::Slots,
    known::Before,
    known_msi::{Found, KnownMsis},
    mapping::{Compiled, MapContext},
    msi::MsiMap,
    reference::{OWNER_COLUMNS, USER_COLUMNS, alias_columns, company_columns},
    role::CONNECTION_COLUMNS,
    schema::{Columns, TargetSchema},
};

use super::{TablePlan, custom_person_key};
use crate::{
    bridge::Bridge,
    dynamics::DynamicsTable,
    error::{Problem, SyncError},
    marketo::ObjectSchema,
    options::{Filter, Options},
    schema_change::History,
};

/// Compiles all maps. What fitted before and doesn't any more is left out alone; `history` is what is known of that, before and after.
pub(crate) fn compile(
    bridge: &Bridge,
    tables: BTreeMap<Table, DynamicsTable>,
    objects: &BTreeMap<Object, ObjectSchema>,
    slots: &mut BTreeMap<Object, Slots>,
    history: &mut History,
) -> Result<BTreeMap<Table, TablePlan>, SyncError> {
    let options = &bridge.options;
    let now = bridge.clock.now();
    let mut problems = Vec::new();
    let mut plans = BTreeMap::new();
    for (table, described) in tables {
        let secured: BTreeSet<String> =
            options.fields.readable_secured.iter().filter_map(|name| name.strip_prefix(&format!("{table}."))).map(str::to_owned).collect();
        let (mut map, mut notes) = (None, Vec::new());
        match field_map(bridge, &described, objects, &secured, slots, history) {
            Some(Ok(Compiled { map: compiled, notes: told, known, news })) => {
                for note in told {
                    tracing::debug!(table = note.table.name(), field = note.field, "{}", note.message);
                    notes.push((note.field, note.message));
                }
                map = Some(compiled);
                history.keep_fields(table, known, news, now);
            }
            Some(Err(found)) => problems.extend(found),
            None => {}
        }
        let msi = match msi_map(bridge, table, &described.columns, objects, history.msi(table)) {
            Some(Ok(Found { map, known, news })) => {
                for note in &map.notes {
                    bridge.count(|summary| summary.warn(note.clone()));
                }
                history.keep_msi(table, known, news, now);
                map
            }
            Some(Err(found)) => {
                problems.extend(found);
                MsiMap::default()
            }
            None => MsiMap::default(),
        };
        let scope = scope(options, table, &described.columns, &secured, history).unwrap_or_else(|problem| {
            problems.push(problem);
            Scope::All
        });
        let has_watermark = map.is_some() && described.columns.contains_key("modifiedon");
        let since = options.bootstrap.since.filter(|_| has_watermark);
        let mut select = select(table, &described.columns, map.as_ref(), &msi, &scope);
        if since.is_some() && !select.iter().any(|column| column == "modifiedon") {
            select.push("modifiedon".into());
        }
        let text = format!(
            "{}\n{}\n{}{}\n{}",
            map.as_ref().map(FieldMap::describe).unwrap_or_default(),
            select.join(","),
            scope.describe(),
            since.map(|since| format!(" since {since}")).unwrap_or_default(),
            policy_of_table(options, table)
        );
        let hash = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
        plans.insert(table, TablePlan { table: described, select, map, msi, notes, scope, since, hash });
    }
    if problems.is_empty() { Ok(plans) } else { Err(SyncError::Configuration(problems)) }
}

/// The field map of a table that becomes an object.
fn field_map(
    bridge: &Bridge,
    described: &DynamicsTable,
    objects: &BTreeMap<Object, ObjectSchema>,
    secured: &BTreeSet<String>,
    slots: &mut BTreeMap<Object, Slots>,
    history: &History,
) -> Option<Result<Compiled, Vec<Problem>>> {
    let (table, options) = (described.table, &bridge.options);
    let object = table.object()?;
    let none = TargetSchema::default();
    let fields_of = |object| objects.get(&object).map_or(&none, |schema| &schema.fields);
    let mut specs = options.fields.of(table).cloned().unwrap_or_default();
    // A key of the customer's own holds the GUID like any mapped field, so that it also comes to records that are linked already.
    let own = match object {
        Object::Lead => custom_person_key(options, objects),
        Object::Company => options.keys.company.clone(),
        Object::SalesPerson | Object::Opportunity | Object::Role => None,
    };
    let keys: Vec<String> = own.into_iter().collect();
    for key in &keys {
        specs.insert(key.clone(), FieldSpec::Column(described.primary_id.clone()));
    }
    let before = Before { fields: history.fields(table), keys: &keys, now: bridge.clock.now() };
    let context = MapContext {
        columns: &described.columns,
        readable_secured: secured,
        target: fields_of(object),
        company: fields_of(Object::Company),
        before: Some(before),
    };
    let compiled = FieldMap::compile(table, object, &specs, context, slots.entry(object).or_default());
    let told = |problem: planner::mapping::MapProblem| Problem {
        code: "field-map",
        place: format!("fields.{}.{}", problem.table, problem.field),
        message: problem.message,
    };
    Some(compiled.map_err(|problems| problems.into_iter().map(told).collect()))
}

/// Which rows are in scope. A filter that fitted before is no less an error: without it rows would be let in or taken out that shouldn't be.
fn scope(options: &Options, table: Table, columns: &Columns, secured: &BTreeSet<String>, history: &mut History) -> Result<Scope, Problem> {
    let filter = options.filters.of(table);
    let written = filter.map(|filter| format!("{filter:?}"));
    let spec = filter.map(|filter| match filter {
        Filter::Expression(text) => ScopeSpec::Expression(text),
        Filter::Switch { switch } => ScopeSpec::Switch(switch),
    });
    match Scope::compile(spec, columns, secured) {
        Ok(scope) => {
            history.keep_filter(table, written);
            Ok(scope)
        }
        Err(why) => {
            let has_changed = if history.filter(table) == written.as_ref() {
                format!(
                    " (it fitted at the last sync: the columns of {table} have changed in Dynamics since; nothing is sent, because without it rows would be in scope or out of it that shouldn't be)"
                )
            } else {
                String::new()
            };
            Err(Problem { code: "filter", place: format!("where.{table}"), message: format!("{why}{has_changed}") })
        }
    }
}

/// What of the policy changes how rows of a table are understood.
fn policy_of_table(options: &Options, table: Table) -> String {
    let owners = options.owners.team;
    let (by_reference, inactive) = (options.policy.by_reference, options.on_inactive);
    match table {
        Table::Account => format!("{owners:?} {:?}", inactive.company),
        Table::Lead => format!("{owners:?} {by_reference} {:?} {}", inactive.person, options.policy.send_company_name),
        Table::Contact => format!("{owners:?} {by_reference} {:?}", inactive.person),
        Table::Opportunity => format!("{owners:?} {by_reference}"),
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Connection => String::new(),
    }
}

fn msi_map(
    bridge: &Bridge,
    table: Table,
    columns: &Columns,
    objects: &BTreeMap<Object, ObjectSchema>,
    known: &KnownMsis,
) -> Option<Result<Found, Vec<Problem>>> {
    let specs = match table {
        Table::Lead => &bridge.options.msi.lead,
        Table::Contact => &bridge.options.msi.contact,
        Table::SystemUser | Table::Team | Table::ConnectionRole | Table::Account | Table::Opportunity | Table::Connection => return None,
    };
    let person = objects.get(&Object::Lead).filter(|_| bridge.options.write_back.enabled)?;
    let found = MsiMap::find(table, columns, &person.fields, specs, known, bridge.clock.now());
    let told = |problem: planner::msi::MsiProblem| Problem {
        code: "msi-column",
        place: format!("msi.{}", problem.table),
        message: problem.message,
    };
    Some(found.map_err(|problems| problems.into_iter().map(told).collect()))
}

/// The columns to read: the key, what links need, what the map reads, and what the MSI columns hold now.
fn select(table: Table, columns: &Columns, map: Option<&FieldMap>, msi: &MsiMap, scope: &Scope) -> Vec<String> {
    let lookup_is_there = |selected: &str| {
        let name = selected.strip_prefix('_').and_then(|name| name.strip_suffix("_value")).unwrap_or(selected);
        columns.contains_key(name)
    };
    let mut wanted: Vec<&str> = match table {
        Table::SystemUser => USER_COLUMNS.to_vec(),
        Table::Team => vec!["_administratorid_value"],
        Table::ConnectionRole => vec!["name"],
        Table::Account | Table::Lead | Table::Contact | Table::Opportunity => OWNER_COLUMNS.to_vec(),
        Table::Connection => CONNECTION_COLUMNS.to_vec(),
    };
    wanted.extend(company_columns(table));
    wanted.extend(alias_columns(table));
    if matches!(table, Table::Account | Table::Lead | Table::Contact | Table::Opportunity) {
        wanted.push("statecode");
    }
    if table == Table::Lead {
        wanted.push("companyname");
    }
    let mut select: Vec<String> = wanted.into_iter().filter(|column| lookup_is_there(column)).map(str::to_owned).collect();
    let as_selected = |column: String| match columns.get(&column).map(|column| column.kind) {
        Some(planner::ColumnKind::Lookup) => format!("_{column}_value"),
        Some(_) | None => column,
    };
    select.extend(map.map(FieldMap::select).unwrap_or_default().into_iter().map(&as_selected));
    select.extend(msi.columns().map(str::to_owned));
    select.extend(scope.columns().map(|column| as_selected(column.to_owned())));
    select.sort();
    select.dedup();
    select
}

/// Changes when a decision does that could make a held record sendable.
pub(super) fn policy_hash(options: &Options, plans: &BTreeMap<Table, TablePlan>) -> String {
    let plans: Vec<&str> = plans.values().map(|plan| plan.hash.as_str()).collect();
    let partings = (options.on_delete, options.on_leave, options.on_inactive);
    let text = format!("{:?}\n{:?}\n{:?}\n{:?}\n{}", options.policy, options.keys, options.owners, partings, plans.join(","));
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}
