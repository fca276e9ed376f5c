//! Tests of [`super`]: the module beside this file.

use super::*;
use crate::form::test::answer;

#[test]
fn a_file_is_sent_as_one_part_with_its_parameters_in_the_address() {
    let file = Bytes::from("email,note\na@x.example,hi\n");
    let call = ImportLeads { file, lookup_field: "externalPersonId".into(), partition: Some("EU & UK".into()), list_id: None };
    let request = call.request().unwrap();
    let expected = "/bulk/v1/leads.json?format=csv&lookupField=externalPersonId&partitionName=EU+%26+UK";
    assert_eq!(request.target, wire::Target::Below(expected.into()));
    let kind = request.headers["content-type"].to_str().unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = std::str::from_utf8(&request.body).unwrap();
    assert!(body.starts_with(&format!("--{boundary}\r\n")) && body.ends_with(&format!("\r\n--{boundary}--\r\n")));
    assert!(body.contains("name=\"file\"; filename=\"leads.csv\"\r\n"));
}

#[test]
fn no_part_of_a_file_looks_like_its_end() {
    let file = Bytes::from("email,note\na@x.example,part-of-import-0 part-of-import-1\n");
    assert_eq!(boundary(&file), "part-of-import-2");
}

#[test]
fn more_than_a_file_may_hold_is_not_sent() {
    let call = ImportLeads { file: vec![b'x'; 10_000_000].into(), lookup_field: "email".into(), partition: None, list_id: None };
    assert_eq!(call.request().unwrap_err().class(), Some(wire::Class::Split));
}

#[test]
fn a_job_is_read_from_queue_to_end() {
    let body = r#"{"success":true,"result":[{"batchId":3404,"importId":"3404","status":"Queued"}]}"#;
    let job = GetImport { batch_id: 3404 }.decode(&answer(body)).unwrap();
    assert_eq!((job.batch_id, job.state.is_final()), (3404, false));
    let body = r#"{"success":true,"result":[{"importId":"3404","status":"Complete","numOfLeadsProcessed":2,"numOfRowsFailed":1,"numOfRowsWithWarning":0,"message":"m"}]}"#;
    let job = GetImport { batch_id: 3404 }.decode(&answer(body)).unwrap();
    assert_eq!((job.state, job.processed, job.failed), (ImportState::Complete, 2, 1));
}

#[test]
fn a_report_keeps_the_row_and_tells_the_reason() {
    let call = ImportFailures { batch_id: 1, key: "email".into() };
    let rows =
        call.decode(&answer("email,leadScore,Import Failure Reason\na@x.example,many,Invalid data type in field Lead Score\n")).unwrap();
    let expected = ReportedRow { key: "a@x.example".into(), reason: "Invalid data type in field Lead Score".into() };
    assert_eq!(rows, [expected]);
    assert!(call.decode(&answer("id,Import Failure Reason\n1,no\n")).is_err(), "rows that nobody knows");
    assert!(call.decode(&answer("")).unwrap().is_empty());
}
