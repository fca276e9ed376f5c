//! Bulk import and bulk extract.

use base::Timestamp;
use emulator::Response;
use serde_json::{Value, json};

use crate::bench::{Bench, body, check, code, map, request};

fn upload(bench: &mut Bench, query: &str, file: &str) -> Value {
    let form = format!(
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"leads.csv\"\r\nContent-Type: text/csv\r\n\r\n{file}\r\n--B--\r\n"
    );
    body(&bench.raw("POST", &format!("/bulk/v1/leads.json?{query}"), "multipart/form-data; boundary=B", form))
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

#[test]
fn an_import_counts_and_gives_back_what_it_refused() {
    let mut bench = Bench::with(|options| {
        options.bulk_queue_s = 5;
        options.bulk_run_s = 10;
    });
    bench.family();
    let file = "externalPersonId,email,leadScore,externalCompanyId,doNotCall\np-1,ann@new.test,7,c-1,true\np-2,\"b,ob@x.test\",abc,,\np-3,näme,,,\n,dora@x.test,,,\np-4,ed@x.test,3,c-9,FALSE\n";
    let answer = upload(&mut bench, "format=csv&lookupField=externalPersonId", file);
    check(&answer, &json!({"success": true, "result": [{"batchId": 1001, "importId": "1001", "status": "Queued"}]}));
    let status = |bench: &mut Bench, wait: i64| {
        bench.wait(wait);
        bench.get("/bulk/v1/leads/batch/1001.json")["result"][0].clone()
    };
    check(&status(&mut bench, 4), &json!({"status": "Queued", "numOfLeadsProcessed": 0}));
    check(&status(&mut bench, 1), &json!({"status": "Importing"}));
    check(
        &status(&mut bench, 10),
        &json!({"batchId": 1001, "importId": "1001", "status": "Complete", "numOfLeadsProcessed": 2, "numOfRowsFailed": 3, "numOfRowsWithWarning": 1,
        "message": "Import completed with errors, 2 records imported (2 members), 3 failed"}),
    );
    let failures = text(&bench.raw("GET", "/bulk/v1/leads/batch/1001/failures.json", "", ""));
    let lines: Vec<_> = failures.lines().collect();
    assert_eq!(lines[0], "externalPersonId,email,leadScore,externalCompanyId,doNotCall,Import Failure Reason");
    assert_eq!(lines[1], "p-2,\"b,ob@x.test\",abc,,,Invalid data type in field Lead Score");
    assert_eq!(lines[2], ",dora@x.test,,,,missing.dedupe.fields");
    assert!(lines[3].starts_with("p-4,ed@x.test,3,c-9,FALSE,Object not found"), "{}", lines[3]);
    let warnings = text(&bench.raw("GET", "/bulk/v1/leads/batch/1001/warnings.json", "", ""));
    assert_eq!(
        warnings,
        "externalPersonId,email,leadScore,externalCompanyId,doNotCall,Import Warning Reason\np-3,näme,,,,Invalid email address\n"
    );
    check(
        &Value::Object(bench.state.lead(1001).unwrap()),
        &json!({"email": "ann@new.test", "leadScore": 7, "doNotCall": true, "firstName": "Ann"}),
    );
}

#[test]
fn an_import_can_fail_as_a_whole() {
    let mut bench = Bench::with(|options| options.bulk_import_fails = true);
    upload(&mut bench, "format=csv", "email\na@x.test");
    bench.wait(10);
    let expected = json!({"status": "Failed", "numOfLeadsProcessed": 0, "numOfRowsFailed": 0, "message": "Import failed"});
    check(&bench.get("/bulk/v1/leads/batch/1001.json")["result"][0], &expected);
    assert_eq!(bench.raw("GET", "/bulk/v1/leads/batch/1001/failures.json", "", "").status, 404);
    assert_eq!(bench.state.leads().count(), 0);
}

#[test]
fn rows_with_a_warning_are_imported() {
    let mut bench = Bench::new();
    upload(&mut bench, "format=csv", "email\nbo@@x.test\ncy@x.test\nnäme@x.test");
    bench.wait(10);
    let expected = json!({"status": "Complete", "numOfLeadsProcessed": 3, "numOfRowsFailed": 0, "numOfRowsWithWarning": 2});
    check(&bench.get("/bulk/v1/leads/batch/1001.json")["result"][0], &expected);
    let warnings = text(&bench.raw("GET", "/bulk/v1/leads/batch/1001/warnings.json", "", ""));
    assert_eq!(warnings, "email,Import Warning Reason\nbo@@x.test,Invalid email address\nnäme@x.test,Invalid email address\n");
}

#[test]
fn a_file_of_ten_megabytes_is_too_large() {
    let mut bench = Bench::new();
    let row = format!("a@x.test,{}\n", "x".repeat(200));
    let file = format!("email,title\n{}", row.repeat(10 * 1024 * 1024 / row.len() + 1));
    let form = format!("--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"l.csv\"\r\n\r\n{file}\r\n--B--\r\n");
    assert_eq!(bench.raw("POST", "/bulk/v1/leads.json?format=csv", "multipart/form-data; boundary=B", form).status, 413);
}

#[test]
fn imports_are_refused_as_documented() {
    let mut bench = Bench::with(|options| options.bulk_run_s = 3600);
    assert_eq!(bench.state.add_list("Fair", bench.now), 101);
    for (query, file, expected) in [
        ("", "email\na@x.test", "1002"),
        ("format=xls", "email\na@x.test", "1003"),
        ("format=csv&lookupField=nosuch", "email\na@x.test", "1006"),
        ("format=csv&lookupField=title", "email\na@x.test", "1011"),
        ("format=csv", "email , title\na@x.test,x", "1006"),
        ("format=csv&listId=4", "email\na@x.test", "1013"),
        ("format=csv&listId=101", "email\na@x.test", "none"),
        ("format=csv&listId=101", "email\na@x.test", "1019"),
    ] {
        assert_eq!(code(&upload(&mut bench, query, file)), expected, "{query}");
    }
    for _ in 0..9 {
        assert_eq!(code(&upload(&mut bench, "format=tsv&lookupField=id", "id\ttitle\n5\tx")), "none");
    }
    assert_eq!(code(&upload(&mut bench, "format=csv", "email\na@x.test")), "1016");
    assert_eq!(bench.raw("GET", "/bulk/v1/leads/batch/1001/failures.json", "", "").status, 404);
    assert_eq!(bench.raw("GET", "/bulk/v1/leads/batch/7/failures.json", "", "").status, 404);
    assert_eq!(code(&bench.get("/bulk/v1/leads/batch/7.json")), "1013");
    bench.wait(5 * 3600 + 1);
    bench.log_in();
    check(
        &bench.get("/bulk/v1/leads/batch/1010.json"),
        &json!({"result": [{"status": "Complete", "numOfLeadsProcessed": 0, "numOfRowsFailed": 1}]}),
    );
}

fn create(bench: &mut Bench, kind: &str, sent: &Value) -> String {
    let answer = bench.post(&format!("/bulk/v1/{kind}/export/create.json"), sent);
    answer.pointer("/result/0/exportId").and_then(Value::as_str).unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn step(bench: &mut Bench, kind: &str, id: &str, step: &str) -> Value {
    body(&bench.raw("POST", &format!("/bulk/v1/{kind}/export/{id}/{step}.json"), "", ""))
}

fn range() -> Value {
    json!({"startAt": "2026-08-01T00:00:00Z", "endAt": "2026-08-31T00:00:00Z"})
}

#[test]
fn an_extract_from_creation_to_a_part_of_its_file() {
    let mut bench = Bench::with(|options| {
        options.bulk_queue_s = 5;
        options.bulk_run_s = 10;
    });
    bench.family();
    bench.state.insert_lead(map(json!({"email": "old@x.test", "createdAt": "2026-07-01T00:00:00Z"})), bench.now);
    let sent = json!({"format": "CSV", "fields": ["id", "externalPersonId", "company", "priority", "updatedAt"], "columnHeaderNames": {"id": "Marketo Id"}, "filter": {"createdAt": range()}});
    let id = create(&mut bench, "leads", &sent);
    let status = |bench: &mut Bench| bench.get(&format!("/bulk/v1/leads/export/{id}/status.json"))["result"][0].clone();
    check(&status(&mut bench), &json!({"exportId": id, "format": "CSV", "status": "Created", "createdAt": "2026-08-17T12:00:00Z"}));
    check(&step(&mut bench, "leads", &id, "enqueue"), &json!({"result": [{"status": "Queued", "queuedAt": "*"}]}));
    check(
        &step(&mut bench, "leads", &id, "enqueue"),
        &json!({"success": false, "errors": [{"code": "1029", "message": "Export job already queued"}]}),
    );
    let file = format!("/bulk/v1/leads/export/{id}/file.json");
    assert_eq!(bench.raw("GET", &file, "", "").status, 404);
    bench.wait(6);
    check(&status(&mut bench), &json!({"status": "Processing", "startedAt": "2026-08-17T12:00:05Z"}));
    bench.wait(10);
    let expected = "Marketo Id,externalPersonId,company,priority,updatedAt\n1001,p-1,Northwind,null,2026-08-17T12:00:00Z\n";
    check(
        &status(&mut bench),
        &json!({"status": "Completed", "finishedAt": "2026-08-17T12:00:15Z", "numberOfRecords": 1, "fileSize": expected.len(), "fileChecksum": "*"}),
    );
    let whole = bench.raw("GET", &file, "", "");
    assert_eq!((whole.status, text(&whole).as_str()), (200, expected));
    for (wanted, from, to) in [
        ("bytes=0-9", 0, 10),
        ("bytes=20-", 20, expected.len()),
        ("bytes=-5", expected.len() - 5, expected.len()),
        ("bytes=0-99999", 0, expected.len()),
    ] {
        let mut ranged = request("GET", &file, &bench.token, "", "");
        ranged.headers.insert("range", wanted.parse().unwrap());
        let part = bench.send(&ranged);
        assert_eq!((part.status, text(&part).as_str()), (206, &expected[from..to]), "{wanted}");
        assert_eq!(part.headers["content-range"], format!("bytes {from}-{}/{}", to - 1, expected.len()));
    }
    check(&bench.get("/bulk/v1/leads/export.json?status=Created&status=Completed"), &json!({"result": [{"exportId": id}]}));
    check(&bench.get("/bulk/v1/leads/export.json?status=Queued,Processing"), &json!({"result": []}));
    check(&bench.get("/bulk/v1/activities/export.json"), &json!({"result": []}));
}

#[test]
fn the_updated_filter_sees_changes_that_the_field_does_not_show() {
    let mut bench = Bench::new();
    let lead = bench.state.insert_lead(map(json!({"email": "a@x.test", "createdAt": "2026-07-01T00:00:00Z"})), bench.now);
    bench.state.add_field(marketo_emulator::Object::Leads, marketo_emulator::FieldSpec::new("shoe", marketo_emulator::DataType::String));
    let export = |bench: &mut Bench| {
        let id = create(bench, "leads", &json!({"fields": ["id", "updatedAt"], "filter": {"updatedAt": range()}}));
        step(bench, "leads", &id, "enqueue");
        text(&bench.raw("GET", &format!("/bulk/v1/leads/export/{id}/file.json"), "", ""))
    };
    assert_eq!(export(&mut bench), "id,updatedAt\n");
    bench.outcomes("/rest/v1/leads.json", &json!({"input": [{"email": "a@x.test", "shoe": "43"}]}));
    assert_eq!(export(&mut bench), format!("id,updatedAt\n{lead},2026-07-01T00:00:00Z\n"));
}

#[test]
fn activities_extract_with_their_attributes_as_an_object() {
    let mut bench = Bench::new();
    let lead = bench.family();
    bench.state.interesting_moment(lead, "Web", "Saw \"it\"", "Campaign", bench.now);
    let id = create(&mut bench, "activities", &json!({"filter": {"createdAt": range(), "activityTypeIds": [46]}}));
    step(&mut bench, "activities", &id, "enqueue");
    let file = text(&bench.raw("GET", &format!("/bulk/v1/activities/export/{id}/file.json"), "", ""));
    let expected = "marketoGUID,leadId,activityDate,activityTypeId,campaignId,primaryAttributeValueId,primaryAttributeValue,attributes\n2,1001,2026-08-17T12:00:00Z,46,null,null,Web,\"{\"\"Date\"\":\"\"2026-08-17T12:00:00Z\"\",\"\"Description\"\":\"\"Saw \\\"\"it\\\"\"\"\",\"\"Source\"\":\"\"Campaign\"\"}\"\n";
    assert_eq!(file, expected);
}

#[test]
fn extracts_are_refused_as_documented() {
    let mut bench = Bench::new();
    let long = json!({"startAt": "2026-07-01T00:00:00Z", "endAt": "2026-08-02T00:00:00Z"});
    let milliseconds = json!({"startAt": "2026-08-01T00:00:00.000Z", "endAt": "2026-08-02T00:00:00Z"});
    for (sent, expected) in [
        (json!({"filter": {"createdAt": range()}}), "1002"),
        (json!({"fields": ["id"]}), "1002"),
        (json!({"fields": ["id", "nosuch"], "filter": {"createdAt": range()}}), "1006"),
        (json!({"fields": ["id"], "filter": {}}), "1002"),
        (json!({"fields": ["id"], "filter": {"createdAt": range(), "updatedAt": range()}}), "1003"),
        (json!({"fields": ["id"], "filter": {"createdAt": long}}), "1003"),
        (json!({"fields": ["id"], "filter": {"createdAt": milliseconds}}), "1003"),
        (json!({"fields": ["id"], "filter": {"smartListId": 5}}), "1035"),
        (json!({"fields": ["id"], "filter": {"updatedAt": range()}}), "none"),
    ] {
        assert_eq!(code(&bench.post("/bulk/v1/leads/export/create.json", &sent)), expected, "{sent}");
    }
    bench.state.options_mut().updated_at_extract = false;
    assert_eq!(
        code(&bench.post("/bulk/v1/leads/export/create.json", &json!({"fields": ["id"], "filter": {"updatedAt": range()}}))),
        "1035"
    );
    assert_eq!(code(&bench.get("/bulk/v1/leads/export/nosuch/status.json")), "1013");
}

#[test]
fn jobs_and_files_are_kept_for_a_while() {
    let mut bench = Bench::new();
    upload(&mut bench, "format=csv", "email\nnäme");
    bench.wait(1);
    assert_eq!(code(&bench.get("/bulk/v1/leads/batch/1001.json")), "none");
    let id = create(&mut bench, "leads", &json!({"fields": ["id"], "filter": {"createdAt": range()}}));
    step(&mut bench, "leads", &id, "enqueue");
    let (file, status) = (format!("/bulk/v1/leads/export/{id}/file.json"), format!("/bulk/v1/leads/export/{id}/status.json"));
    let mut after = |days: i64| {
        bench.wait(days * 24 * 3600);
        bench.log_in();
        let files = [file.as_str(), "/bulk/v1/leads/batch/1001/warnings.json"].map(|file| bench.raw("GET", file, "", "").status);
        let codes = [status.as_str(), "/bulk/v1/leads/batch/1001.json"].map(|status| code(&bench.get(status)).to_owned());
        (files, codes)
    };
    assert_eq!(after(0), ([200, 200], ["none".into(), "none".into()]));
    assert_eq!(after(8), ([404, 404], ["none".into(), "1013".into()]));
    assert_eq!(after(23), ([404, 404], ["1013".into(), "1013".into()]));
}

#[test]
fn a_bulk_path_is_one_however_it_is_written() {
    let mut bench = Bench::new();
    let row = format!("a@x.test,{}\n", "x".repeat(200));
    let file = format!("email,title\n{}", row.repeat(2 * 1024 * 1024 / row.len()));
    let form = format!("--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"l.csv\"\r\n\r\n{file}\r\n--B--\r\n");
    for (path, status) in [("/bulk/v1/leads.json", 200), ("/rest/../bulk/v1/leads.json", 200), ("/rest/v1/leads.json", 413)] {
        let answer = bench.raw("POST", &format!("{path}?format=csv"), "multipart/form-data; boundary=B", form.clone());
        assert_eq!(answer.status, status, "{path}");
    }
}

#[test]
fn the_queue_the_volume_and_the_owner_of_a_job() {
    let mut bench = Bench::with(|options| {
        options.bulk_run_s = 3600;
        options.export_daily_bytes = 10;
        let id = "second".to_owned();
        options.other_clients.push(marketo_emulator::ApiClient {
            secret: id.clone(),
            user: "b@x.test".into(),
            permissions: options.permissions.clone(),
            id,
        });
    });
    let sent = json!({"fields": ["id", "email"], "filter": {"createdAt": range()}});
    let jobs: Vec<_> = (0..11).map(|_| create(&mut bench, "leads", &sent)).collect();
    let queued: Vec<_> = jobs.iter().map(|id| code(&step(&mut bench, "leads", id, "enqueue")).to_owned()).collect();
    assert_eq!(queued.iter().filter(|code| *code == "none").count(), 10);
    assert_eq!(queued[10], "1029");
    check(&step(&mut bench, "leads", &jobs[3], "cancel"), &json!({"result": [{"status": "Cancelled"}]}));
    assert_eq!(code(&step(&mut bench, "leads", &jobs[10], "enqueue")), "none", "a place is free again");
    let token = std::mem::take(&mut bench.token);
    let login = request("GET", "/identity/oauth/token?grant_type=client_credentials&client_id=second&client_secret=second", "", "", "");
    bench.token = body(&bench.send(&login))["access_token"].as_str().unwrap().to_owned();
    assert_eq!(code(&bench.get(&format!("/bulk/v1/leads/export/{}/status.json", jobs[0]))), "1013", "another user's job");
    bench.token = token;
    bench.wait(3600);
    bench.log_in();
    check(&bench.get(&format!("/bulk/v1/leads/export/{}/status.json", jobs[0])), &json!({"result": [{"status": "Completed"}]}));
    check(
        &bench.post("/bulk/v1/leads/export/create.json", &sent),
        &json!({"errors": [{"code": "1029", "message": "Export daily quota 0MB exceeded."}]}),
    );
    bench.now = "2026-08-20T05:00:00Z".parse::<Timestamp>().unwrap();
    bench.log_in();
    assert_eq!(code(&bench.post("/bulk/v1/leads/export/create.json", &sent)), "none", "a new Central day");
}
