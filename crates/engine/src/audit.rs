//! An audit: both sides are read and compared, without believing what our state says was confirmed.
//!
//! Rows are read page by page, and of each page Marketo is asked what it holds, so that memory doesn't grow with the tables. Our state is asked
//! only for what neither side says: who was erased, what waits or is held, and what brings a record into scope. Nothing is changed, unless it is
//! asked to have what differs sent anew.

mod compare;
mod expected;
pub(crate) mod pages;
mod report;
mod roles;

use std::collections::{BTreeMap, BTreeSet};

use base::{Guid, RecordId, Table};
use futures::{FutureExt, future::BoxFuture, future::try_join_all};
use planner::{Harm, Row, role::RoleTexts};
use serde_json::{Map, Value};
use store::{
    Batch, StoreExt,
    record::{DirtyRoles, Role},
};

pub use report::{Difference, Kind, Report, Score, Share};

use self::{
    compare::{Held, VALUES_MAX},
    expected::{Expected, Teams},
    pages::Pages,
};
use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
    marketo::SyncMode,
    prepare::{Prepared, TablePlan, prepare},
    progress::Step,
    push::holders,
    repair::doubt,
};

/// Tables whose records are compared, in their order: what others refer to first.
const TABLES: [Table; 5] = [Table::SystemUser, Table::Account, Table::Lead, Table::Contact, Table::Opportunity];

/// What is asked of an audit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// How much of each table is compared, in percent: always the same records for the same number.
    pub sample_percent: f64,
    /// Whether what differs is to be sent anew at the next push.
    pub repair: bool,
}

/// Compares both sides.
///
/// # Errors
/// When a side or the state can't be read.
pub fn audit(bridge: &Bridge, asked: Asked) -> BoxFuture<'_, Result<Report, SyncError>> {
    async move {
        bridge.commit(Batch::new()).await?;
        let prepared = prepare(bridge).await?;
        let mut auditor = Auditor::new(bridge, &prepared, asked).await?;
        let sizes = sizes(bridge).await;
        for table in TABLES {
            if let Some(plan) = prepared.tables.get(&table) {
                auditor.table(plan, sizes.get(&table).copied()).await?;
            }
        }
        auditor.end().await
    }
    .boxed()
}

struct Auditor<'a> {
    bridge: &'a Bridge,
    prepared: &'a Prepared,
    asked: Asked,
    teams: Teams,
    texts: RoleTexts,
    units: BTreeMap<Guid, Guid>,
    /// Sales persons and companies that are not as they should be: what refers to them isn't whole.
    broken: BTreeSet<RecordId>,
    report: Report,
}

impl<'a> Auditor<'a> {
    async fn new(bridge: &'a Bridge, prepared: &'a Prepared, asked: Asked) -> Result<Self, SyncError> {
        let mut teams = Teams::new();
        let mut names = Vec::new();
        for (table, plan) in &prepared.tables {
            if !matches!(table, Table::Team | Table::ConnectionRole) {
                continue;
            }
            let mut pages = Pages::new(&plan.table, &plan.select);
            while let Some(rows) = pages.next(bridge).await? {
                for row in rows.iter().map(Row) {
                    let Some(id) = row.guid(&plan.table.primary_id) else { continue };
                    teams.extend(row.lookup("administratorid").map(|(user, _)| (id, user)));
                    names.extend(row.text("name").filter(|_| *table == Table::ConnectionRole).map(|name| (id, name.to_owned())));
                }
            }
        }
        let texts = RoleTexts::new(names);
        let units = units(bridge, prepared).await?;
        Ok(Self { bridge, prepared, asked, teams, texts, units, broken: BTreeSet::new(), report: Report::default() })
    }

    async fn table(&mut self, plan: &TablePlan, size: Option<u64>) -> Result<(), SyncError> {
        let (bridge, primary_id) = (self.bridge, &plan.table.primary_id);
        // What everything else refers to is compared as a whole: there are few.
        let share = if plan.table.table == Table::SystemUser { 100.0 } else { self.asked.sample_percent };
        let mut pages = Pages::new(&plan.table, &plan.select);
        let mut read = 0;
        // Who watches sees at once which table it is, and not only after its first page.
        bridge.tell(Step::Audited { table: plan.table.table, rows: read, total: size });
        while let Some(rows) = pages.next(bridge).await? {
            read += rows.len() as u64;
            let rows = rows.into_iter().filter(|row| Row(row).guid(primary_id).is_some_and(|id| is_in_sample(id, share))).collect();
            let expected = expected::of(bridge, self.prepared, plan, &self.teams, rows).await?;
            let mut chunks = Vec::new();
            let mut rest = expected.into_iter().peekable();
            while rest.peek().is_some() {
                chunks.push(rest.by_ref().take(VALUES_MAX).collect::<Vec<Expected>>());
            }
            let compared = chunks.iter().map(|chunk| compare::compare(bridge, self.prepared, plan, chunk).boxed());
            let compared = try_join_all(compared.collect::<Vec<_>>()).await?;
            for (chunk, compared) in chunks.iter().zip(compared) {
                self.report.surplus.extend(compared.surplus);
                self.take_in(plan.table.table, chunk, &compared.held, compared.differences).await?;
            }
            bridge.tell(Step::Audited { table: plan.table.table, rows: read, total: size });
        }
        Ok(())
    }

