//! From the configured address to a store.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{MemoryStore, SqliteStore, Store, StoreError};

/// Opens the state at `url`, without taking the lease.
///
/// - `sqlite:insight-bridge.db` or `sqlite://insight-bridge.db`: a file, made if missing, in a folder that must exist. Everything after
///   the scheme is its path as it stands, so that `sqlite:///var/lib/x.db` is `/var/lib/x.db`; there are no parameters.
/// - `memory:`, or what other programs call it, `sqlite::memory:`: nothing is kept after the end of the process.
///
/// # Errors
/// [`StoreError::Address`] when `url` is none of these; else as [`SqliteStore::open`]. No error shows a password.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match place(url)? {
        Place::Memory => Arc::new(MemoryStore::new()),
        Place::File(path) => Arc::new(SqliteStore::open(path).await?),
    })
}

/// As [`open`], but none where there is no state yet: nothing is made.
///
/// # Errors
/// As [`open`].
pub async fn open_existing(url: &str) -> Result<Option<Arc<dyn Store>>, StoreError> {
    Ok(match place(url)? {
        Place::Memory => None,
        Place::File(path) if !path.exists() => None,
        Place::File(path) => Some(Arc::new(SqliteStore::open(path).await?)),
    })
}

/// The file of the state at `url`; none where it has none. It need not exist.
///
/// # Errors
/// [`StoreError::Address`] when `url` is no address.
pub fn file_of(url: &str) -> Result<Option<PathBuf>, StoreError> {
    Ok(match place(url)? {
        Place::Memory => None,
        Place::File(path) => Some(path.to_owned()),
    })
}

/// Where an address leads.
enum Place<'a> {
    Memory,
    File(&'a Path),
}

fn place(url: &str) -> Result<Place<'_>, StoreError> {
    let refused = |why: &'static str| StoreError::Address { url: hide_password(url), why };
    let (scheme, rest) = url.split_once(':').ok_or_else(|| refused("names no kind of database"))?;
    match scheme.to_ascii_lowercase().as_str() {
        "memory" if rest.is_empty() => Ok(Place::Memory),
        "sqlite" => match rest.strip_prefix("//").unwrap_or(rest) {
            "" => Err(refused("names no file")),
            ":memory:" => Ok(Place::Memory),
            path if path.contains('?') => Err(refused("has parameters, and a file takes none")),
            path => Ok(Place::File(Path::new(path))),
        },
        "postgres" | "postgresql" => Err(refused("names a PostgreSQL database, and this build has no PostgreSQL")),
        _ => Err(refused("is not understood")),
    }
}

/// The address without what may be secret: all before the last `@` but the scheme, and all parameters.
fn hide_password(url: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, ""), |(address, _)| (address, "?***"));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let separator = if scheme.is_empty() { "" } else { "://" };
    // A password may hold any sign when it isn't quoted, also the ones that split here; then the whole address goes.
    if url.rfind('@').is_some_and(|at| at >= address.len()) || rest.to_ascii_lowercase().contains("password") {
        return if scheme.is_empty() { "***".into() } else { format!("{scheme}://***") };
    }
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}{separator}***@{host}{parameters}"),
        None => format!("{scheme}{separator}{rest}{parameters}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(url: &str) -> String {
        open(url).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn what_is_no_address_says_so() {
        assert_eq!(
            refused("insight-bridge.db").await,
            "state.url \"insight-bridge.db\" names no kind of database; write for example sqlite:insight-bridge.db"
        );
        assert!(refused("sqlite:").await.contains("names no file"));
        assert!(refused("sqlite://").await.contains("names no file"));
        assert!(refused("mysql://h/d").await.contains("\"mysql://h/d\" is not understood"));
        assert!(refused("sqlite://a.db?mode=rwc").await.contains("takes none"));
        assert!(refused("postgres://h/d").await.contains("this build has no PostgreSQL"));
    }

    #[tokio::test]
    async fn a_password_never_shows() {
        let urls = [
            "postgres://ann:hunter2@db.test/bridge",
            "postgresql://ann:hunter2@db.test/bridge?sslmode=require",
            "postgres://ann:x@y:hunter2@db.test/bridge",
            "postgres://ann:a?hunter2@db.test/bridge",
            "postgres://ann:a?b@hunter2@db.test/bridge",
            "postgres://db.test/bridge?user=ann&password=hunter2",
            "postgres:ann:hunter2@db.test",
            "ann:hunter2@db.test/bridge",
            "host=db.test password=hunter2",
            "host=db.test:5432 password=hunter2",
            "mssql://sa:hunter2@db.test",
        ];
        for url in urls {
            let shown = refused(url).await;
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert_eq!(hide_password("postgres://ann:hunter2@db.test/bridge"), "postgres://***@db.test/bridge");
    }

    #[tokio::test]
    async fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("state.db");
        let shown = refused(&format!("sqlite:{}", path.display())).await;
        assert!(shown.starts_with(&format!("there is no folder {}", folder.path().join("missing").display())), "{shown}");
    }

    #[tokio::test]
    async fn both_spellings_open_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        for url in [format!("sqlite:{}", path.display()), format!("sqlite://{}", path.display())] {
            let store = open(&url).await.unwrap();
            assert_eq!(store.place(), path.display().to_string());
        }
        assert_eq!(open("memory:").await.unwrap().place(), "memory");
        assert_eq!(open("sqlite::memory:").await.unwrap().place(), "memory");
    }
}
