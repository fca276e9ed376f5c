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

use crate::{
    capture::{Context, gone},
    dynamics::{Feed, FeedPage},
    error::{Side, SyncError},
    prepare::TablePlan,
    progress::Step,
    summary::CaptureMode,
};

/// Modification dates have whole seconds and clocks differ: what is re-read around a boundary.
const OVERLAP: Duration = Duration::from_secs(300);

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
}

/// Reads what changed in one table since the last time.
pub(super) async fn read(context: &mut Context<'_>, table: Table) -> Result<(), SyncError> {
    let prepared = context.prepared;
    let plan = prepared.table(table)?;
    let before = context.bridge.store.read_one::<Cursor>(table.name().into()).await?;
    let position = before.as_ref().and_then(|cursor| serde_json::from_value::<Position>(cursor.position.clone()).ok());
    let position = position.filter(|position| position.hash == plan.hash);
    let mut walk = Walk { table, plan, before: before.clone(), mode: CaptureMode::Full, latest: None, plain: false };
    match position {
        Some(Position { delta: Some(link), plain, .. }) => match walk.changes(context, link, plain).await {
            Ok(()) => Ok(()),
            Err(SyncError::Side { error, .. }) if dataverse::is_expired_delta(&error) => {
                tracing::warn!(table = table.name(), "the delta token has expired; everything is read anew, and only differences are sent");
                walk.everything(context, true).await
            }
            Err(error) => Err(error),
        },
        Some(Position { watermark: Some(mark), .. }) if plan.table.columns.contains_key("modifiedon") => walk.since(context, &mark).await,
        Some(_) | None => walk.everything(context, before.is_some()).await,
    }
}

/// One reading of one table.
struct Walk<'a> {
    table: Table,
    plan: &'a TablePlan,
    before: Option<Cursor>,
    mode: CaptureMode,
    /// The latest modification date met.
    latest: Option<String>,
    /// Whether pages are asked for without annotations.
    plain: bool,
}

