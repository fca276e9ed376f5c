//! What the program says about itself: completions and manual pages know every command.

use std::{fs, path::Path, process::Command};

use crate::world::program;

/// What a command prints that must succeed without a configuration.
fn printed(folder: &Path, args: &[&str]) -> String {
    let output = program(folder, args).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that `--help` lists.
fn commands(folder: &Path) -> Vec<String> {
    let help = printed(folder, &["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // What goes on in the next line is indented further.
    listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn completions_know_the_commands_of_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    let commands = commands(folder.path());
    assert!(commands.len() > 10, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(folder.path(), &["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
        assert!(script.contains("retry-held"), "{shell}");
    }
}

#[test]
fn bash_understands_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("completions");
    fs::write(&script, printed(folder.path(), &["completions", "bash"])).unwrap();
    match Command::new("bash").arg("-n").arg(&script).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(printed(folder.path(), &["man", "share/man1"]), "");
    let page = |name: &str| fs::read_to_string(folder.path().join("share/man1").join(name)).unwrap();
    for command in commands(folder.path()).iter().filter(|command| *command != "help") {
        assert!(page(&format!("insight-bridge-{command}.1")).contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(page("insight-bridge.1").contains("INSIGHT_BRIDGE_CONFIG"));
}

#[test]
fn the_schema_is_printed_as_it_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let printed = printed(folder.path(), &["schema"]);
    let published = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/insight-bridge.schema.json")).unwrap();
    assert!(printed == published, "run insight-bridge schema > docs/insight-bridge.schema.json");
}
