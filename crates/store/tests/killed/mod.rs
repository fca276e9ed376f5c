//! A real process on a SQLite file, killed by the operating system in the middle of its commits; and several that start at once.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
};

use store::{Batch, Family, SqliteStore, Store, StoreError};

/// Where the process to be killed finds the file; unset in an ordinary run.
const FILE: &str = "STORE_TEST_FILE";
/// Keys in each commit: more than one statement takes.
const KEYS: u32 = 1200;
/// Commits after which the process stops by itself.
const COMMITS: u32 = 5000;

fn batch(round: u32) -> Batch {
    let value = round.to_be_bytes().to_vec();
    let pair = |key: Vec<u8>| [(Family::Fact, key.clone(), Some(value.clone())), (Family::Cursor, key, Some(value.clone()))];
    Batch { changes: (0..KEYS).flat_map(|key| pair(key.to_be_bytes().to_vec())).collect(), expects: Vec::new() }
}

/// What the process to be killed does.
#[tokio::test]
async fn child_that_commits_until_killed() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let store = SqliteStore::open(Path::new(&file)).await.unwrap();
    let fence = store.acquire("the child").await.unwrap();
    for round in 0..COMMITS {
        store.commit(fence, batch(round)).await.unwrap();
        println!("committed {round}");
    }
    // Ends when the test that started it does.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test]
async fn a_process_killed_in_the_middle_leaves_whole_commits_and_a_free_lease() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    for after in [0, 3] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child_that_commits_until_killed", "--nocapture", "--test-threads=1"])
            .env(FILE, &file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let committed = |line: &String| line.rsplit_once("committed ").and_then(|(_, round)| round.parse::<u32>().ok());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let seen = lines.by_ref().find_map(|line| committed(&line).filter(|round| *round >= after)).unwrap();

        let store = SqliteStore::open(&file).await.unwrap();
        let busy = store.acquire("the test").await;
        assert!(matches!(&busy, Err(StoreError::Busy { holder }) if holder == "the child"), "{busy:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        let last = lines.filter_map(|line| committed(&line)).last().unwrap_or(seen);

        let fence = store.acquire("the test").await.unwrap();
        let facts = store.scan(Family::Fact, b"", None, usize::MAX).await.unwrap();
        let cursors = store.scan(Family::Cursor, b"", None, usize::MAX).await.unwrap();
        assert_eq!(facts.len(), KEYS as usize);
        assert_eq!(facts, cursors);
        assert!(facts.iter().all(|entry| entry.1 == facts[0].1));
        let found = u32::from_be_bytes(facts[0].1.clone().try_into().unwrap());
        assert!(found >= last, "commit {last} was reported, but {found} is the last one found");
        store.release(fence).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_can_open_a_new_file_at_once_and_one_gets_the_lease() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.db");
        let open = |_| {
            let file = file.clone();
            tokio::spawn(async move {
                let store = SqliteStore::open(&file).await.unwrap();
                let fence = store.acquire("one of them").await;
                (store, fence)
            })
        };
        let opened = futures::future::join_all((0..8).map(open)).await;
        let opened: Vec<_> = opened.into_iter().map(Result::unwrap).collect();
        assert_eq!(opened.iter().filter(|(_, fence)| fence.is_ok()).count(), 1);
        assert!(opened.iter().all(|(_, fence)| matches!(fence, Ok(_) | Err(StoreError::Busy { .. }))), "{opened:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_files_however_they_are_named() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join("state.db"), folder.path().join("other name.db"));
    let store = SqliteStore::open(&file).await.unwrap();
    let fence = store.acquire("one").await.unwrap();
    store.commit(fence, batch(1)).await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{entry:?}");
    }
    std::os::unix::fs::symlink(&file, &other).unwrap();
    let second = SqliteStore::open(&other).await.unwrap();
    assert!(matches!(second.acquire("two").await, Err(StoreError::Busy { .. })));
    assert_eq!(second.place(), other.display().to_string());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    let text = "these are no records\n".repeat(100);
    std::fs::write(&file, &text).unwrap();
    let refused = SqliteStore::open(&file).await.unwrap_err().to_string();
    assert!(refused.contains("file is not a database") && refused.contains("notes.txt"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert!(SqliteStore::open(folder.path()).await.is_err());
}
