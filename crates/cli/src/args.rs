//! Commands and flags.

pub(crate) mod held;
pub(crate) mod init;
pub(crate) mod support;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, builder::PossibleValuesParser};
use engine::supervisor::PassKind;
use serde::{Deserialize, Serialize};

/// Keeps Marketo and a Dynamics 365 in step where Marketo's own sync can't be used, so that Marketo Sales Insight shows the right people.
#[derive(Debug, Parser)]
#[command(name = "insight-bridge", version, max_term_width = 120, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "insight-bridge.toml", env = "INSIGHT_BRIDGE_CONFIG")]
    pub(crate) config: PathBuf,
    /// The bridge of this name, where the configuration has several.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) bridge: Option<String>,
    /// Say more on stderr: -v what happens, -vv each call. Never prints secrets; -vv may print e-mail addresses.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 all in step · 2 configuration or usage · 3 done, but some records are held or waiting · \
4 stopped by a quota · 5 a side can't be reached or refuses · 6 only shown, nothing was changed yet · 1 anything else";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole product on two emulators: a seeded organisation, a sync, live changes, another sync. Needs no account.
    Demo(Demo),
    /// Write a configuration: asks for what it needs, tests each answer, and shows what both sides' fields allow.
    Init(Box<init::Init>),
    /// Serve the emulators of Marketo and Dynamics on loopback.
    Sandbox(Sandbox),
    /// Run one cycle: Dynamics to Marketo, then the Sales Insight fields back.
    Sync(Sync),
    /// Keep both sides in step until SIGTERM or Ctrl-C: a cycle every few minutes, moments in between.
    Serve,
    /// Show what the state says, without calling anybody.
    Status(Status),
    /// What is held or waiting, why, and what to do about it.
    Held(held::Held),
    /// Connect to both sides and name what is missing. Changes nothing, unless --fix is given and confirmed.
    Check(Check),
    /// Show one person's, account's, opportunity's or user's whole chain on both sides, and why Sales Insight shows it or not.
    Inspect(Inspect),
    /// Read and compare both sides, without believing what was confirmed, and show how much of what each salesperson owns is whole.
    Audit(Audit),
    /// Say what the next sync would do, and change nothing.
    Plan(Plan),
    /// Show the field maps with both sides' types, what is cut, and what could be sent besides.
    Map(Map),
    /// Take one person out of Marketo, by policy, and out of the state; it isn't sent again.
    Erase(Erase),
    /// Make a sales person anew whose e-mail Marketo doesn't change: its records go to another, and come back.
    MendOwnerEmail(MendOwnerEmail),
    /// Let serve begin no pass until resume, also after a restart.
    Pause(Pause),
    /// Let serve begin passes again; those that were missed at once.
    Resume,
    /// Let serve begin a pass now, and don't wait for it.
    Run(Run),
    /// Ask the process that serves whether it is there and ready.
    Health(Health),
    /// Write one file for whoever is asked for help: what the state and the configuration say, without secrets and personal data.
    SupportBundle(support::SupportBundle),
    /// Print a script that completes commands and flags in a shell.
    Completions(Completions),
    /// Write manual pages into a folder: one for the program, and one for each command.
    Man(Folder),
    /// Print the JSON schema of the configuration file, by which editors check and complete it.
    Schema,
    /// Write the pages of docs that are made from the program.
    #[command(hide = true)]
    Docs(Folder),
}

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Leads and contacts in the organisation.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) people: u64,
    /// Where all chance comes from; the same seed makes the same organisation.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// End after the second sync.
    #[arg(long)]
    pub(crate) no_serve: bool,
}

/// Flags of `sandbox`.
#[derive(Debug, clap::Args)]
pub(crate) struct Sandbox {
    /// Marketo's port on 127.0.0.1; 0 takes a free one. Unless a port is given, 4101 and 4102 are taken, or free ones where these are taken.
    #[arg(long, value_name = "PORT")]
    pub(crate) marketo_port: Option<u16>,
    /// Dataverse's port on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT")]
    pub(crate) dataverse_port: Option<u16>,
    /// Leads and contacts in Dynamics; 0 starts with two empty systems.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) people: u64,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Refuse calls over the vendors' limits, as they do.
    #[arg(long)]
    pub(crate) enforce_limits: bool,
    /// How many Marketo calls any 20 seconds may hold, when limits are enforced.
    #[arg(long, value_name = "CALLS", default_value_t = 100)]
    pub(crate) calls_per_20s: usize,
    /// How many Marketo calls may be in flight at once, when limits are enforced.
    #[arg(long, value_name = "CALLS", default_value_t = 10)]
    pub(crate) in_flight: u32,
    /// How long every answer takes, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// How long half of Marketo's answers take at most, in milliseconds: log-normal, instead of the fixed time. Dynamics keeps that.
    #[arg(long, value_name = "MS")]
    pub(crate) latency_median_ms: Option<f64>,
    /// How far Marketo's answers spread around the median: the deviation of the logarithm. Their mean is the median times exp(sigma²/2).
    #[arg(long, value_name = "SIGMA", default_value_t = 0.5, requires = "latency_median_ms")]
    pub(crate) latency_sigma: f64,
    /// Write the bodies of all requests and answers into this file, each after its length (four bytes, lowest first); secrets included.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// Flags of `sync`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sync {
    /// Print the summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Try held records again now, whatever holds them.
    #[arg(long)]
    pub(crate) retry_held: bool,
    /// Sync only this person, account, opportunity or user now, and what it needs: its owner, its account, its deals. A GUID, an e-mail
    /// address or Marketo's id.
    #[arg(long, value_name = "ID", conflicts_with = "retry_held")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) only: Option<String>,
    /// Let a kind of harmful change through that the brake would stop; may be given more than once.
    /// `other-systems`: the systems of the configuration are those of this state under a new name.
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(kinds().chain([engine::bound::OTHER_SYSTEMS])))]
    pub(crate) allow: Vec<String>,
    /// Do what this file, made by `plan -o`, says, and nothing else. What changed since is left out; with too much of that nothing is done.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["retry_held", "only", "allow"])]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<PathBuf>,
}

