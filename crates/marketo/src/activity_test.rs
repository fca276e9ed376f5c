//! Tests of [`super`]: the module beside this file.

use super::*;
use crate::form::test::answer;

fn token() -> PageToken {
    PageToken::new("GIYD+A==").unwrap()
}

fn activities(body: &str) -> Result<ActivityPage, CallError> {
    Activities { token: token(), type_ids: vec![46], lead_ids: vec![] }.decode(&answer(body))
}

#[test]
fn an_interesting_moment_is_read_whole() {
    let body = r#"{"requestId":"m#1","success":true,"moreResult":false,"nextPageToken":"WQV2====","result":[
        {"id":10229,"marketoGUID":"10229","leadId":481,"activityDate":"2026-08-02T11:05:09+0000","activityTypeId":46,"campaignId":3310,
         "primaryAttributeValue":"Web","attributes":[{"name":"Date","value":"2026-08-02T11:05:09Z"},{"name":"Count","value":3},{"name":"Hot","value":true}]}]}"#;
    let page = activities(body).unwrap();
    let one = &page.activities[0];
    assert_eq!((one.guid.as_str(), one.lead_id, one.type_id, one.campaign_id), ("10229", 481, 46, Some(3310)));
    assert_eq!(one.at.to_string(), "2026-08-02T11:05:09Z");
    assert_eq!(
        (one.primary_value.as_deref(), one.text("count").as_deref(), one.text("Hot").as_deref()),
        (Some("Web"), Some("3"), Some("true"))
    );
    assert_eq!((page.next.as_str(), page.more), ("WQV2====", false));
}

#[test]
fn an_empty_page_may_have_more_and_a_bad_row_spoils_only_itself() {
    let page = activities(r#"{"success":true,"moreResult":true,"nextPageToken":"N"}"#).unwrap();
    assert!(page.more && page.activities.is_empty());
    let body = r#"{"success":true,"nextPageToken":"N","result":[{"id":1,"leadId":1,"activityDate":"soon","activityTypeId":46},
        {"id":2,"leadId":"7","activityDate":"2026-08-02T11:05:09Z","activityTypeId":46}]}"#;
    let page = activities(body).unwrap();
    assert_eq!((page.activities.len(), page.activities[0].lead_id), (1, 7));
    assert_eq!(page.unreadable, ["activity 1 has no readable activityDate"]);
    assert!(matches!(activities(r#"{"success":true,"moreResult":true}"#), Err(CallError::Garbled(_))));
}

#[test]
fn a_change_names_its_fields() {
    let body = r#"{"success":true,"nextPageToken":"N","moreResult":false,"result":[{"id":1078,"marketoGUID":"1078","leadId":775,
        "activityDate":"2026-08-01T22:31:49+0000","activityTypeId":13,"fields":[{"id":48,"name":"firstName","newValue":"Ann","oldValue":"An"}],
        "attributes":[{"name":"Source","value":"Web service API"},{"name":"Lead ID","value":775}]}]}"#;
    let call = LeadChanges { token: token(), fields: vec!["firstName".into()], lead_ids: vec![] };
    let page = call.decode(&answer(body)).unwrap();
    assert_eq!(page.activities[0].changes, [FieldChange { name: "firstName".into(), old: "An".into(), new: "Ann".into() }]);
}

#[test]
fn tokens_are_encoded_and_limits_kept() {
    let call = Activities { token: token(), type_ids: vec![22, 46], lead_ids: vec![1, 2] };
    let expected = "/rest/v1/activities.json?nextPageToken=GIYD%2BA%3D%3D&batchSize=300&activityTypeIds=22%2C46&leadIds=1%2C2";
    assert_eq!(call.request().unwrap().target, wire::Target::Below(expected.into()));
    assert!(Activities { type_ids: (0..11).collect(), ..call.clone() }.request().is_err());
    assert!(Activities { type_ids: vec![], ..call.clone() }.request().is_err());
    assert!(Activities { lead_ids: (0..31).collect(), ..call.clone() }.request().is_err());
    let long = Activities { token: PageToken::new("A".repeat(9000)).unwrap(), ..call };
    assert_eq!(long.request().unwrap().method, http::Method::POST);
    let since = PagingTokenSince { at: "2026-08-01T00:00:00.9Z".parse().unwrap() };
    let expected = "/rest/v1/activities/pagingtoken.json?sinceDatetime=2026-08-01T00%3A00%3A00Z";
    assert_eq!(since.request().unwrap().target, wire::Target::Below(expected.into()));
    assert_eq!(since.decode(&answer(r#"{"success":true,"nextPageToken":"GIYD"}"#)).unwrap().as_str(), "GIYD");
}
