//! What can be asked of a bridge that is kept in step: run now, pause, resume, become another, stop; and that others don't notice.

use std::{sync::Arc, time::Duration};

use emulator::Latency;
use engine::{
    Progress, cycle,
    options::RunOptions,
    summary::Outcome,
    supervisor::{Cron, Handle, NotDone, PassKind, Running, Schedule, Supervisor, Trigger, View, When},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    served::{BO, served, world},
    world::World,
};

fn set_latency(world: &World, ms: f64) {
    for mut faults in [world.sandbox.marketo.faults(), world.sandbox.dataverse.faults()] {
        faults.set_latency(Some(Latency::fixed(ms)));
    }
}

fn handle(supervisor: &Supervisor, name: &str) -> Handle {
    supervisor.handles().into_iter().find(|handle| handle.name() == name).unwrap()
}

fn passes(handle: &Handle) -> u64 {
    handle.view().passes[&PassKind::Changes].ended.values().sum()
}

/// Waits until so many whole cycles have ended.
async fn until_ended(handle: &Handle, count: u64) {
    handle.until(|view| view.passes[&PassKind::Changes].ended.values().sum::<u64>() >= count).await;
}

fn calls(world: &World) -> u64 {
    world.sandbox.marketo.state().usage_today(world.now())
}