/// Flags of `plan`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Save it in this file, for `sync --plan`; `-` prints that file. Only its owner can read it.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that is there and no plan.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Keep people's values in the file, those of now and those to be, and not only hashes of them.
    #[arg(long, requires = "output")]
    pub(crate) values: bool,
    /// How many writes of each kind are shown with their values.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    pub(crate) samples: usize,
    /// Held records are tried again, whatever holds them.
    #[arg(long)]
    pub(crate) retry_held: bool,
    /// A kind of harmful change is let through that the brake would stop; may be given more than once.
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(kinds()))]
    pub(crate) allow: Vec<String>,
    /// Print it as JSON, without the records, which only a file has.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Kinds of harmful change.
fn kinds() -> impl Iterator<Item = &'static str> {
    engine::Harm::ALL.map(engine::Harm::name).into_iter()
}

/// Flags of `status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `check`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// Print the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Put right what can be, each after a confirmation: track changes of a table, add Sales Insight columns in Dynamics, make a key field in
    /// Marketo.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) fix: bool,
    /// Confirm everything that --fix proposes.
    #[arg(long, requires = "fix")]
    #[serde(skip)]
    pub(crate) yes: bool,
    /// Your publisher's prefix, for Sales Insight columns of your own where Adobe's package isn't there.
    #[arg(long, value_name = "PREFIX", requires = "fix", value_parser = publisher_prefix)]
    #[serde(skip)]
    pub(crate) prefix: Option<String>,
}

/// 2 to 8 letters and digits, the first a letter, and not Microsoft's own (Microsoft, "Create a solution publisher").
fn publisher_prefix(text: &str) -> Result<String, String> {
    let text = text.strip_suffix('_').unwrap_or(text).to_lowercase();
    let good = (2..=8).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !text.starts_with("mscrm");
    if good { Ok(text) } else { Err("2 to 8 letters and digits, the first a letter, such as contoso".into()) }
}

/// Flags of `inspect`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inspect {
    /// The GUID of a contact, lead, account, opportunity or user, an e-mail address, or Marketo's id of a person.
    pub(crate) id: String,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `audit`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    /// Have what differs compared again and sent anew by the next sync.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Compare only so much of each table, such as 1%; the same records each time.
    #[arg(long, value_name = "PERCENT", default_value = "100%")]
    pub(crate) sample: Percent,
    /// Write all differences into this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A share above nothing, up to everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Percent(pub(crate) f64);

impl std::str::FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().strip_suffix('%').unwrap_or(text).trim().parse::<f64>().ok();
        number
            .filter(|percent| *percent > 0.0 && *percent <= 100.0)
            .map(Self)
            .ok_or_else(|| "a share such as 1% or 0.5%, up to 100%".into())
    }
}

/// Flags of `map`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Map {
    /// Only what could be sent besides, as lines for the configuration.
    #[arg(long)]
    pub(crate) suggest: bool,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `erase`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erase {
    /// The GUID of the Dynamics lead or contact, or Marketo's id of the person.
    pub(crate) id: String,
    /// What becomes of it in Marketo; on_delete.person unless said here.
    #[arg(long, value_name = "WHAT", value_parser = ["unlink", "keep", "delete"])]
    pub(crate) marketo: Option<String>,
    /// Do it; without, it is only shown what would be done.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `mend-owner-email`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MendOwnerEmail {
    /// The GUID of the Dynamics user.
    pub(crate) user: String,
    /// The user whose sales person owns the records meanwhile; any other unless said here.
    #[arg(long, value_name = "USER")]
    pub(crate) via: Option<String>,
    /// Do it, or go on with it; without, it is only shown what would be done.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `pause`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pause {
    /// End the pass that is running after the calls in flight; what is left goes on when it is resumed.
    #[arg(long)]
    pub(crate) now: bool,
}

/// Flags of `run`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// Which pass.
    #[arg(default_value = "changes", value_parser = pass())]
    pub(crate) pass: PassKind,
}

/// A pass by its name.
fn pass() -> impl clap::builder::TypedValueParser<Value = PassKind> {
    use clap::builder::TypedValueParser;
    let names = clap::builder::PossibleValuesParser::new(PassKind::ALL.map(PassKind::name));
    names.map(|name| PassKind::of_name(&name).unwrap_or(PassKind::Changes))
}

/// Flags of `health`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Health {
    /// Exit code 1 also where a bridge is not ready.
    #[arg(long)]
    pub(crate) ready: bool,
}

/// Flags of `completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

/// Flags of `man` and `docs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Folder {
    /// Where to write; the folder is made if it isn't there.
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
}
