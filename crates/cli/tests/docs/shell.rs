//! A page's commands in one shell, from top to bottom, as somebody would type them; with the real binary, against a sandbox on loopback.
//!
//! Only this is not as the page says it: the sandbox's ports and the folders of an installation, so that pages can be run beside each other and on any
//! machine; `cargo build` and `cargo run`, which stand for the binary that is tested; and `systemctl` and `journalctl`, which here start, stop and show
//! the very `serve` that systemd would.

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use tempfile::TempDir;

use crate::{
    page::{Block, Mark, Page},
    printed,
};

/// Ports that pages name.
const PORTS: [u16; 4] = [4101, 4102, 4103, 4104];

/// Folders that pages name: what belongs to an installation is where the page begins, the rest below it.
const FOLDERS: [(&str, &str); 6] = [
    ("/etc/insight-bridge", ""),
    ("/var/lib/insight-bridge", ""),
    ("/backup", "/backup"),
    ("/root", "/root"),
    ("/etc/bash_completion.d", "/completion"),
    ("/usr/local/share/man", "/man"),
];

/// No page takes longer, in seconds.
const LONGEST_S: u32 = 120;

/// What stands for what isn't on every machine.
const STANDINS: &str = r#"
systemctl() {
  case "$1" in
    start)
      insight-bridge serve 2>> "$RUN/serve.log" &
      SERVED=$! ;;
    stop) kill $SERVED && wait $SERVED ;;
    restart) systemctl stop && systemctl start ;;
    reload) kill -HUP $SERVED ;;
    *) echo "systemctl $*: not while pages are tested"; return 97 ;;
  esac
}
# Who waits asks again at once.
sleep() { :; }
journalctl() { cat "$RUN/serve.log"; }
cargo() {
  case "$1" in
    build) ;;
    run) while [ "$1" != -- ]; do shift; done; shift; insight-bridge "$@" ;;
    *) echo "cargo $*: not while pages are tested"; return 97 ;;
  esac
}
"#;

/// A sandbox, a configuration for it, and a first sync: what pages about daily work begin with.
const WORLD: &str = r#"
read -r _ < <(exec insight-bridge sandbox --marketo-port 4101 --dataverse-port 4102 2> "$RUN/sandbox.log")
cat > insight-bridge.toml <<'END'
[marketo]
base_url = "http://127.0.0.1:4101"
client_id = "emulated-client"
client_secret = { env = "MARKETO_SECRET" }
calls_per_20s = 0

[dynamics]
url = "http://127.0.0.1:4102"
authority = "http://127.0.0.1:4102"
tenant_id = "8a3ff7c0-7a0e-4bb2-9a55-7d9b6a1f0c11"
client_id = "7d0c2c6e-54a3-4d0b-9b7e-0f1f3a5c9e21"
client_secret = { env = "DYNAMICS_SECRET" }

[state]
url = "sqlite:state.db"
END
export MARKETO_SECRET=emulated-secret DYNAMICS_SECRET='sandbox-secret~+/='
insight-bridge sync > "$RUN/first-sync" 2>&1 || test $? = 3
"#;

/// Runs a page, and fails with everything that isn't as it says.
#[track_caller]
pub(crate) fn run(name: &str) {
    let page = Page::read(Path::new(name));
    if let Some(missing) = missing() {
        eprintln!("{missing} isn't on this machine: the commands of {name} are not run");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("run")).unwrap();
    for (_, here) in FOLDERS {
        fs::create_dir_all(format!("{}/here{here}", folder.path().display())).unwrap();
    }
    fs::write(folder.path().join("script"), script(&page)).unwrap();
    let (ended, talk) = bash(&folder);
    let mut wrong: Vec<String> = Vec::new();
    let mut printed_last = String::new();
    for (at, block) in page.blocks.iter().enumerate() {
        let place = format!("{name}:{}", block.line);
        if block.runs() {
            let told = |part: &str| fs::read_to_string(folder.path().join(format!("run/{at}.{part}"))).unwrap_or_default();
            printed_last = told("out");
            let codes: Vec<i32> = told("codes").split_whitespace().map(|code| code.parse().unwrap()).collect();
            if !told("before-codes").is_empty() {
                wrong.push(format!("{place}: what comes before it failed:\n{}", told("before")));
            } else if !folder.path().join(format!("run/{at}.done")).exists() {
                wrong.push(format!("{place}: it doesn't come to its end:\n{}{}", block.text, beginning(&printed_last)));
                break;
            } else if codes != block.codes() {
                wrong.push(format!(
                    "{place}: codes other than 0: {codes:?}, not {:?}:\n{}\n{}",
                    block.codes(),
                    block.text,
                    beginning(&printed_last)
                ));
            }
        } else if block.has(&Mark::Prints)
            && let Err(why) = printed::compare(&block.text, &printed_last)
        {
            wrong.push(format!("{place}: {why}\n--- printed:\n{}", beginning(&printed_last)));
        }
    }
    assert!(wrong.is_empty(), "{}\n{talk}", wrong.join("\n\n"));
    assert!(ended, "the shell failed, or {LONGEST_S} s were not enough: {talk}");
    let left = fs::read_to_string(folder.path().join("run/jobs")).unwrap();
    let serves_to_its_end = page.blocks.iter().any(|block| block.has(&Mark::Background));
    assert!(!page.alone || serves_to_its_end || left.is_empty(), "{name} leaves processes: {left}");
}

