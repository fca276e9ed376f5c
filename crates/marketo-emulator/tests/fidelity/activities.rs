//! Paging tokens, activities, lead changes, deleted leads, and what makes them.

use base::Timestamp;
use serde_json::{Value, json};

use crate::bench::{Bench, check, code, map};

pub fn token(bench: &mut Bench, since: &str) -> String {
    let answer = bench.get(&format!("/rest/v1/activities/pagingtoken.json?sinceDatetime={}", since.replace('+', "%2B")));
    answer["nextPageToken"].as_str().unwrap_or_else(|| panic!("{answer}")).replace('=', "%3D")
}

fn next(answer: &Value) -> String {
    answer["nextPageToken"].as_str().unwrap().replace('=', "%3D")
}

#[test]
fn an_interesting_moment_is_an_activity_and_four_fields() {
    let mut bench = Bench::new();
    let lead = bench.family();
    let since = token(&mut bench, "2026-08-17T05:00:00-07:00");
    bench.wait(60);
    assert!(bench.state.interesting_moment(lead, "Web", "Viewed pricing page", "Pricing page campaign", bench.now));
    assert!(bench.state.interesting_moment(lead, "Email", "Older", "x", "2026-08-01T00:00:00Z".parse().unwrap()));
    assert!(!bench.state.interesting_moment(77, "Web", "", "", bench.now));
    let answer = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=46,22&nextPageToken={since}"));
    check(
        &answer,
        &json!({"success": true, "moreResult": false, "nextPageToken": "*", "result": [{
        "id": "*", "marketoGUID": "*", "leadId": lead, "activityDate": "2026-08-17T12:01:00Z", "activityTypeId": 46, "primaryAttributeValue": "Web",
        "attributes": [{"name": "Date", "value": "2026-08-17T12:01:00Z"}, {"name": "Description", "value": "Viewed pricing page"}, {"name": "Source", "value": "Pricing page campaign"}]}]}),
    );
    let fields =
        "msiLastInterestingMomentType,msiLastInterestingMomentDate,msiLastInterestingMomentDesc,msiLastInterestingMomentSource,updatedAt";
    check(
        &bench.get(&format!("/rest/v1/lead/{lead}.json?fields={fields}")),
        &json!({"result": [{
        "msiLastInterestingMomentType": "Web", "msiLastInterestingMomentDate": "2026-08-17T12:01:00Z", "msiLastInterestingMomentDesc": "Viewed pricing page",
        "msiLastInterestingMomentSource": "Pricing page campaign", "updatedAt": "2026-08-17T12:00:00Z"}]}),
    );
    let empty = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=46&nextPageToken={}", next(&answer)));
    check(&empty, &json!({"moreResult": false, "nextPageToken": "*", "result": []}));
    bench.wait(60);
    bench.state.change_score(lead, 9, 3, 2, bench.now);
    let answer = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=46&activityTypeIds=22&nextPageToken={}", next(&empty)));
    check(&answer, &json!({"result": [{"activityTypeId": 22, "primaryAttributeValue": "Lead Score"}]}));
    let attributes = answer["result"][0]["attributes"].as_array().unwrap().clone();
    for (name, value) in [
        ("Priority", json!(9)),
        ("Relative Score", json!(2)),
        ("Relative Urgency", json!(3)),
        ("New Value", json!(5)),
        ("Old Value", json!(0)),
    ] {
        assert!(attributes.contains(&json!({"name": name, "value": value})), "{name}");
    }
    let now = "priority,relativeUrgency,relativeScore,relativeScoring,leadScore";
    check(
        &bench.get(&format!("/rest/v1/lead/{lead}.json?fields={now}")),
        &json!({"result": [{"priority": 9, "relativeUrgency": 3, "relativeScore": 2, "relativeScoring": 2, "leadScore": 5}]}),
    );
}

#[test]
fn a_date_in_the_future_hides_nothing_that_comes_after() {
    for delay in [0, 60] {
        let mut bench = Bench::with(|options| options.activity_delay_s = delay);
        let lead = bench.family();
        let since = token(&mut bench, "2026-08-17");
        let later = Timestamp::from_second(bench.now.as_second() + 3600).unwrap();
        assert!(bench.state.interesting_moment_of(lead, "Web", "Tomorrow", "s", later, bench.now));
        bench.state.insert_lead(map(json!({"email": "future@x.test", "createdAt": later.to_string()})), bench.now);
        assert!(bench.state.interesting_moment(lead, "Web", "Today", "s", bench.now));
        bench.wait(i64::try_from(delay).unwrap());
        let answer = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=46&nextPageToken={since}"));
        check(&answer, &json!({"result": [{"activityDate": "2026-08-17T13:00:00Z"}, {"activityDate": "2026-08-17T12:00:00Z"}]}));
    }
}

