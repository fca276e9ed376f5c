//! `plan` changes nothing and says what would be done; `sync --plan` does that.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt};

use sandbox::edits;
use serde_json::{Value, json};

use crate::{
    rows::{assert_agreed, everything},
    serving::Serving,
    world::{World, options},
};

/// A world in step, and then some people changed.
fn changed(people: u64, percent: f64) -> World {
    let world = World::with(options(people), base::Timestamp::now());
    world.run(&["sync"]);
    change(&world, percent, 1);
    world
}

fn change(world: &World, percent: f64, seed: u64) -> Vec<String> {
    let edited = edits::edit_people(&mut world.sandbox.dataverse.state(), seed, percent, base::Timestamp::now()).unwrap();
    edited.into_iter().map(|edit| edit.id.to_string()).collect()
}

/// What is in the folder, apart from the state and what SQLite puts beside it.
fn files(world: &World) -> BTreeSet<String> {
    let names = fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with("state.db") || name.contains("copy")).collect()
}

#[test]
fn a_plan_says_what_would_be_done_and_is_done() {
    let world = changed(200, 10.0);
    let (before, there) = (everything(&world.sandbox), files(&world));
    let shown = world.run(&["plan"]).expect(6);
    assert!(shown.stdout.starts_with("The next sync would make ") && shown.stdout.contains(" → "), "{}", shown.stdout);
    for fragment in ["paid by their number: 0", "% of the ", "only to tell what is there", "update person: "] {
        assert!(shown.stdout.contains(fragment), "{fragment}: {}", shown.stdout);
    }
    let data: Value = serde_json::from_str(&world.run(&["plan", "--json"]).expect(6).stdout).unwrap();
    assert!(data["objects"]["lead"]["updated"].as_u64().is_some_and(|count| count > 10) && data.get("records").is_none(), "{data:#}");
    assert_eq!(files(&world), there, "a plan leaves nothing behind");
    world.run(&["plan", "-o", "plan.json"]).expect(6).tells(&[]);
    assert!(before == everything(&world.sandbox), "a plan changed something");
    let file = world.folder.path().join("plan.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    let state = world.sandbox.marketo.state();
    let emails: Vec<String> = state.leads().filter_map(|person| Some(person.get("email")?.as_str()?.to_owned())).collect();
    drop(state);
    assert!(!emails.is_empty() && emails.iter().all(|email| !text.contains(email)) && !text.contains("values"), "{text}");
    let done: Value = serde_json::from_str(&world.run(&["sync", "--plan", "plan.json", "--json"]).stdout).unwrap();
    assert_eq!((&done["plan"]["done"], &done["plan"]["left_out"]), (&done["plan"]["planned"], &json!([])), "{done:#}");
    assert_agreed("a plan", &world.sandbox);
    assert!(world.run(&["plan"]).expect(0).stdout.starts_with("Nothing to do"));
    // Done once, it has nothing left to do.
    let again = world.run(&["sync", "--plan", "plan.json"]).expect(3);
    assert!(again.stderr.starts_with("error[plan-refused]: ") && again.stderr.contains("nothing to write any more"), "{}", again.stderr);
}

#[test]
fn what_changed_since_is_left_out_and_too_much_is_refused() {
    let world = changed(200, 40.0);
    world.run(&["plan", "-o", "plan.json", "--values"]).expect(6);
    assert!(fs::read_to_string(world.folder.path().join("plan.json")).unwrap().contains("\"values\""));
    let edited = change(&world, 1.0, 2);
    let done = world.run(&["sync", "--plan", "plan.json"]).expect(3);
    assert!(edited.iter().all(|id| done.stdout.contains(id)) && done.stdout.contains("left out, for the next sync"), "{}", done.stdout);
    world.run(&["sync"]);
    assert_agreed("a plan", &world.sandbox);
    change(&world, 40.0, 3);
    world.run(&["plan", "-o", "plan.json"]).expect(6);
    change(&world, 20.0, 4);
    let before = everything(&world.sandbox);
    let refused = world.run(&["sync", "--plan", "plan.json"]).expect(3);
    assert!(refused.stderr.starts_with("error[plan-refused]: ") && refused.stderr.contains("more than 5 %"), "{}", refused.stderr);
    let refused: Value = serde_json::from_str(&world.run(&["sync", "--plan", "plan.json", "--json"]).expect(3).stdout).unwrap();
    assert_eq!(refused["code"], "plan-refused");
    assert!(refused["refused"]["changed"].as_array().is_some_and(|changed| changed.len() > 5), "{refused:#}");
    assert!(before == everything(&world.sandbox), "a refused plan wrote something");
}

#[test]
fn a_plan_is_refused_where_configuration_or_schema_is_another() {
    let world = changed(60, 20.0);
    world.run(&["plan", "-o", "plan.json"]).expect(6);
    let configuration = world.configuration();
    let before = everything(&world.sandbox);
    world.configure(&format!("{configuration}\n[policy]\ndefault_role = \"Other\"\n"));
    let refused = world.run(&["sync", "--plan", "plan.json"]).expect(3);
    assert!(refused.stderr.contains("the configuration has changed"), "{}", refused.stderr);
    world.configure(&configuration);
    fs::write(world.folder.path().join("bad.json"), "{").unwrap();
    world.run(&["sync", "--plan", "bad.json"]).expect(1).tells(&["could not be read as a plan", "plan -o FILE"]);
    world.run(&["sync", "--plan", "none.json"]).expect(1).tells(&["none.json could not be read"]);
    world.run(&["plan", "-o", "no/such/folder/plan.json"]).expect(1);
    world.run(&["sync", "--plan", "plan.json", "--allow", "merges"]).expect(2);
    assert!(before == everything(&world.sandbox));
    for entry in fs::read_dir(world.folder.path()).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().starts_with("state.db") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let refused = world.run(&["sync", "--plan", "plan.json"]).expect(3);
    assert!(refused.stderr.contains("another state"), "{}", refused.stderr);
}

#[test]
fn a_process_that_serves_plans_too() {
    let world = changed(60, 20.0);
    world.configure(&format!("{}\n[schedule]\nchanges = \"0 0 1 1 *\"\nmoments = \"1h\"\n", world.configuration()));
    let serving = Serving::ready(&world);
    let before = everything(&world.sandbox);
    let plan = world.end(world.command(&["plan", "-o", "plan.json"]).spawn().unwrap()).expect(6);
    assert!(plan.stdout.contains("sync --plan") && before == everything(&world.sandbox), "{}", plan.stdout);
    let done = world.end(world.command(&["sync", "--plan", "plan.json"]).spawn().unwrap());
    assert!(done.stdout.contains("of the plan: "), "{}", done.stdout);
    serving.stop().expect(0);
    assert_agreed("a plan", &world.sandbox);
}
