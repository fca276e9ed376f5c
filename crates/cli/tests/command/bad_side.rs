//! Two sides that can't be reached, refuse, or don't fit the configuration: what is told, and that nothing is sent or lost.

use std::time::{Duration, Instant};

use base::Timestamp;
use dataverse_emulator::{options::ApplicationUser, schema::MsiColumns};

use crate::{
    rows::{assert_agreed, everything},
    world::{Ran, World, options},
};

/// `sync` and `check` end with these codes and words, and both sides are as they were.
#[track_caller]
fn refused(world: &World, code: i32, fragments: &[&str]) {
    let before = everything(&world.sandbox);
    let sent = world.sent();
    quiet(&world.run(&["sync"]).expect(code).tells(fragments));
    let data = world.run(&["sync", "--json"]).expect(code);
    let summary: serde_json::Value = serde_json::from_str(&data.stdout).unwrap_or_else(|error| panic!("{error}: {}", data.stdout));
    assert_eq!((summary["outcome"].as_str(), summary["exit_code"].as_i64()), (Some("stopped"), Some(i64::from(code))));
    // What a check sends changes nothing, wherever it comes to.
    assert_eq!(world.sent(), sent, "something was sent");
    let check = world.run(&["check"]).expect(code);
    quiet(&check);
    let told = check.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("FAIL"), "{told}");
    // The code is in square brackets and in the JSON form only.
    for fragment in fragments.iter().filter(|fragment| !fragment.starts_with("error[")) {
        assert!(told.contains(fragment), "check doesn't tell {fragment:?}: {told}");
    }
    assert_eq!(before, everything(&world.sandbox), "something was changed");
}

#[track_caller]
fn quiet(ran: &Ran) {
    assert!(!ran.stdout.contains('@') && !ran.stderr.contains('@'), "an e-mail address: {ran:?}");
}

/// After the mistake is mended, the next run does everything.
#[track_caller]
fn mended(world: &World) {
    let ran = world.run(&["sync"]);
    assert!(matches!(ran.code(), Some(0 | 3)), "{ran:?}");
    assert_agreed("after the mistake was mended", &world.sandbox);
}

#[test]
fn a_wrong_tenant_is_named() {
    let world = World::new(20);
    world.configured(&world.ready.dataverse.tenant_id, "11111111-1111-1111-1111-111111111111");
    refused(&world, 5, &["error[dynamics-login]", "AADSTS90002", "correct dynamics.tenant_id"]);
    world.configure(&world.configuration());
    mended(&world);
}

#[test]
fn a_wrong_client_secret_is_named() {
    let world = World::new(20);
    let run = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("DYNAMICS_SECRET", "wrong-hunter2");
        let ran = world.end(command.spawn().unwrap());
        assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{ran:?}");
        ran.expect(5)
    };
    for args in [&["sync"][..], &["sync", "-vv"]] {
        quiet(&run(args).tells(&["error[dynamics-login]", "AADSTS7000215", "dynamics.client_secret"]));
    }
    assert!(run(&["check"]).stdout.contains("AADSTS7000215"));
    assert_eq!(world.sent(), 0);
    mended(&world);
}

#[test]
fn an_unknown_client_id_is_named() {
    let world = World::new(0);
    world.configured(&world.ready.dataverse.client_id, "22222222-2222-2222-2222-222222222222");
    refused(&world, 5, &["error[dynamics-login]", "AADSTS700016", "correct dynamics.client_id"]);
}

#[test]
fn a_missing_application_user_is_named() {
    let world = World::new(0);
    world.sandbox.dataverse.state().options_mut().application_user = ApplicationUser::Missing;
    refused(&world, 5, &["error[dynamics-refused]", "create an application user"]);
}

#[test]
fn a_wrong_marketo_secret_is_named() {
    let world = World::new(20);
    for args in [&["sync"][..], &["sync", "-vv"]] {
        let mut command = world.command(args);
        command.env("MARKETO_SECRET", "wrong-hunter2");
        let ran =
            world.end(command.spawn().unwrap()).expect(5).tells(&["error[marketo-login]", "marketo.client_id and marketo.client_secret"]);
        assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{ran:?}");
        quiet(&ran);
    }
    assert_eq!(world.sent(), 0);
    mended(&world);
}

#[test]
fn a_native_crm_sync_is_named() {
    let world = World::new(20);
    world.sandbox.marketo.state().options_mut().native_crm = true;
    let before = everything(&world.sandbox);
    let ran = world.run(&["sync"]).expect(5).tells(&["error[marketo-native-sync]", "1018", "native CRM sync"]);
    quiet(&ran);
    let check = world.run(&["check"]).expect(5);
    assert!(check.stdout.contains("FAIL") && check.stdout.contains("native CRM sync"), "{}", check.stdout);
    assert_eq!(before, everything(&world.sandbox), "something was changed");
    world.sandbox.marketo.state().options_mut().native_crm = false;
    mended(&world);
}

