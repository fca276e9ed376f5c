//! What the engine asks of Dynamics, in the engine's words. The only file that knows the Dataverse client's calls.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::Duration,
};

use base::{Guid, Table, Values};
use dataverse::{
    BadRow, Batch, Client, Filter, Follow, Item, Items, Link, List, NewValues, Page, Part, PartOutcome, Query, RowCounts, Update,
    UpdateMultiple, WhoAmI, WhoAmIReply,
};
use planner::{Column, ColumnKind, schema::Columns};
use wire::{CallError, Class, Pace};

use crate::plan::Rehearsal;

/// Ids on a page, the most that there may be (Microsoft, "Page results").
const IDS_PER_PAGE: u32 = 5_000;

/// Single updates in one `$batch` (Microsoft allows 1,000 and advises fewer).
const UPDATES_PER_BATCH: usize = 100;

/// Batches in a row that may get nothing done before writing stops.
const FRUITLESS_MAX: u32 = 5;

/// How long everybody waits after a part that the service was too busy for, when it doesn't say.
const BUSY_WAIT: Duration = Duration::from_secs(5);

mod customize;
mod find;

/// Whether an address is this machine's own.
pub(crate) fn is_on_this_machine(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
    host == "localhost" || host == "[" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub use find::Holds;

/// A table as Dynamics describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicsTable {
    /// Which.
    pub table: Table,
    /// Its name in addresses.
    pub set: String,
    /// The column of its key.
    pub primary_id: String,
    /// Whether its changes are tracked.
    pub tracked: bool,
    /// Its columns.
    pub columns: Columns,
}

/// A page of rows or of changes. Its rows stay text until they are asked for.
#[derive(Debug, Clone, Default)]
pub struct FeedPage {
    items: Items,
    /// Where the next page is.
    pub next: Option<String>,
    /// Where the next changes will be.
    pub delta: Option<String>,
    /// Whether the service says that it tracks changes.
    pub tracked: bool,
    /// Rows asked for on a page; all pages of a listing are asked for alike.
    pub page_rows: u32,
}

/// Some of a page's rows and deletions.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Rows, with annotations.
    pub rows: Vec<Values>,
    /// Rows that could not be read, by id where that can be told.
    pub unreadable: Vec<Option<Guid>>,
    /// Ids of deleted rows.
    pub deleted: Vec<Guid>,
}

/// What of a table is read.
#[derive(Debug, Clone, Copy)]
pub enum Feed<'a> {
    /// All rows.
    All {
        /// The columns.
        select: &'a [String],
        /// Whether a delta link is asked for.
        track: bool,
    },
    /// All rows with a delta link, without annotations.
    AllPlain {
        /// The columns.
        select: &'a [String],
    },
    /// What changed since a delta link.
    Changes {
        /// The link.
        link: &'a str,
        /// Whether lookups say which table they point to, as in the listing that the link comes from.
        annotated: bool,
    },
    /// What was modified since.
    ModifiedSince {
        /// The columns.
        select: &'a [String],
        /// A moment, as Dataverse writes it.
        from: &'a str,
    },
    /// Only the ids of all rows.
    Ids,
    /// The page behind a next link.
    Next {
        /// The link.
        link: &'a str,
        /// Whether the first page asked for a delta link.
        track: bool,
        /// Whether it asked for annotations.
        annotated: bool,
        /// How many rows it asked for.
        page_rows: u32,
    },
}

/// What became of a row that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFate {
    /// It holds the new values.
    Written,
    /// It isn't there any more.
    Gone,
    /// Dynamics refused it.
    Refused {
        /// Its code.
        code: String,
        /// Its words.
        message: String,
    },
    /// It was not tried, because something else failed first.
    NotTried,
}

/// Whether a row is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    There,
    /// It is, or may be, and our role doesn't reach it.
    Hidden,
    /// It doesn't exist.
    Gone,
}

/// The Dynamics side of a bridge.
#[derive(Debug, Clone)]
pub struct Dynamics {
    client: Client,
    us: Arc<OnceLock<WhoAmIReply>>,
    /// Where it only notes what would be written.
    rehearsal: Option<Arc<Rehearsal>>,
}

