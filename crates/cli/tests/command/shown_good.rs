//! What commands print when all is well, or something is left: one organisation's way from nothing to an audit.

use serde_json::{Value, json};

use crate::{
    serving::Serving,
    shown::{Shown, long_ago, without_this_run},
    world::{World, options},
};

/// Xavier Smith-Jones, a contact with an owner, an account and deals; and her owner.
const XAVIER: &str = "0bc83f91-3ecf-4785-ae87-c87e93d01bb9";
const OWNER: &str = "5bd9df49-1fb8-4784-b04c-cfad2df92e1d";

/// A lead for whom there are two people in Marketo.
const AMBIGUOUS: &str = "31b03ebe-6d9b-4c60-8952-ddcd2cc6b95d";

/// Nobody.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn world() -> World {
    World::with(options(60), long_ago())
}

/// Xavier's id and e-mail address in Marketo.
fn xavier(world: &World) -> (i64, String) {
    let state = world.sandbox.marketo.state();
    let person = state.leads().find(|person| person.get("externalPersonId").and_then(Value::as_str) == Some(XAVIER)).unwrap();
    (person["id"].as_i64().unwrap(), person["email"].as_str().unwrap().to_owned())
}

#[test]
fn check_sync_and_status() {
    let world = world();
    let (mut check, mut status, mut sync) = (Shown::new("check"), Shown::new("status"), Shown::new("sync"));
    check.ways(&world, "two good sides, before the first sync", &["check"]);
    status.ways(&world, "nothing was done yet", &["status"]);
    sync.once(&world, "the first", &["sync"]);
    sync.people(&world, "nothing has changed since", &["sync"]);
    sync.once(&world, "the same for programs", &["sync", "--json"]);
    sync.once(&world, "one record and what it needs", &["sync", "--only", XAVIER]);
    sync.once(&world, "a record that nobody knows", &["sync", "--only", "nobody@nowhere.example"]);
    sync.once(&world, "a kind of change that doesn't exist", &["sync", "--allow", "everything"]);
    check.people(&world, "after a sync", &["check"]);
    status.ways(&world, "after syncs", &["status"]);
    check.end();
    status.end();
    sync.end();
}

#[test]
fn inspect_held_and_erase() {
    let world = world();
    let (mut inspect, mut held, mut erase) = (Shown::new("inspect"), Shown::new("held"), Shown::new("erase"));
    held.ways(&world, "nothing was done yet", &["held"]);
    inspect.once(&world, "before the first sync", &["inspect", XAVIER]);
    world.run(&["sync"]);
    inspect.ways(&world, "somebody who is shown", &["inspect", &xavier(&world).1]);
    inspect.ways(&world, "somebody who isn't", &["inspect", AMBIGUOUS]);
    inspect.once(&world, "nobody", &["inspect", NOBODY]);
    held.ways(&world, "one is held", &["held"]);
    held.once(&world, "none of this kind", &["held", "list", "--object", "company", "--waiting"]);
    held.ways(&world, "one of them", &["held", "show", AMBIGUOUS]);
    held.once(&world, "one that isn't held", &["held", "show", XAVIER]);
    held.once(&world, "no GUID", &["held", "show", "5e1c"]);
    held.once(&world, "as a file", &["held", "export", "-"]);
    held.once(&world, "as a file that is there", &["held", "export", "insight-bridge.toml"]);
    held.once(&world, "tried again: nothing is said of which", &["held", "retry"]);
    held.once(&world, "tried again: one that isn't held", &["held", "retry", NOBODY]);
    held.once(&world, "dismissed: no reason", &["held", "dismiss", AMBIGUOUS]);
    held.once(&world, "dismissed: one that isn't held", &["held", "dismiss", NOBODY, "--reason", "a test person", "--yes"]);
    held.ways(&world, "dismissed: only shown", &["held", "dismiss", AMBIGUOUS, "--reason", "a test person"]);
    held.once(&world, "dismissed", &["held", "dismiss", AMBIGUOUS, "--reason", "a test person", "--yes"]);
    held.ways(&world, "what was dismissed", &["held", "--dismissed"]);
    held.once(&world, "taken back", &["held", "retry", "--dismissed"]);
    erase.once(&world, "nobody", &["erase", NOBODY]);
    erase.ways(&world, "only shown", &["erase", XAVIER]);
    erase.once(&world, "done", &["erase", XAVIER, "--yes"]);
    inspect.once(&world, "somebody who was erased", &["inspect", XAVIER]);
    inspect.end();
    held.end();
    erase.end();
}

