//! What the next cycle would do, without doing it; and a cycle that does only what was planned.
//!
//! The cycle itself is run, over a copy of the state, with both sides read as they are and every write answered here ([`rehearsal`]). So a plan
//! can't disagree with what a cycle does: it is one. Before a plan is carried out it is made once more and the two are compared; then a cycle
//! runs that is bound to it ([`approval`]): where it would write something else than was planned, it leaves that for later.

mod approval;
mod asks;
mod hand;
mod rehearsal;
mod saved;

use std::{collections::BTreeMap, sync::Arc};

use base::{Guid, RecordId, Table};
use futures::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Batch, StateCopy};
use tracing::Instrument;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub(crate) use approval::Approval;
pub(crate) use asks::{Asks, What, role_place};
pub(crate) use hand::Hand;
pub(crate) use rehearsal::Rehearsal;
use rehearsal::{Noted, Values};

pub use asks::{Act, Print};
pub use saved::{Cost, FORMAT, LeftOut, Names, Plan, PlannedRecord, PlannedRow, PlannedWrite, Sample, Under, Why};

use crate::{
    bridge::Bridge,
    cycle,
    error::{Problem, Side, SyncError},
    import::Note,
    prepare::{Prepared, forget_describes, prepare},
    progress::Step,
    summary::Summary,
};

/// How much of a plan may have changed since it was made, in percent; with more, nothing of it is done.
pub const CHANGED_MAX_PERCENT: f64 = 5.0;

/// What of a plan is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Writes of each object and kind that are shown with their values.
    pub samples: usize,
    /// Whether all are kept with their values.
    pub values: bool,
}

/// What came of carrying out a plan.
#[derive(Debug)]
pub enum Carried {
    /// Nothing was done, and the state wasn't touched.
    Refused(Refusal),
    /// What could be done of it was.
    Out {
        /// The cycle.
        summary: Box<Summary>,
        /// What stopped it, if something did.
        error: Option<SyncError>,
        /// How it compares with the plan.
        kept: Kept,
    },
}

/// Why a plan wasn't carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// In words, with what to do.
    pub reason: String,
    /// What of it has changed, where that is why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<LeftOut>,
    /// For how many records and rows it would have written something.
    pub of: u64,
}

/// How a cycle compares with the plan that it was bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Writes that were planned.
    pub planned: u64,
    /// Writes of those that were done.
    pub done: u64,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
}

/// Makes a plan. Neither side is changed, and of the state only what is counted and described there.
///
/// # Errors
/// What would stop the cycle.
pub fn plan(bridge: &Bridge, wanted: Wanted) -> BoxFuture<'_, Result<Plan, SyncError>> {
    async move {
        let turn = bridge.turn().await;
        let (under, prepared) = now(bridge).await?;
        let copy = bridge.store.copy().await?;
        // What is copied is looked at whatever becomes of the state meanwhile.
        drop(turn);
        let plan = rehearse(bridge, &copy, &prepared, wanted, under).await;
        bridge.progress.tell(Step::Done);
        plan
    }
    .boxed()
}

/// Does what a plan says: records of which something else would be written by now are left out, and nothing is done where that is too many, or where
/// the configuration or a schema is another. The bridge's pass has to be one with the plan's `allow` and `retry_held`.
///
/// # Errors
/// What stops the comparison. What stops the cycle is in its outcome.
pub fn carry_out<'a>(bridge: &'a Bridge, plan: &'a Plan) -> BoxFuture<'a, Result<Carried, SyncError>> {
    async move {
        // No other pass of changes comes between the comparison and what it allows.
        let _turn = bridge.turn().await;
        let carried = compare_and_carry_out(bridge, plan).await;
        bridge.progress.tell(Step::Done);
        carried
    }
    .boxed()
}

