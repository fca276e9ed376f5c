//! Whether the page that an answer names is there, with its section.

use std::path::Path;

/// Whether `docs/guide/x.md#section` is a page of the project with such a heading.
pub(crate) fn is_there(page: &str) -> bool {
    let (file, section) = page.split_once('#').map_or((page, None), |(file, section)| (file, Some(section)));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let Ok(text) = std::fs::read_to_string(path) else { return false };
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| slug(line.trim_start_matches('#')));
    section.is_none_or(|section| headings.into_iter().any(|heading| heading == section))
}

/// A heading as a link names it.
fn slug(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).map(|c| if c == ' ' { '-' } else { c }).collect()
}
