//! The SQL texts: a few fixed shapes a family, so that prepared statements are found again, and never one row a statement.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::Family;

/// How many rows one statement handles: each shape is prepared once a connection and family. SQLite allows 32,766 values a statement.
const ROWS: [usize; 5] = [500, 100, 20, 4, 1];

/// Cuts `rows` into pieces of the sizes above, large ones first.
pub(super) fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = ROWS.into_iter().find(|size| *size <= rows.len())?;
        let (piece, rest) = rows.split_at_checked(size)?;
        rows = rest;
        Some(piece)
    })
}

// Names of tables are the program's own words and values are always parameters, so that these texts are safe.

/// Reads the values of `rows` keys.
pub(super) fn select(family: Family, rows: usize) -> SqlStr {
    AssertSqlSafe(format!("SELECT key, value FROM {} WHERE key IN ({})", family.name(), list("?", rows))).into_sql_str()
}

/// Saves `rows` keys with their values.
pub(super) fn upsert(family: Family, rows: usize) -> SqlStr {
    let (table, rows) = (family.name(), list("(?,?)", rows));
    AssertSqlSafe(format!("INSERT INTO {table} (key, value) VALUES {rows} ON CONFLICT (key) DO UPDATE SET value = excluded.value"))
        .into_sql_str()
}

/// Removes `rows` keys.
pub(super) fn delete(family: Family, rows: usize) -> SqlStr {
    AssertSqlSafe(format!("DELETE FROM {} WHERE key IN ({})", family.name(), list("?", rows))).into_sql_str()
}

/// Lists from one key to another; the parameters are the first key, the key after the last one if `bounded`, and the limit.
pub(super) fn scan(family: Family, after: bool, bounded: bool) -> SqlStr {
    let (start, end) = (if after { ">" } else { ">=" }, if bounded { " AND key < ?" } else { "" });
    AssertSqlSafe(format!("SELECT key, value FROM {} WHERE key {start} ?{end} ORDER BY key LIMIT ?", family.name())).into_sql_str()
}

/// Counts from one key to another; the parameters are the first key, and the key after the last one if `bounded`.
pub(super) fn count(family: Family, bounded: bool) -> SqlStr {
    let end = if bounded { " AND key < ?" } else { "" };
    AssertSqlSafe(format!("SELECT count(*) FROM {} WHERE key >= ?{end}", family.name())).into_sql_str()
}

fn list(item: &str, times: usize) -> String {
    vec![item; times].join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_every_row_in_its_order() {
        let rows: Vec<u32> = (0..1637).collect();
        let sizes: Vec<usize> = pieces(&rows).map(<[u32]>::len).collect();
        assert_eq!(sizes, [500, 500, 500, 100, 20, 4, 4, 4, 4, 1]);
        assert_eq!(pieces(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(pieces::<u32>(&[]).count(), 0);
    }
}
