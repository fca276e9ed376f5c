//! Rules about pages: every link within the project leads somewhere, the contents list every page of `docs`, and commands stand where they are tested.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    book::CONTENTS,
    markdown::{self, Local},
};

/// The language of blocks that hold commands: `crates/cli/tests/docs` runs them.
const COMMANDS: &str = "sh";

/// Other names for it, under which nobody would run them.
const OTHER_NAMES: [&str; 5] = ["bash", "shell", "console", "zsh", "shell-session"];

/// Pages that are made from the program: what they show is no command but the form of one.
const MADE: &str = "docs/reference";

/// How a line begins that is a command.
const BEGINNINGS: [&str; 5] = ["insight-bridge ", "curl ", "cargo ", "$ ", "docker "];

/// What breaks them, in words.
pub fn complaints(root: &Path) -> Vec<String> {
    let mut pages = BTreeMap::new();
    let mut complaints = Vec::new();
    for page in markdown::pages(root) {
        match fs::read_to_string(root.join(&page)) {
            Ok(text) => drop(pages.insert(page, text)),
            Err(error) => complaints.push(format!("{} can't be read: {error}", page.display())),
        }
    }
    let anchors: BTreeMap<_, _> = pages.iter().map(|(page, text)| (page.as_path(), markdown::anchors(text))).collect();
    for (page, text) in &pages {
        for link in markdown::links(text) {
            let wrong = markdown::local(page, &link).and_then(|to| wrong(root, &anchors, &to));
            complaints.extend(wrong.map(|wrong| format!("{}: {link} {wrong}", page.display())));
        }
        if !page.starts_with(MADE) {
            complaints.extend(commands_elsewhere(text).into_iter().map(|wrong| format!("{}: {wrong}", page.display())));
        }
    }
    complaints.extend(unlisted(&pages));
    complaints
}

/// What is wrong with where a link leads.
fn wrong(root: &Path, anchors: &BTreeMap<&Path, Vec<String>>, to: &Local) -> Option<&'static str> {
    let Some(path) = &to.path else {
        return Some("leads out of the project");
    };
    if !root.join(path).exists() {
        return Some("leads to nothing");
    }
    let anchor = to.anchor.as_ref()?;
    let there = anchors.get(path.as_path()).is_some_and(|anchors| anchors.contains(anchor));
    (!there).then_some("leads to no heading of that page")
}

/// Commands in blocks that nobody runs.
fn commands_elsewhere(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (language, text) in markdown::blocks(text).iter().filter(|(language, _)| language != COMMANDS) {
        if OTHER_NAMES.contains(&language.as_str()) {
            wrong.push(format!("a block of {language}; commands are in blocks of {COMMANDS}"));
        }
        let commands = text.lines().filter(|line| BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)));
        wrong.extend(
            commands.map(|line| format!("`{line}` is in a block of {language:?}; commands are in blocks of {COMMANDS}, which are tested")),
        );
    }
    wrong
}

/// Pages of `docs` that the contents don't name, or name twice.
fn unlisted(pages: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let contents = Path::new(CONTENTS);
    let listed = pages.get(contents).map(|text| markdown::links(text)).unwrap_or_default();
    let listed: Vec<PathBuf> = listed.iter().filter_map(|link| markdown::local(contents, link)?.path).collect();
    let of_docs = pages.keys().filter(|page| page.starts_with("docs") && *page != contents);
    let count = |page: &PathBuf| listed.iter().filter(|listed| *listed == page).count();
    of_docs.filter(|page| count(page) != 1).map(|page| format!("{CONTENTS} must list {} once", page.display())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_nowhere_is_told() {
        let folder = std::env::temp_dir().join(format!("xtask-pages-{}", std::process::id()));
        fs::create_dir_all(folder.join("docs")).unwrap();
        fs::write(folder.join("README.md"), "# A\n\n[1](docs/b.md#there) [2](docs/b.md#gone) [3](docs/c.md) [4](../x) [5](docs) [6](#a)\n")
            .unwrap();
        fs::write(
            folder.join("docs/b.md"),
            "# There\n\n```text\ninsight-bridge check\nok\n```\n\n```bash\nls\n```\n\n```sh\ninsight-bridge sync\n```\n",
        )
        .unwrap();
        let told = complaints(&folder);
        fs::remove_dir_all(&folder).unwrap();
        let expected = [
            "README.md: docs/b.md#gone leads to no heading of that page",
            "README.md: docs/c.md leads to nothing",
            "README.md: ../x leads out of the project",
            "docs/b.md: `insight-bridge check` is in a block of \"text\"; commands are in blocks of sh, which are tested",
            "docs/b.md: a block of bash; commands are in blocks of sh",
            "docs/SUMMARY.md must list docs/b.md once",
        ];
        assert_eq!(told, expected);
    }
}
