//! The pages of `docs` that are made from the program itself: the commands from clap's model, the configuration from its schema.

mod commands;
mod configuration;

use crate::{command::schema, exit::Failure};

/// What stands above each page.
const MADE: &str = "Made from the program by `cargo xtask docs`; don't edit it.";

/// All of them, by their place in `docs`.
pub(crate) fn pages() -> Result<[(&'static str, String); 3], Failure> {
    Ok([
        ("insight-bridge.schema.json", format!("{}\n", schema::text()?)),
        ("reference/cli.md", commands::page()),
        ("reference/configuration.md", configuration::page()),
    ])
}

/// A text as it may stand in a cell of a table: what is between backticks stays as it is, nothing else is taken for markup.
fn cell(text: &str) -> String {
    let part = |(at, part): (usize, &str)| if at % 2 == 0 { part.replace('<', "&lt;") } else { part.to_owned() };
    text.split('`').enumerate().map(part).collect::<Vec<_>>().join("`").replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cell_holds_no_markup() {
        assert_eq!(super::cell("a <b> | `<c>|d`\ne"), "a &lt;b> \\| `<c>\\|d` e");
    }
}
