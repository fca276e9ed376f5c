//! Failures on request: at each level, counted as the real ones are.

use emulator::{Emulator, Level, Response};
use serde_json::{Value, json};

use crate::bench::{Bench, body, check, code, request};

/// What a spoilt request answers: these records fail with this code.
fn spoilt(bench: &mut Bench, target: &str, sent: &Value, records: &[usize], code: &str) -> Response {
    let effect = json!({"effect": {"fail": {"level": "record", "code": code, "records": records}}});
    let mut faults = emulator::Faults::new(1);
    faults.add(serde_json::from_value(effect).unwrap());
    let request = request("POST", target, &bench.token, "application/json", sent.to_string());
    let spoil = faults.decide("any", &request.method, &request.path).spoil().unwrap();
    bench.state.handle_spoilt(&request, &spoil, bench.now)
}

#[test]
fn single_records_fail_and_their_neighbours_are_applied() {
    let mut bench = Bench::new();
    let leads = json!({"input": [{"email": "a@x.test"}, {"email": "b@x.test"}, {"email": "c@x.test"}]});
    check(
        &body(&spoilt(&mut bench, "/rest/v1/leads.json", &leads, &[1], "1007")),
        &json!({"success": true, "result": [{"status": "created"}, {"status": "skipped", "reasons": [{"code": "1007", "message": "*"}]}, {"status": "created"}]}),
    );
    assert_eq!(bench.state.lead_count(), 2);
    let companies = json!({"input": [{"externalCompanyId": "c-1"}, {"externalCompanyId": "c-2"}]});
    check(
        &body(&spoilt(&mut bench, "/rest/v1/companies.json", &companies, &[0, 1], "1014")),
        &json!({"result": [{"seq": 0, "reasons": [{"code": "1014"}]}, {"seq": 1, "reasons": [{"code": "1014"}]}]}),
    );
    assert_eq!(bench.state.rows(marketo_emulator::Object::Companies).count(), 0);
    check(
        &body(&spoilt(&mut bench, "/rest/v1/leads/delete.json", &json!({"input": [{"id": 1001}, {"id": 1002}]}), &[0], "1003")),
        &json!({"result": [{"status": "skipped"}, {"id": 1002, "status": "deleted"}]}),
    );
    assert!(bench.state.lead(1001).is_some());
    let query = json!({"filterType": "dedupeFields", "input": [{"externalOpportunityId": "o", "leadId": 1, "role": "r"}]});
    let read = spoilt(&mut bench, "/rest/v1/opportunities/roles.json?_method=GET", &query, &[0], "1013");
    check(&body(&read), &json!({"success": true, "result": []}));
}

#[test]
fn every_code_at_every_level() {
    let bench = Bench::with(|options| options.throttle = marketo_emulator::Throttle::Plain);
    for code in ["500", "502", "606", "1003", "718"] {
        let answer = bench.state.failure(Level::Response, code, None, bench.now);
        assert_eq!(answer.status, 200, "{code}");
        check(&body(&answer), &json!({"success": false, "errors": [{"code": code}]}));
    }
    let answer = bench.state.failure(Level::Http, "503", Some(4), bench.now);
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"4".parse().unwrap()));
}

#[test]
fn refusals_on_request_are_counted_as_real_ones() {
    let mut bench = Bench::new();
    let call = request("GET", "/rest/v1/leads/describe.json", &bench.token, "", "");
    for refused in ["606", "606", "606", "611", "503"] {
        bench.state.refused(&call, refused, bench.now);
    }
    let login = request("GET", "/identity/oauth/token", "", "", "");
    bench.state.refused(&login, "503", bench.now);
    let errors = json!([{"errorCode": "503", "count": 1}, {"errorCode": "606", "count": 3}, {"errorCode": "611", "count": 1}]);
    check(&bench.get("/rest/v1/stats/errors.json"), &json!({"result": [{"total": 5, "errors": errors}]}));
    let user = bench.state.options().api_user.clone();
    check(&bench.get("/rest/v1/stats/usage.json"), &json!({"result": [{"total": 5, "users": [{"userId": user, "count": 5}]}]}));
    assert_eq!(code(&body(&bench.state.refusal("606", None, bench.now))), "606");
}
