//! Every command with its arguments and flags, as clap knows them: no terminal's width is in it.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::{MADE, cell};
use crate::args::Args;

/// The page.
pub(super) fn page() -> String {
    let mut program = Args::command();
    program.build();
    let mut page = format!("# Commands\n\n{MADE}\n\n{}\n\n{}", sentence(program.get_about()), usage(&mut program));
    page.push_str("| command | |\n|---|---|\n");
    let mut shown = String::new();
    let mut listed = Vec::new();
    for command in commands(&mut program) {
        describe(command, &mut Vec::new(), &mut listed, &mut shown);
    }
    for (name, about) in listed {
        let _ = writeln!(page, "| [`{name}`](#{}) | {} |", name.replace(' ', "-"), cell(&about));
    }
    page.push_str("\n## Flags of every command\n\n");
    page.push_str(&table(program.get_arguments()));
    let exit_codes = program.get_after_help().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(page, "\n{exit_codes}.");
    page.push_str(&shown);
    page
}

/// One command, and those below it.
fn describe(command: &mut Command, above: &mut Vec<String>, listed: &mut Vec<(String, String)>, page: &mut String) {
    above.push(command.get_name().to_owned());
    let (name, about) = (above.join(" "), sentence(command.get_about()));
    let _ = write!(page, "\n## `{name}`\n\n{}\n\n{}", sentence(command.get_long_about().or(command.get_about())), usage(command));
    let arguments = table(command.get_arguments().filter(|arg| !arg.is_global_set()));
    page.push_str(if arguments.is_empty() { "No flags of its own.\n" } else { &arguments });
    listed.push((name, about));
    for below in commands(command) {
        describe(below, above, listed, page);
    }
    above.pop();
}

/// The commands that people are to see.
fn commands(of: &mut Command) -> impl Iterator<Item = &mut Command> {
    of.get_subcommands_mut().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn usage(command: &mut Command) -> String {
    format!("```text\n{}\n```\n\n", command.render_usage().to_string().trim_start_matches("Usage: ").trim_end())
}

/// Empty where there are none. What clap adds to every command is left out.
fn table<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let shown = |arg: &&Arg| !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version";
    let rows: String = arguments.filter(shown).map(row).collect();
    if rows.is_empty() { rows } else { format!("| argument or flag | default | meaning |\n|---|---|---|\n{rows}") }
}

fn row(arg: &Arg) -> String {
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values()).map(|names| names.join(" ")).unwrap_or_default();
    let mut names: Vec<String> = arg.get_short().map(|short| format!("`-{short}`")).into_iter().collect();
    names.extend(arg.get_long().map(|long| if value.is_empty() { format!("`--{long}`") } else { format!("`--{long} {value}`") }));
    if arg.is_positional() {
        names.push(format!("`{value}`"));
    }
    let defaults: Vec<String> = arg.get_default_values().iter().map(|value| format!("`{}`", value.display())).collect();
    let default = match (arg.get_action().takes_values(), arg.is_required_set()) {
        (false, _) => String::new(),
        (true, true) => "needed".to_owned(),
        (true, false) => defaults.join(", "),
    };
    let mut meaning = sentence(arg.get_long_help().or(arg.get_help()));
    let values = arg.get_possible_values();
    let values: Vec<String> = values.iter().filter(|value| !value.is_hide_set()).map(|value| format!("`{}`", value.get_name())).collect();
    if arg.get_action().takes_values() && !values.is_empty() {
        let _ = write!(meaning, " One of {}.", values.join(", "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(meaning, " Environment variable: `{}`.", variable.display());
    }
    format!("| {} | {default} | {} |\n", names.join(", "), cell(&meaning))
}

/// With the full stop that clap takes away.
fn sentence(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}
