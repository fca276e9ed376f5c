//! Companies, sales persons, opportunities and roles.

use marketo_emulator::Object;
use serde_json::{Value, json};

use crate::bench::{Bench, body, check, code, map};

#[test]
fn describe_names_the_keys() {
    let mut bench = Bench::new();
    for (path, id, key) in [
        ("companies", "id", json!(["externalCompanyId"])),
        ("salespersons", "id", json!(["externalSalesPersonId"])),
        ("opportunities", "marketoGUID", json!(["externalOpportunityId"])),
        ("opportunities/roles", "marketoGUID", json!(["externalOpportunityId", "leadId", "role"])),
    ] {
        let answer = bench.get(&format!("/rest/v1/{path}/describe.json"));
        check(&answer, &json!({"result": [{"name": "*", "idField": id, "dedupeFields": key, "searchableFields": "*", "createdAt": "*"}]}));
        assert!(answer["result"][0]["searchableFields"].as_array().unwrap().contains(&key), "{path}");
    }
    assert!(bench.get("/rest/v1/companies/schema/fields.json")["result"].as_array().unwrap().len() > 10);
    assert_eq!(code(&bench.get("/rest/v1/salespersons/schema/fields.json")), "610");
}

#[test]
fn the_documented_company_calls() {
    let mut bench = Bench::new();
    bench.family();
    let sent = json!({"action": "createOrUpdate", "dedupeBy": "dedupeFields", "input": [
        {"externalCompanyId": "c-1", "company": "Northwind", "externalSalesPersonId": "u-1", "numberOfEmployees": 120, "annualRevenue": 1_500_000.5},
        {"externalCompanyId": "c-2", "company": "Fabrikam", "website": null}]});
    let answer = bench.post("/rest/v1/companies.json", &sent);
    check(
        &answer,
        &json!({"success": true, "result": [{"seq": 0, "status": "updated", "id": 20_000_001}, {"seq": 1, "status": "created", "id": 20_000_002}]}),
    );
    let answer = bench
        .get("/rest/v1/companies.json?filterType=dedupeFields&filterValues=C-1&fields=id,externalCompanyId,company,externalSalesPersonId");
    assert_eq!(
        answer["result"],
        json!([{"seq": 0, "id": 20_000_001, "externalCompanyId": "c-1", "company": "Northwind", "externalSalesPersonId": "u-1"}])
    );
    check(
        &bench.get("/rest/v1/companies.json?filterType=company&filterValues=fabrikam"),
        &json!({"result": [{"id": 20_000_002, "externalCompanyId": "c-2", "createdAt": "*", "updatedAt": "*"}]}),
    );
    check(&bench.get("/rest/v1/companies.json?filterType=idField&filterValues=20000002,5"), &json!({"result": [{"id": 20_000_002}]}));
    assert_eq!(code(&bench.get("/rest/v1/companies.json?filterType=industry&filterValues=x")), "1011");
    assert_eq!(bench.state.lead(1001).unwrap()["numberOfEmployees"], 120);
    let delete = json!({"deleteBy": "dedupeFields", "input": [{"externalCompanyId": "c-1"}, {"externalCompanyId": "c-2"}, {"externalCompanyId": "c-9"}]});
    assert_eq!(bench.outcomes("/rest/v1/companies/delete.json", &delete), ["1022", "deleted", "1013"]);
    assert_eq!(bench.outcomes("/rest/v1/companies/delete.json", &json!({"deleteBy": "idField", "input": [{"id": 20_000_002}]})), ["1013"]);
}

#[test]
fn actions_and_keys_of_objects() {
    let mut bench = Bench::new();
    let mut sync = |action: &str, by: &str, record: Value| {
        bench.outcomes("/rest/v1/companies.json", &json!({"action": action, "dedupeBy": by, "input": [record]})).remove(0)
    };
    assert_eq!(sync("createOnly", "dedupeFields", json!({"externalCompanyId": "c-1"})), "created");
    assert_eq!(sync("createOnly", "dedupeFields", json!({"externalCompanyId": "C-1 "})), "1017");
    assert_eq!(sync("updateOnly", "dedupeFields", json!({"externalCompanyId": "c-2"})), "1013");
    assert_eq!(sync("updateOnly", "idField", json!({"id": 20_000_001, "company": "N"})), "updated");
    assert_eq!(sync("updateOnly", "idField", json!({"id": 20_000_001, "externalCompanyId": "c-1"})), "1003");
    assert_eq!(sync("updateOnly", "idField", json!({"company": "N"})), "1002");
    assert_eq!(sync("createOrUpdate", "dedupeFields", json!({"externalCompanyId": "c-1", "id": 20_000_001})), "1003");
    assert_eq!(sync("createOrUpdate", "dedupeFields", json!({"company": "N"})), "1002");
    assert_eq!(sync("createOrUpdate", "idField", json!({"id": 20_000_001})), "failed 1003");
    assert_eq!(sync("createOrUpdate", "dedupeFields", json!({"externalCompanyId": "c-1", "nosuch": 1})), "1006");
    assert_eq!(sync("createOrUpdate", "dedupeFields", json!({"externalCompanyId": "c-1", "externalSalesPersonId": "u-9"})), "1013");
    assert_eq!(sync("createOrUpdate", "dedupeFields", json!({"externalCompanyId": "x".repeat(101)})), "1003");
    let twins = json!({"input": [{"externalCompanyId": "t"}, {"externalCompanyId": "other"}, {"externalCompanyId": "T"}]});
    assert_eq!(bench.outcomes("/rest/v1/companies.json", &twins), ["1036", "created", "1036"]);
}

