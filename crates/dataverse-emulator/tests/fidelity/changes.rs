//! Change tracking: the first read, deltas, deletions, expiry, refusals.

use dataverse_emulator::options::DeltaStamp;
use serde_json::json;

use crate::world::{Answer, BASE, World, id, object};

const TRACK: &str = "odata.track-changes";

fn delta_link(answer: &Answer) -> String {
    answer.json["@odata.deltaLink"].as_str().unwrap_or_else(|| panic!("no deltaLink: {}", answer.text())).to_owned()
}

fn start(world: &mut World) -> String {
    let answer = world.prefer("leads?$select=lastname", TRACK);
    delta_link(&answer)
}

fn rename(world: &mut World, number: u128, name: &str) {
    world.state.update("lead", id(number), object(json!({"lastname": name})), world.now).unwrap();
}

#[test]
fn the_first_read_pages_and_ends_with_a_delta_link() {
    let mut world = World::new();
    world.leads(5);
    let prefer = "odata.track-changes,odata.maxpagesize=2";
    let answer = world.prefer("leads?$select=lastname", prefer);
    assert_eq!(answer.header("preference-applied"), Some("odata.track-changes,odata.maxpagesize=2"));
    assert!(answer.json.get("@odata.deltaLink").is_none());
    let link = answer.json["@odata.nextLink"].as_str().unwrap().to_owned();
    assert!(link.contains("istracking=%22True%22"), "{link}");
    let answer = world.prefer(&link, prefer);
    let link = answer.json["@odata.nextLink"].as_str().unwrap().to_owned();
    // The preference may be left out on the way.
    let answer = world.prefer(&link, "odata.maxpagesize=2");
    assert_eq!(answer.ids("leadid"), [id(5).to_string()]);
    let link = delta_link(&answer);
    let version = world.state.version();
    assert_eq!(link, format!("{BASE}/leads?$select=lastname&$deltatoken={version}%2103%2f02%2f2026%2009%3a00%3a00"));
}

#[test]
fn a_delta_has_changes_by_version_then_deletions() {
    let mut world = World::new();
    world.leads(4);
    let link = start(&mut world);
    rename(&mut world, 3, "Roth");
    rename(&mut world, 1, "Ruiz");
    world.state.delete("lead", id(2), world.now).unwrap();
    world.seed("lead", json!({"leadid": id(9), "lastname": "Fleeting"}));
    world.state.delete("lead", id(9), world.now).unwrap();
    world.seed("lead", json!({"leadid": id(8), "lastname": "New"}));
    let answer = world.get(&link);
    assert_eq!(answer.json["@odata.context"], format!("{BASE}/$metadata#leads(lastname)/$delta"));
    let version = |number| world.state.get("lead", id(number)).unwrap()["versionnumber"].clone();
    let deleted =
        |number| json!({"@odata.context": format!("{BASE}/$metadata#leads/$deletedEntity"), "id": id(number), "reason": "deleted"});
    let row = |number, name: &str| json!({"@odata.etag": format!("W/\"{}\"", version(number)), "leadid": id(number), "lastname": name});
    assert_eq!(answer.json["value"], json!([row(3, "Roth"), row(1, "Ruiz"), row(8, "New"), deleted(2), deleted(9)]));
    let count = link.replace("/leads?$select=lastname&", "/leads/$count?");
    assert_eq!(world.get(&count).text(), "5");
    let next = delta_link(&answer);
    let answer = world.get(&next);
    assert_eq!(answer.json["value"], json!([]));
    assert!(answer.json["@odata.deltaLink"].is_string());
}

#[test]
fn a_change_of_an_unselected_column_returns_the_row() {
    let mut world = World::new();
    world.leads(1);
    let link = start(&mut world);
    world.state.update("lead", id(1), object(json!({"jobtitle": "CTO"})), world.now).unwrap();
    assert_eq!(world.get(&link).ids("leadid"), [id(1).to_string()]);
}

#[test]
fn a_delta_is_paged_and_what_changes_meanwhile_comes_with_the_next() {
    let mut world = World::new();
    world.leads(5);
    let mut link = start(&mut world);
    for number in 1..=5 {
        rename(&mut world, number, "Changed");
    }
    world.state.delete("lead", id(5), world.now).unwrap();
    let mut seen = Vec::new();
    let last = loop {
        let answer = world.prefer(&link, "odata.maxpagesize=2");
        seen.extend(
            answer.json["value"].as_array().unwrap().iter().map(|row| row["leadid"].as_str().or(row["id"].as_str()).unwrap().to_owned()),
        );
        rename(&mut world, 4, "Again");
        match answer.json["@odata.nextLink"].as_str() {
            Some(next) => next.clone_into(&mut link),
            None => break delta_link(&answer),
        }
    };
    assert!([1, 2, 3, 5].iter().all(|number| seen.contains(&id(*number).to_string())), "{seen:?}");
    assert_eq!(world.get(&last).ids("leadid"), [id(4).to_string()], "the row that moved on");
}

