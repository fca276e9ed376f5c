//! Nothing a client sends is answered with anything but an answer, and records stay findable whatever happens to them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bench::{Bench, body, map};

const TARGETS: [&str; 24] = [
    "/identity/oauth/token",
    "/rest/v1/leads.json",
    "/rest/v1/lead/%FF.json",
    "/rest/v1/leads/describe.json",
    "/rest/v1/leads/schema/fields.json",
    "/rest/v1/leads/schema/fields/x.json",
    "/rest/v1/leads/delete.json",
    "/rest/v1/leads/1001/merge.json",
    "/rest/v1/leads/partitions.json",
    "/rest/v1/leads/push.json",
    "/rest/v1/companies.json",
    "/rest/v1/companies/delete.json",
    "/rest/v1/salespersons.json",
    "/rest/v1/opportunities.json",
    "/rest/v1/opportunities/roles.json",
    "/rest/v1/opportunities/roles/delete.json",
    "/rest/v1/activities.json",
    "/rest/v1/activities/pagingtoken.json",
    "/rest/v1/activities/leadchanges.json",
    "/rest/v1/stats/usage.json",
    "/bulk/v1/leads.json",
    "/bulk/v1/leads/export/create.json",
    "/bulk/v1/leads/export/x/file.json",
    "/../..//",
];

const BODIES: [&str; 12] = [
    "",
    "{}",
    "[1]",
    "nul",
    "{\"input\":[null,1,[],{},{\"\":null},{\"id\":1e300,\"leadId\":-5,\"email\":[]}]}",
    "{\"input\":{},\"action\":7,\"lookupField\":[]}",
    "{\"input\":[{\"id\":\"9223372036854775808\"},{\"id\":-9223372036854775808}],\"deleteBy\":\"idField\",\"action\":\"updateOnly\",\"dedupeBy\":\"idField\",\"lookupField\":\"id\"}",
    "{\"input\":[{\"externalOpportunityId\":\"\u{1}\",\"leadId\":9e18,\"role\":\"\u{0}\"}],\"filterType\":\"marketoGUID\",\"fields\":5,\"batchSize\":-1}",
    "{\"fields\":[\"id\"],\"filter\":{\"createdAt\":{\"startAt\":\"-009999-01-01T00:00:00Z\",\"endAt\":\"9999-12-30T00:00:00Z\"}}}",
    "filterType=id&filterValues=,,9223372036854775808,-1&batchSize=-9&nextPageToken=%FF%00",
    "--B\r\n\r\n--B--",
    "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\nemail,email\r\n\"a\n--B--",
];

#[test]
fn every_endpoint_answers_every_nonsense() {
    let mut bench = Bench::with(|options| options.enforce_limits = false);
    bench.family();
    for target in TARGETS {
        for sent in BODIES {
            for method in ["GET", "POST", "DELETE", "PUT"] {
                for content_type in ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=B", ""] {
                    for query in [
                        "",
                        "?_method=GET",
                        "?format=csv&leadIds=%00,1&sinceDatetime=%F0&nextPageToken=AAAA&activityTypeIds=99999&fields=,id",
                    ] {
                        let response = bench.raw(method, &format!("{target}{query}"), content_type, sent);
                        assert!(response.status < 500, "{method} {target}{query} {content_type} {sent}: {}", response.status);
                    }
                }
            }
        }
    }
    bench.wait(60);
    assert!(bench.state.lead_count() >= 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Upserts, changes of the key, deletions and merges, against a plain map.
    #[test]
    fn keys_find_what_a_plain_map_finds(steps in prop::collection::vec((0_u8..5, 0_usize..6, 0_usize..6), 1..60)) {
        let mut bench = Bench::with(|options| options.enforce_limits = false);
        let mut model: BTreeMap<i64, String> = BTreeMap::new();
        let key = |at: usize| format!("person-{at}");
        for (kind, one, other) in steps {
            let ids: Vec<i64> = model.keys().copied().collect();
            let pick = |at: usize| ids.get(at % ids.len().max(1)).copied();
            match (kind, pick(one), pick(other)) {
                (1, Some(id), _) => {
                    let update = json!({"action": "updateOnly", "lookupField": "id", "input": [{"id": id, "externalPersonId": key(other)}]});
                    prop_assert_eq!(bench.outcomes("/rest/v1/leads.json", &update), ["updated"]);
                    model.insert(id, key(other));
                }
                (2, Some(id), _) => {
                    prop_assert!(bench.state.delete_lead(id, bench.now));
                    model.remove(&id);
                }
                (3, Some(winner), Some(loser)) if winner != loser => {
                    prop_assert!(bench.state.merge_leads(winner, &[loser], bench.now));
                    model.remove(&loser);
                }
                (4, ..) => {
                    let id = bench.state.insert_lead(map(json!({"externalPersonId": key(one).to_uppercase()})), bench.now);
                    model.insert(id, key(one));
                }
                _ => {
                    let found: Vec<i64> = model.iter().filter(|(_, known)| **known == key(one)).map(|(id, _)| *id).collect();
                    let spelled = if other % 2 == 0 { key(one) } else { key(one).to_uppercase() };
                    let answer = bench.post("/rest/v1/leads.json", &json!({"lookupField": "externalPersonId", "input": [{"externalPersonId": spelled}]}));
                    let result = &answer["result"][0];
                    match found.as_slice() {
                        [] => {
                            prop_assert_eq!(&result["status"], "created");
                            model.insert(result["id"].as_i64().unwrap(), key(one));
                        }
                        [only] => prop_assert_eq!(result, &json!({"id": only, "status": "updated"})),
                        _ => prop_assert_eq!(&result["reasons"][0]["code"], "1007"),
                    }
                }
            }
        }
        for at in 0..6 {
            let answer = body(&bench.raw("GET", &format!("/rest/v1/leads.json?filterType=externalPersonId&filterValues={}", key(at)), "", ""));
            let found: Vec<i64> = answer["result"].as_array().map(|rows| rows.iter().filter_map(|row| row.get("id").and_then(Value::as_i64)).collect()).unwrap_or_default();
            let expected: Vec<i64> = model.iter().filter(|(_, known)| **known == key(at)).map(|(id, _)| *id).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
