//! Every switch both ways: where the documents are silent, a client must live with each answer.

use marketo_emulator::{
    CompanyFields, EmptyText, ErrorLevel, MergeIds, Nulls, Object, Options, Overlong, Permission, ReadOnly, RelativeScoreName, UnknownLead,
    Unlink, UrgencyName,
};
use serde_json::{Value, json};

use crate::{
    activities::token,
    bench::{Bench, body, check, code, map},
};

/// What a sync of one lead by external id answers under options.
fn lead(change: impl FnOnce(&mut Options), record: Value) -> (String, Bench) {
    let mut bench = Bench::with(change);
    bench.family();
    let outcome = bench.outcomes("/rest/v1/leads.json", &json!({"lookupField": "email", "input": [record]})).remove(0);
    (outcome, bench)
}

fn described(bench: &mut Bench, name: &str) -> bool {
    let answer = bench.get("/rest/v1/leads/describe2.json");
    answer["result"][0]["fields"].as_array().unwrap().iter().any(|field| field["name"] == name)
}

#[test]
fn the_external_person_id() {
    let sync = json!({"lookupField": "externalPersonId", "input": [{"externalPersonId": "p-9"}]});
    let mut bench = Bench::with(|options| options.external_person_id_lookup = false);
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &sync), ["failed 1011"]);
    assert_eq!(code(&bench.get("/rest/v1/leads.json?filterType=externalPersonId&filterValues=p")), "none");
    bench.state.options_mut().external_person_id_described = false;
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &sync), ["failed 1006"]);
    assert_eq!(code(&bench.get("/rest/v1/leads.json?filterType=externalPersonId&filterValues=p")), "1006");
    assert!(!described(&mut bench, "externalPersonId"));
}

#[test]
fn the_names_of_tiers() {
    let mut bench = Bench::new();
    let names = ["relativeScore", "relativeScoring", "relativeUrgency", "urgency"];
    for (score, urgency, expected) in [
        (RelativeScoreName::Both, UrgencyName::Both, [true, true, true, true]),
        (RelativeScoreName::Score, UrgencyName::Relative, [true, false, true, false]),
        (RelativeScoreName::Scoring, UrgencyName::Raw, [false, true, false, true]),
    ] {
        (bench.state.options_mut().relative_score, bench.state.options_mut().urgency) = (score, urgency);
        assert_eq!(names.map(|name| described(&mut bench, name)), expected);
    }
}

#[test]
fn values_that_do_not_fit() {
    let long = "é".repeat(300);
    let record = json!({"email": "ann@example.com", "firstName": long});
    assert_eq!(lead(|_| {}, record.clone()).0, "1003");
    let (outcome, bench) = lead(|options| options.overlong = Overlong::Truncate, record);
    assert_eq!((outcome.as_str(), bench.state.lead(1001).unwrap()["firstName"].as_str().unwrap()), ("updated", "é".repeat(255).as_str()));

    let record = json!({"email": "ann@example.com", "priority": 5});
    assert_eq!(lead(|_| {}, record.clone()).0, "1003");
    let (outcome, bench) = lead(|options| options.read_only = ReadOnly::Ignore, record);
    assert_eq!((outcome.as_str(), bench.state.lead(1001).unwrap().get("priority")), ("updated", None));

    let record = json!({"email": "ann@example.com", "firstName": ""});
    assert!(!lead(|_| {}, record.clone()).1.state.lead(1001).unwrap().contains_key("firstName"));
    let (_, bench) = lead(|options| options.empty_text = EmptyText::Ignored, record);
    assert_eq!(bench.state.lead(1001).unwrap()["firstName"], "Ann");
}

#[test]
fn companies_of_leads() {
    let unlink = json!({"email": "ann@example.com", "externalCompanyId": null});
    assert_eq!(lead(|_| {}, unlink.clone()).0, "1003");
    let (outcome, bench) = lead(|options| options.company_unlink = Unlink::Ignore, unlink);
    assert_eq!((outcome.as_str(), &bench.state.lead(1001).unwrap()["externalCompanyId"]), ("updated", &json!("c-1")));

    let rename = json!({"email": "ann@example.com", "company": "Southwind"});
    assert_eq!(lead(|_| {}, rename.clone()).0, "1021");
    let (outcome, bench) = lead(|options| options.company_fields = CompanyFields::Spread, rename);
    assert_eq!((outcome.as_str(), &bench.state.rows(Object::Companies).next().unwrap()["company"]), ("updated", &json!("Southwind")));
    let loose = json!({"email": "new@example.com", "company": "Loose"});
    assert_eq!(lead(|_| {}, loose.clone()).0, "created");
    assert_eq!(lead(|options| options.company_fields = CompanyFields::Refused, loose).0, "1021");

    let dangling = json!({"email": "ann@example.com", "externalCompanyId": "c-9", "externalSalesPersonId": "u-9"});
    assert_eq!(lead(|_| {}, dangling.clone()).0, "1013");
    let (outcome, bench) = lead(|options| options.accept_dangling = true, dangling);
    assert_eq!((outcome.as_str(), &bench.state.lead(1001).unwrap()["externalCompanyId"]), ("updated", &json!("c-9")));
}

