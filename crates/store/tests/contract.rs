//! What every store promises, tried on each of them; and that records of every release still load.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod killed;
mod kinds;
mod old_records;

use std::{sync::Arc, time::Duration};

use base::{Guid, RecordId, Table};
use kinds::{Kind, Memory, Sqlite};
use store::{
    Batch, Family, Fence, Record, Store, StoreError, StoreExt,
    record::{Cursor, Fact, Link, Refetch},
};

/// Runs each promise with each kind of store.
macro_rules! contract {
    ($($promise:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::Memory::new()).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::Sqlite::new()).await;
            })*
        }
    };
}

contract! {
    a_batch_happens_whole_or_not_at_all
    an_abandoned_commit_leaves_no_half_and_the_next_one_works
    a_commit_that_nobody_polls_holds_up_no_other
    the_last_change_to_a_key_wins
    an_expectation_that_fails_changes_nothing
    only_the_newest_fence_commits
    a_second_process_is_told_who_works
    a_process_that_died_leaves_the_lease
    any_bytes_are_a_key_or_a_value
    keys_come_back_in_the_order_asked
    a_listing_is_in_key_order_and_goes_on_after_any_key
    a_prefix_counts_only_what_starts_with_it
    a_family_knows_nothing_of_another
    large_batches_are_one_commit
    readers_never_see_half_a_commit
    values_are_there_after_reopening
    tidying_up_keeps_what_is_left
    typed_reads_go_page_by_page
    a_record_that_cannot_be_read_is_an_error
}

fn link(number: u32) -> Link {
    let mut link = Link::new(RecordId::new(
        Table::Contact,
        Guid::from_u128(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834)),
    ));
    link.marketo_id = Some(i64::from(number) + 1);
    link
}

fn raw(changes: &[(&[u8], Option<&[u8]>)]) -> Batch {
    let changes = changes.iter().map(|(key, value)| (Family::Fact, key.to_vec(), value.map(<[u8]>::to_vec))).collect();
    Batch { changes, expects: Vec::new() }
}

/// A process that has the lease.
async fn started(kind: &impl Kind) -> (Arc<dyn Store>, Fence) {
    let store = kind.open().await;
    let fence = store.acquire("the test").await.unwrap();
    (store, fence)
}

async fn tidying_up_keeps_what_is_left(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let key = |number: u32| number.to_be_bytes().to_vec();
    let all: Vec<_> = (0..20_000).map(|number| (Family::Outbox, key(number), Some(vec![number as u8; 1_500]))).collect();
    store.commit(fence, Batch { changes: all, expects: Vec::new() }).await.unwrap();
    store.tidy().await.unwrap();
    let full = kind.bytes();
    let most = (0..19_000).map(|number| (Family::Outbox, key(number), None)).collect();
    store.commit(fence, Batch { changes: most, expects: Vec::new() }).await.unwrap();
    store.tidy().await.unwrap();
    assert!(kind.bytes() * 10 <= full, "{} of {full} bytes", kind.bytes());
    let left = store.scan(Family::Outbox, &[], None, usize::MAX).await.unwrap();
    assert_eq!((left.len(), left[0].clone()), (1_000, (key(19_000), vec![56; 1_500])));
    store.commit(fence, raw(&[(b"next", Some(b"1"))])).await.unwrap();
}

async fn a_batch_happens_whole_or_not_at_all(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let mut batch = Batch::new();
    batch.put(&link(1));
    batch.put(&Cursor { name: "contact".into(), position: 7.into() });
    let mut refused = batch.clone();
    refused.expect::<Fact>(b"missing".to_vec(), Some(&Fact { name: "missing".into(), value: 1.into() }));
    assert!(matches!(store.commit(fence, refused).await, Err(StoreError::Moved { what: "fact" })));
    assert_eq!(store.count(Family::Link, b"").await.unwrap() + store.count(Family::Cursor, b"").await.unwrap(), 0);

    store.commit(fence, batch).await.unwrap();
    assert_eq!(store.read_one::<Link>(link(1).key()).await.unwrap(), Some(link(1)));
    assert_eq!(store.read_one::<Cursor>(b"contact".to_vec()).await.unwrap().unwrap().position, 7);
}

