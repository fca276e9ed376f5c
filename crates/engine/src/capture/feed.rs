//! How far each table has been read, and how to go on: delta link, watermark, or everything anew.

use std::time::Duration;

use base::{
    Table, Timestamp,
    time::{earlier, whole_seconds},
};
use serde::{Deserialize, Serialize};
use store::{
    Batch, Record, StoreExt,
    record::{Cursor, Seen},
};
use wire::{CallError, Class};

use crate::{
    capture::{Context, gone},
    defect::{Defect, has},
    dynamics::{Feed, FeedPage, Rows},
    error::{Side, SyncError},
    prepare::TablePlan,
    progress::Step,
    summary::CaptureMode,
};

/// Modification dates have whole seconds and clocks differ: what is re-read around a boundary.
const OVERLAP: Duration = Duration::from_secs(300);

/// Rows of a page that are read from their text and applied at once.
const ROWS: usize = 500;

/// Where a table's feed goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The hash of the table's plan: another one means other columns or another map.
    hash: String,
    /// The delta link, for a tracked table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delta: Option<String>,
    /// Whether the delta link is one of a listing without annotations, because the service leaves the link out with them.
    #[serde(default)]
    plain: bool,
    /// The latest modification date, for a table without change tracking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watermark: Option<String>,
    /// Whether what was deleted while the rows were read is still to be found by its absence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unswept: bool,
}

/// Reads what changed in one table since the last time, and finds what is gone.
pub(super) async fn read(context: &mut Context<'_>, table: Table) -> Result<(), SyncError> {
    let mut walk = Walk::rows(context, table).await?;
    walk.ids(context).await?;
    walk.finish(context).await.map(drop)
}

/// Whether a saved link leads nowhere any more: it has expired (Microsoft documents one code), can't be read (Microsoft documents none),
/// is another environment's, or its table is no longer tracked. Everything is read anew then, which at worst costs time.
fn is_useless_link(error: &CallError) -> bool {
    let refused = matches!(error.class(), Some(Class::Bug | Class::Record | Class::Missing | Class::Split));
    refused || dataverse::is_expired_delta(error) || dataverse::is_not_tracked(error) || matches!(error, CallError::Unwritable(_))
}

/// One reading of one table, in three steps: its rows; where what is gone is told by absence alone, the ids of all that are there; and what
/// is gone. Only the first and the last change anything that a push works with.
#[derive(Debug)]
pub struct Walk<'a> {
    table: Table,
    plan: &'a TablePlan,
    /// The cursor as it is saved.
    before: Option<Cursor>,
    /// Where the next reading goes on.
    position: Option<Position>,
    /// Whether all rows' ids could be read.
    whole: bool,
    mode: CaptureMode,
    /// The latest modification date met.
    latest: Option<String>,
    /// Whether pages are asked for without annotations.
    plain: bool,
    /// Pages met in the listing under way.
    pages: u32,
}

impl<'a> Walk<'a> {
    /// Reads the rows.
    pub(super) async fn rows(context: &mut Context<'a>, table: Table) -> Result<Self, SyncError> {
        let plan = context.prepared.table(table)?;
        let before = context.bridge.store.read_one::<Cursor>(table.name().into()).await?;
        let position = before.as_ref().and_then(|cursor| serde_json::from_value::<Position>(cursor.position.clone()).ok());
        let position = position.filter(|position| position.hash == plan.hash);
        // Without a cursor an earlier walk may have been cut off: what it saved may be gone by now.
        let find_gone = before.is_some() || gone::knows_any(context.bridge, table).await?;
        let mode = CaptureMode::Full;
        let mut walk = Self { table, plan, before, position: None, whole: false, mode, latest: None, plain: false, pages: 0 };
        match position {
            Some(Position { delta: Some(link), plain, unswept, .. }) if plan.table.tracked => {
                match walk.changes(context, link, plain, unswept).await {
                    Err(SyncError::Side { error, .. }) if is_useless_link(&error) => {
                        let text =
                            format!("the delta link of {table} is no longer taken; all of it is read anew, and only differences are sent");
                        tracing::warn!(%error, "{text}");
                        context.bridge.count(|summary| summary.warn(text));
                        walk.everything(context, find_gone).await?;
                    }
                    outcome => outcome?,
                }
            }
            Some(Position { watermark: Some(mark), .. }) if plan.table.columns.contains_key("modifiedon") => {
                walk.since(context, &mark).await?
            }
            Some(_) | None => walk.everything(context, find_gone).await?,
        }
        Ok(walk)
    }

