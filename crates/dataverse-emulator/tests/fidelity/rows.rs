//! Single rows: shapes, annotations, properties, conditional reads, errors.

use serde_json::json;

use crate::world::{BASE, World, id};

fn opportunity(world: &mut World) {
    let user = world.seed("systemuser", json!({"systemuserid": id(8), "firstname": "Ana", "lastname": "Ruiz", "domainname": "ana@x.test"}));
    let account = world.seed("account", json!({"accountid": id(1), "name": "Fabrikam"}));
    world.seed(
        "opportunity",
        json!({"opportunityid": id(3), "name": "50 printers", "estimatedvalue": 12500, "estimatedclosedate": "2026-06-30", "_ownerid_value": user,
            "_customerid_value": account, "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "account"}),
    );
}

#[test]
fn a_row_with_all_annotations() {
    let mut world = World::new();
    opportunity(&mut world);
    let select = "name,estimatedvalue,statecode,estimatedclosedate,_ownerid_value,_customerid_value";
    let answer = world.prefer(&format!("opportunities({})?$select={select}", id(3)), "odata.include-annotations=\"*\"");
    let version = world.state.get("opportunity", id(3)).unwrap()["versionnumber"].clone();
    let currency = world.state.fixtures().currency;
    assert_eq!(
        answer.json,
        json!({
            "@odata.context": format!("{BASE}/$metadata#opportunities({select})/$entity"),
            "@odata.etag": format!("W/\"{version}\""),
            "opportunityid": id(3),
            "name": "50 printers",
            "estimatedvalue@OData.Community.Display.V1.FormattedValue": "$12,500.00", "estimatedvalue": 12500.0,
            "_transactioncurrencyid_value@OData.Community.Display.V1.FormattedValue": "US Dollar",
            "_transactioncurrencyid_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "transactioncurrencyid",
            "_transactioncurrencyid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "transactioncurrency",
            "_transactioncurrencyid_value": currency,
            "statecode@OData.Community.Display.V1.FormattedValue": "Open", "statecode": 0,
            "estimatedclosedate@OData.Community.Display.V1.FormattedValue": "6/30/2026", "estimatedclosedate": "2026-06-30",
            "_ownerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "ownerid",
            "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "systemuser",
            "_ownerid_value@OData.Community.Display.V1.FormattedValue": "Ana Ruiz", "_ownerid_value": id(8),
            "_customerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty": "customerid_account",
            "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "account",
            "_customerid_value@OData.Community.Display.V1.FormattedValue": "Fabrikam", "_customerid_value": id(1),
        })
    );
    assert!(answer.text().contains("\"estimatedvalue\":12500.0000"), "money has four decimals");
    assert_eq!(answer.header("etag"), Some(format!("W/\"{version}\"").as_str()));
    assert_eq!(answer.header("preference-applied"), Some("odata.include-annotations=\"*\""));
}

#[test]
fn only_the_annotations_asked_for_come_and_none_for_null() {
    let mut world = World::new();
    world.leads(1);
    let answer = world.prefer(
        &format!("leads({})?$select=_ownerid_value,_parentaccountid_value", id(1)),
        "odata.include-annotations=\"Microsoft.Dynamics.CRM.lookuplogicalname\"",
    );
    let keys: Vec<_> = answer.json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "@odata.context",
            "@odata.etag",
            "_ownerid_value",
            "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
            "_parentaccountid_value",
            "leadid"
        ]
    );
    assert_eq!(answer.json["_parentaccountid_value"], json!(null));
}

#[test]
fn documented_refusals() {
    let mut world = World::new();
    world.leads(1);
    let (one, gone) = (id(1), id(99));
    for (method, url, status, code, text) in [
        ("GET", format!("leads({gone})"), 404, "0x80040217", format!("Entity 'lead' With Id = {gone} Does Not Exist")),
        ("GET", "ledas".into(), 404, "0x8006088a", "Resource not found for the segment 'ledas'.".into()),
        (
            "GET",
            "leads?$select=x".into(),
            400,
            "0x80060888",
            "Could not find a property named 'x' on type 'Microsoft.Dynamics.CRM.lead'.".into(),
        ),
        ("GET", "leads?$skip=5".into(), 400, "0x80060888", "Skip Clause".into()),
        ("PATCH", "leads".into(), 405, "", "http method".into()),
        ("DELETE", "leads".into(), 405, "", "http method".into()),
        ("DELETE", format!("leads({gone})"), 404, "0x80040217", "Does Not Exist".into()),
        ("GET", "accounts(accountnumber='none')".into(), 404, "0x80060891", "key values".into()),
        (
            "GET",
            "accounts(name='x')".into(),
            400,
            "0x80060888",
            "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.account'".into(),
        ),
        ("GET", format!("systemusers(systemuserid={one})"), 400, "0x80060888", "The key in the request URI is not valid".into()),
        ("GET", format!("leads({one})/nothing"), 404, "0x8006088a", "'nothing'".into()),
    ] {
        let answer = world.call(method, &url, &[], "{}");
        assert_eq!(answer.status, status, "{method} {url}: {}", answer.text());
        assert!(code.is_empty() || answer.code() == code, "{method} {url}: {}", answer.text());
        assert!(answer.message().contains(&text), "{method} {url}: {}", answer.text());
    }
}