async fn an_abandoned_commit_leaves_no_half_and_the_next_one_works(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let keys: Vec<Vec<u8>> = (0..1100u32).map(|number| number.to_be_bytes().to_vec()).collect();
    for round in 0..40u8 {
        let changes = keys.iter().map(|key| (Family::Fact, key.clone(), Some(vec![round]))).collect();
        let mut commit = store.commit(fence, Batch { changes, expects: Vec::new() });
        for _ in 0..usize::from(round) * 20 {
            if futures::poll!(&mut commit).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(commit);
        store.commit(fence, raw(&[(b"next", Some(&[round]))])).await.unwrap();
        let values = store.get(Family::Fact, &keys).await.unwrap();
        assert!(values.iter().all(|value| *value == values[0]), "round {round}");
        assert_eq!(store.get(Family::Fact, &[b"next".to_vec()]).await.unwrap(), [Some(vec![round])]);
    }
}

async fn a_commit_that_nobody_polls_holds_up_no_other(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    for polls in 0..20u8 {
        let mut begun = store.commit(fence, raw(&[(b"begun", Some(&[polls]))]));
        for _ in 0..polls {
            if futures::poll!(&mut begun).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let other = store.commit(fence, raw(&[(b"other", Some(&[polls]))]));
        let other = tokio::time::timeout(Duration::from_secs(30), other).await;
        assert!(matches!(other, Ok(Ok(()))), "it waits for one that nobody polls");
    }
}

async fn the_last_change_to_a_key_wins(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let batch = raw(&[
        (b"a", Some(b"1")),
        (b"b", Some(b"1")),
        (b"c", None),
        (b"a", Some(b"2")),
        (b"b", None),
        (b"c", Some(b"3")),
        (b"d", Some(b"1")),
        (b"d", None),
        (b"d", Some(b"4")),
    ]);
    store.commit(fence, batch).await.unwrap();
    let entries = store.scan(Family::Fact, b"", None, 9).await.unwrap();
    assert_eq!(entries, [(b"a".to_vec(), b"2".to_vec()), (b"c".to_vec(), b"3".to_vec()), (b"d".to_vec(), b"4".to_vec())]);
}

async fn an_expectation_that_fails_changes_nothing(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let at = |position: u64| Cursor { name: "contact".into(), position: position.into() };
    let step = |seen: Option<&Cursor>, to: u64| {
        let mut batch = Batch::new();
        batch.expect(b"contact".to_vec(), seen);
        batch.put(&at(to));
        batch
    };
    store.commit(fence, step(None, 1)).await.unwrap();
    assert!(matches!(store.commit(fence, step(None, 2)).await, Err(StoreError::Moved { what: "cursor" })));
    assert!(matches!(store.commit(fence, step(Some(&at(9)), 2)).await, Err(StoreError::Moved { .. })));
    store.commit(fence, step(Some(&at(1)), 2)).await.unwrap();
    assert_eq!(store.read_one(b"contact".to_vec()).await.unwrap(), Some(at(2)));

    // One of many that fails is enough; and an expectation looks at what was before the batch.
    let mut batch = step(Some(&at(2)), 3);
    for number in 0..700 {
        batch.expect::<Link>(link(number).key(), None);
    }
    let mut refused = batch.clone();
    refused.expect(link(700).key(), Some(&link(700)));
    assert!(matches!(store.commit(fence, refused).await, Err(StoreError::Moved { what: "link" })));
    batch.put(&link(1));
    store.commit(fence, batch).await.unwrap();
}

async fn only_the_newest_fence_commits(kind: impl Kind) {
    let (store, first) = started(&kind).await;
    assert!(matches!(store.commit(Fence(first.0 + 1), Batch::new()).await, Err(StoreError::Fenced)));
    assert!(matches!(store.commit(Fence(0), Batch::new()).await, Err(StoreError::Fenced)));
    assert!(matches!(store.commit(Fence(u64::MAX), Batch::new()).await, Err(StoreError::Fenced)));
    store.commit(first, raw(&[(b"a", Some(b"1"))])).await.unwrap();
    store.release(first).await.unwrap();
    assert!(matches!(store.commit(first, raw(&[(b"a", Some(b"2"))])).await, Err(StoreError::Fenced)));

    let second = store.acquire("again").await.unwrap();
    assert!(second > first);
    assert!(matches!(store.commit(first, raw(&[(b"a", Some(b"3"))])).await, Err(StoreError::Fenced)));
    store.release(first).await.unwrap();
    store.commit(second, raw(&[(b"b", Some(b"1"))])).await.unwrap();
    assert_eq!(store.get(Family::Fact, &[b"a".to_vec()]).await.unwrap(), [Some(b"1".to_vec())]);
}

async fn a_second_process_is_told_who_works(kind: impl Kind) {
    let first = kind.open().await;
    let fence = first.acquire("serve, process 17").await.unwrap();
    let second = kind.open().await;
    for store in [&first, &second] {
        let busy = store.acquire("sync").await.unwrap_err().to_string();
        assert_eq!(busy, "another process is working on this bridge (serve, process 17); wait until it has ended, or stop it");
    }
    // It can look, and its attempts took nothing away.
    first.commit(fence, raw(&[(b"a", Some(b"1"))])).await.unwrap();
    assert_eq!(second.count(Family::Fact, b"").await.unwrap(), 1);
    first.release(fence).await.unwrap();
    assert!(second.acquire("sync").await.unwrap() > fence);
}

async fn a_process_that_died_leaves_the_lease(kind: impl Kind) {
    let (store, old) = started(&kind).await;
    store.commit(old, raw(&[(b"a", Some(b"1"))])).await.unwrap();
    kind.kill(store);
    let (store, new) = started(&kind).await;
    assert!(new > old);
    assert!(matches!(store.commit(old, raw(&[(b"a", None)])).await, Err(StoreError::Fenced)));
    assert_eq!(store.get(Family::Fact, &[b"a".to_vec()]).await.unwrap(), [Some(b"1".to_vec())]);
}

async fn any_bytes_are_a_key_or_a_value(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let long = vec![0xa5; 300_000];
    let keys: [&[u8]; 6] = [b"", b"\0", b"'; DROP TABLE fact; --", b"\xff", b"\xff\xff\xff", "né".as_bytes()];
    for value in [&b""[..], b"\0", b"\xc3\x28", &long] {
        let changes: Vec<_> = keys.iter().map(|key| (*key, Some(value))).collect();
        store.commit(fence, raw(&changes)).await.unwrap();
        let entries = store.scan(Family::Fact, b"", None, 99).await.unwrap();
        assert_eq!(entries.len(), keys.len());
        assert!(entries.iter().all(|entry| entry.1 == value));
    }
    assert_eq!(store.get(Family::Fact, &[vec![]]).await.unwrap(), [Some(long)]);
    assert_eq!(store.count(Family::Fact, b"\xff").await.unwrap(), 2);
}

async fn keys_come_back_in_the_order_asked(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let mut batch = Batch::new();
    (0..1500).filter(|number| number % 3 != 0).for_each(|number| batch.put(&link(number)));
    store.commit(fence, batch).await.unwrap();
    let asked: Vec<u32> = (0..1500).rev().chain([4, 4, 3]).collect();
    let keys: Vec<Vec<u8>> = asked.iter().map(|number| link(*number).key()).collect();
    let found = store.read::<Link>(&keys).await.unwrap();
    let expected: Vec<Option<Link>> = asked.iter().map(|number| (number % 3 != 0).then(|| link(*number))).collect();
    assert_eq!(found, expected);
    assert_eq!(store.read::<Link>(&[]).await.unwrap(), []);
}

async fn a_listing_is_in_key_order_and_goes_on_after_any_key(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let keys: [&[u8]; 9] = [b"a", b"b", b"b\0", b"b\x01", b"b\xff", b"b\xff\xff", b"ba", b"c", b"\xff\xff"];
    store.commit(fence, raw(&keys.map(|key| (key, Some(&b""[..]))))).await.unwrap();
    let list = async |prefix: &[u8], after: Option<&[u8]>, limit: usize| {
        let entries = store.scan(Family::Fact, prefix, after, limit).await.unwrap();
        entries.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(list(b"", None, 99).await, [&b"a"[..], b"b", b"b\0", b"b\x01", b"ba", b"b\xff", b"b\xff\xff", b"c", b"\xff\xff"]);
    assert_eq!(list(b"b", None, 99).await, [&b"b"[..], b"b\0", b"b\x01", b"ba", b"b\xff", b"b\xff\xff"]);
    assert_eq!(list(b"b", Some(b"b\x01"), 2).await, [&b"ba"[..], b"b\xff"]);
    assert_eq!(list(b"b", Some(b"b\x02"), 1).await, [&b"ba"[..]]);
    assert_eq!(list(b"b\xff", None, 99).await, [&b"b\xff"[..], b"b\xff\xff"]);
    assert_eq!(list(b"\xff", None, 99).await, [b"\xff\xff"]);
    assert_eq!(list(b"b", Some(b"a"), 1).await, [b"b"]);
    for (prefix, after, limit) in [(&b"b"[..], Some(&b"c"[..]), 9), (b"b", Some(b"\xff\xff\xff"), 9), (b"d", None, 9), (b"b", None, 0)] {
        assert!(list(prefix, after, limit).await.is_empty());
    }
    assert_eq!(list(b"", None, usize::MAX).await.len(), keys.len());
}

async fn a_prefix_counts_only_what_starts_with_it(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let keys: [&[u8]; 5] = [b"a", b"ab", b"b", b"\xff", b"\xffa"];
    store.commit(fence, raw(&keys.map(|key| (key, Some(&b"1"[..]))))).await.unwrap();
    for (prefix, count) in [(&b""[..], 5), (b"a", 2), (b"ab", 1), (b"abc", 0), (b"\xff", 2)] {
        assert_eq!(store.count(Family::Fact, prefix).await.unwrap(), count, "{prefix:?}");
    }
}

async fn a_family_knows_nothing_of_another(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let changes = Family::ALL.map(|family| (family, b"key".to_vec(), Some(family.name().as_bytes().to_vec())));
    store.commit(fence, Batch { changes: changes.to_vec(), expects: Vec::new() }).await.unwrap();
    for family in Family::ALL {
        assert_eq!(store.scan(family, b"", None, 9).await.unwrap(), [(b"key".to_vec(), family.name().as_bytes().to_vec())]);
    }
}

async fn large_batches_are_one_commit(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let mut batch = Batch::new();
    for number in 0..20_000 {
        batch.put(&link(number));
        batch.put(&Refetch { record: link(number).record });
    }
    store.commit(fence, batch).await.unwrap();
    assert_eq!(store.count(Family::Link, &[Table::Contact.code()]).await.unwrap(), 20_000);

    let mut batch = Batch::new();
    for number in 0..20_000 {
        batch.remove::<Refetch>(link(number).key());
        match number % 2 {
            0 => batch.remove::<Link>(link(number).key()),
            _ => batch.put(&Link { msi: vec![1; 9], ..link(number) }),
        }
    }
    store.commit(fence, batch).await.unwrap();
    assert_eq!(store.count(Family::Refetch, b"").await.unwrap(), 0);
    let links = store.list::<Link>(b"", None, usize::MAX).await.unwrap();
    assert_eq!(links.len(), 10_000);
    assert!(links.iter().all(|link| link.msi.len() == 9 && link.marketo_id.is_some_and(|id| id % 2 == 0)));
}

async fn readers_never_see_half_a_commit(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let keys: Vec<Vec<u8>> = (0..1300u32).map(|number| number.to_be_bytes().to_vec()).collect();
    let batch = |round: u8| {
        let changes = keys.iter().map(|key| (Family::Fact, key.clone(), Some(vec![round]))).collect();
        Batch { changes, expects: Vec::new() }
    };
    store.commit(fence, batch(0)).await.unwrap();
    let readers: Vec<_> = [kind.open().await, Arc::clone(&store), Arc::clone(&store)]
        .into_iter()
        .map(|store| {
            let keys = keys.clone();
            tokio::spawn(async move {
                let mut last = 0;
                while last < 20 {
                    let values = store.get(Family::Fact, &keys).await.unwrap();
                    assert!(values.iter().all(|value| *value == values[0]));
                    let listed = store.scan(Family::Fact, b"", None, 9999).await.unwrap();
                    assert!(listed.iter().all(|entry| entry.1 == listed[0].1));
                    let (read, then) = (values[0].as_ref().unwrap()[0], listed[0].1[0]);
                    assert!(last <= read && read <= then, "a later read shows an earlier state");
                    last = then;
                }
            })
        })
        .collect();
    for round in 1..=20 {
        store.commit(fence, batch(round)).await.unwrap();
        // What was committed is what the writer reads next.
        assert_eq!(store.get(Family::Fact, &keys[..1]).await.unwrap(), [Some(vec![round])]);
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

async fn values_are_there_after_reopening(kind: impl Kind) {
    for round in 0..3 {
        let (store, fence) = started(&kind).await;
        let mut batch = Batch::new();
        (round * 10..round * 10 + 10).for_each(|number| batch.put(&link(number)));
        store.commit(fence, batch).await.unwrap();
        assert_eq!(store.count(Family::Link, b"").await.unwrap(), u64::from(round + 1) * 10);
        store.release(fence).await.unwrap();
    }
}

async fn typed_reads_go_page_by_page(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let mut batch = Batch::new();
    (0..25).for_each(|number| batch.put(&link(number)));
    batch.put(&Link::new(RecordId::new(Table::Lead, Guid::from_u128(1))));
    store.commit(fence, batch).await.unwrap();
    let contacts = [Table::Contact.code()];

    let mut by_hand = store.list::<Link>(&contacts, None, 10).await.unwrap();
    while let Some(last) = by_hand.last().map(Record::key) {
        let page = store.list::<Link>(&contacts, Some(&last), 10).await.unwrap();
        if page.is_empty() {
            break;
        }
        by_hand.extend(page);
    }
    let (mut pages, mut walked, mut sizes) = (store.pages::<Link>(contacts.to_vec(), 10), Vec::new(), Vec::new());
    loop {
        let page = pages.next_page().await.unwrap();
        sizes.push(page.len());
        if page.is_empty() {
            break;
        }
        walked.extend(page);
    }
    assert_eq!(sizes, [10, 10, 5, 0]);
    assert_eq!(walked, by_hand);
    assert!(walked.is_sorted_by_key(Record::key));
}

async fn a_record_that_cannot_be_read_is_an_error(kind: impl Kind) {
    let (store, fence) = started(&kind).await;
    let changes = vec![(Family::Link, link(1).key(), Some(b"\x09\x00".to_vec()))];
    store.commit(fence, Batch { changes, expects: Vec::new() }).await.unwrap();
    let unreadable = store.read_one::<Link>(link(1).key()).await.unwrap_err().to_string();
    assert_eq!(unreadable, "a saved link record can't be read: it has an unknown version");
    assert!(matches!(store.list::<Link>(b"", None, 9).await, Err(StoreError::Unreadable { .. })));
}
