//! Single rows of Dynamics: by their ids, by what a column holds, and whether one is there at all.

use base::Guid;
use dataverse::{Filter, Get, Link, List, NewValues, Organization, Query, Update};
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

    /// Rows of which one of these columns points to one of these ids.
    ///
    /// # Errors
    /// What became of the calls.
    pub async fn pointing(&self, table: &DynamicsTable, select: &[String], columns: &[&str], ids: &[Guid]) -> Result<Rows, CallError> {
        let mut found = Rows::default();
        for chunk in ids.chunks(IDS_PER_CALL) {
            let Some(filter) = columns.iter().map(|column| Filter::any_of(column, chunk)).reduce(Filter::or) else { return Ok(found) };
            let mut some = self.rows(table, select, filter, usize::MAX).await?;
            found.rows.append(&mut some.rows);
        }
        Ok(found)
    }

    /// Makes sure that rows of a table can be read with these columns: one, if there is any.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn sample(&self, table: &DynamicsTable, select: &[String]) -> Result<(), CallError> {
        self.client.call(&one(table, select)).await.map(drop)
    }

    /// How many rows of a table a user or team owns; the service counts up to 5,000.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn owned(&self, table: &DynamicsTable, owner: Guid) -> Result<u64, CallError> {
        let mut list = one(table, std::slice::from_ref(&table.primary_id));
        list.query = list.query.filter(Filter::eq("_ownerid_value", owner));
        list.query.count = true;
        Ok(self.client.call(&list).await?.count.unwrap_or_default())
    }

    /// Whether rows of a table may be written in a column: an update of one that isn't there changes nothing, and who may not write is refused all
    /// the same.
    ///
    /// # Errors
    /// The refusal, or what else became of the call.
    pub async fn may_write(&self, table: &DynamicsTable, column: &str) -> Result<(), CallError> {
        let nobody = Guid::from_u128(u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..)));
        let row = NewValues::from_iter([(column.to_owned(), serde_json::Value::Null)]);
        let update = Update { set: table.set.clone(), id: nobody, row, if_match: None };
        match self.client.call(&update).await {
            Err(error) if error.class() == Some(Class::Missing) => Ok(()),
            written => written,
        }
    }

    /// For how many days a delta link stays good, where the environment says.
    ///
    /// # Errors
    /// What became of the call.
    pub async fn delta_days(&self) -> Result<Option<u32>, CallError> {
        Ok(self.client.call(&Organization).await?.delta_retention_days)
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

/// A listing of one row.
fn one(table: &DynamicsTable, select: &[String]) -> List {
    let mut query = Query::select(select.iter().cloned());
    query.top = Some(1);
    let id_column = Some(table.primary_id.clone());
    List { set: table.set.clone(), query, annotations: false, page_rows: 1, track_changes: false, id_column }
}
