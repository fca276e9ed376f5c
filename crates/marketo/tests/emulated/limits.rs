//! The rate, the concurrency and the day's quota, against limits that the instance enforces.

use emulator::{Effect, Fault, Latency, When};
use futures::{StreamExt, stream};
use marketo::{DescribeLeads, GetLeads};
use wire::{Budget, CallError, Class, PaceOptions};

use crate::world::{client_of, texts, timed, world, world_with};

/// Refusals that would show that the client was too fast.
fn refused(world: &crate::world::World) -> u64 {
    world.served.journal().last.iter().filter(|exchange| exchange.status != Some(200)).count() as u64
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_at_once_never_exceed_the_window_and_use_it_fully() {
    let world = world_with(|instance| instance.throttle_status = 429, |_| ());
    world.served.journal().keep(5_000);
    let spread = Effect::Latency(Latency::Spread { median_ms: 150.0, p99_ms: 900.0 });
    world.served.faults().add(Fault { when: When::operation("leads"), effect: spread, times: None });
    let call = GetLeads { filter_field: "email".into(), values: texts(&["a@x.example"]), fields: vec![], next: None };
    let (answers, took) = timed(
        stream::iter(0..1_000)
            .map(|_| {
                let (client, call) = (world.client.clone(), call.clone());
                async move { client.call(&call).await }
            })
            .buffer_unordered(64)
            .collect::<Vec<_>>(),
    )
    .await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((world.arrived("leads.get"), refused(&world)), (1_000, 0));
    assert!(world.served.journal().in_flight_max <= 10);
    // Ten windows of 20 s, of which the first needs no waiting: 180 s and the margins.
    assert!((180..200).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_set_too_fast_still_gets_everything_done() {
    let world = world_with(|_| (), |options| options.pace = PaceOptions { calls_max: None, in_flight_max: 40, ..PaceOptions::default() });
    let many = stream::iter(0..300).map(|_| world.client.call(&DescribeLeads)).buffer_unordered(40).collect::<Vec<_>>().await;
    let failed: Vec<_> = many.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_day_without_quota_stops_at_once_and_our_own_cap_before_that() {
    let world = world_with(|instance| instance.daily_quota = 3, |_| ());
    for _ in 0..3 {
        world.client.call(&DescribeLeads).await.unwrap();
    }
    let error = world.client.call(&DescribeLeads).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Some(Class::Quota), "607"));
    let capped = client_of(&world.served, |_| ());
    capped.pace().set_budget(Some(Budget { left: 0, why: "ours".into(), until: base::Timestamp::UNIX_EPOCH }));
    assert!(matches!(capped.call(&DescribeLeads).await, Err(CallError::OverCap { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_sends_nothing_more() {
    let world = world();
    world.client.pace().stop();
    assert!(matches!(world.client.call(&DescribeLeads).await, Err(CallError::Stopped)));
    assert_eq!(world.arrived("leads.describe2"), 0);
}
