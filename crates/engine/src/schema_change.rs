//! Which fields and columns are left out because a side's schema changed, since when, and what to do.
//!
//! What they looked like when they last fitted is kept in one fact. Nothing of it is about records.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use base::{Object, Table, Timestamp, time::since};
pub use planner::known::Became;
use planner::{
    known::{KnownField, KnownFields, SchemaNews, SchemaOf, Stop},
    known_msi::{KnownMsi, KnownMsis},
    msi::MsiField,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{
    Batch, Store, StoreError, StoreExt,
    record::{Fact, Outbox, Refetch},
};

use crate::{
    bridge::Bridge,
    error::{Side, SyncError},
};

/// The code of a field that is left out.
pub const STOPPED: &str = "field-stopped";

/// The code of a field that takes shorter texts than it did.
pub const SHORTENED: &str = "field-shortened";

const HISTORY_FACT: &str = "schema_history";

/// For how long it is told that a field takes shorter texts.
const SHORTER_TOLD: Duration = Duration::from_secs(7 * 86_400);

/// How long changes are kept.
const NOTED_MAX_AGE: Duration = Duration::from_secs(30 * 86_400);

/// Records of the outbox that are gone through at a time.
const PAGE: usize = 1_000;

/// Changes that are kept.
const NOTED_MAX: usize = 200;

/// A field that a change of a schema concerns, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// `field-stopped` or `field-shortened`.
    pub code: String,
    /// Whose schema changed.
    pub side: Side,
    /// The table of Dynamics.
    pub table: Table,
    /// The object of Marketo.
    pub object: Object,
    /// The Marketo field.
    pub field: String,
    /// The column or field that changed, by its name on its side.
    pub name: String,
    /// Whether it is a Sales Insight field, which goes to Dynamics.
    #[serde(default)]
    pub written_back: bool,
    /// What became of it.
    pub became: Became,
    /// The same in words.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// When it was first seen so.
    pub since: Timestamp,
}

impl SchemaChange {
    /// Whether the field is left out.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.code == STOPPED
    }

    /// Where it is: `contact → title`, or `title → contact` for what is written back.
    #[must_use]
    pub fn place(&self) -> String {
        let (table, field) = (self.table, &self.field);
        if self.written_back { format!("{field} → {table}") } else { format!("{table} → {field}") }
    }
}

/// A change that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) at: Timestamp,
    pub(crate) table: Table,
    /// The Marketo field that it concerns.
    pub(crate) field: String,
    pub(crate) news: SchemaNews,
}

/// What all maps looked like when they last fitted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    #[serde(default)]
    fields: BTreeMap<Table, KnownFields>,
    #[serde(default)]
    msi: BTreeMap<Table, KnownMsis>,
    /// Filters that fitted, as they were configured.
    #[serde(default)]
    filters: BTreeMap<Table, String>,
    #[serde(default)]
    noted: Vec<Noted>,
    /// Tables whose field map has news that were not there before.
    #[serde(skip)]
    news: BTreeSet<Table>,
    /// As it was loaded.
    #[serde(skip)]
    loaded: Option<Value>,
}

static NO_FIELDS: KnownFields = KnownFields::new();
static NO_MSI: KnownMsis = KnownMsis::new();