async fn compare_and_carry_out(bridge: &Bridge, plan: &Plan) -> Result<Carried, SyncError> {
    let refused = |reason: String, changed: Vec<LeftOut>| Ok(Carried::Refused(Refusal { reason, changed, of: plan.touched() }));
    let release = env!("CARGO_PKG_VERSION");
    if plan.format != FORMAT || plan.program != release {
        return refused(format!("it was made by release {}, and this is {release}; make a new one", plan.program), Vec::new());
    }
    let (under, prepared) = now(bridge).await?;
    if let Some(other) = other(&plan.under, &under) {
        return refused(format!("{other} since it was made; make a new one"), Vec::new());
    }
    let changed = {
        let copy = bridge.store.copy().await?;
        plan.differences(&rehearse(bridge, &copy, &prepared, Wanted { samples: 0, values: false }, under).await?)
    };
    let of_it = changed.iter().filter(|left| left.why != Why::New).count();
    let touched = plan.touched();
    if of_it as f64 * 100.0 > touched as f64 * CHANGED_MAX_PERCENT {
        let reason = format!(
            "{of_it} of its {touched} records and rows have changed since it was made, more than {CHANGED_MAX_PERCENT} %; make a new one"
        );
        return refused(reason, changed);
    }
    let approval = Arc::new(Approval::new(plan, &changed, seed(bridge).await?));
    let (summary, error) = cycle::run(&bridge.bound(approval.clone())).await;
    let (done, left_out) = approval.end();
    Ok(Carried::Out { summary: Box::new(summary), error, kept: Kept { planned: plan.writes(), done, left_out } })
}

/// What a plan is made under now. Both sides' metadata are read anew for that.
async fn now(bridge: &Bridge) -> Result<(Under, Prepared), SyncError> {
    // Their people are sent for by files that are settled in the middle of a cycle, and nobody can say how.
    if Note::any(bridge).await? {
        let message =
            "Marketo works through files of people whose outcome isn't known yet; run `insight-bridge sync` to its end, and plan then";
        return Err(SyncError::Configuration(vec![Problem { code: "plan-refused", place: "plan".into(), message: message.into() }]));
    }
    let mut batch = Batch::new();
    forget_describes(&mut batch);
    bridge.commit(batch).await?;
    let prepared = prepare(bridge).await?;
    let options = serde_json::to_string(&bridge.options).unwrap_or_default();
    let secured = &bridge.options.fields.readable_secured;
    let under = Under {
        state: format!("{:016x}", xxh3_64_with_seed(b"state", prepared.key.0)),
        configuration: hash(&format!("{options} {secured:?}")),
        schema: schema(&prepared),
    };
    Ok((under, prepared))
}

/// What is asked of both sides by each table's map, and how they describe it.
fn schema(prepared: &Prepared) -> BTreeMap<String, String> {
    let of = |plan: &crate::prepare::TablePlan| {
        let bare = |column: &str| column.strip_prefix('_').and_then(|name| name.strip_suffix("_value")).unwrap_or(column).to_owned();
        let columns: Vec<_> =
            plan.select.iter().map(|column| plan.table.columns.get(column).or_else(|| plan.table.columns.get(&bare(column)))).collect();
        hash(&format!("{} {columns:?}", plan.hash))
    };
    prepared.tables.iter().map(|(table, plan)| (table.name().to_owned(), of(plan))).collect()
}