#[test]
fn sales_persons_and_owners() {
    let rename = json!({"input": [{"externalSalesPersonId": "u-1", "email": "new@example.com"}]});
    for (frozen, expected) in [(false, "new@example.com"), (true, "sam@example.com")] {
        let mut bench = Bench::with(|options| options.sales_person_email_frozen = frozen);
        bench.family();
        assert_eq!(bench.outcomes("/rest/v1/salespersons.json", &rename), ["updated"]);
        assert_eq!(bench.state.rows(Object::SalesPersons).next().unwrap()["email"], expected);
    }
    let sent = json!({"input": [{"externalOpportunityId": "o-1"}, {"externalOpportunityId": "o-2", "externalSalesPersonId": "u-9"}]});
    assert_eq!(Bench::new().outcomes("/rest/v1/opportunities.json", &sent), ["failed 718"]);
    assert_eq!(
        Bench::with(|options| options.unknown_owner = ErrorLevel::Record).outcomes("/rest/v1/opportunities.json", &sent),
        ["created", "718"]
    );
    // 718 is documented, whatever becomes of other dangling links.
    assert_eq!(Bench::with(|options| options.accept_dangling = true).outcomes("/rest/v1/opportunities.json", &sent), ["failed 718"]);
    let mut bench = Bench::with(|options| (options.accept_dangling, options.unknown_owner) = (true, ErrorLevel::Record));
    assert_eq!(bench.outcomes("/rest/v1/opportunities.json", &sent), ["created", "718"]);
    let mut bench = Bench::with(|options| options.deleted_company_holds_owner = false);
    bench.family();
    bench.post("/rest/v1/leads/delete.json", &json!({"input": [{"id": 1001}]}));
    bench.outcomes("/rest/v1/companies/delete.json", &json!({"input": [{"externalCompanyId": "c-1"}]}));
    assert_eq!(bench.outcomes("/rest/v1/salespersons/delete.json", &json!({"input": [{"externalSalesPersonId": "u-1"}]})), ["deleted"]);
}

#[test]
fn keys_with_case() {
    let mut bench = Bench::with(|options| options.case_sensitive_keys = true);
    bench.family();
    let upsert = json!({"lookupField": "externalPersonId", "input": [{"externalPersonId": "P-1", "externalCompanyId": "c-1"}, {"externalPersonId": "p-2", "externalCompanyId": "C-1"}]});
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &upsert), ["created", "1013"]);
    let twins = json!({"input": [{"externalCompanyId": "t"}, {"externalCompanyId": "T"}]});
    assert_eq!(bench.outcomes("/rest/v1/companies.json", &twins), ["created", "created"]);
    check(
        &bench.get("/rest/v1/companies.json?filterType=externalCompanyId&filterValues=T"),
        &json!({"result": [{"externalCompanyId": "T"}]}),
    );
}

#[test]
fn a_native_crm_sync_forbids_writes() {
    let mut bench = Bench::with(|options| options.native_crm = true);
    for path in ["companies", "salespersons", "opportunities", "opportunities/roles"] {
        assert_eq!(bench.outcomes(&format!("/rest/v1/{path}.json"), &json!({"input": [{}]})), ["failed 1018"], "{path}");
        let expected = if path.ends_with("roles") { "1018" } else { "none" };
        assert_eq!(code(&bench.get(&format!("/rest/v1/{path}/describe.json"))), expected, "{path}");
    }
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"input": [{"email": "a@x.test"}]})), ["created"]);
}