impl History {
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let Some(fact) = store.read_one::<Fact>(HISTORY_FACT.into()).await? else { return Ok(Self::default()) };
        let unreadable = |error| StoreError::Unreadable { what: "fact", why: format!("{HISTORY_FACT}: {error}") };
        let history: Self = serde_json::from_value(fact.value.clone()).map_err(unreadable)?;
        Ok(Self { loaded: Some(fact.value), ..history })
    }

    /// Keeps it, where it is other than it was loaded.
    pub(crate) fn save(&self, batch: &mut Batch) {
        let value = serde_json::to_value(self).unwrap_or_default();
        if self.loaded.as_ref() != Some(&value) {
            batch.put(&Fact { name: HISTORY_FACT.into(), value });
        }
    }

    pub(crate) fn fields(&self, table: Table) -> &KnownFields {
        self.fields.get(&table).unwrap_or(&NO_FIELDS)
    }

    pub(crate) fn msi(&self, table: Table) -> &KnownMsis {
        self.msi.get(&table).unwrap_or(&NO_MSI)
    }

    pub(crate) fn filter(&self, table: Table) -> Option<&String> {
        self.filters.get(&table)
    }

    pub(crate) fn keep_fields(&mut self, table: Table, known: KnownFields, news: Vec<(String, SchemaNews)>, now: Timestamp) {
        self.fields.insert(table, known);
        if !news.is_empty() {
            self.news.insert(table);
        }
        self.note(table, news, now);
    }

    pub(crate) fn keep_msi(&mut self, table: Table, known: KnownMsis, news: Vec<(String, SchemaNews)>, now: Timestamp) {
        self.msi.insert(table, known);
        self.note(table, news, now);
    }

    pub(crate) fn keep_filter(&mut self, table: Table, filter: Option<String>) {
        match filter {
            Some(filter) => drop(self.filters.insert(table, filter)),
            None => drop(self.filters.remove(&table)),
        }
    }

    fn note(&mut self, table: Table, news: Vec<(String, SchemaNews)>, now: Timestamp) {
        for (field, news) in news {
            tracing::info!(table = table.name(), field, "{}", news.told(table, table.object().unwrap_or(Object::Lead)));
            self.noted.push(Noted { at: now, table, field, news });
        }
        self.noted.retain(|noted| since(noted.at, now) < NOTED_MAX_AGE);
        let surplus = self.noted.len().saturating_sub(NOTED_MAX);
        self.noted.drain(..surplus);
    }

    pub(crate) fn into_noted(self) -> Vec<Noted> {
        self.noted
    }

    /// Has the rows read again of all that is left to be sent of tables whose map has news: what it says was made by what was known before.
    pub(crate) async fn read_again(&self, bridge: &Bridge) -> Result<(), SyncError> {
        let objects: BTreeSet<Object> = self.news.iter().filter_map(|table| table.object()).collect();
        for object in objects {
            let mut left = bridge.store.pages::<Outbox>(vec![object.code()], PAGE);
            loop {
                let page = left.next_page().await?;
                if page.is_empty() {
                    break;
                }
                let mut batch = Batch::new();
                page.iter().for_each(|entry| batch.put(&Refetch { record: entry.record }));
                bridge.commit(batch).await?;
            }
        }
        Ok(())
    }

    /// What people should know of as long as it is so.
    pub(crate) fn left(&self, now: Timestamp) -> Vec<SchemaChange> {
        let fields = self.fields.iter().flat_map(|(table, fields)| fields.values().filter_map(|known| of_field(*table, known, now)));
        let msi = self.msi.iter().flat_map(|(table, known)| known.iter().filter_map(|(field, known)| of_msi(*table, *field, known, now)));
        fields.chain(msi).collect()
    }
}

/// Takes over from another state what fitted before, to compare with that.
pub(crate) async fn take_over(from: &dyn Store, batch: &mut Batch) -> Result<(), StoreError> {
    if let Some(fact) = from.read_one::<Fact>(HISTORY_FACT.into()).await? {
        batch.put(&fact);
    }
    Ok(())
}

