//! Connections: two rows each, in step with each other.

use base::Guid;
use serde_json::{Value, json};

use crate::world::{World, id};

fn connected() -> (World, Guid, Guid) {
    let mut world = World::new();
    world.seed("contact", json!({"contactid": id(2), "firstname": "Nina", "lastname": "Roth"}));
    world.seed("opportunity", json!({"opportunityid": id(3), "name": "50 printers"}));
    world.seed("connectionrole", json!({"connectionroleid": id(5), "name": "Champion", "category": 1000}));
    let body = json!({"record1id_opportunity@odata.bind": format!("/opportunities({})", id(3)), "record2id_contact@odata.bind": format!("/contacts({})", id(2)), "record2roleid@odata.bind": format!("/connectionroles({})", id(5))});
    let answer = world.post("connections", body);
    assert_eq!(answer.status, 204, "{}", answer.text());
    let address = answer.header("odata-entityid").unwrap().to_owned();
    let made: Guid = address.rsplit('(').next().unwrap().trim_end_matches(')').parse().unwrap();
    let row = world.state.get("connection", made).unwrap();
    let mirror: Guid = row["_relatedconnectionid_value"].as_str().unwrap().parse().unwrap();
    (world, made, mirror)
}

fn cell(world: &World, row: Guid, name: &str) -> Value {
    world.state.get("connection", row).unwrap().get(name).cloned().unwrap_or(Value::Null)
}

#[test]
fn a_connection_is_two_rows() {
    let (mut world, made, mirror) = connected();
    assert_eq!(world.state.count("connection"), 2);
    for (row, one, two, role1, role2, codes, master) in
        [(made, id(3), id(2), Value::Null, json!(id(5)), (3, 2), true), (mirror, id(2), id(3), json!(id(5)), Value::Null, (2, 3), false)]
    {
        assert_eq!((cell(&world, row, "_record1id_value"), cell(&world, row, "_record2id_value")), (json!(one), json!(two)));
        assert_eq!((cell(&world, row, "_record1roleid_value"), cell(&world, row, "_record2roleid_value")), (role1, role2));
        assert_eq!(
            (cell(&world, row, "record1objecttypecode"), cell(&world, row, "record2objecttypecode")),
            (json!(codes.0), json!(codes.1))
        );
        assert_eq!(cell(&world, row, "ismaster"), json!(master));
    }
    assert_eq!(cell(&world, mirror, "_relatedconnectionid_value"), json!(made));
    assert_eq!(cell(&world, mirror, "versionnumber").as_u64(), cell(&world, made, "versionnumber").as_u64().map(|version| version + 1));
    assert_eq!(cell(&world, made, "name"), "Nina Roth");

    let url = "connections?$select=_record1id_value,_record2id_value,_record2roleid_value,statecode,ismaster&$filter=record1objecttypecode eq 3 and record2objecttypecode eq 2 and statecode eq 0&$expand=record2roleid($select=name,category)";
    let answer = world.get(url);
    assert_eq!(answer.ids("connectionid"), [made.to_string()]);
    assert_eq!(answer.json["value"][0]["record2roleid"]["name"], "Champion");
}

#[test]
fn the_mirror_follows_changes_and_deletion() {
    let (mut world, made, mirror) = connected();
    let link = world.prefer("connections?$select=statecode", "odata.track-changes").json["@odata.deltaLink"].as_str().unwrap().to_owned();
    assert_eq!(
        world.patch(&format!("connections({made})"), json!({"statecode": 1, "statuscode": 2, "record2roleid@odata.bind": null})).status,
        204
    );
    assert_eq!((cell(&world, mirror, "statecode"), cell(&world, mirror, "_record1roleid_value")), (json!(1), Value::Null));
    assert_eq!(world.get(&link).json["value"].as_array().unwrap().len(), 2);
    assert_eq!(world.patch(&format!("connections({made})"), json!({"description": "x"})).status, 400, "inactive connections are read-only");
    assert_eq!(world.call("DELETE", &format!("connections({mirror})"), &[], "").status, 204);
    assert_eq!(world.state.count("connection"), 0);
    let answer = world.get(&link);
    let mut gone: Vec<_> = answer.json["value"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect();
    gone.sort();
    let mut both = vec![made.to_string(), mirror.to_string()];
    both.sort();
    assert_eq!(gone, both);
}

#[test]
fn the_mirror_may_outlive_its_twin() {
    let (mut world, made, mirror) = connected();
    world.state.options_mut().delete_mirrors = false;
    assert_eq!(world.call("DELETE", &format!("connections({made})"), &[], "").status, 204);
    assert!(world.state.get("connection", mirror).is_some());
}

#[test]
fn deleting_an_end_deletes_both_rows() {
    let (mut world, ..) = connected();
    assert_eq!(world.call("DELETE", &format!("contacts({})", id(2)), &[], "").status, 204);
    assert_eq!(world.state.count("connection"), 0);
}

#[test]
fn a_seeded_pair_is_taken_as_it_is() {
    let (world, made, mirror) = connected();
    let mut copy = World::new();
    for (_, row) in world.state.rows("connection") {
        copy.state.insert("connection", row, copy.now).unwrap();
    }
    assert_eq!(copy.state.count("connection"), 2);
    assert_eq!(cell(&copy, made, "_relatedconnectionid_value"), json!(mirror));
    assert_eq!(cell(&copy, mirror, "ismaster"), json!(false));
}