#[test]
fn plan_and_what_is_done_of_it() {
    let world = world();
    let mut plan = Shown::new("plan");
    plan.people(&world, "before the first sync", &["plan"]);
    let data: Value = serde_json::from_str(&world.run(&["plan", "--json"]).expect(6).stdout).unwrap();
    plan.note("for programs it has", &outline(&data, 2));
    plan.once(&world, "without values", &["plan", "--samples", "0", "-o", "plan.json"]);
    let file = std::fs::read_to_string(world.folder.path().join("plan.json")).unwrap();
    plan.note("the file has", &outline(&serde_json::from_str(&file).unwrap(), 1));
    plan.once(&world, "done", &["sync", "--plan", "plan.json"]);
    plan.people(&world, "nothing is left to do", &["plan"]);
    plan.once(&world, "done once more", &["sync", "--plan", "plan.json"]);
    plan.once(&world, "no such file", &["sync", "--plan", "none.json"]);
    plan.once(&world, "no plan", &["sync", "--plan", "insight-bridge.toml"]);
    plan.once(&world, "values without a file", &["plan", "--values"]);
    plan.once(&world, "a folder that isn't there", &["plan", "-o", "no/such/folder/plan.json"]);
    plan.once(&world, "a plan and something else", &["sync", "--plan", "plan.json", "--retry-held"]);
    plan.end();
}

#[test]
fn audit_map_and_the_others() {
    let world = world();
    let (mut audit, mut map, mut others) = (Shown::new("audit"), Shown::new("map"), Shown::new("others"));
    audit.once(&world, "before the first sync", &["audit"]);
    world.run(&["sync"]);
    audit.ways(&world, "no difference", &["audit"]);
    let row = json!({"lastName": "Other"}).as_object().unwrap().clone();
    let (person, _) = xavier(&world);
    world.sandbox.marketo.state().update_lead(person, row, base::Timestamp::now());
    audit.ways(&world, "somebody was changed in Marketo", &["audit"]);
    audit.once(&world, "to be mended by the next sync", &["audit", "--repair"]);
    audit.once(&world, "no such share", &["audit", "--sample", "101%"]);
    map.ways(&world, "as it is in force", &["map"]);
    map.once(&world, "what could be sent besides", &["map", "--suggest"]);
    others.once(&world, "the program", &["--version"]);
    others.once(&world, "a file for whoever helps", &["support-bundle"]);
    others.once(&world, "a file that is there", &["support-bundle", "-o", "insight-bridge.toml"]);
    let bundle: Value = serde_json::from_str(&world.run(&["support-bundle", "-o", "-"]).expect(0).stdout).unwrap();
    others.note("what it has", &without_this_run(&outline(&bundle, 3), &world));
    let schema: Value = serde_json::from_str(&world.run(&["schema"]).expect(0).stdout).unwrap();
    others.note("the schema has", &outline(&schema, 1));
    others.once(&world, "a shell that isn't known", &["completions", "tcsh"]);
    others.once(&world, "a folder that can't be made", &["man", "insight-bridge.toml/man"]);
    others.once(&world, "an e-mail that Marketo took", &["mend-owner-email", OWNER]);
    others.once(&world, "no GUID of a user", &["mend-owner-email", "wendy"]);
    audit.end();
    map.end();
    others.end();
}

#[test]
fn what_steers_a_serving_process() {
    let world = world();
    world.configure(&format!("{}\n[schedule]\nchanges = \"1h\"\nmoments = \"1h\"\n", world.configuration()));
    let mut shown = Shown::new("serve");
    for command in ["health", "run", "pause", "resume"] {
        shown.once(&world, "no process serves", &[command]);
    }
    let serving = Serving::ready(&world);
    serving.wait_for("pass ended", 1);
    shown.once(&world, "it serves", &["health", "--ready"]);
    let moments = serving.count("pass ended bridge=\"default\" pass=\"moments\"");
    shown.once(&world, "a pass begins", &["run", "moments"]);
    serving.wait_for("pass ended bridge=\"default\" pass=\"moments\"", moments + 1);
    shown.once(&world, "no such pass", &["run", "everything"]);
    shown.once(&world, "no pass begins any more", &["pause"]);
    shown.once(&world, "paused", &["health"]);
    shown.once(&world, "paused", &["health", "--ready"]);
    shown.once(&world, "a pass while it is paused", &["run"]);
    shown.once(&world, "passes begin again", &["resume"]);
    serving.stop().expect(0);
    shown.end();
}

/// The members of a value, so many levels deep.
fn outline(value: &Value, levels: usize) -> String {
    let mut lines = Vec::new();
    members(value, levels, "", &mut lines);
    lines.join("\n")
}

fn members(value: &Value, levels: usize, before: &str, lines: &mut Vec<String>) {
    let Some(object) = value.as_object().filter(|_| levels > 0) else { return };
    for (name, value) in object {
        lines.push(format!("{before}{name}"));
        members(value, levels - 1, &format!("{before}  "), lines);
    }
}