impl Dynamics {
    /// Over this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, us: Arc::default(), rehearsal: None }
    }

    /// The same, that writes nothing.
    pub(crate) fn rehearsing(&self, rehearsal: Arc<Rehearsal>) -> Self {
        Self { rehearsal: Some(rehearsal), ..self.clone() }
    }

    /// The limits of its client.
    #[must_use]
    pub fn pace(&self) -> &Pace {
        self.client.pace()
    }

    /// Makes sure that address, login and application user are good.
    ///
    /// # Errors
    /// What is wrong with them.
    pub async fn greet(&self) -> Result<(), CallError> {
        if self.us.get().is_none() {
            let us = self.client.call(&WhoAmI).await?;
            let _ = self.us.set(us);
        }
        Ok(())
    }

    /// The id of the organization that was met, where it isn't on this machine.
    #[must_use]
    pub fn organization(&self) -> Option<Guid> {
        self.us.get().map(|us| us.organization_id).filter(|_| !is_on_this_machine(&self.client.base()))
    }

    /// A table's description.
    ///
    /// # Errors
    /// A refusal of class [`Class::Missing`] when it isn't there.
    pub async fn table(&self, table: Table) -> Result<DynamicsTable, CallError> {
        let described = self.client.table(table.name()).await?;
        let columns = described.columns.into_values().filter(|column| column.attribute_of.is_none()).map(column);
        Ok(DynamicsTable {
            table,
            set: described.set_name,
            primary_id: described.primary_id,
            tracked: described.change_tracking,
            columns: columns.map(|column| (column.name.clone(), column)).collect(),
        })
    }

    /// A page of a feed.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn feed(&self, table: &DynamicsTable, feed: Feed<'_>) -> Result<FeedPage, CallError> {
        let list = |select: &[String], annotations, track_changes| List {
            set: table.set.clone(),
            query: Query::select(select.iter().cloned()),
            annotations,
            page_rows: self.client.page_rows(),
            track_changes,
            id_column: Some(table.primary_id.clone()),
        };
        let mut page_rows = self.client.page_rows();
        let page = match feed {
            Feed::All { select, track } => {
                let mut list = list(select, true, track);
                if !track {
                    list.query = list.query.order_by(table.primary_id.clone());
                }
                self.client.call(&list).await?
            }
            Feed::AllPlain { select } => self.client.call(&list(select, false, true)).await?,
            Feed::ModifiedSince { select, from } => {
                let mut list = list(select, true, false);
                let from = from.parse().map_err(|_| CallError::Unwritable("a modification date that is none".into()))?;
                list.query = list
                    .query
                    .filter(Filter::ge("modifiedon", base::Timestamp::clone(&from)))
                    .order_by("modifiedon")
                    .order_by(table.primary_id.clone());
                self.client.call(&list).await?
            }
            Feed::Ids => {
                let mut list = list(std::slice::from_ref(&table.primary_id), false, false);
                page_rows = IDS_PER_PAGE;
                list.page_rows = page_rows;
                list.query = list.query.order_by(table.primary_id.clone());
                self.client.call(&list).await?
            }
            Feed::Changes { link, annotated } => self.follow(table, link, false, annotated, page_rows).await?,
            Feed::Next { link, track, annotated, page_rows: asked } => {
                page_rows = asked;
                self.follow(table, link, track, annotated, asked).await?
            }
        };
        Ok(FeedPage { page_rows, ..feed_page(page) })
    }

    async fn follow(
        &self,
        table: &DynamicsTable,
        link: &str,
        track_changes: bool,
        annotations: bool,
        page_rows: u32,
    ) -> Result<Page, CallError> {
        let follow = Follow { link: Link::new(link), annotations, page_rows, track_changes, id_column: Some(table.primary_id.clone()) };
        self.client.call(&follow).await
    }

    /// How many rows these tables have, as the service last counted them: up to a day ago.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn row_counts(&self, tables: &[Table]) -> Result<Vec<(Table, u64)>, CallError> {
        let counts = self.client.call(&RowCounts { tables: tables.iter().map(|table| table.name().to_owned()).collect() }).await?;
        Ok(tables.iter().filter_map(|table| Some((*table, *counts.get(table.name())?))).collect())
    }

    /// Writes rows that must exist: all in one bulk message, and where that fails each on its own, so that one bad row holds only itself.
    /// Gives each row's fate, and the error after which nothing more can be written.
    pub async fn write_rows(&self, table: &DynamicsTable, rows: Vec<(Guid, NewValues)>) -> (Vec<RowFate>, Option<CallError>) {
        let count = rows.len();
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.answers_for_dynamics();
            return (vec![RowFate::Written; count], None);
        }
        let bulk = UpdateMultiple {
            set: table.set.clone(),
            table: table.table.name().to_owned(),
            id_column: table.primary_id.clone(),
            targets: rows.clone(),
        };
        match self.client.call(&bulk).await {
            Ok(()) => (vec![RowFate::Written; count], None),
            Err(error) if !is_about_rows(&error) => (vec![RowFate::NotTried; count], Some(error)),
            Err(error) => {
                tracing::debug!(%error, table = table.table.name(), "a bulk update was refused; its rows are sent one by one");
                self.write_singly(table, &rows).await
            }
        }
    }

    /// Writes each row on its own, in batches. What a batch leaves undone, because the service was too busy or stopped at another row, is
    /// sent again, as long as every few batches get something done.
    async fn write_singly(&self, table: &DynamicsTable, rows: &[(Guid, NewValues)]) -> (Vec<RowFate>, Option<CallError>) {
        let mut fates = vec![RowFate::NotTried; rows.len()];
        let mut left: VecDeque<usize> = (0..rows.len()).collect();
        let mut fruitless = 0;
        while !left.is_empty() {
            let chunk: Vec<usize> = left.drain(..left.len().min(UPDATES_PER_BATCH)).collect();
            let outcomes = match self.write_each(table, chunk.iter().filter_map(|index| rows.get(*index))).await {
                Ok(outcomes) => outcomes,
                Err(error) => return (fates, Some(error)),
            };
            let (mut undone, mut trouble) = (Vec::new(), None);
            let answers = outcomes.into_iter().chain(std::iter::repeat_with(|| PartOutcome::NotRun));
            for (index, outcome) in chunk.iter().zip(answers) {
                match fate(outcome) {
                    Ok(fate) => fates[*index] = fate,
                    Err(error) => {
                        undone.push(*index);
                        trouble = trouble.or(error);
                    }
                }
            }
            fruitless = if undone.len() == chunk.len() { fruitless + 1 } else { 0 };
            if fruitless >= FRUITLESS_MAX {
                return (fates, trouble.or_else(|| Some(CallError::Garbled("a batch whose answer has no parts".into()))));
            }
            if let Some(refusal) = trouble.as_ref().and_then(CallError::refusal)
                && matches!(refusal.class, Class::Throttled | Class::Crowded | Class::Transient | Class::Doubtful)
            {
                self.client.pace().pause(refusal.wait.unwrap_or(BUSY_WAIT));
            }
            undone.into_iter().rev().for_each(|index| left.push_front(index));
        }
        (fates, None)
    }

    async fn write_each(
        &self,
        table: &DynamicsTable,
        rows: impl Iterator<Item = &(Guid, NewValues)>,
    ) -> Result<Vec<PartOutcome>, CallError> {
        let update = |(id, row): &(Guid, NewValues)| Update { set: table.set.clone(), id: *id, row: row.clone(), if_match: None };
        let parts = rows.map(|row| Part::single(&update(row))).collect::<Result<_, _>>()?;
        self.client.call(&Batch { parts, continue_on_error: true }).await
    }
}

