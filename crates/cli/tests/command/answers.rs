//! What people ask about one record or all of them: the first line says it, and nothing is changed by asking.

use serde_json::{Value, json};

use crate::{
    rows::everything,
    world::{World, options},
};

/// A contact that is in Marketo with an owner and an account: its GUID, and Marketo's id.
fn somebody(world: &World) -> (String, i64) {
    let state = world.sandbox.marketo.state();
    let mut found = state.leads().filter(|person| {
        ["externalPersonId", "externalSalesPersonId", "externalCompanyId"]
            .iter()
            .all(|field| person.get(*field).is_some_and(Value::is_string))
    });
    let person = found.next().unwrap();
    (person["externalPersonId"].as_str().unwrap().to_owned(), person["id"].as_i64().unwrap())
}

#[test]
fn the_first_line_of_inspect_says_whether_a_person_is_shown_and_why_not() {
    let world = World::with(options(60), base::Timestamp::now());
    world.run(&["sync"]);
    let (id, person) = somebody(&world);
    let before = everything(&world.sandbox);
    let shown = world.run(&["inspect", &id]).expect(0);
    assert!(shown.stdout.lines().next().is_some_and(|line| line.contains(": shown")), "{}", shown.stdout);
    assert!(shown.stdout.contains("GET /rest/v1/leads.json?filterType=externalPersonId&filterValues="), "{}", shown.stdout);
    let data: Value = serde_json::from_str(&world.run(&["inspect", &person.to_string(), "--json"]).expect(0).stdout).unwrap();
    assert_eq!((data[0]["good"].as_bool(), data[0]["state"]["marketo_id"].as_i64()), (Some(true), Some(person)), "{data:#}");
    assert!(before == everything(&world.sandbox), "inspect changed something");
    world.sandbox.marketo.state().update_lead(
        person,
        json!({"externalPersonId": null}).as_object().unwrap().clone(),
        base::Timestamp::now(),
    );
    let hidden = world.run(&["inspect", &id]).expect(3);
    let mut lines = hidden.stdout.lines();
    assert!(
        lines.next().is_some_and(|line| line.contains("NOT SHOWN") && line.contains("external person id is none")),
        "{}",
        hidden.stdout
    );
    assert!(lines.next().is_some_and(|line| line.contains("sync --only")), "{}", hidden.stdout);
    world.run(&["sync", "--only", &id]).expect(0);
    world.run(&["inspect", &id]).expect(0);
    world.run(&["inspect", "nobody@nowhere.example"]).expect(1).tells(&["neither Dynamics, Marketo nor the state knows it"]);
    world.run(&["sync", "--only", "nobody@nowhere.example"]).expect(1).tells(&["neither Dynamics, Marketo nor the state knows it"]);
}

#[test]
fn an_audit_names_what_differs_and_a_sync_mends_it() {
    let world = World::with(options(60), base::Timestamp::now());
    world.run(&["sync"]);
    assert!(world.run(&["audit"]).expect(0).stdout.contains("No difference."));
    let (id, person) = somebody(&world);
    world.sandbox.marketo.state().update_lead(person, json!({"lastName": "=Other"}).as_object().unwrap().clone(), base::Timestamp::now());
    let before = everything(&world.sandbox);
    let found = world.run(&["audit", "--csv", "found.csv"]).expect(3);
    assert!(found.stdout.contains("1 differences: 1 fields") && found.stdout.contains("audit --repair"), "{}", found.stdout);
    let csv = std::fs::read_to_string(world.folder.path().join("found.csv")).unwrap();
    let line = csv.lines().nth(1).unwrap();
    assert!(line.starts_with("fields,person,") && line.contains(&id) && line.contains("lastName") && !csv.contains("Other"), "{csv}");
    assert!(before == everything(&world.sandbox), "an audit changed something");
    world.run(&["audit", "--repair", "--json"]).expect(3);
    world.run(&["sync"]);
    world.run(&["audit"]).expect(0);
    for bad in ["0", "101%", "some", "-1%"] {
        assert_eq!(world.run(&["audit", &format!("--sample={bad}")]).code(), Some(2), "{bad}");
    }
}

#[test]
fn the_map_shows_both_sides_types() {
    let world = World::with(options(20), base::Timestamp::now());
    let map = world.run(&["map"]).expect(0);
    for fragment in ["emailaddress1", "from contact", "owner", "back to Dynamics:", "mkt_priority"] {
        assert!(map.stdout.contains(fragment), "{fragment}: {}", map.stdout);
    }
    let data: Value = serde_json::from_str(&world.run(&["map", "--json"]).expect(0).stdout).unwrap();
    assert_eq!(data.as_array().map(Vec::len), Some(5), "{data:#}");
    let suggested = world.run(&["map", "--suggest"]).expect(0).stdout;
    world.configure(&format!("{}{suggested}", world.configuration()));
    world.run(&["check"]).expect(0);
}
