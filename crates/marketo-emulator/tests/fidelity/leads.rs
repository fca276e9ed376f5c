//! Describing, syncing, reading and deleting leads.

use marketo_emulator::{DataType, FieldSpec, Object};
use serde_json::{Value, json};

use crate::bench::{Bench, body, check, code, map};

#[test]
fn describe_has_what_a_sync_needs() {
    let mut bench = Bench::new();
    let answer = bench.get("/rest/v1/leads/describe.json");
    let fields = answer["result"].as_array().unwrap().clone();
    let first_name = fields.iter().find(|field| field.pointer("/rest/name") == Some(&json!("firstName"))).unwrap();
    check(
        first_name,
        &json!({"id": "*", "displayName": "First Name", "dataType": "string", "length": 255, "rest": {"name": "firstName", "readOnly": false}, "soap": {"name": "FirstName", "readOnly": false}}),
    );
    assert!(fields.iter().any(|field| field.get("rest").is_none()), "some fields are only known to SOAP");

    let answer = bench.get("/rest/v1/leads/describe2.json");
    let described = &answer["result"][0];
    assert_eq!(described["name"], "API Lead");
    for name in ["email", "id", "externalPersonId"] {
        assert!(described["searchableFields"].as_array().unwrap().contains(&json!([name])), "{name}");
    }
    let named = |name: &str| {
        described["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    for name in
        ["msiLastInterestingMomentType", "msiLastInterestingMomentDate", "msiLastInterestingMomentDesc", "msiLastInterestingMomentSource"]
    {
        assert_eq!(named(name)["updateable"], false, "{name}");
    }
    for name in ["priority", "relativeUrgency", "relativeScore", "relativeScoring"] {
        check(&named(name), &json!({"dataType": "integer", "updateable": false, "crmManaged": false}));
    }
    for name in [
        "lastName",
        "dateOfBirth",
        "unsubscribed",
        "doNotCall",
        "externalCompanyId",
        "externalSalesPersonId",
        "annualRevenue",
        "billingCity",
    ] {
        assert_eq!(named(name)["updateable"], true, "{name}");
    }
}

#[test]
fn the_documented_sync_and_read() {
    let mut bench = Bench::new();
    bench.family();
    bench.outcomes("/rest/v1/companies.json", &json!({"input": [{"externalCompanyId": "c-2"}]}));
    let sent = json!({"action": "createOrUpdate", "lookupField": "externalPersonId", "input": [
        {"externalPersonId": "P-1", "email": "ann@example.com", "firstName": "Anne", "externalCompanyId": "C-1", "externalSalesPersonId": "u-1"},
        {"externalPersonId": "p-2", "email": "bob@example.com", "externalCompanyId": "c-2"}]});
    let answer = bench.post("/rest/v1/leads.json", &sent);
    check(&answer, &json!({"success": true, "result": [{"id": 1001, "status": "updated"}, {"id": 1002, "status": "created"}]}));
    assert!(answer["result"][0].get("seq").is_none(), "leads have no seq");

    let form =
        "filterType=externalPersonId&filterValues=p-2,%20P-1%20,p-9&fields=id,email,externalPersonId,company,EXTERNALCOMPANYID,priority";
    let answer = bench.form("/rest/v1/leads.json?_method=GET", form);
    let expected = json!([
        {"id": 1001, "email": "ann@example.com", "externalPersonId": "p-1", "company": "Northwind", "externalCompanyId": "c-1", "priority": null},
        {"id": 1002, "email": "bob@example.com", "externalPersonId": "p-2", "company": null, "externalCompanyId": "c-2", "priority": null}]);
    assert_eq!(answer["result"], expected, "the key keeps the case it was first stored in, and company values are the company's");
    assert_eq!(bench.form("/rest/v1/leads.json", &format!("_method=GET&{form}"))["result"], expected);
    assert_eq!(bench.get(&format!("/rest/v1/leads.json?{form}"))["result"], expected);

    let answer = bench.get("/rest/v1/lead/1001.json");
    let now = "2026-08-17T12:00:00Z";
    assert_eq!(
        answer["result"],
        json!([{"id": 1001, "email": "ann@example.com", "firstName": "Anne", "lastName": null, "createdAt": now, "updatedAt": now}])
    );
}

#[test]
fn each_action_does_what_it_says() {
    let mut bench = Bench::new();
    let mut sync = |action: &str, lookup: &str, record: Value| {
        bench.outcomes("/rest/v1/leads.json", &json!({"action": action, "lookupField": lookup, "input": [record]})).remove(0)
    };
    assert_eq!(sync("createOnly", "email", json!({"email": "a@x.test", "externalPersonId": "p"})), "created");
    assert_eq!(sync("createOnly", "email", json!({"email": "A@X.test"})), "1005");
    assert_eq!(sync("updateOnly", "email", json!({"email": "b@x.test"})), "1004");
    assert_eq!(sync("createDuplicate", "email", json!({"email": "a@x.test"})), "created");
    assert_eq!(sync("createOrUpdate", "email", json!({"email": "a@x.test"})), "1007");
    assert_eq!(sync("updateOnly", "id", json!({"id": 1001, "firstName": "A"})), "updated");
    assert_eq!(sync("updateOnly", "id", json!({"id": "1001", "email": "c@x.test"})), "updated");
    assert_eq!(sync("updateOnly", "id", json!({"id": 77})), "1004");
    assert_eq!(sync("createOnly", "id", json!({"id": 1001})), "1003");
    assert_eq!(sync("createOrUpdate", "id", json!({"id": 1001, "firstName": "B"})), "updated");
    assert_eq!(sync("createOrUpdate", "email", json!({"id": 1001, "email": "c@x.test"})), "1003");
    assert_eq!(
        sync("createOrUpdate", "externalPersonId", json!({"email": "c@x.test", "externalPersonId": "q"})),
        "created",
        "nothing falls back to the e-mail address"
    );
    assert_eq!(sync("createOrUpdate", "externalPersonId", json!({"email": "c@x.test"})), "1003");
    assert_eq!(sync("upsert", "email", json!({"email": "c@x.test"})), "failed 1003");
    assert_eq!(sync("createOrUpdate", "nosuch", json!({"nosuch": "x"})), "failed 1006");
    assert_eq!(sync("createOrUpdate", "firstName", json!({"firstName": "x"})), "failed 1011");
}

#[test]
fn one_record_of_each_kind_of_mistake() {
    let mut bench = Bench::new();
    bench.family();
    let with = |field: &str, value: Value| json!({"externalPersonId": "p-1", field: value});
    let cases = [
        (with("doNotCall", json!("yes")), "1001"),
        (with("leadScore", json!("many")), "1001"),
        (with("dateOfBirth", json!("1.2.1980")), "1001"),
        (with("firstName", json!("x".repeat(256))), "1003"),
        (with("email", json!("änn@example.com")), "1003"),
        (with("priority", json!(3)), "1003"),
        (with("createdAt", json!("2026-01-01T00:00:00Z")), "1003"),
        (with("nosuch", json!(1)), "1006"),
        (with("externalCompanyId", json!(null)), "1003"),
        (with("externalCompanyId", json!("c-9")), "1013"),
        (with("externalSalesPersonId", json!("u-9")), "1013"),
        (with("company", json!("Northwind")), "1021"),
        (with("externalSalesPersonId", json!(null)), "updated"),
        (with("doNotCall", json!(null)), "updated"),
        (with("leadScore", json!("12")), "updated"),
        (json!({"externalPersonId": "p-3", "company": "Loose", "externalCompanyId": "c-1"}), "1021"),
        (json!({"externalPersonId": "p-4", "company": "Own"}), "created"),
        (json!("text"), "1001"),
        (json!({"externalPersonId": "p-5"}), "created"),
        (json!({"externalPersonId": "P-5"}), "updated"),
    ];
    let (input, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"lookupField": "externalPersonId", "input": input})), expected);
    assert_eq!(bench.state.lead(1002).unwrap()["company"], "Own", "it went to the hidden company");
    let link = json!({"lookupField": "externalPersonId", "input": [{"externalPersonId": "p-4", "externalCompanyId": "c-1"}]});
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &link), ["updated"]);
    assert_eq!(bench.state.lead(1002).unwrap()["company"], "Northwind", "and was left with it");
}