#[test]
fn a_missing_permission_is_603() {
    let mut bench = Bench::with(|options| options.permissions = [Permission::ReadLead, Permission::WriteCompany].into());
    assert_eq!(code(&bench.get("/rest/v1/leads/describe.json")), "none");
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"input": [{"email": "a@x.test"}]})), ["failed 603"]);
    assert_eq!(code(&bench.get("/rest/v1/companies/describe.json")), "none");
    assert_eq!(code(&bench.get("/rest/v1/activities/types.json")), "603");
    assert_eq!(code(&bench.get("/rest/v1/stats/usage.json")), "none");
    // Standard fields suffice to browse, and not to make custom ones.
    bench.state.options_mut().permissions = [Permission::SchemaStandard].into();
    assert_eq!(code(&bench.get("/rest/v1/leads/schema/fields.json")), "none");
    let field = json!({"input": [{"name": "x", "displayName": "X", "dataType": "string"}]});
    assert_eq!(code(&bench.post("/rest/v1/leads/schema/fields.json", &field)), "603");
}

#[test]
fn how_values_are_shown() {
    let mut bench = Bench::new();
    bench.state.insert(Object::Companies, map(json!({"externalCompanyId": "c-1", "annualRevenue": 1604.47})), bench.now).unwrap();
    let query = "/rest/v1/companies.json?filterType=externalCompanyId&filterValues=c-1&fields=annualRevenue,updatedAt,industry";
    let shown = |bench: &mut Bench| bench.get(query)["result"][0].clone();
    check(&shown(&mut bench), &json!({"annualRevenue": 1604.47, "updatedAt": "2026-08-17T12:00:00Z", "industry": null}));
    let options = bench.state.options_mut();
    (options.currency_as_text, options.offset_datetimes, options.nulls) = (true, true, Nulls::Omitted);
    let answer = shown(&mut bench);
    check(&answer, &json!({"annualRevenue": "1604.47", "updatedAt": "2026-08-17T12:00:00+0000"}));
    assert!(answer.get("industry").is_none());
    bench.state.insert_lead(map(json!({"email": "a@x.test"})), bench.now);
    check(&bench.get("/rest/v1/lead/1001.json"), &json!({"result": [{"firstName": null}]}));
    check(&bench.get("/rest/v1/lead/5.json"), &json!({"success": false}));
    bench.state.options_mut().unknown_lead = UnknownLead::Empty;
    check(&bench.get("/rest/v1/lead/5.json"), &json!({"success": true, "result": []}));
}

#[test]
fn delays_until_things_show() {
    let mut bench = Bench::with(|options| {
        options.read_lag_s = 30;
        options.activity_delay_s = 60;
    });
    bench.family();
    let since = token(&mut bench, "2026-08-17");
    let query = "/rest/v1/leads.json?filterType=email&filterValues=ann@example.com";
    let activities = format!("/rest/v1/activities.json?activityTypeIds=12&nextPageToken={since}");
    let mut shown = |wait: i64| {
        bench.wait(wait);
        let count = |answer: &Value| answer["result"].as_array().unwrap().len();
        (count(&bench.get(query)), count(&bench.get(&activities)))
    };
    assert_eq!([shown(0), shown(30), shown(30)], [(0, 0), (1, 0), (1, 1)]);
}

#[test]
fn a_lagging_index_knows_the_values_of_before() {
    let mut bench = Bench::with(|options| options.read_lag_s = 30);
    bench.family();
    bench.post("/rest/v1/leads.json", &json!({"input": [{"email": "bob@example.com"}]}));
    bench.wait(60);
    let stamp = json!({"action": "updateOnly", "lookupField": "id", "input": [{"id": 1002, "externalPersonId": "p-2", "email": "rob@example.com"}]});
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &stamp), ["updated"]);
    bench.wait(10);
    bench.outcomes("/rest/v1/leads.json", &json!({"lookupField": "id", "input": [{"id": 1002, "email": "bert@example.com"}]}));
    bench.outcomes("/rest/v1/companies.json", &json!({"input": [{"externalCompanyId": "c-1", "company": "Southwind"}]}));
    let leads = |bench: &mut Bench, filter: &str| {
        let answer = bench.get(&format!("/rest/v1/leads.json?filterType={filter}"));
        answer["result"].as_array().unwrap().len()
    };
    let mut found = |wait: i64| {
        bench.wait(wait);
        let mails = ["bob", "rob", "bert"].map(|name| leads(&mut bench, &format!("email&filterValues={name}@example.com")));
        let company = bench.get("/rest/v1/companies.json?filterType=company&filterValues=Southwind")["result"].as_array().unwrap().len();
        (leads(&mut bench, "externalPersonId&filterValues=p-2"), mails, company)
    };
    assert_eq!(found(0), (0, [1, 0, 0], 0));
    assert_eq!(found(20), (1, [0, 1, 0], 0), "the first change is seen, the second isn't");
    assert_eq!(found(10), (1, [0, 0, 1], 1));
    let sync = json!({"lookupField": "externalPersonId", "input": [{"externalPersonId": "p-3", "email": "new@example.com"}]});
    assert_eq!(
        [bench.outcomes("/rest/v1/leads.json", &sync), bench.outcomes("/rest/v1/leads.json", &sync)].concat(),
        ["created", "updated"]
    );
}