    /// Reads the ids of all rows, where that is still to be done.
    pub(super) async fn ids(&mut self, context: &Context<'_>) -> Result<(), SyncError> {
        if self.position.as_ref().is_none_or(|position| !position.unswept) {
            return Ok(());
        }
        let bridge = context.bridge;
        let dynamics = |error| SyncError::of_call(Side::Dynamics, error);
        gone::forget_seen(context, self.table).await?;
        let mut page = bridge.dynamics.feed(&self.plan.table, Feed::Ids).await.map_err(dynamics)?;
        self.whole = true;
        loop {
            let mut batch = Batch::new();
            while let Some(some) = page.next_rows(ROWS, self.table) {
                // Rows without a readable id can't be told from deleted ones.
                self.whole &= some.unreadable.is_empty();
                context.mark_seen(self.plan, &some.rows, &mut batch);
            }
            bridge.commit(batch).await?;
            let Some(next) = page.next.take() else { return Ok(()) };
            let feed = Feed::Next { link: &next, track: false, annotated: false, page_rows: page.page_rows };
            let following = bridge.dynamics.feed(&self.plan.table, feed).await.map_err(dynamics)?;
            following.comes_after(&next, &self.plan.table).map_err(dynamics)?;
            page = following;
        }
    }

    /// What is known and was not among the ids has been deleted; whether there was any.
    pub(super) async fn finish(mut self, context: &mut Context<'_>) -> Result<bool, SyncError> {
        let Some(position) = self.position.take().filter(|position| position.unswept) else { return Ok(false) };
        let any = self.whole && gone::handle_unseen(context, self.table).await?;
        self.save(context, Position { unswept: false, ..position }).await?;
        Ok(any)
    }

    /// Reads all rows. With `find_gone`, what is known and isn't there any more has been deleted.
    async fn everything(&mut self, context: &mut Context<'_>, find_gone: bool) -> Result<(), SyncError> {
        let begun = context.bridge.clock.now();
        self.mode = CaptureMode::Full;
        self.plain = false;
        let tracked = self.plan.table.tracked;
        let first = context.bridge.dynamics.feed(&self.plan.table, Feed::All { select: &self.select(tracked), track: tracked }).await;
        let first = match first {
            Err(error) if tracked && dataverse::is_not_tracked(&error) => return self.untracked(context, find_gone).await,
            first => first.map_err(|error| SyncError::of_call(Side::Dynamics, error))?,
        };
        if tracked && !first.tracked {
            return self.untracked(context, find_gone).await;
        }
        if !tracked {
            return self.untracked_from(context, first, find_gone).await;
        }
        let delta = match self.pages(context, first).await? {
            Some(delta) => delta,
            None => self.without_annotations(context).await?,
        };
        // The token is stamped when the last page is made: a row changed or deleted after its own page was read may be in no delta. Its
        // clock may also be behind ours.
        let begun = self.latest.as_deref().and_then(|latest| latest.parse().ok()).map_or(begun, |latest: Timestamp| latest.min(begun));
        let (plain, pages) = (std::mem::take(&mut self.plain), self.pages);
        self.modified_since(context, &whole_seconds(earlier(begun, OVERLAP))).await?;
        self.save(context, self.after_link(delta, plain, find_gone || pages > 1)).await
    }

