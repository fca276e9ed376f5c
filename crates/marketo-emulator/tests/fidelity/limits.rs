//! Rate, concurrency, quota, and what is counted.

use std::time::Duration;

use base::Timestamp;
use emulator::Emulator;
use proptest::prelude::*;
use serde_json::json;

use crate::bench::{Bench, body, check, code, request};

const CHEAP: &str = "/rest/v1/leads/partitions.json";

impl Bench {
    /// Sends a request through admission; the code of what came back.
    fn knock(&mut self, target: &str) -> String {
        let request = request("GET", target, &self.token, "", "");
        match self.state.admit(&request, self.now) {
            Ok(()) => {
                let response = self.send(&request);
                self.state.release(&request, self.now, Duration::ZERO);
                code(&body(&response)).to_owned()
            }
            Err(refusal) => code(&body(&refusal)).to_owned(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever the arrivals, no window of 20 seconds lets more than 100 in, and none is refused with fewer than 100 in its window.
    #[test]
    fn no_window_lets_more_than_a_hundred_in(gaps_ms in prop::collection::vec(0_i64..400, 300..600)) {
        let mut bench = Bench::new();
        let mut admitted: Vec<i64> = Vec::new();
        let mut at = bench.now.as_millisecond();
        for gap in gaps_ms {
            at += gap;
            bench.now = Timestamp::from_millisecond(at).unwrap();
            let recent = admitted.iter().filter(|earlier| at - **earlier < 20_000).count();
            let answer = bench.knock(CHEAP);
            prop_assert_eq!(answer == "none", recent < 100, "{} in the window, answer {}", recent, answer);
            if recent < 100 {
                admitted.push(at);
            }
        }
    }
}

#[test]
fn free_answers_take_no_place_in_the_window_and_none_in_the_quota() {
    let mut bench = Bench::with(|options| options.rate_max = 3);
    let token = std::mem::replace(&mut bench.token, "stranger".into());
    for _ in 0..10 {
        assert_eq!(bench.knock(CHEAP), "601");
    }
    bench.token = token;
    for _ in 0..10 {
        let wrong = request("DELETE", "/rest/v1/activities/types.json", &bench.token, "", "");
        assert!(bench.state.admit(&wrong, bench.now).is_ok());
        assert_eq!(code(&body(&bench.send(&wrong))), "605");
        bench.state.release(&wrong, bench.now, Duration::ZERO);
    }
    assert_eq!(bench.state.usage_today(bench.now), 0);
    assert_eq!((0..4).map(|_| bench.knock(CHEAP)).collect::<Vec<_>>(), ["none", "none", "none", "606"]);
    assert_eq!(bench.knock("/rest/v1/nothing.json"), "606", "refusals don't make the wait longer");
    bench.wait(20);
    assert_eq!(bench.knock("/rest/v1/nothing.json"), "610");
    assert_eq!(bench.state.usage_today(bench.now), 6, "606 and 610 count against the quota");
}

#[test]
fn ten_at_a_time() {
    let mut bench = Bench::new();
    let request = request("GET", CHEAP, &bench.token, "", "");
    for _ in 0..10 {
        assert!(bench.state.admit(&request, bench.now).is_ok());
    }
    let refusal = bench.state.admit(&request, bench.now).unwrap_err();
    check(&body(&refusal), &json!({"success": false, "errors": [{"code": "615", "message": "Concurrent access limit reached"}]}));
    bench.state.release(&request, bench.now, Duration::ZERO);
    assert!(bench.state.admit(&request, bench.now).is_ok());
}

#[test]
fn the_quota_ends_at_central_midnight() {
    let mut bench = Bench::with(|options| options.daily_quota = 100);
    bench.state.set_usage(98, bench.now);
    assert_eq!((0..3).map(|_| bench.knock(CHEAP)).collect::<Vec<_>>(), ["none", "none", "607"]);
    bench.now = "2026-08-18T04:59:59Z".parse().unwrap();
    bench.log_in();
    assert_eq!(bench.knock(CHEAP), "607");
    bench.now = "2026-08-18T05:00:00Z".parse().unwrap();
    assert_eq!(bench.knock(CHEAP), "none");
    let week = bench.get("/rest/v1/stats/usage/last7days.json");
    check(
        &week,
        &json!({"result": [
        {"date": "2026-08-18", "total": 1, "users": [{"userId": "crm-sync@example.com", "count": 1}]},
        {"date": "2026-08-17", "total": 102, "users": [{"userId": "crm-sync@example.com", "count": 4}, {"userId": "*", "count": 98}]},
        "*", "*", "*", "*", {"date": "2026-08-12", "total": 0, "users": []}]}),
    );
    check(
        &bench.get("/rest/v1/stats/errors/last7days.json")["result"][1],
        &json!({"date": "2026-08-17", "total": 2, "errors": [{"errorCode": "607", "count": 2}]}),
    );
}

#[test]
fn limits_can_be_off_and_calls_are_counted_all_the_same() {
    let mut bench = Bench::with(|options| options.enforce_limits = false);
    for _ in 0..300 {
        assert_eq!(bench.knock(CHEAP), "none");
    }
    assert_eq!(bench.state.calls()["leads.partitions"], 300);
    assert_eq!(bench.state.calls()["identity.token"], 1);
    assert_eq!(bench.state.usage_today(bench.now), 300);
    check(&bench.get("/rest/v1/stats/usage.json"), &json!({"result": [{"date": "2026-08-17", "total": 300}]}));
    bench.state.reset_calls();
    assert!(bench.state.calls().is_empty());
}

#[test]
fn refusals_have_the_vendors_shape() {
    let bench = Bench::with(|options| options.throttle_status = 429);
    let limited = bench.state.refusal("606", Some(20), bench.now);
    assert_eq!((limited.status, &limited.headers["retry-after"]), (429, &"20".parse().unwrap()));
    check(&body(&limited), &json!({"errors": [{"code": "606", "message": "Max rate limit '100' exceeded with in '20' secs"}]}));
    assert_eq!(bench.state.refusal("611", None, bench.now).status, 200);
    assert_eq!(bench.state.refusal("503", None, bench.now).status, 503);
    assert_eq!(bench.state.operation(&request("POST", "/rest/v1/leads.json", "", "application/json", "{}")), "leads.sync");
    assert_eq!(bench.state.operation(&request("POST", "/rest/v1/leads.json?_method=GET", "", "", "")), "leads.get");
}
