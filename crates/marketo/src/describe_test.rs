//! Tests of [`super`]: the module beside this file.

use super::*;
use crate::form::test::answer;

#[test]
fn leads_are_told_with_what_they_can_be_searched_by() {
    let body = r#"{"requestId":"b#1","success":true,"result":[{"name":"API Lead",
        "searchableFields":[["email"],["id"],["externalPersonId"]],
        "fields":[{"name":"email","displayName":"Email Address","dataType":"email","length":255,"updateable":true,"crmManaged":false},
                  {"name":"relativeScore","displayName":"Relative Score","dataType":"integer","updateable":false,"crmManaged":false}]}]}"#;
    let told = DescribeLeads.decode(&answer(body)).unwrap();
    assert_eq!((told.id_field.as_str(), told.dedupe_fields.as_slice()), ("id", ["email".to_owned()].as_slice()));
    assert!(told.is_searchable("EXTERNALpersonid") && !told.is_searchable("relativeScore"));
    let email = told.field("Email").unwrap();
    assert_eq!((email.name.as_str(), &email.data_type, email.length), ("email", &DataType::Email, Some(255)));
    assert!(!told.field("relativescore").unwrap().updateable);
    let saved = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<Description>(&saved).unwrap(), told);
}

#[test]
fn the_older_call_leaves_out_what_rest_does_not_reach() {
    let body = r#"{"requestId":"a#1","success":true,"result":[
        {"id":29,"displayName":"First Name","dataType":"string","length":255,"rest":{"name":"firstName","readOnly":false},"soap":{"name":"FirstName","readOnly":false}},
        {"id":77,"displayName":"Hidden Thing","dataType":"string","length":255,"soap":{"name":"HiddenThing","readOnly":true}}]}"#;
    let told = DescribeLeadsOld.decode(&answer(body)).unwrap();
    assert_eq!(told.fields.keys().collect::<Vec<_>>(), ["firstName"]);
}

#[test]
fn a_compound_key_is_one_key_and_not_searchable_by_its_parts() {
    let body = r#"{"success":true,"result":[{"name":"opportunityRole","idField":"marketoGUID",
        "dedupeFields":["externalOpportunityId","leadId","role"],
        "searchableFields":[["externalOpportunityId","leadId","role"],["marketoGUID"],["leadId"]],
        "fields":[{"name":"role","displayName":"Role","dataType":"string","length":50,"updateable":false},
                  {"name":"isPrimary","displayName":"Is Primary","dataType":"hologram","updateable":true}]}]}"#;
    let call = Describe { object: Object::Role };
    let told = call.decode(&answer(body)).unwrap();
    assert_eq!(told.dedupe_fields.len(), 3);
    assert!(told.is_searchable("leadId") && !told.is_searchable("role"));
    assert_eq!(told.field("isPrimary").unwrap().data_type, DataType::Other("hologram".into()));
    assert!(matches!(call.decode(&answer(r#"{"success":true,"result":[]}"#)), Err(CallError::Garbled(_))));
}
