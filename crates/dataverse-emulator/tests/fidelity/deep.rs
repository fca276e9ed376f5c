//! Rows nested in a body ("deep insert"), and nulls under navigation names.

use serde_json::{Value, json};

use crate::world::{World, id};

#[test]
fn nested_rows_are_made_in_one_transaction() {
    let mut world = World::new();
    let body = json!({
        "name": "Fabrikam",
        "primarycontactid": {"firstname": "Lena", "lastname": "Roth"},
        "opportunity_customer_accounts": [
            {"name": "50 printers", "parentcontactid": {"lastname": "Ortiz"}},
            {"opportunityid": id(7), "name": "9 printers"},
        ],
    });
    let made = world.call(
        "POST",
        "accounts?$select=name&$expand=primarycontactid($select=fullname),opportunity_customer_accounts($select=name)",
        &[("prefer", "return=representation")],
        &body.to_string(),
    );
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json["primarycontactid"]["fullname"], "Lena Roth");
    let mut names: Vec<_> = made.json["opportunity_customer_accounts"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    names.sort_by_key(|name| name.to_string());
    assert_eq!(names, ["50 printers", "9 printers"]);
    assert_eq!(world.state.get("opportunity", id(7)).unwrap()["_customerid_value"], made.json["accountid"]);
    assert_eq!((world.state.count("account"), world.state.count("contact"), world.state.count("opportunity")), (1, 2, 2));

    let bad = json!({"name": "Other", "primarycontactid": {"lastname": "x"}, "opportunity_customer_accounts": [{"closeprobability": 101}]});
    let answer = world.post("accounts", bad);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!((world.state.count("account"), world.state.count("contact")), (1, 2), "nothing of it stays");
}

#[test]
fn an_update_nests_nothing() {
    let mut world = World::new();
    let account = world.seed("account", json!({"accountid": id(1), "name": "Fabrikam"}));
    let answer = world.patch(&format!("accounts({account})"), json!({"primarycontactid": {"lastname": "Roth"}}));
    assert_eq!((answer.status, answer.code()), (400, "0x80048d19"));
    assert_eq!(world.state.count("contact"), 0);
}

#[test]
fn a_null_speaks_of_its_own_navigation_only() {
    let mut world = World::new();
    let account = world.seed("account", json!({"accountid": id(1), "name": "Fabrikam"}));
    let contact = world.seed("contact", json!({"contactid": id(2), "lastname": "Roth"}));
    let deal = world.seed("opportunity", json!({"opportunityid": id(3), "name": "x"}));
    let url = format!("opportunities({deal})");
    let customer = |world: &World| world.state.get("opportunity", deal).unwrap().get("_customerid_value").cloned().unwrap_or_default();
    world.patch(&url, json!({"customerid_contact@odata.bind": format!("/contacts({contact})")}));
    for body in [json!({"customerid_account": null}), json!({"customerid_account@odata.bind": null})] {
        assert_eq!(world.patch(&url, body).status, 204);
        assert_eq!(customer(&world), json!(contact), "a contact is no account");
    }
    world.patch(&url, json!({"customerid_account@odata.bind": format!("/accounts({account})"), "customerid_contact": null}));
    assert_eq!(customer(&world), json!(account), "a client that nulls the other side sets this one");
    world.patch(&url, json!({"customerid_account": null}));
    assert_eq!(customer(&world), Value::Null);
}

#[test]
fn a_null_changes_no_read_only_lookup() {
    let mut world = World::new();
    for number in [1, 2] {
        world.seed("contact", json!({"contactid": id(number), "lastname": "Roth"}));
    }
    let now = world.now;
    world.state.merge("contact", id(1), id(2), serde_json::Map::new(), now).unwrap();
    let before = world.state.get("contact", id(2)).unwrap();
    let answer = world.patch(&format!("contacts({})", id(2)), json!({"createdby": null, "owninguser": null, "masterid": null}));
    assert_eq!(answer.status, 204);
    let after = world.state.get("contact", id(2)).unwrap();
    for name in ["_createdby_value", "_owninguser_value", "_masterid_value"] {
        assert!(before.contains_key(name) && before[name] == after[name], "{name}");
    }
}