fn of_field(table: Table, known: &KnownField, now: Timestamp) -> Option<SchemaChange> {
    let object = table.object()?;
    let field = &known.target.name;
    let entry = |news: &SchemaNews| match &news.perhaps {
        Some(perhaps) if news.side == SchemaOf::Dynamics => {
            format!("map it anew under [fields.{table}], as {field} = \"{perhaps}\" if that is it, or turn it off with {field} = false")
        }
        Some(perhaps) => {
            format!("under [fields.{table}] turn it off with {field} = false, and map what it has become, if that is it: {perhaps}")
        }
        None => format!("or turn it off under [fields.{table}] with {field} = false"),
    };
    if let Some(Stop { since, why }) = &known.stopped {
        let remedy = match (why.became, why.side) {
            (Became::Removed, _) if why.perhaps.is_some() => entry(why),
            (Became::Removed, SchemaOf::Dynamics) => format!("bring the column back, map another one, {}", entry(why)),
            (Became::Removed, SchemaOf::Marketo) => format!("bring the field back, {}", entry(why)),
            (Became::Secured, _) => format!(
                "give the application user a field security profile that reads it and list \"{table}.{}\" in \
                 dynamics.readable_secured_columns, {}",
                why.name,
                entry(why)
            ),
            (Became::ReadOnly, _) => format!("let it be written again in Marketo (Admin, Field Management), {}", entry(why)),
            (Became::Unreadable, _) => format!("let it be read again, map another column, {}", entry(why)),
            (Became::OtherType, _) => format!("map a source whose type fits, {}", entry(why)),
            (Became::Shorter | Became::Longer | Became::Unfit | Became::Back, _) => format!("change its entry, {}", entry(why)),
        };
        return Some(change(STOPPED, table, object, field, false, why, remedy, *since));
    }
    let length = known.target.length?;
    let may_be_cut = known.columns.values().any(|column| column.max_length.is_none_or(|max| max > length));
    let at = known.shorter_since.filter(|at| may_be_cut && since(*at, now) < SHORTER_TOLD)?;
    let was = planner::TargetField { length: known.lengths.last().copied().filter(|was| *was < u32::MAX), ..known.target.clone() };
    let news = SchemaNews::of_field(Became::Shorter, field).types(was.type_text(), known.target.type_text());
    let remedy = format!("nothing, if longer texts may be cut there from now on; else make the field longer again, {}", entry(&news));
    Some(change(SHORTENED, table, object, field, false, &news, remedy, at))
}

fn of_msi(table: Table, field: MsiField, known: &KnownMsi, now: Timestamp) -> Option<SchemaChange> {
    let key = field.marketo_names()[0];
    let entry = format!("name another column under [msi.{table}], as {key} = \"…\", or turn it off with {key} = false");
    if let Some(Stop { since, why }) = &known.stopped {
        let remedy = match (why.became, why.side, &why.perhaps) {
            (_, SchemaOf::Marketo, _) => {
                format!("have Marketo show the field again, or turn it off under [msi.{table}] with {key} = false")
            }
            (Became::Removed, SchemaOf::Dynamics, Some(perhaps)) => {
                format!("name it anew under [msi.{table}], as {key} = \"{perhaps}\" if that is it, or turn it off with {key} = false")
            }
            (Became::Removed, SchemaOf::Dynamics, None) => format!("bring the column back, or {entry}"),
            (Became::ReadOnly | Became::Unreadable, SchemaOf::Dynamics, _) => format!("let it be read and written again, or {entry}"),
            (
                Became::Secured | Became::OtherType | Became::Shorter | Became::Longer | Became::Unfit | Became::Back,
                SchemaOf::Dynamics,
                _,
            ) => entry,
        };
        return Some(change(STOPPED, table, Object::Lead, &known.field, true, why, remedy, *since));
    }
    let at = known.shorter_since.filter(|at| since(*at, now) < SHORTER_TOLD)?;
    let was = known.column.kind.type_text(known.lengths.last().copied().filter(|was| *was < u32::MAX));
    let news = SchemaNews::of_column(Became::Shorter, &known.name).types(was, known.column.type_text());
    let remedy = format!("nothing, if longer texts may be cut there from now on; else make the column longer again, or {entry}");
    Some(change(SHORTENED, table, Object::Lead, &known.field, true, &news, remedy, at))
}

#[allow(clippy::too_many_arguments)] // the parts of one value
fn change(
    code: &str,
    table: Table,
    object: Object,
    field: &str,
    written_back: bool,
    news: &SchemaNews,
    remedy: String,
    since: Timestamp,
) -> SchemaChange {
    SchemaChange {
        code: code.to_owned(),
        side: match news.side {
            SchemaOf::Dynamics => Side::Dynamics,
            SchemaOf::Marketo => Side::Marketo,
        },
        table,
        object,
        field: field.to_owned(),
        name: news.name.clone(),
        written_back,
        became: news.became,
        text: news.told(table, object),
        remedy,
        since,
    }
}