impl FeedPage {
    /// Whether there is nothing on it, or nothing left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.len() == 0
    }

    /// The next rows and deletions, up to `limit` of both; none when all were given.
    pub fn next_rows(&mut self, limit: usize, table: Table) -> Option<Rows> {
        if self.is_empty() {
            return None;
        }
        let mut some = Rows::default();
        for item in self.items.by_ref().take(limit) {
            match item {
                Item::Row(row) => some.rows.push(row.values),
                Item::Deleted(id) => some.deleted.push(id),
                Item::Bad(BadRow { id, why }) => {
                    let (table, told) = (table.name(), id.map(|id| id.to_string()));
                    tracing::warn!(table, id = told, why, "a row could not be read; it is asked for again in every cycle");
                    some.unreadable.push(id);
                }
            }
        }
        Some(some)
    }

    /// That this page, found behind `link`, doesn't lead back to it: such a listing would never end.
    ///
    /// # Errors
    /// When it does.
    pub fn comes_after(&self, link: &str, table: &DynamicsTable) -> Result<(), CallError> {
        match self.next.as_deref() == Some(link) {
            true => Err(CallError::Garbled(format!("the next link of {} repeats itself", table.table))),
            false => Ok(()),
        }
    }
}

/// Whether a bulk update failed because of its rows (or because there is no bulk update), and not because of the service.
fn is_about_rows(error: &CallError) -> bool {
    matches!(error.class(), Some(Class::Record | Class::Missing | Class::Bug | Class::Split | Class::Config))
        || dataverse::is_sql_conflict(error)
        || failed_inside(error)
}