impl Walk<'_> {
    /// Reads all rows. With `find_gone`, what is linked and not met has been deleted.
    async fn everything(&mut self, context: &mut Context<'_>, find_gone: bool) -> Result<(), SyncError> {
        let begun = context.bridge.clock.now();
        self.mode = CaptureMode::Full;
        self.plain = false;
        if find_gone {
            gone::forget_seen(context, self.table).await?;
        }
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
        let delta = match self.pages(context, first, find_gone).await? {
            Some(delta) => delta,
            None => self.without_annotations(context, find_gone).await?,
        };
        // The token is stamped when the last page is made: a row changed after its own page was read may be in no delta.
        let hole = earlier(begun, OVERLAP);
        let plain = std::mem::take(&mut self.plain);
        self.modified_since(context, &whole_seconds(hole), find_gone).await?;
        self.plain = plain;
        if find_gone {
            gone::handle_unseen(context, self.table).await?;
        }
        self.save(context, Position { hash: self.plan.hash.clone(), delta: Some(delta), plain: self.plain, watermark: None }).await
    }

    /// Some servers leave the delta link out when annotations are asked for: the same again without, through typed columns.
    async fn without_annotations(&mut self, context: &mut Context<'_>, mark_seen: bool) -> Result<String, SyncError> {
        self.plain = true;
        let feed = Feed::AllPlain { select: &self.select(true) };
        let first =
            context.bridge.dynamics.feed(&self.plan.table, feed).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
        self.pages(context, first, mark_seen).await?.ok_or_else(|| {
            let text = format!("the last page of {} has no delta link", self.table);
            SyncError::of_call(Side::Dynamics, wire::CallError::Garbled(text))
        })
    }

    /// Reads what the delta link says has changed.
    async fn changes(&mut self, context: &mut Context<'_>, link: String, plain: bool) -> Result<(), SyncError> {
        self.mode = CaptureMode::Changes;
        self.plain = plain;
        let feed = Feed::Changes { link: &link, annotated: !plain };
        let first =
            context.bridge.dynamics.feed(&self.plan.table, feed).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
        // Without a new link the old one stays good: the same changes come again and are found to be known.
        let delta = self.pages(context, first, false).await?.unwrap_or(link);
        self.save(context, Position { hash: self.plan.hash.clone(), delta: Some(delta), plain: self.plain, watermark: None }).await
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
        self.pages(context, first, find_gone).await?;
        if find_gone {
            gone::handle_unseen(context, self.table).await?;
        }
        // Never later than the beginning: a row changed after its page was read may have an earlier date than the last page's rows.
        let begun = whole_seconds(begun);
        let watermark = self.latest.take().filter(|latest| *latest < begun).unwrap_or(begun);
        self.save(context, Position { hash: self.plan.hash.clone(), delta: None, plain: false, watermark: Some(watermark) }).await
    }

    /// Reads what was modified since the watermark, and all ids to find what was deleted.
    async fn since(&mut self, context: &mut Context<'_>, mark: &str) -> Result<(), SyncError> {
        self.warn_untracked(context);
        self.mode = CaptureMode::Watermark;
        self.latest = Some(mark.to_owned());
        let from = mark.parse::<Timestamp>().map_or_else(|_| mark.to_owned(), |mark| whole_seconds(earlier(mark, OVERLAP)));
        self.modified_since(context, &from, false).await?;
        gone::forget_seen(context, self.table).await?;
        let feed = Feed::Ids;
        let first =
            context.bridge.dynamics.feed(&self.plan.table, feed).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
        let mut page = first;
        loop {
            let mut batch = Batch::new();
            context.mark_seen(self.plan, &page.rows, &mut batch);
            context.bridge.commit(batch).await?;
            let Some(next) = page.next.take() else { break };
            page = context
                .bridge
                .dynamics
                .feed(&self.plan.table, Feed::Next { link: &next, track: false, annotated: false })
                .await
                .map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
        }
        gone::handle_unseen(context, self.table).await?;
        self.save(context, Position { hash: self.plan.hash.clone(), delta: None, plain: false, watermark: self.latest.clone() }).await
    }

    async fn modified_since(&mut self, context: &mut Context<'_>, from: &str, mark_seen: bool) -> Result<(), SyncError> {
        if !self.plan.table.columns.contains_key("modifiedon") {
            return Ok(());
        }
        let feed = Feed::ModifiedSince { select: &self.select(false), from };
        let first =
            context.bridge.dynamics.feed(&self.plan.table, feed).await.map_err(|error| SyncError::of_call(Side::Dynamics, error))?;
        self.pages(context, first, mark_seen).await.map(drop)
    }

    /// Applies a page and all that follow it; gives the delta link of the last one. The next page is fetched while one is applied.
    async fn pages(&mut self, context: &mut Context<'_>, first: FeedPage, mark_seen: bool) -> Result<Option<String>, SyncError> {
        let bridge = context.bridge;
        let mut page = first;
        let mut rows = 0;
        let mut last_link: Option<String> = None;
        loop {
            let next = page.next.take();
            if next.is_some() && next == last_link {
                let text = format!("the next link of {} repeats itself", self.table);
                return Err(SyncError::of_call(Side::Dynamics, wire::CallError::Garbled(text)));
            }
            let ahead = async {
                match &next {
                    Some(link) => {
                        let feed = Feed::Next { link, track: page.tracked, annotated: !self.plain };
                        bridge.dynamics.feed(&self.plan.table, feed).await.map(Some)
                    }
                    None => Ok(None),
                }
            };
            let (applied, following) = futures::join!(context.apply_page(self.table, self.plan, &page, mark_seen), ahead);
            applied?;
            rows += page.rows.len() as u64;
            self.count(bridge, &page, rows);
            match following.map_err(|error| SyncError::of_call(Side::Dynamics, error))? {
                Some(following) => {
                    let tracked = page.tracked;
                    page = following;
                    page.tracked = tracked;
                    last_link = next;
                }
                None => return Ok(page.delta),
            }
        }
    }

    fn count(&mut self, bridge: &crate::Bridge, page: &FeedPage, rows: u64) {
        for row in &page.rows {
            if let Some(modified) = row.get("modifiedon").and_then(|value| value.as_str())
                && self.latest.as_deref().is_none_or(|latest| latest < modified)
            {
                self.latest = Some(modified.to_owned());
            }
        }
        bridge.count(|summary| {
            let line = summary.captured(self.table);
            line.mode = self.mode;
            line.rows += page.rows.len() as u64;
            line.deleted += page.deleted.len() as u64;
            line.unreadable += page.unreadable;
        });
        bridge.progress.tell(Step::Captured { table: self.table, rows });
    }

    async fn save(&self, context: &mut Context<'_>, position: Position) -> Result<(), SyncError> {
        let cursor = Cursor { name: self.table.name().into(), position: serde_json::to_value(position).unwrap_or_default() };
        let mut batch = Batch::new();
        batch.expect::<Cursor>(cursor.key(), self.before.as_ref());
        batch.put(&cursor);
        context.bridge.commit(batch).await
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
    pub(super) fn mark_seen(&self, plan: &TablePlan, rows: &[serde_json::Map<String, serde_json::Value>], batch: &mut Batch) {
        for row in rows {
            if let Some(id) = planner::Row(row).guid(&plan.table.primary_id) {
                batch.put(&Seen { record: base::RecordId::new(plan.table.table, id) });
            }
        }
    }
}