#[test]
fn activities_of_one_asset() {
    let mut bench = Bench::with(|options| options.partitions = vec!["Default".into(), "EMEA".into()]);
    bench.family();
    let since = token(&mut bench, "2026-08-17");
    for name in ["EMEA", "Default"] {
        bench.post("/rest/v1/leads/partitions.json", &json!({"input": [{"id": 1001, "partitionName": name}]}));
    }
    let target =
        |kinds: &str, assets: &str| format!("/rest/v1/activities.json?activityTypeIds={kinds}&assetIds={assets}&nextPageToken={since}");
    check(&bench.get(&target("100", "2")), &json!({"result": [{"primaryAttributeValueId": 2}]}));
    check(&bench.get(&target("100", "1,2")), &json!({"result": ["*", "*"]}));
    assert_eq!(code(&bench.get(&target("100,12", "2"))), "1003");
}

#[test]
fn the_nightly_re_cut_says_nothing() {
    let mut bench = Bench::new();
    for at in 0..50 {
        bench.state.insert_lead(
            map(json!({"email": format!("{at}@x.test"), "priority": at, "relativeScore": 0, "relativeUrgency": 0})),
            bench.now,
        );
    }
    bench.state.insert_lead(map(json!({"email": "none@x.test"})), bench.now);
    let since = token(&mut bench, "2026-08-17T12:00:01Z");
    bench.wait(60);
    let changed = bench.state.recut_tiers(7, bench.now);
    assert!((30..=50).contains(&changed), "{changed}");
    assert_eq!(bench.state.recut_tiers(7, bench.now), 0, "the same seed, the same tiers");
    check(&bench.get(&format!("/rest/v1/activities.json?activityTypeIds=13,22,46&nextPageToken={since}")), &json!({"result": []}));
    assert!(bench.state.lead(1051).unwrap().get("relativeScore").is_none());
}

#[test]
fn lead_changes_show_only_the_fields_asked_for() {
    let mut bench = Bench::new();
    let lead = bench.family();
    bench.wait(60);
    let since = token(&mut bench, "2026-08-17T12:01:00+0000");
    let update = json!({"action": "updateOnly", "lookupField": "id", "input": [{"id": lead, "firstName": "Anna", "lastName": "Ortiz", "title": "CEO"}]});
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &update), ["updated"]);
    bench.outcomes("/rest/v1/leads.json", &json!({"input": [{"email": "new@example.com"}]}));
    let answer = bench.get(&format!("/rest/v1/activities/leadchanges.json?fields=firstName,title&nextPageToken={since}"));
    check(
        &answer,
        &json!({"moreResult": false, "result": [
        {"leadId": lead, "activityTypeId": 13, "activityDate": "2026-08-17T12:01:00Z",
         "fields": [{"id": "*", "name": "firstName", "newValue": "Anna", "oldValue": "Ann"}, {"id": "*", "name": "title", "newValue": "CEO", "oldValue": null}],
         "attributes": [{"name": "Reason", "value": "Web service API"}, {"name": "Source", "value": "Web service API"}, {"name": "Lead ID", "value": lead}]},
        {"leadId": lead + 1, "activityTypeId": 12, "primaryAttributeValueId": lead + 1, "primaryAttributeValue": "new@example.com"}]}),
    );
    let single = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=13&batchSize=2&nextPageToken={since}"));
    check(
        &single,
        &json!({"moreResult": true, "result": [{"primaryAttributeValue": "First Name"}, {"primaryAttributeValue": "Last Name"}]}),
    );
    let rest = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=13&batchSize=2&nextPageToken={}", next(&single)));
    check(
        &rest,
        &json!({"moreResult": false, "result": [{"primaryAttributeValue": "Job Title", "attributes": ["*", "*", {"name": "New Value", "value": "CEO"}]}]}),
    );
    for (query, expected) in [("fields=nosuch", "1006"), ("", "1002"), ("fields=email&batchSize=x", "1001")] {
        assert_eq!(code(&bench.get(&format!("/rest/v1/activities/leadchanges.json?nextPageToken={since}&{query}"))), expected, "{query}");
    }
}

