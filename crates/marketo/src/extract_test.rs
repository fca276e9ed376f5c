//! Tests of [`super`]: the module beside this file.

use super::*;
use crate::form::test::answer;

#[test]
fn a_job_names_its_fields_and_one_filter_of_31_days() {
    let from: Timestamp = "2026-08-01T00:00:00Z".parse().unwrap();
    let to = base::time::later(from, Duration::from_secs(7 * 24 * 3600));
    let call = CreateExtract { fields: vec!["id".into()], filter: ExtractFilter::UpdatedAt(from, to) };
    let request = call.request().unwrap();
    let sent: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let filter = json!({"updatedAt": {"startAt": "2026-08-01T00:00:00Z", "endAt": "2026-08-08T00:00:00Z"}});
    assert_eq!(sent, json!({"format": "CSV", "fields": ["id"], "filter": filter}));
    let long = base::time::later(from, Duration::from_secs(32 * 24 * 3600));
    assert!(CreateExtract { filter: ExtractFilter::CreatedAt(from, long), ..call.clone() }.request().is_err());
    assert!(CreateExtract { filter: ExtractFilter::CreatedAt(to, from), ..call }.request().is_err());
}

#[test]
fn a_job_that_is_queued_already_is_queued() {
    let call = EnqueueExtract { export_id: "ce45a7a1-1".into() };
    let body = r#"{"success":false,"errors":[{"code":"1029","message":"Export job already queued"}]}"#;
    let answer = crate::judge::verdict(&call.request().unwrap(), answer(body)).unwrap();
    assert_eq!(call.decode(&answer).unwrap(), None);
    let status = GetExtract { export_id: "../x y".into() }.request().unwrap();
    assert_eq!(status.target, wire::Target::Below("/bulk/v1/leads/export/%2E%2E%2Fx%20y/status.json".into()));
}

#[test]
fn both_spellings_of_the_end_are_read() {
    for word in ["Cancelled", "canceled"] {
        let body = format!(r#"{{"success":true,"result":[{{"exportId":"e","status":"{word}"}}]}}"#);
        let job = GetExtract { export_id: "e".into() }.decode(&answer(&body)).unwrap();
        assert_eq!(job.state, ExtractState::Cancelled);
    }
}

#[test]
fn a_file_is_read_without_its_stray_characters_and_a_cut_one_is_refused() {
    let file = "id,email\r\n1,null\r\n2,\"a\0@x\r\n.example\"\r\n";
    let rows = extracted_rows(file.as_bytes()).unwrap();
    assert_eq!((rows[0]["email"].clone(), rows[1]["email"].as_deref()), (None, Some("a@x\n.example")));
    let call = ExtractFile { export_id: "e".into(), size_bytes: Some(99) };
    assert!(matches!(call.decode(&answer(file)), Err(CallError::Garbled(_))));
}
