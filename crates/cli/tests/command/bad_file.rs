//! Mistakes in the configuration and in the environment: exit code 2, one message that says what to do, and nobody is called.

use crate::world::{Ran, World, program};

/// `sync` with this configuration is refused before anybody is called.
#[track_caller]
fn refused(world: &World, fragments: &[&str]) -> Ran {
    let ran = world.run(&["sync"]).expect(2).tells(fragments);
    assert_eq!(ran.stdout, "", "data although nothing was done");
    assert!(!ran.stderr.contains('@'), "an address: {}", ran.stderr);
    assert_eq!(world.tap.requests(), 0, "somebody was called");
    ran
}

#[test]
fn a_missing_file_is_named_with_what_to_do() {
    let world = World::new(0);
    std::fs::remove_file(world.folder.path().join("insight-bridge.toml")).unwrap();
    refused(&world, &["insight-bridge.toml", "--config"]);
}

#[test]
fn a_folder_is_no_configuration() {
    let world = World::new(0);
    let ran = world.run(&["sync", "--config", "."]).expect(2).tells(&["--config"]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_key_that_is_not_known_is_shown_at_its_line() {
    let world = World::new(0);
    world.configured("max_in_flight", "max_inflight");
    refused(&world, &["max_inflight", "max_in_flight", "insight-bridge.toml:6"]);
}

#[test]
fn a_value_of_another_type_is_shown_at_its_line() {
    let world = World::new(0);
    world.configured("max_in_flight = 5", "max_in_flight = \"five\"");
    refused(&world, &["invalid type", "insight-bridge.toml:6"]);
    world.configured("budget_s = 2", "budget_s = -2");
    refused(&world, &["insight-bridge.toml:19"]);
}

#[test]
fn a_file_that_is_no_toml_is_shown_at_its_line() {
    let world = World::new(0);
    world.configured("[dynamics]", "[dynamics");
    refused(&world, &["insight-bridge.toml:8"]);
    world.configure("");
    refused(&world, &["marketo"]);
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_shown() {
    let world = World::new(0);
    for plain in ["\"hunter2\"", "'hunter2'", "{ plain = \"hunter2\" }", "[\"hunter2\"]", "\"\"\"hunter2\"\"\""] {
        world.configured("{ env = \"MARKETO_SECRET\" }", plain);
        let ran = refused(&world, &["{ env = ", "{ file = "]);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}

#[test]
fn a_mistake_beside_a_secret_in_the_file_does_not_show_it() {
    let world = World::new(0);
    for wrong in ["client_secret = \"hunter2\"\nclient_idd = \"x\"", "client_secret = \"hunter2\"\nmax_in_flight = ["] {
        world.configured("client_secret = { env = \"MARKETO_SECRET\" }", wrong);
        let ran = refused(&world, &["insight-bridge.toml"]);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}

#[test]
fn a_secret_in_an_address_is_never_shown() {
    let world = World::new(0);
    world.configured("sqlite:state.db", "postgres://ann:hunter2@db.test/bridge");
    let ran = world.run(&["sync"]).expect(2).tells(&["state.url", "sqlite:insight-bridge.db"]);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    for (from, host) in [(&world.ready.marketo.base_url, "marketo.base_url"), (&world.ready.dataverse.url, "dynamics.url")] {
        world.configured(&format!("\"{from}\""), "\"https://ann:hunter2@127.0.0.1:1\"");
        let ran = world.run(&["sync"]);
        assert!(matches!(ran.code(), Some(2 | 5)), "{host}: {ran:?}");
        assert!(!ran.stderr.contains("hunter2"), "{host}: {}", ran.stderr);
    }
}

#[test]
fn a_variable_that_is_not_set_or_empty_is_named() {
    let world = World::new(0);
    for (name, value, told) in
        [("MARKETO_SECRET", None, "MARKETO_SECRET"), ("DYNAMICS_SECRET", None, "DYNAMICS_SECRET"), ("MARKETO_SECRET", Some(""), "empty")]
    {
        world.tap.begin(None);
        let mut command = world.command(&["sync"]);
        match value {
            None => command.env_remove(name),
            Some(value) => command.env(name, value),
        };
        let ran = world.end(command.spawn().unwrap()).expect(2).tells(&[told, "_secret"]);
        assert_eq!((ran.stdout.as_str(), world.tap.requests()), ("", 0));
    }
}

#[test]
fn a_secret_can_be_in_a_file_and_a_missing_one_is_named() {
    let world = World::new(20);
    world.configured("{ env = \"MARKETO_SECRET\" }", "{ file = \"secret.txt\" }");
    refused(&world, &["secret.txt", "marketo.client_secret"]);
    std::fs::write(world.folder.path().join("secret.txt"), "\n").unwrap();
    refused(&world, &["empty"]);
    std::fs::write(world.folder.path().join("secret.txt"), format!("{}\n", world.ready.marketo.client_secret)).unwrap();
    let ran = world.run(&["sync"]);
    assert!(matches!(ran.code(), Some(0 | 3)), "{ran:?}");
}

#[test]
fn plain_http_is_only_for_this_machine() {
    let world = World::new(0);
    for (url, key) in
        [(&world.ready.marketo.base_url, "base_url"), (&world.ready.dataverse.url, "url"), (&world.ready.dataverse.authority, "authority")]
    {
        world.configured(&format!("{key} = \"{url}\""), &format!("{key} = \"http://contoso.example\""));
        refused(&world, &[key, "https://"]);
    }
}

#[test]
fn an_address_that_is_none_is_a_mistake_in_the_file() {
    let world = World::new(0);
    for wrong in ["", "contoso", "ftp://127.0.0.1", "https://", "https://conto so"] {
        for (key, url) in [("base_url", &world.ready.marketo.base_url), ("url", &world.ready.dataverse.url)] {
            let paced = world.configuration().replacen("calls_per_20s = 0", "calls_per_20s = 50", 1);
            world.configure(&paced.replacen(&format!("\n{key} = \"{url}\""), &format!("\n{key} = \"{wrong}\""), 1));
            refused(&world, &[key]);
        }
    }
}

#[test]
fn limits_beyond_the_vendors_are_refused() {
    let world = World::new(0);
    let elsewhere = world.configuration().replacen(&world.ready.marketo.base_url, "https://123-ABC-456.mktorest.com", 1);
    for (wrong, told) in
        [("calls_per_20s = 0", "calls_per_20s"), ("calls_per_20s = 101", "100"), ("calls_per_20s = 9\nmax_in_flight = 0 #", "at least 1")]
    {
        world.configure(&elsewhere.replacen("calls_per_20s = 0", wrong, 1).replacen("#\nmax_in_flight = 5", "", 1));
        refused(&world, &[told]);
    }
}

#[test]
fn a_state_that_cannot_be_there_says_why() {
    let world = World::new(0);
    for (url, told) in [("insight-bridge.db", "sqlite:"), ("mysql://h/d", "not understood"), ("", "sqlite:")] {
        world.configured("sqlite:state.db", url);
        for command in [["sync"], ["status"]] {
            let ran = world.run(&command).expect(2).tells(&["state.url", told]);
            assert_eq!(ran.stdout, "");
        }
    }
    world.configured("sqlite:state.db", "sqlite:missing/state.db");
    refused(&world, &["missing", "make it first"]);
}

#[test]
fn a_flag_or_command_that_is_not_known_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for (args, told) in [
        (vec!["sync", "--jsn"], "--json"),
        (vec!["snyc"], "sync"),
        (vec![], "Usage"),
        (vec!["sync", "--allow", "everything"], "role-removals"),
    ] {
        let output = program(folder.path(), &args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(told), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty() && !stderr.contains('\u{1b}'), "{args:?}");
    }
}
