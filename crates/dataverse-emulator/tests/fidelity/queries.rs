//! `$filter`, `$orderby`, `$top`, `$count`, `$expand` on a handful of people.

use serde_json::json;

use crate::world::{World, id};

fn people() -> World {
    let mut world = World::new();
    world.seed("account", json!({"accountid": id(100), "name": "Fabrikam", "revenue": 5_000_000}));
    let rows = [
        json!({"firstname": "Lena", "lastname": "Ortiz", "emailaddress1": "Lena@X.test", "_parentcustomerid_value": id(100), "createdon": "2026-01-01T00:00:00Z"}),
        json!({"firstname": "Bo", "lastname": "O'Neil", "numberofchildren": 2, "birthdate": "1980-05-01", "createdon": "2026-02-01T12:30:00Z"}),
        json!({"firstname": "Zoë", "lastname": "Roth", "donotemail": true, "leadsourcecode": 1, "_parentcustomerid_value": id(1), "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "contact", "createdon": "2026-03-01T00:00:00Z"}),
    ];
    for (row, number) in rows.into_iter().zip(1..) {
        let mut row = crate::world::object(row);
        row.insert("contactid".into(), json!(id(number)));
        world.seed("contact", row.into());
    }
    world
}

#[test]
fn filters() {
    let mut world = people();
    let user = world.state.fixtures().application_user;
    for (filter, expected) in [
        ("lastname eq 'ortiz'", &[1][..]),
        ("lastname eq 'O''Neil'", &[2]),
        ("contains(lastname,'O%25i')", &[1, 2]),
        ("startswith(firstname,'l_n')", &[1]),
        ("endswith(lastname,'TH')", &[3]),
        ("firstname eq 'ZOË'", &[3]),
        ("contains(emailaddress1,'@x.')", &[1]),
        ("startswith(lastname,'[m-r]')", &[1, 2, 3]),
        ("startswith(lastname,'[^o]')", &[3]),
        ("numberofchildren gt 1", &[2]),
        ("numberofchildren eq null", &[1, 3]),
        ("numberofchildren ne 2", &[1, 3]),
        ("not (numberofchildren eq 2)", &[1, 3]),
        ("donotemail eq true or firstname eq 'Bo' and lastname eq 'nobody'", &[3]),
        ("(donotemail eq true or firstname eq 'Bo') and lastname ne 'Roth'", &[2]),
        ("createdon ge 2026-02-01T12:30:00Z", &[2, 3]),
        ("createdon gt 2026-02-01T12:30:00Z", &[3]),
        ("createdon lt 2026-02-01", &[1]),
        ("birthdate eq 1980-05-01", &[2]),
        ("Microsoft.Dynamics.CRM.OnOrAfter(PropertyName='createdon',PropertyValue='2026-02-01')", &[2, 3]),
        ("Microsoft.Dynamics.CRM.On(PropertyName='createdon',PropertyValue='2026-02-01')", &[2]),
        ("Microsoft.Dynamics.CRM.Between(PropertyName='createdon',PropertyValues=[\"2026-01-15\",\"2026-03-02\"])", &[2, 3]),
        ("Microsoft.Dynamics.CRM.LastXDays(PropertyName='createdon',PropertyValue=2)", &[3]),
        ("Microsoft.Dynamics.CRM.In(PropertyName='lastname',PropertyValues=['roth','ortiz'])", &[1, 3]),
        ("Microsoft.Dynamics.CRM.NotIn(PropertyName='leadsourcecode',PropertyValues=['1'])", &[1, 2]),
        ("leadsourcecode eq 1", &[3]),
        ("parentcustomerid_account/name eq 'fabrikam'", &[1]),
        ("parentcustomerid_account/revenue ge 5000000", &[1]),
        ("firstname eq lastname", &[]),
        ("'Roth' eq lastname", &[3]),
        ("lastname eq @p1&@p1='Roth'", &[3]),
        ("emailaddress2 eq @p2", &[1, 2, 3]),
        ("contact_customer_contacts/any(c:c/firstname eq 'Zoë')", &[1]),
        ("contact_customer_contacts/any()", &[1]),
        ("fullname eq 'Lena Ortiz'", &[1]),
        ("masterid/fullname eq null", &[1, 2, 3]),
    ] {
        let answer = world.get(&format!("contacts?$select=contactid&$filter={}", filter.replace(' ', "%20")));
        let expected: Vec<_> = expected.iter().map(|number| id(*number).to_string()).collect();
        assert_eq!(answer.status, 200, "{filter}: {}", answer.text());
        assert_eq!(answer.ids("contactid"), expected, "{filter}");
    }
    for filter in [
        format!("contactid eq {} or contactid eq {}", id(1), id(3)),
        format!("Microsoft.Dynamics.CRM.In(PropertyName='contactid',PropertyValues=['{}','{}'])", id(1), id(3)),
        format!("_parentcustomerid_value eq {} or _parentcustomerid_value eq {}", id(100), id(1)),
        format!("(contactid eq {} or contactid eq {}) and _ownerid_value eq {user}", id(1), id(3)),
    ] {
        let answer = world.get(&format!("contacts?$select=contactid&$filter={filter}"));
        assert_eq!(answer.ids("contactid"), [id(1).to_string(), id(3).to_string()], "{filter}");
    }
}

#[test]
fn filters_that_are_refused() {
    let mut world = people();
    for (filter, text) in [
        ("nothing eq 1", "Could not find a property named 'nothing'"),
        ("contactid eq '1'", "Found operand types 'Edm.Guid' and 'Edm.String' for operator kind 'Equal'"),
        ("lastname eq 1", "Found operand types 'Edm.String' and 'Edm.Int32'"),
        ("lastname eq 'a", "isn't closed"),
        ("lastname", ""),
        ("lastname like 'a'", "operator"),
        ("unknown(lastname,'a')", "unknown"),
        ("((lastname eq 'a')", "expected"),
    ] {
        let answer = world.get(&format!("contacts?$filter={filter}"));
        assert_eq!(answer.status, 400, "{filter}");
        assert!(answer.message().contains(text), "{filter}: {}", answer.message());
        assert_eq!(answer.code(), "0x80060888", "{filter}");
    }
}

#[test]
fn order_top_and_count() {
    let mut world = people();
    for (options, expected) in [
        ("$orderby=lastname desc", &[3, 1, 2][..]),
        ("$orderby=createdon desc&$top=2", &[3, 2]),
        ("$orderby=contactid desc", &[3, 2, 1]),
        ("$orderby=_parentcustomerid_value,firstname", &[2, 1, 3]),
        ("$orderby=numberofchildren,firstname desc", &[3, 1, 2]),
        ("$top=1", &[1]),
        ("$top=0", &[]),
    ] {
        let answer = world.get(&format!("contacts?$select=contactid&{}", options.replace(' ', "%20")));
        let expected: Vec<_> = expected.iter().map(|number| id(*number).to_string()).collect();
        assert_eq!(answer.ids("contactid"), expected, "{options}");
        assert!(answer.json.get("@odata.nextLink").is_none(), "{options}");
    }
    assert_eq!(world.get("contacts?$select=contactid&$count=true&$top=1").json["@odata.count"], 3);
    assert_eq!(world.get("contacts/$count").text(), "3");
    assert_eq!(world.get("contacts/$count?$filter=donotemail eq true").text(), "1");
    world.state.options_mut().count_cap = 2;
    let answer = world.prefer("contacts?$select=contactid&$count=true", "odata.include-annotations=\"*\"");
    assert_eq!(answer.json["@odata.count"], 2, "capped");
    assert_eq!(answer.json["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"], true);
    let answer = world.prefer("contacts?$select=contactid", "odata.include-annotations=\"*\"");
    assert_eq!(answer.json["@Microsoft.Dynamics.CRM.totalrecordcount"], -1);
    let answer = world.get("RetrieveTotalRecordCount(EntityNames=['contact'])");
    assert_eq!(answer.json["EntityRecordCountCollection"]["Values"], json!([3]));
}

#[test]
fn neighbours_come_along() {
    let mut world = people();
    let answer = world
        .get(&format!("contacts({})?$select=fullname&$expand=parentcustomerid_account($select=name),owninguser($select=fullname)", id(1)));
    assert_eq!(answer.json["parentcustomerid_account"]["name"], "Fabrikam");
    assert!(answer.json["parentcustomerid_account"]["@odata.etag"].is_string());
    assert_eq!(answer.json["owninguser"]["fullname"], "# Insight Sync");
    assert_eq!(answer.json["owninguser"]["ownerid"], answer.json["owninguser"]["systemuserid"]);
    assert!(
        answer.json["@odata.context"]
            .as_str()
            .unwrap()
            .ends_with("#contacts(fullname,parentcustomerid_account(name),owninguser(fullname))/$entity")
    );
    let answer = world.get(
        "accounts?$select=name&$expand=contact_customer_accounts($select=fullname;$filter=lastname eq 'Ortiz';$orderby=fullname;$top=5)",
    );
    assert_eq!(answer.json["value"][0]["contact_customer_accounts"][0]["fullname"], "Lena Ortiz");
    let answer = world.get(&format!(
        "contacts({})?$expand=parentcustomerid_contact($select=fullname;$expand=parentcustomerid_account($select=name))",
        id(3)
    ));
    assert_eq!(answer.json["parentcustomerid_contact"]["parentcustomerid_account"]["name"], "Fabrikam");
    let answer = world.get(&format!("contacts({})?$expand=ownerid($select=fullname)", id(1)));
    assert_eq!(answer.status, 400, "the owner expands to a principal, which has no names");
    let many = vec!["parentcustomerid_account"; 16].join(",");
    assert_eq!(world.get(&format!("contacts?$expand={many}")).status, 400);
}

#[test]
fn the_documented_query_for_bulk_messages() {
    let mut world = World::new();
    for (table, rows) in [("lead", 1), ("connection", 0), ("systemuser", 0)] {
        let filter = format!("sdkmessageid/name eq 'UpdateMultiple' and primaryobjecttypecode eq '{table}'");
        let answer = world.get(&format!("sdkmessagefilters?$select=sdkmessagefilterid&$filter={filter}"));
        assert_eq!(answer.json["value"].as_array().unwrap().len(), rows, "{table}");
    }
    world.state.options_mut().no_bulk.insert("lead".to_owned());
    let filter = "sdkmessageid/name eq 'UpdateMultiple' and primaryobjecttypecode eq 'lead'";
    assert_eq!(world.get(&format!("sdkmessagefilters?$filter={filter}")).json["value"], json!([]));
}

#[test]
fn a_boolean_function_may_be_compared_with_a_boolean() {
    let mut world = World::new();
    world.leads(12);
    for (filter, count) in [
        ("startswith(lastname,'Person 01') eq true", 3),
        ("startswith(lastname,'Person 01') eq false and leadid ne null", 9),
        ("not (contains(lastname,'1') ne true)", 4),
    ] {
        let answer = world.get(&format!("leads?$select=leadid&$filter={filter}"));
        assert_eq!(answer.json["value"].as_array().map(Vec::len), Some(count), "{filter}: {}", answer.text());
    }
    assert_eq!(world.get("leads?$filter=contains(lastname,'a') eq 1").status, 400);
}

#[test]
fn an_address_may_be_too_long() {
    let mut world = World::new();
    let long = format!("accounts?$filter=name eq '{}'", "x".repeat(33_000));
    assert_eq!(world.get(&long).status, 414);
}

#[test]
fn a_lookup_to_several_tables_sorts_by_name_too() {
    let mut world = World::new();
    world.seed("account", json!({"accountid": id(1), "name": "Bravo"}));
    world.seed("contact", json!({"contactid": id(2), "lastname": "Alpha"}));
    world.seed("contact", json!({"contactid": id(3), "lastname": "Charlie"}));
    for (number, customer, table) in [(11, 1, "account"), (12, 2, "contact"), (13, 3, "contact")] {
        world.seed(
            "opportunity",
            json!({"opportunityid": id(number), "_customerid_value": id(customer), "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": table}),
        );
    }
    let found = world.get("opportunities?$select=opportunityid&$orderby=_customerid_value").ids("opportunityid");
    assert_eq!(found, [12, 11, 13].map(|number| id(number).to_string()));
}

#[test]
fn expansions_are_counted_on_every_level() {
    let mut world = World::new();
    let inner = "primarycontactid($select=fullname;$expand=createdby,modifiedby,owninguser,parentcustomerid_account)";
    let outer = format!("parentaccountid($expand={inner}),masterid($expand={inner})");
    assert_eq!(world.get(&format!("accounts?$expand={outer}")).status, 200);
    let answer = world.get(&format!("accounts?$expand={outer},createdby,modifiedby,owninguser,owningteam"));
    assert_eq!((answer.status, answer.code()), (400, "0x80060888"), "sixteen of them");
}
