//! Creates, updates, upserts, deletes, preconditions, validation.

use dataverse_emulator::options::ClosedRows;
use serde_json::{Value, json};

use crate::world::{BASE, World, id};

#[test]
fn a_create_answers_with_its_address_or_its_row() {
    let mut world = World::new();
    let user = world.seed("systemuser", json!({"systemuserid": id(8), "firstname": "Ana", "lastname": "Ruiz"}));
    let answer = world.post("leads", json!({"subject": "Web form", "lastname": "Roth", "companyname": "Fabrikam", "ownerid@odata.bind": format!("/systemusers({user})")}));
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    let address = answer.header("odata-entityid").unwrap().to_owned();
    assert_eq!(answer.header("location"), Some(address.as_str()));
    let row =
        world.get(&format!("{address}?$select=fullname,_ownerid_value,_owninguser_value,_owningteam_value,statecode,statuscode,createdon"));
    assert_eq!(row.json["fullname"], "Roth");
    assert_eq!(row.json["_owninguser_value"], user.to_string());
    assert_eq!((row.json["statecode"].as_i64(), row.json["statuscode"].as_i64()), (Some(0), Some(1)));
    assert_eq!(row.json["createdon"], "2026-03-02T09:00:00Z");

    let answer = world.call("POST", "leads?$select=leadid", &[("prefer", "return=representation")], r#"{"subject":"x"}"#);
    assert_eq!((answer.status, answer.header("preference-applied")), (201, Some("return=representation")));
    assert!(answer.header("odata-entityid").is_none() && answer.header("etag").is_some());
    let keys: Vec<_> = answer.json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["@odata.context", "@odata.etag", "leadid"]);
}

#[test]
fn an_own_id_makes_a_create_idempotent() {
    let mut world = World::new();
    let body = json!({"leadid": id(1), "lastname": "Roth"});
    assert_eq!(world.post("leads", body.clone()).status, 204);
    let answer = world.post("leads", body);
    assert_eq!((answer.status, answer.code(), answer.message()), (412, "0x80040237", "Cannot insert duplicate key."));
}

