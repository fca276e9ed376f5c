//! Tokens, the gateway's refusals and the envelope.

use serde_json::{Value, json};

use crate::bench::{Bench, body, check, code, request};

const CREDENTIALS: &str = "grant_type=client_credentials&client_id=emulated-client&client_secret=emulated-secret";

#[test]
fn a_reset_brings_no_old_token_back_to_life() {
    let mut bench = Bench::new();
    let old = bench.token.clone();
    bench.state.reset(bench.now);
    bench.log_in();
    assert_ne!(bench.token, old);
    let first = bench.token.clone();
    bench.token = old;
    assert_eq!(code(&bench.get("/rest/v1/leads/describe.json")), "601");
    let other = Bench::with(|options| options.seed = 7);
    assert!(other.token != first && other.token != bench.token, "another seed, other tokens");
}

#[test]
fn one_token_per_service_with_a_falling_life() {
    let mut bench = Bench::new();
    let mut ask = |method: &str, target: &str, content_type: &str, sent: &str, wait: i64| {
        bench.wait(wait);
        let response = bench.send(&request(method, target, "", content_type, sent.to_owned()));
        (response.status, body(&response))
    };
    let (status, first) = ask("GET", &format!("/identity/oauth/token?{CREDENTIALS}&partner_id=x"), "", "", 0);
    assert_eq!(status, 200);
    check(&first, &json!({"access_token": "*", "token_type": "bearer", "expires_in": 3600, "scope": "crm-sync@example.com"}));
    assert!(first.get("requestId").is_none(), "no envelope: {first}");
    let (_, second) = ask("POST", &format!("/identity/oauth/token?{CREDENTIALS}"), "", "", 100);
    check(&second, &json!({"access_token": first["access_token"], "expires_in": 3500}));
    let (_, third) = ask("POST", "/identity/oauth/token", "application/x-www-form-urlencoded", CREDENTIALS, 3499);
    check(&third, &json!({"access_token": first["access_token"], "expires_in": 1}));
    let (_, fourth) = ask("GET", &format!("/identity/oauth/token?{CREDENTIALS}"), "", "", 1);
    assert_ne!(fourth["access_token"], first["access_token"]);
    let (status, refused) = ask("GET", &format!("/identity/oauth/token?{}", CREDENTIALS.replace("-secret", "-guess")), "", "", 0);
    assert_eq!((status, &refused), (401, &json!({"error": "invalid_client", "error_description": "Bad client credentials"})));
}

#[test]
fn expired_then_invalid_and_none_at_all() {
    let mut bench = Bench::new();
    let target = "/rest/v1/leads/describe.json";
    assert_eq!(code(&bench.get(target)), "none");
    bench.wait(3600);
    assert_eq!(code(&bench.get(target)), "602", "the first use says that it expired");
    assert_eq!(code(&bench.get(target)), "601", "later ones that it is unknown");
    let old = std::mem::take(&mut bench.token);
    assert_eq!(code(&bench.get(target)), "603");
    assert_eq!(code(&bench.get(&format!("{target}?access_token={old}"))), "603", "the parameter is no token any more");
    bench.log_in();
    assert_eq!(code(&bench.get(target)), "none");
    bench.state.expire_tokens(bench.now);
    assert_eq!(code(&bench.get(target)), "602");
    bench.log_in();
    bench.state.revoke_tokens();
    assert_eq!(code(&bench.get(target)), "601");
}

#[test]
fn a_legacy_parameter_and_a_dying_token_on_request() {
    let mut bench = Bench::with(|options| {
        options.legacy_access_token = true;
        options.expires_in_zero = 1;
    });
    // The bench's own login took the answer that says zero; that token dies a second later.
    let token = std::mem::take(&mut bench.token);
    assert_eq!(code(&bench.get(&format!("/rest/v1/leads/describe.json?access_token={token}"))), "none");
    bench.wait(1);
    bench.log_in();
    assert_ne!(bench.token, token);
}

#[test]
fn the_gateway_refuses_in_the_documented_way() {
    let long = format!("/rest/v1/leads.json?filterType=email&filterValues={}", "a".repeat(8200));
    let big = format!("{{\"input\":[{}", " ".repeat(1_048_576));
    let cases: [(&str, &str, &str, &str, u16, &str); 10] = [
        ("GET", "/rest/v1/nothing.json", "", "", 200, "610"),
        ("GET", "/rest/bulk/v1/leads/export.json", "", "", 200, "610"),
        ("POST", "/rest/v1/activities/types.json", "application/json", "{}", 200, "605"),
        ("POST", "/rest/v1/leads.json", "text/plain", "{}", 200, "612"),
        ("POST", "/rest/v1/leads.json", "", "{}", 200, "612"),
        ("POST", "/rest/v1/leads.json", "application/json", "{\"input\":[", 200, "609"),
        ("POST", "/rest/v1/leads.json", "application/json", "[]", 200, "609"),
        ("POST", "/bulk/v1/leads.json?format=csv", "text/csv", "email\n", 200, "613"),
        ("GET", &long, "", "", 414, ""),
        ("POST", "/rest/v1/leads.json", "application/json", &big, 413, ""),
    ];
    let mut bench = Bench::new();
    for (method, target, content_type, sent, status, expected) in cases {
        let response = bench.raw(method, target, content_type, sent.to_owned());
        assert_eq!(response.status, status, "{method} {target:.60}");
        if status == 200 {
            let answer = body(&response);
            assert_eq!(code(&answer), expected, "{method} {target} {answer}");
            check(&answer, &json!({"requestId": "*", "success": false, "errors": [{"code": "*", "message": "*"}]}));
        }
    }
    assert_eq!(response_of_605(&mut bench), "Request method 'POST' not supported");
}

fn response_of_605(bench: &mut Bench) -> String {
    let answer = body(&bench.raw("POST", "/rest/v1/activities/types", "application/json", "{}"));
    answer.pointer("/errors/0/message").and_then(Value::as_str).unwrap().to_owned()
}

#[test]
fn request_ids_end_in_the_time() {
    let mut bench = Bench::new();
    let answer = bench.get("/rest/v1/leads/partitions.json");
    let id = answer["requestId"].as_str().unwrap();
    let (_, time) = id.split_once('#').unwrap();
    assert_eq!(i64::from_str_radix(time, 16).unwrap(), bench.now.as_millisecond());
    check(&answer, &json!({"success": true, "result": [{"id": 1, "name": "Default"}]}));
}

#[test]
fn paths_go_with_and_without_the_suffix_and_upwards() {
    let mut bench = Bench::new();
    for target in
        ["/rest/v1/stats/usage", "/rest/v1//stats/usage.json", "/rest/../rest/v1/stats/usage.json", "/rest/../bulk/v1/leads/export.json"]
    {
        assert_eq!(code(&bench.get(target)), "none", "{target}");
    }
}

#[test]
fn listings_of_what_is_not_there_are_successes() {
    let mut bench = Bench::new();
    for target in ["/rest/v1/lists.json", "/rest/v1/campaigns.json", "/rest/v1/programs.json"] {
        check(&bench.get(target), &json!({"success": true, "result": []}));
    }
    for target in ["/rest/asset/v1/programs.json?maxReturn=200&offset=0", "/rest/asset/v1/emails.json", "/rest/asset/v1/segmentation.json"]
    {
        let answer = bench.get(target);
        check(&answer, &json!({"success": true, "warnings": ["No assets found for the given search criteria."]}));
        assert!(answer.get("result").is_none());
    }
}
