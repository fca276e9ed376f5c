//! Single rows of Dynamics: by their ids, by what a column holds, and whether one is there at all.

use base::Guid;
use dataverse::{Filter, Get, Link, List, Query};
use wire::{CallError, Class};

use super::{Dynamics, DynamicsTable, Presence, Rows, feed_page};

/// Rows asked for by id in one request; each takes about 60 characters of an address that may have 32,768.
const IDS_PER_CALL: usize = 50;

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub enum Holds<'a> {
    /// This text, compared without case, as Dynamics does.
    Text(&'a str),
    /// A lookup to this row; the column is named `_x_value`.
    Id(Guid),
}

impl Dynamics {
    /// Rows by their ids; those that aren't there are missing from the answer.
    ///
    /// # Errors
    /// What became of the calls.
    pub async fn by_ids(&self, table: &DynamicsTable, select: &[String], ids: &[Guid]) -> Result<Rows, CallError> {
        let mut found = Rows::default();
        for chunk in ids.chunks(IDS_PER_CALL) {
            let mut some = self.rows(table, select, Filter::any_of(&table.primary_id, chunk), usize::MAX).await?;
            found.rows.append(&mut some.rows);
            found.unreadable.append(&mut some.unreadable);
        }
        Ok(found)
    }

    /// Up to `limit` rows of which one of these columns holds what is said.
    ///
    /// # Errors
    /// What became of the calls.
    pub async fn holding(
        &self,
        table: &DynamicsTable,
        select: &[String],
        columns: &[&str],
        holds: Holds<'_>,
        limit: usize,
    ) -> Result<Rows, CallError> {
        let is = |column: &&str| match holds {
            Holds::Text(text) => Filter::eq(*column, text),
            Holds::Id(id) => Filter::eq(*column, id),
        };
        let Some(filter) = columns.iter().map(is).reduce(Filter::or) else { return Ok(Rows::default()) };
        self.rows(table, select, filter, limit).await
    }

    async fn rows(&self, table: &DynamicsTable, select: &[String], filter: Filter, limit: usize) -> Result<Rows, CallError> {
        let list = List {
            set: table.set.clone(),
            query: Query::select(select.iter().cloned()).filter(filter),
            annotations: true,
            page_rows: 5_000,
            track_changes: false,
            id_column: Some(table.primary_id.clone()),
        };
        let mut found = Rows::default();
        let mut page = feed_page(self.client.call(&list).await?);
        loop {
            while let Some(mut some) = page.next_rows(usize::MAX, table.table) {
                found.rows.append(&mut some.rows);
                found.unreadable.append(&mut some.unreadable);
            }
            let Some(next) = page.next.take().filter(|_| found.rows.len() < limit) else { break };
            let following = feed_page(self.client.call(&list.follow(Link::new(next.clone()))).await?);
            following.comes_after(&next, table)?;
            page = following;
        }
        found.rows.truncate(limit);
        Ok(found)
    }

    /// Whether a row that no listing has shown is really not there: the service names one that our role doesn't reach as refused, and only
    /// one that doesn't exist as missing.
    ///
    /// # Errors
    /// What became of the call, but for these two answers.
    pub async fn presence(&self, table: &DynamicsTable, id: Guid) -> Result<Presence, CallError> {
        let get = Get { set: table.set.clone(), id, select: vec![table.primary_id.clone()] };
        match self.client.call(&get).await {
            Ok(_) => Ok(Presence::There),
            Err(error) if error.class() == Some(Class::Missing) => Ok(Presence::Gone),
            Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 403) => Ok(Presence::Hidden),
            // A service that doesn't know such a request can't tell.
            Err(error) if error.refusal().is_some_and(|refusal| matches!(refusal.status, 405 | 501)) => Ok(Presence::Gone),
            // Any other refusal says nothing of the row; so it is not deleted.
            Err(error) if matches!(error.class(), Some(Class::Bug | Class::Record)) => Ok(Presence::Hidden),
            Err(error) => Err(error),
        }
    }
}
