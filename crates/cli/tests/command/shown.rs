//! What commands print, whole, as files in `shown/` that a reviewer reads: each command in good and in bad cases, for people (in a pipe and on
//! terminals of 60 and 120 columns) and as JSON.
//!
//! After a change of what is printed, `SHOWN_ACCEPT=1 cargo test --workspace --test command -- shown` writes the files anew; the diff says what
//! people will see. Times, durations, ports and paths of this run stand as `YYYY-MM-DD`, `…`, `PORT` and `FOLDER`.

use std::{fmt::Write as _, fs, path::PathBuf};

use base::Timestamp;

use crate::{
    terminal::{self, Talk},
    world::{Ran, World},
};

/// When the organisation is made: long ago, so that its own times can be told from those of the run.
pub(crate) fn long_ago() -> Timestamp {
    "2024-05-06T07:08:09Z".parse().unwrap()
}

/// Widths of terminals.
const WIDTHS: [u16; 2] = [60, 120];

/// One file.
pub(crate) struct Shown {
    name: &'static str,
    text: String,
}

impl Shown {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, text: String::new() }
    }

    /// A command in a pipe.
    pub(crate) fn once(&mut self, world: &World, about: &str, args: &[&str]) -> Ran {
        let ran = world.run(args);
        self.add(about, args, "", &told(&ran, world));
        ran
    }

    /// A command that changes nothing which it prints: in a pipe, on terminals, and as JSON.
    pub(crate) fn ways(&mut self, world: &World, about: &str, args: &[&str]) {
        self.people(world, about, args);
        self.once(world, about, &[args, &["--json"]].concat());
    }

    /// The same without JSON.
    pub(crate) fn people(&mut self, world: &World, about: &str, args: &[&str]) {
        let piped = told(&world.run(args), world);
        self.add(about, args, "", &piped);
        for columns in WIDTHS {
            let ran = terminal::run(world, args, columns, Talk::Piped, &[("NO_COLOR", "1")]);
            world.check(&ran);
            let told = told(&ran, world);
            let on = format!(" (on {columns} columns)");
            self.add(about, args, &on, if told == piped { "the same\n" } else { &told });
        }
    }

    /// Something that a test says of what was printed.
    pub(crate) fn note(&mut self, about: &str, text: &str) {
        let _ = write!(self.text, "=== {about}\n{text}\n\n");
    }

    fn add(&mut self, about: &str, args: &[&str], on: &str, told: &str) {
        let _ = write!(self.text, "=== {about}\n$ insight-bridge {}{on}\n{told}\n", args.join(" "));
    }

    /// Compares it with the file, or writes that.
    #[track_caller]
    pub(crate) fn end(self) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/command/shown").join(self.name).with_extension("txt");
        if std::env::var_os("SHOWN_ACCEPT").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &self.text).unwrap();
            return;
        }
        let accepted = fs::read_to_string(&path).unwrap_or_default();
        if accepted == self.text {
            return;
        }
        let pairs = accepted.lines().zip(self.text.lines()).enumerate();
        let at = pairs.clone().find(|(_, (was, is))| was != is).map_or(pairs.count(), |(at, _)| at);
        let around = |text: &str| text.lines().skip(at.saturating_sub(8)).take(16).map(|line| format!("  {line}\n")).collect::<String>();
        panic!(
            "{}:{}: something else is printed. If it should be: SHOWN_ACCEPT=1 cargo test --workspace --test command -- shown\n--- accepted\n{}--- now\n{}",
            path.display(),
            at + 1,
            around(&accepted),
            around(&self.text)
        );
    }
}

/// Exit code and words, without what differs between runs.
fn told(ran: &Ran, world: &World) -> String {
    let mut told = format!("exit code {}\n", ran.code().unwrap_or(-1));
    for (name, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        if !text.is_empty() {
            let _ = write!(told, "--- {name}\n{}\n", without_this_run(text, world).trim_end());
        }
    }
    told
}

/// The same without what differs between runs.
pub(crate) fn without_this_run(text: &str, world: &World) -> String {
    let ready = &world.ready;
    let mut text = text.replace(&world.folder.path().display().to_string(), "FOLDER");
    for address in [&ready.marketo.base_url, &ready.dataverse.url] {
        text = text.replace(address.as_str(), &format!("{}PORT", &address[..address.rfind(':').unwrap() + 1]));
    }
    text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    text = days(&text);
    text.lines().map(|line| format!("{}\n", of_this_run(line))).collect()
}

/// Dates of yesterday, today and tomorrow, with the times behind them.
fn days(text: &str) -> String {
    let now = Timestamp::now();
    let mut text = text.to_owned();
    for hours in [-24, 0, 24] {
        let day = now + jiff::Span::new().hours(hours);
        for (day, shown) in [(day.strftime("%Y-%m-%d").to_string(), "YYYY-MM-DD"), (day.strftime("%Y%m%d").to_string(), "YYYYMMDD")] {
            let mut parts = text.split(&day);
            let mut shown_text = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                shown_text.push_str(shown);
                shown_text.push_str(&time(part));
            }
            text = shown_text;
        }
    }
    text
}

/// What follows a date, without the time that it begins with.
fn time(text: &str) -> String {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    let separator = text.chars().next().filter(|c| [' ', 'T', '-'].contains(c));
    let Some((separator, behind)) = separator.map(|c| (c, &text[1..])) else { return text.to_owned() };
    let form: Vec<usize> = behind.split(':').take(3).map(digits).collect();
    match form.as_slice() {
        [2, 2, 2] => {
            let rest = &behind[8..];
            let rest = rest.strip_prefix('.').map_or(rest, |fraction| &fraction[digits(fraction)..]);
            format!("{separator}hh:mm:ss{rest}")
        }
        [2, 2, ..] => format!("{separator}hh:mm{}", &behind[5..]),
        [6, ..] => format!("{separator}hhmmss{}", &behind[6..]),
        _ => text.to_owned(),
    }
}

/// A line with an `N` for every number.
fn without_numbers(line: &str) -> String {
    let mut shown = String::new();
    for c in line.chars() {
        match c.is_ascii_digit() {
            true if shown.ends_with('N') => {}
            true => shown.push('N'),
            false => shown.push(c),
        }
    }
    shown
}

/// A line without what differs: times that were measured, how many calls were made before, and how a system counts its errors.
fn of_this_run(line: &str) -> String {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    // How full calls are is chance, where things are sent while others are read.
    if ["about ", "this plan took ", "Marketo calls: "].iter().any(|begin| line.starts_with(begin)) {
        return without_numbers(line);
    }
    let mut line = line.to_owned();
    if let Some(at) = line.find(" calls used by all integrations") {
        let begin = line[..at].trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ' || c == 'o' || c == 'f').len();
        line.replace_range(begin..at, " …");
    }
    if let Some(at) = line.find(" (os error ") {
        let end = at + " (os error ".len();
        line.replace_range(at..end + digits(&line[end..]) + 1, "");
    }
    if let Some((words, _)) = line.split_once("; it took ") {
        return format!("{words}; it took …");
    }
    match line.strip_suffix(" s)").and_then(|rest| rest.rsplit_once(" (")) {
        Some((words, seconds)) if seconds.parse::<f64>().is_ok() => format!("{words} (… s)"),
        Some(_) | None => line,
    }
}
