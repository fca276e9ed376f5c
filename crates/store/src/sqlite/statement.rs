//! What is done on a connection: a few fixed statements a family, so that prepared ones are found again.

use std::ops::Bound;

use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, Transaction, TransactionBehavior, params};

use crate::{Batch, Entry, Expect, Family, Fence, range::KeyRange};

/// What became of a batch.
pub(super) enum Outcome {
    Done,
    Fenced,
    Moved(Family),
}

// Names of tables are the program's own words and values are always parameters, so that these texts are safe.

/// The values of `keys`, in their order. One transaction, so that no commit falls between two of them and is seen by half.
pub(super) fn get(connection: &mut Connection, family: Family, keys: &[Vec<u8>]) -> rusqlite::Result<Vec<Option<Vec<u8>>>> {
    if let [key] = keys {
        return Ok(vec![value(&mut select(connection, family)?, key)?]);
    }
    let transaction = connection.transaction()?;
    let mut statement = select(&transaction, family)?;
    let mut values = Vec::with_capacity(keys.len());
    for key in keys {
        values.push(value(&mut statement, key)?);
    }
    Ok(values)
}

fn value(select: &mut CachedStatement<'_>, key: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
    select.query_row([key], |row| row.get(0)).optional()
}

fn select(connection: &Connection, family: Family) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(&format!("SELECT value FROM {} WHERE key = ?", family.name()))
}

/// Up to `limit` entries of a range, in key order.
pub(super) fn scan(connection: &Connection, family: Family, range: &KeyRange, limit: i64) -> rusqlite::Result<Vec<Entry>> {
    let (start, after) = match &range.start {
        Bound::Excluded(key) => (key.as_slice(), ">"),
        Bound::Included(key) => (key.as_slice(), ">="),
        Bound::Unbounded => (&[][..], ">="),
    };
    let before = if range.end.is_some() { " AND key < ?" } else { "" };
    let text = format!("SELECT key, value FROM {} WHERE key {after} ?{before} ORDER BY key LIMIT ?", family.name());
    let mut statement = connection.prepare_cached(&text)?;
    let mut parameters: Vec<&dyn ToSql> = vec![&start];
    parameters.extend(range.end.as_ref().map(|end| end as &dyn ToSql));
    parameters.push(&limit);
    statement.query_map(parameters.as_slice(), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// How many keys a range has.
pub(super) fn count(connection: &Connection, family: Family, prefix: &[u8]) -> rusqlite::Result<u64> {
    let end = KeyRange::new(prefix, None).end;
    let before = if end.is_some() { " AND key < ?" } else { "" };
    let mut statement = connection.prepare_cached(&format!("SELECT count(*) FROM {} WHERE key >= ?{before}", family.name()))?;
    let count: i64 = match end {
        Some(end) => statement.query_row(params![prefix, end], |row| row.get(0))?,
        None => statement.query_row([prefix], |row| row.get(0))?,
    };
    Ok(count.unsigned_abs())
}

/// Does all of a batch, or nothing of it.
pub(super) fn commit(connection: &mut Connection, fence: Fence, batch: Batch) -> rusqlite::Result<Outcome> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let newest: Option<i64> = transaction
        .prepare_cached("SELECT fence FROM lease WHERE id = 1 AND holder IS NOT NULL")?
        .query_row([], |row| row.get(0))
        .optional()?;
    // Who returns before the end takes everything back: a transaction that is dropped does.
    if newest.is_none() || newest != i64::try_from(fence.0).ok() {
        return Ok(Outcome::Fenced);
    }
    if let Some(expect) = moved(&transaction, &batch.expects)? {
        return Ok(Outcome::Moved(expect.family));
    }
    for changes in in_order(batch).chunk_by(|(family, ..), (next, ..)| family == next) {
        if let Some((family, ..)) = changes.first() {
            change(&transaction, *family, changes)?;
        }
    }
    transaction.commit()?;
    Ok(Outcome::Done)
}

/// The first expectation that does not hold.
fn moved<'a>(transaction: &Transaction<'_>, expects: &'a [Expect]) -> rusqlite::Result<Option<&'a Expect>> {
    for expect in expects {
        if value(&mut select(transaction, expect.family)?, &expect.key)? != expect.value {
            return Ok(Some(expect));
        }
    }
    Ok(None)
}

/// Changes in the order of families and keys, the last one to each key: a file filled in key order is filled several times as fast.
fn in_order(batch: Batch) -> Vec<Change> {
    let mut changes = batch.changes;
    // Stable, so that of two changes to one key the later one comes later.
    changes.sort_by(|(family, key, _), (other, other_key, _)| (family, key).cmp(&(other, other_key)));
    // Backwards, the first of equals is the last that was asked for.
    changes.reverse();
    changes.dedup_by(|(family, key, _), (kept, kept_key, _)| (&*family, &*key) == (&*kept, &*kept_key));
    changes.reverse();
    changes
}

/// One key's new value, or none when it goes.
type Change = (Family, Vec<u8>, Option<Vec<u8>>);

fn change(transaction: &Transaction<'_>, family: Family, changes: &[Change]) -> rusqlite::Result<()> {
    let table = family.name();
    let save = format!("INSERT INTO {table} (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value");
    let (mut save, mut remove) =
        (transaction.prepare_cached(&save)?, transaction.prepare_cached(&format!("DELETE FROM {table} WHERE key = ?"))?);
    for (_, key, value) in changes {
        match value {
            Some(value) => save.execute(params![key, value])?,
            None => remove.execute([key])?,
        };
    }
    Ok(())
}

/// Free pages that are worth writing the whole file anew: 2 MiB.
const FREE_MIN: i64 = 512;

/// Writes the file anew where more than half of it is free, as after a first load, whose outbox was in it. The file is then as small as it
/// can be, which is why nothing is given back page by page instead: pages filled in the order of random keys are a third empty.
pub(super) fn tidy(connection: &Connection) -> rusqlite::Result<()> {
    let pages = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (all, free) = (pages("page_count")?, pages("freelist_count")?);
    if free >= FREE_MIN && free > all / 2 {
        connection.execute_batch("VACUUM")?;
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
