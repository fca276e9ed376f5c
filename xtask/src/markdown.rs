//! Markdown pages: what they are called, where they can be linked to, and where their links lead. It reads pages and changes nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Folders that hold no pages of ours.
const ELSEWHERE: [&str; 1] = ["target"];

/// The events of a page, in the dialect that our pages are written in.
pub fn events(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
}

/// All pages below a folder, by their path from there.
pub fn pages(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') && !ELSEWHERE.contains(&name) {
                folders.push(path);
            } else if name.ends_with(".md") {
                found.extend(path.strip_prefix(root).map(Path::to_owned));
            }
        }
    }
    found.sort();
    found
}

/// The anchors of a page's headings, in their order, as GitHub makes them: letters and digits in lower case, blanks as hyphens, and a number where
/// there was the same before.
pub fn anchors(text: &str) -> Vec<String> {
    let (mut anchors, mut seen) = (Vec::new(), BTreeMap::<String, u32>::new());
    for heading in headings(text) {
        let kept = |c: char| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        };
        let anchor: String = heading.to_lowercase().chars().filter_map(kept).collect();
        let before = seen.entry(anchor.clone()).or_default();
        anchors.push(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
        *before += 1;
    }
    anchors
}

/// The words of a page's headings.
#[allow(clippy::wildcard_enum_match_arm, reason = "Markdown has many events, of which these matter here")]
pub fn headings(text: &str) -> Vec<String> {
    let (mut headings, mut heading) = (Vec::new(), None::<String>);
    for event in events(text) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::End(TagEnd::Heading(_)), _) => headings.extend(heading.take()),
            (Event::Text(words) | Event::Code(words), Some(heading)) => heading.push_str(&words),
            _ => {}
        }
    }
    headings
}

/// Where a page's links and pictures lead, as they are written.
pub fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for event in events(text) {
        if let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event {
            links.push(dest_url.into_string());
        }
    }
    links
}

/// A page's blocks of code: the language of each, and its text.
#[allow(clippy::wildcard_enum_match_arm, reason = "Markdown has many events, of which these matter here")]
pub fn blocks(text: &str) -> Vec<(String, String)> {
    let (mut blocks, mut block) = (Vec::new(), None::<(String, String)>);
    for event in events(text) {
        match (event, &mut block) {
            (Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))), _) => block = Some((language.into_string(), String::new())),
            (Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)), _) => block = Some((String::new(), String::new())),
            (Event::End(TagEnd::CodeBlock), _) => blocks.extend(block.take()),
            (Event::Text(words), Some((_, text))) => text.push_str(&words),
            _ => {}
        }
    }
    blocks
}

/// A link within the project.
#[derive(Debug, PartialEq, Eq)]
pub struct Local {
    /// The file or folder, by its path from the project's folder; none where the link leads out of it.
    pub path: Option<PathBuf>,
    /// The anchor in it.
    pub anchor: Option<String>,
}

/// Where a link of this page leads; none for addresses elsewhere.
pub fn local(page: &Path, link: &str) -> Option<Local> {
    let scheme = link.split_once(':').map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))) {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor.to_owned())));
    let path = if path.is_empty() { Some(page.to_owned()) } else { joined(page.parent()?, Path::new(path)) };
    Some(Local { path, anchor })
}

/// `folder/path` without `..`; none where it leads out of the project.
fn joined(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut joined = folder.to_owned();
    for part in path.components() {
        match part {
            Component::Normal(name) => joined.push(name),
            Component::ParentDir => joined = joined.parent()?.to_owned(),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_made_as_github_makes_them() {
        for (heading, anchor) in [
            ("Several bridges", "several-bridges"),
            ("`[fields.<table>]`", "fieldstable"),
            ("`[on_delete]` and *more*", "on_delete-and-more"),
            ("Users → sales persons", "users--sales-persons"),
            ("1. Dynamics", "1-dynamics"),
        ] {
            assert_eq!(anchors(&format!("# {heading}\n")), [anchor]);
        }
        assert_eq!(anchors("# A\n\n## B\n\n## B\n\n```text\n# none\n```\n"), ["a", "b", "b-1"]);
    }

    #[test]
    fn links_lead_from_their_page() {
        let to = |link: &str| local(Path::new("docs/guide/x.md"), link);
        let local =
            |path: Option<&str>, anchor: Option<&str>| Some(Local { path: path.map(PathBuf::from), anchor: anchor.map(str::to_owned) });
        assert_eq!(to("../errors/y.md#cause"), local(Some("docs/errors/y.md"), Some("cause")));
        assert_eq!(to("#here"), local(Some("docs/guide/x.md"), Some("here")));
        assert_eq!(to("../../README.md"), local(Some("README.md"), None));
        assert_eq!(to("../../../away.md"), local(None, None));
        assert_eq!(to("https://example.com/#x"), None);
        assert_eq!(links("[a](b.md) ![c](d.png) `[e](f.md)`"), ["b.md", "d.png"]);
    }
}
