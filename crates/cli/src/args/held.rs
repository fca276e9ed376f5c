//! Flags of `held` and its parts.

use std::path::PathBuf;

use base::{Guid, Object};
use clap::{
    ArgGroup, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use engine::held::Selection;
use serde::{Deserialize, Serialize};

/// Objects by the words that people use.
const OBJECTS: [(&str, Object); 5] = [
    ("sales-person", Object::SalesPerson),
    ("company", Object::Company),
    ("person", Object::Lead),
    ("opportunity", Object::Opportunity),
    ("role", Object::Role),
];

/// Flags of `held`.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Held {
    /// What to do; list, unless it is said.
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
    #[command(flatten)]
    pub(crate) list: List,
}

/// What is done with held records.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Part {
    /// List them with their codes and reasons, without calling anybody.
    List(List),
    /// Show all that is left of one record, and what to do about it.
    Show(Show),
    /// Write them into a file that spreadsheets read.
    Export(Export),
    /// Have them tried in the next sync, whatever rest they have left.
    Retry(Retry),
    /// Let a record be until something else would be sent; who, when and why is kept.
    Dismiss(Dismiss),
}

/// Which records are meant.
#[derive(Debug, Clone, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chosen {
    /// Only what becomes this.
    #[arg(long, value_parser = object())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<Object>,
    /// Only what is held with this code, such as ambiguous or 1003.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// Only what this Dynamics user owns.
    #[arg(long, value_name = "GUID", value_parser = guid)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<Guid>,
}

/// Flags of `held list`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) chosen: Chosen,
    /// Also what waits for something else.
    #[arg(long, conflicts_with = "dismissed")]
    pub(crate) waiting: bool,
    /// What was dismissed instead.
    #[arg(long)]
    pub(crate) dismissed: bool,
    /// List so many at most; all are counted.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `held show`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Show {
    /// The GUID of the Dynamics record.
    #[arg(value_parser = guid)]
    pub(crate) id: Guid,
    /// Show the values that would be sent, and the reason in Marketo's own words: personal data.
    #[arg(long)]
    pub(crate) values: bool,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Flags of `held export`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Export {
    /// The file; - for stdout.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) chosen: Chosen,
    /// Also what waits for something else.
    #[arg(long, conflicts_with = "dismissed")]
    pub(crate) waiting: bool,
    /// What was dismissed instead.
    #[arg(long)]
    pub(crate) dismissed: bool,
    /// Replace the file if it is there.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Flags of `held retry`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["ids", "object", "code", "owner", "all", "dismissed"]))]
pub(crate) struct Retry {
    /// GUIDs of Dynamics records; dismissed ones are taken back.
    #[arg(value_name = "GUID", value_parser = guid)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ids: Vec<Guid>,
    #[command(flatten)]
    #[serde(default)]
    pub(crate) chosen: Chosen,
    /// All that are held.
    #[arg(long, conflicts_with_all = ["ids", "object", "code", "owner", "dismissed"])]
    #[serde(default)]
    pub(crate) all: bool,
    /// Take back what was dismissed, instead of what is held.
    #[arg(long)]
    #[serde(default)]
    pub(crate) dismissed: bool,
    /// Print it as JSON.
    #[arg(long)]
    #[serde(default)]
    pub(crate) json: bool,
}

/// Flags of `held dismiss`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dismiss {
    /// GUIDs of Dynamics records.
    #[arg(value_name = "GUID", required = true, value_parser = guid)]
    pub(crate) ids: Vec<Guid>,
    /// Why; it is kept and shown.
    #[arg(long, value_name = "TEXT", value_parser = told)]
    pub(crate) reason: String,
    /// Who decides it; the user that runs the command, unless it is said.
    #[arg(long, value_name = "WHO", value_parser = told)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Do it; without, it is only shown what would be done.
    #[arg(long)]
    #[serde(default)]
    pub(crate) yes: bool,
    /// Print it as JSON.
    #[arg(long)]
    #[serde(default)]
    pub(crate) json: bool,
}

impl Chosen {
    /// Those of `ids` that are meant; of all records, where there are none.
    pub(crate) fn among(&self, ids: &[Guid]) -> Selection {
        Selection { object: self.object, code: self.code.clone(), owner: self.owner, ids: ids.iter().copied().collect() }
    }
}

/// The word for an object.
pub(crate) fn word(object: Object) -> &'static str {
    OBJECTS.iter().find(|(_, known)| *known == object).map_or("record", |(word, _)| word)
}

fn object() -> impl TypedValueParser<Value = Object> {
    let words = PossibleValuesParser::new(OBJECTS.map(|(word, _)| word));
    words.map(|word| OBJECTS.iter().find(|(known, _)| *known == word).map_or(Object::Lead, |(_, object)| *object))
}

fn guid(text: &str) -> Result<Guid, String> {
    text.parse().map_err(|_| "it is no GUID of a Dynamics record".to_owned())
}

/// A text that says something.
fn told(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it says nothing".to_owned()),
        text => Ok(text.to_owned()),
    }
}