    /// Some servers leave the delta link out when annotations are asked for: the same again without, through typed columns.
    async fn without_annotations(&mut self, context: &mut Context<'_>) -> Result<String, SyncError> {
        self.plain = true;
        let feed = Feed::AllPlain { select: &self.select(true) };
        let first =
            context.bridge.dynamics.feed(&self.plan.table, feed).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
        self.pages(context, first).await?.ok_or_else(|| {
            let text = format!("the last page of {} has no delta link", self.table);
            SyncError::of_call(Side::Dynamics, wire::CallError::Garbled(text))
        })
    }

    /// Reads what the delta link says has changed.
    async fn changes(&mut self, context: &mut Context<'_>, link: String, plain: bool, unswept: bool) -> Result<(), SyncError> {
        self.mode = CaptureMode::Changes;
        self.plain = plain;
        let feed = Feed::Changes { link: &link, annotated: !plain };
        let first =
            context.bridge.dynamics.feed(&self.plan.table, feed).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
        if has(Defect::CursorMovedEarly)
            && let Some(delta) = first.delta.clone()
        {
            self.save(context, self.after_link(delta, plain, unswept)).await?;
            let again = context.bridge.dynamics.feed(&self.plan.table, Feed::Changes { link: &link, annotated: !plain }).await;
            return self.pages(context, again.map_err(|error| SyncError::of_call(Side::Dynamics, error))?).await.map(drop);
        }
        // Without a new link the old one stays good: the same changes come again and are found to be known.
        let delta = self.pages(context, first).await?.unwrap_or(link);
        self.save(context, self.after_link(delta, self.plain, unswept)).await
    }

    fn after_link(&self, delta: String, plain: bool, unswept: bool) -> Position {
        Position { hash: self.plan.hash.clone(), delta: Some(delta), plain, watermark: None, unswept }
    }

    fn after_mark(&self, watermark: Option<String>, unswept: bool) -> Position {
        Position { hash: self.plan.hash.clone(), delta: None, plain: false, watermark, unswept }
    }

    /// A table that turns out not to be tracked.
    async fn untracked(&mut self, context: &mut Context<'_>, find_gone: bool) -> Result<(), SyncError> {
        let feed = Feed::All { select: &self.select(false), track: false };
        let first =
            context.bridge.dynamics.feed(&self.plan.table, feed).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
        self.untracked_from(context, first, find_gone).await
    }

    async fn untracked_from(&mut self, context: &mut Context<'_>, first: FeedPage, find_gone: bool) -> Result<(), SyncError> {
        self.warn_untracked(context);
        let begun = context.bridge.clock.now();
        self.pages(context, first).await?;
        // Never later than the beginning: a row changed after its page was read may have an earlier date than the last page's rows.
        let begun = whole_seconds(begun);
        let watermark = self.latest.take().filter(|latest| *latest < begun).unwrap_or(begun);
        self.save(context, self.after_mark(Some(watermark), find_gone)).await
    }

    /// Reads what was modified since the watermark, and all ids to find what was deleted.
    async fn since(&mut self, context: &mut Context<'_>, mark: &str) -> Result<(), SyncError> {
        self.warn_untracked(context);
        self.mode = CaptureMode::Watermark;
        self.latest = Some(mark.to_owned());
        let from = mark.parse::<Timestamp>().map_or_else(|_| mark.to_owned(), |mark| whole_seconds(earlier(mark, OVERLAP)));
        self.modified_since(context, &from).await?;
        self.save(context, self.after_mark(self.latest.clone(), true)).await
    }

    async fn modified_since(&mut self, context: &mut Context<'_>, from: &str) -> Result<(), SyncError> {
        if !self.plan.table.columns.contains_key("modifiedon") {
            return Ok(());
        }
        let feed = Feed::ModifiedSince { select: &self.select(false), from };
        let first =
            context.bridge.dynamics.feed(&self.plan.table, feed).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
        self.pages(context, first).await.map(drop)
    }