#[test]
fn a_null_and_an_empty_text_clear() {
    let mut bench = Bench::new();
    for empty in [json!(null), json!("")] {
        bench
            .outcomes("/rest/v1/companies.json", &json!({"input": [{"externalCompanyId": "c-1", "company": "N", "numberOfEmployees": 5}]}));
        bench.outcomes(
            "/rest/v1/companies.json",
            &json!({"input": [{"externalCompanyId": "c-1", "company": empty, "numberOfEmployees": empty}]}),
        );
        let company = bench.state.rows(Object::Companies).next().unwrap();
        assert_eq!((company.get("company"), company.get("numberOfEmployees")), (None, None));
    }
}

#[test]
fn sales_persons_answer_what_they_have_and_stay_while_in_use() {
    let mut bench = Bench::new();
    bench.family();
    let answer = bench.get("/rest/v1/salespersons.json?filterType=email&filterValues=SAM@example.com");
    let now = "2026-08-17T12:00:00Z";
    assert_eq!(
        answer["result"],
        json!([{"seq": 0, "id": 45_000_001, "externalSalesPersonId": "u-1", "email": "sam@example.com", "createdAt": now, "updatedAt": now}])
    );
    let delete = json!({"input": [{"externalSalesPersonId": "u-1"}]});
    assert_eq!(bench.outcomes("/rest/v1/salespersons/delete.json", &delete), ["1022"]);
    bench.post("/rest/v1/leads/delete.json", &json!({"input": [{"id": 1001}]}));
    assert_eq!(bench.outcomes("/rest/v1/salespersons/delete.json", &delete), ["1022"], "its company still has it");
    assert_eq!(bench.outcomes("/rest/v1/companies/delete.json", &json!({"input": [{"externalCompanyId": "c-1"}]})), ["deleted"]);
    assert_eq!(bench.outcomes("/rest/v1/salespersons/delete.json", &delete), ["1022"], "even a deleted company has it");
}