#[test]
fn delta_entries_repeat_between_pages_on_request() {
    let mut world = World::new();
    world.leads(5);
    let mut link = start(&mut world);
    for number in 1..=5 {
        rename(&mut world, number, "Changed");
    }
    world.state.options_mut().repeat_between_delta_pages = true;
    let mut seen = Vec::new();
    loop {
        let answer = world.prefer(&link, "odata.maxpagesize=2");
        seen.extend(answer.ids("leadid"));
        match answer.json["@odata.nextLink"].as_str() {
            Some(next) => next.clone_into(&mut link),
            None => break,
        }
    }
    assert!(seen.len() > 5);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[test]
fn the_hole_of_the_first_read_and_its_cure() {
    for (stamp, expected) in [(DeltaStamp::LastPage, 0), (DeltaStamp::Start, 1)] {
        let mut world = World::new();
        world.state.options_mut().delta_stamp = stamp;
        world.leads(4);
        let prefer = "odata.track-changes,odata.maxpagesize=2";
        let first = world.prefer("leads?$select=lastname", prefer);
        rename(&mut world, 1, "Changed behind the reader");
        let next = first.json["@odata.nextLink"].as_str().unwrap().to_owned();
        let last = world.prefer(&next, prefer);
        let answer = world.get(&delta_link(&last));
        assert_eq!(answer.json["value"].as_array().unwrap().len(), expected, "{stamp:?}");
    }
}

#[test]
fn expired_tokens_ask_for_a_full_read() {
    let mut world = World::new();
    world.leads(1);
    let expired = |answer: &Answer| {
        assert_eq!((answer.status, answer.code()), (400, "0x80044352"), "{}", answer.text());
        assert_eq!(answer.message(), "Version stamp associated with the client has expired. Please perform a full sync.");
    };
    let link = start(&mut world);
    world.state.expire_delta_tokens();
    expired(&world.get(&link));
    let link = start(&mut world);
    assert_eq!(world.get(&link).status, 200, "a fresh one works");
    world.later(7 * 86_400);
    world.sign_in();
    assert_eq!(world.get(&link).status, 200, "within the retention");
    world.later(1);
    expired(&world.get(&link));
    let other = link.replace("deltatoken=", "deltatoken=9");
    expired(&world.get(&other));
    let answer = world.get(&link.replace("%21", "x"));
    assert_eq!((answer.status, answer.code()), (400, "0x80060888"), "unreadable");
}

#[test]
fn what_tracking_refuses() {
    let mut world = World::new();
    for option in ["$filter=statecode eq 0", "$orderby=lastname", "$expand=ownerid", "$top=5"] {
        let answer = world.prefer(&format!("leads?$select=lastname&{option}"), TRACK);
        let name = option.split('=').next().unwrap();
        assert_eq!(answer.status, 400);
        assert_eq!(answer.message(), format!("The \"{name}\" query parameter isn't supported when Change Tracking is enabled."));
    }
    world.state.options_mut().track_connections = false;
    let answer = world.prefer("connections", TRACK);
    assert_eq!((answer.status, answer.code()), (400, "0x80060888"));
    assert!(answer.message().starts_with("Change tracking is not enabled for entity 'connection'"));
    let answer = world.get("EntityDefinitions(LogicalName='connection')?$select=ChangeTrackingEnabled");
    assert_eq!(answer.json["ChangeTrackingEnabled"], false);
    world.state.options_mut().track_connections = true;
    assert_eq!(world.prefer("connections", TRACK).status, 200);
}

#[test]
fn the_retention_can_be_read_and_the_delta_link_omitted() {
    let mut world = World::new();
    world.state.options_mut().delta_retention_days = 30;
    let answer = world.get("organizations?$select=expirechangetrackingindays");
    assert_eq!(answer.json["value"][0]["expirechangetrackingindays"], 30);
    world.state.options_mut().omit_delta_link_with_annotations = true;
    let prefer = "odata.track-changes,odata.include-annotations=\"Microsoft.Dynamics.CRM.lookuplogicalname\"";
    assert!(world.prefer("leads?$select=lastname", prefer).json.get("@odata.deltaLink").is_none());
    assert!(world.prefer("leads?$select=lastname", TRACK).json["@odata.deltaLink"].is_string());
}

#[test]
fn a_row_deleted_twice_hides_no_other_deletion() {
    let mut world = World::new();
    world.leads(4);
    let first = world.prefer("leads?$select=leadid", "odata.track-changes");
    let mut link = first.json["@odata.deltaLink"].as_str().unwrap().to_owned();
    let now = world.now;
    world.state.delete("lead", id(1), now).unwrap();
    world.leads(1);
    world.state.delete("lead", id(1), now).unwrap();
    for number in 2..=4 {
        world.state.delete("lead", id(number), now).unwrap();
    }
    let mut gone = Vec::new();
    loop {
        let page = world.prefer(&link, "odata.maxpagesize=1");
        gone.extend(page.ids("id"));
        let Some(next) = page.json["@odata.nextLink"].as_str() else { break };
        link = next.to_owned();
    }
    gone.sort();
    assert_eq!(gone, [1, 2, 3, 4].map(|number| id(number).to_string()));
}

#[test]
fn counts_and_aggregates_go_with_no_tracked_read() {
    let mut world = World::new();
    world.leads(1);
    for option in ["$count=true", "$apply=aggregate($count as n)"] {
        let answer = world.prefer(&format!("leads?$select=leadid&{option}"), "odata.track-changes");
        assert_eq!((answer.status, answer.code()), (400, "0x80060888"), "{option}");
        assert!(answer.message().contains("isn't supported when Change Tracking is enabled."), "{}", answer.text());
    }
    let first = world.prefer("leads?$select=leadid", "odata.track-changes");
    let token = first.json["@odata.deltaLink"].as_str().unwrap().split_once("$deltatoken=").unwrap().1.to_owned();
    assert_eq!(world.get(&format!("leads/$count?$deltatoken={token}")).text(), "0");
    world.state.options_mut().untracked_tables.insert("lead".to_owned());
    assert_eq!(world.get(&format!("leads/$count?$deltatoken={token}")).status, 400);
}
