//! The sandbox and the bridge as processes of their own: started, watched through `/proc`, and ended.
//!
//! CPU time is user and system time of all threads, in ticks of 10 ms; memory is the peak of what was resident.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::http;

/// How often a process is looked at; its peak is missed by what it grows in its last moment.
const LOOK: Duration = Duration::from_millis(10);

/// Linux tells CPU times in hundredths of a second, whatever its own ticks are.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a sandbox starts with.
pub struct Start<'a> {
    pub bin: &'a Path,
    pub people: u64,
    /// More flags of `sandbox`.
    pub flags: Vec<String>,
    /// The core it is bound to.
    pub core: Option<u32>,
}

/// How a bridge runs.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Calls in any 20 seconds; 0 is without a limit.
    pub calls_per_20s: u32,
    pub in_flight: u32,
    /// The core it is bound to.
    pub core: Option<u32>,
}

impl Pace {
    /// As fast as it can, with as much in flight as Marketo ever allows.
    pub const UNLIMITED: Self = Self { calls_per_20s: 0, in_flight: 10, core: None };
}

/// A sandbox with a folder for the bridge's configuration and state. Ends with this value.
pub struct World {
    child: Child,
    bin: PathBuf,
    folder: PathBuf,
    ready: Value,
    /// Until the ports were open, in seconds.
    pub started_s: f64,
}

/// What a run of the bridge came to.
#[derive(Debug, Clone)]
pub struct Run {
    pub wall_s: f64,
    pub cpu_s: f64,
    pub peak_kib: u64,
    /// Of the sandbox, during the run.
    pub sandbox_cpu_s: f64,
    /// The summary that `sync --json` printed.
    pub summary: Value,
}

impl World {
    /// Starts a sandbox and waits until it serves. `folder` is emptied.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(start: &Start<'_>, folder: &Path) -> Result<Self> {
        let _absent = fs::remove_dir_all(folder);
        fs::create_dir_all(folder)?;
        let begun = Instant::now();
        let mut child = bound(start.bin, start.core)
            .args(["sandbox", "--people", &start.people.to_string()])
            .args(&start.flags)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("sandbox.log"))?)
            .spawn()
            .with_context(|| format!("{} could not be run", start.bin.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the sandbox has no output")?).read_line(&mut line)?;
        let Ok(ready) = serde_json::from_str(&line) else {
            let _ended = child.wait();
            bail!("the sandbox didn't start; see {}", folder.join("sandbox.log").display());
        };
        Ok(Self { child, bin: start.bin.to_owned(), folder: folder.to_owned(), ready, started_s: begun.elapsed().as_secs_f64() })
    }

    fn told(&self, side: &str, name: &str) -> &str {
        self.ready.get(side).and_then(|side| side.get(name)).and_then(Value::as_str).unwrap_or_default()
    }

    /// Where Marketo is.
    pub fn marketo(&self) -> &str {
        self.told("marketo", "base_url")
    }

    /// The state's file.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state.db")
    }

    /// What the sandbox resides in at most so far, in KiB.
    pub fn sandbox_peak_kib(&self) -> u64 {
        peak_kib(self.child.id()).unwrap_or(0)
    }

    /// Asks Marketo's control interface.
    ///
    /// # Errors
    /// As [`http::ask`].
    pub fn control(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        http::ask(self.marketo(), method, &format!("/_sandbox/{path}"), None, body)
    }

    /// A token for Marketo's API.
    ///
    /// # Errors
    /// As [`http::ask`].
    pub fn token(&self) -> Result<String> {
        let (id, secret) = (self.told("marketo", "client_id"), self.told("marketo", "client_secret"));
        let path = format!("/identity/oauth/token?grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let answer = http::ask(self.marketo(), "GET", &path, None, "")?;
        Ok(answer.get("access_token").and_then(Value::as_str).context("the sandbox gave no token")?.to_owned())
    }

    /// One cycle of the bridge, to its end.
    ///
    /// # Errors
    /// When it ends with anything but 0 or 3 (records that are held, as some of every organisation are).
    pub fn sync(&self, pace: Pace) -> Result<Run> {
        let config = self.folder.join("bridge.toml");
        fs::write(&config, self.config(pace))?;
        let (out, log) = (self.folder.join("sync.json"), self.folder.join("sync.log"));
        let (before, begun) = (cpu_s(self.child.id())?.0, Instant::now());
        let mut bridge = bound(&self.bin, pace.core)
            .arg("--config")
            .arg(&config)
            .args(["sync", "--json"])
            .env("BENCH_MARKETO_SECRET", self.told("marketo", "client_secret"))
            .env("BENCH_DYNAMICS_SECRET", self.told("dataverse", "client_secret"))
            .stdout(fs::File::create(&out)?)
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let mut peak = 0;
        // Nothing takes the ended process away before it is waited for, so that its CPU time can still be read.
        let cpu_s = loop {
            let (seconds, ended) = cpu_s(bridge.id())?;
            if ended {
                break seconds;
            }
            peak = peak_kib(bridge.id()).unwrap_or(0).max(peak);
            thread::sleep(LOOK);
        };
        let wall_s = begun.elapsed().as_secs_f64();
        let status = bridge.wait()?;
        if !matches!(status.code(), Some(0 | 3)) {
            bail!("the bridge ended with {status}; see {}", log.display());
        }
        let sandbox_cpu_s = self::cpu_s(self.child.id())?.0 - before;
        let summary = serde_json::from_slice(&fs::read(&out)?).context("the summary can't be read")?;
        Ok(Run { wall_s, cpu_s, peak_kib: peak, sandbox_cpu_s, summary })
    }

    fn config(&self, pace: Pace) -> String {
        let (base, url) = (self.marketo(), self.told("dataverse", "url"));
        format!(
            "[marketo]\nbase_url = \"{base}\"\nclient_id = \"{}\"\nclient_secret = {{ env = \"BENCH_MARKETO_SECRET\" }}\n\
             calls_per_20s = {}\nmax_in_flight = {}\ndaily_calls = 10000000\n\n\
             [dynamics]\nurl = \"{url}\"\nauthority = \"{url}\"\ntenant_id = \"{}\"\nclient_id = \"{}\"\n\
             client_secret = {{ env = \"BENCH_DYNAMICS_SECRET\" }}\n\n[state]\nurl = \"sqlite:{}\"\n",
            self.told("marketo", "client_id"),
            pace.calls_per_20s,
            pace.in_flight,
            self.told("dataverse", "tenant_id"),
            self.told("dataverse", "client_id"),
            self.state().display(),
        )
    }

    /// Ends the sandbox as Ctrl-C does, so that what it records is complete.
    ///
    /// # Errors
    /// When it can't be asked to end.
    pub fn end(mut self) -> Result<()> {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It may have ended already; both are then errors that say nothing.
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The program, bound to a core where one is given.
fn bound(bin: &Path, core: Option<u32>) -> Command {
    match core {
        None => Command::new(bin),
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(bin);
            command
        }
    }
}

/// User and system time so far, in seconds, and whether the process has ended.
fn cpu_s(pid: u32) -> Result<(f64, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("this benchmark needs Linux's /proc")?;
    // The name in brackets may hold blanks; what follows it doesn't.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(((ticks(11) + ticks(12)) / TICKS_PER_SECOND, fields.first() == Some(&"Z")))
}

fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
