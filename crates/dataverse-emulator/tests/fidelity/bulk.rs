//! CreateMultiple, UpdateMultiple, UpsertMultiple: all or nothing.

use serde_json::{Value, json};

use crate::world::{BASE, World, id};

fn target(number: u128, more: Value) -> Value {
    let mut row = crate::world::object(more);
    row.insert("@odata.type".into(), "Microsoft.Dynamics.CRM.lead".into());
    row.insert("leadid".into(), json!(id(number)));
    row.into()
}

const UPDATE: &str = "leads/Microsoft.Dynamics.CRM.UpdateMultiple";

#[test]
fn an_update_of_many_answers_204() {
    let mut world = World::new();
    world.leads(3);
    let answer = world.post(UPDATE, json!({"Targets": [target(1, json!({"mkt_priority": 3})), target(2, json!({"mkt_priority": 1}))]}));
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    let priority = |number| world.state.get("lead", id(number)).unwrap().get("mkt_priority").cloned();
    assert_eq!((priority(1), priority(2), priority(3)), (Some(json!(3)), Some(json!(1)), None));
}

#[test]
fn one_bad_row_rolls_everything_back() {
    let mut world = World::new();
    world.leads(3);
    let link = world.prefer("leads?$select=mkt_priority", "odata.track-changes").json["@odata.deltaLink"].as_str().unwrap().to_owned();
    for (bad, status, code) in [
        (target(99, json!({"mkt_priority": 1})), 404, "0x80040217"),
        (target(3, json!({"subject": "x".repeat(301)})), 400, "0x80044331"),
        (json!({"leadid": id(3), "mkt_priority": 1}), 400, "0x80048d19"),
    ] {
        let answer = world.post(UPDATE, json!({"Targets": [target(1, json!({"mkt_priority": 3})), bad]}));
        assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.text());
        assert!(world.state.get("lead", id(1)).unwrap().get("mkt_priority").is_none());
    }
    assert_eq!(world.get(&link).json["value"], json!([]), "the feed shows nothing");
    let answer = world.post(UPDATE, json!({"Targets": [target(99, json!({}))]}));
    assert_eq!(answer.message(), format!("lead With Ids = {} Do Not Exist", id(99)));
}

#[test]
fn creates_answer_with_ids_in_order() {
    let mut world = World::new();
    let kind = "Microsoft.Dynamics.CRM.account";
    let answer = world.post(
        "accounts/Microsoft.Dynamics.CRM.CreateMultiple",
        json!({"Targets": [{"@odata.type": kind, "name": "A"}, {"@odata.type": kind, "accountid": id(7), "name": "B"}]}),
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["@odata.context"], format!("{BASE}/$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse"));
    let ids = answer.json["Ids"].as_array().unwrap();
    assert_eq!((ids.len(), &ids[1]), (2, &json!(id(7))));
    let again = world.post(
        "accounts/Microsoft.Dynamics.CRM.CreateMultiple",
        json!({"Targets": [{"@odata.type": kind, "name": "C"}, {"@odata.type": kind, "accountid": id(7)}]}),
    );
    assert_eq!((again.status, again.code()), (412, "0x80040237"));
    assert_eq!(world.state.count("account"), 2);
}

#[test]
fn upserts_go_by_id_or_key_or_create() {
    let mut world = World::new();
    let kind = "#Microsoft.Dynamics.CRM.account";
    world.seed("account", json!({"accountid": id(1), "name": "Old", "accountnumber": "A-1"}));
    let answer = world.post(
        "accounts/Microsoft.Dynamics.CRM.UpsertMultiple",
        json!({"Targets": [
            {"@odata.type": kind, "@odata.id": "accounts(accountnumber='A-1')", "name": "New"},
            {"@odata.type": kind, "@odata.id": "accounts(accountnumber='A-2')", "name": "Second"},
            {"@odata.type": kind, "accountid": id(3), "name": "Third"},
            {"@odata.type": kind, "name": "Fourth"},
        ]}),
    );
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(world.state.get("account", id(1)).unwrap()["name"], "New");
    assert_eq!(world.get("accounts(accountnumber='A-2')?$select=name").json["name"], "Second");
    assert_eq!(world.state.count("account"), 4);
}

#[test]
fn tables_without_the_messages_refuse() {
    let mut world = World::new();
    let user = world.state.fixtures().application_user;
    let body = json!({"Targets": [{"@odata.type": "Microsoft.Dynamics.CRM.systemuser", "systemuserid": user, "title": "x"}]});
    let answer = world.post("systemusers/Microsoft.Dynamics.CRM.UpdateMultiple", body);
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("does not support entities of type 'systemuser'"));
    let answer = world.post("leads/Microsoft.Dynamics.CRM.DeleteMultiple", json!({"Targets": []}));
    assert_eq!(answer.message(), "DeleteMultiple has not yet been implemented.");
}

#[test]
fn no_targets_are_refused() {
    let mut world = World::new();
    for action in ["CreateMultiple", "UpdateMultiple", "UpsertMultiple"] {
        let answer = world.post(&format!("leads/Microsoft.Dynamics.CRM.{action}"), json!({"Targets": []}));
        assert_eq!(answer.status, 400, "{action}: {}", answer.text());
    }
}

#[test]
fn a_failure_names_a_row_only_when_it_is_missing() {
    let mut world = World::new();
    world.seed("lead", json!({"leadid": id(1), "lastname": "Roth", "statecode": 2, "statuscode": 4}));
    let target = json!({"@odata.type": "Microsoft.Dynamics.CRM.lead", "leadid": id(1), "subject": "x"});
    let answer = world.post("leads/Microsoft.Dynamics.CRM.UpdateMultiple", json!({"Targets": [target]}));
    assert_eq!((answer.status, answer.code()), (400, "0x80040203"));
    assert!(!answer.text().contains(&id(1).to_string()), "{}", answer.text());
}
