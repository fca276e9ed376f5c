//! The binary on a terminal of a chosen width: a pseudo-terminal, in a session of its own, so that nobody's real terminal is asked.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::Path,
    process::{Command, Stdio},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::world::{Ran, World};

/// What is connected with the terminal, besides stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Nothing: stderr is a pipe.
    Piped,
    /// Stderr too: it comes among stdout.
    Shown,
}

/// Runs it to its end on a terminal so many columns wide.
pub(crate) fn run(world: &World, args: &[&str], columns: u16, talk: Talk, environment: &[(&str, &str)]) -> Ran {
    let made = world.command(args);
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(made.get_program()).args(made.get_args()).env_clear().stdin(Stdio::null()).stderr(Stdio::piped());
    command.envs(made.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    // `setsid` is looked for here; the binary isn't told.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(environment.iter().copied());
    command.current_dir(made.get_current_dir().unwrap());
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let no_controlling_terminal = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
    let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    let theirs = OpenOptions::new().read(true).write(true).custom_flags(no_controlling_terminal).open(path).unwrap();
    tcsetwinsize(&theirs, Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    if talk == Talk::Shown {
        command.stderr(theirs.try_clone().unwrap());
    }
    command.stdout(theirs);
    let child = command.spawn().unwrap();
    // It holds the other end, too; with it open there is no end to read to.
    drop(command);
    let reading = std::thread::spawn(move || {
        let (mut from, mut bytes) = (File::from(ours), Vec::new());
        // That nobody holds the other end any more is told as an error.
        let _ = from.read_to_end(&mut bytes);
        bytes
    });
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let stdout = text(reading.join().unwrap()).replace("\r\n", "\n");
    Ran { status: output.status, stdout, stderr: text(output.stderr) }
}
