//! What a configuration needs to be told, as far as it is known.

use std::{collections::BTreeMap, path::PathBuf};

use base::Table;
use engine::options::MsiField;

use super::wrong;
use crate::{args::init::Init, asker::Asker, exit::Failure};

/// Where a secret is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// How an answer that names a file rather than a variable begins.
const FILE: &str = "file:";

impl Secret {
    fn given(env: Option<&String>, file: Option<&PathBuf>, usual: &str) -> Self {
        file.map_or_else(|| Self::Env(env.cloned().unwrap_or_else(|| usual.to_owned())), |file| Self::File(file.clone()))
    }

    /// As it is answered on a terminal.
    fn answer(&self) -> String {
        match self {
            Self::Env(name) => name.clone(),
            Self::File(path) => format!("{FILE}{}", path.display()),
        }
    }

    /// None for what is neither: it may be the secret itself, and is said to nobody and kept nowhere.
    fn of_answer(answer: &str) -> Option<Self> {
        match answer.strip_prefix(FILE) {
            Some(path) => Some(Self::File(path.trim().into())),
            None => is_variable(answer).then(|| Self::Env(answer.to_owned())),
        }
    }
}

/// Whether it is the name of an environment variable, rather than a secret that was pasted: it has a name's form, and is in upper case or set.
fn is_variable(text: &str) -> bool {
    let has_form =
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    has_form && (!text.contains(|c: char| c.is_ascii_lowercase()) || std::env::var_os(text).is_some())
}

/// What is said to whoever gives something else.
const NO_VARIABLE: &str = "that is not the name of an environment variable that is set, nor one in upper case, and was not kept; if it was the \
                           secret itself, make a new one on its side";

/// That the flags name variables and give no secret away.
pub(super) fn are_names(args: &Init) -> Result<(), Failure> {
    for (flag, name) in [("--marketo-secret-env", &args.marketo_secret_env), ("--dynamics-secret-env", &args.dynamics_secret_env)] {
        if name.as_ref().is_some_and(|name| !is_variable(name)) {
            return Err(wrong(format!("{flag}: {NO_VARIABLE}")));
        }
    }
    Ok(())
}

/// What is known.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    pub(super) name: Option<String>,
    pub(super) marketo_url: Option<String>,
    pub(super) marketo_client_id: Option<String>,
    pub(super) marketo_secret: Secret,
    /// No pacing, for the emulator.
    pub(super) unpaced: bool,
    pub(super) dynamics_url: Option<String>,
    pub(super) tenant_id: Option<String>,
    pub(super) credential: String,
    pub(super) dynamics_client_id: Option<String>,
    pub(super) dynamics_secret: Secret,
    pub(super) token_file: Option<PathBuf>,
    pub(super) authority: Option<String>,
    pub(super) state: Option<String>,
    pub(super) person_key: Option<String>,
    pub(super) company_key: Option<String>,
    /// Columns of Sales Insight fields that were confirmed.
    pub(super) columns: BTreeMap<(Table, MsiField), String>,
}

impl Answers {
    /// What the flags say.
    pub(super) fn given(args: &Init) -> Self {
        Self {
            name: args.name.clone(),
            marketo_url: args.marketo_url.clone(),
            marketo_client_id: args.marketo_client_id.clone(),
            marketo_secret: Secret::given(args.marketo_secret_env.as_ref(), args.marketo_secret_file.as_ref(), "MARKETO_SECRET"),
            unpaced: false,
            dynamics_url: args.dynamics_url.clone(),
            tenant_id: args.tenant_id.clone(),
            credential: args.credential.clone().unwrap_or_else(|| "secret".into()),
            dynamics_client_id: args.dynamics_client_id.clone(),
            dynamics_secret: Secret::given(args.dynamics_secret_env.as_ref(), args.dynamics_secret_file.as_ref(), "DYNAMICS_SECRET"),
            token_file: args.token_file.clone(),
            authority: args.authority.clone(),
            state: args.state.clone(),
            person_key: args.person_key.clone(),
            company_key: args.company_key.clone(),
            columns: BTreeMap::new(),
        }
    }

    /// Whether the application has a secret.
    pub(super) fn has_secret(&self) -> bool {
        self.credential == "secret"
    }

    /// The same with any other Dynamics, for whoever asks Marketo alone.
    pub(super) fn marketo_only(&self) -> Self {
        Self { dynamics_url: Some("https://none.crm.dynamics.com".into()), tenant_id: Some("none".into()), authority: None, ..self.clone() }
    }

