//! Qualify, merge, win and lose.

use dataverse_emulator::{Options, options::MergedLead};
use serde_json::{Value, json};

use crate::world::{World, id};

fn cell(world: &World, table: &str, number: u128, name: &str) -> Value {
    world.state.get(table, id(number)).unwrap().get(name).cloned().unwrap_or(Value::Null)
}

#[test]
fn a_qualified_lead_leaves_three_rows_and_closes() {
    let mut world = World::new();
    world.seed("lead", json!({"leadid": id(1), "firstname": "Nina", "lastname": "Roth", "companyname": "Fabrikam", "subject": "Printers", "emailaddress1": "n@x.test", "estimatedamount": 100}));
    let body = json!({"CreateAccount": true, "CreateContact": true, "CreateOpportunity": true, "Status": 3});
    let url = format!("leads({})/Microsoft.Dynamics.CRM.QualifyLead", id(1));
    let answer = world.post(&url, body.clone());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let kinds: Vec<_> = answer.json["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["@odata.type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["account", "contact", "opportunity"]);
    let lead = world.state.get("lead", id(1)).unwrap();
    assert_eq!((&lead["statecode"], &lead["statuscode"]), (&json!(1), &json!(3)));
    let row = |column: &str, table: &str| world.state.get(table, lead[column].as_str().unwrap().parse().unwrap()).unwrap();
    let (account, contact, opportunity) = (
        row("_parentaccountid_value", "account"),
        row("_parentcontactid_value", "contact"),
        row("_qualifyingopportunityid_value", "opportunity"),
    );
    assert_eq!(
        (&account["name"], &contact["fullname"], &opportunity["name"]),
        (&json!("Fabrikam"), &json!("Nina Roth"), &json!("Printers"))
    );
    assert_eq!(contact["_parentcustomerid_value"], account["accountid"]);
    assert_eq!(contact["_accountid_value"], account["accountid"]);
    assert_eq!(opportunity["estimatedvalue"], json!(100.0));
    for made in [&account, &contact, &opportunity] {
        assert_eq!(made["_originatingleadid_value"], json!(id(1)));
    }
    assert_eq!(world.post(&url, body).status, 400, "it is closed now");
    assert_eq!(world.patch(&format!("leads({})", id(1)), json!({"mkt_priority": 1})).status, 400);
}

#[test]
fn a_merge_moves_the_children_and_deactivates_the_loser() {
    let mut world = World::new();
    for number in [1, 2] {
        world.seed("contact", json!({"contactid": id(number), "lastname": format!("Roth {number}")}));
    }
    world.seed("opportunity", json!({"opportunityid": id(3), "name": "x", "_parentcontactid_value": id(2), "_customerid_value": id(2), "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "contact"}));
    world.post("connections", json!({"record1id_opportunity@odata.bind": format!("/opportunities({})", id(3)), "record2id_contact@odata.bind": format!("/contacts({})", id(2))}));
    let link = world.prefer("contacts?$select=merged", "odata.track-changes").json["@odata.deltaLink"].as_str().unwrap().to_owned();
    let kind = "Microsoft.Dynamics.CRM.contact";
    let answer = world.post(
        "Merge",
        json!({"Target": {"@odata.type": kind, "contactid": id(1)}, "Subordinate": {"@odata.type": kind, "contactid": id(2)}, "UpdateContent": {"@odata.type": kind, "jobtitle": "CTO"}, "PerformParentingChecks": false}),
    );
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!((cell(&world, "contact", 2, "merged"), cell(&world, "contact", 2, "_masterid_value")), (json!(true), json!(id(1))));
    assert_eq!((cell(&world, "contact", 2, "statecode"), cell(&world, "contact", 2, "statuscode")), (json!(1), json!(2)));
    assert_eq!(cell(&world, "contact", 1, "jobtitle"), "CTO");
    assert_eq!(
        (cell(&world, "opportunity", 3, "_parentcontactid_value"), cell(&world, "opportunity", 3, "_contactid_value")),
        (json!(id(1)), json!(id(1)))
    );
    let ends: Vec<_> =
        world.state.rows("connection").map(|(_, row)| (row["_record1id_value"].clone(), row["_record2id_value"].clone())).collect();
    assert!(ends.contains(&(json!(id(3)), json!(id(1)))) && ends.contains(&(json!(id(1)), json!(id(3)))), "{ends:?}");
    let feed = world.get(&link).ids("contactid");
    assert!(feed.contains(&id(1).to_string()) && feed.contains(&id(2).to_string()), "both as updates");
}

#[test]
fn a_merged_lead_is_disqualified() {
    for (setting, status) in [(MergedLead::Lost, 4), (MergedLead::Canceled, 7)] {
        let mut world = World::with(Options { merged_lead: setting, ..Options::default() });
        world.leads(2);
        world.state.merge("lead", id(1), id(2), serde_json::Map::new(), world.now).unwrap();
        assert_eq!((cell(&world, "lead", 2, "statecode"), cell(&world, "lead", 2, "statuscode")), (json!(2), json!(status)));
    }
}

#[test]
fn merges_that_are_refused() {
    let mut world = World::new();
    world.leads(1);
    let body = |table: &str, one: u128, two: u128| json!({"Target": {"@odata.type": format!("Microsoft.Dynamics.CRM.{table}"), format!("{table}id"): id(one)}, "Subordinate": {"@odata.type": format!("Microsoft.Dynamics.CRM.{table}"), format!("{table}id"): id(two)}});
    assert_eq!(world.post("Merge", body("lead", 1, 9)).status, 404);
    assert_eq!(world.post("Merge", body("lead", 1, 1)).status, 400);
    assert_eq!(world.post("Merge", body("opportunity", 1, 2)).status, 400);
    assert_eq!(world.post("Merge", json!({})).status, 400);
}

#[test]
fn opportunities_are_won_and_lost() {
    let mut world = World::new();
    for number in [1, 2] {
        world.seed("opportunity", json!({"opportunityid": id(number), "name": "x", "estimatedvalue": 10}));
    }
    let close = |number: u128| json!({"opportunityid@odata.bind": format!("/opportunities({})", id(number)), "subject": "Closed"});
    assert_eq!(world.post("WinOpportunity", json!({"Status": 3, "OpportunityClose": close(1)})).status, 204);
    assert_eq!(world.post("LoseOpportunity", json!({"Status": 5, "OpportunityClose": close(2)})).status, 204);
    assert_eq!(
        (cell(&world, "opportunity", 1, "statecode"), cell(&world, "opportunity", 1, "actualclosedate")),
        (json!(1), json!("2026-03-02"))
    );
    assert_eq!((cell(&world, "opportunity", 2, "statecode"), cell(&world, "opportunity", 2, "statuscode")), (json!(2), json!(5)));
    assert_eq!(world.state.count("opportunityclose"), 2);
    assert_eq!(world.patch(&format!("opportunities({})", id(1)), json!({"name": "y"})).status, 400);
    assert_eq!(world.post("WinOpportunity", json!({"Status": 3, "OpportunityClose": close(1)})).status, 400, "already closed");
}
