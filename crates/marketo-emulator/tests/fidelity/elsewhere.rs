//! Parts of Marketo that are empty here, and partitions.

use serde_json::{Value, json};

use crate::{
    activities::token,
    bench::{Bench, body, check, code},
};

#[test]
fn what_is_not_here_answers_as_empty() {
    let mut bench = Bench::new();
    check(
        &bench.get("/rest/v1/programs/members/describe.json"),
        &json!({"result": [{"name": "API Program Membership", "dedupeFields": ["leadId", "programId"], "searchableFields": "*", "fields": "*"}]}),
    );
    check(&bench.get("/rest/v1/namedaccounts/describe.json"), &json!({"result": [{"name": "namedAccount", "idField": "marketoGUID"}]}));
    for path in ["customobjects", "customobjects/schema", "campaigns", "programs", "activities/external/types", "programs/5/members"] {
        check(&bench.get(&format!("/rest/v1/{path}.json")), &json!({"success": true, "result": []}));
    }
    for path in ["customobjects/car_c", "customobjects/car_c/describe", "campaigns/5"] {
        assert_eq!(code(&bench.get(&format!("/rest/v1/{path}.json"))), "1013", "{path}");
    }
    let sent = json!({"input": [{"leadId": 1001, "activityTypeId": 100001, "activityDate": "2026-08-17T12:00:00Z", "primaryAttributeValue": "x"}]});
    check(
        &bench.post("/rest/v1/activities/external.json", &sent),
        &json!({"success": true, "result": [{"leadId": 1001, "status": "skipped", "errors": [{"code": "1013", "message": "*"}]}]}),
    );
    check(&bench.get("/bulk/v1/customobjects/car_c/export.json"), &json!({"success": true, "result": []}));
    for path in [
        "rest/v1/campaigns/5/trigger",
        "rest/v1/campaigns/5/schedule",
        "rest/v1/programs/5/members",
        "rest/v1/programs/5/members/status",
        "rest/v1/leads/programs/5/status",
        "rest/v1/leads/submitForm",
        "rest/v1/customobjects/car_c",
        "bulk/v1/customobjects/car_c/export/create",
    ] {
        assert_eq!(code(&bench.post(&format!("/{path}.json"), &json!({"input": [{"id": 1001}]}))), "1013", "{path}");
    }
}

#[test]
fn program_members_extract_to_an_empty_file() {
    let mut bench = Bench::new();
    let sent = json!({"fields": ["leadId", "statusName"], "filter": {"programId": 5}});
    let made = bench.post("/bulk/v1/program/members/export/create.json", &sent);
    let id = made["result"][0]["exportId"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    body(&bench.raw("POST", &format!("/bulk/v1/program/members/export/{id}/enqueue.json"), "", ""));
    check(
        &bench.get(&format!("/bulk/v1/program/members/export/{id}/status.json")),
        &json!({"result": [{"status": "Completed", "numberOfRecords": 0}]}),
    );
    let file = bench.raw("GET", &format!("/bulk/v1/program/members/export/{id}/file.json"), "", "");
    assert_eq!(&file.body[..], b"leadId,statusName\n");
}

#[test]
fn partitions_move_only_what_moves() {
    let mut bench = Bench::with(|options| options.partitions = vec!["Default".into(), "EMEA".into()]);
    bench.family();
    let since = token(&mut bench, "2026-08-17");
    let path = "/rest/v1/leads/partitions.json";
    let to = |name: &str| json!({"input": [{"id": 1001, "partitionName": name}]});
    for name in ["EMEA", "EMEA", "Default"] {
        assert_eq!(bench.outcomes(path, &to(name)), ["updated"]);
    }
    let moves = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=100&nextPageToken={since}"));
    let told: Vec<_> = moves["result"].as_array().unwrap().iter().map(|row| row["primaryAttributeValueId"].as_i64().unwrap()).collect();
    assert_eq!(told, [2, 1], "the second changed nothing");
    let unnamed: Value = json!({"input": [{"id": 1001, "partitionName": "EMEA"}, {"id": 1001}]});
    assert_eq!(bench.outcomes(path, &unnamed), ["failed 1009"]);
    assert_eq!(bench.state.lead(1001).unwrap()["leadPartitionId"], 1, "nothing was moved");
    let sync = |action: &str| json!({"action": action, "partitionName": "EMEA", "input": [{"email": format!("{action}@x.test")}]});
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &sync("updateOnly")), ["failed 1003"]);
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &sync("createOnly")), ["created"]);
}
