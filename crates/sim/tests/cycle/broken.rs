//! What is seen of a bridge that can't go on, by a mistake of the program or because of its state, and that it is tried again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use engine::supervisor::{Handle, Open, PassKind, Phase, Served, Supervisor};
use serde_json::json;
use sim::tap::{Act, Moment, Nth};
use store::{Batch, Store, record::Fact};
use tokio::time::sleep;

use crate::served::{served, world};

/// Why it isn't ready.
fn not_ready(handle: &Handle) -> (String, String) {
    handle.view().not_ready().map(|not| (not.code, not.why)).unwrap_or_default()
}

fn begun(served: Served) -> (Supervisor, Handle) {
    let supervisor = Supervisor::start(vec![served], |_| ());
    let one = supervisor.handles().remove(0);
    (supervisor, one)
}

async fn until_ready(handle: &Handle) {
    assert!(handle.until(|view| view.not_ready().is_none()).await, "{:?}", not_ready(handle));
}

#[tokio::test(start_paused = true)]
async fn a_cycle_that_panicked_is_not_ready_until_one_goes_well() {
    let world = Arc::new(world());
    let (supervisor, one) = begun(served("one", &world));
    until_ready(&one).await;
    world.tap.arm(vec![(Moment::Before(Nth::DynamicsCall(1)), Act::Panic)]);
    one.until(|view| view.not_ready().is_some()).await;
    let (code, why) = not_ready(&one);
    assert!(code == "failed" && why.contains("mistake of the program"), "{code}: {why}");
    assert!(one.view().bridge().is_some(), "the bridge itself goes on");
    until_ready(&one).await;
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_panics_is_told_and_tried_again() {
    let world = Arc::new(world());
    let (mut one, tries) = (served("one", &world), Arc::new(AtomicU64::new(0)));
    let open = one.open.clone();
    let broken: Open = Arc::new(move || match tries.fetch_add(1, Ordering::Relaxed) {
        0 => panic!("a mistake on purpose"),
        1 => Box::pin(async { panic!("a mistake on purpose") }),
        _ => open(),
    });
    one.open = broken;
    let (supervisor, one) = begun(one);
    one.until(|view| matches!(view.phase, Phase::NotReady { .. })).await;
    let (code, why) = not_ready(&one);
    assert!(code == "not-open" && why.contains("mistake of the program"), "{code}: {why}");
    until_ready(&one).await;
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_bridge_that_nobody_keeps_any_more_is_ending() {
    let world = Arc::new(world());
    let (supervisor, one) = begun(served("one", &world));
    until_ready(&one).await;
    drop(supervisor);
    assert!(!one.until(|view| view.passes[&PassKind::Changes].ended.is_empty()).await, "nothing comes any more");
    assert_eq!(not_ready(&one).0, "ending");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_can_t_be_read_says_so_and_is_looked_at_less_and_less_often() {
    let world = Arc::new(world());
    let fence = world.store.acquire("test").await.unwrap();
    let mut batch = Batch::new();
    batch.put(&Fact { name: "paused".into(), value: json!({"since": "whenever"}) });
    world.store.commit(fence, batch).await.unwrap();
    world.store.release(fence).await.unwrap();

    let (mut one, opened) = (served("one", &world), Arc::new(AtomicU64::new(0)));
    let (open, count) = (one.open.clone(), opened.clone());
    one.open = Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        open()
    });
    let (supervisor, one) = begun(one);
    one.until(|view| matches!(view.phase, Phase::NotReady { .. })).await;
    let (code, why) = not_ready(&one);
    assert!(code == "not-open" && why.contains("paused can't be read") && !why.contains("another process"), "{code}: {why}");
    // After one minute, two, four, and then every five.
    sleep(Duration::from_secs(3_600)).await;
    let opened = opened.load(Ordering::Relaxed);
    assert!((10..=14).contains(&opened), "{opened}");
    supervisor.stop().await;
}
