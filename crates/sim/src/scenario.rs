//! A scenario file: what it proves, what both sides hold, what happens, and the accepted outcome.
//!
//! Everything but the last entry, `then`, is written by people and never touched by the program; `then` is never written by people.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use engine::{options::Bulk, plan::LeftOut};
use sandbox::control::Settings;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    event,
    given::Given,
    names::Names,
    outcome,
    step::{Cycle, Step},
    world::World,
};

/// Where the accepted outcome begins.
const THEN: &str = "\nthen = '''\n";

/// One file.
#[derive(Debug, Clone)]
pub struct File {
    pub path: PathBuf,
    /// The file's name without its ending.
    pub name: String,
    /// What people wrote.
    written: String,
    /// What it says.
    pub scenario: Scenario,
}

/// What a file says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it proves, in one sentence.
    pub proves: String,
    /// Rules of the data, by number: `R4`.
    pub rules: Vec<String>,
    /// Policy values, as `policy.on_merge=hold`.
    #[serde(default)]
    pub policies: Vec<String>,
    /// What is there before.
    #[serde(default)]
    pub given: Given,
    /// What happens.
    pub when: Vec<Value>,
    /// How many differences of each kind the oracle finds in the end. It knows the default policies only.
    #[serde(default)]
    pub differs: BTreeMap<String, u64>,
    /// The accepted outcome.
    #[serde(default)]
    pub then: String,
}

/// The folder of all scenarios.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// All scenarios, by name.
///
/// # Errors
/// In words, for the first file that can't be read.
pub fn all() -> Result<Vec<File>, String> {
    let entries = fs::read_dir(folder()).map_err(|error| error.to_string())?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.into_iter().map(File::read).collect()
}

impl File {
    fn read(path: PathBuf) -> Result<Self, String> {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        let scenario: Scenario = toml::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        let written = text.split_once(THEN).map_or(text.as_str(), |(written, _)| written).trim_end().to_owned();
        Ok(Self { path, name, written, scenario })
    }

    /// Writes another outcome; true when it was another.
    ///
    /// # Errors
    /// When the file can't be written, or the outcome can't be told in one.
    pub fn accept(&self, outcome: &str) -> Result<bool, String> {
        if outcome.contains("'''") {
            return Err(format!("{}: the outcome has three apostrophes in a row", self.name));
        }
        if outcome == self.scenario.then {
            return Ok(false);
        }
        let text = format!("{}\n{THEN}{outcome}'''\n", self.written);
        // Whole or not at all: others read the files meanwhile.
        let beside = self.path.with_extension("new");
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &self.path));
        written.map(|()| true).map_err(|error| format!("{}: {error}", self.name))
    }
}

impl Scenario {
    /// Plays it over both emulators and tells what came of it.
    ///
    /// # Errors
    /// In words, when it can't be played, or the oracle finds other differences than the file names.
    pub async fn play(&self) -> Result<String, String> {
        Ok(self.play_in(|_| {}).await?.0)
    }

    /// Plays it with every cycle planned before it is run; tells what came of it in the end, and what of the plans was not done. None where something
    /// disturbs cycles in their middle: plans don't know of that.
    ///
    /// # Errors
    /// As [`Self::play`].
    pub async fn play_planned(&self) -> Result<Option<(String, Vec<LeftOut>)>, String> {
        let disturbs = ["fault", "kill", "meanwhile", "latency", "expire", "emulators"];
        let has = |value: &Value| disturbs.iter().any(|word| value.to_string().contains(&format!("\"{word}\"")));
        // Nor of imports, whose place calls take.
        let imports = self.given.world(&mut Names::default())?.options.bootstrap.bulk == Bulk::Always;
        if imports || self.when.iter().any(has) {
            return Ok(None);
        }
        let (told, world) = self.play_in(|world| world.unplanned = Some(Vec::new())).await?;
        Ok(Some((told, world.unplanned.unwrap_or_default())))
    }

    async fn play_in(&self, change: impl FnOnce(&mut World)) -> Result<(String, World), String> {
        let mut names = Names::default();
        let mut world = self.given.world(&mut names)?;
        change(&mut world);
        let mut told = Vec::new();
        let mut cycles = 0;
        for (at, value) in self.when.iter().enumerate() {
            let step = self.step(value.clone(), &mut world, &mut names, &mut cycles).await;
            told.extend(step.map_err(|error| format!("step {}: {error}", at + 1))?);
        }
        names.meet_mirrors(&world);
        told.extend(outcome::end(&world, &names));
        told.push(self.judge(&world)?);
        Ok((told.join("\n") + "\n", world))
    }

    async fn step(&self, value: Value, world: &mut World, names: &mut Names, cycles: &mut u32) -> Result<Vec<String>, String> {
        let settles = value.as_str() == Some("settle");
        let event::Event { step, named } = if settles {
            event::Event { step: Step::Cycle(Cycle::default()), named: Vec::new() }
        } else {
            event::read(value, world, names)?
        };
        let (is_cycle, is_request) = (matches!(step, Step::Cycle(_)), matches!(step, Step::Ask(_)));
        let performed = world.perform(step).await?;
        event::meet(&performed.made, named, names)?;
        names.meet_mirrors(world);
        if !is_cycle {
            return Ok(if is_request { outcome::request(&performed, names) } else { Vec::new() });
        }
        *cycles += 1;
        if !settles {
            return Ok(outcome::cycle(*cycles, &performed, world, names).await);
        }
        match &performed.ran {
            Some(ran) if ran.summary.exit_code == 0 => Ok(vec![format!("cycle {cycles} settles what was there")]),
            Some(_) | None => {
                let told = outcome::cycle(*cycles, &performed, world, names).await;
                Err(format!("this cycle had to settle everything, and didn't:\n{}", told.join("\n")))
            }
        }
    }

    /// What the oracle says.
    fn judge(&self, world: &World) -> Result<String, String> {
        let agreement = world.agreement();
        let found: BTreeMap<String, u64> = agreement
            .counts
            .iter()
            .map(|(kind, count)| {
                (serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default(), *count)
            })
            .collect();
        if found != self.differs {
            return Err(format!("the oracle finds {found:?}, the file says {:?}\n{agreement}", self.differs));
        }
        let duplicates = world.sandbox.marketo.state().duplicates();
        if !duplicates.is_empty() {
            return Err(format!("one record, several Marketo persons: {duplicates:?}"));
        }
        let excused: Vec<String> = agreement
            .excused
            .iter()
            .map(|(excuse, count)| {
                format!("{} {count}", serde_json::to_value(excuse).map(|excuse| excuse.to_string()).unwrap_or_default().trim_matches('"'))
            })
            .collect();
        let differs: Vec<String> = self.differs.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let mut told =
            if differs.is_empty() { "both sides agree".to_owned() } else { format!("both sides differ: {}", differs.join(", ")) };
        if !excused.is_empty() {
            told += &format!(" (excused: {})", excused.join(", "));
        }
        Ok(told)
    }
}

/// Settings by side, as a scenario names them.
pub(crate) fn settings(value: Value) -> Result<Settings, String> {
    let mut members = value.as_object().cloned().unwrap_or_default();
    let mut of = |name: &str| members.remove(name).and_then(|value| value.as_object().cloned()).unwrap_or_default();
    let settings = Settings { marketo: of("marketo"), dataverse: of("dynamics") };
    if members.is_empty() { Ok(settings) } else { Err("emulators are marketo and dynamics".to_owned()) }
}

/// Members of an object, or a complaint.
pub(crate) fn members(value: Value, what: &str) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(format!("{what} must be a table")),
    }
}
