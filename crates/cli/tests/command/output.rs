//! What is printed where: data on stdout, talk on stderr, no colour in a pipe, no e-mail address below -vv, and no panic when nobody reads.

use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use serde_json::Value;

use crate::{
    rows::assert_agreed,
    world::{World, program},
};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_sandbox_says_in_one_line_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(folder.path(), &["sandbox", "--people", "20", "--seed", "3"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let ready = json(&line);
    for (side, members) in [
        ("marketo", &["base_url", "client_id", "client_secret"][..]),
        ("dataverse", &["url", "authority", "tenant_id", "client_id", "client_secret"]),
    ] {
        for member in members {
            assert!(ready[side][member].as_str().is_some_and(|text| !text.is_empty()), "{side}.{member}: {line}");
        }
        assert_eq!(ready[side].as_object().unwrap().len(), members.len(), "{line}");
    }
    assert!(ready["marketo"]["base_url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    child.kill().unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "more than one line");
    child.wait().unwrap();
}

#[test]
fn the_demonstration_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path(), &["demo", "--no-serve", "--people", "300"]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("Both sides agree."), "{stdout}");
    assert!(!stdout.contains('\u{1b}') && !stdout.contains('@') && stderr.is_empty(), "{stdout}{stderr}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn a_narrow_terminal_is_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    for columns in ["40", "1", "0", "-1", "wide"] {
        for args in [&["demo", "--no-serve", "--people", "30"][..], &["sync", "--help"], &["sync", "--config", "nowhere.toml"]] {
            let output = program(folder.path(), args).env("COLUMNS", columns).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(matches!(output.status.code(), Some(0 | 2)), "COLUMNS={columns} {args:?}: {stderr}");
            assert!(!stderr.contains("panicked"), "{stderr}");
        }
    }
}

#[test]
fn a_sync_as_data_is_json_alone_and_a_second_one_sends_nothing() {
    let world = World::new(100);
    let first = world.run(&["sync", "--json"]).expect(3);
    assert_eq!(first.stderr, "");
    let summary = json(&first.stdout);
    assert_eq!((summary["outcome"].as_str(), summary["exit_code"].as_i64()), (Some("unfinished"), Some(3)));
    assert!(summary["pushed"]["lead"]["created"].as_u64().unwrap_or_default() > 50, "{summary:#}");
    assert_agreed("first", &world.sandbox);
    let writes = world.tap.write_objects(world.tap.run()).len();
    assert!(writes >= 5, "{writes}");
    let second = world.run(&["sync", "--json"]).expect(3);
    assert_eq!(world.tap.write_objects(world.tap.run()), Vec::<String>::new(), "{}", second.stdout);
    let counts: u64 = json(&second.stdout)["pushed"].as_object().unwrap().values().map(|pushed| pushed["fields"].as_u64().unwrap()).sum();
    assert_eq!(counts, 0, "{}", second.stdout);
    let third = world.run(&["sync", "--retry-held"]).expect(3);
    assert!(third.stdout.contains("held: "), "{}", third.stdout);
    assert_agreed("third", &world.sandbox);
}

#[test]
fn an_organisation_without_awkward_cases_is_in_step() {
    let world = World::new(0);
    let ran = world.run(&["sync"]).expect(0);
    assert!(ran.stdout.contains("Both sides are in step."), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
}

#[test]
fn the_status_says_what_the_state_says_and_calls_nobody() {
    let world = World::new(60);
    let before = world.run(&["status"]).expect(0);
    assert!(before.stdout.contains("no run yet"), "{}", before.stdout);
    assert_eq!(world.tap.requests(), 0);
    let empty = json(&world.run(&["status", "--json"]).expect(0).stdout);
    assert!(empty["last_run"].is_null(), "{empty:#}");
    let code = world.run(&["sync"]).code();
    let calls = {
        let journal = world.sandbox.marketo.journal();
        journal.total - journal.count("identity.token")
    };
    let status = world.run(&["status"]).expect(0);
    assert!(status.stdout.contains("last run: ") && status.stdout.contains(&format!("exit code {}", code.unwrap())), "{}", status.stdout);
    assert!(status.stdout.contains(&format!("US Central): {calls} of")), "{calls} calls: {}", status.stdout);
    assert_eq!((world.tap.requests(), status.stderr.as_str()), (0, ""));
    let data = json(&world.run(&["status", "--json"]).expect(0).stdout);
    assert_eq!(data["last_run"]["exit_code"].as_i64(), code.map(i64::from));
    assert_eq!(data["known"]["contact"].as_u64(), Some(world.sandbox.dataverse.state().count("contact") as u64), "{data:#}");
    let counted: u64 = data["calls_today"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(counted, calls);
}

#[test]
fn a_check_of_two_good_sides_is_good_and_changes_nothing() {
    let world = World::new(30);
    let before = crate::rows::everything(&world.sandbox);
    let good = world.run(&["check"]).expect(0);
    assert!(good.stdout.lines().count() >= 8 && !good.stdout.contains("FAIL"), "{}", good.stdout);
    let findings = json(&world.run(&["check", "--json"]).expect(0).stdout);
    assert!(findings.as_array().is_some_and(|list| list.iter().all(|finding| finding["good"] == true)), "{findings:#}");
    // Each check asks whether Marketo can be written, with six updates of what isn't there.
    assert_eq!(world.sent(), 12);
    assert!(before == crate::rows::everything(&world.sandbox), "check changed something");
    assert!(!world.folder.path().join("state.db").exists(), "check made a state");
    world.configure(&format!("{}[fields.lead]\ntitle = \"jobtitel\"\n", world.configuration()));
    let bad = json(&world.run(&["check", "--json"]).expect(2).stdout);
    let failed: Vec<&Value> = bad.as_array().unwrap().iter().filter(|finding| finding["good"] == false).collect();
    assert!(failed.len() == 1 && failed[0]["code"] == "field-map", "{bad:#}");
}

#[test]
fn nobody_reading_is_no_trouble() {
    let world = World::new(30);
    for args in [&["sync"][..], &["sync", "--json"], &["status"], &["status", "--json"], &["check"], &["--help"], &["sync", "--help"]] {
        let mut child = world.command(args).spawn().unwrap();
        drop(child.stdout.take());
        let ran = world.end(child);
        assert!(matches!(ran.code(), Some(0 | 3)), "{args:?}: {ran:?}");
    }
    // Neither is somebody who reads a line and goes, nor a closed stderr.
    let binary = env!("CARGO_BIN_EXE_insight-bridge");
    let shell = |script: String| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).current_dir(world.folder.path()).stdin(Stdio::null());
        command.env("MARKETO_SECRET", &world.ready.marketo.client_secret).env("DYNAMICS_SECRET", &world.ready.dataverse.client_secret);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (_, stdout, stderr) = shell(format!("{binary} demo --no-serve --people 30 | head -1"));
    assert!(stdout.contains("Marketo emulator") && !stderr.contains("panicked"), "{stdout}{stderr}");
    let (code, ..) = shell(format!("{binary} sync -vv 2>&-"));
    assert!(matches!(code, Some(0 | 3)), "{code:?}");
    let (code, ..) = shell(format!("{binary} sync >&-"));
    assert!(matches!(code, Some(0 | 3)), "{code:?}");
}

#[test]
fn talk_has_no_secrets_and_no_addresses_below_two_v() {
    for verbose in [None, Some("-v"), Some("-vv"), Some("-vvv")] {
        let world = World::new(60);
        // Secrets and tokens are looked for after every run; here the run has something to say about each call.
        let mut args = vec!["sync"];
        args.extend(verbose);
        let first = world.run(&args);
        assert!(matches!(first.code(), Some(0 | 3)), "{first:?}");
        world.sandbox.marketo.state().revoke_tokens();
        world.sandbox.dataverse.state().revoke_tokens();
        let second = world.run(&args);
        let talk = format!("{}{}", first.stderr, second.stderr);
        assert_eq!(verbose.is_none(), talk.is_empty(), "{verbose:?}: {talk}");
        if matches!(verbose, None | Some("-v")) {
            for text in [&first.stdout, &second.stdout, &talk] {
                assert!(!text.contains('@'), "an e-mail address: {text}");
            }
        }
        world.run(&["status", "--verbose"]);
    }
}