#[test]
fn a_delayed_activity_is_not_skipped_by_a_resumed_token() {
    let mut bench = Bench::with(|options| options.activity_delay_s = 60);
    let first = token(&mut bench, "2026-08-17");
    bench.family();
    let answer = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=12&nextPageToken={first}"));
    check(&answer, &json!({"result": []}));
    bench.wait(60);
    let resumed = answer["nextPageToken"].as_str().unwrap().replace('=', "%3D");
    check(&bench.get(&format!("/rest/v1/activities.json?activityTypeIds=12&nextPageToken={resumed}")), &json!({"result": ["*"]}));
}

#[test]
fn computed_fields_in_lead_changes() {
    for (told, count, updated) in [(false, 0, "2026-08-17T12:00:00Z"), (true, 1, "2026-08-17T12:01:00Z")] {
        let mut bench = Bench::with(|options| options.msi_in_lead_changes = told);
        let lead = bench.family();
        bench.wait(60);
        let since = token(&mut bench, "2026-08-17T12:01:00Z");
        bench.state.interesting_moment(lead, "Web", "d", "s", bench.now);
        let answer = bench.get(&format!("/rest/v1/activities/leadchanges.json?fields=msiLastInterestingMomentType&nextPageToken={since}"));
        assert_eq!(answer["result"].as_array().unwrap().len(), count);
        assert_eq!(bench.state.lead(lead).unwrap()["updatedAt"], updated);
    }
}

#[test]
fn how_a_merge_is_told() {
    for (shape, expected) in [(MergeIds::Text, json!("[1002]")), (MergeIds::Plain, json!("1002")), (MergeIds::Array, json!([1002]))] {
        let mut bench = Bench::with(|options| {
            options.merge_ids = shape;
            options.merge_losers_deleted = shape == MergeIds::Plain;
        });
        for at in 0..2 {
            bench.state.insert_lead(map(json!({"email": format!("{at}@x.test")})), bench.now);
        }
        let since = token(&mut bench, "2026-08-17");
        assert!(bench.state.merge_leads(1001, &[1002], bench.now));
        let merged = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=32&nextPageToken={since}"));
        check(&merged["result"][0]["attributes"][0], &json!({"name": "Merge IDs", "value": expected}));
        let deleted = bench.get(&format!("/rest/v1/activities/deletedleads.json?nextPageToken={since}"));
        let ids: Vec<_> = deleted["result"].as_array().unwrap().iter().map(|row| row["leadId"].as_i64().unwrap()).collect();
        assert_eq!(ids, if shape == MergeIds::Plain { vec![1002] } else { vec![] });
    }
}

#[test]
fn two_upserts_in_flight_can_make_two_leads() {
    use emulator::Emulator;
    for (race, leads) in [(false, 1), (true, 2)] {
        let mut bench = Bench::with(|options| options.upsert_race = race);
        let one = crate::bench::request(
            "POST",
            "/rest/v1/leads.json",
            &bench.token,
            "application/json",
            "{\"input\":[{\"email\":\"a@x.test\"}]}",
        );
        let other = crate::bench::request(
            "POST",
            "/rest/v1/leads.json",
            &bench.token,
            "application/json",
            "{\"input\":[{\"email\":\"A@x.test\"}]}",
        );
        for request in [&one, &other] {
            assert!(bench.state.admit(request, bench.now).is_ok());
        }
        for request in [&one, &other] {
            assert_eq!(code(&body(&bench.send(request))), "none");
        }
        assert_eq!(bench.state.lead_count(), leads);
    }
}

#[test]
fn options_travel_as_json() {
    let options: Options =
        serde_json::from_value(json!({"daily_quota": 5, "merge_ids": "array", "relative_score": "scoring", "permissions": ["read-lead"]}))
            .unwrap();
    assert_eq!((options.daily_quota, options.merge_ids, options.rate_max), (5, MergeIds::Array, 100));
    assert!(serde_json::from_value::<Options>(json!({"daily_quotas": 5})).is_err());
}
