//! `EntityDefinitions`, attributes with casts, option sets, labels, the service and CSDL documents.

use dataverse_emulator::{
    Options,
    options::*,
    schema::{Kind, MsiColumns, NewColumn},
};
use serde_json::{Value, json};

use crate::world::{BASE, World};

const LEAD: &str = "EntityDefinitions(LogicalName='lead')";

#[test]
fn tables() {
    let mut world = World::new();
    let answer = world.get(&format!("{LEAD}?$select=LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,ObjectTypeCode,OwnershipType,ChangeTrackingEnabled,IsOptimisticConcurrencyEnabled,DisplayName"));
    assert_eq!(answer.json["EntitySetName"], "leads");
    assert_eq!(answer.json["PrimaryNameAttribute"], "fullname");
    assert_eq!((answer.json["ObjectTypeCode"].as_i64(), answer.json["OwnershipType"].as_str()), (Some(4), Some("UserOwned")));
    assert_eq!(answer.json["DisplayName"]["UserLocalizedLabel"]["Label"], "Lead");
    assert!(answer.json["MetadataId"].is_string(), "comes along unasked");
    let answer = world.get("EntityDefinitions?$select=LogicalName,EntitySetName,ChangeTrackingEnabled,CanChangeTrackingBeEnabled&$filter=ChangeTrackingEnabled eq true");
    let names = answer.ids("LogicalName");
    for name in ["account", "contact", "lead", "opportunity", "systemuser", "team", "connection", "connectionrole"] {
        assert!(names.contains(&name.to_owned()), "{name}");
    }
    assert!(!names.contains(&"organization".to_owned()));
    assert_eq!(answer.json["value"][0]["CanChangeTrackingBeEnabled"]["Value"], true);
    let by_name = world.get("EntityDefinitions?$select=MetadataId,EntitySetName&$filter=LogicalName eq 'opportunity'");
    assert_eq!(by_name.json["value"][0]["EntitySetName"], "opportunities");
    let id = by_name.json["value"][0]["MetadataId"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&format!("EntityDefinitions({id})?$select=LogicalName")).json["LogicalName"], "opportunity");
    assert_eq!(world.get("EntityDefinitions(LogicalName='nothing')").status, 404);
}

#[test]
fn attributes_and_their_casts() {
    let mut world = World::new();
    let answer = world.get(&format!(
        "{LEAD}/Attributes/Microsoft.Dynamics.CRM.StringAttributeMetadata?$select=LogicalName,DisplayName,MaxLength,FormatName"
    ));
    assert_eq!(
        answer.json["@odata.context"],
        format!(
            "{BASE}/$metadata#EntityDefinitions('lead')/Attributes/Microsoft.Dynamics.CRM.StringAttributeMetadata(LogicalName,DisplayName,MaxLength,FormatName)"
        )
    );
    let find = |answer: &Value, name: &str| answer["value"].as_array().unwrap().iter().find(|row| row["LogicalName"] == name).cloned();
    let msi = find(&answer.json, "mkt_lastinterestingmomenttype").unwrap();
    assert_eq!((msi["MaxLength"].as_i64(), &msi["FormatName"]), (Some(100), &json!({"Value": "Text"})));
    let label = &msi["DisplayName"]["LocalizedLabels"][0];
    assert_eq!((&label["Label"], &label["LanguageCode"]), (&json!("Last Interesting Moment Type"), &json!(1033)));
    assert_eq!(msi["DisplayName"]["UserLocalizedLabel"], *label);
    assert!(msi["MetadataId"].is_string() && msi.get("@odata.type").is_none());

    let all =
        world.get(&format!("{LEAD}/Attributes?$select=LogicalName,DisplayName,AttributeType,RequiredLevel,IsValidForUpdate,AttributeOf"));
    let name = find(&all.json, "leadsourcecodename").unwrap();
    assert_eq!((&name["AttributeOf"], &name["DisplayName"]["UserLocalizedLabel"]), (&json!("leadsourcecode"), &Value::Null));
    assert_eq!(find(&all.json, "subject").unwrap()["RequiredLevel"]["Value"], "ApplicationRequired");
    assert_eq!(find(&all.json, "ownerid").unwrap()["AttributeType"], "Owner");
    assert_eq!(world.get(&format!("{LEAD}/Attributes?$select=MaxLength")).status, 400, "MaxLength needs a cast");

    for (cast, name, property, expected) in [
        ("Memo", "description", "MaxLength", json!(2000)),
        ("Money", "revenue", "MaxValue", json!(100_000_000_000_000_i64)),
        ("Integer", "numberofemployees", "MaxValue", json!(1_000_000)),
        ("DateTime", "estimatedclosedate", "DateTimeBehavior", json!({"Value": "DateOnly"})),
        ("DateTime", "createdon", "Format", json!("DateAndTime")),
        ("Lookup", "customerid", "Targets", json!(["account", "contact"])),
    ] {
        let answer = world.get(&format!("{LEAD}/Attributes/Microsoft.Dynamics.CRM.{cast}AttributeMetadata?$select=LogicalName,{property}"));
        assert_eq!(find(&answer.json, name).unwrap()[property], expected, "{cast}");
    }
    assert_eq!(world.get(&format!("{LEAD}/Attributes/Microsoft.Dynamics.CRM.EnumAttributeMetadata")).status, 404);
}