async fn begun(world: &Arc<World>) -> (Supervisor, Handle) {
    let supervisor = Supervisor::start(vec![served("one", world)], |_| ());
    let one = handle(&supervisor, "one");
    until_ended(&one, 1).await;
    (supervisor, one)
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_asked_for_runs_at_once() {
    let world = Arc::new(world());
    let (supervisor, one) = begun(&world).await;
    world.update("contact", BO, json!({"telephone1": "7"}));
    let asked = Instant::now();
    one.ask(Trigger::Run(PassKind::Changes)).await.unwrap();
    until_ended(&one, 2).await;
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    assert_eq!(world.person(BO)["phone"], json!("7"));
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_asked_for_while_one_runs_follows_it() {
    let world = Arc::new(world());
    let (supervisor, one) = begun(&world).await;
    set_latency(&world, 1_000.0);
    one.ask(Trigger::Run(PassKind::Changes)).await.unwrap();
    one.until(|view| view.passes[&PassKind::Changes].running.is_some()).await;
    let asked = Instant::now();
    one.ask(Trigger::Run(PassKind::Changes)).await.unwrap();
    until_ended(&one, 3).await;
    assert!(asked.elapsed() < Duration::from_secs(120), "{:?}", asked.elapsed());
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_bridge_calls_nobody_until_it_is_resumed_also_after_a_restart() {
    let world = Arc::new(world());
    let (supervisor, one) = begun(&world).await;
    one.ask(Trigger::Pause(Running::Ends)).await.unwrap();
    one.until(|view| view.passes.values().all(|passes| passes.running.is_none())).await;
    world.update("contact", BO, json!({"telephone1": "8"}));
    let before = calls(&world);
    sleep(Duration::from_secs(7_200)).await;
    assert!(matches!(one.ask(Trigger::Run(PassKind::Moments)).await, Err(NotDone::Paused { .. })));
    supervisor.stop().await;

    let supervisor = Supervisor::start(vec![served("one", &world)], |_| ());
    let one = handle(&supervisor, "one");
    one.until(|view| view.bridge().is_some()).await;
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!((one.view().paused.is_some(), passes(&one), calls(&world)), (true, 0, before));
    let since = engine::status::status(&world.store, world.now()).await.unwrap().paused;
    assert_eq!(since, one.view().paused);

    one.ask(Trigger::Resume).await.unwrap();
    until_ended(&one, 1).await;
    assert_eq!(world.person(BO)["phone"], json!("8"));
    assert_eq!(engine::status::status(&world.store, world.now()).await.unwrap().paused, None);
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_can_cut_a_long_pass_short_and_nothing_is_lost() {
    let world = Arc::new(World::generated(200, 3));
    set_latency(&world, 1_000.0);
    let supervisor = Supervisor::start(vec![served("one", &world)], |_| ());
    let one = handle(&supervisor, "one");
    while calls(&world) < 10 {
        sleep(Duration::from_millis(100)).await;
    }
    let asked = Instant::now();
    one.ask(Trigger::Pause(Running::Stops)).await.unwrap();
    until_ended(&one, 1).await;
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(one.view().passes[&PassKind::Changes].ended, [(Outcome::Stopped, 1)].into());
    one.until(|view| view.bridge().is_some()).await;
    let before = calls(&world);
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!((one.view().paused.is_some(), calls(&world)), (true, before));
    one.ask(Trigger::Resume).await.unwrap();
    until_ended(&one, 2).await;
    supervisor.stop().await;
    assert!(world.agreement().is_full());
}

#[tokio::test(start_paused = true)]
async fn what_is_done_with_the_open_bridge_waits_for_the_pass_and_is_ended_before_it_is_closed() {
    let world = Arc::new(world());
    let (supervisor, one) = begun(&world).await;
    set_latency(&world, 1_000.0);
    world.update("contact", BO, json!({"telephone1": "9"}));
    let (told, done) = tokio::sync::oneshot::channel();
    let work = Trigger::Work(Box::new(|bridge| {
        Box::pin(async move {
            let ran = cycle::run(&bridge.pass(RunOptions::default(), Progress::silent())).await;
            told.send(ran).unwrap();
        })
    }));
    one.ask(work).await.unwrap();
    // A bridge that is described anew is closed only after that.
    supervisor.take_over(vec![served("one", &world)]).await;
    let (summary, error) = done.await.unwrap();
    assert!(error.is_none() && summary.exit_code == 0, "{error:?}");
    assert_eq!(world.person(BO)["phone"], json!("9"));
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn bridges_are_added_removed_and_changed_after_the_passes_that_run() {
    let worlds: Vec<Arc<World>> = (0..3).map(|_| Arc::new(world())).collect();
    let names = ["kept", "removed", "added"];
    let [kept, removed, added] = std::array::from_fn(|at| served(names[at], &worlds[at]));
    let supervisor = Supervisor::start(vec![kept.clone(), removed], |_| ());
    let gone = handle(&supervisor, "removed");
    until_ended(&gone, 1).await;
    set_latency(&worlds[1], 1_000.0);
    gone.ask(Trigger::Run(PassKind::Changes)).await.unwrap();
    gone.until(|view| view.passes[&PassKind::Changes].running.is_some()).await;

    let (mut changed, kept) = (kept, handle(&supervisor, "kept"));
    let code = |view: &View| view.not_ready().map(|not| not.code);
    assert!(kept.until(|view| code(view).is_none()).await);
    changed.schedule = Schedule { changes: When::After(Duration::from_secs(10)), ..Schedule::default() };
    supervisor.take_over(vec![changed, added]).await;
    // What a cycle came to before says nothing of a bridge that is described anew.
    assert!(kept.until(|view| code(view).as_deref() == Some("first-cycle")).await);
    assert!(kept.until(|view| code(view).is_none()).await);
    until_ended(&gone, 2).await;
    assert_ne!(gone.view().passes[&PassKind::Changes].last.summary().map(|last| last.outcome), Some(Outcome::Stopped));
    sleep(Duration::from_secs(300)).await;
    assert!(matches!(gone.ask(Trigger::Resume).await, Err(NotDone::Ended)));
    let before = calls(&worlds[1]);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(calls(&worlds[1]), before);
    assert!(passes(&kept) > 40, "{}", passes(&kept));
    assert!(passes(&handle(&supervisor, "added")) > 0);

    // One that ended may come back.
    supervisor.take_over(vec![served("removed", &worlds[1])]).await;
    until_ended(&handle(&supervisor, "removed"), 1).await;
    supervisor.stop().await;
}

#[tokio::test(start_paused = true)]
async fn passes_by_the_calendar_come_when_it_says_also_when_the_clock_is_set() {
    let world = Arc::new(world());
    let mut one = served("one", &world);
    let cron = |text: &str| When::At(Cron::parse(text).unwrap());
    one.schedule = Schedule { changes: cron("0 */6 * * *"), moments: When::Asked, sweep: cron("30 3 * * *") };
    // It is noon: the first whole cycle is at six.
    let supervisor = Supervisor::start(vec![one], |_| ());
    let one = handle(&supervisor, "one");
    sleep(Duration::from_secs(5 * 3_600 + 3_500)).await;
    assert_eq!(passes(&one), 0);
    sleep(Duration::from_secs(200)).await;
    assert_eq!(passes(&one), 1);
    let swept = |handle: &Handle| handle.view().passes[&PassKind::Sweep].last.summary().cloned();
    assert!(swept(&one).is_none());
    sleep(Duration::from_secs(10 * 3_600)).await;
    assert_eq!(swept(&one).unwrap().begun.strftime("%d %H:%M").to_string(), "04 03:30");
    assert_eq!(passes(&one), 2);
    // The machine slept for six hours, of which its own clock tells and Tokio's doesn't.
    world.jump(6 * 3_600);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(passes(&one), 3);
    supervisor.stop().await;
}
