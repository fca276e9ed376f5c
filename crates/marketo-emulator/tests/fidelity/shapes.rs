//! Answers in the shapes that strangers have seen: the same content, written otherwise.

use emulator::Emulator;
use marketo_emulator::{ActivityTokens, Codes, EmptyResult, Nulls, Options, Throttle, UnknownParent, Warnings};
use serde_json::{Value, json};

use crate::{
    activities::token,
    bench::{Bench, body, check, map, request},
};

const NOBODY: &str = "/rest/v1/leads.json?filterType=email&filterValues=nobody@x.test";

/// A family under options.
fn family(change: impl FnOnce(&mut Options)) -> Bench {
    let mut bench = Bench::with(change);
    bench.family();
    bench
}

#[test]
fn codes_as_numbers() {
    let mut bench = family(|options| options.codes = Codes::Number);
    check(&bench.get("/rest/v1/nothing.json"), &json!({"success": false, "errors": [{"code": 610, "message": "*"}]}));
    let refused = bench.post("/rest/v1/leads.json", &json!({"action": "createOnly", "input": [{"email": "ann@example.com"}]}));
    check(&refused, &json!({"result": [{"status": "skipped", "reasons": [{"code": 1005, "message": "*"}]}]}));
    check(&body(&bench.state.refusal("606", None, bench.now)), &json!({"errors": [{"code": 606}]}));
}

#[test]
fn nothing_found_in_three_ways() {
    let mut bench = family(|_| {});
    let since = token(&mut bench, "2026-08-17T13:00:00Z");
    let activities = format!("/rest/v1/activities.json?activityTypeIds=46&nextPageToken={since}");
    check(&bench.get(NOBODY), &json!({"success": true, "result": []}));
    bench.state.options_mut().empty_result = EmptyResult::Absent;
    for target in [NOBODY, &activities] {
        let answer = bench.get(target);
        assert!(answer["success"] == true && answer.get("result").is_none(), "{answer}");
    }
    bench.state.options_mut().empty_result = EmptyResult::NoData;
    check(&bench.get(NOBODY), &json!({"success": false, "errors": [{"code": "702"}]}));
    let answer = bench.get(&activities);
    check(&answer, &json!({"success": true, "nextPageToken": "*"}));
    assert!(answer.get("result").is_none(), "the token must not be lost: {answer}");
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"input": [{"email": "ann@example.com"}]})), ["updated"]);
}

#[test]
fn warnings_beside_a_good_result() {
    let mut bench = family(|_| {});
    assert!(bench.get(NOBODY).get("warnings").is_none());
    for (shape, expected) in [(Warnings::Texts, json!(["*"])), (Warnings::Objects, json!([{"code": 1, "message": "*"}]))] {
        bench.state.options_mut().warnings = shape;
        check(&bench.get(NOBODY), &json!({"success": true, "result": [], "warnings": expected}));
    }
}

#[test]
fn ids_places_and_guids() {
    let mut bench = family(|_| {});
    let deal = json!({"input": [{"externalOpportunityId": "o-1"}]});
    let guid = bench.post("/rest/v1/opportunities.json", &deal)["result"][0]["marketoGUID"].as_str().unwrap().to_owned();
    let options = bench.state.options_mut();
    (options.padded_guids, options.ids_as_text, options.omit_seq) = (true, true, true);
    let answer = bench.post("/rest/v1/opportunities.json", &deal);
    assert_eq!(answer["result"][0], json!({"status": "updated", "marketoGUID": format!("{guid}    ")}));
    let query = format!("/rest/v1/opportunities.json?filterType=marketoGUID&filterValues={guid}%20%20&fields=externalOpportunityId");
    assert_eq!(bench.get(&query)["result"], json!([{"marketoGUID": format!("{guid}    "), "externalOpportunityId": "o-1"}]));
    let update = json!({"action": "updateOnly", "dedupeBy": "idField", "input": [{"marketoGUID": format!("{guid}    "), "stage": "Won"}]});
    assert_eq!(bench.outcomes("/rest/v1/opportunities.json", &update), ["updated"], "it may come back as it was given");
    check(&bench.get("/rest/v1/lead/1001.json?fields=id"), &json!({"result": [{"id": "1001"}]}));
    let update = json!({"action": "updateOnly", "lookupField": "id", "input": [{"id": "1001", "title": "CEO"}]});
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &update), ["updated"]);
    let since = token(&mut bench, "2026-08-17");
    check(
        &bench.get(&format!("/rest/v1/activities.json?activityTypeIds=12&nextPageToken={since}")),
        &json!({"result": [{"id": "1", "marketoGUID": "1", "leadId": "1001", "activityTypeId": 12}]}),
    );
}

#[test]
fn no_null_at_all() {
    let mut bench = Bench::with(|options| options.nulls = Nulls::Never);
    bench.state.insert_lead(map(json!({"email": "a@x.test"})), bench.now);
    let lead = bench.get("/rest/v1/lead/1001.json")["result"][0].clone();
    assert_eq!(lead.as_object().unwrap().keys().collect::<Vec<_>>(), ["createdAt", "email", "id", "updatedAt"]);
}

