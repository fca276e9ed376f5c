//! The layout of a database: what it is, and how an older one becomes the present one.
//!
//! A migration that was ever released is never edited, only followed by another. A newer layout, or a database that belongs to some
//! other program, is refused untouched.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::StoreError;

/// The table that remembers which migrations were done. Our own name, so that another program's database isn't taken for ours.
const DONE: &str = "insight_bridge_schema";

/// The migrations, the first one first; a layout's version is how many were done.
const MIGRATIONS: [(&str, &str); 3] = [
    ("families", include_str!("../migrations/sqlite/0001_families.sql")),
    ("compact", include_str!("../migrations/sqlite/0002_compact.sql")),
    ("urgent", include_str!("../migrations/sqlite/0003_urgent.sql")),
];

/// The newest layout that this program knows.
const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Makes the table above. The columns that nothing reads are those of the first release, whose databases have them.
const MAKE_DONE: &str = "CREATE TABLE IF NOT EXISTS insight_bridge_schema (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
)";

/// What a database is before we touch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A new one.
    Nothing,
    /// Ours, of this version, which is not newer than we know.
    Version(i64),
    /// Somebody else's.
    Foreign,
}

impl Found {
    /// Whether it has a layout that is older than ours, which a process may be working with.
    pub(crate) fn is_old(self) -> bool {
        matches!(self, Self::Version(version) if version < NEWEST)
    }
}

/// Looks at a database without changing anything of it.
///
/// # Errors
/// [`StoreError::TooNew`] for a newer layout, [`StoreError::Database`] for another program's database or one that can't be read.
pub(crate) fn look(connection: &Connection, place: &str) -> Result<Found, StoreError> {
    let failed = |why: String| StoreError::Database { place: place.to_owned(), why };
    match found(connection).map_err(|e| failed(e.to_string()))? {
        Found::Version(found) if found > NEWEST => Err(StoreError::TooNew { found, known: NEWEST }),
        Found::Foreign => Err(failed("it is a database of another program; name a file of its own".into())),
        ours @ (Found::Nothing | Found::Version(_)) => Ok(ours),
    }
}

/// Brings the database behind `connection` to the present layout, all of it or nothing. One that has it already is only read, so that a
/// command that merely looks never waits for the process at work.
///
/// # Errors
/// As [`look`], and when it can't be written.
pub(crate) fn migrate(connection: &mut Connection, place: &str) -> Result<(), StoreError> {
    let failed = |why: String| StoreError::Database { place: place.to_owned(), why };
    if look(connection, place)? == Found::Version(NEWEST) {
        return Ok(());
    }
    bring_up(connection).map_err(|e| failed(e.to_string()))?;
    // What the old layout took is free now. Where there is no room for a new file, it stays as it is.
    if let Err(error) = connection.execute_batch("VACUUM") {
        tracing::warn!(%error, "the state's file could not be made smaller");
    }
    Ok(())
}

fn bring_up(connection: &mut Connection) -> rusqlite::Result<()> {
    // Two processes may get here at once: the second waits, and then finds the work done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(MAKE_DONE)?;
    let done = version(&transaction)?;
    for (version, (name, text)) in (1i64..).zip(MIGRATIONS).filter(|(version, _)| *version > done) {
        transaction.execute_batch(text)?;
        let note = "INSERT INTO insight_bridge_schema (version, description, success, checksum, execution_time) VALUES (?, ?, 1, x'', 0)";
        transaction.execute(note, params![version, name])?;
    }
    transaction.commit()
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let newest: Option<Option<i64>> =
        connection.query_row("SELECT max(version) FROM insight_bridge_schema", [], |row| row.get(0)).optional()?;
    Ok(newest.flatten().unwrap_or_default())
}

fn found(connection: &Connection) -> rusqlite::Result<Found> {
    let text = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let tables: Vec<String> = connection.prepare(text)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if tables.is_empty() {
        return Ok(Found::Nothing);
    }
    if !tables.iter().any(|table| table == DONE) {
        return Ok(Found::Foreign);
    }
    Ok(Found::Version(version(connection)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Family;

    fn database(sql: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        connection
    }

    #[test]
    fn every_family_has_its_table_and_a_second_time_changes_nothing() {
        let mut connection = database("");
        for _ in 0..2 {
            migrate(&mut connection, "here").unwrap();
        }
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let tables: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        for family in Family::ALL {
            assert!(tables.iter().any(|table| table == family.name()), "{family:?}");
        }
        assert_eq!(tables.len(), Family::ALL.len() + 2, "{tables:?}");
    }

    #[test]
    fn a_state_of_the_first_layout_keeps_its_records() {
        let mut connection = database(MAKE_DONE);
        connection.execute_batch(MIGRATIONS[0].1).unwrap();
        let records = "INSERT INTO insight_bridge_schema (version, description, success, checksum, execution_time) VALUES (1, 'families', 1, x'00', 7);
            INSERT INTO link (key, value) VALUES (x'06ff', x'01'), (x'0600', x'02');
            INSERT INTO role_source_index (key, value) VALUES (x'01aa', x''), (x'0300', x''), (x'03ff', x'');
            INSERT INTO outbox (key, value) VALUES (x'03', x'7b7d');";
        connection.execute_batch(records).unwrap();
        migrate(&mut connection, "here").unwrap();
        let keys = |table: &str| -> Vec<Vec<u8>> {
            let mut statement = connection.prepare(&format!("SELECT key FROM {table} ORDER BY key")).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(keys("link"), [vec![6, 0], vec![6, 255]]);
        assert_eq!(keys("role_source_index"), [[1, 0xaa]]);
        assert_eq!(keys("outbox"), [[3]]);
        assert_eq!(found(&connection).unwrap(), Found::Version(NEWEST));
    }

    #[test]
    fn a_newer_layout_is_refused() {
        let mut connection = database("");
        migrate(&mut connection, "here").unwrap();
        let newer =
            "INSERT INTO insight_bridge_schema (version, description, success, checksum, execution_time) VALUES (7, 'x', 1, x'00', 0)";
        connection.execute_batch(newer).unwrap();
        let refused = migrate(&mut connection, "here");
        assert!(matches!(refused, Err(StoreError::TooNew { found: 7, known: NEWEST })), "{refused:?}");
    }

    #[test]
    fn another_programs_database_is_left_alone() {
        let mut connection = database("CREATE TABLE photo (id INTEGER)");
        let refused = migrate(&mut connection, "photos.db").unwrap_err().to_string();
        assert_eq!(
            refused,
            "the state database at photos.db could not be used: it is a database of another program; name a file of its own"
        );
        assert_eq!(found(&connection).unwrap(), Found::Foreign);
    }
}