#[test]
fn error_details_come_as_annotations_when_asked_for() {
    let mut world = World::new();
    let plain = world.get("ledas");
    assert_eq!(plain.json["error"].as_object().unwrap().len(), 2);
    let detailed = world.prefer("ledas", "odata.include-annotations=\"*\"");
    assert_eq!(detailed.json["error"]["@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus"], "0");
    assert!(detailed.json["error"]["@Microsoft.PowerApps.CDS.HelpLink"].is_string());
}

#[test]
fn properties_and_references() {
    let mut world = World::new();
    opportunity(&mut world);
    let row = format!("opportunities({})", id(3));
    let answer = world.get(&format!("{row}/name"));
    assert_eq!(answer.json, json!({"@odata.context": format!("{BASE}/$metadata#{row}/name"), "value": "50 printers"}));
    assert_eq!(world.get(&format!("{row}/stepname")).status, 204);
    assert_eq!(world.get(&format!("{row}/name/$value")).text(), "50 printers");
    let answer = world.get(&format!("{row}/ownerid/$ref"));
    assert_eq!(answer.json["@odata.id"], format!("{BASE}/systemusers({})", id(8)));
    assert_eq!(world.get(&format!("{row}/customerid_account?$select=name")).json["name"], "Fabrikam");
    assert_eq!(world.get(&format!("{row}/customerid_contact")).status, 204);
    let children = world.get(&format!("accounts({})/opportunity_customer_accounts?$select=name", id(1)));
    assert_eq!(children.ids("opportunityid"), [id(3).to_string()]);
    assert_eq!(world.get(&format!("accounts({})/opportunity_customer_accounts/$count", id(1))).text(), "1");
}

#[test]
fn a_conditional_read_answers_304() {
    let mut world = World::new();
    world.leads(1);
    let url = format!("leads({})?$select=subject", id(1));
    let etag = world.get(&url).header("etag").unwrap().to_owned();
    assert_eq!(world.call("GET", &url, &[("if-none-match", &etag)], "").status, 304);
    assert_eq!(world.call("GET", &url, &[("if-none-match", "null")], "").status, 200, "the literal of Microsoft's examples");
    assert_eq!(world.call("GET", &url, &[("if-none-match", "W/\"1\"")], "").status, 200);
}

#[test]
fn ids_are_read_in_any_case_and_written_lower() {
    let mut world = World::new();
    world.leads(1);
    let answer = world.get(&format!("leads({})?$select=leadid", id(1).to_string().to_uppercase()));
    assert_eq!(answer.json["leadid"], id(1).to_string());
}

#[test]
fn a_secured_column_is_null_and_says_so_in_metadata() {
    let mut world = World::new();
    world.seed("contact", json!({"contactid": id(1), "lastname": "Roth", "mobilephone": "123"}));
    world.state.secure_column("contact", "mobilephone", true).unwrap();
    let answer = world.get(&format!("contacts({})?$select=mobilephone", id(1)));
    assert_eq!(answer.json["mobilephone"], json!(null));
    assert_eq!(world.get("contacts?$filter=mobilephone eq '123'").json["value"], json!([]));
    let answer =
        world.get("EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='mobilephone')?$select=IsSecured,CanBeSecuredForRead");
    assert_eq!((answer.json["IsSecured"].as_bool(), answer.json["CanBeSecuredForRead"].as_bool()), (Some(true), Some(true)));
    let answer = world.patch(&format!("contacts({})", id(1)), json!({"mobilephone": "1"}));
    assert_eq!(answer.status, 403);
}

#[test]
fn hidden_rows_vanish_from_listings_and_are_refused_by_key() {
    let mut world = World::new();
    world.leads(3);
    world.state.options_mut().hidden_rows.insert(id(2));
    assert_eq!(world.get("leads?$select=leadid").ids("leadid"), [id(1).to_string(), id(3).to_string()]);
    let answer = world.get(&format!("leads({})", id(2)));
    assert_eq!((answer.status, answer.json["error"]["code"].as_str()), (403, Some("0x80040220")));
}

#[test]
fn formatted_amounts_are_rounded_to_the_nearest_cent() {
    let mut world = World::new();
    for (number, value, shown) in [(1, 12.3401, "$12.34"), (2, 12.345, "$12.35"), (3, -1.999, "($2.00)")] {
        world.seed("opportunity", json!({"opportunityid": id(number), "estimatedvalue": value}));
        let answer = world.prefer(&format!("opportunities({})?$select=estimatedvalue", id(number)), "odata.include-annotations=\"*\"");
        assert_eq!(answer.json["estimatedvalue@OData.Community.Display.V1.FormattedValue"], shown, "{value}");
    }
}
