//! The file for whoever is asked for help: what is in it, and what never is.

use std::os::unix::fs::PermissionsExt;

use marketo_emulator::Object;
use serde_json::{Map, Value, json};

use crate::world::World;

/// What nobody may find in it.
const MARK: &str = "Zanzibarian";

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A world in which everybody bears the mark, and some of whom are held: of some Marketo has two, of others it takes no such text.
fn marked() -> World {
    let world = World::new(300);
    world.run(&["sync"]).expect(3);
    let now = base::Timestamp::now();
    {
        let mut state = world.sandbox.dataverse.state();
        for table in ["lead", "contact"] {
            let ids: Vec<_> = state.rows(table).map(|(id, _)| id).collect();
            for (n, id) in ids.into_iter().enumerate() {
                let row = json!({"lastname": MARK, "jobtitle": format!("{MARK} {n} of everything"), "emailaddress1": format!("{MARK}.{n}@marked.example")});
                let _ = state.update(table, id, object(row), now);
            }
        }
    }
    world.sandbox.marketo.state().set_field_limit(Object::Leads, "title", Some(20));
    for person in 0..2 {
        let row = json!({"email": format!("{MARK}.0@marked.example"), "lastName": format!("{MARK} {person}")});
        world.sandbox.marketo.state().insert_lead(object(row), now);
    }
    world.run(&["sync"]).expect(3);
    world
}

#[test]
fn nothing_of_a_person_and_no_secret_is_in_it() {
    let world = marked();
    let text = world.configuration() + "[where]\ncontact = \"emailaddress1 != 'chief@marked.example'\"\n";
    world.configure(&text.replace("client_secret = { env = \"MARKETO_SECRET\" }", "client_secret = { file = \"marketo.secret\" }"));
    std::fs::write(world.folder.path().join("marketo.secret"), format!("{MARK}-secret")).unwrap();
    let person = json_of(&world.run(&["held", "list", "--code", "1003", "--json"]).expect(0).stdout)["records"][0]["id"].clone();
    let person = person.as_str().unwrap_or_else(|| panic!("nobody is held for a text"));
    world.run(&["held", "dismiss", person, "--reason", &format!("it is {MARK}"), "--yes"]).expect(0);
    world.run(&["support-bundle", "-o", "bundle.json"]).expect(0).tells(&["written: bundle.json", "left out"]);
    assert_eq!(world.tap.requests(), 0, "it calls nobody");
    let path = world.folder.path().join("bundle.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    for hidden in [MARK, "@", &world.ready.dataverse.client_secret, &world.ready.marketo.client_secret] {
        assert!(!text.to_lowercase().contains(&hidden.to_lowercase()), "{hidden} is in it");
    }
    let bundle = json_of(&text);
    assert_eq!(bundle["program"]["version"], env!("CARGO_PKG_VERSION"));
    let written = &bundle["configuration"]["written"];
    assert_eq!(written["marketo"]["client_secret"], json!({"file": "marketo.secret"}));
    assert_eq!(written["dynamics"]["client_secret"], json!({"env": "DYNAMICS_SECRET"}));
    assert_eq!(written["dynamics"]["url"], world.ready.dataverse.url.as_str());
    let state = &bundle["state"];
    assert_eq!(state["families"]["link"].as_u64().map(|count| count > 300), Some(true));
    assert_eq!(state["runs"].as_array().map(Vec::len), Some(2));
    assert!(state["runs"][0]["summary"]["marketo_calls"].is_object(), "{:#}", state["runs"][0]);
    assert_eq!(state["dynamics"]["tables"]["contact"]["columns"]["emailaddress1"]["kind"], "text");
    assert!(state["marketo"]["objects"]["lead"]["fields"].to_string().contains("title"));
    let left = &state["left"];
    assert!(left["1003"]["records"][0]["id"].is_string() && left["1003"]["page"] == "docs/errors/marketo-codes.md", "{left:#}");
    assert!(left["1003"]["records"][0]["reason"].as_str().unwrap().contains("title"), "Marketo's words name the field");
    assert_eq!(state["dismissed"][0]["record"]["id"], person);
    assert!(state["cursors"]["contact"].is_object() && state.get("values").is_none());
}

#[test]
fn values_are_in_it_only_if_they_are_asked_for() {
    let world = marked();
    world.run(&["support-bundle", "-o", "bundle.json", "--values"]).expect(0).tells(&["personal data"]);
    let bundle = json_of(&std::fs::read_to_string(world.folder.path().join("bundle.json")).unwrap());
    let held = &bundle["state"]["left"]["1003"]["records"][0];
    let values = &bundle["state"]["values"][held["id"].as_str().unwrap()];
    assert!(values[0]["open"]["title"].as_str().unwrap().contains(MARK), "{values:#}");
    assert!(!bundle["state"]["left"].to_string().contains(MARK));
}

#[test]
fn it_takes_no_other_file_s_place_and_needs_neither_state_nor_secret() {
    let world = World::new(0);
    let bundle = |args: &[&str]| {
        let mut command = world.command(&[&["support-bundle"], args].concat());
        command.env_remove("MARKETO_SECRET").env_remove("DYNAMICS_SECRET");
        world.end(command.spawn().unwrap())
    };
    let ran = bundle(&[]).expect(0);
    let named: Vec<String> = std::fs::read_dir(world.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("insight-bridge-support-") && name.ends_with(".json"))
        .collect();
    assert!(named.len() == 1 && ran.stderr.contains(&named[0]) && ran.stdout.is_empty(), "{named:?}: {ran:?}");
    assert!(!world.folder.path().join("state.db").exists(), "it made a state");
    bundle(&["-o", &named[0]]).expect(1).tells(&["is there already", "--force"]);
    bundle(&["-o", &named[0], "--force"]).expect(0);
    let told = json_of(&bundle(&["-o", "-"]).expect(0).stdout);
    assert!(told["state"].is_null() && told["program"]["os"].is_string(), "{told:#}");
    bundle(&["-o", "nowhere/x.json"]).expect(1).tells(&["can't be written"]);
    world.configure("[marketo]\nbase_url = 7\n");
    bundle(&["-o", "-"]).expect(2).tells(&["configuration"]);
}
