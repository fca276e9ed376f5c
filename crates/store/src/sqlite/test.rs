//! What may happen around a state's file.

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Lock, SqliteStore};
use crate::{Batch, Store, StoreError, StoreExt, record::Fact};

fn fact(name: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(&Fact { name: name.into(), value: 1.into() });
    batch
}

#[tokio::test]
async fn another_programs_file_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("photos.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE photo (id INTEGER)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(refused, StoreError::Database { .. }), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "and has no log beside it");
}

#[tokio::test]
async fn an_old_layout_is_left_to_the_process_that_works_with_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let fence = store.acquire("old").await.unwrap();
    store.commit(fence, fact("kept")).await.unwrap();
    let older = "DROP TABLE msi_urgent; DELETE FROM insight_bridge_schema WHERE version > 2";
    Connection::open(&path).unwrap().execute_batch(older).unwrap();
    let refused = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(refused, StoreError::Busy { .. }), "{refused:?}");
    store.release(fence).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(store.read_one::<Fact>("kept".into()).await.unwrap().is_some());
    assert!(Lock::take(&path).unwrap().is_some(), "nobody has the lease");
}

#[tokio::test]
async fn a_commit_that_panics_ends_alone() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("state.db")).await.unwrap();
    let fence = store.acquire("one").await.unwrap();
    let half = store
        .writer
        .run(|connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM lease", [])?;
            panic!("a mistake of the program, made on purpose");
        })
        .await;
    assert!(half.is_err());
    store.commit(fence, fact("after")).await.unwrap();
}

#[tokio::test]
async fn a_copy_is_apart_and_goes_and_so_does_what_a_killed_process_left() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let fence = store.acquire("one").await.unwrap();
    store.commit(fence, fact("before")).await.unwrap();
    let copies = || {
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".copy-")).count()
    };
    let (first, second) = (store.copy().await.unwrap(), store.copy().await.unwrap());
    let apart = first.store.acquire("a plan").await.unwrap();
    first.store.commit(apart, fact("there")).await.unwrap();
    store.commit(fence, fact("here")).await.unwrap();
    let has = async |store: &dyn Store, name: &str| store.read_one::<Fact>(name.into()).await.unwrap().is_some();
    assert!(has(&*first.store, "before").await && has(&*first.store, "there").await && !has(&*first.store, "here").await);
    assert!(!has(&store, "there").await && !has(&*second.store, "there").await);
    drop((first, second));
    assert_eq!(copies(), 0);
    // Of a process that had the same number as this one.
    for name in ["state.db.copy-1-0", "state.db.copy-1-0-wal", "state.db.copy-1-0.lock"] {
        std::fs::write(folder.path().join(name), "left").unwrap();
    }
    std::fs::write(folder.path().join(format!("state.db.copy-{}-0", std::process::id())), "left").unwrap();
    let kept = store.copy().await.unwrap();
    store.release(fence).await.unwrap();
    store.acquire("another").await.unwrap();
    assert!(has(&*kept.store, "before").await);
    drop(kept);
    assert_eq!(copies(), 0);
}
