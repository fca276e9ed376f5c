//! The configuration file: what may be in it, and mistakes told at their line.
//!
//! A file describes one bridge, or several, each as a `[[bridge]]` with the same sections. Unknown keys are errors. Secrets are never in the
//! file, only where they are to be had. Parsing gives final types, so that nothing is checked later but what only the two sides can tell.

mod address;
mod bridge;
mod schema;
mod schedule;
mod secret;
mod serve;
mod shown;
mod sides;
mod written;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use miette::miette;
use schemars::JsonSchema;
use serde::{Deserialize, de::IgnoredAny};

use crate::exit::Failure;

pub(crate) use address::is_loopback;
pub(crate) use bridge::Config;
pub(crate) use schema::schema;
pub(crate) use serve::Serve;
pub(crate) use written::as_written;

use shown::at_its_line;

/// Where the settings of one bridge are.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The file.
    pub(crate) file: PathBuf,
    /// The bridge's name, where one is given.
    pub(crate) bridge: Option<String>,
}

impl Source {
    /// Reads them.
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        File::load(&self.file)?.bridge(self.bridge.as_deref())
    }
}

/// The whole file.
#[derive(Debug)]
pub(crate) struct File {
    /// At least one, in the order of the file, with different names.
    pub(crate) bridges: Vec<Config>,
    /// What concerns the process.
    pub(crate) serve: Serve,
}

/// A file of several bridges.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Several {
    /// One of several bridges, each with a name and sections of its own; then nothing else but `[serve]` stands outside of them.
    #[schemars(length(min = 1))]
    bridge: Vec<Config>,
    /// What the process that serves shows, whatever bridges it has.
    #[serde(default)]
    serve: Serve,
}

/// What tells the two forms apart.
#[derive(Debug, Deserialize)]
struct Form {
    bridge: Option<IgnoredAny>,
}

impl File {
    /// Reads it.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let help = "write one with `insight-bridge init`, or name another with --config";
            Failure::Configuration(miette!(code = "configuration-missing", help = help, "{} can't be read: {error}", path.display()))
        })?;
        Self::of_text(path, &text)
    }

    /// Reads the text of a file that is, or will be, at this place.
    pub(crate) fn of_text(path: &Path, text: &str) -> Result<Self, Failure> {
        let file = Self::parse(text).map_err(|error| Failure::Configuration(at_its_line(path, text, &error)))?;
        if let Some(mistake) = file.mistake() {
            return Err(wrong(mistake));
        }
        for bridge in &file.bridges {
            store::file_of(&bridge.state())?;
        }
        Ok(file)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        // What can't be parsed at all is told by the form that most files have.
        if toml::from_str::<Form>(text).is_ok_and(|form| form.bridge.is_some()) {
            let Several { bridge, serve } = toml::from_str(text)?;
            return Ok(Self { bridges: bridge, serve });
        }
        let mut only: Config = toml::from_str(text)?;
        let serve = only.serve.take().unwrap_or_default();
        Ok(Self { bridges: vec![only], serve })
    }

    /// What is wrong with it, beyond what can be told at a line.
    fn mistake(&self) -> Option<String> {
        if self.bridges.is_empty() {
            return Some("there is no bridge; describe at least one as [[bridge]]".into());
        }
        let several = self.bridges.len() > 1;
        for bridge in &self.bridges {
            if let Some(mistake) = bridge.mistake() {
                return Some(if several { format!("bridge {}: {mistake}", bridge.name) } else { mistake });
            }
            if bridge.serve.is_some() {
                return Some(format!(
                    "bridge {}: [serve] stands once in the file, above all [[bridge]], because it concerns the process",
                    bridge.name
                ));
            }
        }
        self.serve.mistake().or_else(|| self.clash())
    }

    /// Two bridges that can't be in one process.
    fn clash(&self) -> Option<String> {
        let (mut names, mut states, mut subscriptions) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for bridge in &self.bridges {
            let name = bridge.name.as_str();
            if names.insert(name, ()).is_some() {
                return Some(format!("two bridges are named {name}; give each a name of its own"));
            }
            let state = store::file_of(&bridge.state()).ok().flatten().and_then(|file| std::path::absolute(file).ok());
            if let Some(other) = state.and_then(|state| states.insert(state, name)) {
                return Some(format!("bridges {other} and {name} have the same state; give each a state.url of its own"));
            }
            let limits = (bridge.marketo.calls_per_20s, bridge.marketo.max_in_flight);
            let Ok(subscription) = marketo::options::base(&bridge.marketo.base_url) else { continue };
            if let Some((other, _)) = subscriptions.insert(subscription, (name, limits)).filter(|(_, theirs)| *theirs != limits) {
                return Some(format!(
                    "bridges {other} and {name} call the same Marketo, and share its limits; give both the same marketo.calls_per_20s and \
                     marketo.max_in_flight"
                ));
            }
        }
        None
    }

    /// The bridge of this name, or the only one.
    pub(crate) fn bridge(self, name: Option<&str>) -> Result<Config, Failure> {
        let names: Vec<String> = self.bridges.iter().map(|bridge| bridge.name.clone()).collect();
        let one = names.len() == 1;
        let mut fitting = self.bridges.into_iter().filter(|bridge| name.map_or(one, |name| bridge.name == name));
        fitting.next().ok_or_else(|| {
            let names = names.join(", ");
            wrong(match name {
                Some(name) => format!("the file has no bridge {name}; it has {names}"),
                None => format!("the file has several bridges; name one with --bridge: {names}"),
            })
        })
    }
}

