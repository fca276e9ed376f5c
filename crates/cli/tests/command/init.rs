//! `init`: each side's answers are tested at once, and what is written works as it is.

use std::path::Path;

use serde_json::Value;

use crate::world::{Ran, World, program};

/// Where it writes: the world's own configuration stays.
const MADE: &str = "made.toml";

fn flags(world: &World) -> Vec<String> {
    let ready = &world.ready;
    let flags = [
        ("--marketo-url", &ready.marketo.base_url),
        ("--marketo-client-id", &ready.marketo.client_id),
        ("--dynamics-url", &ready.dataverse.url),
        ("--authority", &ready.dataverse.authority),
        ("--tenant-id", &ready.dataverse.tenant_id),
        ("--dynamics-client-id", &ready.dataverse.client_id),
    ];
    flags.iter().flat_map(|(flag, value)| [(*flag).to_owned(), (*value).clone()]).collect()
}

fn run(world: &World, more: &[&str]) -> Ran {
    let flags = flags(world);
    let mut args = vec!["init", "--config", MADE];
    args.extend(flags.iter().map(String::as_str));
    args.extend(more);
    world.run(&args)
}

fn made(world: &World) -> Option<String> {
    std::fs::read_to_string(world.folder.path().join(MADE)).ok()
}

/// Files that are in the folder.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_it_writes_from_flags_works_as_it_is() {
    let world = World::new(30);
    let before = crate::rows::everything(&world.sandbox);
    let ran = run(&world, &["--state", "sqlite:made.db"]).expect(0);
    for fragment in
        ["ok   Marketo: address", "ok   Dynamics: address", "field map: contact → person", "is written. Next:", "--config made.toml check"]
    {
        assert!(ran.stdout.contains(fragment), "{fragment}: {}", ran.stdout);
    }
    assert!(before == crate::rows::everything(&world.sandbox), "init changed something");
    let text = made(&world).unwrap();
    assert!(!text.contains(&world.ready.marketo.client_secret) && text.contains("{ env = \"MARKETO_SECRET\" }"), "{text}");
    // Both sides' labels and types stand beside the source.
    let email = text.lines().find(|line| line.starts_with("# email = \"emailaddress1\" ")).unwrap();
    assert!(email.contains("# Email Address, email 255 <- Email, text 100"), "{email}");
    world.run(&["--config", MADE, "check"]).expect(0);
    assert!(matches!(world.run(&["--config", MADE, "sync"]).code(), Some(0 | 3)));
    // With all that stands there as a comment, too, and with what is proposed.
    let is_key = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    let all: Vec<&str> = text.lines().map(|line| line.strip_prefix("# ").filter(is_key).unwrap_or(line)).collect();
    std::fs::write(world.folder.path().join(MADE), all.join("\n").replace("sqlite:insight-bridge.db", "sqlite:made.db")).unwrap();
    world.run(&["--config", MADE, "check"]).expect(0);
}

#[test]
fn a_file_that_is_there_is_replaced_only_if_that_is_asked_for() {
    let world = World::new(0);
    std::fs::write(world.folder.path().join(MADE), "mine").unwrap();
    run(&world, &[]).expect(2).tells(&["is there already", "--force"]);
    assert_eq!((made(&world).as_deref(), world.tap.requests()), (Some("mine"), 0));
    run(&world, &["--force"]).expect(0);
    assert!(made(&world).unwrap().contains("[marketo]"));
    assert!(!files(world.folder.path()).iter().any(|name| name.contains(".part")));
}

#[test]
fn without_a_terminal_it_says_which_answers_are_missing() {
    let world = World::new(0);
    // A flag may be broken where a line of the terminal ends.
    let told = |args: &[&str]| world.run(args).expect(2).stderr.replace(|c: char| c.is_whitespace() || c == '│', "");
    let all = told(&["init", "--config", MADE]);
    assert!(all.contains("give--marketo-url,--marketo-client-id,--dynamics-url,--tenant-id,--dynamics-client-id,or--sandbox"), "{all}");
    let token = told(&["init", "--config", MADE, "--credential", "workload-identity"]);
    assert!(token.contains("--token-file"), "{token}");
    assert_eq!((made(&world), world.tap.requests()), (None, 0));
}

