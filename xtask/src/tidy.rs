//! Our own rules about the source, as tests: which crate may use which, how long a file is, that it says what it is for; and about pages.

mod pages;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Which crates of ours each crate may depend on. A new arrow needs a record in `docs/decisions`.
const ARROWS: [(&str, &[&str]); 15] = [
    ("base", &[]),
    ("wire", &["base"]),
    ("dataverse", &["base", "wire"]),
    ("marketo", &["base", "wire"]),
    ("planner", &["base"]),
    ("store", &["base"]),
    ("engine", &["base", "wire", "dataverse", "marketo", "planner", "store"]),
    ("server", &["base", "wire", "store", "engine"]),
    ("insight-bridge", &["base", "wire", "dataverse", "marketo", "store", "engine", "server", "sandbox"]),
    ("emulator", &["base"]),
    ("dataverse-emulator", &["base", "emulator"]),
    ("marketo-emulator", &["base", "emulator"]),
    ("sandbox", &["base", "emulator", "dataverse-emulator", "marketo-emulator"]),
    ("sim", &["base", "wire", "dataverse", "marketo", "store", "engine", "emulator", "dataverse-emulator", "marketo-emulator", "sandbox"]),
    ("xtask", &[]),
];

/// Lines of a source file; longer ones hold more than one concept.
const FILE_LINES_MAX: usize = 500;

/// Pages that name source files.
const PAGES: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];

/// Marks of what is not finished.
const FORBIDDEN: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new(".")).to_owned()
}

/// Everything that breaks a rule, in words.
pub fn complaints() -> Vec<String> {
    let mut complaints = arrows();
    let sources = sources();
    for file in &sources {
        complaints.extend(of_file(file));
    }
    complaints.extend(pages::complaints(&root()));
    complaints.extend(PAGES.iter().flat_map(|page| of_page(page, &sources)));
    complaints
}

/// Source files that a page names and that aren't there.
fn of_page(page: &str, sources: &[PathBuf]) -> Vec<String> {
    let Ok(text) = fs::read_to_string(root().join(page)) else {
        return vec![format!("{page} can't be read")];
    };
    let is_there = |name: &str| sources.iter().any(|path| path.ends_with(name));
    // Every other part is between backticks.
    let named = text.split('`').skip(1).step_by(2).filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "rs"));
    named
        .filter(|name| !name.contains(['*', '<']) && !is_there(name))
        .map(|name| format!("{page} names {name}, which isn't there"))
        .collect()
}

fn arrows() -> Vec<String> {
    let mut complaints = Vec::new();
    let mut manifests: Vec<PathBuf> = entries(&root().join("crates")).into_iter().map(|folder| folder.join("Cargo.toml")).collect();
    manifests.push(root().join("xtask/Cargo.toml"));
    for path in manifests.iter().filter(|path| path.exists()) {
        let Some(manifest) = fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
            complaints.push(format!("{} can't be read", path.display()));
            continue;
        };
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str).unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            complaints.push(format!("crate {name} is not in the list of arrows (xtask/src/tidy.rs)"));
            continue;
        };
        let used = manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(|table| table.keys());
        for used in used.filter(|used| ARROWS.iter().any(|(ours, _)| ours == used)) {
            if !allowed.contains(&used.as_str()) {
                complaints.push(format!("crate {name} must not depend on {used}: the arrows go one way"));
            }
        }
    }
    complaints
}

fn of_file(path: &Path) -> Vec<String> {
    let shown = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    let Ok(text) = fs::read_to_string(path) else {
        return vec![format!("{shown} can't be read")];
    };
    let mut complaints = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        complaints.push(format!("{shown} has {lines} lines; split it by concept (at most {FILE_LINES_MAX})"));
    }
    if !text.trim_start().starts_with("//!") {
        complaints.push(format!("{shown} doesn't begin by saying what it is for (//! …)"));
    }
    if !shown.ends_with("tidy.rs") {
        let found = FORBIDDEN.iter().filter(|word| text.contains(**word));
        complaints.extend(found.map(|word| format!("{shown} contains {word:?}")));
    }
    complaints
}

/// All Rust files of ours.
fn sources() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join("crates"), root().join("xtask")]);
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => found.push(path),
                Some(_) | None => {}
            }
        }
    }
    found.sort();
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn our_own_rules_hold() {
        let complaints = super::complaints();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}
