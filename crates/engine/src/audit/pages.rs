//! All rows of a table, a page at a time.

use base::Values;

use crate::{
    bridge::Bridge,
    dynamics::{DynamicsTable, Feed, FeedPage},
    error::{Side, SyncError},
};

/// A walk through a table.
pub(crate) struct Pages<'a> {
    table: &'a DynamicsTable,
    select: &'a [String],
    place: Place,
}

enum Place {
    Before,
    Behind { link: String, page_rows: u32 },
    End,
}

impl<'a> Pages<'a> {
    /// From the beginning.
    pub(crate) fn new(table: &'a DynamicsTable, select: &'a [String]) -> Self {
        Self { table, select, place: Place::Before }
    }

    /// The next rows; a page may have none, and the walk goes on.
    ///
    /// # Errors
    /// When Dynamics can't be read.
    pub(crate) async fn next(&mut self, bridge: &Bridge) -> Result<Option<Vec<Values>>, SyncError> {
        let dynamics = |error| SyncError::of_call(Side::Dynamics, error);
        let mut page: FeedPage = match &self.place {
            Place::End => return Ok(None),
            Place::Before => bridge.dynamics.feed(self.table, Feed::All { select: self.select, track: false }).await.map_err(dynamics)?,
            Place::Behind { link, page_rows } => {
                let next = Feed::Next { link, track: false, annotated: true, page_rows: *page_rows };
                let page = bridge.dynamics.feed(self.table, next).await.map_err(dynamics)?;
                page.comes_after(link, self.table).map_err(dynamics)?;
                page
            }
        };
        let page_rows = page.page_rows;
        let mut rows = Vec::new();
        while let Some(some) = page.next_rows(usize::MAX, self.table.table) {
            rows.extend(some.rows);
        }
        self.place = page.next.take().map_or(Place::End, |link| Place::Behind { link, page_rows });
        Ok(Some(rows))
    }
}