#[test]
fn option_sets_are_expanded() {
    let mut world = World::new();
    let options = "?$select=LogicalName&$expand=OptionSet($select=Options),GlobalOptionSet($select=Options)";
    let answer =
        world.get(&format!("{LEAD}/Attributes(LogicalName='leadsourcecode')/Microsoft.Dynamics.CRM.PicklistAttributeMetadata{options}"));
    let web = &answer.json["OptionSet"]["Options"][7];
    assert_eq!((&web["Value"], &web["Label"]["UserLocalizedLabel"]["Label"]), (&json!(8), &json!("Web")));
    assert_eq!(answer.json["GlobalOptionSet"], Value::Null);
    let answer = world.get(&format!(
        "{LEAD}/Attributes/Microsoft.Dynamics.CRM.StateAttributeMetadata?$select=LogicalName&$expand=OptionSet($select=Options)"
    ));
    let qualified = &answer.json["value"][0]["OptionSet"]["Options"][1];
    assert_eq!((&qualified["DefaultStatus"], &qualified["InvariantName"]), (&json!(3), &json!("Qualified")));
    let answer = world.get(&format!(
        "{LEAD}/Attributes/Microsoft.Dynamics.CRM.StatusAttributeMetadata?$select=LogicalName&$expand=OptionSet($select=Options)"
    ));
    assert_eq!(answer.json["value"][0]["OptionSet"]["Options"][3]["State"], 2);
    assert_eq!(world.get(&format!("{LEAD}/Attributes/Microsoft.Dynamics.CRM.StringAttributeMetadata?$expand=Nothing")).status, 400);
}

#[test]
fn metadata_filters_are_limited() {
    let mut world = World::new();
    for filter in ["AttributeType eq Microsoft.Dynamics.CRM.AttributeTypeCode'Picklist'", "AttributeType eq 'Picklist'"] {
        let answer = world.get(&format!("{LEAD}/Attributes?$select=LogicalName&$filter={filter}"));
        assert!(answer.ids("LogicalName").contains(&"leadqualitycode".to_owned()), "{filter}");
        assert!(!answer.ids("LogicalName").contains(&"subject".to_owned()), "{filter}");
    }
    let answer = world.get(&format!("{LEAD}/Attributes?$filter=startswith(LogicalName,'mkt_')"));
    assert_eq!((answer.status, answer.code()), (501, "0x8006088a"));
    assert!(answer.message().contains("isn't supported for Metadata Entities"));
    assert_eq!(world.get(&format!("{LEAD}/Attributes?$filter=DisplayName/UserLocalizedLabel/Label eq 'x'")).status, 501);
}

