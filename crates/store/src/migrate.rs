//! The layout of a database: what it is, and how an older one becomes the present one.
//!
//! A migration that was ever released is never edited, only followed by another. A newer layout, or a database that belongs to some
//! other program, is refused untouched.

use sqlx::{
    Connection, SqlSafeStr, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::StoreError;

/// The table that remembers which migrations were done. Our own name, so that another program's database isn't taken for ours.
const DONE: &str = "insight_bridge_schema";

/// The newest layout that this program knows.
const NEWEST: i64 = 1;

/// What a database is before we touch it.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// A new one.
    Nothing,
    /// Ours, of this version.
    Version(i64),
    /// Somebody else's.
    Foreign,
}

fn migrator() -> Migrator {
    let families = include_str!("../migrations/sqlite/0001_families.sql").into_sql_str();
    let mut migrator = Migrator::with_migrations(vec![Migration::new(1, "families".into(), MigrationType::Simple, families, false)]);
    migrator.dangerous_set_table_name(DONE);
    migrator
}

/// Brings the database behind `connection` to the present layout, all of it or nothing. One that has it already is only read, so that a
/// command that merely looks never waits for the process at work.
///
/// # Errors
/// [`StoreError::TooNew`] for a newer layout, [`StoreError::Database`] for another program's database or one that can't be written.
pub(crate) async fn migrate(connection: &mut SqliteConnection, place: &str) -> Result<(), StoreError> {
    let failed = |why: String| StoreError::Database { place: place.to_owned(), why };
    match found(connection).await.map_err(|e| failed(e.to_string()))? {
        Found::Version(NEWEST) => return Ok(()),
        Found::Version(found) if found > NEWEST => return Err(StoreError::TooNew { found, known: NEWEST }),
        Found::Foreign => return Err(failed("it is a database of another program; name a file of its own".into())),
        Found::Version(_) | Found::Nothing => {}
    }
    // Two processes may get here at once: the second waits, and then finds the work done.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|e| failed(e.to_string()))?;
    // What `Migrator::run` calls; that one's future can't move between threads (the compiler finds `Acquire` not general enough).
    migrator().run_direct(None, &mut *transaction, false).await.map_err(|e| failed(e.to_string()))?;
    transaction.commit().await.map_err(|e| failed(e.to_string()))
}

async fn found(connection: &mut SqliteConnection) -> Result<Found, sqlx::Error> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
            .fetch_all(&mut *connection)
            .await?;
    if tables.is_empty() {
        return Ok(Found::Nothing);
    }
    if !tables.iter().any(|table| table == DONE) {
        return Ok(Found::Foreign);
    }
    let newest: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM insight_bridge_schema").fetch_one(connection).await?;
    Ok(Found::Version(newest.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Family;

    async fn database(sql: &'static str) -> SqliteConnection {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection
    }

    #[test]
    fn the_newest_layout_is_the_last_migration() {
        assert_eq!(migrator().iter().map(|migration| migration.version).max(), Some(NEWEST));
    }

    #[tokio::test]
    async fn every_family_has_its_table_and_a_second_time_changes_nothing() {
        let mut connection = database("").await;
        for _ in 0..2 {
            migrate(&mut connection, "here").await.unwrap();
        }
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'").fetch_all(&mut connection).await.unwrap();
        for family in Family::ALL {
            assert!(tables.iter().any(|table| table == family.name()), "{family:?}");
        }
        assert_eq!(tables.len(), Family::ALL.len() + 2, "{tables:?}");
    }

    #[tokio::test]
    async fn a_newer_layout_is_refused() {
        let mut connection = database("").await;
        migrate(&mut connection, "here").await.unwrap();
        let newer =
            "INSERT INTO insight_bridge_schema (version, description, success, checksum, execution_time) VALUES (7, 'x', 1, x'00', 0)";
        sqlx::query(newer).execute(&mut connection).await.unwrap();
        let refused = migrate(&mut connection, "here").await;
        assert!(matches!(refused, Err(StoreError::TooNew { found: 7, known: NEWEST })), "{refused:?}");
    }

    #[tokio::test]
    async fn another_programs_database_is_left_alone() {
        let mut connection = database("CREATE TABLE photo (id INTEGER)").await;
        let refused = migrate(&mut connection, "photos.db").await.unwrap_err().to_string();
        assert_eq!(
            refused,
            "the state database at photos.db could not be used: it is a database of another program; name a file of its own"
        );
        assert_eq!(found(&mut connection).await.unwrap(), Found::Foreign);
    }
}
