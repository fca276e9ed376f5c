//! `check --fix`: what is put right is shown first and said yes to, here or at the process that serves.

use serde_json::Value;

use crate::{
    rows::everything,
    serving::Serving,
    world::{Ran, World},
};

/// A world in which a table isn't tracked and a column is missing.
fn broken() -> World {
    let world = World::new(30);
    {
        let mut state = world.sandbox.dataverse.state();
        state.options_mut().untracked_tables = ["contact".to_owned()].into();
        state.remove_column("lead", "mkt_urgency").unwrap();
    }
    world
}

fn is_tracked(world: &World) -> bool {
    !world.sandbox.dataverse.state().options().untracked_tables.contains("contact")
}

fn command(world: &World, args: &[&str]) -> Ran {
    world.end(world.command(args).spawn().unwrap())
}

#[test]
fn without_a_terminal_it_only_shows_and_with_yes_it_does_and_checks_again() {
    let world = broken();
    let before = everything(&world.sandbox);
    let shown = world.run(&["check", "--fix"]).expect(6).tells(&["nothing was changed", "--yes"]);
    for part in ["track changes of table contact", "add column mkt_urgency"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let told: Value = serde_json::from_str(&world.run(&["check", "--fix", "--json"]).expect(6).stdout).unwrap();
    assert_eq!((told["proposed"].as_array().map(Vec::len), told["changed"].as_bool()), (Some(2), Some(false)), "{told:#}");
    assert!(!is_tracked(&world));
    let done = world.run(&["check", "--fix", "--yes"]).expect(0);
    let (first, second) = done.stdout.split_once("Checked again:").unwrap();
    assert!(first.matches(": done").count() == 2 && !second.contains("without change tracking"), "{}", done.stdout);
    assert!(second.contains("Sales Insight columns of lead: 7 columns"), "{}", done.stdout);
    assert!(is_tracked(&world) && before == everything(&world.sandbox), "a row has changed");
    let again = world.run(&["check", "--fix"]).expect(0);
    assert!(again.stdout.contains("nothing that can be put right from here"), "{}", again.stdout);
    assert_eq!(world.run(&["check", "--yes"]).code(), Some(2));
    assert_eq!(world.run(&["check", "--fix", "--prefix", "no good"]).code(), Some(2));
}

#[test]
fn a_refused_fix_is_told_with_what_to_do_by_hand() {
    let world = broken();
    world.sandbox.dataverse.state().options_mut().missing_privileges = ["prvWriteEntity".to_owned()].into();
    let told: Value = serde_json::from_str(&world.run(&["check", "--fix", "--yes", "--json"]).expect(3).stdout).unwrap();
    let done = told["done"].as_array().unwrap();
    assert_eq!(done.iter().filter(|done| done["good"] == true).count(), 1, "{told:#}");
    assert!(done[0]["remedy"].as_str().unwrap().contains("System Customizer"), "{told:#}");
    assert!(!is_tracked(&world) && told["findings"].as_array().is_some_and(|findings| !findings.is_empty()));
}

#[test]
fn the_process_that_serves_does_it_and_is_asked_here() {
    let world = broken();
    world.configure(&format!("{}\n[schedule]\nchanges = \"1h\"\nmoments = \"1h\"\n", world.configuration()));
    let serving = Serving::ready(&world);
    serving.wait_for("pass ended bridge=\"default\" pass=\"changes\"", 1);
    command(&world, &["check", "--fix"]).expect(6);
    assert!(!is_tracked(&world));
    let done = command(&world, &["check", "--fix", "--yes"]).expect(0);
    assert!(done.stdout.matches(": done").count() == 2 && is_tracked(&world), "{}", done.stdout);
    serving.stop().expect(0);
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_each_is_confirmed_by_itself() {
    use crate::init::on_a_terminal::typed;
    let world = broken();
    let (code, told) = typed(&world, "check --fix", &["n", "y"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(!is_tracked(&world) && told.matches("[y/N]").count() == 2 && told.matches(": done").count() == 1, "{told}");
}
