//! Merging leads, and partitions.

use marketo_emulator::Object;
use serde_json::{Value, json};

use crate::bench::{Bench, body, check, code, map};

fn pair(bench: &mut Bench) -> (i64, i64) {
    let winner = bench.family();
    let loser = bench.state.insert_lead(map(json!({"email": "ann@old.test", "lastName": "Ortiz", "externalPersonId": "p-old"})), bench.now);
    let opportunity = json!({"externalOpportunityId": "o-1", "name": "Renewal"});
    assert_eq!(bench.outcomes("/rest/v1/opportunities.json", &json!({"input": [opportunity]})), ["created"]);
    let role = |lead: i64, role: &str| json!({"externalOpportunityId": "o-1", "leadId": lead, "role": role});
    let roles = json!({"input": [role(winner, "Buyer"), role(loser, "Buyer"), role(loser, "User")]});
    assert_eq!(bench.outcomes("/rest/v1/opportunities/roles.json", &roles), ["created", "created", "created"]);
    (winner, loser)
}

#[test]
fn the_winner_keeps_its_values_and_takes_what_it_lacks() {
    let mut bench = Bench::new();
    let (winner, loser) = pair(&mut bench);
    let answer = body(&bench.raw("POST", &format!("/rest/v1/leads/{winner}/merge.json?leadIds={loser}"), "application/json", ""));
    check(&answer, &json!({"success": true}));
    assert!(answer.get("result").is_none());
    let lead = bench.state.lead(winner).unwrap();
    check(&Value::Object(lead), &json!({"email": "ann@example.com", "lastName": "Ortiz", "externalPersonId": "p-1"}));
    let roles: Vec<_> = bench.state.rows(Object::Roles).map(|role| (role["leadId"].as_i64().unwrap(), role["role"].clone())).collect();
    assert_eq!(roles, [(winner, json!("Buyer")), (winner, json!("User"))], "the twin was dropped");
    let again = body(&bench.raw("POST", &format!("/rest/v1/leads/{winner}/merge.json?leadId={loser}"), "", ""));
    assert_eq!(code(&again), "1004", "a repeat finds the loser gone");
    let token =
        bench.get("/rest/v1/activities/pagingtoken.json?sinceDatetime=2026-08-17T00:00:00Z")["nextPageToken"].as_str().unwrap().to_owned();
    let merged = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=32&nextPageToken={}", token.replace('=', "%3D")));
    check(
        &merged,
        &json!({"result": [{"leadId": winner, "activityTypeId": 32, "attributes": [{"name": "Merge IDs", "value": format!("[{loser}]")}, "*", "*", "*"]}]}),
    );
    let theirs =
        bench.get(&format!("/rest/v1/activities.json?activityTypeIds=12&leadIds={winner}&nextPageToken={}", token.replace('=', "%3D")));
    assert_eq!(theirs["result"].as_array().unwrap().len(), 2, "the loser's activities are the winner's");
    let deleted = bench.get(&format!("/rest/v1/activities/deletedleads.json?nextPageToken={}", token.replace('=', "%3D")));
    check(&deleted, &json!({"result": []}));
}

#[test]
fn what_cannot_be_merged() {
    let mut bench = Bench::new();
    let (winner, loser) = pair(&mut bench);
    let ids = |count: i64| (0..count).map(|at| (loser + at).to_string()).collect::<Vec<_>>().join(",");
    for (target, expected) in [
        (format!("/rest/v1/leads/{winner}/merge.json"), "1002"),
        (format!("/rest/v1/leads/{winner}/merge.json?leadIds={}", ids(26)), "1080"),
        (format!("/rest/v1/leads/{winner}/merge.json?leadIds={loser},77"), "1004"),
        (format!("/rest/v1/leads/77/merge.json?leadIds={loser}"), "1004"),
        (format!("/rest/v1/leads/{winner}/merge.json?leadIds={winner}"), "1003"),
    ] {
        assert_eq!(code(&body(&bench.raw("POST", &target, "", ""))), expected, "{target}");
    }
    assert_eq!(bench.state.lead_count(), 2, "nothing was merged");
}

#[test]
fn partitions_keep_leads_apart() {
    let mut bench = Bench::with(|options| options.partitions = vec!["Default".into(), "EMEA".into()]);
    let create = json!({"partitionName": "EMEA", "input": [{"email": "a@x.test"}]});
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &create), ["created"]);
    assert_eq!(bench.state.lead(1001).unwrap()["leadPartitionId"], 2);
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"partitionName": "Default", "input": [{"email": "a@x.test"}]})), ["1010"]);
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"partitionName": "Mars", "input": [{"email": "a@x.test"}]})), ["failed 1008"]);
    let moved = json!({"input": [{"id": 1001, "partitionName": "Default"}, {"id": 5, "partitionName": "Default"}, {"id": 1001, "partitionName": "Mars"}]});
    assert_eq!(bench.outcomes("/rest/v1/leads/partitions.json", &moved), ["updated", "1004", "1008"]);
    assert_eq!(bench.state.lead(1001).unwrap()["leadPartitionId"], 1);
}