fn wrong(text: String) -> Failure {
    Failure::Configuration(miette!(code = "configuration", "{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [marketo]
        base_url = "https://123-ABC-456.mktorest.com"
        client_id = "a"
        client_secret = { env = "X" }
        [dynamics]
        url = "https://contoso.crm4.dynamics.com"
        tenant_id = "t"
        client_id = "c"
        client_secret = { file = "secret.txt" }
        [fields.contact]
        leadSource = { constant = "Dynamics", owner = "marketo" }
        department = false
    "#;

    fn told(text: &str) -> String {
        match File::parse(text) {
            Ok(file) => file.mistake().unwrap_or_default(),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn the_documented_file_is_read_with_its_defaults() {
        let config = File::parse(GOOD).unwrap().bridge(None).unwrap();
        assert_eq!((config.marketo.calls_per_20s, config.marketo.max_in_flight, config.marketo.daily_calls), (50, 5, 40_000));
        assert_eq!(config.state(), "sqlite:insight-bridge.db");
        assert_eq!(config.options().fields.contact.len(), 2);
        assert_eq!(told(GOOD), "");
    }

    #[test]
    fn the_sample_of_the_readme_is_read() {
        let readme = include_str!("../../../README.md");
        let sample = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(told(sample), "");
        for section in ["name = ", "[schedule]", "[serve]"] {
            assert!(sample.contains(section), "{section}");
        }
        let read = |text: &str| File::parse(text).unwrap().bridge(None).unwrap();
        let (shown, usual) = (read(sample), read(GOOD));
        assert_eq!((&shown.name, shown.state()), (&usual.name, usual.state()));
        assert_eq!(format!("{:?}", shown.schedule), format!("{:?}", usual.schedule));
    }

    #[test]
    fn mistakes_are_told_and_secrets_never_shown() {
        let replaced = |from: &str, to: &str| told(&GOOD.replacen(from, to, 1));
        assert!(replaced("base_url", "base_uri").contains("unknown field `base_uri`"));
        assert!(replaced("client_id = \"a\"", "client_id = 7").contains("invalid type"));
        let plain = replaced("{ env = \"X\" }", "\"hunter2\"");
        assert!(plain.contains("{ env = ") && !plain.contains("hunter2"), "{plain}");
        assert!(replaced("https://contoso.crm4.dynamics.com", "http://contoso.example").contains("plain http"));
        assert!(replaced("client_id = \"a\"", "client_id = \"a\"\ncalls_per_20s = 0").contains("no pacing"));
        assert!(replaced("client_id = \"a\"", "client_id = \"a\"\nmax_in_flight = 11").contains("10"));
        assert!(replaced("{ env = \"X\" }", "{ env = \"X\", file = \"y\" }").contains("{ env = "));
        assert!(replaced("tenant_id = \"t\"", "tenant_id = \"t\"\nreadable_secured_columns = [\"nodot\"]").contains("table.column"));
        for (wrong, key) in [
            ("[where]\nlead = { switch = \"new_yes\", oops = 1 }", "{ switch = "),
            ("[fields.lead]\ntitle = { colum = \"jobtitle\" }", "one source"),
            ("[msi.lead]\npriority = 1", "or false"),
            ("[brake]\npercent = -5", "brake.percent"),
            ("[retry]\ntries = 0", "retry.tries"),
            ("[write_back]\nrows_per_message = 0", "write_back.rows_per_message"),
            ("[bootstrap]\nbulk_rows = 0", "bootstrap.bulk_rows"),
            ("[bootstrap]\ncalls_per_20s = 101", "bootstrap.calls_per_20s"),
            ("[bootstrap]\nmax_in_flight = 11", "bootstrap.max_in_flight"),
        ] {
            let text = told(&format!("{GOOD}\n{wrong}"));
            assert!(text.contains(key), "{text}");
        }
    }

    #[test]
    fn the_line_that_is_shown_hides_secrets() {
        for (text, secret) in [
            (GOOD.replacen("{ env = \"X\" }", "\"hunter2\"", 1), "hunter2"),
            (
                GOOD.replacen("client_id = \"a\"", "client_id = 7", 1).replacen("env = \"X\"", "env = \"X\", oops = \"hunter3\"", 1),
                "hunter3",
            ),
        ] {
            let error = File::parse(&text).unwrap_err();
            let shown = format!("{:?}", at_its_line(Path::new("x.toml"), &text, &error));
            assert!(shown.contains("client_") && !shown.contains(secret), "{shown}");
        }
    }

    /// The same as one of several bridges.
    fn as_bridge(name: &str, more: &str) -> String {
        format!("[[bridge]]\nname = \"{name}\"\n{}\n{more}\n", GOOD.replace('[', "[bridge.").replace("\"[bridge.", "\"["))
    }

    #[test]
    fn several_bridges_have_names_and_states_of_their_own() {
        let both = as_bridge("emea", "") + &as_bridge("apac", "");
        let file = File::parse(&both).unwrap();
        assert_eq!(file.mistake(), None);
        assert_eq!(
            file.bridges.iter().map(Config::state).collect::<Vec<_>>(),
            ["sqlite:insight-bridge-emea.db", "sqlite:insight-bridge-apac.db"]
        );
        assert!(matches!(file.bridge(None), Err(Failure::Configuration(report)) if report.to_string().contains("--bridge: emea, apac")));
        assert_eq!(File::parse(&both).unwrap().bridge(Some("apac")).unwrap().name, "apac");
        let fast = as_bridge("emea", "").replace("client_id = \"a\"", "client_id = \"a\"\ncalls_per_20s = 40");
        for (text, part) in [
            (as_bridge("emea", "") + &as_bridge("emea", ""), "two bridges are named emea"),
            (as_bridge("Emea", ""), "lower-case"),
            (as_bridge("emea", "[bridge.retry]\ntries = 0") + &as_bridge("apac", ""), "bridge emea: retry.tries"),
            (
                as_bridge("emea", "[bridge.state]\nurl = \"sqlite:x.db\"") + &as_bridge("apac", "[bridge.state]\nurl = \"sqlite://x.db\""),
                "the same state",
            ),
            (as_bridge("emea", "[bridge.serve]\nlisten = \"127.0.0.1:1\""), "stands once"),
            (fast + &as_bridge("apac", ""), "call the same Marketo"),
            (format!("{GOOD}\n{}", as_bridge("emea", "")), "expected `bridge` or `serve`"),
            (format!("{GOOD}\n[serve]\nlisten = \"0.0.0.0:9464\""), "write 127.0.0.1:9464"),
            ("bridge = []".into(), "there is no bridge"),
        ] {
            let told = told(&text);
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(told(&format!("{GOOD}\n[serve]\nlisten = \"127.0.0.1:9464\"")), "");
    }
}
