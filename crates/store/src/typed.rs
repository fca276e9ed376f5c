//! Reading records instead of bytes: on top of every [`Store`], knowing none.
//!
//! A record that can't be read fails the whole call: our own state is either all right or a matter for a person. Writing needs nothing
//! of this kind, since a [`Batch`](crate::Batch) takes records already.

use std::marker::PhantomData;

use crate::{Entry, Record, Store, StoreError};

/// Typed reads; every store has them.
pub trait StoreExt: Store {
    /// The records of `keys`, in their order; `None` where there is none. Any number of keys.
    ///
    /// # Errors
    /// When the database can't be read, or a record can't ([`StoreError::Unreadable`]).
    fn read<R: Record>(&self, keys: &[Vec<u8>]) -> impl Future<Output = Result<Vec<Option<R>>, StoreError>> + Send;

    /// The record of one key, if there is one.
    ///
    /// # Errors
    /// When the database can't be read, or the record can't ([`StoreError::Unreadable`]).
    fn read_one<R: Record>(&self, key: Vec<u8>) -> impl Future<Output = Result<Option<R>, StoreError>> + Send;

    /// Up to `limit` records whose key starts with `prefix` and is greater than `after`, in key order.
    ///
    /// # Errors
    /// When the database can't be read, or a record can't ([`StoreError::Unreadable`]).
    fn list<R: Record>(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize)
    -> impl Future<Output = Result<Vec<R>, StoreError>> + Send;

    /// All records whose key starts with `prefix`, in key order, `size` at a time (at least 1).
    fn pages<R: Record>(&self, prefix: Vec<u8>, size: usize) -> Pages<'_, Self, R> {
        Pages { store: self, prefix, after: None, size: size.max(1), record: PhantomData }
    }
}

impl<S: Store + ?Sized> StoreExt for S {
    async fn read<R: Record>(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<R>>, StoreError> {
        let values = self.get(R::FAMILY, keys).await?;
        let mut records = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().zip(values) {
            records.push(value.map(|value| R::read(key, &value)).transpose()?);
        }
        Ok(records)
    }

    async fn read_one<R: Record>(&self, key: Vec<u8>) -> Result<Option<R>, StoreError> {
        Ok(self.read(&[key]).await?.pop().flatten())
    }

    async fn list<R: Record>(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<R>, StoreError> {
        let entries = self.scan(R::FAMILY, prefix, after, limit).await?;
        read_all(&entries)
    }
}

/// The records of entries; room for all is made at once.
fn read_all<R: Record>(entries: &[Entry]) -> Result<Vec<R>, StoreError> {
    let mut records = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        records.push(R::read(key, value)?);
    }
    Ok(records)
}

/// A walk over many records with only a page of them in memory. Records saved or removed meanwhile may be met or not.
#[derive(Debug)]
pub struct Pages<'a, S: Store + ?Sized, R> {
    store: &'a S,
    prefix: Vec<u8>,
    after: Option<Vec<u8>>,
    size: usize,
    record: PhantomData<fn() -> R>,
}

impl<S: Store + ?Sized, R: Record> Pages<'_, S, R> {
    /// The next records; empty when there are no more.
    ///
    /// # Errors
    /// When the database can't be read, or a record can't ([`StoreError::Unreadable`]). The same page is read again after that.
    pub async fn next_page(&mut self) -> Result<Vec<R>, StoreError> {
        let entries = self.store.scan(R::FAMILY, &self.prefix, self.after.as_deref(), self.size).await?;
        let records = read_all(&entries)?;
        if let Some((key, _)) = entries.into_iter().last() {
            self.after = Some(key);
        }
        Ok(records)
    }
}