#[test]
fn keys_and_relationships() {
    let mut world = World::new();
    let answer = world.get("EntityDefinitions(LogicalName='account')/Keys?$select=LogicalName,KeyAttributes,EntityKeyIndexStatus");
    assert_eq!(
        (&answer.json["value"][0]["KeyAttributes"], &answer.json["value"][0]["EntityKeyIndexStatus"]),
        (&json!(["accountnumber"]), &json!("Active"))
    );
    let answer = world.get("EntityDefinitions(LogicalName='connection')/ManyToOneRelationships?$select=ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName");
    let to_contact = answer.json["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["ReferencingAttribute"] == "record2id" && row["ReferencedEntity"] == "contact")
        .unwrap();
    assert_eq!(to_contact["ReferencingEntityNavigationPropertyName"], "record2id_contact");
    let answer = world.get("EntityDefinitions(LogicalName='account')/OneToManyRelationships?$select=SchemaName,ReferencingEntity");
    assert!(answer.ids("SchemaName").contains(&"contact_customer_accounts".to_owned()));
}

#[test]
fn attributes_can_be_expanded_for_all_tables_at_once() {
    let mut world = World::new();
    let answer = world.get("EntityDefinitions?$select=LogicalName,EntitySetName,PrimaryIdAttribute,CanChangeTrackingBeEnabled,ChangeTrackingEnabled&$expand=Attributes($select=LogicalName,AttributeType)");
    let lead = answer.json["value"].as_array().unwrap().iter().find(|table| table["LogicalName"] == "lead").unwrap().clone();
    assert!(
        lead["Attributes"].as_array().unwrap().iter().any(|row| row["LogicalName"] == "modifiedon" && row["AttributeType"] == "DateTime")
    );
}

#[test]
fn the_schema_can_change_and_metadata_may_lag() {
    let mut world = World::with(Options { metadata_lag_s: 30, msi_columns: MsiColumns::New, ..Options::default() });
    let wanted = |world: &mut World, headers: &[(&str, &str)]| {
        world.call("GET", &format!("{LEAD}/Attributes(LogicalName='new_score')?$select=LogicalName"), headers, "").status
    };
    assert_eq!(
        world.get(&format!("{LEAD}/Attributes(LogicalName='new_priority')?$select=DisplayName")).json["DisplayName"]["UserLocalizedLabel"]
            ["Label"],
        "Engagement"
    );
    assert_eq!(world.get(&format!("{LEAD}/Attributes(LogicalName='mkt_priority')")).status, 404);
    let column = NewColumn {
        name: "new_score".into(),
        schema: None,
        label: Some("Score".into()),
        kind: Kind::Integer(0, 10),
        options: Vec::new(),
        targets: Vec::new(),
    };
    world.state.add_column("lead", column, world.now).unwrap();
    assert_eq!(wanted(&mut world, &[]), 404);
    assert_eq!(wanted(&mut world, &[("consistency", "Strong")]), 200);
    world.later(30);
    assert_eq!(wanted(&mut world, &[]), 200);
    world.leads(1);
    let row = format!("leads({})", crate::world::id(1));
    assert_eq!(world.patch(&row, json!({"new_score": 7})).status, 204);
    world.state.rename_column("lead", "new_score", "new_points").unwrap();
    assert_eq!(world.get(&format!("{row}?$select=new_points")).json["new_points"], 7);
    world.state.remove_column("lead", "new_points").unwrap();
    assert_eq!(world.get(&format!("{row}?$select=new_points")).status, 400);
    // `IsValidForRead`: what can't be read is no property.
    world.state.edit_column("lead", "mobilephone", |column| column.readable = false).unwrap();
    assert_eq!(world.get(&format!("{row}?$select=mobilephone")).code(), "0x80060888");
    assert!(world.get(&row).json.get("mobilephone").is_none());
    let told = world.get("EntityDefinitions(LogicalName='lead')/Attributes(LogicalName='mobilephone')?$select=IsValidForRead");
    assert_eq!(told.json["IsValidForRead"], json!(false));
    world.state.resize_column("lead", "new_lastinterestingmomenttype", 10).unwrap();
    assert_eq!(world.patch(&row, json!({"new_lastinterestingmomenttype": "eleven chars"})).code(), "0x80044331");
}

#[test]
fn the_documents_list_the_sets() {
    let mut world = World::new();
    let answer = world.get("");
    assert_eq!(answer.json["@odata.context"], format!("{BASE}/$metadata"));
    assert!(answer.json["value"].as_array().unwrap().contains(&json!({"name": "accounts", "kind": "EntitySet", "url": "accounts"})));
    let answer = world.get("$metadata");
    assert_eq!(answer.header("content-type"), Some("application/xml"));
    for piece in [
        "<EntityType Name=\"lead\"",
        "Name=\"customerid_account\"",
        "<EntitySet Name=\"connections\"",
        "Property Name=\"_ownerid_value\" Type=\"Edm.Guid\"",
        "ChangeTracking",
    ] {
        assert!(answer.text().contains(piece), "{piece}");
    }
    assert_eq!(
        world.get("solutions?$select=uniquename&$filter=uniquename eq 'MarketoSalesInsight'").json["value"][0]["uniquename"],
        "MarketoSalesInsight"
    );
    assert_eq!(ClosedRows::Refuse, world.state.options().closed_leads);
}

#[test]
fn tables_are_made_and_removed_as_microsofts_python_client_does() {
    let mut world = World::new();
    let label = |text: &str| json!({"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]});
    let column = |kind: &str, name: &str, primary: bool| json!({"@odata.type": format!("Microsoft.Dynamics.CRM.{kind}"), "SchemaName": name, "DisplayName": label(name), "IsPrimaryName": primary, "MaxLength": 50});
    let entity = |columns: Value| json!({"Entities": [{"SchemaName": "new_Product", "DisplayName": label("Product"), "DisplayCollectionName": label("Products"), "Attributes": columns}]});
    let unknown =
        json!([column("ComplexStringAttributeMetadata", "new_Name", true), column("ComplexFileAttributeMetadata", "new_File", false)]);
    assert_eq!(world.post("CreateEntities", entity(unknown)).status, 501);
    assert_eq!(world.get("EntityDefinitions(LogicalName='new_product')").status, 404, "all or nothing");
    let known =
        json!([column("ComplexStringAttributeMetadata", "new_Name", true), column("ComplexDecimalAttributeMetadata", "new_Price", false)]);
    assert_eq!(world.post("CreateEntities", entity(known)).status, 200);
    assert_eq!(world.post("new_products", json!({"new_name": "A", "new_price": 1.5})).status, 204);
    let id = world.get("EntityDefinitions(LogicalName='new_product')?$select=PrimaryNameAttribute").json["MetadataId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        world.post(&format!("EntityDefinitions({id})/Attributes"), column("StringAttributeMetadata", "new_Extra", false)).status,
        204
    );
    assert_eq!(world.get("new_products?$select=new_extra").status, 200);
    assert_eq!(world.call("DELETE", &format!("EntityDefinitions({id})"), &[], "").status, 204);
    assert_eq!(world.get("new_products").status, 404);
    assert_eq!(world.get("leads?$select=subject").status, 200, "other tables keep their places");
}

#[test]
fn what_a_type_lacks_is_refused_and_what_it_has_is_there() {
    let mut world = World::new();
    let lead = "EntityDefinitions(LogicalName='lead')/Attributes";
    for (url, status) in [
        ("?$select=LogicalName&$expand=OptionSet", 400),
        ("/Microsoft.Dynamics.CRM.StringAttributeMetadata?$expand=OptionSet", 400),
        ("/Microsoft.Dynamics.CRM.StringAttributeMetadata?$select=LogicalName,IsLocalizable,YomiOf,FormulaDefinition", 200),
        ("?$filter=LogicalName eq 'zz' and startswith(LogicalName,'a')", 501),
        ("?$filter=LogicalName eq 'zz' or ColumnNumber gt 3", 501),
    ] {
        let answer = world.get(&format!("{lead}{url}"));
        assert_eq!(answer.status, status, "{url}: {}", answer.text());
    }
}

#[test]
fn made_columns_keep_their_limits() {
    let mut world = World::new();
    let table = json!({"SchemaName": "new_Policy", "Attributes": [{"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Name", "IsPrimaryName": true}]});
    assert_eq!(world.post("EntityDefinitions", table).status, 204);
    let url = "EntityDefinitions(LogicalName='new_policy')/Attributes";
    let decimal = json!({"@odata.type": "Microsoft.Dynamics.CRM.DecimalAttributeMetadata", "SchemaName": "new_Rate", "MinValue": 0.5, "MaxValue": 2.5, "Precision": 1, "RequiredLevel": {"Value": "ApplicationRequired"}});
    let made = world.post(url, decimal);
    let address = made.header("odata-entityid").unwrap().to_owned();
    assert!(address.contains("/EntityDefinitions(LogicalName='new_policy')/Attributes("), "{address}");
    let read = world.get(&format!("{address}/Microsoft.Dynamics.CRM.DecimalAttributeMetadata?$select=MinValue,MaxValue,RequiredLevel"));
    assert_eq!(
        (&read.json["MinValue"], &read.json["MaxValue"], &read.json["RequiredLevel"]["Value"]),
        (&json!(0.5), &json!(2.5), &json!("ApplicationRequired"))
    );
    let shown = json!({"@odata.type": "Microsoft.Dynamics.CRM.DateTimeAttributeMetadata", "SchemaName": "new_When", "Format": "DateOnly"});
    assert_eq!(world.post(url, shown).status, 204);
    for (body, status) in [(json!({"new_rate": 2.6}), 400), (json!({"new_rate": 2.5, "new_when": "2026-01-01T10:00:00Z"}), 204)] {
        let answer = world.post("new_policies", body.clone());
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
}

#[test]
fn internal_lookups_have_values_but_no_relationship() {
    let mut world = World::new();
    let listed = world.get("EntityDefinitions(LogicalName='contact')/ManyToOneRelationships?$select=ReferencingAttribute");
    assert!(!listed.ids("ReferencingAttribute").contains(&"accountid".to_owned()), "{}", listed.text());
    assert_eq!(world.get("contacts?$select=_accountid_value").status, 200);
    assert_eq!(world.get("contacts?$expand=accountid").status, 400);
    let body = json!({"lastname": "Roth", "accountid@odata.bind": format!("/accounts({})", crate::world::id(1))});
    assert_eq!(world.post("contacts", body).code(), "0x80048d19");
}

#[test]
fn changes_of_the_schema_need_the_privileges_of_customizers_and_are_published() {
    let mut world = World::new();
    let lead = "EntityDefinitions(LogicalName='lead')";
    let definition = world.get(lead).json;
    let column = json!({"@odata.type": "Microsoft.Dynamics.CRM.IntegerAttributeMetadata", "SchemaName": "new_Stars", "DisplayName": {"LocalizedLabels": [{"Label": "Stars", "LanguageCode": 1033}]}});
    let xml = json!({"ParameterXml": "<importexportxml><entities><entity>lead</entity></entities></importexportxml>"});
    for (method, path, body, privilege) in [
        ("PUT", lead.to_owned(), &definition, "prvWriteEntity"),
        ("POST", format!("{lead}/Attributes"), &column, "prvCreateAttribute"),
        ("POST", "PublishXml".to_owned(), &xml, "prvPublishCustomization"),
    ] {
        world.state.options_mut().missing_privileges = [privilege.to_owned()].into();
        let refused = world.call(method, &path, &[], &body.to_string());
        assert_eq!((refused.status, refused.code()), (403, "0x80040220"), "{path}");
        assert!(refused.text().contains(privilege), "{path}: {}", refused.text());
        world.state.options_mut().missing_privileges.clear();
        assert_eq!(world.call(method, &path, &[], &body.to_string()).status, 204, "{path}");
    }
    assert_eq!(world.call("PATCH", lead, &[], &json!({"ChangeTrackingEnabled": true}).to_string()).status, 405);
    assert_eq!(world.post("PublishXml", json!({"ParameterXml": "lead"})).status, 400);
    assert_eq!(world.post("PublishAllXml", json!({})).status, 204);
}
