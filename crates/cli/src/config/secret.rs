//! Where secrets are to be had: they are never in the file itself.

use std::path::PathBuf;

use base::Secret;
use miette::miette;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::exit::Failure;

/// Where a secret is to be had; it is never in the configuration itself. Blanks and line ends around it are ignored.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename = "Secret", rename_all = "lowercase")]
pub(super) enum SecretSource {
    /// The name of an environment variable.
    Env(String),
    /// The path of a file.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Told {
            env: Option<String>,
            file: Option<PathBuf>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Told(Told),
            // Only so that the mistake can be told without showing the secret.
            Plain(#[allow(dead_code)] String),
        }
        let told = "a secret is written as { env = \"NAME_OF_A_VARIABLE\" } or { file = \"path\" }, never in this file itself";
        match Written::deserialize(deserializer) {
            Ok(Written::Told(Told { env: Some(env), file: None })) => Ok(Self::Env(env)),
            Ok(Written::Told(Told { env: None, file: Some(file) })) => Ok(Self::File(file)),
            Ok(Written::Told(_) | Written::Plain(_)) | Err(_) => Err(serde::de::Error::custom(told)),
        }
    }
}

impl SecretSource {
    /// Reads it; `key` is where it is named.
    pub(super) fn read(&self, key: &str) -> Result<Secret, Failure> {
        let missing = |text: String| Failure::Configuration(miette!(code = "secret-missing", "{key}: {text}"));
        let text = match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|_| missing(format!("the environment variable {name} is not set; set it to the secret's value and run again")))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| missing(format!("the file {} can't be read ({error}); put the secret into it", path.display())))?,
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(missing("the secret is empty".into()));
        }
        Ok(text.to_owned().into())
    }
}
