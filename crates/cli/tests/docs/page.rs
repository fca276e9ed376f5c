//! A page as the tests see it: its blocks of code, how each is to be run, and the code between words.
//!
//! Blocks of the language `sh` hold commands, and are run; those of any other hold files or output, and never commands (`cargo xtask tidy` sees to
//! that). How a block is run stands in comments before it, which readers don't see:
//!
//! | comment | means |
//! |---|---|
//! | `<!-- run: exit 3 -->` | these codes other than 0 come, in this order, and no others |
//! | `<!-- run: not here, why -->` | it isn't run: it needs something that no test has |
//! | `<!-- run: background -->` | it serves until the page is at its end |
//! | `<!-- run: before` commands `-->` | what has to be so before; the commands must succeed |
//! | `<!-- run: file sandbox.toml -->` | before a block of another language: it is a file of this name |
//! | `<!-- run: prints -->` | before output: the block before prints these lines |
//! | `<!-- run: page alone -->` | first on a page: it starts its own sandbox |

use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The language of blocks that hold commands.
pub(crate) const COMMANDS: &str = "sh";

/// How a block is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The codes other than 0.
    Exit(Vec<i32>),
    /// Why it isn't run.
    NotHere(String),
    Background,
    /// Commands that come first.
    Before(String),
    /// The file that it is.
    File(String),
    Prints,
    /// The page starts its own sandbox.
    PageAlone,
}

/// A fenced block of code.
#[derive(Debug)]
pub(crate) struct Block {
    /// The line of its fence.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
    pub(crate) marks: Vec<Mark>,
}

/// Code between words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: PathBuf,
    /// Whether it starts its own sandbox.
    pub(crate) alone: bool,
    pub(crate) blocks: Vec<Block>,
    pub(crate) spans: Vec<Span>,
}

impl Block {
    pub(crate) fn has(&self, mark: &Mark) -> bool {
        self.marks.contains(mark)
    }

    /// Why it isn't run.
    pub(crate) fn not_here(&self) -> Option<&str> {
        self.marks.iter().find_map(|mark| if let Mark::NotHere(why) = mark { Some(why.as_str()) } else { None })
    }

    pub(crate) fn holds_commands(&self) -> bool {
        self.language == COMMANDS
    }

    /// Whether it is run.
    pub(crate) fn runs(&self) -> bool {
        self.holds_commands() && self.not_here().is_none()
    }

    /// The codes other than 0 that its commands end with.
    pub(crate) fn codes(&self) -> Vec<i32> {
        self.marks.iter().find_map(|mark| if let Mark::Exit(codes) = mark { Some(codes.clone()) } else { None }).unwrap_or_default()
    }

    /// The name of the file that it is.
    pub(crate) fn file(&self) -> Option<&str> {
        self.marks.iter().find_map(|mark| if let Mark::File(name) = mark { Some(name.as_str()) } else { None })
    }

    /// The commands that come before it.
    pub(crate) fn before(&self) -> String {
        self.marks.iter().filter_map(|mark| if let Mark::Before(text) = mark { Some(text.as_str()) } else { None }).collect()
    }
}

impl Page {
    /// Reads a page, by its path from the project's folder.
    pub(crate) fn read(name: &Path) -> Self {
        let text = std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{}: {error}", name.display()));
        Self::parse(name, &text)
    }

    pub(crate) fn parse(name: &Path, text: &str) -> Self {
        let mut page = Self { name: name.to_owned(), alone: false, blocks: Vec::new(), spans: Vec::new() };
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let (mut marks, mut block, mut html) = (Vec::new(), None::<Block>, String::new());
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                    let (language, marks) = (language.into_string(), std::mem::take(&mut marks));
                    block = Some(Block { line: line(range.start), language, text: String::new(), marks });
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Text(words) if block.is_some() => block.as_mut().unwrap().text.push_str(&words),
                Event::Html(words) => html.push_str(&words),
                Event::End(TagEnd::HtmlBlock) => match mark(&std::mem::take(&mut html)) {
                    Ok(Some(Mark::PageAlone)) => page.alone = true,
                    Ok(mark) => marks.extend(mark),
                    Err(wrong) => panic!("{}:{}: {wrong}", name.display(), line(range.start)),
                },
                // A mark is about the block that follows at once.
                Event::Start(Tag::Paragraph | Tag::Heading { .. }) => {
                    assert!(marks.is_empty(), "{}:{}: no block follows {marks:?}", name.display(), line(range.start));
                }
                Event::Code(words) => {
                    page.spans.push(Span { line: line(range.start), text: words.split_whitespace().collect::<Vec<_>>().join(" ") })
                }
                _ => {}
            }
        }
        page
    }
}

/// What a comment says, if it is about running.
fn mark(html: &str) -> Result<Option<Mark>, String> {
    let Some(said) = html.trim().strip_prefix("<!-- run:").and_then(|rest| rest.strip_suffix("-->")) else { return Ok(None) };
    let said = said.trim();
    let (word, rest) = said.split_once([' ', '\n']).unwrap_or((said, ""));
    Ok(Some(match (word, rest.trim()) {
        ("exit", codes) => Mark::Exit(
            codes.split_whitespace().map(str::parse).collect::<Result<Vec<i32>, _>>().map_err(|error| format!("{said}: {error}"))?,
        ),
        ("not", why) => match why.strip_prefix("here,").map(str::trim) {
            Some(why) if !why.is_empty() => Mark::NotHere(why.to_owned()),
            _ => return Err(format!("{said}: say why, as in: not here, needs Docker")),
        },
        ("background", "") => Mark::Background,
        ("before", commands) if !commands.is_empty() => Mark::Before(format!("{commands}\n")),
        ("file", name) if !name.is_empty() => Mark::File(name.to_owned()),
        ("prints", "") => Mark::Prints,
        ("page", "alone") => Mark::PageAlone,
        _ => return Err(format!("{said:?} isn't understood; page.rs has the list")),
    }))
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// All pages of the project, by their paths from its folder.
pub(crate) fn all() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if name.ends_with(".md") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn blocks_are_found_with_their_marks() {
    let text = "# A\n\n`insight-bridge\nheld`\n\n<!-- run: before\na\n\nb\n-->\n<!-- run: exit 3 6 -->\n```sh\nx\n```\n\n1. in a list\n\n   <!-- run: not here, no Docker -->\n   ```sh\n   y\n   ```\n\n```text\nz\n```\n";
    let page = Page::parse(Path::new("a.md"), text);
    assert_eq!(page.spans, [Span { line: 3, text: "insight-bridge held".into() }]);
    let blocks: Vec<_> = page.blocks.iter().map(|block| (block.line, block.text.as_str(), block.runs())).collect();
    assert_eq!(blocks, [(12, "x\n", true), (19, "y\n", false), (23, "z\n", false)]);
    assert_eq!((page.blocks[0].codes(), page.blocks[0].before()), (vec![3, 6], "a\n\nb\n".to_owned()));
    assert_eq!(page.blocks[1].not_here(), Some("no Docker"));
    for wrong in ["exit x", "not here", "not here,", "sometimes", "before"] {
        assert!(mark(&format!("<!-- run: {wrong} -->")).is_err(), "{wrong}");
    }
    assert_eq!(mark("<!-- a remark -->"), Ok(None));
}