fn hash(text: &str) -> String {
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

/// What is other than it was.
fn other(then: &Under, now: &Under) -> Option<String> {
    if then.state != now.state {
        return Some("it belongs to another state: that one was replaced".into());
    }
    if then.configuration != now.configuration {
        return Some("the configuration has changed".into());
    }
    let differs = |table: &&String| then.schema.get(*table) != now.schema.get(*table);
    let tables: Vec<&str> = then.schema.keys().chain(now.schema.keys()).filter(differs).map(String::as_str).collect();
    let first = tables.first()?;
    Some(format!("a column or field that is mapped has changed (table {first})"))
}

/// The seed of a plan's hashes: the key of the state's fingerprints, which is nowhere else, so that they tell nothing without it.
async fn seed(bridge: &Bridge) -> Result<u64, SyncError> {
    Ok(crate::prepare::saved_key(&*bridge.store).await?.map_or(0, |key| key.0))
}

/// Runs a cycle that writes nothing.
async fn rehearse(bridge: &Bridge, copy: &StateCopy, prepared: &Prepared, wanted: Wanted, under: Under) -> Result<Plan, SyncError> {
    let rehearsal = Arc::new(Rehearsal::new(seed(bridge).await?, prepared.person_key.clone(), wanted.samples, wanted.values));
    let fence = copy.store.acquire("a plan").await?;
    let there = bridge.rehearsing(copy.store.clone(), fence, rehearsal.clone());
    tracing::info!("a cycle is rehearsed: what it tells until it is over isn't done");
    let (summary, error) = cycle::run(&there).instrument(tracing::error_span!("rehearsal")).await;
    tracing::info!("the rehearsal is over");
    if let Some(error) = error {
        return Err(error);
    }
    let [marketo, dynamics] = there.calls().map(|calls| calls.values().sum::<u64>());
    let mut noted = rehearsal.end();
    rows_as_they_are(bridge, prepared, &mut noted).await?;
    let all: [u64; 2] = bridge.calls().map(|calls| calls.values().sum());
    let marketo_calls = marketo.saturating_sub(noted.only_to_tell) + noted.answered[0];
    let pace = bridge.marketo.pace();
    let left_today = pace.budget().map(|budget| budget.left);
    let mut rows_by_table: BTreeMap<String, u64> = BTreeMap::new();
    for row in &noted.rows {
        *rows_by_table.entry(row.record.table.name().to_owned()).or_default() += 1;
    }
    Ok(Plan {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").into(),
        made: bridge.clock.now(),
        under,
        allow: bridge.run.allow.clone(),
        retry_held: bridge.run.retry_held,
        new_people: summary.pushed.get(&base::Object::Lead).map_or(0, |people| people.created),
        objects: summary.pushed,
        rows_by_table,
        cost: Cost {
            marketo_calls,
            dynamics_calls: dynamics + noted.answered[1],
            seconds: pace.time_per_call().mul_f64(marketo_calls as f64).as_secs(),
            left_today,
            of_today: left_today.map_or(0.0, |left| marketo_calls as f64 / left.max(1) as f64),
            plan_marketo_calls: all[0],
            plan_only_to_tell: all[0].saturating_sub(marketo) + noted.only_to_tell,
            plan_dynamics_calls: all[1],
        },
        stopped_by_brake: summary.stopped_by_brake,
        warnings: summary.warnings,
        samples: noted.samples,
        records: noted.records,
        rows: noted.rows,
    })
}

/// Reads what Dynamics holds of the rows whose values are kept.
async fn rows_as_they_are(bridge: &Bridge, prepared: &Prepared, noted: &mut Noted) -> Result<(), SyncError> {
    for table in [Table::Lead, Table::Contact] {
        let mut wanted: BTreeMap<RecordId, Vec<&mut Values>> = BTreeMap::new();
        for sample in noted.samples.iter_mut().filter(|sample| sample.act.is_none() && sample.record.table == table) {
            wanted.entry(sample.record).or_default().push(&mut sample.values);
        }
        for row in noted.rows.iter_mut().filter(|row| row.record.table == table) {
            if let Some(values) = &mut row.values {
                wanted.entry(row.record).or_default().push(values);
            }
        }
        if wanted.is_empty() {
            continue;
        }
        let plan = prepared.table(table)?;
        let ids: Vec<Guid> = wanted.keys().map(|record| record.id).collect();
        let found = bridge.dynamics.by_ids(&plan.table, &plan.select, &ids).await;
        for row in found.map_err(|error| SyncError::of_call(Side::Dynamics, error))?.rows {
            let row = planner::Row(&row);
            let all = row.guid(&plan.table.primary_id).and_then(|id| wanted.get_mut(&RecordId::new(table, id)));
            for (column, values) in all.into_iter().flatten().flat_map(|values| values.iter_mut()) {
                values[0] = row.value(column).cloned().unwrap_or(Value::Null);
            }
        }
    }
    Ok(())
}