#[test]
fn updates_and_their_preconditions() {
    let mut world = World::new();
    world.leads(1);
    let (one, gone) = (format!("leads({})", id(1)), format!("leads({})", id(2)));
    let etag = world.get(&one).header("etag").unwrap().to_owned();
    for (url, headers, status, code) in [
        (&one, vec![("if-match", "*")], 204, ""),
        (&gone, vec![("if-match", "*")], 404, "0x80040217"),
        (&one, vec![("if-match", etag.as_str())], 412, "0x80060882"),
        (&one, vec![("if-none-match", "*")], 412, ""),
        (&one, vec![("if-none-match", "null")], 204, ""),
    ] {
        let answer = world.call("PATCH", url, &headers, r#"{"mkt_priority":3}"#);
        assert_eq!(answer.status, status, "{url} {headers:?}: {}", answer.text());
        assert!(code.is_empty() || answer.code() == code, "{}", answer.text());
    }
    assert_eq!(world.state.count("lead"), 1, "nothing was made");
    let etag = world.get(&one).header("etag").unwrap().to_owned();
    assert_eq!(world.call("PATCH", &one, &[("if-match", &etag)], r#"{"mkt_priority":1}"#).status, 204);
    let answer = world.call("PATCH", &gone, &[], r#"{"mkt_priority":3}"#);
    assert_eq!(answer.status, 204, "without If-Match it is an upsert");
    assert_eq!(world.state.get("lead", id(2)).unwrap()["mkt_priority"], 3);
    let user = world.state.fixtures().application_user;
    let answer = world.call("PATCH", &format!("systemusers({user})"), &[("if-match", "W/\"1\"")], "{}");
    assert_eq!((answer.status, answer.code()), (400, "0x80060893"));
}

#[test]
fn every_update_moves_the_version_even_with_equal_values() {
    let mut world = World::new();
    world.leads(1);
    let before = world.state.get("lead", id(1)).unwrap();
    world.later(60);
    world.patch(&format!("leads({})", id(1)), json!({"lastname": "Person 001"}));
    let after = world.state.get("lead", id(1)).unwrap();
    assert_eq!(after["versionnumber"].as_u64(), before["versionnumber"].as_u64().map(|version| version + 1));
    assert_eq!(after["modifiedon"], "2026-03-02T09:01:00Z");
    assert_eq!(after["createdon"], before["createdon"]);
}

#[test]
fn alternate_keys() {
    let mut world = World::new();
    let url = "accounts(accountnumber='A-1')?$select=accountid";
    let headers = [("prefer", "return=representation")];
    let made = world.call("PATCH", url, &headers, r#"{"name":"Fabrikam"}"#);
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json["@odata.context"], format!("{BASE}/$metadata#accounts(accountid)/$entity"));
    let again = world.call("PATCH", url, &headers, r#"{"name":"Fabrikam Ltd","accountnumber":"ignored"}"#);
    assert_eq!((again.status, &again.json["accountid"]), (200, &made.json["accountid"]));
    let plain = world.call("PATCH", "accounts(accountnumber='A-1')", &[], r#"{"name":"Fabrikam"}"#);
    assert_eq!((plain.status, plain.header("odata-entityid").unwrap()), (204, format!("{BASE}/accounts(accountnumber='A-1')").as_str()));
    assert_eq!(world.get("accounts(accountnumber='a-1')?$select=accountnumber").json["accountnumber"], "A-1", "without regard to case");
    let answer = world.post("accounts", json!({"name": "Other", "accountnumber": "A-1"}));
    assert_eq!((answer.status, answer.code()), (412, "0x80060892"));
    let answer = world.call("PATCH", "accounts(accountnumber='A-2')", &[], r#"{"accountnumber":"B-2"}"#);
    assert_eq!(answer.status, 204);
    assert_eq!(world.get("accounts(accountnumber='B-2')").status, 200, "the body beats the address");
    let bound = world.post("leads", json!({"lastname": "Roth", "parentaccountid@odata.bind": "accounts(accountnumber='A-1')"}));
    assert_eq!(bound.status, 204);
}

#[test]
fn lookups_are_written_through_their_navigation_names() {
    let mut world = World::new();
    let account = world.seed("account", json!({"accountid": id(1), "name": "Fabrikam"}));
    let contact = world.seed("contact", json!({"contactid": id(2), "lastname": "Roth"}));
    let url = format!("opportunities({})", world.seed("opportunity", json!({"opportunityid": id(3), "name": "x"})));
    let columns = "_customerid_value,_accountid_value,_contactid_value";
    world.patch(&url, json!({"customerid_account@odata.bind": format!("{BASE}/accounts({account})")}));
    let row = world.get(&format!("{url}?$select={columns}"));
    assert_eq!(
        (&row.json["_customerid_value"], &row.json["_accountid_value"], &row.json["_contactid_value"]),
        (&json!(account), &json!(account), &Value::Null)
    );
    world.patch(&url, json!({"customerid_contact@odata.bind": format!("contacts({contact})")}));
    let row = world.get(&format!("{url}?$select={columns}"));
    assert_eq!(
        (&row.json["_customerid_value"], &row.json["_accountid_value"], &row.json["_contactid_value"]),
        (&json!(contact), &Value::Null, &json!(contact))
    );
    for clear in [json!({"parentaccountid@odata.bind": null}), json!({"parentaccountid": null})] {
        world.patch(&url, json!({"parentaccountid@odata.bind": format!("/accounts({account})")}));
        assert_eq!(world.patch(&url, clear).status, 204);
        assert_eq!(world.get(&format!("{url}?$select=_parentaccountid_value")).json["_parentaccountid_value"], Value::Null);
    }
    assert_eq!(
        world
            .call(
                "PUT",
                &format!("{url}/parentaccountid/$ref"),
                &[],
                &json!({"@odata.id": format!("{BASE}/accounts({account})")}).to_string()
            )
            .status,
        204
    );
    assert_eq!(world.get(&format!("{url}/parentaccountid?$select=name")).json["name"], "Fabrikam");
    assert_eq!(world.call("DELETE", &format!("{url}/parentaccountid/$ref"), &[], "").status, 204);
    assert_eq!(world.get(&format!("{url}/parentaccountid")).status, 204);
    let children = format!("accounts({account})/contact_customer_accounts/$ref");
    assert_eq!(world.post(&children, json!({"@odata.id": format!("{BASE}/contacts({contact})")})).status, 204);
    assert_eq!(world.state.get("contact", contact).unwrap()["_accountid_value"], json!(account));
    assert_eq!(world.call("DELETE", &format!("{children}?$id={BASE}/contacts({contact})"), &[], "").status, 204);
    assert!(world.state.get("contact", contact).unwrap().get("_parentcustomerid_value").is_none());
}

#[test]
fn payloads_that_are_refused() {
    let mut world = World::new();
    world.leads(1);
    let ghost = id(77);
    for (body, status, code, text) in [
        (
            json!({"subject": "x".repeat(301)}),
            400,
            "0x80044331",
            "The length of the 'subject' attribute of the 'lead' entity exceeded the maximum allowed length of '300'.",
        ),
        (json!({"mobilephone": "123456789012345678901"}), 400, "0x80044331", "'20'"),
        (json!({"lastname": "😀".repeat(26)}), 400, "0x80044331", "'50'"),
        (json!({"leadqualitycode": 9}), 400, "0x8004431a", "outside the valid range"),
        (json!({"numberofemployees": 1_000_001}), 400, "0x8004432f", "outside the valid range"),
        (json!({"revenue": -1}), 400, "0x80044330", "outside the valid range"),
        (json!({"numberofemployees": "7"}), 400, "0x80048d19", "Edm.Int32"),
        (json!({"subject": 7}), 400, "0x80048d19", "Edm.String"),
        (json!({"donotemail": 1}), 400, "0x80048d19", "Edm.Boolean"),
        (json!({"estimatedclosedate": "2026-13-01"}), 400, "0x80048d19", "Edm.Date"),
        (json!({"nothing": 1}), 400, "0x80048d19", "Invalid property 'nothing'"),
        (json!({"_parentaccountid_value": id(1)}), 400, "0x80048d19", "Use Navigation properties instead"),
        (
            json!({"ParentAccountId@odata.bind": format!("/accounts({ghost})")}),
            400,
            "0x80048d19",
            "An undeclared property 'ParentAccountId'",
        ),
        (json!({"parentaccountid@odata.bind": format!("/accounts({ghost})")}), 404, "0x80040217", "Entity 'account'"),
        (json!({"parentaccountid@odata.bind": format!("/contacts({ghost})")}), 404, "0x80040217", "Entity 'contact'"),
        (json!({"statecode": 1, "statuscode": 4}), 400, "0x80048408", "not a valid status code"),
        (json!({"mkt_lastinterestingmomentdate": "1700-01-01T00:00:00Z"}), 400, "0x80040239", "1753"),
        (json!({"ownerid": null}), 400, "0x80040203", "cannot be null"),
    ] {
        let answer = world.patch(&format!("leads({})", id(1)), body.clone());
        assert_eq!((answer.status, answer.code()), (status, code), "{body}: {}", answer.text());
        assert!(answer.message().contains(text), "{body}: {}", answer.message());
    }
    assert_eq!(world.call("PATCH", &format!("leads({})", id(1)), &[("if-match", "*")], "{").status, 400);
}

#[test]
fn values_are_stored_as_the_service_keeps_them() {
    let mut world = World::new();
    world.leads(1);
    let url = format!("leads({})", id(1));
    for (body, property, expected) in [
        (json!({"subject": ""}), "subject", Value::Null),
        (json!({"lastname": "😀".repeat(25)}), "lastname", json!("😀".repeat(25))),
        (json!({"address1_latitude": 52.123_456_7}), "address1_latitude", json!(52.12346)),
        (json!({"revenue": 1.5}), "revenue_base", json!(1.5)),
        (
            json!({"mkt_lastinterestingmomentdate": "2026-03-01T10:00:00.987"}),
            "mkt_lastinterestingmomentdate",
            json!("2026-03-01T10:00:00Z"),
        ),
        (
            json!({"mkt_lastinterestingmomentdate": "2026-03-01T10:00:00+02:00"}),
            "mkt_lastinterestingmomentdate",
            json!("2026-03-01T08:00:00Z"),
        ),
        (json!({"estimatedclosedate": "2026-06-30"}), "estimatedclosedate", json!("2026-06-30")),
        (json!({"firstname": "Nina", "lastname": "Roth"}), "fullname", json!("Nina Roth")),
        (json!({"fullname": "ignored"}), "fullname", json!("Nina Roth")),
        (json!({"numberofemployees": 3.0}), "numberofemployees", json!(3)),
    ] {
        let answer = world.patch(&url, body.clone());
        assert_eq!(answer.status, 204, "{body}: {}", answer.text());
        assert_eq!(world.get(&format!("{url}?$select={property}")).json[property], expected, "{body}");
    }
    assert_eq!(world.call("PUT", &format!("{url}/jobtitle"), &[], r#"{"value":"CTO"}"#).status, 204);
    assert_eq!(world.get(&format!("{url}/jobtitle")).json["value"], "CTO");
    assert_eq!(world.call("DELETE", &format!("{url}/jobtitle"), &[], "").status, 204);
    assert_eq!(world.get(&format!("{url}/jobtitle")).status, 204);
}

#[test]
fn closed_rows_are_read_only_until_reopened() {
    let mut world = World::new();
    world.leads(1);
    let url = format!("leads({})", id(1));
    assert_eq!(world.patch(&url, json!({"statecode": 2})).status, 204);
    assert_eq!(world.state.get("lead", id(1)).unwrap()["statuscode"], 4, "the state's default reason");
    let answer = world.patch(&url, json!({"mkt_priority": 1}));
    assert_eq!((answer.status, answer.code()), (400, "0x80040203"));
    world.state.options_mut().closed_leads = ClosedRows::Accept;
    assert_eq!(world.patch(&url, json!({"mkt_priority": 1})).status, 204);
    world.state.options_mut().closed_leads = ClosedRows::Refuse;
    assert_eq!(world.patch(&url, json!({"statecode": 0, "statuscode": 1, "mkt_priority": 2})).status, 204);
    let contact = world.seed("contact", json!({"contactid": id(2), "lastname": "Roth", "statecode": 1}));
    assert_eq!(world.patch(&format!("contacts({contact})"), json!({"mkt_priority": 2})).status, 204, "inactive contacts accept updates");
}

#[test]
fn deletions_follow_their_relationships() {
    let mut world = World::new();
    let account = world.seed("account", json!({"accountid": id(1), "name": "Fabrikam"}));
    let contact = world.seed("contact", json!({"contactid": id(2), "lastname": "Roth", "_parentcustomerid_value": account}));
    let lead = world.seed("lead", json!({"leadid": id(3), "lastname": "Roth", "_parentaccountid_value": account}));
    let customer = world.seed("opportunity", json!({"opportunityid": id(4), "name": "x", "_customerid_value": contact, "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "contact"}));
    let loose = world.seed("opportunity", json!({"opportunityid": id(5), "name": "y", "_parentaccountid_value": account}));
    let before = world.state.get("lead", lead).unwrap()["versionnumber"].as_u64();
    assert_eq!(world.call("DELETE", &format!("accounts({account})"), &[], "").status, 204);
    assert!(world.state.get("contact", contact).is_none() && world.state.get("opportunity", customer).is_none());
    assert!(world.state.get("lead", lead).unwrap().get("_parentaccountid_value").is_none());
    assert!(world.state.get("lead", lead).unwrap()["versionnumber"].as_u64() > before, "the change is in its feed");
    assert!(world.state.get("opportunity", loose).unwrap().get("_parentaccountid_value").is_none());
}

#[test]
fn duplicate_detection_is_off_unless_asked_for() {
    let mut world = World::new();
    let body = r#"{"lastname":"Roth","emailaddress1":"n@x.test"}"#;
    assert_eq!(world.call("POST", "contacts", &[], body).status, 204);
    assert_eq!(world.call("POST", "contacts", &[], body).status, 204);
    let answer = world.call("POST", "contacts", &[("mscrm.suppressduplicatedetection", "false")], body);
    assert_eq!((answer.status, answer.code()), (412, "0x80040333"));
}

#[test]
fn impersonation_names_both() {
    let mut world = World::new();
    let user = world.seed("systemuser", json!({"systemuserid": id(8), "lastname": "Ruiz"}));
    let caller = world.state.fixtures().application_user;
    let answer = world.call("POST", "leads", &[("mscrmcallerid", &user.to_string())], r#"{"lastname":"Roth"}"#);
    let row = world.get(&format!("{}?$select=_createdby_value,_createdonbehalfby_value", answer.header("odata-entityid").unwrap()));
    assert_eq!((&row.json["_createdby_value"], &row.json["_createdonbehalfby_value"]), (&json!(user), &json!(caller)));
}

#[test]
fn what_the_system_requires_is_required_on_create_too() {
    let mut world = World::new();
    for (set, body) in [
        ("connectionroles", json!({"category": 1000})),
        ("connectionroles", json!({"name": null})),
        ("systemusers", json!({"lastname": "Ruiz"})),
        ("leads", json!({"lastname": "Roth", "ownerid": null})),
    ] {
        let answer = world.post(set, body.clone());
        if set == "leads" {
            assert_eq!(answer.status, 204, "{}: no owner is the caller", answer.text());
        } else {
            assert_eq!((answer.status, answer.code()), (400, "0x80040203"), "{set} {body}: {}", answer.text());
        }
    }
    assert_eq!(world.post("connectionroles", json!({"name": "Champion", "category": 1000})).status, 204);
    assert_eq!(world.post("accounts", json!({})).status, 204, "what forms ask for isn't");
}

#[test]
fn the_address_of_a_key_is_echoed_as_it_was_sent() {
    let mut world = World::new();
    for key in ["accountnumber=%27A%201%20%C3%A9%27", "accountnumber='O''Brien%20%26%20co'"] {
        for status in [204, 204] {
            let answer = world.call("PATCH", &format!("accounts({key})"), &[], r#"{"name":"Fabrikam"}"#);
            let address = format!("{BASE}/accounts({key})");
            assert_eq!(
                (answer.status, answer.header("odata-entityid"), answer.header("location")),
                (status, Some(&*address), Some(&*address))
            );
        }
    }
}

#[test]
fn duplicates_are_looked_for_on_updates_too_and_links_check_the_version() {
    let mut world = World::new();
    for (number, email) in [(1, "a@x.test"), (2, "b@x.test")] {
        world.seed("contact", json!({"contactid": id(number), "lastname": "Roth", "emailaddress1": email}));
    }
    let one = format!("contacts({})", id(1));
    let on = [("mscrm.suppressduplicatedetection", "false"), ("if-match", "*")];
    for (email, status) in [("b@x.test", 412), ("a@x.test", 204), ("c@x.test", 204)] {
        assert_eq!(world.call("PATCH", &one, &on, &json!({"emailaddress1": email}).to_string()).status, status, "{email}");
    }
    let account = world.seed("account", json!({"accountid": id(3), "name": "Fabrikam"}));
    let link = format!("{one}/parentcustomerid_account/$ref");
    let body = json!({"@odata.id": format!("accounts({account})")}).to_string();
    assert_eq!(world.call("PUT", &link, &[("if-match", "W/\"1\"")], &body).code(), "0x80060882");
    let etag = world.get(&one).header("etag").unwrap().to_owned();
    assert_eq!(world.call("PUT", &link, &[("if-match", &etag)], &body).status, 204);
    assert_eq!(world.call("POST", "contacts/$count", &[], "").status, 405);
    assert_eq!(world.call("DELETE", "contacts/$count", &[], "").status, 405);
}