#[test]
fn throttled_by_a_gateway() {
    for (status, wait_s, expected) in [(200, None, 429), (429, Some(7), 429), (503, None, 503)] {
        let mut bench = Bench::with(|options| {
            (options.throttle, options.throttle_status, options.throttle_retry_after_s) = (Throttle::Plain, status, wait_s);
            options.rate_max = 1;
        });
        let call = request("GET", "/rest/v1/leads/partitions.json", &bench.token, "", "");
        assert!(bench.state.admit(&call, bench.now).is_ok());
        let refusal = bench.state.admit(&call, bench.now).unwrap_err();
        assert_eq!(refusal.status, expected);
        assert_eq!(refusal.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned()), wait_s.map(|wait| wait.to_string()));
        assert!(serde_json::from_slice::<Value>(&refusal.body).is_err(), "no envelope");
        check(&bench.get("/rest/v1/stats/errors.json"), &json!({"result": [{"errors": [{"errorCode": "606", "count": 1}]}]}));
    }
}

#[test]
fn a_sales_persons_email_that_is_refused() {
    let mut bench = family(|options| options.sales_person_email_refused = true);
    let sent = |record: Value| json!({"input": [record]});
    let path = "/rest/v1/salespersons.json";
    assert_eq!(bench.outcomes(path, &sent(json!({"externalSalesPersonId": "u-1", "email": "new@example.com"}))), ["1003"]);
    assert_eq!(bench.outcomes(path, &sent(json!({"externalSalesPersonId": "u-1", "lastName": "Ortiz"}))), ["updated"]);
    assert_eq!(bench.outcomes(path, &sent(json!({"externalSalesPersonId": "u-2", "email": "bo@example.com"}))), ["created"]);
    let fields = bench.get("/rest/v1/salespersons/describe.json")["result"][0]["fields"].clone();
    let email = fields.as_array().unwrap().iter().find(|field| field["name"] == "email").unwrap().clone();
    assert_eq!(email["updateable"], false);
}

#[test]
fn unknown_parents_as_invalid_data() {
    for (option, expected) in [(UnknownParent::NotFound, ["1013", "1013", "1013", "1004"]), (UnknownParent::Invalid, ["1003"; 4])] {
        let mut bench = family(|options| options.unknown_parent = option);
        bench.outcomes("/rest/v1/opportunities.json", &json!({"input": [{"externalOpportunityId": "o-1"}]}));
        let cases = [
            ("leads", json!({"email": "b@x.test", "externalCompanyId": "none"})),
            ("companies", json!({"externalCompanyId": "c-2", "externalSalesPersonId": "none"})),
            ("opportunities/roles", json!({"externalOpportunityId": "none", "leadId": 1001, "role": "Buyer"})),
            ("opportunities/roles", json!({"externalOpportunityId": "o-1", "leadId": 77, "role": "Buyer"})),
        ];
        let outcomes = cases.map(|(path, record)| bench.outcomes(&format!("/rest/v1/{path}.json"), &json!({"input": [record]})).remove(0));
        assert_eq!(outcomes, expected);
    }
}

/// Reads on from a token to the end; the ids it saw, and the last token.
fn read_on(bench: &mut Bench, token: &str, size: usize) -> (Vec<u64>, String) {
    let (mut ids, mut token) = (Vec::new(), token.to_owned());
    loop {
        let page = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=13,12&batchSize={size}&nextPageToken={token}"));
        ids.extend(page["result"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()));
        token = page["nextPageToken"].as_str().unwrap().replace('=', "%3D");
        if page["moreResult"] == false {
            return (ids, token);
        }
    }
}

#[test]
fn paging_tokens_that_are_dates() {
    let mut bench = Bench::with(|options| options.activity_tokens = ActivityTokens::Dates);
    let since = token(&mut bench, "2026-08-17");
    for at in 0..3 {
        bench.state.insert_lead(map(json!({"email": format!("{at}@x.test")})), bench.now);
        bench.state.update_lead(1001 + at, map(json!({"firstName": "A", "lastName": "B", "title": "C"})), bench.now);
        bench.wait(i64::from(at == 1));
    }
    for size in [1, 2, 5, 300] {
        assert_eq!(read_on(&mut bench, &since, size).0, (1..=12).collect::<Vec<_>>(), "every row once in pages of {size}");
    }
    bench.wait(60);
    let (_, resumed) = read_on(&mut bench, &since, 300);
    bench.state.insert_lead(map(json!({"email": "late@x.test"})), bench.now);
    assert_eq!(read_on(&mut bench, &resumed, 300).0, [13], "the same second is still to come");

    // What shows only after a token was taken, with a date before it, is never seen.
    bench.state.options_mut().activity_delay_s = 30;
    bench.state.insert_lead(map(json!({"email": "later@x.test"})), bench.now);
    bench.wait(10);
    let (_, dated) = read_on(&mut bench, &resumed, 300);
    bench.wait(30);
    assert_eq!(read_on(&mut bench, &dated, 300).0, Vec::<u64>::new());
}
