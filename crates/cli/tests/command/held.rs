//! What is held: listed, shown, exported, tried again and dismissed.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

use serde_json::Value;

use crate::{
    serving::Serving,
    world::{Ran, World},
};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A world with held people, synced once.
fn world() -> World {
    let world = World::new(300);
    world.run(&["sync"]).expect(3);
    world
}

fn list(world: &World, args: &[&str]) -> Value {
    let args: Vec<&str> = ["held", "list", "--json"].iter().chain(args).copied().collect();
    let ran = world.run(&args).expect(0);
    assert_eq!(ran.stderr, "");
    json(&ran.stdout)
}

fn records(list: &Value) -> Vec<Value> {
    list["records"].as_array().unwrap().clone()
}

fn id(record: &Value) -> String {
    record["id"].as_str().unwrap().to_owned()
}

/// The first held person.
fn held_person(world: &World) -> String {
    id(&records(&list(world, &["--object", "person"]))[0])
}

/// Nothing of this is for everybody's eyes.
fn is_discreet(ran: &Ran) {
    assert!(!ran.stdout.contains('@') && !ran.stderr.contains('@'), "{ran:?}");
}

#[test]
fn the_list_says_what_the_status_counts_and_calls_nobody() {
    let world = world();
    let status = json(&world.run(&["status", "--json"]).expect(0).stdout);
    let mut held: BTreeMap<String, u64> = BTreeMap::new();
    let mut waiting = 0;
    for left in status["left"].as_object().unwrap().values() {
        waiting += left["waiting"].as_u64().unwrap();
        for (code, count) in left["held"].as_object().unwrap() {
            *held.entry(code.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    assert!(held.contains_key("ambiguous") && waiting > 0, "{status:#}");
    let all = list(&world, &["--waiting"]);
    let counts: BTreeMap<String, u64> =
        all["codes"].as_object().unwrap().iter().map(|(code, of)| (code.clone(), of["count"].as_u64().unwrap())).collect();
    assert_eq!((&counts, all["waiting"].as_u64(), all["left_out"].as_u64()), (&held, Some(waiting), Some(0)));
    assert_eq!(records(&all).len() as u64, held.values().sum::<u64>() + waiting);
    assert_eq!(all["codes"]["ambiguous"]["page"], "docs/errors/ambiguous.md");
    assert!(records(&all).iter().all(|record| record["state"] != "waiting" || record["waits_for"]["id"].is_string()));

    let first = &records(&list(&world, &["--code", "ambiguous", "--limit", "1"]))[0];
    for member in ["object", "table", "id", "state", "code", "reason", "since", "attempts", "retry_at", "owner"] {
        assert!(!first[member].is_null(), "{member}: {first:#}");
    }
    let owner = first["owner"].as_str().unwrap();
    assert!(records(&list(&world, &["--owner", owner])).iter().any(|record| record["id"] == first["id"]));
    assert_eq!(records(&list(&world, &["--object", "company"])), Vec::<Value>::new());
    let one = world.run(&["held", "--limit", "1"]).expect(0);
    let lines: Vec<&str> = one.stdout.lines().collect();
    assert!(lines[0].starts_with("person · ") && lines[0].ends_with(" · ambiguous"), "{lines:#?}");
    assert!(lines[2].contains("tried once · tried again after ") && lines[2].contains("owner "), "{lines:#?}");
    let total: u64 = held.values().sum();
    assert_eq!((lines[3], lines[4]), (format!("… and {} more", total - 1).as_str(), format!("{total} held").as_str()));
    assert!(lines[5].ends_with("ambiguous · several Marketo people could be this record · docs/errors/ambiguous.md"), "{lines:#?}");
    is_discreet(&one);
    assert_eq!(world.tap.requests(), 0);
}

#[test]
fn one_record_is_shown_with_its_remedy_and_its_values_only_if_they_are_asked_for() {
    let world = world();
    let person = held_person(&world);
    let shown = world.run(&["held", "show", &person.to_uppercase()]).expect(0);
    for part in ["meaning: several Marketo people", "what to do: merge them in Marketo", "to be sent: ", "email", "not in Marketo"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    is_discreet(&shown);
    let values = world.run(&["held", "show", &person, "--values"]).expect(0);
    assert!(values.stdout.contains("email = \"") && values.stdout.contains('@'), "{}", values.stdout);
    let whole = json(&world.run(&["held", "show", &person, "--json"]).expect(0).stdout);
    assert!(whole["entries"][0]["fields"].as_array().unwrap().contains(&"email".into()), "{whole:#}");
    assert!(whole["entries"][0].get("values").is_none(), "{whole:#}");
    let whole = json(&world.run(&["held", "show", &person, "--json", "--values"]).expect(0).stdout);
    assert!(whole["entries"][0]["values"]["open"]["email"].as_str().unwrap().contains('@'), "{whole:#}");

    // The role of a held person waits for it.
    let waiting = records(&list(&world, &["--waiting", "--object", "role"]));
    let on = waiting[0]["waits_for"]["id"].as_str().unwrap();
    assert!(world.run(&["held", "show", on]).expect(0).stdout.contains("for it"), "{waiting:#?}");
    // One of which nothing is left, and one that nobody knows.
    let fine = world.sandbox.dataverse.state().rows("systemuser").next().unwrap().0.to_string();
    assert!(world.run(&["held", "show", &fine]).expect(0).stdout.contains("nothing of it is held"));
    world.run(&["held", "show", "00000000-0000-0000-0000-00000000abcd"]).expect(1).tells(&["the state knows no record"]);
    assert_eq!(world.tap.requests(), 0);
}

#[test]
fn the_list_is_a_file_for_spreadsheets_that_only_its_owner_reads() {
    let world = world();
    let path = world.folder.path().join("held.csv");
    world.run(&["held", "export", "held.csv", "--waiting"]).expect(0).tells(&["records written"]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\r\n") && !text.contains('@'), "{text}");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let header = rows.headers().unwrap().clone();
    let rows: Vec<BTreeMap<String, String>> =
        rows.records().map(|row| header.iter().map(str::to_owned).zip(row.unwrap().iter().map(str::to_owned)).collect()).collect();
    let listed = records(&list(&world, &["--waiting"]));
    assert_eq!(rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), listed.iter().map(id).collect::<Vec<_>>());
    let row = rows.iter().find(|row| row["code"] == "ambiguous").unwrap();
    assert_eq!((row["object"].as_str(), row["page"].as_str()), ("person", "docs/errors/ambiguous.md"));
    assert!(rows.iter().any(|row| row["state"] == "waiting" && row["waits_for"].contains(' ')), "{rows:#?}");

    world.run(&["held", "export", "held.csv"]).expect(1).tells(&["is there already", "--force"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    world.run(&["held", "export", "held.csv", "--force", "--code", "1003"]).expect(0);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    let told = world.run(&["held", "export", "-"]).expect(0);
    assert!(told.stdout.starts_with("object,table,id,") && told.stdout.lines().count() > 1, "{}", told.stdout);
    world.run(&["held", "export", "nowhere/held.csv"]).expect(1).tells(&["can't be written", "name another file"]);
}

#[test]
fn what_is_retried_is_sent_by_the_next_sync() {
    let world = world();
    let person = held_person(&world);
    let before = list(&world, &[])["codes"]["ambiguous"]["count"].as_u64().unwrap();
    // Somebody deletes all Marketo people that it could be.
    let values = json(&world.run(&["held", "show", &person, "--json", "--values"]).expect(0).stdout);
    let email = values["entries"][0]["values"]["open"]["email"].as_str().unwrap().to_lowercase();
    let twins: Vec<i64> = {
        let state = world.sandbox.marketo.state();
        let is_twin = |lead: &serde_json::Map<String, Value>| {
            lead.get("email").and_then(Value::as_str).is_some_and(|text| text.to_lowercase() == email)
        };
        state.leads().filter(is_twin).map(|lead| lead["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(twins.len(), 2);
    for twin in twins {
        world.sandbox.marketo.state().delete_lead(twin, base::Timestamp::now());
    }
    assert_eq!(json(&world.run(&["sync", "--json"]).expect(3).stdout)["pushed"]["lead"]["created"], 0);
    let told = world.run(&["held", "retry", &person]).expect(0);
    assert_eq!(told.stdout, "1 held records are tried again: ambiguous × 1\nThe next sync sends them.\n");
    assert_eq!(world.tap.requests(), 0);
    assert!(world.run(&["held", "list", "--code", "ambiguous"]).expect(0).stdout.contains("tried again at the next sync"));
    assert_eq!(json(&world.run(&["sync", "--json"]).expect(3).stdout)["pushed"]["lead"]["created"], 1);
    assert_eq!(list(&world, &[])["codes"]["ambiguous"]["count"].as_u64(), Some(before - 1));
    // Of the others nothing is known; all of them are looked at once more.
    let all = json(&world.run(&["held", "retry", "--all", "--json"]).expect(0).stdout);
    assert_eq!((all["retried"]["ambiguous"].as_u64(), all["taken_back"].as_u64()), (Some(before - 1), Some(0)), "{all:#}");
    assert!(world.run(&["held", "retry", &person]).expect(0).stdout.contains("nothing to try again"));
}

#[test]
fn what_is_dismissed_leaves_the_list_with_who_when_and_why() {
    let world = world();
    let person = held_person(&world);
    let before = list(&world, &[])["codes"]["ambiguous"]["count"].as_u64().unwrap();
    let shown = world.run(&["held", "dismiss", &person, "--reason", "a test person"]).expect(6);
    assert!(shown.stdout.contains("Nothing was changed") && shown.stdout.contains(&person), "{}", shown.stdout);
    assert_eq!(list(&world, &[])["codes"]["ambiguous"]["count"].as_u64(), Some(before));
    let done = world.run(&["held", "dismiss", &person, "--reason", "a test person", "--by", "ann", "--yes"]).expect(0);
    assert!(done.stdout.contains("1 dismissed") && done.stderr.is_empty(), "{done:?}");
    is_discreet(&done);
    assert_eq!(list(&world, &[])["codes"]["ambiguous"]["count"].as_u64(), Some(before - 1));
    let dismissed = list(&world, &["--dismissed"]);
    let record = &records(&dismissed)[0];
    assert_eq!(
        (id(record), &record["dismissed"]["by"], &record["dismissed"]["why"]),
        (person.clone(), &"ann".into(), &"a test person".into())
    );
    assert!(record["dismissed"]["at"].is_string() && record.get("print").is_none(), "{record:#}");
    assert!(world.run(&["held", "--dismissed"]).expect(0).stdout.contains("by ann: a test person"));
    assert!(world.run(&["held", "show", &person]).expect(0).stdout.contains("by ann: a test person"));
    let status = json(&world.run(&["status", "--json"]).expect(0).stdout);
    assert_eq!((status["dismissed"].as_u64(), status["left"]["lead"]["held"]["ambiguous"].as_u64()), (Some(1), Some(before - 1)));
    assert!(world.run(&["status"]).expect(0).stdout.contains("dismissed: 1"));
    // Neither a sync nor a retry of all that is held brings it back; a retry of its own does.
    world.run(&["sync", "--retry-held"]).expect(3);
    world.run(&["held", "retry", "--all"]).expect(0);
    world.run(&["sync"]).expect(3);
    assert_eq!(list(&world, &[])["codes"]["ambiguous"]["count"].as_u64(), Some(before - 1));
    assert!(world.run(&["held", "retry", &person]).expect(0).stdout.contains("1 records are no longer dismissed"));
    assert_eq!(records(&list(&world, &["--dismissed"])), Vec::<Value>::new());
    world.run(&["sync"]).expect(3);
    assert_eq!(list(&world, &[])["codes"]["ambiguous"]["count"].as_u64(), Some(before));
    // All that was dismissed is taken back together.
    let mut command = world.command(&["held", "dismiss", &person, "--reason", "once more", "--yes"]);
    command.env("USER", "bo");
    world.end(command.spawn().unwrap()).expect(0);
    assert_eq!(records(&list(&world, &["--dismissed"]))[0]["dismissed"]["by"], "bo");
    world.run(&["held", "retry", "--dismissed", "--code", "1003"]).expect(0);
    assert_eq!(records(&list(&world, &["--dismissed"])).len(), 1);
    world.run(&["held", "retry", "--dismissed"]).expect(0);
    assert_eq!(records(&list(&world, &["--dismissed"])).len(), 0);
}

#[test]
fn the_process_that_serves_does_it_while_there_is_one() {
    let world = world();
    world.configure(&format!("{}\n[schedule]\nchanges = \"1h\"\nmoments = \"1h\"\n", world.configuration()));
    let person = held_person(&world);
    let serving = Serving::ready(&world);
    serving.wait_for("pass ended bridge=\"default\" pass=\"changes\"", 1);
    let command = |args: &[&str]| world.end(world.command(args).spawn().unwrap());
    let retried = command(&["held", "retry", &person]).expect(0);
    assert!(retried.stdout.contains("The next sync sends them.") && retried.stderr.is_empty(), "{retried:?}");
    command(&["held", "dismiss", &person, "--reason", "a test person"]).expect(6);
    command(&["held", "dismiss", &person, "--reason", "a test person", "--by", "ann", "--yes"]).expect(0);
    let dismissed = json(&command(&["held", "list", "--dismissed", "--json"]).expect(0).stdout);
    assert_eq!(id(&records(&dismissed)[0]), person);
    command(&["held", "retry", "--dismissed"]).expect(0);
    serving.stop().expect(0);
    assert_eq!(records(&list(&world, &["--dismissed"])), Vec::<Value>::new());
}

#[test]
fn what_is_asked_for_wrongly_is_a_mistake_of_usage() {
    let world = World::new(0);
    let guid = "00000000-0000-0000-0000-00000000abcd";
    for (args, told) in [
        (&["held", "retry"][..], "required arguments were not provided"),
        (&["held", "retry", "--all", guid], "cannot be used with"),
        (&["held", "retry", "nobody"], "it is no GUID"),
        (&["held", "show"], "required"),
        (&["held", "show", "7"], "it is no GUID"),
        (&["held", "dismiss", guid], "--reason"),
        (&["held", "dismiss", guid, "--reason", "  "], "it says nothing"),
        (&["held", "dismiss", "--reason", "x"], "required"),
        (&["held", "list", "--object", "leads"], "sales-person, company, person"),
        (&["held", "--owner", "ann"], "it is no GUID"),
        (&["held", "--dismissed", "--waiting"], "cannot be used with"),
        (&["held", "list", "--limit", "few"], "invalid digit"),
        (&["held", "export"], "required"),
        (&["held", "dance"], "dance"),
    ] {
        let ran = world.run(args).expect(2);
        assert!(ran.stderr.contains(told), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(world.run(&["held"]).expect(0).stdout, "0 held\n");
    assert_eq!(list(&world, &["--waiting"]), serde_json::json!({"records": [], "codes": {}, "left_out": 0, "waiting": 0}));
    world.run(&["held", "dismiss", guid, "--reason", "x", "--yes"]).expect(1).tells(&["nothing is held or waiting of"]);
    assert!(world.run(&["held", "retry", guid]).expect(0).stdout.contains("nothing to try again"));
    assert_eq!(world.run(&["held", "--config", "insight-bridge.toml"]).expect(0).stdout, "0 held\n");
    world.run(&["--config", "nowhere.toml", "held", "list"]).expect(2).tells(&["nowhere.toml can't be read"]);
}
