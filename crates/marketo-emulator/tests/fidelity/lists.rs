//! Static lists: who is on them, by every way there is.

use marketo_emulator::Options;
use serde_json::{Value, json};

use crate::{
    activities::token,
    bench::{Bench, body, check, code},
};

/// Three leads and a list.
fn listed(change: impl FnOnce(&mut Options)) -> (Bench, i64) {
    let mut bench = Bench::with(change);
    for name in ["ann", "bob", "cy"] {
        bench.outcomes("/rest/v1/leads.json", &json!({"input": [{"email": format!("{name}@x.test")}]}));
    }
    let list = bench.state.add_list("Newsletter", bench.now);
    (bench, list)
}

fn ids(answer: &Value) -> Vec<i64> {
    answer["result"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[test]
fn leads_come_on_a_list_and_off_it() {
    let (mut bench, list) = listed(|_| {});
    let path = format!("/rest/v1/lists/{list}/leads.json");
    let since = token(&mut bench, "2026-08-17");
    let sent = json!({"input": [{"id": 1001}, {"id": "1002"}, {"id": 77}]});
    check(
        &bench.post(&path, &sent),
        &json!({"success": true, "result": [{"id": 1001, "status": "added"}, {"id": 1002, "status": "added"},
            {"id": 77, "status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]}]}),
    );
    check(&bench.post(&format!("{path}?id=1002,1003"), &Value::Null), &json!({"success": false}));
    check(
        &body(&bench.raw("POST", &format!("{path}?id=1002,1003"), "", "")),
        &json!({"result": [{"status": "added"}, {"status": "added"}]}),
    );
    check(
        &bench.get(&format!("/rest/v1/lists/{list}/leads/ismember.json?id=1001&id=1003&id=77")),
        &json!({"result": [{"id": 1001, "status": "memberof"}, {"id": 1003, "status": "memberof"}, {"id": 77, "status": "skipped"}]}),
    );
    let removed = body(&bench.raw("DELETE", &path, "application/json", json!({"input": [{"id": 1003}]}).to_string()));
    check(&removed, &json!({"result": [{"id": 1003, "status": "removed"}]}));
    check(
        &body(&bench.raw("DELETE", &format!("{path}?id=1003"), "", "")),
        &json!({"result": [{"id": 1003, "status": "skipped", "reasons": [{"code": "1015", "message": "Lead not in list"}]}]}),
    );
    let asked = json!({"input": [{"id": 1003}]});
    check(
        &bench.post(&format!("/rest/v1/lists/{list}/leads/ismember.json?_method=GET"), &asked),
        &json!({"result": [{"id": 1003, "status": "notmemberof"}]}),
    );
    let told = bench.get(&format!("/rest/v1/activities.json?activityTypeIds=24,25&nextPageToken={since}"));
    let kinds: Vec<_> =
        told["result"].as_array().unwrap().iter().map(|row| (row["activityTypeId"].clone(), row["leadId"].clone())).collect();
    assert_eq!(kinds, [(24, 1001), (24, 1002), (24, 1003), (25, 1003)].map(|(kind, lead)| (json!(kind), json!(lead))), "once each");
    assert_eq!(told["result"][0]["primaryAttributeValueId"], list);
    assert_eq!(code(&bench.get("/rest/v1/lists/7/leads.json")), "1013");
}

#[test]
fn leads_by_list_in_pages() {
    let (mut bench, list) = listed(|_| {});
    for lead in [1003, 1001, 1002] {
        bench.post(&format!("/rest/v1/lists/{list}/leads.json"), &json!({"input": [{"id": lead}]}));
    }
    let first = bench.get(&format!("/rest/v1/lists/{list}/leads.json?batchSize=2&fields=id,email"));
    check(&first, &json!({"result": [{"id": 1001, "email": "ann@x.test"}, {"id": 1002}], "nextPageToken": "*"}));
    let next = first["nextPageToken"].as_str().unwrap().replace('=', "%3D");
    let second =
        bench.form(&format!("/rest/v1/list/{list}/leads.json"), &format!("_method=GET&batchSize=2&fields=id,email&nextPageToken={next}"));
    assert_eq!(ids(&second), [1003]);
    assert!(second.get("nextPageToken").is_none());
    check(&bench.get("/rest/v1/leads/1001/listMembership.json"), &json!({"result": [{"id": list}]}));
    check(
        &bench.get(&format!("/rest/v1/lists.json?name=newsletter,other&id={list}")),
        &json!({"result": [{"id": list, "name": "Newsletter"}]}),
    );
    check(&bench.get("/rest/v1/lists.json?name=other"), &json!({"result": []}));
    check(&bench.get(&format!("/rest/v1/lists/{list}.json")), &json!({"result": [{"workspaceName": "Default", "createdAt": "*"}]}));
    assert_eq!(code(&bench.get("/rest/v1/lists/7.json")), "1013");
}

#[test]
fn members_that_are_merged_or_deleted() {
    let (mut bench, list) = listed(|_| {});
    bench.post(&format!("/rest/v1/lists/{list}/leads.json"), &json!({"input": [{"id": 1001}, {"id": 1002}]}));
    assert!(bench.state.merge_leads(1003, &[1001], bench.now));
    assert!(bench.state.delete_lead(1002, bench.now));
    assert_eq!(bench.state.list_members(list), [1003]);
}

#[test]
fn an_import_fills_its_list_and_an_extract_reads_it() {
    let (mut bench, list) = listed(|_| {});
    let file = "email,firstName\nann@x.test,Ann\nnew@x.test,New\n,Nobody\n";
    let form = format!("--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"l.csv\"\r\n\r\n{file}\r\n--B--\r\n");
    let import = |bench: &mut Bench, list: i64| {
        body(&bench.raw("POST", &format!("/bulk/v1/leads.json?format=csv&listId={list}"), "multipart/form-data; boundary=B", form.clone()))
    };
    assert_eq!(code(&import(&mut bench, 7)), "1013");
    assert_eq!(code(&import(&mut bench, list)), "none");
    bench.get("/bulk/v1/leads/batch/1001.json");
    assert_eq!(bench.state.list_members(list), [1001, 1004]);
    let since = token(&mut bench, "2026-08-17");
    let target = format!("/rest/v1/activities.json?activityTypeIds=12&listId={list}&nextPageToken={since}");
    let leads: Vec<_> = bench.get(&target)["result"].as_array().unwrap().iter().map(|row| row["leadId"].clone()).collect();
    assert_eq!(leads, [1001, 1004]);
    for filter in [json!({"staticListId": list}), json!({"staticListName": "Newsletter"})] {
        let made = bench.post("/bulk/v1/leads/export/create.json", &json!({"fields": ["id", "email"], "filter": filter}));
        let id = made["result"][0]["exportId"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        bench.raw("POST", &format!("/bulk/v1/leads/export/{id}/enqueue.json"), "", "");
        let file = bench.raw("GET", &format!("/bulk/v1/leads/export/{id}/file.json"), "", "");
        assert_eq!(String::from_utf8(file.body.to_vec()).unwrap(), "id,email\n1001,ann@x.test\n1004,new@x.test\n");
    }
    let unknown = json!({"fields": ["id"], "filter": {"staticListId": 7}});
    assert_eq!(code(&bench.post("/bulk/v1/leads/export/create.json", &unknown)), "1013");
}

#[test]
fn lists_as_assets() {
    let mut bench = Bench::new();
    let browse = "/rest/asset/v1/staticLists.json";
    let nothing = bench.get(browse);
    assert!(nothing["success"] == true && nothing.get("result").is_none() && nothing["warnings"][0].is_string(), "{nothing}");
    let made = bench.form(browse, "name=Fair&description=Hannover&folder=%7B%22id%22%3A1%2C%22type%22%3A%22Folder%22%7D");
    check(&made, &json!({"result": [{"name": "Fair", "description": "Hannover", "createdAt": "2026-08-17T12:00:00Z+0000"}]}));
    let id = made["result"][0]["id"].as_i64().unwrap();
    assert_eq!(code(&bench.form(browse, "name=fair&folder=1")), "709");
    check(
        &bench.form(&format!("/rest/asset/v1/staticList/{id}.json"), "name=Trade+fair"),
        &json!({"result": [{"name": "Trade fair", "description": "Hannover"}]}),
    );
    check(&bench.get("/rest/asset/v1/staticList/byName.json?name=Trade%20fair"), &json!({"result": [{"id": id}]}));
    for at in 0..3 {
        bench.state.add_list(&format!("l{at}"), bench.now);
    }
    assert_eq!(ids(&bench.get(&format!("{browse}?maxReturn=3"))).len(), 3);
    assert_eq!(ids(&bench.get(&format!("{browse}?maxReturn=3&offset=3"))).len(), 1);
    check(&body(&bench.raw("POST", &format!("/rest/asset/v1/staticList/{id}/delete.json"), "", "")), &json!({"result": [{"id": id}]}));
    assert_eq!(code(&bench.get(&format!("/rest/v1/lists/{id}.json"))), "1013");
}