    /// That nothing is missing, where nobody can be asked.
    pub(super) fn are_complete(&self) -> Result<(), Failure> {
        let needs_id = self.credential != "managed-identity";
        let needs_token = self.credential == "workload-identity";
        let missing: Vec<&str> = [
            ("--marketo-url", self.marketo_url.is_none()),
            ("--marketo-client-id", self.marketo_client_id.is_none()),
            ("--dynamics-url", self.dynamics_url.is_none()),
            ("--tenant-id", self.tenant_id.is_none()),
            ("--dynamics-client-id", needs_id && self.dynamics_client_id.is_none()),
            ("--token-file", needs_token && self.token_file.is_none()),
        ]
        .into_iter()
        .filter_map(|(flag, missing)| missing.then_some(flag))
        .collect();
        match missing.as_slice() {
            [] => Ok(()),
            missing => Err(wrong(format!(
                "answers are missing, and there is no terminal to ask on; give {}, or --sandbox for the emulators",
                missing.join(", ")
            ))),
        }
    }

    /// Asks for what concerns Marketo; what is known already is proposed.
    pub(super) fn ask_marketo(&mut self, asker: &mut Asker) -> Result<(), Failure> {
        asker.headline("Marketo");
        let url = asker.ask("Address, as Admin, Web Services, REST API, Endpoint shows it", self.marketo_url.as_deref())?;
        self.marketo_url = Some(url);
        let id = asker.ask("Client id of the custom service (Admin, LaunchPoint, View Details)", self.marketo_client_id.as_deref())?;
        self.marketo_client_id = Some(id);
        self.marketo_secret = ask_secret(asker, &self.marketo_secret)?;
        Ok(())
    }

    /// Asks for what concerns Dynamics.
    pub(super) fn ask_dynamics(&mut self, asker: &mut Asker) -> Result<(), Failure> {
        asker.headline("Dynamics 365");
        let url = asker.ask("Address of the environment, such as https://contoso.crm4.dynamics.com", self.dynamics_url.as_deref())?;
        self.dynamics_url = Some(url);
        self.tenant_id = Some(asker.ask("Entra tenant (Directory ID, or a domain)", self.tenant_id.as_deref())?);
        loop {
            self.credential = asker.ask("Credential: secret, managed-identity or workload-identity", Some(&self.credential))?;
            if ["secret", "managed-identity", "workload-identity"].contains(&self.credential.as_str()) {
                break;
            }
            self.credential = "secret".into();
        }
        if self.credential == "managed-identity" && self.dynamics_client_id.is_none() {
            // Only a user-assigned identity has one: it is given as a flag.
            return Ok(());
        }
        self.dynamics_client_id = Some(asker.ask("Client id of the app registration", self.dynamics_client_id.as_deref())?);
        if self.has_secret() {
            self.dynamics_secret = ask_secret(asker, &self.dynamics_secret)?;
        } else if self.credential == "workload-identity" {
            let known = self.token_file.as_ref().map(|path| path.display().to_string());
            self.token_file = Some(asker.ask("File with the service account's token", known.as_deref())?.into());
        }
        Ok(())
    }

    /// The environment variables that hold secrets.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let dynamics = Some(&self.dynamics_secret).filter(|_| self.has_secret());
        [Some(&self.marketo_secret), dynamics].into_iter().flatten().filter_map(|secret| match secret {
            Secret::Env(name) => Some(name.as_str()),
            Secret::File(_) => None,
        })
    }
}

fn ask_secret(asker: &mut Asker, known: &Secret) -> Result<Secret, Failure> {
    let question = format!("Where its secret is: the name of an environment variable, or {FILE}PATH; never the secret itself");
    loop {
        if let Some(secret) = Secret::of_answer(&asker.ask(&question, Some(&known.answer()))?) {
            return Ok(secret);
        }
        asker.headline(NO_VARIABLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_variable_or_a_file() {
        for answer in ["MARKETO_SECRET", "file:/run/secrets/marketo"] {
            assert_eq!(Secret::of_answer(answer).unwrap().answer(), answer);
        }
        assert_eq!(Secret::of_answer("file: x"), Some(Secret::File("x".into())));
        for pasted in ["aB3dEf9", "9ABC", "A~B.C", "Secret With Blanks", ""] {
            assert_eq!(Secret::of_answer(pasted), None, "{pasted}");
        }
    }
}
