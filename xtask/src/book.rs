//! `cargo xtask book`: the pages of `docs` as a folder of plain HTML, which needs no script and no server.
//!
//! The contents (`docs/SUMMARY.md`) say which pages there are and in which order. Links between them lead from page to page; a link to a
//! file that isn't in the book, such as a source, stays as words.

mod contents;
mod html;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::markdown;
use contents::Section;

/// The page that lists all others.
pub const CONTENTS: &str = "docs/SUMMARY.md";

/// What the book looks like.
const STYLE: &str = include_str!("book/style.css");

/// Writes the book anew, and gives its first page.
pub fn write(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/book");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("{} can't be cleared", folder.display()))?;
    }
    for (place, text) in Book::read(root)?.render(root)? {
        let path = folder.join(place);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| path.display().to_string())?;
    }
    Ok(folder.join("index.html"))
}

/// What is in the book.
#[derive(Debug)]
pub struct Book {
    sections: Vec<Section>,
    /// What pages link to beside pages, such as a schema: files of `docs`, taken along as they are.
    files: Vec<PathBuf>,
}

impl Book {
    fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(CONTENTS)).with_context(|| format!("{CONTENTS} can't be read"))?;
        let docs = fs::read_dir(root.join("docs")).into_iter().flatten().flatten().map(|entry| entry.path());
        let files = docs.filter(|path| path.is_file() && path.extension().is_some_and(|extension| extension != "md"));
        let files = files.filter_map(|path| path.strip_prefix(root).map(Path::to_owned).ok()).collect();
        Ok(Self { sections: contents::read(&text), files })
    }

    /// All files of the book.
    fn render(&self, root: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        let read = |source: &Path| fs::read(root.join(source)).with_context(|| format!("{} can't be read", source.display()));
        let mut files = vec![(PathBuf::from("style.css"), STYLE.into())];
        for page in self.sections.iter().flat_map(|section| &section.pages) {
            let text = String::from_utf8(read(&page.source)?).with_context(|| page.source.display().to_string())?;
            files.push((Self::place(&page.source), html::page(self, &page.source, &text).into_bytes()));
        }
        for file in &self.files {
            files.push((Self::place(file), read(file)?));
        }
        Ok(files)
    }

    /// Where a page or file is in the book: without `docs`, and a folder's README is its index.
    fn place(source: &Path) -> PathBuf {
        let place = source.strip_prefix("docs").unwrap_or(source);
        match place.file_name().and_then(|name| name.to_str()) {
            Some("README.md") => place.with_file_name("index.html"),
            Some(name) if name.ends_with(".md") => place.with_extension("html"),
            Some(_) | None => place.to_owned(),
        }
    }

    /// A link of this page as it is in the book; none where it leads to nothing there.
    fn link(&self, page: &Path, link: &str) -> Option<String> {
        let Some(to) = markdown::local(page, link) else {
            return Some(link.to_owned());
        };
        let source = self.found(&to.path?)?;
        let anchor = to.anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
        if source == page && !anchor.is_empty() {
            return Some(anchor);
        }
        let up = "../".repeat(Self::place(page).components().count() - 1);
        Some(format!("{up}{}{anchor}", Self::place(source).display()))
    }

    /// What is linked to: a page or file of the book; instead of a folder its index, or else its first page.
    fn found(&self, path: &Path) -> Option<&Path> {
        let pages = || self.sections.iter().flat_map(|section| &section.pages).map(|page| page.source.as_path());
        let files = self.files.iter().map(PathBuf::as_path);
        let index = || pages().find(|page| ["README.md", "index.md"].iter().any(|name| *page == path.join(name)));
        let within = || pages().find(|page| page.parent() == Some(path));
        pages().chain(files).find(|source| *source == path).or_else(index).or_else(within)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What stands between `before` and the next quote.
    fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn every_link_of_the_book_leads_to_a_place_in_it() {
        let root = crate::tidy::root();
        let files: BTreeMap<PathBuf, String> = Book::read(&root)
            .unwrap()
            .render(&root)
            .unwrap()
            .into_iter()
            .map(|(place, text)| (place, String::from_utf8(text).unwrap()))
            .collect();
        assert!(files.len() > 80 && files.contains_key(Path::new("index.html")));
        for (page, text) in files.iter().filter(|(page, _)| page.extension().is_some_and(|extension| extension == "html")) {
            assert!(!text.contains("<script"), "{}", page.display());
            let links = quoted(text, "href=\"");
            assert!(links.len() > 50, "{}", page.display());
            for link in links {
                let Some(to) = markdown::local(page, link) else { continue };
                let target = files.get(&to.path.unwrap());
                let there = target.is_some_and(|text| to.anchor.is_none_or(|anchor| text.contains(&format!("id=\"{anchor}\""))));
                assert!(there, "{}: {link}", page.display());
            }
        }
    }

    #[test]
    fn pages_are_where_their_folders_are() {
        for (source, place) in [
            ("README.md", "index.html"),
            ("docs/guide/x.md", "guide/x.html"),
            ("docs/decisions/README.md", "decisions/index.html"),
            ("docs/a.schema.json", "a.schema.json"),
            ("crates/sandbox/README.md", "crates/sandbox/index.html"),
        ] {
            assert_eq!(Book::place(Path::new(source)), Path::new(place));
        }
    }
}
