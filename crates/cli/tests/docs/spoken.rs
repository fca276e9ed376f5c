//! Commands that pages only mention, or that can't be run here: the program knows each with its flags.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
};

use crate::page::{self, Page};

/// What stands for `<…>`: every such place takes a GUID.
const PLACE: &str = "d6c9bdf2-4ecb-4632-95ba-4149c59ae84c";

/// The words of a command line, up to where the shell goes on with something else.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '<') => {
                let _: String = characters.by_ref().take_while(|c| *c != '>').collect();
                word.get_or_insert_default().push_str(PLACE);
            }
            (None, ';' | '|' | '&' | '>') => break,
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words.into_iter().filter(|word| word != "…" && word != "2").collect()
}

/// The arguments of the program in a line, if it is called there.
fn arguments(line: &str, commands: &BTreeSet<String>) -> Option<Vec<String>> {
    let line = line.trim();
    let after = line.strip_prefix("insight-bridge ").or_else(|| line.split_once("bin/insight-bridge ").map(|(_, after)| after));
    if let Some(after) = after {
        return Some(words(after));
    }
    // A command that is named without the program is meant as one where it has a flag.
    let words = words(line);
    (words.first().is_some_and(|first| commands.contains(first)) && words.iter().any(|word| word.starts_with("--"))).then_some(words)
}

fn program(arguments: &[String]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_insight-bridge")).args(arguments).env_clear().stdin(Stdio::null()).output().unwrap()
}

fn commands() -> BTreeSet<String> {
    let help = String::from_utf8(program(&["--help".to_owned()]).stdout).unwrap();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_command_that_is_mentioned_is_there_with_its_flags() {
    let commands = commands();
    let mut mentioned = BTreeMap::<Vec<String>, String>::new();
    for name in page::all() {
        // What changed is told of the release in which it did.
        if name.starts_with("changes") || name == Path::new("CHANGELOG.md") {
            continue;
        }
        let page = Page::read(&name);
        let spans = page.spans.iter().map(|span| (span.line, span.text.as_str()));
        let blocks = page.blocks.iter().filter(|block| block.holds_commands() && !block.runs());
        let blocks = blocks.filter(|block| block.not_here().is_none_or(|why| !why.starts_with("not in this release")));
        let blocks = blocks.flat_map(|block| block.text.lines().map(|line| (block.line, line)));
        for (line, text) in spans.chain(blocks) {
            if let Some(arguments) = arguments(text, &commands) {
                mentioned.entry(arguments).or_insert_with(|| format!("{}:{line}: {text}", name.display()));
            }
        }
    }
    assert!(mentioned.len() > 30, "{mentioned:?}");
    let (wrong, left) = (Mutex::new(Vec::new()), Mutex::new(mentioned.into_iter()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((arguments, place)) = left.lock().unwrap().next() else { break };
                    // With this, what is there is looked at and nothing is done.
                    let known = |further: &[&str]| {
                        let further = further.iter().map(|word| (*word).to_owned());
                        program(&arguments.iter().cloned().chain(further).collect::<Vec<_>>())
                    };
                    let output = known(&["--help"]);
                    let flag = arguments.last().is_some_and(|last| last.starts_with("--"));
                    // It may be mentioned without its value.
                    let is_known = output.status.success() || (flag && known(&[PLACE, "--help"]).status.success());
                    if !is_known {
                        wrong.lock().unwrap().push(format!("{place}\n{}", String::from_utf8_lossy(&output.stderr)));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_line_is_read_as_a_shell_reads_it() {
    let commands = BTreeSet::from(["sync".to_owned()]);
    for (line, expected) in [
        ("insight-bridge held show <guid>   # why", Some(vec!["held", "show", PLACE])),
        (
            "insight-bridge held dismiss <a guid> --reason \"a test person\"",
            Some(vec!["held", "dismiss", PLACE, "--reason", "a test person"]),
        ),
        ("insight-bridge health; echo $?", Some(vec!["health"])),
        ("insight-bridge serve 2> serve.log &", Some(vec!["serve"])),
        ("docker exec bridge /usr/local/bin/insight-bridge status", Some(vec!["status"])),
        ("sync --retry-held", Some(vec!["sync", "--retry-held"])),
        ("sync", None),
        ("install -m 755 insight-bridge /usr/local/bin/", None),
    ] {
        let expected = expected.map(|words| words.into_iter().map(str::to_owned).collect());
        assert_eq!(arguments(line, &commands), expected, "{line}");
    }
}