#[test]
fn a_subscription_without_external_person_id_is_named() {
    let made = options(20);
    let marketo = marketo_emulator::Options { external_person_id_described: false, ..made.marketo.clone() };
    let world = World::with(sandbox::Options { marketo, ..made }, Timestamp::now());
    refused(&world, 2, &["keys.person", "externalPersonId", "MSI Non-Native"]);
    world.sandbox.marketo.state().options_mut().external_person_id_described = true;
    mended(&world);
}

#[test]
fn a_missing_configured_column_is_named_with_the_nearest() {
    let world = World::new(20);
    world.configure(&format!("{}[fields.contact]\ntitle = \"jobtitel\"\n", world.configuration()));
    refused(&world, 2, &["fields.contact.title", "no column jobtitel", "did you mean jobtitle?"]);
    world.configure(&format!("{}[fields.contact]\ntitel = \"jobtitle\"\n", world.configuration()));
    refused(&world, 2, &["fields.contact.titel", "did you mean title?"]);
    world.configure(&format!("{}[fields.contact]\ntitle = \"jobtitle\"\n", world.configuration()));
    mended(&world);
}

#[test]
fn a_column_that_is_secured_later_stops_its_field_and_never_blanks() {
    let world = World::new(40);
    mended(&world);
    world.sandbox.dataverse.state().secure_column("contact", "telephone1", true).unwrap();
    let before = everything(&world.sandbox);
    let ran = world.run(&["sync"]).expect(3);
    for told in ["field-stopped: contact → phone", "telephone1", "what to do: ", "contact.telephone1"] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    // What is held is tried again, as whenever a map changes.
    assert_eq!(before, everything(&world.sandbox), "something was changed");
    for command in ["status", "map"] {
        let ran = world.run(&[command]).expect(0);
        assert!(ran.stdout.contains("field-stopped: contact → phone"), "{command}: {}", ran.stdout);
    }
    let ran = world.run(&["check"]).expect(2);
    assert!(ran.stdout.contains("docs/errors/field-stopped.md") && ran.stdout.contains("telephone1"), "{}", ran.stdout);
    let ran = world.run(&["sync", "--json"]).expect(3);
    let change = &serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["schema_changes"][0];
    assert_eq!((&change["side"], &change["became"]), (&"dynamics".into(), &"secured".into()), "{change}");
    world.sandbox.dataverse.state().secure_column("contact", "telephone1", false).unwrap();
    mended(&world);
    assert_eq!(before, everything(&world.sandbox), "something was changed");
}

#[test]
fn guessed_insight_columns_have_to_be_confirmed() {
    let made = options(40);
    let dataverse = dataverse_emulator::Options { msi_columns: MsiColumns::New, ..made.dataverse.clone() };
    let world = World::with(sandbox::Options { dataverse, ..made }, Timestamp::now());
    refused(&world, 2, &["msi.lead", "msi.contact", "only guessed", "[msi.contact]", "msiLastInterestingMomentType = \"new_"]);
    // What the message says to write is what helps.
    let told = world.run(&["sync"]).stderr;
    let mut confirmed = world.configuration();
    for table in ["[msi.lead]", "[msi.contact]"] {
        let heads: Vec<&str> = told.lines().map(str::trim).collect();
        let lines = heads.windows(2).filter(|pair| pair[0] == table).map(|pair| pair[1]);
        confirmed.push_str(&format!("{table}\n{}\n", lines.collect::<Vec<_>>().join("\n")));
    }
    world.configure(&confirmed);
    mended(&world);
    world.run(&["check"]).expect(0);
}

#[test]
fn a_side_that_is_not_there_is_told_soon() {
    let world = World::new(20);
    for (url, side, code) in [
        (&world.ready.marketo.base_url, "Marketo", "marketo-unreachable"),
        (&world.ready.dataverse.url, "Dynamics", "dynamics-unreachable"),
    ] {
        // The authority stays where it is.
        let key = if side == "Marketo" { "base_url" } else { "\nurl" };
        world.configured(&format!("{key} = \"{url}\""), &format!("{key} = \"http://127.0.0.1:1\""));
        let begun = Instant::now();
        refused(&world, 5, &[&format!("error[{code}]"), side, "can't be reached"]);
        assert!(begun.elapsed() < Duration::from_secs(20), "{side}: {:?}", begun.elapsed());
        quiet(&world.run(&["sync", "-vv"]).expect(5));
    }
    world.configure(&world.configuration());
    mended(&world);
}

#[test]
fn something_else_at_the_address_is_told() {
    let world = World::new(0);
    // Marketo's emulator knows nothing of Dynamics, and the other way round.
    world.configured(&format!("\nurl = \"{}\"", world.ready.dataverse.url), &format!("\nurl = \"{}\"", world.ready.marketo.base_url));
    let ran = world.run(&["sync"]).expect(5).tells(&["Dynamics"]);
    quiet(&ran);
    world.configured(&format!("base_url = \"{}\"", world.ready.marketo.base_url), &format!("base_url = \"{}\"", world.ready.dataverse.url));
    let ran = world.run(&["sync"]).expect(5).tells(&["Marketo"]);
    quiet(&ran);
}
