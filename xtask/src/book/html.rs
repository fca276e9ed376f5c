//! One page of the book: Markdown as HTML, its links leading to other pages of the book, and the contents beside it.

use std::path::Path;

use pulldown_cmark::{CowStr, Event, Tag, TagEnd, html};

use super::{Book, contents::Section};
use crate::markdown;

/// The whole page.
pub fn page(book: &Book, source: &Path, text: &str) -> String {
    let place = Book::place(source);
    let up = "../".repeat(place.components().count() - 1);
    let title = markdown::headings(text).into_iter().next().unwrap_or_default();
    let title = if title == TITLE { TITLE.to_owned() } else { format!("{title} · {TITLE}") };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<link rel=\"stylesheet\" \
         href=\"{up}style.css\">\n</head>\n<body>\n<a class=\"skip\" href=\"#contents\">Contents</a>\n<main>\n{}{}</main>\n<nav id=\"contents\" \
         aria-label=\"Contents\">\n{}</nav>\n</body>\n</html>\n",
        body(book, source, text),
        turn(book, source, &up),
        contents(book, source, &up),
        title = escaped(&title),
    )
}

const TITLE: &str = "Insight Bridge";

/// The page's own text. A link to what isn't in the book stays as words.
#[allow(clippy::wildcard_enum_match_arm, reason = "Markdown has many events, of which these matter here")]
fn body(book: &Book, source: &Path, text: &str) -> String {
    let mut anchors = markdown::anchors(text).into_iter();
    let mut linked = Vec::new();
    let events = markdown::events(text).flat_map(|event| match event {
        Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
            let id = anchors.next().map(CowStr::from);
            vec![Event::Start(Tag::Heading { level, id, classes, attrs })]
        }
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let to = book.link(source, &dest_url);
            linked.push(to.is_some());
            to.map(|to| Event::Start(Tag::Link { link_type, dest_url: to.into(), title, id })).into_iter().collect()
        }
        Event::End(TagEnd::Link) => linked.pop().filter(|linked| *linked).map(|_| Event::End(TagEnd::Link)).into_iter().collect(),
        // Wide tables scroll by themselves, and not the page with them.
        Event::Start(Tag::Table(columns)) => vec![Event::Html("<div class=\"table\">\n".into()), Event::Start(Tag::Table(columns))],
        Event::End(TagEnd::Table) => vec![Event::End(TagEnd::Table), Event::Html("</div>\n".into())],
        event => vec![event],
    });
    let mut body = String::new();
    html::push_html(&mut body, events);
    body
}

/// The pages before and after.
fn turn(book: &Book, source: &Path, up: &str) -> String {
    let pages: Vec<_> = book.sections.iter().flat_map(|section| &section.pages).collect();
    let Some(at) = pages.iter().position(|page| page.source == source) else { return String::new() };
    let link = |at: Option<usize>, rel: &str, before: &str, after: &str| {
        let page = at.and_then(|at| pages.get(at));
        let href = |page: &Path| format!("{up}{}", Book::place(page).display());
        page.map(|page| format!("<a rel=\"{rel}\" href=\"{}\">{before}{}{after}</a>\n", href(&page.source), escaped(&page.title)))
            .unwrap_or_default()
    };
    let (before, after) = (link(at.checked_sub(1), "prev", "← ", ""), link(Some(at + 1), "next", "", " →"));
    format!("<nav class=\"turn\" aria-label=\"Pages before and after\">\n{before}{after}</nav>\n")
}

/// The contents: open where the reader is, and on the first page where the book goes on, so that they are short without a script.
fn contents(book: &Book, source: &Path, up: &str) -> String {
    let holds = |section: &Section| section.pages.iter().any(|page| page.source == source);
    let here = book.sections.iter().position(holds);
    let open = here.map(|here| if here == 0 { 1 } else { here });
    book.sections.iter().enumerate().map(|(at, section)| self::section(section, open == Some(at), source, up)).collect()
}

fn section(section: &Section, open: bool, source: &Path, up: &str) -> String {
    let item = |page: &super::contents::Entry| {
        let here = if page.source == source { " aria-current=\"page\"" } else { "" };
        format!("<li><a href=\"{up}{}\"{here}>{}</a></li>\n", Book::place(&page.source).display(), escaped(&page.title))
    };
    let list = format!("<ul>\n{}</ul>\n", section.pages.iter().map(item).collect::<String>());
    if section.title.is_empty() {
        return list;
    }
    let open = if open { " open" } else { "" };
    format!("<details{open}>\n<summary>{}</summary>\n{list}</details>\n", escaped(&section.title))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