#[test]
fn a_wrong_answer_is_told_with_its_remedy_and_nothing_is_written() {
    let world = World::new(0);
    let secret = |side: &str, text: &str| {
        let path = world.folder.path().join(side);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let wrong = secret("wrong", "not-it");
    for (more, code, told) in [
        (vec!["--marketo-secret-file", wrong.as_str()], 5, "marketo-login"),
        (vec!["--dynamics-secret-file", wrong.as_str()], 5, "dynamics-login"),
        (vec!["--marketo-secret-env", "NOT_SET"], 2, "NOT_SET is not set"),
        (vec!["--dynamics-secret-env", "NOT_SET"], 2, "NOT_SET is not set"),
        (vec!["--marketo-secret-env", "pasTed5ecret"], 2, "environment variable"),
        (vec!["--name", "Not A Name"], 2, "lower-case"),
    ] {
        let ran = run(&world, &more).expect(code);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(told) && !said.contains("pasTed"), "{told}: {ran:?}");
        assert_eq!(made(&world), None, "{told}");
    }
    let nobody = ["init", "--config", MADE, "--marketo-client-id", "a", "--tenant-id", "t", "--dynamics-client-id", "c"];
    for (url, code, told) in [("http://127.0.0.1:1", 5, "marketo-unreachable"), ("http://marketo.example", 2, "plain http")] {
        let mut args = nobody.to_vec();
        args.extend(["--marketo-url", url, "--dynamics-url", &world.ready.dataverse.url]);
        let ran = world.run(&args).expect(code);
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(told), "{told}: {ran:?}");
        assert_eq!(made(&world), None, "{told}");
        args.push("--untested");
        if code == 5 {
            world.run(&args).expect(0);
            std::fs::remove_file(world.folder.path().join(MADE)).unwrap();
        }
    }
}

#[test]
fn what_both_sides_lack_is_named_and_proposed() {
    let world = World::new(0);
    world.sandbox.marketo.state().options_mut().external_person_id_described = false;
    {
        let mut state = world.sandbox.dataverse.state();
        for table in ["lead", "contact"] {
            state.remove_column(table, "mkt_urgency").unwrap();
            state.remove_column(table, "mkt_priority").unwrap();
            let column = dataverse_emulator::schema::NewColumn {
                name: "new_urgency".into(),
                label: Some("Relative Urgency Value".into()),
                kind: dataverse_emulator::schema::Kind::Integer(0, 100),
                options: Vec::new(),
                targets: Vec::new(),
                schema: None,
            };
            state.add_column(table, column, base::Timestamp::now()).unwrap();
        }
        state.options_mut().untracked_tables = ["contact".to_owned()].into();
    }
    let ran = run(&world, &["--json"]).expect(0);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let codes: Vec<&str> = told["findings"].as_array().unwrap().iter().filter_map(|finding| finding["code"].as_str()).collect();
    for code in ["person-key-missing", "msi-column", "msi-column-missing", "not-tracked"] {
        assert!(codes.contains(&code), "{code}: {told:#}");
    }
    assert_eq!((told["written"].as_bool(), told["file"].as_str()), (Some(true), Some(MADE)));
    // Without a word from anybody it is only proposed.
    let text = made(&world).unwrap();
    assert!(text.contains("#   relativeUrgency = \"new_urgency\"") && text.contains("#   person = \"crmId\""), "{text}");
    run(&world, &["--yes", "--force"]).expect(0);
    let text = made(&world).unwrap();
    assert!(text.contains("\nrelativeUrgency = \"new_urgency\"") && text.contains("\nperson = \"crmId\""), "{text}");
}

#[test]
fn a_key_field_that_is_given_is_compared_with_those_of_marketo() {
    let world = World::new(0);
    run(&world, &["--person-key", "externalPersonIdd"]).expect(2).tells(&["did you mean externalPersonId?"]);
    assert_eq!(made(&world), None);
    let told = run(&world, &["--person-key", "externalPersonId"]).expect(0).stdout;
    assert!(told.contains("ok   Marketo: people are found by: externalPersonId"), "{told}");
    let told = run(&world, &["--force", "--person-key", "somethingElseAltogether"]).expect(0).stdout;
    assert!(told.contains("person-key-missing") && told.contains("check --fix"), "{told}");
}

