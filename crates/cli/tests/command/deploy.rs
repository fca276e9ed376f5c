//! What is written for systemd and for containers names commands that the program has, and is understood by systemd where it is there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::world::program;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Runs the program as it is written there: everything is understood, and only the configuration isn't there.
fn check(words: &[&str]) {
    let (name, arguments) = words.split_first().unwrap();
    assert!(name.ends_with("/insight-bridge"), "{words:?}");
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path(), arguments).env("INSIGHT_BRIDGE_CONFIG", folder.path().join("none.toml")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && stderr.contains("configuration-missing"), "{words:?}: {stderr}");
}

#[test]
fn the_unit_is_understood() {
    let unit = fs::read_to_string(root().join("deploy/insight-bridge.service")).unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    check(&words);
    // It knows only programs that are there.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("insight-bridge.service");
    fs::write(&path, unit.replace(words[0], env!("CARGO_BIN_EXE_insight-bridge"))).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&path).output() {
        Ok(output) => assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}

#[test]
fn the_image_runs_commands_that_there_are() {
    let file = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let words = |instruction: &str| -> Vec<String> {
        let line = file.lines().find(|line| line.starts_with(instruction)).unwrap();
        serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap()
    };
    for words in [words("HEALTHCHECK"), [words("ENTRYPOINT"), words("CMD")].concat()] {
        check(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
