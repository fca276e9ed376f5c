//! The pages, read as somebody reads them who types what they say: every block of commands is run, with the real binary, against a sandbox.
//!
//! `page.rs` says how a page tells what is to be run. A new page with commands needs a line in the list below.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test that can't go on has failed")]
#![allow(clippy::print_stderr, reason = "a page that isn't run is told")]
#![allow(clippy::wildcard_enum_match_arm, reason = "Markdown has many events, of which few matter here")]

mod page;
mod printed;
mod shell;
mod spoken;

use std::path::PathBuf;

use page::{Mark, Page};

macro_rules! pages {
    ($($test:ident = $page:literal;)*) => {
        $(
            #[test]
            fn $test() {
                shell::run($page);
            }
        )*

        /// The pages that have a test.
        const PAGES: &[&str] = &[$($page),*];
    };
}

pages! {
    readme = "README.md";
    audit = "docs/guide/audit.md";
    configuration = "docs/guide/configuration.md";
    dynamics_setup = "docs/guide/dynamics-setup.md";
    first_sync = "docs/guide/first-sync.md";
    held = "docs/guide/held.md";
    inspect = "docs/guide/inspect.md";
    marketo_setup = "docs/guide/marketo-setup.md";
    operating = "docs/guide/operating.md";
    owners = "docs/guide/owners.md";
    plan = "docs/guide/plan.md";
    runbooks = "docs/guide/runbooks.md";
    sandbox = "docs/guide/sandbox.md";
    scope_and_deletion = "docs/guide/scope-and-deletion.md";
    start = "docs/guide/start.md";
    brake = "docs/errors/brake.md";
    other_systems = "docs/errors/other-systems.md";
    owner_email_frozen = "docs/errors/owner-email-frozen.md";
}

/// Blocks of commands that no test runs. More of them need a better reason than this number.
const NOT_HERE_MAX: usize = 10;

#[test]
fn every_page_with_commands_has_a_test() {
    let with_commands = page::all().into_iter().filter(|name| Page::read(name).blocks.iter().any(page::Block::runs));
    let listed: Vec<PathBuf> = PAGES.iter().map(PathBuf::from).collect();
    let lacking: Vec<PathBuf> = with_commands.filter(|name| !listed.contains(name)).collect();
    assert!(lacking.is_empty(), "main.rs lacks {lacking:?}");
}

#[test]
fn few_blocks_are_not_run_and_each_says_why() {
    let pages: Vec<Page> = page::all().iter().map(|name| Page::read(name)).collect();
    let not_here: Vec<String> = pages
        .iter()
        .flat_map(|page| {
            page.blocks.iter().filter_map(|block| Some(format!("{}:{}: {}", page.name.display(), block.line, block.not_here()?)))
        })
        .collect();
    assert!(not_here.len() <= NOT_HERE_MAX, "{} blocks are not run:\n{}", not_here.len(), not_here.join("\n"));
    for block in pages.iter().flat_map(|page| &page.blocks) {
        let of_output = |mark: &Mark| matches!(mark, Mark::Prints | Mark::File(_));
        assert!(block.marks.iter().all(|mark| block.holds_commands() != of_output(mark)), "a mark that isn't for such a block: {block:?}");
    }
}