#[test]
fn a_sync_of_nothing_new_changes_no_time() {
    let mut bench = Bench::new();
    let id = bench.family();
    bench.wait(60);
    let same = json!({"lookupField": "externalPersonId", "input": [{"externalPersonId": "p-1", "firstName": "Ann"}]});
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &same), ["updated"]);
    assert_eq!(bench.state.lead(id).unwrap()["updatedAt"], "2026-08-17T12:00:00Z");
    let other = json!({"lookupField": "externalPersonId", "input": [{"externalPersonId": "p-1", "firstName": ""}]});
    bench.outcomes("/rest/v1/leads.json", &other);
    let lead = bench.state.lead(id).unwrap();
    assert_eq!((lead.get("firstName"), &lead["updatedAt"]), (None, &json!("2026-08-17T12:01:00Z")));
}

#[test]
fn queries_are_refused_as_documented() {
    let mut bench = Bench::new();
    for (query, expected) in [
        ("filterValues=1", "1002"),
        ("filterType=email", "1002"),
        ("filterType=nosuch&filterValues=1", "1006"),
        ("filterType=firstName&filterValues=1", "1011"),
        ("filterType=email&filterValues=a@x.test&fields=id,nosuch", "1006"),
        ("filterType=email&filterValues=a@x.test&nextPageToken=GIYD", "1003"),
        ("filterType=email&filterValues=a@x.test&batchSize=many", "1001"),
        ("filterType=email&filterValues=a@x.test", "none"),
    ] {
        assert_eq!(code(&bench.get(&format!("/rest/v1/leads.json?{query}"))), expected, "{query}");
    }
    let values = |count: usize| (0..count).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(code(&bench.form("/rest/v1/leads.json?_method=GET", &format!("filterType=id&filterValues={}", values(300)))), "none");
    assert_eq!(code(&bench.form("/rest/v1/leads.json?_method=GET", &format!("filterType=id&filterValues={}", values(301)))), "1003");
    let records = |count: usize| (0..count).map(|at| json!({"email": format!("{at}@x.test")})).collect::<Vec<_>>();
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"input": records(301)})), ["failed 1003"]);
    assert_eq!(bench.state.lead_count(), 0, "nothing was written");
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"input": records(300)})).len(), 300);
    check(
        &bench.get("/rest/v1/lead/999.json"),
        &json!({"success": false, "errors": [{"code": "1004", "message": "Lead '999' not found"}]}),
    );
}

