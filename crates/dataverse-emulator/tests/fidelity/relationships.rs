//! Relationships: listed, made and removed; rows tied many to many.

use serde_json::json;

use crate::world::{World, id};

const CAST: &str = "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata";

fn lookup(schema: &str) -> serde_json::Value {
    json!({
        "@odata.type": CAST, "SchemaName": schema, "ReferencedEntity": "account", "ReferencingEntity": "lead", "ReferencedAttribute": "accountid",
        "CascadeConfiguration": {"Assign": "NoCascade", "Delete": "Cascade"},
        "Lookup": {"@odata.type": "Microsoft.Dynamics.CRM.LookupAttributeMetadata", "SchemaName": "new_PartnerId",
            "DisplayName": {"LocalizedLabels": [{"Label": "Partner", "LanguageCode": 1033}]}, "RequiredLevel": {"Value": "None"}},
    })
}

#[test]
fn a_lookup_is_made_used_and_removed_with_its_relationship() {
    let mut world = World::new();
    let made = world.post("RelationshipDefinitions", lookup("new_account_lead_partner"));
    assert_eq!((made.status, made.text().as_str()), (204, ""));
    let address = made.header("odata-entityid").unwrap().to_owned();
    let read = world.get(&format!("{address}/{CAST}"));
    assert_eq!(
        (&read.json["SchemaName"], &read.json["ReferencingAttribute"]),
        (&json!("new_account_lead_partner"), &json!("new_partnerid"))
    );
    let read = world.get("RelationshipDefinitions?$filter=SchemaName eq 'new_account_lead_partner'");
    assert_eq!(read.json["value"][0]["ReferencingEntityNavigationPropertyName"], "new_PartnerId");
    assert_eq!(world.post("RelationshipDefinitions", lookup("new_account_lead_partner")).status, 400, "the name is taken");

    world.seed("account", json!({"accountid": id(1), "name": "Fabrikam"}));
    assert_eq!(world.post("leads", json!({"leadid": id(2), "new_PartnerId@odata.bind": format!("/accounts({})", id(1))})).status, 204);
    let answer = world.get(&format!("accounts({})?$expand=new_account_lead_partner($select=leadid)", id(1)));
    assert_eq!(answer.json["new_account_lead_partner"][0]["leadid"], id(2).to_string());
    world.call("DELETE", &format!("accounts({})", id(1)), &[], "");
    assert_eq!(world.state.count("lead"), 0, "the relationship cascades");

    assert_eq!(world.call("DELETE", &address, &[("if-match", "*")], "").status, 204);
    assert_eq!(world.get(&address).status, 404);
    assert_eq!(world.get("leads?$select=_new_partnerid_value").status, 400, "the column went with it");
}

#[test]
fn definitions_answer_by_method_and_key() {
    let mut world = World::new();
    let one = world.get("RelationshipDefinitions(SchemaName='contact_customer_accounts')");
    assert_eq!((one.status, &one.json["ReferencedEntity"]), (200, &json!("account")));
    assert_eq!(one.json["@odata.type"], format!("#{CAST}"));
    for (method, url, status) in [
        ("GET", "RelationshipDefinitions(SchemaName='nope')", 404),
        ("GET", "GlobalOptionSetDefinitions(Name='nope')", 404),
        ("DELETE", "RelationshipDefinitions", 405),
        ("PATCH", "GlobalOptionSetDefinitions", 405),
        ("DELETE", "RelationshipDefinitions(SchemaName='contact_customer_accounts')", 400),
        ("GET", "RelationshipDefinitions?$select=ReferencedEntity", 400),
        ("GET", "RelationshipDefinitions/Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata?$select=ReferencedEntity", 200),
        ("DELETE", "EntityDefinitions(LogicalName='lead')", 400),
        ("DELETE", "EntityDefinitions(LogicalName='lead')/Attributes(LogicalName='subject')", 400),
    ] {
        assert_eq!(world.call(method, url, &[], "").status, status, "{method} {url}");
    }
}

#[test]
fn rows_are_tied_many_to_many() {
    let mut world = World::new();
    for number in [1, 2] {
        world.seed("systemuser", json!({"systemuserid": id(number), "lastname": format!("User {number}"), "domainname": "x"}));
    }
    let team = world.seed("team", json!({"teamid": id(9), "name": "Sales"}));
    let tie = |world: &mut World, user: u128| {
        world
            .post(&format!("teams({team})/teammembership_association/$ref"), json!({"@odata.id": format!("systemusers({})", id(user))}))
            .status
    };
    assert_eq!((tie(&mut world, 1), tie(&mut world, 2), tie(&mut world, 2)), (204, 204, 412));
    let answer = world.get(&format!("teams({team})?$select=name&$expand=teammembership_association($select=fullname)"));
    assert_eq!(answer.json["teammembership_association"].as_array().map(Vec::len), Some(2), "{}", answer.text());
    let answer = world.get("systemusers?$select=fullname&$filter=teammembership_association/any(t:t/name eq 'Sales')");
    assert_eq!(answer.ids("fullname"), ["User 1", "User 2"]);
    assert_eq!(world.get("teammembershipcollection?$select=teamid").ids("teamid").len(), 2);

    let link = format!("systemusers({})/teammembership_association({team})/$ref", id(1));
    assert_eq!(world.call("DELETE", &link, &[], "").status, 204);
    assert_eq!(world.get(&format!("teams({team})/teammembership_association/$count")).text(), "1");
    world.call("DELETE", &format!("systemusers({})", id(2)), &[], "");
    assert_eq!(world.state.count("teammembership"), 0, "a pair goes with its rows");
}

