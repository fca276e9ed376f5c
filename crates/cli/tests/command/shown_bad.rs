//! What commands print when something is wrong: the first line says what it is, with its code, and what to do comes with it.

use base::Timestamp;
use dataverse_emulator::options::ApplicationUser;
use marketo_emulator::Permission;

use crate::{
    shown::{Shown, long_ago, without_this_run},
    world::{Ran, World, options},
};

/// Commands that call both sides or need the state, with arguments that are right by themselves.
const COMMANDS: [&[&str]; 10] = [
    &["check"],
    &["check", "--json"],
    &["sync"],
    &["sync", "--json"],
    &["inspect", "0bc83f91-3ecf-4785-ae87-c87e93d01bb9"],
    &["audit"],
    &["plan"],
    &["map"],
    &["erase", "0bc83f91-3ecf-4785-ae87-c87e93d01bb9"],
    &["mend-owner-email", "4ce1cbd9-a30f-49cb-9587-39154e6135b2"],
];

/// Those that read the state or ask the process that serves.
const NEAR: [&[&str]; 6] = [&["status"], &["held"], &["support-bundle"], &["health"], &["pause"], &["serve"]];

fn world() -> World {
    let world = World::with(options(0), long_ago());
    once_only(&world, "", "");
    world
}

/// The configuration with one thing written differently, and without trying again what fails.
fn once_only(world: &World, from: &str, to: &str) {
    let text = world.configuration().replace("tries = 3", "tries = 1");
    assert!(text.contains(from), "{from:?} isn't in the configuration");
    world.configure(&text.replacen(from, to, 1));
}

#[test]
fn a_wrong_configuration() {
    let world = world();
    let mut shown = Shown::new("wrong-configuration");
    once_only(&world, "client_id", "client_idd");
    for args in COMMANDS.iter().chain(&NEAR) {
        shown.once(&world, "a key that isn't known", args).expect(2);
    }
    let cases: [(&str, &dyn Fn()); 4] = [
        ("no TOML", &|| once_only(&world, "[dynamics]", "[dynamics")),
        ("an address over plain http", &|| once_only(&world, "base_url = \"http://127.0.0.1", "base_url = \"http://marketo.example")),
        ("several bridges, and none is named", &|| {
            let bridge = |name: &str| {
                let text = world.configuration().replace("\n[", "\n[bridge.").replacen("[marketo]", "[bridge.marketo]", 1);
                format!("[[bridge]]\nname = \"{name}\"\n{}", text.replace("state.db", &format!("{name}.db")))
            };
            world.configure(&(bridge("emea") + &bridge("apac")));
        }),
        ("no file", &|| std::fs::remove_file(world.folder.path().join("insight-bridge.toml")).unwrap()),
    ];
    for (about, wrong) in cases {
        wrong();
        shown.people(&world, about, &["check"]);
        shown.once(&world, about, &["sync", "--json"]).expect(2);
    }
    shown.end();
}

#[test]
fn a_missing_secret() {
    let world = world();
    let mut shown = Shown::new("missing-secret");
    once_only(&world, "MARKETO_SECRET", "NO_SUCH_SECRET");
    for args in COMMANDS.iter().chain(&NEAR[..5]) {
        shown.once(&world, "a variable that isn't set", args);
    }
    shown.end();
}

#[test]
fn sides_that_are_not_there() {
    let world = world();
    let mut shown = Shown::new("unreachable");
    for (about, from) in [
        ("Dynamics isn't there", format!("\nurl = \"{}\"", world.ready.dataverse.url)),
        ("Marketo isn't there", format!("base_url = \"{}\"", world.ready.marketo.base_url)),
    ] {
        let to = from.replace(from.rsplit_once('/').unwrap().1, "127.0.0.1:1\"");
        once_only(&world, &from, &to);
        for args in COMMANDS {
            shown.once(&world, about, args);
        }
    }
    shown.end();
}

/// What is done to a world, and the code that the first line must have.
type Fault = (&'static str, fn(&World), &'static str);

const FAULTS: &[Fault] = &[
    (
        "another tenant",
        |world| once_only(world, &world.ready.dataverse.tenant_id, "11111111-1111-1111-1111-111111111111"),
        "dynamics-login",
    ),
    ("another app", |world| once_only(world, &world.ready.dataverse.client_id, "22222222-2222-2222-2222-222222222222"), "dynamics-login"),
    (
        "no application user",
        |world| world.sandbox.dataverse.state().options_mut().application_user = ApplicationUser::Missing,
        "dynamics-refused",
    ),
    (
        "a privilege is missing",
        |world| world.sandbox.dataverse.state().options_mut().missing_privileges.extend(["prvReadContact".into()]),
        "dynamics-refused",
    ),
    ("another Marketo service", |world| once_only(world, &world.ready.marketo.client_id, "somebody-else"), "marketo-login"),
    ("a native CRM sync", |world| world.sandbox.marketo.state().options_mut().native_crm = true, "marketo-native-sync"),
    (
        "a permission is missing",
        |world| world.sandbox.marketo.state().options_mut().permissions.retain(|permission| *permission != Permission::WriteCompany),
        "marketo-refused",
    ),
    (
        "Sales Insight is missing in Marketo",
        |world| world.sandbox.marketo.state().options_mut().external_person_id_described = false,
        "person-key-missing",
    ),
    (
        "a column that isn't there",
        |world| {
            once_only(world, "", "");
            world.configure(&format!("{}[fields.contact]\ntitle = \"jobtitel\"\n", world.configuration()));
        },
        "field-map",
    ),
    ("a column under security", |world| world.sandbox.dataverse.state().secure_column("contact", "telephone1", true).unwrap(), "field-map"),
];

#[test]
fn the_first_line_of_check_names_the_fault() {
    let mut shown = Shown::new("check-faults");
    for (about, fault, code) in FAULTS {
        let world = World::with(options(20), Timestamp::now());
        once_only(&world, "", "");
        fault(&world);
        let ran = world.run(&["check"]);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert!(lines[0].starts_with("FAIL ") && lines[0].ends_with(&format!("[{code}]")), "{about}: {ran:?}");
        assert!(lines[1..].iter().take_while(|line| line.starts_with("  ")).any(|line| line.contains("what to do: ")), "{about}: {ran:?}");
        in_order(&ran);
        let worst: String = lines
            .iter()
            .enumerate()
            .take_while(|(at, line)| *at == 0 || line.starts_with("  "))
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        shown.note(about, &without_this_run(&worst, &world));
    }
    shown.end();
}

/// What is red stands before what is amber, and that before what is green.
#[track_caller]
fn in_order(ran: &Ran) {
    let marks: Vec<usize> =
        ran.stdout.lines().filter_map(|line| ["FAIL", "note", "ok  "].iter().position(|mark| line.starts_with(mark))).collect();
    assert!(marks.is_sorted(), "{}", ran.stdout);
}
