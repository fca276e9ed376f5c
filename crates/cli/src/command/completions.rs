//! `completions`: a script that completes commands and flags in a shell.

use clap::{Command, CommandFactory};

use crate::{
    args::{Args, Completions},
    exit::{Failure, IN_STEP},
    printer,
};

/// What is completed.
const NAME: &str = env!("CARGO_BIN_NAME");

/// Runs it.
pub(crate) fn run(args: &Completions) -> Result<u8, Failure> {
    let (mut command, mut script) = (shown(&Args::command()), Vec::new());
    clap_complete::generate(args.shell, &mut command, NAME, &mut script);
    printer::data(String::from_utf8_lossy(&script).trim_end());
    Ok(IN_STEP)
}

/// The program without its hidden commands, which the scripts would offer like any other.
fn shown(program: &Command) -> Command {
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new(NAME).version("").args(program.get_arguments().cloned()).subcommands(commands)
}