#[test]
fn a_customers_own_many_to_many_relationship() {
    let mut world = World::new();
    let body = json!({
        "@odata.type": "Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata", "SchemaName": "new_account_contact",
        "Entity1LogicalName": "account", "Entity2LogicalName": "contact", "IntersectEntityName": "new_account_contact",
    });
    assert_eq!(world.post("RelationshipDefinitions", body).status, 204);
    let made = world.post("accounts", json!({"accountid": id(1), "name": "Fabrikam", "new_account_contact": [{"lastname": "Roth"}]}));
    assert_eq!(made.status, 204, "{}", made.text());
    assert_eq!(world.get(&format!("accounts({})/new_account_contact?$select=lastname", id(1))).ids("lastname"), ["Roth"]);
    let listed = world.get("EntityDefinitions(LogicalName='account')/ManyToManyRelationships?$select=SchemaName,IntersectEntityName");
    assert_eq!(listed.ids("IntersectEntityName"), ["new_account_contact"]);
    assert_eq!(world.call("DELETE", "RelationshipDefinitions(SchemaName='new_account_contact')", &[], "").status, 204);
    assert_eq!(world.get(&format!("accounts({})/new_account_contact", id(1))).status, 404);
}

#[test]
fn columns_and_collections_of_the_reference() {
    let mut world = World::new();
    for url in [
        "systemusers?$select=_positionid_value,_territoryid_value&$expand=territoryid($select=name)",
        "teams?$select=_queueid_value",
        "leads?$select=_originatingcaseid_value",
        "connectionroleobjecttypecodes?$select=associatedobjecttypecode,_connectionroleid_value",
        "connectionroles?$select=name&$expand=connectionroleassociation_association($select=name)",
    ] {
        let answer = world.get(url);
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
    }
}

#[test]
fn tables_and_option_sets_are_made_and_changed() {
    let mut world = World::new();
    let label = |text: &str| json!({"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]});
    let set = json!({"@odata.type": "Microsoft.Dynamics.CRM.OptionSetMetadata", "Name": "new_Tier", "DisplayName": label("Tier"), "OptionSetType": "Picklist",
        "IsGlobal": true, "Options": [{"Value": 1, "Label": label("Gold")}, {"Value": 2, "Label": label("Silver")}]});
    assert_eq!(world.post("GlobalOptionSetDefinitions", set).status, 204);
    let table = json!({
        "@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", "SchemaName": "new_Policy", "DisplayName": label("Policy"),
        "DisplayCollectionName": label("Policies"), "OwnershipType": "OrganizationOwned", "HasNotes": false, "HasActivities": false,
        "Attributes": [
            {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Name", "IsPrimaryName": true, "MaxLength": 50},
            {"@odata.type": "Microsoft.Dynamics.CRM.PicklistAttributeMetadata", "SchemaName": "new_Tier", "GlobalOptionSet@odata.bind": "/GlobalOptionSetDefinitions(Name='new_tier')"},
        ],
    });
    let made = world.post("EntityDefinitions", table.clone());
    assert_eq!((made.status, world.post("EntityDefinitions", table).status), (204, 400), "{}", made.text());
    let address = made.header("odata-entityid").unwrap().to_owned();
    let read = world.get(&format!("{address}?$select=LogicalName,EntitySetName,PrimaryNameAttribute,OwnershipType"));
    assert_eq!((&read.json["EntitySetName"], &read.json["PrimaryNameAttribute"]), (&json!("new_policies"), &json!("new_name")));
    let options = world.get(&format!("{address}/Attributes(LogicalName='new_tier')/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet,GlobalOptionSet($select=Name)"));
    assert_eq!((&options.json["OptionSet"], &options.json["GlobalOptionSet"]["Name"]), (&json!(null), &json!("new_tier")));
    assert_eq!(world.post("new_policies", json!({"new_name": "A", "new_tier": 2})).status, 204);
    assert_eq!(world.call("DELETE", "GlobalOptionSetDefinitions(Name='new_tier')", &[], "").status, 400, "a column uses it");

    let change =
        json!({"@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", "DisplayName": label("Cover"), "ChangeTrackingEnabled": true});
    assert_eq!(world.call("PUT", &address, &[], &change.to_string()).status, 204);
    assert_eq!(world.prefer("new_policies?$select=new_name", "odata.track-changes").json["value"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.get(&address).json["DisplayName"]["UserLocalizedLabel"]["Label"], "Cover");
    assert_eq!(world.call("DELETE", &address, &[], "").status, 204);
    assert_eq!(world.get("new_policies").status, 404);
}
