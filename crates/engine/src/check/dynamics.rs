//! The Dynamics side: which tables can be read with all columns, whether changes are tracked, which columns can be written.

use std::collections::BTreeSet;

use base::{Table, Timestamp, time::since};
use planner::msi::MsiField;

use super::finding::Finding;
use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    prepare::{Prepared, TablePlan},
};

/// For how many days a delta link stays good where the environment doesn't say (Microsoft, "Use change tracking").
const DELTA_DAYS: u32 = 7;

pub(crate) const TRACKING: &str = "docs/guide/dynamics-setup.md#5-change-tracking";
pub(crate) const COLUMNS: &str = "docs/guide/dynamics-setup.md#6-sales-insight-columns";
const SECURED: &str = "docs/guide/dynamics-setup.md#4-secured-columns";
const ROLE: &str = "docs/guide/dynamics-setup.md#3-security-role";

/// Every table: there, readable, tracked.
pub(super) async fn tables(bridge: &Bridge, prepared: &Prepared, findings: &mut Vec<Finding>) -> Result<(), SyncError> {
    for table in Table::ALL {
        let what = format!("Dynamics: table {table}");
        let Some(plan) = prepared.tables.get(&table) else {
            let remedy = "give the application user's role Read on it at organization level, or have Dynamics Sales installed";
            findings.push(Finding::red(what, "not there, or the application user may not see it", remedy).coded("dynamics-table-missing"));
            continue;
        };
        match bridge.dynamics.sample(&plan.table, &plan.select).await {
            Ok(()) if plan.table.tracked => findings.push(Finding::green(what, "readable, and change tracking is on")),
            Ok(()) => findings.push(
                Finding::amber(
                    what,
                    "readable, without change tracking: it is read by modification date, and deletions are found by listing all ids",
                    "turn on Track changes for the table (Power Apps, Tables, Properties, Advanced options)",
                )
                .explained("not-tracked", TRACKING),
            ),
            Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 403) => {
                let remedy = format!("give the application user's security role Read on {table} at organization level");
                findings.push(Finding::red(what, format!("rows can't be read: {error}"), remedy).explained("dynamics-refused", ROLE));
            }
            Err(error) => findings.push(Finding::failed(what, &SyncError::of_call(Side::Dynamics, error))),
        }
    }
    Ok(())
}

/// The columns of the Sales Insight fields, of leads and contacts.
pub(super) async fn msi(bridge: &Bridge, prepared: &Prepared, findings: &mut Vec<Finding>) -> Result<(), SyncError> {
    if !bridge.options.write_back.enabled {
        let text = "write_back.enabled is false: Sales Insight fields are not written to Dynamics";
        findings.push(
            Finding::amber("Dynamics: Sales Insight columns", text, "set it to true, unless this is a shadow run")
                .explained("not-written-back", COLUMNS),
        );
        return Ok(());
    }
    for table in [Table::Lead, Table::Contact] {
        let Some(plan) = prepared.tables.get(&table) else { continue };
        let what = format!("Dynamics: Sales Insight columns of {table}");
        let written: BTreeSet<MsiField> = plan.msi.targets.iter().map(|(field, ..)| *field).collect();
        if written.is_empty() {
            let remedy =
                "install Adobe's Marketo Sales Insight package for custom sync in this environment, or name your own columns under [msi]";
            findings.push(Finding::red(what, "the table has none of them", remedy).coded("msi-column"));
            continue;
        }
        let lacking: Vec<&str> = plan.msi.notes.iter().map(String::as_str).collect();
        match lacking.is_empty() {
            true => findings.push(Finding::green(&what, format!("{} columns, of types that fit", written.len()))),
            false => findings.push(
                Finding::amber(&what, lacking.join("; "), format!("add the column, or name another under [msi.{table}]"))
                    .explained("msi-column-missing", COLUMNS),
            ),
        }
        secured(plan, &what, findings);
        let Some((_, _, column)) = plan.msi.targets.first() else { continue };
        match bridge.dynamics.may_write(&plan.table, &column.name).await {
            Ok(()) => {}
            Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 403) => {
                let remedy = format!("give the application user's security role Write on {table} at organization level");
                findings.push(Finding::red(what, format!("rows can't be written: {error}"), remedy).explained("dynamics-refused", ROLE));
            }
            Err(error) => findings.push(Finding::failed(what, &SyncError::of_call(Side::Dynamics, error))),
        }
    }
    Ok(())
}

fn secured(plan: &TablePlan, what: &str, findings: &mut Vec<Finding>) {
    let secured: Vec<&str> =
        plan.msi.targets.iter().filter(|(_, _, column)| column.secured).map(|(_, _, column)| column.name.as_str()).collect();
    if !secured.is_empty() {
        let remedy = "give the application user a column security profile with Read and Update on them";
        let text = format!("under column security: {}", secured.join(", "));
        findings.push(Finding::amber(what, text, remedy).explained("msi-column-secured", SECURED));
    }
}

/// What of the field maps is cut or lost.
pub(super) fn maps(prepared: &Prepared, findings: &mut Vec<Finding>) {
    for (table, plan) in &prepared.tables {
        for (field, note) in &plan.notes {
            let remedy = "nothing if that may be so; else change the field's entry, or the column or field itself";
            findings.push(
                Finding::amber(format!("field map: {table} → {field}"), note, remedy).explained("field-note", "docs/guide/fields.md"),
            );
        }
    }
}

/// How long the saved delta links stay good, counted from the last pass that read on.
pub(super) async fn links(bridge: &Bridge, last: Option<Timestamp>, findings: &mut Vec<Finding>) -> Result<(), SyncError> {
    let Some(last) = last else { return Ok(()) };
    let days = bridge.dynamics.delta_days().await.ok().flatten().unwrap_or(DELTA_DAYS);
    let what = "Dynamics: delta links";
    let age = since(last, bridge.clock.now()).as_secs() / 86_400;
    match u64::from(days).checked_sub(age) {
        Some(left) if left > 1 => findings.push(Finding::green(what, format!("good for {left} more days without a sync (of {days})"))),
        left => {
            let text = match left {
                Some(left) => format!("they expire in {left} days: the last sync was {age} days ago"),
                None => format!("they have expired: the last sync was {age} days ago, and the environment keeps changes for {days} days"),
            };
            let remedy = "run `insight-bridge sync`; with expired links it reads all rows once and sends only what differs";
            findings.push(Finding::amber(what, text, remedy).explained("delta-links", "docs/guide/runbooks.md"));
        }
    }
    Ok(())
}