/// As much of what was printed as helps to find the mistake.
fn beginning(printed: &str) -> String {
    const LINES: usize = 60;
    printed.lines().filter(|line| !line.starts_with('─')).take(LINES).map(|line| format!("  {line}\n")).collect()
}

/// What bash needs to run a page.
fn script(page: &Page) -> String {
    let mut script = format!("set -uo pipefail\n{STANDINS}\ncd here\n");
    if !page.alone {
        script.push_str(WORLD);
    }
    for (at, block) in page.blocks.iter().enumerate() {
        if let Some(file) = block.file() {
            let _ = write!(script, "cat > '{file}' <<'END OF THE FILE'\n{}END OF THE FILE\n", block.text);
        }
        if !block.runs() {
            continue;
        }
        let before = block.before();
        if !before.is_empty() {
            let _ = write!(script, "{}", part(at, "before", "before-codes", &before));
        }
        let _ = writeln!(script, "{}: > \"$RUN/{at}.done\"", part(at, "out", "codes", &commands(block)));
    }
    script.push_str("jobs -r > \"$RUN/jobs\"\n");
    moved(&script)
}

fn commands(block: &Block) -> String {
    if block.has(&Mark::Background) { format!("{{\n{}}} &\n", block.text) } else { block.text.clone() }
}

/// Commands with their output and their codes other than 0 in files.
fn part(at: usize, out: &str, codes: &str, commands: &str) -> String {
    format!("exec > \"$RUN/{at}.{out}\" 2>&1\ntrap 'echo $? >> \"$RUN/{at}.{codes}\"' ERR\n{commands}")
}

/// The same with ports that nobody else uses.
fn moved(script: &str) -> String {
    // What it writes names the ports, which here are others.
    let init = "insight-bridge init --sandbox";
    let named = format!("{init} --marketo-url http://127.0.0.1:4101 --dynamics-url http://127.0.0.1:4102");
    let mut moved = script.replace(init, &named);
    for (folder, here) in FOLDERS {
        moved = moved.replace(folder, &format!("$HOME{here}"));
    }
    for port in PORTS {
        let free = free_port().to_string();
        for before in [":", "-port "] {
            moved = moved.replace(&format!("{before}{port}"), &format!("{before}{free}"));
        }
    }
    moved
}

/// A port below those that systems give away by themselves; other tests take theirs from there.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 12_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 18_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What bash said, and whether it came to the end of the page. Whatever it has started is gone afterwards.
fn bash(folder: &TempDir) -> (bool, String) {
    let binary = Path::new(env!("CARGO_BIN_EXE_insight-bridge")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &LONGEST_S.to_string(), "bash", "script"]).current_dir(folder.path()).env_clear();
    command.env("PATH", path).env("RUN", folder.path().join("run")).env("HOME", folder.path().join("here")).env("LC_ALL", "C.UTF-8");
    let talk = fs::File::create(folder.path().join("talk")).unwrap();
    command.stdin(Stdio::null()).stdout(talk.try_clone().unwrap()).stderr(talk).process_group(0);
    let mut child = command.spawn().unwrap();
    let status = child.wait().unwrap();
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).stderr(Stdio::null()).status();
    (status.success(), fs::read_to_string(folder.path().join("talk")).unwrap())
}

/// A program without which no page can be run, and that isn't there.
fn missing() -> Option<&'static str> {
    let there = |name: &str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    ["bash", "curl", "timeout"].into_iter().find(|name| !there(name))
}