#[test]
fn deleted_leads_have_a_feed_of_their_own() {
    let mut bench = Bench::new();
    let lead = bench.family();
    let since = token(&mut bench, "2026-08-17");
    assert!(bench.state.delete_lead(lead, bench.now));
    let answer = bench.get(&format!("/rest/v1/activities/deletedleads.json?nextPageToken={since}"));
    check(
        &answer,
        &json!({"moreResult": false, "result": [{"leadId": lead, "activityTypeId": 37, "primaryAttributeValueId": lead, "primaryAttributeValue": "Ann", "attributes": []}]}),
    );
    check(&bench.get(&format!("/rest/v1/activities.json?activityTypeIds=37&nextPageToken={since}")), &json!({"result": []}));
}

#[test]
fn owners_and_opportunities_leave_traces() {
    let mut bench = Bench::new();
    let lead = bench.family();
    let since = token(&mut bench, "2026-08-17");
    bench.outcomes("/rest/v1/salespersons.json", &json!({"input": [{"externalSalesPersonId": "u-2"}]}));
    bench.outcomes("/rest/v1/leads.json", &json!({"input": [{"email": "ann@example.com", "externalSalesPersonId": "u-2"}]}));
    bench.outcomes("/rest/v1/opportunities.json", &json!({"input": [{"externalOpportunityId": "o-1", "name": "Renewal"}]}));
    bench.outcomes(
        "/rest/v1/opportunities/roles.json",
        &json!({"input": [{"externalOpportunityId": "o-1", "leadId": lead, "role": "Buyer"}]}),
    );
    bench.outcomes("/rest/v1/opportunities.json", &json!({"input": [{"externalOpportunityId": "o-1", "amount": 5}]}));
    bench.outcomes(
        "/rest/v1/opportunities/roles/delete.json",
        &json!({"input": [{"externalOpportunityId": "o-1", "leadId": lead, "role": "buyer"}]}),
    );
    let answer = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=23,34,35,36&nextPageToken={since}"));
    let kinds: Vec<_> = answer["result"].as_array().unwrap().iter().map(|row| row["activityTypeId"].as_i64().unwrap()).collect();
    assert_eq!(kinds, [23, 34, 36, 35]);
}

#[test]
fn tokens_and_limits_of_activity_calls() {
    let mut bench = Bench::new();
    let since = token(&mut bench, "2026-08-17");
    assert_eq!(code(&bench.get("/rest/v1/activities/pagingtoken.json?sinceDatetime=yesterday")), "704");
    assert_eq!(
        code(&bench.get("/rest/v1/activities/pagingtoken.json?sinceDatetime=2026-08-17T00:00:00+00:00")),
        "704",
        "a plus that wasn't encoded is a blank"
    );
    assert_eq!(code(&bench.get("/rest/v1/activities/pagingtoken.json")), "1002");
    let list = |count: usize| (1..=count).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
    for (query, expected) in [
        (format!("activityTypeIds={}", list(10)), "none"),
        (format!("activityTypeIds={}", list(11)), "1003"),
        (format!("activityTypeIds=1&leadIds={}", list(30)), "none"),
        (format!("activityTypeIds=1&leadIds={}", list(31)), "1003"),
        ("activityTypeIds=".to_owned(), "1002"),
        ("activityTypeIds=moment".to_owned(), "1001"),
    ] {
        assert_eq!(code(&bench.get(&format!("/rest/v1/activities.json?nextPageToken={since}&{query}"))), expected, "{query}");
    }
    assert_eq!(code(&bench.get("/rest/v1/activities.json?activityTypeIds=1")), "1002");
    assert_eq!(code(&bench.get("/rest/v1/activities.json?activityTypeIds=1&nextPageToken=WQV2====")), "1003");
    let types = bench.get("/rest/v1/activities/types.json");
    let moment = types["result"].as_array().unwrap().iter().find(|kind| kind["id"] == 46).unwrap();
    check(
        moment,
        &json!({"name": "Interesting Moment", "primaryAttribute": {"name": "*", "dataType": "string"}, "attributes": [{"name": "Date"}, {"name": "Description"}, {"name": "Source"}]}),
    );
}
