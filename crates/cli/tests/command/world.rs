//! A sandbox on loopback in this process, a folder for configuration and state, and the real binary run against them.
//!
//! Whatever the binary prints is checked each time: no panic, no colour in a pipe, no secret, no token.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use base::{Clock, Timestamp};
use sandbox::{Options, Ready, Sandbox};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot};

use crate::tap::{Death, Tap, locked};

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) ready: Ready,
    pub(crate) tap: Arc<Tap>,
    pub(crate) folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    // Last, so that the servers outlive the rest.
    _runtime: Runtime,
}

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The exit code, or a failure that shows everything.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Every fragment is in stderr.
    #[track_caller]
    pub(crate) fn tells(self, fragments: &[&str]) -> Self {
        // Messages are broken into lines that fit a terminal.
        let told = self.stderr.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        for fragment in fragments {
            assert!(told.contains(fragment), "{fragment:?} isn't told:\n{}", self.stderr);
        }
        self
    }
}

/// Options of a small sandbox without limits.
pub(crate) fn options(people: u64) -> Options {
    Options { people, seed: 1, enforce_limits: false, ..Options::default() }
}

impl World {
    pub(crate) fn new(people: u64) -> Self {
        Self::with(options(people), Timestamp::now())
    }

    /// The organisation is made at `made`; then the clock goes on as it really is.
    pub(crate) fn with(options: Options, made: Timestamp) -> Self {
        let going = Arc::new(AtomicBool::new(false));
        let clock = {
            let going = Arc::clone(&going);
            Clock::from_fn(move || if going.load(Ordering::Relaxed) { Timestamp::now() } else { made })
        };
        let sandbox = Sandbox::new(options, clock).unwrap();
        going.store(true, Ordering::Relaxed);
        let tap = Arc::new(Tap::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = oneshot::channel();
        let ready = runtime.block_on(serve(&sandbox, &tap, stopped));
        let world = Self { sandbox, ready, tap, folder: tempfile::tempdir().unwrap(), stop: Some(stop), _runtime: runtime };
        world.configure(&world.configuration());
        world
    }

    /// The configuration that fits this sandbox.
    pub(crate) fn configuration(&self) -> String {
        let Ready { marketo, dataverse } = &self.ready;
        format!(
            "[marketo]\nbase_url = \"{}\"\nclient_id = \"{}\"\nclient_secret = {{ env = \"MARKETO_SECRET\" }}\ncalls_per_20s = 0\nmax_in_flight = \
             5\n\n[dynamics]\nurl = \"{}\"\nauthority = \"{}\"\ntenant_id = \"{}\"\nclient_id = \"{}\"\nclient_secret = {{ env = \
             \"DYNAMICS_SECRET\" }}\n\n[state]\nurl = \"sqlite:state.db\"\n\n[retry]\nbudget_s = 2\ntries = 3\n",
            marketo.base_url, marketo.client_id, dataverse.url, dataverse.authority, dataverse.tenant_id, dataverse.client_id
        )
    }

    /// The same with one thing written differently.
    #[track_caller]
    pub(crate) fn configured(&self, from: &str, to: &str) {
        let text = self.configuration();
        assert!(text.contains(from), "{from:?} isn't in the configuration");
        self.configure(&text.replacen(from, to, 1));
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.folder.path().join("insight-bridge.toml"), text).unwrap();
    }

    /// The command, not yet started, in the folder with the configuration.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = program(self.folder.path(), args);
        command.env("MARKETO_SECRET", &self.ready.marketo.client_secret).env("DYNAMICS_SECRET", &self.ready.dataverse.client_secret);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.end(self.start(args))
    }

    /// Starts it.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.tap.begin(None);
        self.command(args).spawn().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn end(&self, child: Child) -> Ran {
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is printed is UTF-8");
        let ran = Ran { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) };
        self.check(&ran);
        ran
    }

    /// Runs it until a request kills it; true when it was killed before it ended.
    pub(crate) fn run_killed(&self, args: &[&str], death: Death) -> bool {
        {
            let mut place = locked(&self.tap.child);
            self.tap.begin(Some(death));
            *place = Some(self.command(args).spawn().unwrap());
        }
        let (stdout, stderr) = {
            let mut place = locked(&self.tap.child);
            let child = place.as_mut().unwrap();
            (child.stdout.take().unwrap(), child.stderr.take().unwrap())
        };
        let talk = std::thread::spawn(move || read(stderr));
        // Both end only with the process.
        let (stdout, stderr) = (read(stdout), talk.join().unwrap());
        let mut child = locked(&self.tap.child).take().unwrap();
        let status = child.wait().unwrap();
        self.check(&Ran { status, stdout, stderr });
        status.code().is_none()
    }

    /// What no run ever prints.
    pub(crate) fn check(&self, ran: &Ran) {
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains("panicked"), "{text}");
            assert!(!text.contains('\u{1b}'), "colour in a pipe: {text}");
            let mut secrets = self.tap.tokens();
            secrets.extend([&self.ready.marketo.client_secret, &self.ready.dataverse.client_secret].map(String::clone));
            // However it is quoted: the first part of the secret needs no quoting anywhere.
            secrets.push("sandbox-secret".into());
            for secret in secrets {
                assert!(!text.contains(&secret), "a secret or token is printed: {text}");
            }
        }
    }

    /// How many records Marketo was sent in all runs.
    pub(crate) fn sent(&self) -> usize {
        self.tap.sent_since(0).len()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// The binary with nothing of this process's environment.
pub(crate) fn program(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_insight-bridge"));
    command.args(args).current_dir(folder).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn read(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

async fn serve(sandbox: &Sandbox, tap: &Arc<Tap>, stopped: oneshot::Receiver<()>) -> Ready {
    let (marketo, dataverse) = (emulator::bind(0).await.unwrap(), emulator::bind(0).await.unwrap());
    let ready = Ready::new(sandbox, marketo.origin(), dataverse.origin());
    let (marketo_router, dataverse_router) = (tap.before(sandbox.marketo_router()), tap.before(sandbox.dataverse_router()));
    tokio::spawn(async move {
        tokio::select! {
            outcome = marketo.serve(marketo_router, std::future::pending()) => outcome.unwrap(),
            outcome = dataverse.serve(dataverse_router, std::future::pending()) => outcome.unwrap(),
            _ = stopped => {}
        }
    });
    ready
}