#[test]
fn opportunities_and_roles_need_their_parents() {
    let mut bench = Bench::new();
    let lead = bench.family();
    let opportunity = json!({"externalOpportunityId": "o-1", "name": "Renewal 2027", "externalCompanyId": "c-1", "externalSalesPersonId": "u-1", "amount": "12500.0", "isClosed": false, "externalCreatedDate": "2026-05-04T09:00:00Z"});
    check(
        &bench.post("/rest/v1/opportunities.json", &json!({"action": "createOrUpdate", "input": [opportunity]})),
        &json!({"result": [{"seq": 0, "status": "created", "marketoGUID": "*"}]}),
    );
    let cases = [
        (json!({"externalOpportunityId": "o-2", "name": null}), "1003"),
        (json!({"externalOpportunityId": "o-3"}), "created"),
        (json!({"externalOpportunityId": "o-4", "externalCompanyId": "c-9"}), "1013"),
        (json!({"externalOpportunityId": "x".repeat(51)}), "1003"),
    ];
    let (input, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(bench.outcomes("/rest/v1/opportunities.json", &json!({"input": input})), expected);
    let unknown_owner =
        json!({"input": [{"externalOpportunityId": "o-5"}, {"externalOpportunityId": "o-6", "externalSalesPersonId": "u-9"}]});
    assert_eq!(bench.outcomes("/rest/v1/opportunities.json", &unknown_owner), ["failed 718"]);
    assert_eq!(bench.state.rows(Object::Opportunities).count(), 2, "and nothing of it was written");

    let role = |opportunity: &str, lead: Value, role: &str| json!({"externalOpportunityId": opportunity, "leadId": lead, "role": role, "isPrimary": true});
    let input = [
        role("o-1", json!(lead), "Decision Maker"),
        role("o-1", json!(77), "Buyer"),
        role("o-9", json!(lead), "Buyer"),
        role("o-1", json!(lead), &"x".repeat(51)),
        json!({"externalOpportunityId": "o-1", "leadId": lead}),
    ];
    assert_eq!(bench.outcomes("/rest/v1/opportunities/roles.json", &json!({"input": input})), ["created", "1004", "1013", "1003", "1002"]);
    let query = json!({"filterType": "dedupeFields", "fields": ["marketoGUID", "externalOpportunityId", "leadId", "role", "isPrimary"], "batchSize": 300,
        "input": [{"externalOpportunityId": "o-1", "leadId": lead.to_string(), "role": "decision maker"}]});
    let answer = bench.post("/rest/v1/opportunities/roles.json?_method=GET", &query);
    check(
        &answer,
        &json!({"result": [{"seq": 0, "externalOpportunityId": "o-1", "leadId": lead, "role": "Decision Maker", "isPrimary": true, "marketoGUID": "*"}]}),
    );
    let guid = answer["result"][0]["marketoGUID"].as_str().unwrap().to_owned();
    check(
        &bench.get(&format!("/rest/v1/opportunities/roles.json?filterType=marketoGUID&filterValues={guid}")),
        &json!({"result": [{"leadId": lead}]}),
    );
    check(
        &bench.form("/rest/v1/opportunities/roles.json?_method=GET", &format!("filterType=leadId&filterValues={lead},5")),
        &json!({"result": [{"role": "Decision Maker"}]}),
    );
    assert_eq!(code(&bench.get("/rest/v1/opportunities/roles.json?filterType=dedupeFields&filterValues=o-1")), "1003");

    assert_eq!(bench.outcomes("/rest/v1/opportunities/delete.json", &json!({"input": [{"externalOpportunityId": "o-1"}]})), ["1022"]);
    assert_eq!(
        bench.outcomes(
            "/rest/v1/opportunities/roles/delete.json",
            &json!({"deleteBy": "idField", "input": [{"marketoGUID": format!("{guid} ")}]})
        ),
        ["deleted"]
    );
    assert_eq!(bench.outcomes("/rest/v1/opportunities/delete.json", &json!({"input": [{"externalOpportunityId": "o-1"}]})), ["deleted"]);
}

#[test]
fn a_lead_takes_its_roles_along() {
    let mut bench = Bench::new();
    let lead = bench.family();
    bench.outcomes("/rest/v1/opportunities.json", &json!({"input": [{"externalOpportunityId": "o-1"}]}));
    bench.outcomes(
        "/rest/v1/opportunities/roles.json",
        &json!({"input": [{"externalOpportunityId": "o-1", "leadId": lead, "role": "Buyer"}]}),
    );
    bench.post("/rest/v1/leads/delete.json", &json!({"input": [{"id": lead}]}));
    assert_eq!(bench.state.rows(Object::Roles).count(), 0);
}

#[test]
fn seeding_takes_what_the_api_would_not() {
    let mut bench = Bench::new();
    let record = || map(json!({"externalCompanyId": "c-1", "company": "N", "externalSalesPersonId": "nobody"}));
    assert_eq!(bench.state.insert(Object::Companies, record(), bench.now), Ok(json!(20_000_001)));
    assert!(bench.state.insert(Object::Companies, record(), bench.now).is_err());
    bench.state.options_mut().seed_duplicate_keys = true;
    assert!(bench.state.insert(Object::Companies, record(), bench.now).is_ok());
    let guid = "0F21B6D2-0C41-4F7E-B1AA-6E2D8C3F9415";
    for spelling in [guid.to_owned(), format!("{{{guid}}}"), guid.to_lowercase()] {
        bench.state.insert_lead(
            map(json!({"externalPersonId": spelling, "priority": 7, "relativeScoring": 2, "createdAt": "2025-01-01T00:00:00Z"})),
            bench.now,
        );
    }
    assert_eq!(bench.state.duplicates().into_values().collect::<Vec<_>>(), [vec![1001, 1002, 1003]]);
    check(
        &bench.get("/rest/v1/lead/1002.json?fields=externalPersonId,priority,relativeScore,createdAt"),
        &json!({"result": [{"externalPersonId": format!("{{{guid}}}"), "priority": 7, "relativeScore": 2, "createdAt": "2025-01-01T00:00:00Z"}]}),
    );
    let found = body(&bench.raw("GET", &format!("/rest/v1/leads.json?filterType=externalPersonId&filterValues={guid}"), "", ""));
    assert_eq!(found["result"].as_array().unwrap().len(), 2, "compared as texts without case, not as GUIDs");
}
