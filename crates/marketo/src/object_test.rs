//! Tests of [`super`]: the module beside this file.

use super::*;
use crate::form::test::answer;

fn record(text: &str) -> Record {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_company_is_written_as_documented_and_read_by_seq() {
    let call = SyncObjects {
        object: Object::Company,
        action: Action::CreateOrUpdate,
        dedupe_by: KeyBy::DedupeFields,
        records: vec![record(r#"{"externalCompanyId":"1"}"#), record(r#"{"externalCompanyId":"2"}"#)],
    };
    let request = call.request().unwrap();
    assert_eq!(request.target, wire::Target::Below("/rest/v1/companies.json".into()));
    assert_eq!(
        request.body,
        r#"{"action":"createOrUpdate","dedupeBy":"dedupeFields","input":[{"externalCompanyId":"1"},{"externalCompanyId":"2"}]}"#
    );
    assert_eq!(request.replay, Replay::Safe);
    let body = r#"{"success":true,"result":[{"seq":1,"status":"created","id":1323},{"seq":0,"status":"updated","id":1232}]}"#;
    assert_eq!(call.decode(&answer(body)).unwrap()[0].id, Some(1232));
}

#[test]
fn combinations_that_marketo_refuses_are_not_sent() {
    let sync = |object, action, dedupe_by| SyncObjects { object, action, dedupe_by, records: vec![Record::new()] }.request();
    assert!(sync(Object::Company, Action::CreateOrUpdate, KeyBy::IdField).is_err());
    assert!(sync(Object::Company, Action::CreateDuplicate, KeyBy::DedupeFields).is_err());
    assert!(sync(Object::Lead, Action::UpdateOnly, KeyBy::DedupeFields).is_err());
    assert_eq!(sync(Object::Role, Action::CreateOnly, KeyBy::DedupeFields).unwrap().replay, Replay::Unsafe);
    assert_eq!(sync(Object::Role, Action::UpdateOnly, KeyBy::IdField).unwrap().replay, Replay::Safe);
}

#[test]
fn roles_are_asked_for_by_their_compound_key() {
    let call = QueryRoles {
        keys: vec![record(r#"{"externalOpportunityId":"0b77","leadId":481,"role":"Decision Maker"}"#)],
        fields: vec!["marketoGUID".into()],
        next: PageToken::new("T="),
    };
    let request = call.request().unwrap();
    assert_eq!(request.target, wire::Target::Below("/rest/v1/opportunities/roles.json?_method=GET".into()));
    let sent: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        sent,
        serde_json::json!({"filterType":"dedupeFields","fields":["marketoGUID"],"batchSize":300,"nextPageToken":"T=",
            "input":[{"externalOpportunityId":"0b77","leadId":481,"role":"Decision Maker"}]})
    );
}

#[test]
fn a_deletion_reads_its_guids_without_blanks() {
    let call = DeleteObjects {
        object: Object::Opportunity,
        by: KeyBy::DedupeFields,
        keys: vec![record(r#"{"externalOpportunityId":"a"}"#), record(r#"{"externalOpportunityId":"b"}"#)],
    };
    assert_eq!(
        call.request().unwrap().body,
        r#"{"deleteBy":"dedupeFields","input":[{"externalOpportunityId":"a"},{"externalOpportunityId":"b"}]}"#
    );
    let body = r#"{"success":true,"result":[{"seq":0,"status":"deleted","marketoGUID":"dff2 "},
        {"seq":1,"status":"skipped","reasons":[{"code":"1013","message":"Object not found"}]}]}"#;
    let verdicts = call.decode(&answer(body)).unwrap();
    assert_eq!((verdicts[0].guid.as_deref(), verdicts[0].is_confirmed()), (Some("dff2"), true));
    assert_eq!(verdicts[1].code(), "1013");
}
