//! The contents of the book: `docs/SUMMARY.md`, a list of links in sections.

use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};

use super::CONTENTS;
use crate::markdown;

/// A section of the contents.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Its heading; empty for what stands above the first.
    pub title: String,
    /// Its pages, in order.
    pub pages: Vec<Entry>,
}

/// A page in the contents.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called there.
    pub title: String,
    /// The page, by its path from the project's folder.
    pub source: PathBuf,
}

/// Reads them.
#[allow(clippy::wildcard_enum_match_arm, reason = "Markdown has many events, of which these matter here")]
pub fn read(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let (mut words, mut source) = (String::new(), None);
    for event in markdown::events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => words.clear(),
            Event::End(TagEnd::Heading(HeadingLevel::H2)) => {
                sections.push(Section { title: std::mem::take(&mut words), pages: Vec::new() });
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                words.clear();
                source = markdown::local(Path::new(CONTENTS), &dest_url).and_then(|link| link.path);
            }
            Event::End(TagEnd::Link) => {
                if let (Some(section), Some(source)) = (sections.last_mut(), source.take()) {
                    section.pages.push(Entry { title: std::mem::take(&mut words), source });
                }
            }
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            _ => {}
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_hold_their_pages_in_order() {
        let read = read("# Contents\n\n- [Start](../README.md)\n\n## Guide\n\n- [`x` first](guide/x.md)\n- [Y](guide/y.md)\n");
        let entry = |title: &str, source: &str| Entry { title: title.into(), source: source.into() };
        let expected = [
            Section { title: String::new(), pages: vec![entry("Start", "README.md")] },
            Section { title: "Guide".into(), pages: vec![entry("x first", "docs/guide/x.md"), entry("Y", "docs/guide/y.md")] },
        ];
        assert_eq!(read, expected);
    }
}