    /// Applies a page and all that follow it; gives the delta link of the last one. The next page is fetched while one is applied.
    async fn pages(&mut self, context: &mut Context<'_>, first: FeedPage) -> Result<Option<String>, SyncError> {
        let bridge = context.bridge;
        let dynamics = |error| SyncError::of_call(Side::Dynamics, error);
        let mut page = first;
        let mut rows = 0;
        self.pages = 0;
        loop {
            let next = page.next.take();
            let (track, annotated, page_rows) = (page.tracked, !self.plain, page.page_rows);
            let ahead = async {
                match &next {
                    Some(link) => {
                        let feed = Feed::Next { link, track, annotated, page_rows };
                        bridge.dynamics.feed(&self.plan.table, feed).await.map(Some)
                    }
                    None => Ok(None),
                }
            };
            if !page.is_empty() {
                context.prepared.is_of_now(bridge).await?;
            }
            let applied = async {
                while let Some(some) = page.next_rows(ROWS, self.table) {
                    context.apply_rows(self.table, self.plan, &some).await?;
                    rows += some.rows.len() as u64;
                    self.count(bridge, &some);
                }
                self.count(bridge, &Rows::default());
                bridge.progress.tell(Step::Captured { table: self.table, rows });
                Ok::<(), SyncError>(())
            };
            let (following, applied) = futures::join!(ahead, applied);
            applied?;
            self.pages += 1;
            match (following.map_err(dynamics)?, next) {
                (Some(following), Some(next)) => {
                    following.comes_after(&next, &self.plan.table).map_err(dynamics)?;
                    let tracked = page.tracked;
                    page = following;
                    page.tracked = tracked;
                }
                (_, _) => return Ok(page.delta),
            }
        }
    }

    fn count(&mut self, bridge: &crate::Bridge, some: &Rows) {
        for row in &some.rows {
            if let Some(modified) = row.get("modifiedon").and_then(|value| value.as_str())
                && self.latest.as_deref().is_none_or(|latest| latest < modified)
            {
                self.latest = Some(modified.to_owned());
            }
        }
        bridge.count(|summary| {
            let line = summary.captured(self.table);
            line.mode = self.mode;
            line.rows += some.rows.len() as u64;
            line.deleted += some.deleted.len() as u64;
            line.unreadable += some.unreadable.len() as u64;
        });
    }

    async fn save(&mut self, context: &Context<'_>, position: Position) -> Result<(), SyncError> {
        let cursor = Cursor { name: self.table.name().into(), position: serde_json::to_value(&position).unwrap_or_default() };
        let mut batch = Batch::new();
        batch.expect::<Cursor>(cursor.key(), self.before.as_ref());
        batch.put(&cursor);
        context.bridge.commit(batch).await?;
        (self.before, self.position) = (Some(cursor), Some(position));
        Ok(())
    }

    fn warn_untracked(&self, context: &Context<'_>) {
        let text = format!(
            "table {} has no change tracking: its changes are found by modification date and its deletions by reading all ids; turn change \
             tracking on in the Power Apps maker portal (Tables, Properties, Advanced options)",
            self.table
        );
        context.bridge.count(|summary| summary.warn(text));
    }

    /// The columns to select; the modification date too, where it decides how to go on.
    fn select(&self, tracked: bool) -> Vec<String> {
        let mut select = self.plan.select.clone();
        if !tracked && self.plan.table.columns.contains_key("modifiedon") && !select.iter().any(|column| column == "modifiedon") {
            select.push("modifiedon".into());
        }
        select
    }
}

impl Context<'_> {
    /// Notes that these rows exist.
    pub(super) fn mark_seen(&self, plan: &TablePlan, rows: &[base::Values], batch: &mut Batch) {
        for row in rows {
            if let Some(id) = planner::Row(row).guid(&plan.table.primary_id) {
                batch.put(&Seen { record: base::RecordId::new(plan.table.table, id) });
            }
        }
    }
}