#[test]
fn three_forms_of_deleting() {
    let mut bench = Bench::new();
    for at in 0..4 {
        bench.state.insert_lead(map(json!({"firstName": format!("L{at}")})), bench.now);
    }
    let answer = bench.post("/rest/v1/leads/delete.json", &json!({"input": [{"id": 1001}, {"id": 999}, {"id": 1001}]}));
    assert_eq!(answer["result"][0], json!({"id": 1001, "status": "deleted"}));
    check(&answer["result"][1], &json!({"id": 999, "status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]}));
    check(&answer["result"][2], &json!({"status": "skipped"}));
    let answer = body(&bench.raw("POST", "/rest/v1/leads/delete.json?id=1002,77", "", ""));
    check(&answer, &json!({"result": [{"id": 1002, "status": "deleted"}, {"id": 77, "status": "skipped"}]}));
    let answer = body(&bench.raw("DELETE", "/rest/v1/leads.json", "application/json", "{\"input\":[{\"id\":1003}]}"));
    check(&answer, &json!({"result": [{"id": 1003, "status": "deleted"}]}));
    assert_eq!(bench.state.lead_count(), 1);
}

#[test]
fn fields_can_be_browsed_made_shortened_and_taken_away() {
    let mut bench = Bench::new();
    let answer = bench.get("/rest/v1/leads/schema/fields.json?batchSize=10");
    check(&answer, &json!({"moreResult": true, "nextPageToken": "*"}));
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = bench.get(&format!("/rest/v1/leads/schema/fields.json?batchSize=40{token}"));
        names.extend(page["result"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned()));
        match page.get("nextPageToken") {
            Some(next) => token = format!("&nextPageToken={}", next.as_str().unwrap().replace('=', "%3D")),
            None => break,
        }
    }
    assert!(names.contains(&"industry".to_owned()) && names.len() > 80, "{}", names.len());
    let field = json!({"displayName": "CRM Key", "name": "crmKey", "dataType": "string"});
    check(
        &bench.post("/rest/v1/leads/schema/fields.json", &json!({"input": [field]})),
        &json!({"result": [{"name": "crmKey", "status": "created"}]}),
    );
    for (name, label, code) in
        [("crmKey", "Another", "1017"), ("other", "crm key", "1017"), ("1st", "First", "1003"), ("a b", "AB", "1003")]
    {
        let field = json!({"displayName": label, "name": name, "dataType": "string"});
        let answer = bench.post("/rest/v1/leads/schema/fields.json", &json!({"input": [field]}));
        check(&answer, &json!({"success": true, "result": [{"status": "skipped", "reasons": [{"code": code}]}]}));
    }
    check(
        &bench.get("/rest/v1/leads/schema/fields/crmkey.json"),
        &json!({"result": [{"name": "crmKey", "isCustom": true, "isApiCreated": true, "description": null}]}),
    );
    let upsert = |value: &str| json!({"lookupField": "crmKey", "input": [{"crmKey": value}]});
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &upsert("k1")), ["created"], "a custom text can be a lookup field");
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &upsert("K1")), ["updated"]);
    assert!(bench.state.set_field_length(Object::Leads, "crmKey", Some(3)));
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &upsert("k123")), ["1003"]);
    assert!(bench.state.add_field(Object::Leads, FieldSpec::new("tier", DataType::Integer)));
    assert!(bench.state.set_field_read_only(Object::Leads, "tier", true));
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"input": [{"email": "a@x.test", "tier": 1}]})), ["1003"]);
    assert!(bench.state.remove_field(Object::Leads, "tier"));
    assert_eq!(bench.outcomes("/rest/v1/leads.json", &json!({"input": [{"email": "a@x.test", "tier": 1}]})), ["1006"]);
}