/// Whether the service failed over what it was asked, as it does when a plug-in of the customer's fails over one row (status 500).
fn failed_inside(error: &CallError) -> bool {
    error.refusal().is_some_and(|refusal| refusal.status == 500 && !refusal.code.is_empty())
}

/// What became of a row of a batch; where nothing did, why, as far as the service says.
fn fate(outcome: PartOutcome) -> Result<RowFate, Option<CallError>> {
    match outcome {
        PartOutcome::Single(Ok(_)) | PartOutcome::ChangeSet(Ok(_)) => Ok(RowFate::Written),
        PartOutcome::Single(Err(error)) | PartOutcome::ChangeSet(Err(error)) => match (error.class(), error.refusal()) {
            (Some(Class::Missing), _) => Ok(RowFate::Gone),
            (Some(Class::Record | Class::Config | Class::Bug | Class::Split), Some(refusal)) => {
                Ok(RowFate::Refused { code: refusal.code.clone(), message: refusal.message.clone() })
            }
            (_, Some(refusal)) if failed_inside(&error) => {
                Ok(RowFate::Refused { code: refusal.code.clone(), message: refusal.message.clone() })
            }
            (_, _) => Err(Some(error)),
        },
        PartOutcome::NotRun => Err(None),
    }
}

fn feed_page(page: Page) -> FeedPage {
    let text = |link: Link| link.as_str().to_owned();
    FeedPage { items: page.items, next: page.next.map(text), delta: page.delta.map(text), tracked: page.tracked, page_rows: 0 }
}

fn column(column: dataverse::Column) -> Column {
    use dataverse::ColumnKind as Theirs;
    let kind = match column.kind {
        Theirs::String | Theirs::Memo => ColumnKind::Text,
        Theirs::Integer | Theirs::BigInt => ColumnKind::Integer,
        Theirs::Decimal | Theirs::Double | Theirs::Money => ColumnKind::Decimal,
        Theirs::Boolean => ColumnKind::Boolean,
        Theirs::Picklist | Theirs::State | Theirs::Status => ColumnKind::Choice,
        Theirs::MultiSelect => ColumnKind::Choices,
        Theirs::DateTime { date_only: true } => ColumnKind::Date,
        Theirs::DateTime { date_only: false } => ColumnKind::DateTime,
        Theirs::Lookup | Theirs::Owner | Theirs::Customer => ColumnKind::Lookup,
        Theirs::Uniqueidentifier => ColumnKind::Id,
        Theirs::Other(_) => ColumnKind::Other,
    };
    let mut labels: Vec<String> = column.label.into_iter().collect();
    labels.extend(column.labels);
    Column {
        name: column.logical_name,
        labels,
        kind,
        max_length: column.max_length,
        options: column.options,
        readable: column.readable,
        updatable: column.updatable,
        secured: column.secured,
    }
}
