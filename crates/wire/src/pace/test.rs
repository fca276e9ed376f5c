//! The gate in virtual time, alone and beside another client of the same service.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
};

use tower::{Layer, ServiceExt};

use super::*;
use crate::request::Request;

async fn start(pace: &Pace) -> Result<InFlight, CallError> {
    pace.admit("x", Lane::Changes).await
}

fn refusal(code: &str, class: Class, wait: Option<Duration>) -> CallError {
    Refusal { status: 200, code: code.into(), message: String::new(), class, wait, request_id: None }.into()
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_share_one_window() {
    let pace = Pace::new(PaceOptions { calls_max: Some(10), in_flight_max: 100, ..PaceOptions::default() });
    let begin = Instant::now();
    let calls: Vec<_> = (0..35)
        .map(|_| {
            let pace = pace.clone();
            tokio::spawn(async move {
                drop(start(&pace).await.unwrap());
                Instant::now()
            })
        })
        .collect();
    let mut starts = Vec::new();
    for call in calls {
        starts.push(call.await.unwrap().duration_since(begin));
    }
    starts.sort();
    assert_eq!(starts.iter().filter(|s| **s < Duration::from_secs(20)).count(), 10);
    assert!(starts[30] >= Duration::from_secs(60), "{:?}", starts[30]);
    assert_eq!(pace.counts()["x"], 35);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_takes_over_counts_the_starts_before_it() {
    let first = Pace::new(PaceOptions { calls_max: Some(3), ..PaceOptions::default() });
    for _ in 0..3 {
        start(&first).await.unwrap();
    }
    let second = Pace::new(PaceOptions { calls_max: Some(3), ..PaceOptions::default() });
    second.remember(&first.recent());
    let begin = Instant::now();
    start(&second).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn shares_have_one_window_and_their_own_counts_budgets_and_stops() {
    let first = Pace::new(PaceOptions { calls_max: Some(4), ..PaceOptions::default() });
    let second = first.share();
    second.set_budget(Some(Budget { left: 3, why: "its own".into(), until: Timestamp::UNIX_EPOCH }));
    let begin = Instant::now();
    for pace in [&first, &second, &first, &second] {
        drop(start(pace).await.unwrap());
    }
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert_eq!((first.recent().len(), second.recent().len(), second.counts()["x"]), (2, 2, 2));
    second.stop();
    assert!(matches!(start(&second).await, Err(CallError::Stopped)));
    drop(start(&first).await.unwrap());
    assert!(begin.elapsed() >= Duration::from_secs(20), "the window is the service's, not the share's");

    let third = first.share();
    third.set_budget(Some(Budget { left: 3, why: "its own".into(), until: Timestamp::UNIX_EPOCH }));
    third.count_in(&second);
    assert_eq!((third.counts()["x"], third.budget().unwrap().left, first.budget()), (2, 1, None));
    // A lower limit holds at once, for all.
    first.limit(Limits { calls_max: Some(1), in_flight_max: 1 });
    tokio::time::advance(Duration::from_secs(21)).await;
    let begin = Instant::now();
    drop(start(&third).await.unwrap());
    drop(start(&first).await.unwrap());
    assert!(begin.elapsed() >= Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(matches!(start(&third).await, Err(CallError::OverCap { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_share_goes_with_the_last_who_has_it_and_its_starts_still_count() {
    let first = Pace::new(PaceOptions { calls_max: Some(1), ..PaceOptions::default() });
    let shares = || first.with(|state| state.shares.keys().map(|share| share.0).collect::<Vec<_>>());
    let second = first.share();
    let (flight, clone) = (start(&second).await.unwrap(), second.clone());
    drop(second);
    drop(clone);
    assert_eq!(shares(), [1], "a call in flight has it, too");
    drop(flight);
    assert!(shares().is_empty());
    let begin = Instant::now();
    drop(start(&first.share()).await.unwrap());
    assert!(begin.elapsed() >= Duration::from_secs(20) && shares().is_empty(), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_wakes_who_waits() {
    let pace = Pace::new(PaceOptions { calls_max: Some(1), ..PaceOptions::default() });
    start(&pace).await.unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let pace = pace.clone();
            tokio::spawn(async move { start(&pace).await.map(drop) })
        })
        .collect();
    tokio::task::yield_now().await;
    let begin = Instant::now();
    pace.stop();
    for waiting in waiting {
        assert!(matches!(waiting.await.unwrap(), Err(CallError::Stopped)));
    }
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_keeps_its_place_though_nobody_waits_for_it() {
    let pace = Pace::new(PaceOptions { in_flight_max: 1, ..PaceOptions::default() });
    let answered = Arc::new(AtomicBool::new(false));
    let service = tower::service_fn({
        let answered = answered.clone();
        move |_: Request| {
            let answered = answered.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                answered.store(true, Ordering::SeqCst);
                Ok::<_, CallError>(Response { status: http::StatusCode::OK, headers: http::HeaderMap::new(), body: "".into() })
            }
        }
    });
    let call = PaceLayer(pace.clone()).layer(service).oneshot(Request::get("x", "/"));
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    assert!(!answered.load(Ordering::SeqCst));
    drop(start(&pace).await.unwrap());
    assert!(answered.load(Ordering::SeqCst) && pace.ended().len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_budget_and_a_stop_end_it_before_sending() {
    let pace = Pace::new(PaceOptions::default());
    pace.set_budget(Some(Budget { left: 1, why: "ours".into(), until: Timestamp::UNIX_EPOCH }));
    drop(start(&pace).await.unwrap());
    assert!(matches!(start(&pace).await, Err(CallError::OverCap { why, .. }) if &*why == "ours"));
    pace.set_budget(None);
    pace.stop();
    assert!(matches!(start(&pace).await, Err(CallError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn an_earlier_lane_goes_before_all_that_wait_within_one_call() {
    let pace = Pace::new(PaceOptions { calls_max: Some(1), window: Duration::from_secs(1), in_flight_max: 1, ..PaceOptions::default() });
    let order: Arc<Mutex<Vec<Lane>>> = Arc::default();
    let call = |lane| {
        let (pace, order) = (pace.clone(), order.clone());
        tokio::spawn(async move {
            let _place = pace.admit("x", lane).await.unwrap();
            order.lock().unwrap().push(lane);
            tokio::time::sleep(Duration::from_secs(3)).await;
        })
    };
    let mut calls: Vec<_> = [Lane::Changes; 3].map(call).into();
    tokio::time::sleep(Duration::from_millis(100)).await;
    calls.extend([Lane::Urgent; 2].map(call));
    for call in calls {
        call.await.unwrap();
    }
    // The first was under way already.
    assert_eq!(*order.lock().unwrap(), [Lane::Changes, Lane::Urgent, Lane::Urgent, Lane::Changes, Lane::Changes]);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_holds_up_nobody() {
    let pace = Pace::new(PaceOptions { in_flight_max: 1, ..PaceOptions::default() });
    let place = start(&pace).await.unwrap();
    let waiting = tokio::spawn({
        let pace = pace.clone();
        async move { pace.admit("x", Lane::Urgent).await.map(drop) }
    });
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    drop(place);
    start(&pace).await.unwrap();
}

#[derive(Debug)]
struct Hourly;

#[async_trait]
impl Journal for Hourly {
    async fn ahead(&self, _: &Pace, _: usize) -> Result<(), String> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(())
    }

    fn closed_until(&self, _: &Refusal) -> Option<(Duration, Timestamp)> {
        Some((Duration::from_secs(3_600), Timestamp::UNIX_EPOCH))
    }
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_closes_it_and_one_call_goes_first_after_that() {
    let pace = Pace::new(PaceOptions::default());
    pace.note_in(Some(Arc::new(Hourly)));
    let refused = Err(refusal("607", Class::Quota, None));
    pace.take_in(&start(&pace).await.unwrap(), &refused);
    assert!(matches!(start(&pace).await, Err(CallError::Closed { .. })) && pace.closed_until().is_some());
    tokio::time::sleep(Duration::from_secs(3_601)).await;
    assert_eq!(pace.closed_until(), None);
    let probe = start(&pace).await.unwrap();
    let second = tokio::spawn({
        let pace = pace.clone();
        async move { start(&pace).await.map(drop) }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    pace.take_in(&probe, &refused);
    drop(probe);
    assert!(matches!(second.await.unwrap(), Err(CallError::Closed { .. })), "the quota wasn't back yet");
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_the_service_is_followed_in_steps_and_never_above_the_limit() {
    let options = PaceOptions { in_flight_max: 8, hint: Some(("x-hint", 48)), window: Duration::from_secs(5), ..PaceOptions::default() };
    let pace = Pace::new(options);
    let hinted = |hint: &'static str| {
        let headers = [(http::HeaderName::from_static("x-hint"), http::HeaderValue::from_static(hint))].into_iter().collect();
        Ok(Response { status: http::StatusCode::OK, headers, body: bytes::Bytes::new() })
    };
    pace.take_in(&start(&pace).await.unwrap(), &hinted("500"));
    assert_eq!(pace.limits().in_flight_max, 48);
    assert_eq!(pace.with(|state| state.places.allowed(Instant::now())), 8);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(pace.with(|state| state.places.allowed(Instant::now())), 48);
    pace.take_in(&start(&pace).await.unwrap(), &hinted("4"));
    assert_eq!(pace.with(|state| state.places.allowed(Instant::now())), 4);
}

/// A service that allows 100 calls in any 20 s and 10 at once, whoever makes them, and doesn't count what it refuses.
#[derive(Default)]
struct Shared {
    starts: VecDeque<Instant>,
    in_flight: usize,
}

impl Shared {
    fn arrive(&mut self, now: Instant) -> Result<(), &'static str> {
        while self.starts.front().is_some_and(|start| now.duration_since(*start) >= Duration::from_secs(20)) {
            self.starts.pop_front();
        }
        if self.starts.len() >= 100 {
            return Err("606");
        }
        if self.in_flight >= 10 {
            return Err("615");
        }
        self.starts.push_back(now);
        self.in_flight += 1;
        Ok(())
    }
}

/// Keeps `at_once` calls going through `pace` until it is told to stop; each takes between 0.7 and 1.9 s.
async fn client(pace: Pace, service: Arc<Mutex<Shared>>, at_once: usize, going: Arc<AtomicBool>) -> (u64, BTreeMap<String, u64>) {
    let caller = |number: u64| {
        let (pace, service, going) = (pace.clone(), service.clone(), going.clone());
        async move {
            let (mut done, mut wait) = (0, 700 + number * 131);
            while going.load(Ordering::Relaxed) {
                let flight = pace.admit("x", Lane::Changes).await.unwrap();
                // On its way: meanwhile others arrive.
                tokio::time::sleep(Duration::from_millis(10 + wait * 7 % 90)).await;
                let arrived = service.lock().unwrap().arrive(Instant::now());
                let answer = match arrived {
                    Ok(()) => {
                        wait = 700 + (wait * 31 + 17) % 1_200;
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                        service.lock().unwrap().in_flight -= 1;
                        done += 1;
                        Ok(Response { status: http::StatusCode::OK, headers: http::HeaderMap::new(), body: bytes::Bytes::new() })
                    }
                    Err("606") => Err(refusal("606", Class::Throttled, Some(Duration::from_secs(20)))),
                    Err(code) => Err(refusal(code, Class::Crowded, Some(Duration::from_secs(2)))),
                };
                pace.take_in(&flight, &answer);
                drop(flight);
                if answer.is_err() {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
            }
            done
        }
    };
    let done: u64 = futures::future::join_all((0..at_once as u64).map(caller)).await.into_iter().sum();
    (done, pace.refusals())
}

#[tokio::test(start_paused = true)]
async fn beside_another_client_it_gives_way_and_comes_back_when_that_leaves() {
    let options = |calls, places| PaceOptions { calls_max: Some(calls), in_flight_max: places, ..PaceOptions::default() };
    let (ours, theirs) = (Pace::new(options(100, 10)), Pace::new(options(50, 5)));
    let service: Arc<Mutex<Shared>> = Arc::default();
    let going: [Arc<AtomicBool>; 2] = [Arc::new(true.into()), Arc::new(true.into())];
    let us = tokio::spawn(client(ours.clone(), service.clone(), 14, going[0].clone()));
    let them = tokio::spawn(client(theirs.clone(), service.clone(), 5, going[1].clone()));
    let refused = |pace: &Pace| pace.refusals().values().sum::<u64>();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let at_first = (refused(&ours), refused(&theirs));
    assert!(at_first.0 > 0, "there is something to give way to");
    tokio::time::sleep(Duration::from_secs(30 * 60)).await;
    let later = (refused(&ours) - at_first.0, refused(&theirs) - at_first.1);
    assert!(later.0 <= 60 && later.1 <= 60, "in 30 minutes: ours {}, theirs {} (at first {at_first:?})", later.0, later.1);
    going[1].store(false, Ordering::Relaxed);
    let (theirs_done, _) = them.await.unwrap();
    tokio::time::sleep(Duration::from_secs(10 * 60)).await;
    let before = ours.counts()["x"];
    tokio::time::sleep(Duration::from_secs(200)).await;
    let at_full_pace = ours.counts()["x"] - before;
    going[0].store(false, Ordering::Relaxed);
    us.await.unwrap();
    assert!(theirs_done > 2_000, "the other one gets its share: {theirs_done}");
    assert!(at_full_pace > 900, "{at_full_pace} calls in 200 s");
}