#[test]
fn for_the_sandbox_it_needs_nothing_but_the_sandbox() {
    let world = World::new(30);
    let (marketo, dynamics) = (world.ready.marketo.base_url.clone(), world.ready.dataverse.url.clone());
    let folder = tempfile::tempdir().unwrap();
    let bare = |args: &[&str]| world.end(program(folder.path(), args).spawn().unwrap());
    bare(&["init", "--sandbox", "--marketo-url", &marketo, "--dynamics-url", &dynamics]).expect(0);
    bare(&["check"]).expect(0);
    assert!(matches!(bare(&["sync"]).code(), Some(0 | 3)));
    crate::rows::assert_agreed("sandbox", &world.sandbox);
    assert!(files(folder.path()).iter().all(|name| ["insight-bridge.toml", "sandbox"].iter().any(|known| name.starts_with(known))));
    #[cfg(unix)]
    for name in ["sandbox-marketo.secret", "sandbox-dynamics.secret"] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn for_a_sandbox_that_is_not_there_yet_it_writes_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["init", "--sandbox", "--marketo-url", "http://127.0.0.1:1", "--dynamics-url", "http://127.0.0.1:1", "--config", "x.toml"];
    let output = program(folder.path(), &args).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    assert!(stderr.contains("start one with `insight-bridge sandbox`") && stdout.contains("--config x.toml check"), "{stdout}{stderr}");
    assert_eq!(files(folder.path()), ["sandbox-dynamics.secret", "sandbox-marketo.secret", "x.toml"]);
}

/// Asked through a terminal that `script` makes, which every Linux has.
#[cfg(target_os = "linux")]
pub(crate) mod on_a_terminal {
    use std::io::Write;

    use super::{MADE, World, made};

    /// The exit code, and what is seen, of somebody who types these lines.
    pub(crate) fn typed(world: &World, args: &str, answers: &[&str]) -> (Option<i32>, String) {
        let mut command = std::process::Command::new("script");
        let asked = format!("{} {args}", env!("CARGO_BIN_EXE_insight-bridge"));
        command.args(["-qefc", &asked, "/dev/null"]).current_dir(world.folder.path()).env("NO_COLOR", "1");
        command.env("MARKETO_SECRET", &world.ready.marketo.client_secret).env("DYNAMICS_SECRET", &world.ready.dataverse.client_secret);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(format!("{}\n", answers.join("\n")).as_bytes()).unwrap();
        // The terminal stays open as long as it is asked: its end would be an answer.
        let mut stdout = child.stdout.take().unwrap();
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut told = Vec::new();
            let _ = std::io::Read::read_to_end(&mut stdout, &mut told);
            let _ = ended.send(told);
        });
        // A question too many would wait for ever.
        let told = end.recv_timeout(std::time::Duration::from_secs(120));
        if told.is_err() {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        drop(stdin);
        (status.code(), String::from_utf8(told.expect("it ends in time")).unwrap())
    }

    #[test]
    fn a_wrong_answer_is_asked_again_with_what_was_right_proposed() {
        let world = World::new(0);
        let (marketo, dynamics) = (&world.ready.marketo, &world.ready.dataverse);
        let (code, told) = typed(
            &world,
            &format!("init --config {MADE} --authority {}", dynamics.authority),
            &[
                &marketo.base_url,
                "somebody",
                "",
                // Again: the address is proposed.
                "",
                &marketo.client_id,
                "",
                &dynamics.url,
                &dynamics.tenant_id,
                "guess",
                "secret",
                &dynamics.client_id,
                "pasTed5ecret",
                "NOT_SET",
                "",
                "",
                "",
                "",
                "DYNAMICS_SECRET",
            ],
        );
        assert_eq!(code, Some(0), "{told}");
        for fragment in ["marketo-login", &format!("[{}]", marketo.base_url), "NOT_SET is not set", "is written"] {
            assert!(told.contains(fragment), "{fragment}: {told}");
        }
        assert!(made(&world).unwrap().contains("client_secret = { env = \"DYNAMICS_SECRET\" }"));
        world.run(&["--config", MADE, "check"]).expect(0);
    }
}
