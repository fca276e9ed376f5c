//! What the program says about itself: completions and manual pages know every command, and the pages made from it are current.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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

/// `cargo xtask docs` sets it: pages that are not current are written.
const WRITE: &str = "DOCS_WRITE";

fn files(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files
}

#[test]
fn pages_made_from_the_program_are_current() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(printed(folder.path(), &["docs", "."]), "");
    let schema = fs::read_to_string(folder.path().join("insight-bridge.schema.json")).unwrap();
    assert_eq!(printed(folder.path(), &["schema"]), schema);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("docs");
    let mut stale = Vec::new();
    for made in files(folder.path()) {
        let (name, text) = (made.strip_prefix(folder.path()).unwrap(), fs::read(&made).unwrap());
        let page = docs.join(name);
        if fs::read(&page).is_ok_and(|current| current == text) {
            continue;
        }
        if std::env::var_os(WRITE).is_some() {
            fs::create_dir_all(page.parent().unwrap()).unwrap();
            fs::write(&page, text).unwrap();
        } else {
            stale.push(name.to_owned());
        }
    }
    assert!(stale.is_empty(), "run cargo xtask docs: in docs, {stale:?} isn't what the program says");
}