    async fn take_in(&mut self, table: Table, chunk: &[Expected], held: &Held, mut found: Vec<Difference>) -> Result<(), SyncError> {
        if table == Table::Opportunity {
            let (differences, extra) = roles::compare(self.bridge, self.prepared, &self.texts, chunk, held).await?;
            found.extend(differences);
            self.report.extra_roles.extend(extra);
        }
        let wrong: BTreeSet<RecordId> =
            found.iter().filter(|difference| difference.kind != Kind::WriteBack).map(|found| found.record).collect();
        for expected in chunk {
            let Some(object) = table.object() else { continue };
            let counts = if expected.is_pending { &mut self.report.pending } else { &mut self.report.compared };
            *counts.entry(object).or_default() += 1;
            let is_right = !wrong.contains(&expected.record) && compare::is_there(held, expected.record.id);
            if !is_right {
                self.broken.insert(expected.record);
            }
            if table != Table::SystemUser {
                let owner = expected.desired.owner.map(|user| RecordId::new(Table::SystemUser, user));
                let company = expected.desired.company.map(|account| RecordId::new(Table::Account, account));
                let is_whole = is_right && owner.is_some() && !owner.into_iter().chain(company).any(|parent| self.broken.contains(&parent));
                self.report.score(expected.desired.owner, table, is_whole);
            }
        }
        found.into_iter().for_each(|difference| self.report.add(difference));
        Ok(())
    }

    /// Takes the key from persons who hold it besides the record's own person. They stay in Marketo, with all that they have; merging them is for
    /// people to decide, because there is no way back. No more than the brake lets through, and nobody whom we know as another record.
    async fn unlink_surplus(&mut self) -> Result<(), SyncError> {
        let mut surplus = std::mem::take(&mut self.report.surplus);
        if surplus.len() as u64 > self.bridge.options.brake.count && !self.bridge.run.allow.contains(Harm::Unlinks.name()) {
            self.report.not_unlinked.extend(surplus.iter().map(|(person, _)| *person));
            return Ok(());
        }
        let known = holders(self.bridge, &surplus.iter().map(|(person, _)| *person).collect::<Vec<_>>()).await?;
        self.report.not_unlinked.extend(surplus.extract_if(.., |(person, _)| known.contains_key(person)).map(|(person, _)| person));
        for chunk in surplus.chunks(VALUES_MAX) {
            let record = |(person, fields): &(i64, Vec<String>)| {
                let cleared = fields.iter().map(|field| (field.clone(), Value::Null));
                [("id".to_owned(), Value::from(*person))].into_iter().chain(cleared).collect::<Map<_, _>>()
            };
            let verdicts = self.bridge.marketo.sync_people(SyncMode::UpdateOnly, "id", chunk.iter().map(record).collect()).await;
            let verdicts = verdicts.map_err(|error| SyncError::of_call(Side::Marketo, error))?;
            for ((person, _), verdict) in chunk.iter().zip(verdicts) {
                let list = if verdict.confirmed { &mut self.report.unlinked } else { &mut self.report.not_unlinked };
                list.push(*person);
            }
        }
        Ok(())
    }

    /// Business units, and what is to be sent anew.
    async fn end(mut self) -> Result<Report, SyncError> {
        for (owner, score) in &mut self.report.scores {
            score.business_unit = owner.parse::<Guid>().ok().and_then(|owner| self.units.get(&owner).copied());
        }
        if self.asked.repair {
            let records = std::mem::take(&mut self.report.to_repair);
            for (opportunity, lead, name) in std::mem::take(&mut self.report.extra_roles) {
                // What isn't known can't be removed: it is known from now on, and nothing in Dynamics yields it.
                let mut batch = Batch::new();
                if self.bridge.store.read_one::<Role>(Role::key_of(opportunity, lead, &name)).await?.is_none() {
                    batch.put(&Role { opportunity, contact: Guid::from_u128(0), name, lead_id: lead, is_primary: false, in_doubt: false });
                }
                batch.put(&DirtyRoles { opportunity });
                self.bridge.commit(batch).await?;
            }
            doubt(self.bridge, self.prepared, &records).await?;
            self.unlink_surplus().await?;
            self.report.repaired = Some(records.len() as u64);
        }
        self.bridge.progress.tell(Step::Done);
        Ok(self.report)
    }
}

/// How large the tables are, for whoever watches; nothing depends on it.
async fn sizes(bridge: &Bridge) -> BTreeMap<Table, u64> {
    let counts = bridge.dynamics.row_counts(&TABLES).await;
    counts.map(|counts| counts.into_iter().collect()).unwrap_or_else(|error| {
        tracing::info!(%error, "how many rows the tables have isn't known; how long the audit takes isn't, either");
        BTreeMap::new()
    })
}

/// The business unit of each user, where the table says.
async fn units(bridge: &Bridge, prepared: &Prepared) -> Result<BTreeMap<Guid, Guid>, SyncError> {
    let plan = prepared.table(Table::SystemUser)?;
    let mut units = BTreeMap::new();
    if plan.table.columns.contains_key("businessunitid") {
        let select = [plan.table.primary_id.clone(), "_businessunitid_value".to_owned()];
        let mut pages = Pages::new(&plan.table, &select);
        while let Some(rows) = pages.next(bridge).await? {
            for row in rows.iter().map(Row) {
                units.extend(row.guid(&plan.table.primary_id).zip(row.lookup("businessunitid").map(|(unit, _)| unit)));
            }
        }
    }
    Ok(units)
}

/// Whether a record belongs to the sample: the same ones each time.
fn is_in_sample(id: Guid, percent: f64) -> bool {
    #[allow(clippy::cast_precision_loss)] // below 10,000
    let place = (xxhash_rust::xxh3::xxh3_64(&id.to_bytes()) % 10_000) as f64;
    place < percent * 100.0
}
